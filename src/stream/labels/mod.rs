//! Brings analysts' verdicts from their topic to every worker of this process.
//!
//! Known frauds decide some features, for all customers at once: a merchant with a fraud yesterday
//! is suspect to everybody. So every worker needs every verdict and scores silently wrong without.
//! A consumer per worker would read the topic once per worker; a shared table would lock every
//! transaction's path. Instead one thread ([`Follower`]) follows the topic, and each worker takes
//! verdicts between its own batches ([`Inbox`]), at the cost of a look at an empty channel.
//!
//! Reading begins where verdicts begin to matter; the process is not ready before it has all of
//! them. An unreadable verdict is counted, warned about and passed over; one whose schema the
//! registry has not told yet is waited for.

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

/// Most batches that wait for a worker; then the follower waits for it.
pub const INBOX_BATCHES: usize = 64;

/// What is followed, and how patiently.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The cluster.
    pub connection: Connection,
    /// The group for the brokers' access lists; nobody joins it.
    pub group_id: String,
    /// The verdicts' topic.
    pub topic: String,
    /// Where reading begins.
    pub start: Start,
    /// How long to wait for the brokers' answer before the next try; a follower may take as long to
    /// notice that it is to stop.
    pub patience: Duration,
    /// Time between tries while brokers do not answer.
    pub retry_interval: Duration,
    /// Time between looks for a missing topic.
    pub missing_interval: Duration,
}

impl Settings {
    /// Reads every verdict that can still matter at `now`, in milliseconds since the epoch: a
    /// verdict's record is later than its transaction, and no feature looks back further than 31
    /// days.
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

/// Looks a writer schema up by registry id, without waiting.
pub type Lookup = Box<dyn Fn(u32) -> SchemaAnswer + Send>;

/// What an observer of the follower is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Verdicts were handed to every worker.
    Learned {
        /// Verdicts of fraud.
        frauds: usize,
        /// Verdicts of no fraud.
        honest: usize,
    },
    /// A record cannot be read as a verdict.
    Rejected {
        /// Why.
        reason: Reason,
    },
    /// All verdicts that were there at the start are handed to every worker.
    CaughtUp,
}

/// Is told of events, on the follower's thread: must be quick.
pub type Observer = Box<dyn Fn(Event) + Send>;

/// Why verdicts cannot be followed at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A client for the topic cannot be made.
    #[error("verdicts cannot be followed")]
    Kafka(#[from] KafkaError),
    /// The system gives no thread.
    #[error("no thread for following verdicts, check the limits of processes and memory")]
    Thread(#[source] std::io::Error),
}
