//! Finds, shows and replays records that could not be scored.
//!
//! A dead letter is the unchanged record plus headers that say what was wrong and where it was.
//! Most are repaired elsewhere: a schema is registered, or a newer program reads more. A replay
//! then sends the same bytes under the same key to the same partition, where the customer's windows
//! are. It removes the worker's headers and adds one that marks the replay.
//!
//! Nothing here may fail on any bytes: keys, values, header names and texts that are no text are
//! shown in hexadecimal.

mod browse;
mod letter;
mod replay;
mod selection;

pub use browse::{Listing, find, list};
pub use letter::{Letter, Source, printable};
pub use replay::{Replayed, replay};
pub use selection::{Place, Selection};

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::edges::kafka::{Connection, Error as KafkaError};

/// Why the record was set aside: [`crate::core::codec::Reason::word`].
pub const REASON: &str = "error.reason";
/// The same reason, for people.
pub const MESSAGE: &str = "error.message";
/// The topic it was read from.
pub const SOURCE_TOPIC: &str = "source.topic";
/// The partition it was read from.
pub const SOURCE_PARTITION: &str = "source.partition";
/// Its offset there.
pub const SOURCE_OFFSET: &str = "source.offset";
/// When it was set aside, RFC 3339.
pub const FAILED_AT: &str = "failed.at";
/// The last header of a letter whose value was left out, because the topic refused it for its size.
pub const VALUE_LEFT_OUT: &str = "error.value";
/// Which dead letter a record was: `partition:offset` of the dead-letter topic.
pub const REPLAYED_FROM: &str = "replayed.from";

/// The headers that the worker adds to every dead letter, each once, after the record's own.
pub const ADDED: [&str; 6] =
    [REASON, MESSAGE, SOURCE_TOPIC, SOURCE_PARTITION, SOURCE_OFFSET, FAILED_AT];

/// Where dead letters are, and how patiently they are read.
#[derive(Debug)]
pub struct Topic<'a> {
    /// The cluster.
    pub connection: &'a Connection,
    /// The group for the brokers' access lists; nobody joins it.
    pub group_id: &'a str,
    /// The dead letters' topic.
    pub name: &'a str,
    /// How long to wait for an answer, or for a record that must come.
    pub patience: Duration,
    /// Set by the caller to end early.
    pub stop: &'a AtomicBool,
}

/// Why dead letters cannot be read or replayed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Kafka failed.
    #[error("dead letters cannot be read or replayed")]
    Kafka(#[from] KafkaError),
    /// Records that exist do not arrive.
    #[error("topic {topic}: nothing has come for {seconds} s though {left} offsets are left")]
    Stalled {
        /// The dead letters' topic.
        topic: String,
        /// The patience, in seconds.
        seconds: u64,
        /// Offsets not read.
        left: u64,
    },
    /// The caller asked to end.
    #[error("interrupted")]
    Interrupted,
}
