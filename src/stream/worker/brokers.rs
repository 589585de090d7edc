//! What a worker wants of Kafka: to be a member of a group, and to produce.
//!
//! The loop is the same whatever answers: a cluster, or a simulated one that forgets, delays and
//! takes partitions away whenever a seed says so.

use std::time::Duration;

use super::step::Arrived;
use super::{Delivery, Settings};
use crate::edges::kafka::{
    Beginning, Commits, Consumer, Error, Headers, Outgoing, Oversized, Producer, Rebalance, Record,
    Setback, look_back,
};

/// How long a record waits for company on its way out: not at all, because somebody waits for the
/// alert. Under load batches form by themselves while the one before is on its way.
const LINGER: Duration = Duration::ZERO;

/// Kafka, as a worker sees it. Dropping it leaves the group. Every method is as the one that it
/// names; an error means that this worker cannot go on, unless the method says otherwise.
#[expect(clippy::missing_errors_doc, reason = "they are those of the methods they are named after")]
pub trait Brokers {
    /// A record that has arrived.
    type Record<'a>: Arrived
    where
        Self: 'a;

    /// See [`Consumer::take`].
    fn take<'a>(
        &'a self,
        limit: usize,
        patience: Duration,
        records: &mut Vec<Self::Record<'a>>,
    ) -> Result<(), Error>;

    /// See [`Consumer::nudge`].
    fn nudge(&self) -> Result<(), Error>;

    /// See [`Consumer::rebalance`].
    fn rebalance(&self) -> Option<Rebalance>;

    /// See [`Consumer::complete`].
    fn complete(&self, starts: &[(i32, i64)]) -> Result<(), Error>;

    /// See [`Consumer::beginnings`]; may be asked again after an error.
    fn beginnings(&self, partitions: &[i32], patience: Duration) -> Result<Vec<Beginning>, Error>;

    /// See [`look_back`]; may be asked again after an error.
    fn look_back(
        &self,
        beginnings: &mut [&mut Beginning],
        memory: Duration,
        patience: Duration,
    ) -> Result<(), Error>;

    /// See [`Consumer::pause`].
    fn pause(&self, partitions: &[i32]) -> Result<(), Error>;

    /// See [`Consumer::resume`].
    fn resume(&self, partitions: &[i32]) -> Result<(), Error>;

    /// See [`Consumer::seek`].
    fn seek(&self, partition: i32, offset: i64) -> Result<(), Error>;

    /// See [`Consumer::is_at_end`].
    fn is_at_end(&self, partition: i32) -> bool;

    /// See [`Consumer::unread`].
    fn unread(&self, partition: i32, next: i64) -> Option<i64>;

    /// See [`Consumer::commit`]; what is not confirmed may be committed again.
    fn commit(&self, offsets: &[(i32, i64)]) -> Result<(), Error>;

    /// See [`Consumer::commit_now`]; may be tried again after an error.
    fn commit_now(&self, offsets: &[(i32, i64)], patience: Duration) -> Result<(), Error>;

    /// See [`Consumer::commits`].
    fn commits(&self) -> Commits;

    /// See [`Producer::send`]. In a transaction an error only means that this one cannot be
    /// committed.
    fn send(&self, record: Outgoing<'_>, sequence: usize, patience: Duration) -> Result<(), Error>;

    /// See [`Producer::acknowledged`]. In a transaction as for [`Self::send`].
    fn acknowledged(&self, sequences: &mut Vec<usize>) -> Result<(), Error>;

    /// See [`Producer::oversized`].
    fn oversized(&self) -> Vec<Oversized>;

    /// See [`Producer::flush`]; may be tried again after [`Error::Unacknowledged`].
    fn flush(&self, patience: Duration) -> Result<(), Error>;

    /// See [`Producer::begin`].
    fn begin(&self) -> Result<(), Setback>;

    /// See [`Producer::commit`].
    fn commit_transaction(&self, offsets: &[(i32, i64)], patience: Duration)
    -> Result<(), Setback>;

    /// See [`Producer::abort`].
    fn abort(&self, patience: Duration) -> Result<(), Error>;
}

/// A real cluster.
pub(super) struct Cluster<'s> {
    // The first to be dropped: nothing is produced by who is no member.
    producer: Producer,
    consumer: Consumer,
    settings: &'s Settings,
}

impl<'s> Cluster<'s> {
    /// Becomes a member, once another worker's transaction has ended that has the same id.
    pub(super) fn join(settings: &'s Settings) -> Result<Self, Error> {
        let Settings { connection, group_id, assignment, topics, patience, .. } = settings;
        let producer = match &settings.delivery {
            Delivery::AtLeastOnce => Producer::new(connection, LINGER)?,
            Delivery::ExactlyOnce { transactional_id: id } => {
                Producer::transactional(connection, LINGER, id, *patience)?
            }
        };
        let consumer = Consumer::join(connection, group_id, &topics.transactions, *assignment)?;
        Ok(Self { producer, consumer, settings })
    }
}

impl Arrived for Record<'_> {
    fn partition(&self) -> i32 {
        Record::partition(self)
    }

    fn offset(&self) -> i64 {
        Record::offset(self)
    }

    fn timestamp_ms(&self) -> Option<i64> {
        Record::timestamp_ms(self)
    }

    fn key(&self) -> Option<&[u8]> {
        Record::key(self)
    }

    fn value(&self) -> Option<&[u8]> {
        Record::value(self)
    }

    fn headers(&self) -> Headers {
        Record::headers(self)
    }
}

impl Brokers for Cluster<'_> {
    type Record<'a>
        = Record<'a>
    where
        Self: 'a;

    fn take<'a>(
        &'a self,
        limit: usize,
        patience: Duration,
        records: &mut Vec<Record<'a>>,
    ) -> Result<(), Error> {
        self.consumer.take(limit, patience, records)
    }

    fn nudge(&self) -> Result<(), Error> {
        self.consumer.nudge()
    }

    fn rebalance(&self) -> Option<Rebalance> {
        self.consumer.rebalance()
    }

    fn complete(&self, starts: &[(i32, i64)]) -> Result<(), Error> {
        self.consumer.complete(starts)
    }

    fn beginnings(&self, partitions: &[i32], patience: Duration) -> Result<Vec<Beginning>, Error> {
        self.consumer.beginnings(partitions, patience)
    }

    fn look_back(
        &self,
        beginnings: &mut [&mut Beginning],
        memory: Duration,
        patience: Duration,
    ) -> Result<(), Error> {
        let Settings { connection, group_id, topics, .. } = self.settings;
        look_back(connection, group_id, &topics.transactions, beginnings, memory, patience)
    }

    fn pause(&self, partitions: &[i32]) -> Result<(), Error> {
        self.consumer.pause(partitions)
    }

    fn resume(&self, partitions: &[i32]) -> Result<(), Error> {
        self.consumer.resume(partitions)
    }

    fn seek(&self, partition: i32, offset: i64) -> Result<(), Error> {
        self.consumer.seek(partition, offset)
    }

    fn is_at_end(&self, partition: i32) -> bool {
        self.consumer.is_at_end(partition)
    }

    fn unread(&self, partition: i32, next: i64) -> Option<i64> {
        self.consumer.unread(partition, next)
    }

    fn commit(&self, offsets: &[(i32, i64)]) -> Result<(), Error> {
        self.consumer.commit(offsets)
    }

    fn commit_now(&self, offsets: &[(i32, i64)], patience: Duration) -> Result<(), Error> {
        self.consumer.commit_now(offsets, patience)
    }

    fn commits(&self) -> Commits {
        self.consumer.commits()
    }

    fn send(&self, record: Outgoing<'_>, sequence: usize, patience: Duration) -> Result<(), Error> {
        self.producer.send(record, sequence, patience)
    }

    fn acknowledged(&self, sequences: &mut Vec<usize>) -> Result<(), Error> {
        self.producer.acknowledged(sequences)
    }

    fn oversized(&self) -> Vec<Oversized> {
        self.producer.oversized()
    }

    fn flush(&self, patience: Duration) -> Result<(), Error> {
        self.producer.flush(patience)
    }

    fn begin(&self) -> Result<(), Setback> {
        self.producer.begin()
    }

    fn commit_transaction(
        &self,
        offsets: &[(i32, i64)],
        patience: Duration,
    ) -> Result<(), Setback> {
        self.producer.commit(&self.consumer, offsets, patience)
    }

    fn abort(&self, patience: Duration) -> Result<(), Error> {
        self.producer.abort(patience)
    }
}
