//! One thread, one consumer, its partitions: from records to alerts and committed offsets.
//!
//! A committed offset is a promise: everything before it has been dealt with and will never be read
//! again. The simple loop, read, score, produce, commit what was read, breaks the promise, because
//! a producer returns long before the brokers have the alert. Here an offset is committed only when
//! every alert and dead letter before it is acknowledged ([`progress`]), so that a crash at any
//! moment repeats records and loses none; or, exactly once, offsets and alerts become visible in
//! one transaction (`outbox`).
//!
//! A committed offset does not bring back what was remembered. A partition that is assigned is
//! therefore read from its saved offset, with the customers that are stored (`custody`), or without
//! a snapshot from as far back as customers are remembered; records that were judged before are
//! only remembered again ([`tasks`]): the next score is the one that an undisturbed run would have
//! given.
//!
//! The loop ([`run`]) takes what has arrived, never waiting to fill a batch: batches are of one
//! record when idle and large under load, so latency and throughput come from the same rule. What
//! happens to a batch is in [`step`], a pure function of records and time; the loop around it does
//! the effects on Kafka. A worker shares nothing with others: more workers are more members of the
//! group, in this process or elsewhere.

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
mod outbox;
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

/// What a worker is told.
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
    /// What stands before an alert's datum.
    pub framing: Framing,
    /// The model behind the scores, as alerts name it.
    pub model: ModelName,
    /// What subscribers may see after a crash.
    pub delivery: Delivery,
    /// Most records scored as one batch, at least 1.
    pub batch_records: usize,
    /// How long an idle worker waits for a record before it looks around.
    pub batch_wait: Duration,
    /// Time between commits.
    pub commit_interval: Duration,
    /// Where customers are saved; `None`: nowhere, they are restored from the topic alone.
    pub snapshots: Option<Snapshots>,
    /// How far before the committed offset a new partition is read again to remember it.
    pub memory: Duration,
    /// How long a full queue, missing acknowledgements or the brokers' answers are waited for.
    pub patience: Duration,
    /// How long finishing may take when the worker is told to end.
    pub shutdown_deadline: Duration,
}

/// Names of topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    /// What is scored.
    pub transactions: String,
    /// Where alerts go.
    pub alerts: String,
    /// Where records go that cannot be scored.
    pub dead_letters: String,
    /// Where the decision about every transaction goes; `None`: nowhere.
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
        /// No other worker may have the same at the same time.
        transactional_id: String,
    },
}

/// Who knows writer schemas by id. Asking never waits.
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

/// Opens a database, anew after every failure to do so.
pub type OpenStore = Arc<dyn Fn() -> Opened + Send + Sync>;

/// Is told what a database lacks, and `None` when it answers, first or again.
pub type Complain = Arc<dyn Fn(Option<&str>) + Send + Sync>;

/// Where and when a worker's customers are saved.
#[derive(Clone)]
pub struct Snapshots {
    /// Opens the database.
    pub open: OpenStore,
    /// Tells of its troubles.
    pub complain: Complain,
    /// Who claims partitions, for people who look into the database.
    pub owner: String,
    /// When to save.
    pub policy: Policy,
    /// How much at a time.
    pub portions: Portions,
    /// Whether to go on when records left the topic before they were saved.
    pub goes_on_incomplete: bool,
    /// Memory for customers, about. Beyond it those leave it that are stored.
    pub budget: Arc<Budget>,
    /// `None`: threads beside the worker have the database. A simulation has none: the worker does
    /// their work when it looks for answers, whenever this says so.
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

/// What an observer of a worker is told. Everything comes from the worker's own thread, between
/// batches, so an observer must be quick.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// The worker is alive; once a turn of its loop.
    Beat,
    /// A batch was scored.
    Batch {
        /// Its transactions.
        transactions: usize,
        /// From records to decisions.
        duration: Duration,
    },
    /// An alert is acknowledged, so many microseconds after the Kafka timestamp of its record.
    Acknowledged(u64),
    /// Something was counted.
    Counted(&'a Counts, Met),
    /// The worker has these partitions now; after every rebalance and every restored partition.
    Assigned(&'a tasks::Tasks),
    /// The group moves partitions of this worker; whether to it.
    Rebalanced {
        /// They are assigned, even if there are none.
        gains: bool,
    },
    /// A partition is restored.
    Restored {
        /// Which.
        partition: i32,
        /// Since it was assigned.
        duration: Duration,
    },
    /// Records of a partition left the topic too early.
    Lost {
        /// Which.
        partition: i32,
        /// How many.
        records: u64,
        /// They were not even scored; otherwise scored and not remembered.
        is_unscored: bool,
    },
    /// A partition that comes was saved by an owner before.
    SavedBefore {
        /// Which.
        partition: i32,
        /// When, in milliseconds since the epoch.
        at_ms: i64,
    },
    /// All that had changed in a partition is saved.
    Saved {
        /// Which.
        partition: i32,
        /// Since the save began.
        duration: Duration,
    },
    /// How far behind a partition is; once a second.
    Lag(Lag),
    /// What is remembered takes so many bytes, about; once a second.
    StateBytes(usize),
    /// The partition is gone.
    Gone(i32),
    /// Records of a partition wait, for this first.
    Waits(i32, Cause),
    /// No partition's records wait any more.
    WaitsNoMore,
    /// Offsets were committed, or not.
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
    /// So many records are produced and not acknowledged; whether reading is paused for it.
    InFlight(usize, bool),
    /// All is flushed and committed; the worker leaves the group when the observer returns.
    Leaving,
}

/// How far behind a partition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lag {
    /// The partition.
    pub partition: i32,
    /// Records that are not taken yet.
    pub records: i64,
    /// When the oldest of them was produced, in milliseconds since the epoch, as far as this can be
    /// known before it is read; `None` without any.
    pub oldest_ms: Option<i64>,
}

/// Who has analysts' verdicts for a worker: hands out those that have come since the last call, and
/// never waits.
pub type Verdicts<'a> = dyn FnMut(&mut dyn FnMut(&Label<'_>)) + 'a;

/// What surrounds a worker while it works.
pub struct Surroundings<'a> {
    /// Tells microseconds since the epoch.
    pub clock: &'a dyn Fn() -> i64,
    /// Set from outside: the worker is to end.
    pub stop: &'a AtomicBool,
    /// Hands out what analysts have said.
    pub verdicts: &'a mut Verdicts<'a>,
    /// Is called between batches and must be quick.
    pub observe: &'a mut dyn FnMut(Event<'_>),
}

/// Why a worker stopped before it was told to. Nothing is lost: what was not acknowledged is not
/// committed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Kafka cannot be worked with.
    #[error("the worker stopped because of kafka")]
    Kafka(#[from] KafkaError),
    /// The model gives no scores.
    #[error("the worker stopped because the model cannot score")]
    Engine(#[from] EngineError),
    /// Windows are incomplete, and that was not to be.
    #[error(
        "{lost} records of partition {partition} left the topic before they were saved, so that \
         windows of their customers are incomplete; the worker stops because \
         state.on_lost_records is stop: set it to continue to go on without them, raise the \
         topic's retention or save more often"
    )]
    Incomplete {
        /// The partition.
        partition: i32,
        /// How many.
        lost: i64,
    },
    /// The system gives no thread.
    #[error("the worker stopped because no thread can be started, check the limits of the process")]
    Thread(#[from] std::io::Error),
    /// What the worker remembers contradicts what happens; committing now could lose records.
    #[error("the worker stopped because of an impossible state: {0}; report this as a bug")]
    Impossible(String),
}

impl Error {
    /// Whether what was read may not be as published as it seems.
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
