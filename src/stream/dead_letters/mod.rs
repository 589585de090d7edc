//! Records that could not be scored: finding them, looking at them, giving them another chance.
//!
//! A dead letter is the record as it came, and headers that say what was wrong and where it was.
//! Most are repaired by something else than themselves: a schema that is registered now, a program
//! that reads what it did not. Then they have to go back, as they were, to where they were: the
//! same bytes under the same key in the same partition, because a customer's windows are there.
//! What the worker added is taken off again, and a header says that this is a second time.
//!
//! Whatever the bytes are, nothing here may fail on them: keys, values, header names and texts are
//! shown as text where they are text, and in hexadecimal where they are not.

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

/// Why the record is here: [`crate::core::codec::Reason::word`].
pub const REASON: &str = "error.reason";
/// The same for people.
pub const MESSAGE: &str = "error.message";
/// Where it was read.
pub const SOURCE_TOPIC: &str = "source.topic";
/// See [`SOURCE_TOPIC`].
pub const SOURCE_PARTITION: &str = "source.partition";
/// See [`SOURCE_TOPIC`].
pub const SOURCE_OFFSET: &str = "source.offset";
/// When it was set aside, RFC 3339.
pub const FAILED_AT: &str = "failed.at";
/// Last, where the topic did not take the value for its size: it was left out, and that is said
/// here.
pub const VALUE_LEFT_OUT: &str = "error.value";
/// Which dead letter a record was: `partition:offset` of the dead-letter topic.
pub const REPLAYED_FROM: &str = "replayed.from";

/// What the worker adds to a record that it sets aside, each once, behind the record's own headers.
pub const ADDED: [&str; 6] =
    [REASON, MESSAGE, SOURCE_TOPIC, SOURCE_PARTITION, SOURCE_OFFSET, FAILED_AT];

/// Where dead letters are, and how patiently they are read.
#[derive(Debug)]
pub struct Topic<'a> {
    /// The cluster.
    pub connection: &'a Connection,
    /// The group that the brokers' access lists know; nobody joins it.
    pub group_id: &'a str,
    /// The dead letters' topic.
    pub name: &'a str,
    /// How long an answer or a record that must come is waited for.
    pub patience: Duration,
    /// Set by the caller to end early.
    pub stop: &'a AtomicBool,
}

/// Why dead letters cannot be worked with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Kafka cannot be worked with.
    #[error("dead letters cannot be read or replayed")]
    Kafka(#[from] KafkaError),
    /// Records that are there do not come.
    #[error("topic {topic}: nothing has come for {seconds} s though {left} offsets are left")]
    Stalled {
        /// The dead letters' topic.
        topic: String,
        /// The patience.
        seconds: u64,
        /// Offsets that were not read.
        left: u64,
    },
    /// The caller wanted to end early.
    #[error("interrupted")]
    Interrupted,
}
