//! Analysts' verdicts, from their topic to every worker of this process.
//!
//! Which frauds are known decides some of the features, for all customers at once: a merchant with
//! a fraud yesterday is suspect to everybody. So every worker needs every verdict, whichever
//! partitions of the transactions it has, and a worker that scores before it has them scores
//! wrongly without a word. A consumer in each worker would read the topic once per worker, and a
//! table that all share would put a lock on the path of every transaction. Instead one thread
//! follows the topic ([`Follower`]) and hands the verdicts out in batches; a worker takes what has
//! come between two of its own batches ([`Inbox`]), which costs a look at an empty channel.
//!
//! Reading begins where verdicts begin to matter, and the process says that it is not ready before
//! it has all that were there. A verdict that cannot be read is counted and warned about, and
//! nothing waits for it; one whose schema the registry has not told yet is waited for.

mod follower;
mod inbox;
mod owned;
mod reading;

use std::time::Duration;

pub use follower::Follower;
pub use inbox::Inbox;
pub use owned::OwnedLabel;

use crate::core::codec::Reason;
pub use crate::core::codec::SchemaAnswer;
use crate::core::state::MEMORY_MS;
use crate::edges::kafka::{Connection, Error as KafkaError, Start};

/// Most verdicts handed over at once.
pub const BATCH_LABELS: usize = 1_024;

/// Most batches that wait for a worker; then the follower waits for that worker.
pub const INBOX_BATCHES: usize = 64;

/// What is followed, and how patiently.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The cluster.
    pub connection: Connection,
    /// The group that the brokers' access lists know; nobody joins it.
    pub group_id: String,
    /// The verdicts' topic.
    pub topic: String,
    /// Where reading begins.
    pub start: Start,
    /// How long an answer of the brokers is waited for before the next try; also how long a
    /// follower that is told to stop may not hear it.
    pub patience: Duration,
    /// Time between two tries while brokers do not answer.
    pub retry_interval: Duration,
    /// Time between two looks for a topic that is missing.
    pub missing_interval: Duration,
}

impl Settings {
    /// Everything that can still matter at `now`, milliseconds since the epoch: a verdict is older
    /// than its record, and no feature looks back further than 31 days.
    pub fn new(
        connection: Connection,
        group_id: impl Into<String>,
        topic: impl Into<String>,
        now: i64,
    ) -> Self {
        Self {
            connection,
            group_id: group_id.into(),
            topic: topic.into(),
            start: Start::Time(now.saturating_sub(MEMORY_MS)),
            patience: Duration::from_secs(3),
            retry_interval: Duration::from_secs(5),
            missing_interval: Duration::from_secs(30),
        }
    }
}

/// Tells the writer schema of an id without waiting.
pub type Lookup = Box<dyn Fn(u32) -> SchemaAnswer + Send>;

/// What an observer of the follower is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// So many verdicts were handed to every worker.
    Learned {
        /// Fraud.
        frauds: usize,
        /// No fraud.
        honest: usize,
    },
    /// A record is no verdict.
    Rejected {
        /// Why.
        reason: Reason,
    },
    /// Every worker has been handed all that was there at the start.
    CaughtUp,
}

/// Is told what happens, on the follower's thread, and must be quick.
pub type Observer = Box<dyn Fn(Event) + Send>;

/// Why verdicts are not followed at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No client for the topic.
    #[error("verdicts cannot be followed")]
    Kafka(#[from] KafkaError),
    /// The system gives no thread.
    #[error("no thread for following verdicts, check the limits of processes and memory")]
    Thread(#[source] std::io::Error),
}
