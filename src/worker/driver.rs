//! The loop that does a worker's effects on Kafka.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::flights::{Flight, Flights};
use super::step::{Arrived, Publish, Score, Step, latency};
use super::tasks::Tasks;
use super::{Counts, Error, Settings};
use crate::clock::{Stopwatch, pause};
use crate::kafka::{Consumer, Headers, Outgoing, Producer, Rebalance, Record};

/// How long an alert waits for company: short, because somebody waits for the alert.
const LINGER: Duration = Duration::from_millis(1);

/// How long a worker with acknowledgements to come waits for a record.
const BUSY_WAIT: Duration = Duration::from_millis(1);

/// Time between warnings about miskeyed records.
const WARN_INTERVAL: Duration = Duration::from_secs(60);

/// How often the last commit is tried, and how long apart.
const LAST_COMMITS: u32 = 3;
const LAST_COMMIT_PAUSE: Duration = Duration::from_millis(100);

/// What an observer of a worker is told.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// The worker has so many partitions now.
    Assigned(usize),
    /// Something was counted.
    Counted(&'a Counts),
    /// All is flushed and committed; the worker leaves the group when the observer returns.
    Leaving,
}

/// Works until `stop` is set, then finishes what is in hand, flushes, commits and leaves the group.
/// `clock` tells microseconds since the epoch; `observe` is called between batches and must be
/// quick.
///
/// # Errors
/// [`Error`] if it cannot go on. It leaves the group then as well, without committing.
pub fn run<S: Score>(
    settings: &Settings,
    scorer: S,
    clock: &dyn Fn() -> i64,
    stop: &AtomicBool,
    observe: &mut dyn FnMut(Event<'_>),
) -> Result<Counts, Error> {
    let Settings { connection, group_id, assignment, topics, .. } = settings;
    let consumer = Consumer::join(connection, group_id, &topics.transactions, *assignment)?;
    let mut worker = Worker {
        settings,
        consumer: &consumer,
        step: Step::new(settings, scorer),
        edge: Edge {
            producer: Producer::new(connection, LINGER)?,
            tasks: Tasks::default(),
            flights: Flights::default(),
            patience: settings.patience,
        },
        sequences: Vec::new(),
        clock,
        since_commit: Stopwatch::start(),
        miskeyed: Miskeyed::default(),
    };
    worker.work(stop, observe)?;
    Ok(worker.step.counts)
}

/// A worker between its consumer and its producer.
struct Worker<'a, S> {
    settings: &'a Settings,
    consumer: &'a Consumer,
    step: Step<S>,
    edge: Edge,
    sequences: Vec<usize>,
    clock: &'a dyn Fn() -> i64,
    since_commit: Stopwatch,
    miskeyed: Miskeyed,
}

/// Where the step publishes to.
struct Edge {
    producer: Producer,
    tasks: Tasks,
    flights: Flights,
    patience: Duration,
}

impl Publish for Edge {
    fn publish(
        &mut self,
        source: &impl Arrived,
        is_alert: bool,
        record: Outgoing<'_>,
    ) -> Result<(), Error> {
        let (partition, offset) = (source.partition(), source.offset());
        self.tasks.expect(partition, offset)?;
        let timestamp_ms = source.timestamp_ms();
        let flight = Flight { partition, offset, timestamp_ms, is_alert };
        let sequence = self.flights.depart(flight);
        Ok(self.producer.send(record, sequence, self.patience)?)
    }
}

impl Arrived for Record<'_> {
    fn partition(&self) -> i32 {
        Record::partition(self)
    }

    fn offset(&self) -> i64 {
        Record::offset(self)
    }

    fn timestamp_ms(&self) -> Option<i64> {
        Record::timestamp_ms(self)
    }

    fn key(&self) -> Option<&[u8]> {
        Record::key(self)
    }

    fn value(&self) -> Option<&[u8]> {
        Record::value(self)
    }

    fn headers(&self) -> Headers {
        Record::headers(self)
    }
}

impl<'a, S: Score> Worker<'a, S> {
    fn work(&mut self, stop: &AtomicBool, observe: &mut dyn FnMut(Event<'_>)) -> Result<(), Error> {
        let mut records: Vec<Record<'a>> = Vec::new();
        while !stop.load(Ordering::Acquire) {
            self.consumer.take(self.settings.batch_records, self.wait(), &mut records)?;
            let has_news = self.process(&records)? | self.settle()?;
            records.clear();
            if has_news {
                observe(Event::Counted(&self.step.counts));
            }
            if self.since_commit.elapsed() >= self.settings.commit_interval {
                self.commit()?;
                self.miskeyed.warn(self.step.counts.miskeyed);
            }
            if self.rebalance()? {
                observe(Event::Assigned(self.edge.tasks.len()));
            }
        }
        self.rebalance()?;
        self.drain()?;
        self.commit_last();
        observe(Event::Counted(&self.step.counts));
        observe(Event::Leaving);
        Ok(())
    }

    /// How long to wait for the first record of a batch.
    fn wait(&self) -> Duration {
        let wait = self.settings.batch_wait;
        if self.edge.flights.is_empty() { wait } else { wait.min(BUSY_WAIT) }
    }

    /// Whether there was anything.
    fn process(&mut self, records: &[Record<'_>]) -> Result<bool, Error> {
        if records.is_empty() {
            return Ok(false);
        }
        self.step.run(records, self.clock, &mut self.edge)?;
        for record in records {
            self.edge.tasks.receive(record.partition(), record.offset())?;
        }
        Ok(true)
    }

    /// Takes acknowledgements in; whether there were any.
    fn settle(&mut self) -> Result<bool, Error> {
        if self.edge.flights.is_empty() {
            return Ok(false);
        }
        self.edge.producer.acknowledged(&mut self.sequences)?;
        let now = (self.clock)();
        let has_news = !self.sequences.is_empty();
        for sequence in self.sequences.drain(..) {
            let Some(flight) = self.edge.flights.arrive(sequence) else {
                let message = format!("record {sequence} was acknowledged and not in flight");
                return Err(Error::Impossible(message));
            };
            self.edge.tasks.acknowledge(flight.partition, flight.offset)?;
            if flight.is_alert {
                let counts = &mut self.step.counts;
                counts.acknowledged_alerts += 1;
                if let Some(latency) = latency(flight.timestamp_ms, now) {
                    counts.alert_latency.record(latency);
                }
            }
        }
        Ok(has_news)
    }

    /// Waits for all acknowledgements.
    fn drain(&mut self) -> Result<(), Error> {
        self.edge.producer.flush(self.settings.patience)?;
        self.settle()?;
        if self.edge.flights.is_empty() {
            return Ok(());
        }
        Err(Error::Impossible("records are in flight after everything was flushed".to_owned()))
    }

    fn commit(&mut self) -> Result<(), Error> {
        self.since_commit = Stopwatch::start();
        let offsets = self.edge.tasks.due();
        self.consumer.commit(&offsets)?;
        self.edge.tasks.commit(&offsets);
        Ok(())
    }

    /// Commits all that can be and waits for the answer. A failure costs repeated records, no lost
    /// ones, and is no reason to stop less orderly.
    fn commit_last(&mut self) {
        let offsets = self.edge.tasks.all();
        for attempt in 1..=LAST_COMMITS {
            match self.consumer.commit_now(&offsets) {
                Ok(()) => return,
                Err(error) if attempt == LAST_COMMITS => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "offsets were not committed, records will be read again");
                }
                Err(_) => pause(LAST_COMMIT_PAUSE),
            }
        }
    }

    /// Answers the group; whether there was anything to answer.
    fn rebalance(&mut self) -> Result<bool, Error> {
        let mut is_changed = false;
        while let Some(rebalance) = self.consumer.rebalance() {
            is_changed = true;
            match rebalance {
                Rebalance::Assign(partitions) => {
                    tracing::info!(?partitions, "partitions assigned");
                    self.edge.tasks.assign(&partitions);
                }
                Rebalance::Revoke(partitions) => {
                    tracing::info!(?partitions, "partitions revoked");
                    self.drain()?;
                    self.commit_last();
                    self.edge.tasks.remove(&partitions);
                }
                Rebalance::Lose(partitions) => {
                    tracing::warn!(
                        ?partitions,
                        "partitions lost, their records will be read again"
                    );
                    self.drain()?;
                    self.edge.tasks.remove(&partitions);
                }
            }
            self.consumer.complete()?;
        }
        Ok(is_changed)
    }
}

/// Miskeyed records that were warned about.
#[derive(Default)]
struct Miskeyed {
    warned: u64,
    since: Option<Stopwatch>,
}

impl Miskeyed {
    fn warn(&mut self, miskeyed: u64) {
        let is_quiet = self.since.is_some_and(|since| since.elapsed() < WARN_INTERVAL);
        if miskeyed == self.warned || is_quiet {
            return;
        }
        let new = miskeyed - self.warned;
        tracing::warn!(
            new,
            "records are keyed by something other than customer_id, their windows may be incomplete; \
             fix the producer's key"
        );
        *self = Self { warned: miskeyed, since: Some(Stopwatch::start()) };
    }
}
