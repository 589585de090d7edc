//! A drill: failures on real servers, and what they do to alerts.
//!
//! Saying that no alert is lost is easy. A drill tests it on the servers that the configuration
//! names. The service runs as usual, as a process, under a load of generated payments. One failure
//! after the other strikes it. What a subscriber received is compared with what an undisturbed
//! engine makes of the very same records. Nothing that the service says about itself is believed.
//!
//! Everything the drill uses is its own: topics, a group, subjects in the registry and rows in the
//! database carry its name and are deleted at its end. A database or registry that others use is
//! not stopped: the service reaches it through a relay, and only the relay goes away. All failures
//! strike one service with one history, so each meets customers who are remembered and saved.
//!
//! In reading order: `course` (one failure after the other), `feed` (the load), `child` (the
//! service), `relay` and `brokers` (what goes away), `watch` (what came), `oracle` (what had to
//! come), `verdict` (the measures and the table), `cleanup`.

mod brokers;
mod child;
mod cleanup;
mod course;
mod feed;
mod oracle;
mod relay;
mod verdict;
mod watch;

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

pub use child::Service;
pub use feed::evolved_schema;
pub use relay::Address;
pub use verdict::{Figures, Report, Row};

use crate::base::config::Secret;
use crate::core::codec::{Framing, SchemaError};
use crate::core::engine::{Engine, EngineError};
use crate::core::state::Bounds;
use crate::edges::database::Location;
use crate::edges::kafka::{self, Connection, NewTopics, ensure_topics};
use crate::stream::worker::ModelName;
use crate::tools::generate::{self, SettingsError};
use course::Course;
use feed::Feed;
use oracle::Oracle;
use watch::Watch;

/// Partitions of the drill's topics: enough for a second process beside one with two workers.
const PARTITIONS: i32 = 4;

/// What can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The process gets SIGKILL and is started again at once.
    Kill,
    /// A second process joins the group, and leaves it after SIGTERM.
    Move,
    /// The snapshot database does not answer.
    Database,
    /// The schema registry does not answer while records with a new schema arrive.
    Registry,
    /// A broker is restarted.
    Broker,
    /// The broker that coordinates the service's group is restarted.
    Coordinator,
    /// A broker that leads a partition of the alerts is restarted.
    Leader,
}

impl Failure {
    /// All of them, in the order in which they strike.
    pub const ALL: [Self; 7] = [
        Self::Kill,
        Self::Move,
        Self::Database,
        Self::Registry,
        Self::Broker,
        Self::Coordinator,
        Self::Leader,
    ];

    /// The failure's word in arguments and JSON.
    pub fn word(self) -> &'static str {
        ["kill", "move", "database", "registry", "broker", "coordinator", "leader"][self as usize]
    }

    /// The failure's name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Kill => "worker killed",
            Self::Move => "partition moved",
            Self::Database => "database away",
            Self::Registry => "registry away",
            Self::Broker => "broker restarted",
            Self::Coordinator => "coordinator lost",
            Self::Leader => "leader lost",
        }
    }
}

/// The drill's own names on servers that it shares with others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// Topic of transactions.
    pub transactions: String,
    /// Topic of alerts.
    pub alerts: String,
    /// Topic of verdicts, which stays empty.
    pub labels: String,
    /// Topic of dead letters, which should stay empty.
    pub dead_letters: String,
    /// The consumer group.
    pub group: String,
}

impl Names {
    /// The names of the drill with this `id`, which must be unique.
    pub fn new(id: &str) -> Self {
        let name = |of: &str| format!("synfinance-drill-{id}-{of}");
        Self {
            transactions: name("transactions"),
            alerts: name("alerts"),
            labels: name("labels"),
            dead_letters: name("dead-letters"),
            group: format!("synfinance-drill-{id}"),
        }
    }

    fn topics(&self) -> [&str; 4] {
        [&self.transactions, &self.alerts, &self.labels, &self.dead_letters]
    }
}

/// What a drill runs with.
#[derive(Clone)]
pub struct Settings {
    /// The drill's names.
    pub names: Names,
    /// The connection of the drill's own clients to the cluster.
    pub connection: Connection,
    /// Bounds of each customer's state, the same as the service's.
    pub bounds: Bounds,
    /// How to start the service.
    pub service: Service,
    /// The snapshot database.
    pub location: Location,
    /// The database's address, to put a relay in front; or why that is impossible.
    pub database: Result<Address, &'static str>,
    /// The registry's address, to put a relay in front; or why that is impossible.
    pub registry: Result<Address, &'static str>,
    /// Whether there is a registry at all.
    pub has_registry: bool,
    /// User and password of the registry, joined by a colon.
    pub registry_auth: Option<Secret>,
    /// The header of transactions.
    pub framing: Framing,
    /// The id of [`evolved_schema`]; `None` if there is no registry to give one.
    pub evolved: Option<u32>,
    /// The header of alerts.
    pub alerts: Framing,
    /// The name of the model behind the scores, as alerts show it.
    pub model: ModelName,
    /// What is generated.
    pub generate: generate::Settings,
    /// Transactions per second, more than 0.
    pub rate: f64,
    /// How long each failure's load lasts at least.
    pub seconds: Duration,
    /// How long a server is away.
    pub outage: Duration,
    /// An alert with a longer delay is late.
    pub late: Duration,
    /// `at_least_once` or `exactly_once`.
    pub delivery: &'static str,
    /// Time between the service's commits.
    pub commit_interval: Duration,
    /// How long to wait for recovery, or anything else.
    pub patience: Duration,
    /// The failures to make.
    pub failures: Vec<Failure>,
    /// The shell command that restarts a broker.
    pub restart_broker: Option<String>,
}

/// Why a drill ended early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The process was told to end.
    #[error("interrupted")]
    Interrupted,
    /// The settings of the generator are not valid.
    #[error("nothing can be generated")]
    Generate(#[from] SettingsError),
    /// The oracle's engine cannot be built, or cannot score.
    #[error("the oracle's engine failed")]
    Engine(#[from] EngineError),
    /// The oracle cannot read a schema.
    #[error("the oracle cannot read a schema")]
    Schema(#[from] SchemaError),
    /// Kafka fails.
    #[error("kafka failed")]
    Kafka(#[from] kafka::Error),
    /// The system provides no file, port, thread or process.
    #[error("the drill's own files, ports or processes cannot be made")]
    System(#[from] std::io::Error),
    /// A record that the drill produced cannot be read.
    #[error("a generated record cannot be read back, report this as a bug: {0}")]
    Unreadable(String),
    /// The topic has fewer records than were acknowledged.
    #[error(
        "the brokers have {there} of {acknowledged} records that they acknowledged; topics need \
         enough replicas and min.insync.replicas to survive a broker"
    )]
    LogIsShort {
        /// How many records there are.
        there: u64,
        /// How many records were acknowledged.
        acknowledged: u64,
    },
    /// The service ended by itself.
    #[error("the service ended by itself with {0}")]
    ServiceEnded(String),
    /// The service did not end properly after SIGTERM.
    #[error("the service did not end in order after SIGTERM")]
    NoOrderlyEnd,
    /// Something did not happen in time.
    #[error("{what} was waited for in vain for {seconds} s{hint}")]
    Stuck {
        /// What was waited for.
        what: &'static str,
        /// For how long.
        seconds: u64,
        /// What to do about it.
        hint: &'static str,
    },
    /// The command that restarts a broker failed.
    #[error("--restart-broker: the command {0}")]
    Restart(String),
    /// A thread panicked; its message is on stderr.
    #[error("the {0} panicked, this is a bug")]
    Panicked(&'static str),
}

/// Runs a drill to its end or until `stop` is set. `report` gets what was found by then, even if an
/// error follows. Everything that the drill made is deleted.
///
/// # Errors
/// [`Error`]; all processes and threads have ended by then.
pub fn run(
    settings: &Settings,
    make: &dyn Fn() -> Result<Engine, EngineError>,
    stop: &AtomicBool,
    report: &mut Report,
) -> Result<(), Error> {
    let directory = tempfile::tempdir()?;
    let outcome = rehearse(settings, make, stop, directory.path(), report);
    cleanup::run(settings);
    outcome
}

fn rehearse(
    settings: &Settings,
    make: &dyn Fn() -> Result<Engine, EngineError>,
    stop: &AtomicBool,
    directory: &Path,
    report: &mut Report,
) -> Result<(), Error> {
    report.delivery = settings.delivery;
    let create = Some(NewTopics { partitions: Some(PARTITIONS) });
    ensure_topics(&settings.connection, &settings.names.topics(), create, settings.patience)?;
    let oracle = Oracle::new(settings, make()?)?;
    let (feed, watch) = (Feed::default(), Watch::default());
    thread::scope(|scope| {
        let feeding = scope.spawn(|| feed.run(settings, settings.patience));
        let watching = scope.spawn(|| watch.run(settings, settings.patience));
        let is_broken = || feeding.is_finished() || watching.is_finished();
        let outcome = Course::new(settings, directory, (&feed, &watch), oracle)
            .and_then(|course| course.run(stop, &is_broken, report));
        feed.end();
        watch.end();
        let fed = feeding.join().unwrap_or(Err(Error::Panicked("feed")));
        let watched = watching.join().unwrap_or(Err(Error::Panicked("subscriber")));
        // If a thread failed, that is why the course ended.
        fed.and(watched).and(outcome)
    })
}
