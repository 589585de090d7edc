//! What commands that talk to a cluster share.

use std::time::Duration;

use crate::base::config::Stream;
use crate::edges::kafka::NewTopics;

/// How long a command waits for the brokers before it gives up.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// How missing topics are created; `None` if they are not.
pub(super) fn new_topics(stream: &Stream) -> Option<NewTopics> {
    stream.create_topics.then_some(NewTopics { partitions: stream.topic_partitions })
}
