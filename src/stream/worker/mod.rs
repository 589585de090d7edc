//! One thread, one consumer, its partitions: from records to alerts and committed offsets.
//!
//! A committed offset is a promise: everything before it has been dealt with and will never be read
//! again. The simple loop (read, score, produce, commit) breaks it, because a producer returns long
//! before the brokers have the alert. Here an offset is committed only when every alert and dead
//! letter before it is acknowledged ([`progress`]): a crash repeats records and loses none. Exactly
//! once, offsets and alerts become visible in one transaction (`outbox`).
//!
//! A committed offset does not restore customers. So an assigned partition is read from its saved
//! offset, with its stored customers (`custody`), or without a snapshot from as far back as
//! customers are remembered. Records judged before are only remembered ([`tasks`]): the next score
//! is the one of an undisturbed run.
//!
//! The loop ([`run`]) never waits to fill a batch: batches have one record when idle and many under
//! load, so one rule gives latency and throughput. [`step`], a pure function of records and time,
//! says what happens to a batch; the loop does the effects on Kafka. Workers share no customers:
//! more workers are more members of the group, in this process or elsewhere.

pub mod brokers;
mod budget;
mod commits;
pub mod counts;
mod custody;
mod driver;
mod ending;
pub mod flights;
pub mod histogram;
mod intake;
mod lag;
mod miskeyed;
mod open_transaction;
mod outbox;
mod oversized;
mod pauses;
pub mod progress;
mod rebalance;
mod reseat;
mod restores;
mod room;
pub mod score;
mod standstill;
pub mod step;
pub mod tasks;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

pub use brokers::Brokers;
pub use budget::Budget;
pub use counts::Counts;
pub use driver::{run, work};
pub use histogram::Histogram;
pub use score::{Met, Score};
pub use step::{Cause, Step};

use crate::core::codec::{Framing, SchemaAnswer};
use crate::core::engine::EngineError;
use crate::core::transaction::Label;
use crate::edges::database::Opened;
use crate::edges::kafka::{Assignment, Connection, Error as KafkaError};
use crate::stream::snapshots::{Gate, Policy, Portions};

/// What a worker is configured with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The cluster.
    pub connection: Connection,
    /// The group that shares the partitions.
    pub group_id: String,
    /// How the group moves partitions.
    pub assignment: Assignment,
    /// Names of the topics.
    pub topics: Topics,
    /// Writer schemas by registry id.
    pub schemas: Schemas,
    /// The bytes before an alert's Avro datum.
    pub framing: Framing,
    /// The model behind the scores, as alerts name it.
    pub model: ModelName,
    /// What subscribers may see after a crash.
    pub delivery: Delivery,
    /// Most records scored as one batch, at least 1.
    pub batch_records: usize,
    /// How long an idle worker waits for a record before its next turn.
    pub batch_wait: Duration,
    /// Time between commits.
    pub commit_interval: Duration,
    /// Where customers are saved; `None` if they are restored from the topic alone.
    pub snapshots: Option<Snapshots>,
    /// How far before its committed offset a new partition is read to remember its customers.
    pub memory: Duration,
    /// How long to wait for a full queue, missing acknowledgements or the brokers' answers.
    pub patience: Duration,
    /// How long finishing may take when the worker is told to end.
    pub shutdown_deadline: Duration,
}

/// Names of topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    /// The transactions to score.
    pub transactions: String,
    /// The alerts.
    pub alerts: String,
    /// Records that cannot be scored.
    pub dead_letters: String,
    /// The decision about every transaction; `None` if it is not published.
    pub scored: Option<String>,
}

impl Default for Topics {
    fn default() -> Self {
        Self {
            transactions: "transactions".to_owned(),
            alerts: "fraud-alerts".to_owned(),
            dead_letters: "transactions-dlq".to_owned(),
            scored: None,
        }
    }
}

/// What subscribers may see after a crash or a rebalance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// No alert is lost; one may come twice, with the same id.
    AtLeastOnce,
    /// Alerts and offsets are one Kafka transaction.
    ExactlyOnce {
        /// Unique among the workers that run at the same time.
        transactional_id: String,
    },
}

/// Looks writer schemas up by registry id, without waiting.
#[derive(Clone)]
pub struct Schemas(pub Arc<dyn Fn(u32) -> SchemaAnswer + Send + Sync>);

impl Schemas {
    /// A table that knows these schemas and no other.
    pub fn of(table: &[(u32, &str)]) -> Self {
        let table: Vec<(u32, Arc<str>)> =
            table.iter().map(|(id, json)| (*id, Arc::from(*json))).collect();
        Self(Arc::new(move |id| {
            let found = table.iter().find(|(known, _)| *known == id);
            found.map_or(SchemaAnswer::Unknown, |(_, json)| SchemaAnswer::Known(json.clone()))
        }))
    }
}

impl fmt::Debug for Schemas {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Schemas")
    }
}

/// Opens a database; called again after every failure.
pub type OpenStore = Arc<dyn Fn() -> Opened + Send + Sync>;

/// Is told a database's trouble, and `None` when it answers, first or again.
pub type Complain = Arc<dyn Fn(Option<&str>) + Send + Sync>;

/// Where and when a worker's customers are saved.
#[derive(Clone)]
pub struct Snapshots {
    /// Opens the database.
    pub open: OpenStore,
    /// Is told of its troubles.
    pub complain: Complain,
    /// The owner that claims name, for people who look into the database.
    pub owner: String,
    /// When to save.
    pub policy: Policy,
    /// How much to save at a time.
    pub portions: Portions,
    /// Whether to continue when records left the topic before they were saved.
    pub goes_on_incomplete: bool,
    /// Memory for customers, about. Beyond it stored customers are evicted.
    pub budget: Arc<Budget>,
    /// `None`: threads beside the worker have the database. `Some`: a simulation has no threads;
    /// the worker does their work when it looks for answers and the gate is open.
    pub in_turns: Option<Gate>,
}

impl fmt::Debug for Snapshots {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Snapshots").field("owner", &self.owner).finish_non_exhaustive()
    }
}

/// A model, as alerts name it.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelName {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The score from which it alerts, 0 to 1.
    pub threshold: f64,
}

/// What an observer of a worker is told, on the worker's thread between batches: observers must be
/// quick.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// The worker is alive; once per turn of its loop.
    Beat,
    /// A batch was scored.
    Batch {
        /// Transactions scored.
        transactions: usize,
        /// Time for scoring.
        duration: Duration,
    },
    /// An alert is acknowledged, this many microseconds after its record's Kafka timestamp.
    Acknowledged(u64),
    /// Counts have changed.
    Counted(&'a Counts, Met),
    /// The worker has these partitions now; after every rebalance and every restored partition.
    Assigned(&'a tasks::Tasks),
    /// The group assigns or revokes partitions.
    Rebalanced {
        /// `true` if it assigns, even an empty set.
        gains: bool,
    },
    /// A partition is restored.
    Restored {
        /// Which.
        partition: i32,
        /// Since it was assigned.
        duration: Duration,
    },
    /// Records of a partition left the topic before they were dealt with or saved.
    Lost {
        /// Which.
        partition: i32,
        /// Records lost.
        records: u64,
        /// `true` if they were never scored, `false` if scored and not remembered.
        is_unscored: bool,
    },
    /// A partition that comes was saved by an earlier owner.
    SavedBefore {
        /// Which.
        partition: i32,
        /// When, in milliseconds since the epoch.
        at_ms: i64,
    },
    /// A save of a partition is complete.
    Saved {
        /// Which.
        partition: i32,
        /// Since the save began.
        duration: Duration,
    },
    /// How far behind a partition is; once a second.
    Lag(Lag),
    /// Approximate bytes of what is remembered; once a second.
    StateBytes(usize),
    /// The partition is gone.
    Gone(i32),
    /// Records of a partition wait; the first waits for this.
    Waits(i32, Cause),
    /// No partition's records wait any more.
    WaitsNoMore,
    /// A commit succeeded (`true`) or failed.
    Committed(bool),
    /// Offsets moved on, or nothing is left to do; once a second.
    GetsOn,
    /// There is something to do, and nothing of it becomes done; once a second.
    Stands {
        /// Since when nothing has.
        stood: Duration,
        /// What nothing moves for.
        why: &'a str,
    },
    /// Records produced and not acknowledged, and whether reading is paused for lack of room.
    InFlight(usize, bool),
    /// All is flushed and committed; the worker leaves the group once the observer returns.
    Leaving,
}

/// How far behind a partition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lag {
    /// The partition.
    pub partition: i32,
    /// Records not taken yet.
    pub records: i64,
    /// When the oldest was produced, in milliseconds since the epoch, as far as that can be known
    /// without reading it; `None` without records.
    pub oldest_ms: Option<i64>,
}

/// Hands out analysts' verdicts that have come since the last call, without waiting.
pub type Verdicts<'a> = dyn FnMut(&mut dyn FnMut(&Label<'_>)) + 'a;

/// What surrounds a worker while it works.
pub struct Surroundings<'a> {
    /// Tells microseconds since the epoch.
    pub clock: &'a dyn Fn() -> i64,
    /// Set from outside to end the worker.
    pub stop: &'a AtomicBool,
    /// Hands out analysts' verdicts.
    pub verdicts: &'a mut Verdicts<'a>,
    /// Is called between batches and must be quick.
    pub observe: &'a mut dyn FnMut(Event<'_>),
}

/// Why a worker stopped before it was told to. Nothing is lost: records not acknowledged are not
/// committed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Kafka failed.
    #[error("the worker stopped because of kafka")]
    Kafka(#[from] KafkaError),
    /// The model cannot score.
    #[error("the worker stopped because the model cannot score")]
    Engine(#[from] EngineError),
    /// Windows are incomplete, and the configuration forbids that.
    #[error(
        "{lost} records of partition {partition} left the topic before they were saved, so that \
         windows of their customers are incomplete; the worker stops because \
         state.on_lost_records is stop: set it to continue to go on without them, raise the \
         topic's retention or save more often"
    )]
    Incomplete {
        /// The partition.
        partition: i32,
        /// Records lost.
        lost: i64,
    },
    /// The system gives no thread.
    #[error("the worker stopped because no thread can be started, check the limits of the process")]
    Thread(#[from] std::io::Error),
    /// Offsets or decisions contradict what the worker knows; committing now could lose records.
    #[error("the worker stopped because of an impossible state: {0}; report this as a bug")]
    Impossible(String),
}

impl Error {
    /// Whether committing is unsafe, because something may not have been published.
    fn forbids_committing(&self) -> bool {
        match self {
            Self::Impossible(_) => true,
            Self::Kafka(error) => {
                use KafkaError::{Oversized, Produce, Undelivered};
                matches!(error, Oversized { .. } | Produce { .. } | Undelivered { .. })
            }
            Self::Engine(_) | Self::Incomplete { .. } | Self::Thread(_) => false,
        }
    }
}
