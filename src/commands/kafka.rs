//! From settings to a cluster.

use std::time::Duration;

use super::failure::UsageError;
use crate::config::Stream;
use crate::kafka::{Connection, Error, NewTopics};

/// How long a command waits for the brokers before it gives up.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// How to reach the configured cluster. A property that is not the operator's is wrong
/// configuration.
pub(super) fn connection(stream: &Stream) -> anyhow::Result<Connection> {
    let properties = stream.kafka.iter();
    let properties = properties.map(|(key, value)| (key.clone(), value.expose().to_owned()));
    match Connection::new(stream.brokers.join(","), properties.collect()) {
        Ok(connection) => Ok(connection),
        Err(error @ Error::Reserved { .. }) => Err(UsageError(error.to_string()).into()),
        Err(error) => Err(error.into()),
    }
}

/// How missing topics are created, if they are.
pub(super) fn new_topics(stream: &Stream) -> Option<NewTopics> {
    stream.create_topics.then_some(NewTopics { partitions: stream.topic_partitions })
}
