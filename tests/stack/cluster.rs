//! What tests ask of a cluster: topics, ends, committed offsets. The only user of rdkafka here.
//!
//! Records are produced and consumed by another client (`produce.py`, `consume.py`).

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::process::eventually;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

fn config(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set_log_level(RDKafkaLogLevel::Emerg);
    config
}

/// Whether brokers answer within a second.
pub fn answers(brokers: &str) -> Result<(), String> {
    let consumer: BaseConsumer = config(brokers).create().expect("a consumer");
    let metadata = consumer.fetch_metadata(None, Duration::from_secs(1));
    metadata.map(drop).map_err(|error| error.to_string())
}

/// Creates a topic that takes records of up to 8 MB.
pub fn create_topic(brokers: &str, topic: &str, partitions: i32) {
    create_topic_for(brokers, topic, partitions, 8_000_000);
}

/// Creates a topic that takes records of up to `bytes`.
pub fn create_topic_for(brokers: &str, topic: &str, partitions: i32, bytes: u32) {
    let bytes = bytes.to_string();
    let admin: AdminClient<DefaultClientContext> = config(brokers).create().expect("a client");
    // As many replicas as the brokers are told to make.
    let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(-1))
        .set("max.message.bytes", &bytes);
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let results = runtime.block_on(admin.create_topics([&new], &options));
    for result in results.expect("an answer of the brokers") {
        result.unwrap_or_else(|(topic, error)| panic!("{topic} cannot be created: {error}"));
    }
}

/// Adds partitions to a topic until it has `partitions`.
pub fn add_partitions(brokers: &str, topic: &str, partitions: i32) {
    let admin: AdminClient<DefaultClientContext> = config(brokers).create().expect("a client");
    let new = NewPartitions::new(topic, usize::try_from(partitions).expect("some"));
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let results = runtime.block_on(admin.create_partitions([&new], &options));
    for result in results.expect("an answer of the brokers") {
        result.unwrap_or_else(|(topic, error)| panic!("{topic} does not grow: {error}"));
    }
}

/// How many partitions a topic has; `None` if it does not exist.
pub fn partitions(brokers: &str, topic: &str) -> Option<usize> {
    let consumer: BaseConsumer = config(brokers).create().expect("a consumer");
    let metadata = consumer.fetch_metadata(None, PATIENCE).expect("metadata");
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    found.map(|topic| topic.partitions().len()).filter(|&count| count > 0)
}

/// Topics whose names begin with `prefix`.
pub fn topics(brokers: &str, prefix: &str) -> Vec<String> {
    let consumer: BaseConsumer = config(brokers).create().expect("a consumer");
    let metadata = consumer.fetch_metadata(None, PATIENCE).expect("metadata");
    let names = metadata.topics().iter().map(|topic| topic.name());
    names.filter(|name| name.starts_with(prefix)).map(str::to_owned).collect()
}

/// The offset of a topic's next record, by partition.
pub fn ends(brokers: &str, topic: &str) -> BTreeMap<i32, i64> {
    let consumer: BaseConsumer = config(brokers).create().expect("a consumer");
    let count = partitions(brokers, topic).unwrap_or_else(|| panic!("{topic} does not exist"));
    let end = |partition| {
        let marks = consumer.fetch_watermarks(topic, partition, PATIENCE);
        (partition, marks.expect("watermarks").1)
    };
    (0..i32::try_from(count).expect("few partitions")).map(end).collect()
}

/// Joins a group, stays until it has been dealt partitions of the topic, and leaves it.
pub fn visit(brokers: &str, group: &str, topic: &str) {
    let visitor: BaseConsumer = config(brokers)
        .set("group.id", group)
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("enable.auto.commit", "false")
        .create()
        .expect("a consumer");
    visitor.subscribe(&[topic]).expect("a subscription");
    eventually("a visitor is dealt partitions", PATIENCE, || {
        drop(visitor.poll(Duration::from_millis(100)));
        let dealt = visitor.assignment().map_err(|error| error.to_string())?;
        if dealt.count() > 0 { Ok(()) } else { Err("none yet".to_owned()) }
    });
}

/// What a group has committed, by partition; 0 where it has not.
pub fn committed(brokers: &str, group: &str, topic: &str) -> Result<BTreeMap<i32, i64>, String> {
    let count = partitions(brokers, topic).unwrap_or_else(|| panic!("{topic} does not exist"));
    let consumer: BaseConsumer = config(brokers).set("group.id", group).create().expect("client");
    let mut list = TopicPartitionList::new();
    list.add_partition_range(topic, 0, i32::try_from(count).expect("few partitions") - 1);
    let list = consumer.committed_offsets(list, PATIENCE).map_err(|error| error.to_string())?;
    let offset = |element: &Offset| match element {
        Offset::Offset(offset) => *offset,
        _ => 0,
    };
    Ok(list.elements().iter().map(|e| (e.partition(), offset(&e.offset()))).collect())
}
