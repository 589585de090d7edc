//! Why a client cannot go on.
//!
//! librdkafka's own error is large and rarely there, so it stands in a box: every step of the
//! worker returns a result with room for it.

use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaError;

use super::log;

/// Lets an error of a consumer pass that librdkafka goes on after.
///
/// # Errors
/// [`Error::Consume`] after any other.
pub(super) fn weigh<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    source: KafkaError,
    topic: &str,
    brokers: &str,
) -> Result<(), Error> {
    let is_fatal = matches!(source, KafkaError::MessageConsumptionFatal(_))
        || consumer.client().fatal_error().is_some();
    if !is_fatal {
        log::passing(&source, topic);
        return Ok(());
    }
    let (topic, brokers) = (topic.to_owned(), brokers.to_owned());
    Err(Error::Consume { topic, brokers, source: source.into() })
}

/// A client that cannot go on. Nothing is lost by stopping: what was not acknowledged is not
/// committed and will be read again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A property that decides about delivery and is not the operator's.
    #[error("kafka property {key} is set by the program itself, remove it from stream.kafka")]
    Reserved {
        /// librdkafka's name of it.
        key: String,
    },
    /// A property that there is not, or a value that it cannot have.
    #[error("librdkafka {what} {key}, correct stream.kafka")]
    Property {
        /// librdkafka's name of it.
        key: String,
        /// What it does about it.
        what: &'static str,
    },
    /// librdkafka refuses the properties.
    #[error("no {role} for brokers {brokers}, check stream.brokers and stream.kafka")]
    Create {
        /// Consumer or producer.
        role: &'static str,
        /// As configured.
        brokers: String,
        /// What librdkafka says.
        source: Box<KafkaError>,
    },
    /// The group cannot be joined.
    #[error("cannot subscribe to topic {topic} at {brokers}, check its name and the permissions")]
    Subscribe {
        /// The topic.
        topic: String,
        /// As configured.
        brokers: String,
        /// What librdkafka says.
        source: Box<KafkaError>,
    },
    /// Reading has failed for good.
    #[error("cannot read topic {topic} at {brokers} any more, restart the worker")]
    Consume {
        /// The topic.
        topic: String,
        /// As configured.
        brokers: String,
        /// What librdkafka says.
        source: Box<KafkaError>,
    },
    /// An assignment cannot be taken or given back.
    #[error("cannot answer a rebalance of topic {topic}, restart the worker")]
    Rebalance {
        /// The topic.
        topic: String,
        /// What librdkafka says.
        source: Box<KafkaError>,
    },
    /// Offsets cannot be asked for or written.
    #[error("cannot {action} offsets of topic {topic} at {brokers}, records will be read again")]
    Offsets {
        /// Commit or read.
        action: &'static str,
        /// The topic.
        topic: String,
        /// As configured.
        brokers: String,
        /// What librdkafka says.
        source: Box<KafkaError>,
    },
    /// librdkafka does not take a record.
    #[error("cannot produce to topic {topic} at {brokers}, check its name and size limits")]
    Produce {
        /// The topic.
        topic: String,
        /// As configured.
        brokers: String,
        /// What librdkafka says.
        source: Box<KafkaError>,
    },
    /// A record was taken and not delivered.
    #[error(
        "a record for topic {topic} at {brokers} was not acknowledged, check the brokers and \
         message.timeout.ms"
    )]
    Undelivered {
        /// The topic.
        topic: String,
        /// As configured.
        brokers: String,
        /// What librdkafka says.
        source: Box<KafkaError>,
    },
    /// A record is larger than its topic takes.
    #[error("a record is larger than topic {topic} takes, raise its max.message.bytes")]
    Oversized {
        /// The topic.
        topic: String,
    },
    /// Records wait longer than the deadline for the brokers.
    #[error(
        "{waiting} records for {brokers} are unacknowledged after {seconds} s, check the brokers"
    )]
    Unacknowledged {
        /// How many.
        waiting: usize,
        /// As configured.
        brokers: String,
        /// The deadline.
        seconds: u64,
    },
    /// A transaction cannot be begun, committed or aborted.
    #[error(
        "cannot {action} at {brokers}, check the brokers and the permissions of the \
         transactional id; a worker with the same id ends this one"
    )]
    Transaction {
        /// What was tried.
        action: &'static str,
        /// As configured.
        brokers: String,
        /// What librdkafka says.
        source: Box<KafkaError>,
    },
    /// librdkafka does not come back. The client is of no more use, and what became of the call is
    /// not known.
    #[error(
        "the kafka client for {brokers} does not come back from the call \"{what}\" within {seconds} \
         s and is given up, check the brokers, above all the coordinators of the group and of \
         transactions"
    )]
    Hangs {
        /// What it was to do.
        what: &'static str,
        /// As configured.
        brokers: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The system gives no thread.
    #[error("no thread for a kafka client can be started, check the limits of the process")]
    Thread {
        /// What the system says.
        source: std::io::Error,
    },
    /// The brokers do not answer.
    #[error(
        "brokers {brokers} have not answered within {seconds} s, check stream.brokers and \
         stream.kafka{}", said.iter().map(|said| format!(": {said}")).collect::<String>()
    )]
    Unreachable {
        /// As configured.
        brokers: String,
        /// The deadline.
        seconds: f64,
        /// What the client complained about last.
        said: Option<String>,
        /// What librdkafka says, if anything.
        source: Option<Box<KafkaError>>,
    },
    /// Topics are not there.
    #[error(
        "topic missing at {brokers}: {topics}; create what is missing, correct stream.topics, or \
         set stream.create_topics to true"
    )]
    MissingTopics {
        /// Their names.
        topics: String,
        /// As configured.
        brokers: String,
    },
    /// A topic cannot be created.
    #[error("cannot create topic {topic} at {brokers}, create it there or check the permissions")]
    CreateTopic {
        /// The topic.
        topic: String,
        /// As configured.
        brokers: String,
        /// What librdkafka says.
        source: Box<KafkaError>,
    },
    /// A topic or a group cannot be deleted.
    #[error("{name} at {brokers} cannot be deleted, delete it there")]
    Delete {
        /// Its name.
        name: String,
        /// As configured.
        brokers: String,
        /// What librdkafka says.
        source: Box<KafkaError>,
    },
    /// A topic may not be seen, or its name cannot be one.
    #[error("topic {topic} at {brokers} is refused, check stream.topics and the permissions")]
    Topic {
        /// The topic.
        topic: String,
        /// As configured.
        brokers: String,
        /// What librdkafka says.
        source: Box<KafkaError>,
    },
    /// The in-process cluster does not start.
    #[error("the in-process cluster cannot {action}")]
    Mock {
        /// What was tried.
        action: &'static str,
        /// What librdkafka says.
        source: Box<KafkaError>,
    },
}
