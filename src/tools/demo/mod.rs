//! The whole stream in one process: a generator, Kafka, workers, a subscriber.
//!
//! Nothing is left out: transactions are encoded as Avro and produced to a topic, workers are
//! members of a group, and a subscriber reads the alerts back from their topic. Only the cluster is
//! librdkafka's mock, which silently drops records that are read too late. So the generator runs
//! ahead of the workers by a bounded number of records (`board`), and the summary counts what is
//! missing instead of assuming that nothing is. Every wait has a deadline: a stuck demo fails and
//! says where.

mod archive;
mod board;
mod feed;
mod summary;
mod truth;
mod watch;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use crate::base::clock::{Stopwatch, now_millis};
use crate::core::codec::{ALERT_SCHEMA, AlertView, Framing, Rejected, TRANSACTION_SCHEMA};
use crate::core::engine::{EngineError, Memory};
use crate::core::state::{Bounds, MEMORY_MS};
use crate::edges::kafka::{Assignment, Connection, Error as KafkaError, MockCluster};
use crate::stream::worker::{
    self, Counts, Delivery, Event, ModelName, Schemas, Score, Surroundings, Topics,
};
use crate::tools::generate::{self, SettingsError};

pub use archive::{Archive, ArchiveError, Past};
use board::Board;
pub use board::Progress;
pub use summary::{LatencyMs, Summary};
use truth::Truth;
use watch::Watch;

/// The static table's id of `schemas/transaction.avsc`.
const TRANSACTION_SCHEMA_ID: u32 = 1;

/// The static table's id of `schemas/alert.avsc`.
const ALERT_SCHEMA_ID: u32 = 2;

/// By how much the deadline for ending is longer for workers that save their customers: a factor.
const SAVING_SHARE: u32 = 5;

/// What a demo runs with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What is generated.
    pub generate: generate::Settings,
    /// Transactions per second, more than 0; `None`: as fast as possible.
    pub rate: Option<f64>,
    /// Workers, 1 to `partitions`.
    pub workers: usize,
    /// Partitions of the topics, at least 1.
    pub partitions: usize,
    /// How many records are scored as one batch at most, at least 1.
    pub batch_records: usize,
    /// The name of the model behind the scores, as alerts show it.
    pub model: ModelName,
    /// Bounds of each customer's state.
    pub bounds: Bounds,
    /// What earlier demos left for this one to go on from; `None`: this demo starts from nothing
    /// and leaves nothing.
    pub archive: Option<Archive>,
    /// How long nothing may change before the demo fails.
    pub patience: Duration,
}

impl Settings {
    /// Two workers on four partitions, as fast as possible.
    pub fn new(generate: generate::Settings, model: ModelName) -> Self {
        Self {
            generate,
            rate: None,
            workers: 2,
            partitions: 4,
            batch_records: 512,
            model,
            bounds: Bounds::default(),
            archive: None,
            patience: Duration::from_secs(30),
        }
    }
}

impl Settings {
    /// These settings with a patience that a slow rate does not exhaust, going on where the last
    /// demo ended.
    fn settled(&self) -> Self {
        let gap_seconds = self.rate.map_or(0.0, |rate| (2.0 / rate).clamp(0.0, 1e6));
        let patience = self.patience + Duration::from_secs_f64(gap_seconds);
        let archive = self.archive.as_ref();
        let generate = archive.map_or(self.generate, |archive| archive.goes_on(&self.generate));
        Self { patience, generate, ..self.clone() }
    }
}

/// Why a demo failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings of the generator are not valid.
    #[error("nothing can be generated")]
    Generate(#[from] SettingsError),
    /// No engine can be built.
    #[error("no engine can be made")]
    Engine(#[from] EngineError),
    /// Kafka fails.
    #[error("kafka failed")]
    Kafka(#[from] KafkaError),
    /// A worker failed.
    #[error("a worker failed")]
    Worker(#[from] worker::Error),
    /// A published alert cannot be read.
    #[error("a published alert cannot be read: {0}")]
    Alert(Rejected),
    /// Nothing changed for too long.
    #[error(
        "nothing has moved for {seconds} s while {stage}: {progress}; is the machine overloaded?"
    )]
    Stalled {
        /// How long, in seconds.
        seconds: u64,
        /// What was being waited for.
        stage: &'static str,
        /// How far the demo had come.
        progress: Progress,
    },
    /// A thread panicked; its message is on stderr.
    #[error("the {0} panicked, this is a bug")]
    Panicked(&'static str),
}

/// Runs a demo to its end, or until `stop` is set: then it finishes what was generated, and the
/// summary covers that. `make` builds an engine for each worker, in the worker's thread. `on_alert`
/// gets each alert once, as the subscriber receives it. `on_progress` is called at least ten times
/// a second while transactions are scored.
///
/// # Errors
/// [`Error`]; all threads have ended by then.
pub fn run<S: Score>(
    settings: &Settings,
    make: &(dyn Fn() -> Result<S, EngineError> + Sync),
    stop: &AtomicBool,
    on_alert: &mut dyn FnMut(&AlertView<'_>),
    on_progress: &mut dyn FnMut(Progress),
) -> Result<Summary, Error> {
    settings.generate.check()?;
    let settings = &settings.settled();
    let partitions = i32::try_from(settings.partitions).unwrap_or(i32::MAX);
    let topics = Topics::default();
    let names = [&topics.transactions, &topics.alerts, &topics.dead_letters];
    let cluster = MockCluster::start(&names.map(|topic| (topic.as_str(), partitions)))?;
    let connection = connection(&cluster)?;
    let worker = worker_settings(settings, &connection, &topics);
    let board = Board::new(settings.workers);
    let truth = Truth::default();
    let mut watch = Watch::join(&connection, &topics.alerts, settings, &board, &truth)?;
    thread::scope(|scope| {
        // Whatever happens below, the threads are told to end before the scope waits for them.
        let _end = board.end_on_drop();
        let clock = Clock::start();
        let mut workers: Vec<ScopedJoinHandle<'_, Result<Counts, Error>>> = Vec::new();
        for index in 0..settings.workers {
            let (worker, board) = (&worker, &board);
            workers.push(
                scope.spawn(move || work(worker, settings.bounds, index, make, clock, board)),
            );
        }
        let feed = scope.spawn(|| feed::run(settings, &connection, &board, &truth));
        // Workers end only when told to, and the generator when it is complete.
        let finished = || {
            (feed.is_finished() && !board.is_complete())
                || workers.iter().any(ScopedJoinHandle::is_finished)
        };
        let seconds = watch.run(stop, &finished, on_alert, on_progress);
        board.end();
        let fed = feed.join().unwrap_or(Err(Error::Panicked("generator")));
        let counts = join(workers);
        // Report the first cause, not what follows from it.
        let (seconds, counts, ()) = match (counts, fed, seconds) {
            (Err(error), _, _) | (_, Err(error), _) | (_, _, Err(error)) => return Err(error),
            (Ok(counts), Ok(()), Ok(seconds)) => (seconds, counts, ()),
        };
        watch.finish(counts.acknowledged_alerts, on_alert)?;
        Ok(Summary::new(board.generated(), &counts, &watch.tally(), seconds))
    })
}

/// A connection to the mock, with two peculiarities of it in mind. It answers a fetch without
/// records only when the fetch's wait is over, whatever arrives meanwhile. And if a member is slow
/// to take its first assignment, the mock assigns anew only a second before the session would end,
/// so sessions are short.
fn connection(cluster: &MockCluster) -> Result<Connection, Error> {
    let properties = [
        ("fetch.wait.max.ms", "2"),
        ("message.timeout.ms", "30000"),
        ("session.timeout.ms", "2000"),
    ];
    let properties = properties.map(|(key, value)| (key.to_owned(), value.to_owned()));
    Ok(Connection::new(cluster.connection().brokers(), properties.into())?)
}

fn worker_settings(
    settings: &Settings,
    connection: &Connection,
    topics: &Topics,
) -> worker::Settings {
    worker::Settings {
        connection: connection.clone(),
        group_id: "synfinance".to_owned(),
        assignment: Assignment::default(),
        topics: topics.clone(),
        schemas: Schemas::of(&[
            (TRANSACTION_SCHEMA_ID, TRANSACTION_SCHEMA),
            (ALERT_SCHEMA_ID, ALERT_SCHEMA),
        ]),
        framing: Framing::Confluent(ALERT_SCHEMA_ID),
        model: settings.model.clone(),
        delivery: Delivery::AtLeastOnce,
        batch_records: settings.batch_records,
        batch_wait: Duration::from_millis(20),
        commit_interval: Duration::from_millis(500),
        snapshots: settings.archive.as_ref().map(|archive| archive.of_worker()),
        memory: Duration::from_millis(MEMORY_MS.unsigned_abs()),
        patience: settings.patience,
        shutdown_deadline: match settings.archive {
            // A share of it is for saving all customers.
            Some(_) => settings.patience * SAVING_SHARE,
            None => settings.patience,
        },
    }
}

fn work<S: Score>(
    settings: &worker::Settings,
    bounds: Bounds,
    index: usize,
    make: &(dyn Fn() -> Result<S, EngineError> + Sync),
    clock: Clock,
    board: &Board,
) -> Result<Counts, Error> {
    let (mut scorer, mut memory) = (make()?, Memory::new(bounds));
    let mut observe = |event: Event<'_>| match event {
        Event::Assigned(tasks) => board.assigned(index, tasks.len()),
        Event::Counted(counts, _) => board.counted(index, counts),
        Event::Leaving => board.leave_together(index),
        _ => {}
    };
    let micros = || clock.micros();
    let surroundings = Surroundings {
        clock: &micros,
        stop: board.stop_workers(),
        verdicts: &mut |_| (),
        observe: &mut observe,
    };
    Ok(worker::run(settings, &mut scorer, &mut memory, surroundings)?)
}

fn join(workers: Vec<ScopedJoinHandle<'_, Result<Counts, Error>>>) -> Result<Counts, Error> {
    let mut total = Counts::default();
    let mut outcome = Ok(());
    for worker in workers {
        match worker.join().unwrap_or(Err(Error::Panicked("worker"))) {
            Ok(counts) => total.add(&counts),
            Err(error) => outcome = outcome.and(Err(error)),
        }
    }
    outcome.map(|()| total)
}

/// The system's clock in microseconds; it never goes backwards.
#[derive(Debug, Clone, Copy)]
struct Clock {
    start_micros: i64,
    since: Stopwatch,
}

impl Clock {
    /// Starts at the beginning of a millisecond, so that the clock's resolution costs no precision.
    fn start() -> Self {
        let before = now_millis();
        let mut now = before;
        while now == before {
            std::hint::spin_loop();
            now = now_millis();
        }
        Self { start_micros: now * 1_000, since: Stopwatch::start() }
    }

    fn micros(&self) -> i64 {
        let elapsed = i64::try_from(self.since.elapsed().as_micros()).unwrap_or(i64::MAX);
        self.start_micros.saturating_add(elapsed)
    }
}

/// Whether a flag is set.
fn is_set(flag: &AtomicBool) -> bool {
    flag.load(Ordering::Acquire)
}
