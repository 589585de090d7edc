//! What must exist before anything is read: brokers and topics.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::Shared;
use crate::base::clock::pause;
use crate::base::config::Stream;
use crate::base::error::with_causes;
use crate::base::retry::Backoff;
use crate::edges::database;
use crate::edges::kafka::{self, Connection, NewTopics};
use crate::stream::health::{Check, Finding};

/// The name under which the start reports what it waits for.
pub(super) const PART: &str = "start";

/// How long to wait for one answer of the brokers.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// How often to check whether the process is to end.
const SLICE: Duration = Duration::from_millis(50);

/// The stream whose snapshots a service owns.
pub fn snapshot_stream(stream: &Stream) -> database::Stream {
    let (group_id, topic) = (stream.group_id.clone(), stream.topics.transactions.clone());
    database::Stream { group_id, topic }
}

/// A connection to the cluster of the settings.
///
/// # Errors
/// The same as [`Connection::new`].
pub fn connection(stream: &Stream) -> Result<Connection, kafka::Error> {
    let properties =
        stream.kafka.iter().map(|(key, value)| (key.clone(), value.expose().to_owned()));
    Connection::new(stream.brokers.join(","), properties.collect())
}

/// Waits for the brokers and makes sure that all topics exist. `false` if the process is told to
/// end before that.
pub(super) fn ensure_topics(
    stream: &Stream,
    shared: &Shared,
    stop: &AtomicBool,
    idle: &mut dyn FnMut(),
) -> Result<bool, kafka::Error> {
    let topics = &stream.topics;
    let mut needed = vec![
        topics.transactions.as_str(),
        topics.alerts.as_str(),
        topics.labels.as_str(),
        topics.dead_letters.as_str(),
    ];
    needed.extend(topics.scored.as_deref());
    let create = stream.create_topics.then_some(NewTopics { partitions: stream.topic_partitions });
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
    while !stop.load(Ordering::Acquire) {
        match kafka::ensure_topics(&shared.connection, &needed, create, ANSWER_TIME) {
            Ok(()) => {
                shared.health.report(Check::Kafka, Finding::Ok);
                shared.health.obstruct(PART, "starting");
                return Ok(true);
            }
            Err(error @ (kafka::Error::Unreachable { .. } | kafka::Error::Hangs { .. })) => {
                let text = with_causes(&error);
                tracing::warn!(error = text, "kafka does not answer, trying again");
                shared.health.report(Check::Kafka, Finding::Down(text));
                shared.health.obstruct(PART, "waiting for the brokers");
            }
            Err(error) => return Err(error),
        }
        rest(backoff.next_wait(), stop, idle);
    }
    Ok(false)
}

/// Waits for `duration`, or until the process is told to end.
pub(super) fn rest(duration: Duration, stop: &AtomicBool, idle: &mut dyn FnMut()) {
    let mut left = duration;
    while !left.is_zero() && !stop.load(Ordering::Acquire) {
        let slice = left.min(SLICE);
        pause(slice);
        idle();
        left -= slice;
    }
}
