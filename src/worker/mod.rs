//! One thread, one consumer, its partitions: from records to alerts and committed offsets.
//!
//! A committed offset is a promise: everything before it has been dealt with and will never be read
//! again. The simple loop, read, score, produce, commit what was read, breaks the promise, because
//! a producer returns long before the brokers have the alert. Here an offset is committed only when
//! every alert and dead letter before it is acknowledged ([`progress`]), so that a crash at any
//! moment repeats records and loses none.
//!
//! The loop ([`run`]) takes what has arrived, never waiting to fill a batch: batches are of one
//! record when idle and large under load, so latency and throughput come from the same rule. What
//! happens to a batch is in [`step`], a pure function of records and time; the loop around it does
//! the effects on Kafka. A worker shares nothing with others: more workers are more members of the
//! group, in this process or elsewhere.

pub mod counts;
mod driver;
pub mod flights;
pub mod histogram;
pub mod progress;
pub mod step;
pub mod tasks;

use std::time::Duration;

pub use counts::Counts;
pub use driver::{Event, run};
pub use histogram::Histogram;
pub use step::{Score, Step};

use crate::engine::EngineError;
use crate::kafka::{Assignment, Connection, Error as KafkaError};

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
    pub schemas: Vec<(u32, String)>,
    /// The registry's id of the schema that alerts are written with.
    pub alert_schema: u32,
    /// The model behind the scores, as alerts name it.
    pub model: ModelName,
    /// Most records scored as one batch, at least 1.
    pub batch_records: usize,
    /// How long an idle worker waits for a record before it looks around.
    pub batch_wait: Duration,
    /// Time between commits.
    pub commit_interval: Duration,
    /// How long a full queue or missing acknowledgements are waited for.
    pub patience: Duration,
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
}

impl Default for Topics {
    fn default() -> Self {
        Self {
            transactions: "transactions".to_owned(),
            alerts: "fraud-alerts".to_owned(),
            dead_letters: "transactions-dlq".to_owned(),
        }
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
    /// What the worker remembers contradicts what happens; committing now could lose records.
    #[error("the worker stopped because of an impossible state: {0}; report this as a bug")]
    Impossible(String),
}
