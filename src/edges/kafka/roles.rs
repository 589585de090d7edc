//! Which broker does what.
//!
//! A group's coordinator is not asked for by a name of its own: it is whoever leads the partition
//! of the topic of offsets that the group's name falls into.

use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::metadata::Metadata;

use super::admin::{Asker, Deadline, missing};
use super::calls::{GRACE, once};
use super::{Connection, Error};

/// Where groups have their offsets.
const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// What a broker does, that another has to do when it is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Coordinates the group of this name.
    Coordinator(String),
    /// Leads this partition of this topic.
    Leader(String, i32),
}

/// The ids of all brokers, ascending.
///
/// # Errors
/// [`Error::Unreachable`] if the brokers do not answer within `patience`, [`Error::Hangs`],
/// [`Error::Create`], [`Error::Thread`].
pub fn broker_ids(connection: &Connection, patience: Duration) -> Result<Vec<i32>, Error> {
    ask(connection, None, patience, |metadata| {
        let mut ids: Vec<i32> = metadata.brokers().iter().map(|broker| broker.id()).collect();
        ids.sort_unstable();
        ids
    })
}

/// The id of the broker that has a role; `None` while nobody has it.
///
/// # Errors
/// [`Error::MissingTopics`] for a topic that is not there, and those of [`broker_ids`].
pub fn broker_with(
    connection: &Connection,
    role: &Role,
    patience: Duration,
) -> Result<Option<i32>, Error> {
    let topic = match role {
        Role::Coordinator(_) => OFFSETS_TOPIC,
        Role::Leader(topic, _) => topic,
    };
    let (asked, wanted) = (topic.to_owned(), role.clone());
    let found = ask(connection, Some(topic), patience, move |metadata| {
        let mut topics = metadata.topics().iter().filter(|found| found.name() == asked);
        let partitions = topics.next().map(|topic| topic.partitions());
        let partitions = partitions.filter(|partitions| !partitions.is_empty())?;
        let wanted = match wanted {
            Role::Coordinator(group) => place(&group, partitions.len()),
            Role::Leader(_, partition) => partition,
        };
        Some(partitions.iter().find(|found| found.id() == wanted).map(|found| found.leader()))
    })?;
    let leader = found.ok_or_else(|| missing(topic, connection.brokers()))?;
    Ok(leader.filter(|id| *id >= 0))
}

/// The partition of so many that a group's offsets are in, as the brokers, which are written in
/// Java, hash its name.
fn place(group: &str, partitions: usize) -> i32 {
    let step = |hash: i32, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit));
    let hash = group.encode_utf16().fold(0, step) & i32::MAX;
    i32::try_from(partitions).map_or(hash, |partitions| hash % partitions.max(1))
}

fn ask<T: Send + 'static>(
    connection: &Connection,
    topic: Option<&str>,
    patience: Duration,
    read: impl FnOnce(&Metadata) -> T + Send + 'static,
) -> Result<T, Error> {
    let (asked, topic) = (connection.clone(), topic.map(str::to_owned));
    once("ask for brokers", connection.brokers(), patience + GRACE, move || {
        let (asker, deadline) = (Asker::new(&asked)?, Deadline::new(patience));
        let unreachable = |source: KafkaError| deadline.unreachable(asked.brokers(), Some(source));
        let metadata = asker.inner.fetch_metadata(topic.as_deref(), deadline.left());
        metadata.map(|metadata| read(&metadata)).map_err(unreachable)
    })?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_fall_where_java_puts_them() {
        // What java.lang.String says of them.
        let hashes = [("", 0), ("a", 97), ("synfinance", 1_094_443_026)];
        for (group, hash) in hashes.into_iter().chain([("fraud-detectors", -248_725_180)]) {
            assert_eq!(place(group, 50), (hash & i32::MAX) % 50, "{group}");
        }
    }
}
