//! One member of a consumer group.
//!
//! librdkafka tells of a rebalance in the middle of a poll, and what it tells of has happened by
//! the time the callback returns. A worker cannot live with that: the batch in its hands may come
//! from a partition that has just gone to somebody else. So the callback only notes what is asked,
//! and reading stops there; the worker finishes its batch, flushes, commits, and then lets it
//! happen with [`Consumer::complete`]. Offsets are committed by the caller and never by librdkafka.

use std::cell::RefCell;
use std::ffi::CString;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::Message as _;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList, bindings};

use super::calls::{GRACE, LOCAL_TIME, Remote};
use super::error::weigh;
use super::events::{Commits, Events, answer};
use super::record::Record;
use super::{Connection, Error};

/// Milliseconds between two heartbeats, if somebody calls [`Consumer::nudge`] as often.
const HEARTBEAT_MS: &str = "250";

/// How long moving to another offset may take; it only waits for a thread of this process.
const SEEK_TIME: Duration = Duration::from_secs(10);

/// How a group moves partitions between its members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Assignment {
    /// Everybody gives up everything, then all is dealt anew.
    Eager,
    /// Only what changes hands is given up.
    #[default]
    Cooperative,
}

impl Assignment {
    fn strategy(self) -> &'static str {
        match self {
            Self::Eager => "range,roundrobin",
            Self::Cooperative => "cooperative-sticky",
        }
    }
}

/// What the group wants of this member. It waits for [`Consumer::complete`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rebalance {
    /// These partitions are this member's from now on.
    Assign(Vec<i32>),
    /// These partitions have to be given up; their offsets can still be committed.
    Revoke(Vec<i32>),
    /// These partitions were taken away: somebody else may be reading them already, so nothing of
    /// them may be committed.
    Lose(Vec<i32>),
}

/// A member of a consumer group that reads one topic. Dropping it leaves the group, and takes a few
/// seconds at most.
pub struct Consumer {
    pub(super) inner: Remote<BaseConsumer<Events>>,
    pub(super) topic: String,
    brokers: String,
    /// Partitions of which everything was taken that there was.
    ends: RefCell<Vec<i32>>,
}

impl Consumer {
    /// Joins `group_id` for `topic`. Partitions come later, as [`Rebalance`]s. Without a committed
    /// offset a partition is read from its beginning.
    ///
    /// # Errors
    /// [`Error::Create`], [`Error::Subscribe`], [`Error::Hangs`] or [`Error::Thread`]; a cluster
    /// that is away is none of them, it is waited for.
    pub fn join(
        connection: &Connection,
        group_id: &str,
        topic: &str,
        assignment: Assignment,
    ) -> Result<Self, Error> {
        let brokers = connection.brokers().to_owned();
        // A worker that keeps up fetches all the time. One that falls behind has its next fetch
        // when most is taken, looked for every millisecond: what is read ahead only takes memory
        // and waits, and brokers in trouble are asked for more at a time and less often. The group
        // is asked often for its state, because partitions of a rebalance stand still until
        // everybody has heard. And a member that was killed is missed after ten seconds and not
        // after 45, forty of its heartbeats later: nobody scores its partitions until then.
        let defaults = [
            ("partition.assignment.strategy", assignment.strategy()),
            ("fetch.wait.max.ms", "100"),
            ("fetch.queue.backoff.ms", "1"),
            ("queued.min.messages", "256"),
            ("queued.max.messages.kbytes", "16384"),
            ("heartbeat.interval.ms", HEARTBEAT_MS),
            ("session.timeout.ms", "10000"),
        ];
        let fixed = [
            ("group.id", group_id),
            ("auto.offset.reset", "earliest"),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            // Behind a partition's last record there may be markers of transactions, which only
            // librdkafka sees; so it is asked to say when nothing is left.
            ("enable.partition.eof", "true"),
        ];
        let inner: BaseConsumer<Events> = connection
            .client(&defaults, &fixed)
            .create_with_context(Events::default())
            .map_err(|source| Error::Create {
                role: "consumer",
                brokers: brokers.clone(),
                source: source.into(),
            })?;
        let inner = Remote::new(inner, "consumer", &brokers)?;
        let name = topic.to_owned();
        let subscribed =
            inner.call("subscribe", LOCAL_TIME, move |inner| inner.subscribe(&[&name]))?;
        subscribed.map_err(|source| Error::Subscribe {
            topic: topic.to_owned(),
            brokers: brokers.clone(),
            source: source.into(),
        })?;
        Ok(Self { inner, topic: topic.to_owned(), brokers, ends: RefCell::default() })
    }

    /// Appends what has arrived: waits up to `patience` for the first record and for no other, and
    /// stops at `limit` records or at a rebalance.
    ///
    /// # Errors
    /// [`Error::Consume`] if this member cannot go on.
    pub fn take<'a>(
        &'a self,
        limit: usize,
        patience: Duration,
        records: &mut Vec<Record<'a>>,
    ) -> Result<(), Error> {
        let mut patience = patience;
        let mut ends = self.ends.borrow_mut();
        while records.len() < limit && self.inner.context().requests().is_empty() {
            match self.inner.poll(patience) {
                Some(Ok(message)) => {
                    if !ends.is_empty() {
                        ends.retain(|partition| *partition != message.partition());
                    }
                    records.push(Record(message));
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    if !ends.contains(&partition) {
                        ends.push(partition);
                    }
                }
                Some(Err(error)) => weigh(&self.inner, error, &self.topic, &self.brokers)?,
                None => return Ok(()),
            }
            patience = Duration::ZERO;
        }
        Ok(())
    }

    /// Has librdkafka's main thread look at its heartbeat now: left alone it looks twice a second,
    /// whatever the interval is. Costs four switches of threads.
    ///
    /// # Errors
    /// [`Error::Hangs`] if that thread does not answer.
    pub fn nudge(&self) -> Result<(), Error> {
        self.inner.call("look at the group", LOCAL_TIME, |inner| drop(inner.group_metadata()))
    }

    /// What the group wants and has not been answered.
    pub fn rebalance(&self) -> Option<Rebalance> {
        let requests = self.inner.context().requests();
        let (kind, partitions) = requests.front()?;
        let partitions = partitions.elements().iter().map(|element| element.partition()).collect();
        Some(match *kind {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Rebalance::Assign(partitions),
            _ if self.inner.assignment_lost() => Rebalance::Lose(partitions),
            _ => Rebalance::Revoke(partitions),
        })
    }

    /// Lets the rebalance that [`Self::rebalance`] told of happen. Partitions that are assigned
    /// are read from the offsets in `starts`; those that it does not name from what is committed.
    ///
    /// # Errors
    /// [`Error::Rebalance`] if librdkafka refuses, [`Error::Hangs`].
    pub fn complete(&self, starts: &[(i32, i64)]) -> Result<(), Error> {
        let request = self.inner.context().requests().pop_front();
        let Some((kind, mut partitions)) = request else { return Ok(()) };
        let moved = partitions.elements();
        let has_moved = |partition| moved.iter().any(|element| element.partition() == partition);
        self.ends.borrow_mut().retain(|&partition| !has_moved(partition));
        drop(moved);
        starts
            .iter()
            .try_for_each(|&(partition, offset)| {
                partitions.set_partition_offset(&self.topic, partition, Offset::Offset(offset))
            })
            .map_err(|source| self.rebalance_error(source))?;
        self.rebalancing("answer a rebalance", move |inner| answer(inner, kind, &partitions))
    }

    /// Reads nothing more of these partitions for now; what has been read ahead of them is dropped
    /// and read again. The member goes on polling, so the group does not miss it.
    ///
    /// # Errors
    /// [`Error::Rebalance`] if librdkafka refuses, [`Error::Hangs`].
    pub fn pause(&self, partitions: &[i32]) -> Result<(), Error> {
        self.ends.borrow_mut().retain(|partition| !partitions.contains(partition));
        let list = self.list(partitions);
        self.rebalancing("pause partitions", move |inner| inner.pause(&list))
    }

    /// Reads on from where [`Self::pause`] stopped.
    ///
    /// # Errors
    /// [`Error::Rebalance`] if librdkafka refuses, [`Error::Hangs`].
    pub fn resume(&self, partitions: &[i32]) -> Result<(), Error> {
        let list = self.list(partitions);
        self.rebalancing("resume partitions", move |inner| inner.resume(&list))
    }

    /// Reads a partition that this member has from another offset on. What has been read ahead is
    /// dropped.
    ///
    /// # Errors
    /// [`Error::Rebalance`] if librdkafka refuses, [`Error::Hangs`].
    pub fn seek(&self, partition: i32, offset: i64) -> Result<(), Error> {
        self.ends.borrow_mut().retain(|other| *other != partition);
        let (offset, topic) = (Offset::Offset(offset), self.topic.clone());
        self.rebalancing("seek", move |inner| inner.seek(&topic, partition, offset, SEEK_TIME))
    }

    /// Whether everything was taken of a partition that may be read: what lies behind is markers of
    /// transactions, and records of those that are still open.
    pub fn is_at_end(&self, partition: i32) -> bool {
        self.ends.borrow().contains(&partition)
    }

    /// How many records of a partition can be read from offset `next` on, as of the last answer to
    /// a fetch; asks nobody. `None` before the first answer.
    pub fn unread(&self, partition: i32, next: i64) -> Option<i64> {
        if self.is_at_end(partition) {
            return Some(0);
        }
        Some((self.end_offset(partition)? - next).max(0))
    }

    /// The offset behind a partition's newest entry.
    #[expect(unsafe_code, reason = "rdkafka has no safe name for what the client already knows")]
    fn end_offset(&self, partition: i32) -> Option<i64> {
        let topic = CString::new(self.topic.as_str()).ok()?;
        let (mut low, mut high) = (-1, -1);
        // SAFETY: the client lives as long as `inner`, the topic is a C string that outlives the
        // call, and both numbers are written before it returns.
        let code = unsafe {
            bindings::rd_kafka_get_watermark_offsets(
                self.inner.client().native_ptr(),
                topic.as_ptr(),
                partition,
                &raw mut low,
                &raw mut high,
            )
        };
        let is_known = code == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0;
        is_known.then_some(high)
    }

    /// What has become, since the last call, of commits that nobody waited for.
    pub fn commits(&self) -> Commits {
        std::mem::take(&mut *self.inner.context().commits())
    }

    /// Which member of which generation of the group this is, for a transaction's offsets.
    pub(super) fn group_metadata(&self) -> Result<Option<ConsumerGroupMetadata>, Error> {
        self.inner.call("look at the group", LOCAL_TIME, |inner| inner.group_metadata())
    }

    /// Offsets as a transaction takes them.
    pub(super) fn offsets(&self, offsets: &[(i32, i64)]) -> KafkaResult<TopicPartitionList> {
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        offsets.iter().try_for_each(|&(partition, offset)| {
            list.add_partition_offset(&self.topic, partition, Offset::Offset(offset))
        })?;
        Ok(list)
    }

    fn list(&self, partitions: &[i32]) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            list.add_partition(&self.topic, *partition);
        }
        list
    }

    /// Makes a call about partitions.
    fn rebalancing(
        &self,
        what: &'static str,
        call: impl FnOnce(&BaseConsumer<Events>) -> KafkaResult<()> + Send + 'static,
    ) -> Result<(), Error> {
        // The longest that any of them is told.
        let outcome = self.inner.call(what, SEEK_TIME + GRACE, call)?;
        outcome.map_err(|source| self.rebalance_error(source))
    }

    fn rebalance_error(&self, source: KafkaError) -> Error {
        Error::Rebalance { topic: self.topic.clone(), source: source.into() }
    }

    /// Commits the offsets to read next, by partition, without waiting: [`Self::commits`] tells
    /// what has become of it, and it may never tell of a commit that a rebalance has overtaken.
    ///
    /// # Errors
    /// [`Error::Offsets`] if librdkafka does not take them.
    #[expect(unsafe_code, reason = "rdkafka's own commit tells nobody what has become of it")]
    pub fn commit(&self, offsets: &[(i32, i64)]) -> Result<(), Error> {
        if offsets.is_empty() {
            return Ok(());
        }
        let list = self.offsets(offsets).map_err(|source| self.offsets_error("commit", source))?;
        // SAFETY: the client lives as long as `inner`, and librdkafka copies the list. The queue is
        // this member's own, where `poll` finds the answer and calls back; the handle is given back
        // here, which does not end the queue. Without a callback the last argument is not used.
        let code = unsafe {
            let client = self.inner.client().native_ptr();
            let queue = bindings::rd_kafka_queue_get_consumer(client);
            let nobody = std::ptr::null_mut();
            let code = bindings::rd_kafka_commit_queue(client, list.ptr(), queue, None, nobody);
            bindings::rd_kafka_queue_destroy(queue);
            code
        };
        match code {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
            refused => {
                Err(self.offsets_error("commit", KafkaError::ConsumerCommit(refused.into())))
            }
        }
    }

    /// As [`Self::commit`], and waits for the answer, up to `patience`.
    ///
    /// # Errors
    /// [`Error::Offsets`] if the offsets are not committed, [`Error::Hangs`] if there is no answer:
    /// then they may be.
    pub fn commit_now(&self, offsets: &[(i32, i64)], patience: Duration) -> Result<(), Error> {
        if offsets.is_empty() {
            return Ok(());
        }
        let list = self.offsets(offsets).map_err(|source| self.offsets_error("commit", source))?;
        let committed = self
            .inner
            .call("commit offsets", patience, move |inner| inner.commit(&list, CommitMode::Sync))?;
        committed.map_err(|source| self.offsets_error("commit", source))
    }

    pub(super) fn offsets_error(&self, action: &'static str, source: KafkaError) -> Error {
        Error::Offsets {
            action,
            topic: self.topic.clone(),
            brokers: self.brokers.clone(),
            source: source.into(),
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let events = self.inner.context();
        events.is_leaving.store(true, Ordering::Release);
        // Closing waits for answers to everything that was asked.
        while let Some((kind, partitions)) = { events.requests().pop_front() } {
            let given_back =
                self.rebalancing("leave", move |inner| answer(inner, kind, &partitions));
            if let Err(error) = given_back {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "a rebalance was not answered on leaving the group");
            }
        }
    }
}
