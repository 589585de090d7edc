//! What librdkafka's callbacks leave behind for whoever polls.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use super::log;

/// A rebalance as librdkafka asks for it.
type Request = (RDKafkaRespErr, TopicPartitionList);

/// What callbacks leave behind.
#[derive(Default)]
pub(super) struct Events {
    requests: Mutex<VecDeque<Request>>,
    /// Nobody will answer any more: give up partitions at once.
    pub(super) is_leaving: AtomicBool,
    commits: Mutex<Commits>,
}

/// What has become of commits that nobody waited for.
#[derive(Debug, Default)]
pub struct Commits {
    /// Partitions and the offsets at which the group has them.
    pub confirmed: Vec<(i32, i64)>,
    /// How many were taken.
    pub succeeded: u64,
    /// How many were refused, for all of their partitions or for some.
    pub failed: u64,
}

impl Events {
    pub(super) fn requests(&self) -> MutexGuard<'_, VecDeque<Request>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn commits(&self) -> MutexGuard<'_, Commits> {
        self.commits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Events {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        log::line(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log::passing(&error, reason);
    }
}

impl ConsumerContext for Events {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        kind: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        if self.is_leaving.load(Ordering::Acquire) {
            let given_up = RDKafkaRespErr::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS;
            if let Err(error) = answer(consumer, given_up, partitions) {
                log::passing(&error, "partitions were not given up on leaving the group");
            }
        } else {
            self.requests().push_back((kind, partitions.clone()));
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        let mut commits = self.commits();
        match result {
            Ok(()) => commits.succeeded += 1,
            Err(error) => {
                commits.failed += 1;
                log::passing(&error, "offsets were not committed, the next commit covers them");
            }
        }
        for element in offsets.elements() {
            if let (Ok(()), Offset::Offset(offset)) = (element.error(), element.offset()) {
                commits.confirmed.push((element.partition(), offset));
            }
        }
    }
}

/// Lets a rebalance happen.
pub(super) fn answer(
    consumer: &BaseConsumer<Events>,
    kind: RDKafkaRespErr,
    partitions: &TopicPartitionList,
) -> KafkaResult<()> {
    let is_assign = kind == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    match (consumer.rebalance_protocol(), is_assign) {
        (RebalanceProtocol::Cooperative, true) => consumer.incremental_assign(partitions),
        (RebalanceProtocol::Cooperative, false) => consumer.incremental_unassign(partitions),
        (_, true) => consumer.assign(partitions),
        (_, false) => consumer.unassign(),
    }
}
