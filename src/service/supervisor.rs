//! Worker threads: how they start, restart and end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::observer::Observer;
use super::start::{self, rest, snapshot_stream};
use super::{Error, Make, Settings, Shared};
use crate::base::clock::{Stopwatch, now_micros, now_millis, pause};
use crate::base::config::{Assignment, Delivery};
use crate::base::error::with_causes;
use crate::base::retry::Backoff;
use crate::core::codec::Framing;
use crate::core::engine::{Engine, Memory};
use crate::core::state::{Bounds, MEMORY_MS};
use crate::core::transaction::DAY_MS;
use crate::edges::kafka;
use crate::edges::telemetry::{ErrorKind, LabelOutcome, Metrics};
use crate::stream::health::{Check, Finding, Health};
use crate::stream::labels::{self, Follower, Inbox};
use crate::stream::worker::{self, Met, Schemas, Surroundings, Topics};

/// How long to wait for the brokers' answer to one question.
const PATIENCE: Duration = Duration::from_secs(10);

/// The share of the shutdown deadline in which workers wait for acknowledgements and save. The rest
/// is for the last commit, for leaving the group, and for the other parts of the process.
const DRAIN_SHARE: f64 = 0.7;

/// Time between two looks at the workers.
const LOOK: Duration = Duration::from_millis(50);

/// Time between two probes of the brokers.
const PROBE_INTERVAL: Duration = Duration::from_secs(10);

/// How long to wait for a probe's answer.
const PROBE_TIME: Duration = Duration::from_secs(3);

/// About how long a worker rests before it starts again: at first, and at most.
const FIRST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(10);

/// A worker that has lived so long rests as shortly as the first time.
const LONG_LIFE: Duration = Duration::from_secs(30);

/// How many calls into librdkafka may be left behind. Each keeps a client with its threads, its
/// connections and what it had read; a process that has more is to be started anew.
const MOST_LEFT_BEHIND: usize = 16;

/// How far before the committed offset a partition is read again. That is a day more than customers
/// are remembered, because a payment may be recorded up to a day before its event time.
const MEMORY: Duration = Duration::from_millis((MEMORY_MS + DAY_MS) as u64);

/// The worker threads.
struct Crew {
    /// Workers by number, with their threads.
    workers: Vec<(usize, JoinHandle<Result<(), Error>>)>,
    first_error: Option<Error>,
}

/// Starts the workers and waits until they have ended.
pub(super) fn run(
    settings: &Settings,
    shared: &Shared,
    framing: Framing,
    make: &Make,
    stop: &Arc<AtomicBool>,
    idle: &mut dyn FnMut(),
) -> Result<(), Error> {
    let (follower, inboxes) = follow(settings, shared)?;
    let mut crew = Crew { workers: Vec::new(), first_error: None };
    for (number, inbox) in inboxes.into_iter().enumerate() {
        let worker = Worker {
            observer: Observer::new(
                number,
                &settings.stream.topics.transactions,
                &settings.model,
                shared,
            ),
            settings: worker_settings(settings, shared, framing, number),
            shared: shared.clone(),
            stop: Arc::clone(stop),
            inbox,
            number,
            bounds: settings.bounds,
        };
        worker.observer.waits("starting");
        let make = Arc::clone(make);
        let thread = Builder::new().name(format!("worker-{number}"));
        crew.workers.push((number, thread.spawn(move || worker.live(&*make))?));
    }
    // From now on the workers report themselves what they wait for.
    shared.health.clear(start::PART);
    crew.watch(settings, shared, stop, idle);
    shared.health.obstruct("service", "shutting down");
    let outcome = crew.end(settings.stream.shutdown_deadline, stop);
    follower.stop();
    outcome
}

fn follow(settings: &Settings, shared: &Shared) -> Result<(Follower, Vec<Inbox>), labels::Error> {
    let stream = &settings.stream;
    let followed = labels::Settings::new(
        shared.connection.clone(),
        stream.group_id.as_str(),
        stream.topics.labels.as_str(),
        now_millis(),
    );
    let schemas = shared.schemas.clone();
    let metrics = Arc::clone(&shared.metrics);
    let on_event = move |event| match event {
        labels::Event::Learned { frauds, honest } => {
            metrics.labels(LabelOutcome::Fraud, frauds as u64);
            metrics.labels(LabelOutcome::Honest, honest as u64);
        }
        labels::Event::Rejected { .. } => metrics.labels(LabelOutcome::Rejected, 1),
        labels::Event::CaughtUp => {}
    };
    Follower::start(
        followed,
        Box::new(move |id| schemas.lookup(id)),
        settings.workers,
        Arc::clone(&shared.health),
        Box::new(on_event),
    )
}

fn worker_settings(
    settings: &Settings,
    shared: &Shared,
    framing: Framing,
    number: usize,
) -> worker::Settings {
    let stream = &settings.stream;
    let connection = shared.connection.of_worker(number);
    let (connection, delivery) = match stream.delivery {
        Delivery::AtLeastOnce => (connection, worker::Delivery::AtLeastOnce),
        Delivery::ExactlyOnce => {
            let member = connection.instance_id();
            let member =
                member.map_or_else(|| format!("{}-{number}", settings.process), str::to_owned);
            let transactional_id = format!("{}-{member}", stream.group_id);
            let delivery = worker::Delivery::ExactlyOnce { transactional_id };
            (connection.reading_committed(), delivery)
        }
    };
    let schemas = shared.schemas.clone();
    worker::Settings {
        connection,
        group_id: stream.group_id.clone(),
        assignment: match stream.assignment {
            Assignment::Cooperative => kafka::Assignment::Cooperative,
            Assignment::Eager => kafka::Assignment::Eager,
        },
        topics: Topics {
            transactions: stream.topics.transactions.clone(),
            alerts: stream.topics.alerts.clone(),
            dead_letters: stream.topics.dead_letters.clone(),
            scored: stream.topics.scored.clone(),
        },
        schemas: Schemas(Arc::new(move |id| schemas.lookup(id))),
        framing,
        model: settings.model.clone(),
        delivery,
        batch_records: stream.batch_records,
        batch_wait: stream.batch_wait,
        commit_interval: stream.commit_interval,
        snapshots: Some(snapshots(settings, shared, number)),
        memory: MEMORY,
        patience: PATIENCE,
        shutdown_deadline: stream.shutdown_deadline.mul_f64(DRAIN_SHARE),
    }
}

fn snapshots(settings: &Settings, shared: &Shared, number: usize) -> worker::Snapshots {
    let (location, replica) = (settings.database.clone(), settings.replica.clone());
    let stream = snapshot_stream(&settings.stream);
    let (health, metrics) = (Arc::clone(&shared.health), Arc::clone(&shared.metrics));
    worker::Snapshots {
        open: Arc::new(move || location.open_with(&stream, replica.as_ref())),
        complain: Arc::new(move |said| hear(&health, &metrics, said)),
        owner: format!("{}/{number}", settings.process),
        policy: settings.save.clone(),
        portions: Default::default(),
        goes_on_incomplete: settings.goes_on_incomplete,
        budget: Arc::clone(&shared.budget),
        in_turns: None,
    }
}

/// Reports a complaint of the database (`Some`), or that it answers (`None`).
fn hear(health: &Health, metrics: &Metrics, said: Option<&str>) {
    let Some(said) = said else { return health.report(Check::Database, Finding::Ok) };
    metrics.error(ErrorKind::Database);
    health.report(Check::Database, Finding::Degraded(said.to_owned()));
}

impl Crew {
    /// Watches the workers until the process is to end or one of them failed for good.
    fn watch(
        &mut self,
        settings: &Settings,
        shared: &Shared,
        stop: &AtomicBool,
        idle: &mut dyn FnMut(),
    ) {
        let mut since_probe = Stopwatch::start();
        let mut probe: Option<JoinHandle<()>> = None;
        while !stop.load(Ordering::Acquire) {
            pause(LOOK);
            idle();
            self.collect(stop);
            let is_free = probe.as_ref().is_none_or(JoinHandle::is_finished);
            if is_free && since_probe.elapsed() >= PROBE_INTERVAL {
                probe = start_probe(settings, shared);
                since_probe = Stopwatch::start();
            }
        }
    }

    /// Collects threads that have ended; an error tells the others to end.
    fn collect(&mut self, stop: &AtomicBool) {
        let mut place = 0;
        while place < self.workers.len() {
            if !self.workers[place].1.is_finished() {
                place += 1;
                continue;
            }
            let (number, ended) = self.workers.swap_remove(place);
            let outcome = ended.join().unwrap_or(Err(Error::Panicked(number)));
            if let Err(error) = outcome {
                tracing::error!(
                    error = with_causes(&error),
                    "a worker ended, and the process with it"
                );
                self.first_error.get_or_insert(error);
                stop.store(true, Ordering::Release);
            }
        }
    }

    /// Waits until all workers have ended, at most until the deadline.
    fn end(mut self, deadline: Duration, stop: &AtomicBool) -> Result<(), Error> {
        let waited = Stopwatch::start();
        while !self.workers.is_empty() && waited.elapsed() < deadline {
            self.collect(stop);
            pause(Duration::from_millis(2));
        }
        match self.first_error {
            Some(error) => Err(error),
            None if self.workers.is_empty() => Ok(()),
            None => Err(Error::Deadline { seconds: deadline.as_secs() }),
        }
    }
}

/// Checks on a thread of its own whether the brokers answer, and reports it.
fn start_probe(settings: &Settings, shared: &Shared) -> Option<JoinHandle<()>> {
    let (topic, shared) = (settings.stream.topics.transactions.clone(), shared.clone());
    let probe = move || {
        let finding = match kafka::partitions_of(&shared.connection, &topic, PROBE_TIME) {
            Ok(_) => Finding::Ok,
            Err(error) => Finding::Down(with_causes(&error)),
        };
        shared.health.report(Check::Kafka, finding);
    };
    // Without a thread it is looked at the next time.
    Builder::new().name("probe".to_owned()).spawn(probe).ok()
}

/// What a worker's thread owns.
struct Worker {
    number: usize,
    settings: worker::Settings,
    shared: Shared,
    stop: Arc<AtomicBool>,
    inbox: Inbox,
    observer: Observer,
    bounds: Bounds,
}

impl Worker {
    /// Works until the process is to end. After a failure of Kafka it starts again, keeping the
    /// verdicts but not the customers. So does a worker whose producer was given up in a call that
    /// did not come back: the new one has the same transactional id, which fences the old one off.
    fn live(
        mut self,
        make: &(dyn Fn() -> Result<Engine, crate::core::engine::EngineError> + Send + Sync),
    ) -> Result<(), Error> {
        let (mut engine, mut memory) = (make()?, Memory::new(self.bounds));
        self.learn_all(&mut memory);
        let mut backoff = Backoff::new(FIRST_REST, LONGEST_REST);
        while !self.stop.load(Ordering::Acquire) {
            let life = Stopwatch::start();
            let ended = self.work(&mut engine, &mut memory);
            self.observer.ended();
            let Err(source) = ended else { return Ok(()) };
            self.shared.metrics.error(kind(&source));
            let is_passing = matches!(source, worker::Error::Kafka(_))
                && kafka::calls_left_behind() <= MOST_LEFT_BEHIND;
            if !is_passing || self.stop.load(Ordering::Acquire) {
                return Err(Error::Worker { number: self.number, source });
            }
            let text = with_causes(&source);
            tracing::error!(worker = self.number, error = text, "a worker starts again");
            self.observer.fails(&text);
            memory.drop_customers();
            if life.elapsed() > LONG_LIFE {
                backoff.reset();
            }
            rest(backoff.next_wait(), &self.stop, &mut || ());
        }
        Ok(())
    }

    /// Learns all verdicts that existed at the start: scoring without them would be wrong.
    fn learn_all(&mut self, memory: &mut Memory) {
        self.observer.waits("reading the verdicts of analysts");
        while !self.inbox.is_caught_up() && !self.stop.load(Ordering::Acquire) {
            if self.inbox.receive(&mut |label| memory.learn(label)) == 0 {
                pause(Duration::from_millis(1));
            }
        }
    }

    fn work(
        &mut self,
        engine: &mut Engine,
        memory: &mut Memory,
    ) -> Result<worker::Counts, worker::Error> {
        let Self { observer, inbox, settings, stop, .. } = self;
        observer.begins(Met::of(memory));
        let mut verdicts = |learn: &mut dyn FnMut(&crate::core::transaction::Label<'_>)| {
            inbox.receive(learn);
        };
        let surroundings = Surroundings {
            clock: &now_micros,
            stop,
            verdicts: &mut verdicts,
            observe: &mut |event| observer.observe(event),
        };
        worker::run(settings, engine, memory, surroundings)
    }
}

fn kind_of_kafka(error: &kafka::Error) -> ErrorKind {
    use kafka::Error as Kafka;
    match error {
        Kafka::Produce { .. }
        | Kafka::Undelivered { .. }
        | Kafka::Oversized { .. }
        | Kafka::Unacknowledged { .. } => ErrorKind::Produce,
        Kafka::Offsets { .. } | Kafka::Transaction { .. } => ErrorKind::Commit,
        _ => ErrorKind::Consume,
    }
}

fn kind(error: &worker::Error) -> ErrorKind {
    match error {
        worker::Error::Kafka(error) => kind_of_kafka(error),
        worker::Error::Engine(_) => ErrorKind::Model,
        worker::Error::Incomplete { .. } => ErrorKind::Consume,
        worker::Error::Impossible(_) | worker::Error::Thread(_) => ErrorKind::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_in_trouble_is_shown_and_counted() {
        let (health, metrics) = (Health::new(1), Metrics::new(1));
        let counted = |times: u32| {
            let text = metrics.encode(0);
            let line = format!("synfinance_errors_total{{kind=\"database\"}} {times}\n");
            assert!(text.contains(&line), "{text}");
        };
        hear(&health, &metrics, None);
        counted(0);
        assert_eq!(health.finding(Check::Database), Finding::Ok);
        hear(&health, &metrics, Some("no answer"));
        hear(&health, &metrics, Some("its disk is full"));
        counted(2);
        let degraded = Finding::Degraded("its disk is full".to_owned());
        assert_eq!(health.finding(Check::Database), degraded);
        hear(&health, &metrics, None);
        counted(2);
        assert_eq!(health.finding(Check::Database), Finding::Ok);
    }
}
