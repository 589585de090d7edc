//! Where to begin to read partitions: not at the committed offset, but as far before it as is
//! remembered.
//!
//! A committed offset says which records have been judged. It does not bring back what was
//! remembered of them: a member that begins there would judge the next payment of every customer as
//! if it were the first. So a partition is read from further back, and what lies before the
//! committed offset is remembered without being judged again.
//!
//! How far back: the memory's length before the record at the committed offset. The group may have
//! stood still for weeks, so the clock does not tell when that record was; the record itself does.
//! It is looked for a little before the committed offset, where transactions leave gaps: an older
//! record only means reading further back.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Offset, TopicPartitionList};

use super::admin::{Deadline, Logged};
use super::calls::{GRACE, once};
use super::{Connection, Consumer, Error};
use crate::base::clock::{Stopwatch, millis};

/// How many offsets before the committed one a record is looked for.
const LOOK_BACK: i64 = 1_000;

/// How long that record is waited for, before everything that there is is read.
const LOOK_TIME: Duration = Duration::from_secs(5);

/// One wait for a record.
const POLL: Duration = Duration::from_millis(100);

/// Where a partition begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beginning {
    /// The partition.
    pub partition: i32,
    /// The first offset of the topic.
    pub first: i64,
    /// The offset to read from.
    pub from: i64,
    /// Records before this offset have been judged before.
    pub judged_until: i64,
    /// Records that left the topic before they were judged.
    pub lost: i64,
    /// Whether the topic begins later than what is to be remembered.
    pub is_cut: bool,
}

impl Consumer {
    /// Where the group goes on in `partitions`, of which nothing from before is read again. The
    /// member's own connections ask: during a rebalance everybody waits for this.
    ///
    /// # Errors
    /// [`Error::Offsets`] if the brokers do not answer within `patience`, [`Error::Hangs`].
    pub fn beginnings(
        &self,
        partitions: &[i32],
        patience: Duration,
    ) -> Result<Vec<Beginning>, Error> {
        let (topic, partitions) = (self.topic.clone(), partitions.to_vec());
        let found =
            self.inner.call("ask where partitions begin", patience + GRACE, move |inner| {
                bounds(inner, &topic, &partitions, patience)
            })?;
        let begin =
            |(partition, committed, low, high)| without_memory(partition, committed, low, high);
        match found {
            Ok(found) => Ok(found.into_iter().map(begin).collect()),
            Err(source) => Err(self.offsets_error("read", source)),
        }
    }
}

/// A partition, what is committed of it, where it begins and where it ends.
type Bounds = (i32, Option<i64>, i64, i64);

fn bounds<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    topic: &str,
    partitions: &[i32],
    patience: Duration,
) -> Result<Vec<Bounds>, KafkaError> {
    let deadline = Deadline::new(patience);
    let committed: BTreeMap<i32, i64> =
        committed(client, topic, partitions, patience)?.into_iter().collect();
    let bound = |&partition: &i32| {
        let ask = || client.fetch_watermarks(topic, partition, deadline.left());
        let (low, high) = ask().or_else(|_| {
            // What the client knows of the topic may come from a broker that was just starting and
            // did not know all partitions. It would believe that for minutes.
            client.fetch_metadata(Some(topic), deadline.left())?;
            ask()
        })?;
        Ok((partition, committed.get(&partition).copied(), low, high))
    };
    partitions.iter().map(bound).collect()
}

/// Moves beginnings of `topic` back, so that `memory` before the committed offset of the group is
/// read again.
///
/// # Errors
/// [`Error::Create`], [`Error::Offsets`] if the brokers do not answer within `patience`,
/// [`Error::Hangs`], [`Error::Thread`].
pub fn look_back(
    connection: &Connection,
    group_id: &str,
    topic: &str,
    beginnings: &mut [&mut Beginning],
    memory: Duration,
    patience: Duration,
) -> Result<(), Error> {
    if beginnings.iter().all(|begins| begins.judged_until <= begins.first) {
        return Ok(());
    }
    let asker = Question::new(connection, group_id, topic);
    let mut copies: Vec<Beginning> = beginnings.iter().map(|begins| **begins).collect();
    // Records near the end, their times, and the offsets of earlier times are asked for.
    let limit = LOOK_TIME.min(patience) + patience + GRACE;
    let moved = once("look back", connection.brokers(), limit, move || {
        let mut borrowed: Vec<&mut Beginning> = copies.iter_mut().collect();
        asker.ask(patience)?.look_back(&mut borrowed, memory)?;
        Ok(copies)
    })??;
    beginnings.iter_mut().zip(moved).for_each(|(begins, moved)| **begins = moved);
    Ok(())
}

/// A partition between `low` and `high` that begins where it was committed.
fn without_memory(partition: i32, committed: Option<i64>, low: i64, high: i64) -> Beginning {
    let begins = |from, lost| Beginning {
        partition,
        first: low,
        from,
        judged_until: from,
        lost,
        is_cut: false,
    };
    match committed {
        // A topic that was deleted and made anew has offsets that mean other records.
        None => begins(low, 0),
        Some(committed) if committed > high => begins(low, 0),
        Some(committed) if committed < low => begins(low, low - committed),
        Some(committed) => begins(committed, 0),
    }
}

/// Committed offsets of a group, by partition; without those that have none. Asked from outside: no
/// member joins, nothing is rebalanced.
///
/// # Errors
/// [`Error::Create`], [`Error::Offsets`] if the brokers do not answer within `patience`,
/// [`Error::Hangs`], [`Error::Thread`].
pub fn committed_offsets(
    connection: &Connection,
    group_id: &str,
    topic: &str,
    partitions: &[i32],
    patience: Duration,
) -> Result<Vec<(i32, i64)>, Error> {
    let question = Question::new(connection, group_id, topic);
    let partitions = partitions.to_vec();
    once("ask for committed offsets", connection.brokers(), patience + GRACE, move || {
        let asker = question.ask(patience)?;
        let committed = committed(&asker.inner, asker.topic, &partitions, patience);
        committed.map_err(|source| asker.error(source))
    })?
}

/// What an [`Asker`] is made of, on whichever thread.
struct Question {
    connection: Connection,
    group_id: String,
    topic: String,
}

impl Question {
    fn new(connection: &Connection, group_id: &str, topic: &str) -> Self {
        let (group_id, topic) = (group_id.to_owned(), topic.to_owned());
        Self { connection: connection.clone(), group_id, topic }
    }

    fn ask(&self, patience: Duration) -> Result<Asker<'_>, Error> {
        Asker::new(&self.connection, &self.group_id, &self.topic, patience)
    }
}

fn committed<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    topic: &str,
    partitions: &[i32],
    patience: Duration,
) -> Result<Vec<(i32, i64)>, KafkaError> {
    let mut asked = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        asked.add_partition(topic, *partition);
    }
    let answered = client.committed_offsets(asked, patience)?;
    // A partition without an answer is not one without a committed offset.
    answered.elements().iter().try_for_each(|element| element.error())?;
    Ok(answered.elements().iter().filter_map(offset).collect())
}

/// A client that asks and is no member.
struct Asker<'a> {
    inner: BaseConsumer<Logged>,
    topic: &'a str,
    brokers: &'a str,
    patience: Duration,
}

impl<'a> Asker<'a> {
    fn new(
        connection: &'a Connection,
        group_id: &str,
        topic: &'a str,
        patience: Duration,
    ) -> Result<Self, Error> {
        let brokers = connection.brokers();
        let fixed = [
            ("group.id", group_id),
            ("enable.auto.commit", "false"),
            ("auto.offset.reset", "earliest"),
            // Offsets of transactions that are still open are waited for.
            ("isolation.level", "read_committed"),
            ("fetch.message.max.bytes", "65536"),
        ];
        let inner = connection.client(&[], &fixed).create_with_context(Logged::default()).map_err(
            |source| Error::Create {
                role: "consumer",
                brokers: brokers.to_owned(),
                source: source.into(),
            },
        )?;
        Ok(Self { inner, topic, brokers, patience })
    }

    /// Moves beginnings back to where the memory before them begins.
    fn look_back(&self, beginnings: &mut [&mut Beginning], memory: Duration) -> Result<(), Error> {
        let times = self.times(beginnings).map_err(|source| self.error(source))?;
        let memory_ms = millis(memory);
        let since = |&(partition, time): &(i32, i64)| (partition, time.saturating_sub(memory_ms));
        let begins = self.offsets_since(times.iter().map(since))?;
        for beginning in beginnings.iter_mut().filter(|begins| begins.judged_until > begins.first) {
            let low = beginning.first;
            let found = begins.get(&beginning.partition).copied().unwrap_or(low);
            beginning.from = found.clamp(low, beginning.judged_until);
            beginning.is_cut = beginning.from == low && low > 0;
        }
        Ok(())
    }

    /// The timestamps of records shortly before where partitions were judged, in milliseconds.
    /// Partitions where none comes in time are left out.
    fn times(&self, beginnings: &[&mut Beginning]) -> Result<Vec<(i32, i64)>, KafkaError> {
        let mut list = TopicPartitionList::with_capacity(beginnings.len());
        for beginning in beginnings.iter().filter(|begins| begins.judged_until > begins.first) {
            let near = (beginning.judged_until - LOOK_BACK).max(beginning.first);
            list.add_partition_offset(self.topic, beginning.partition, Offset::Offset(near))?;
        }
        self.inner.assign(&list)?;
        let waited = Stopwatch::start();
        let mut times = BTreeMap::new();
        while times.len() < list.count() && waited.elapsed() < LOOK_TIME.min(self.patience) {
            match self.inner.poll(POLL) {
                Some(Ok(record)) => {
                    let time = record.timestamp().to_millis();
                    time.into_iter().for_each(|time| {
                        times.entry(record.partition()).or_insert(time);
                    });
                }
                Some(Err(error)) => super::log::passing(&error, self.topic),
                None => {}
            }
        }
        self.inner.unassign()?;
        Ok(times.into_iter().collect())
    }

    /// The first offsets at or after times.
    fn offsets_since(
        &self,
        times: impl Iterator<Item = (i32, i64)>,
    ) -> Result<BTreeMap<i32, i64>, Error> {
        let mut asked = TopicPartitionList::new();
        for (partition, time) in times {
            asked
                .add_partition_offset(self.topic, partition, Offset::Offset(time.max(0)))
                .map_err(|source| self.error(source))?;
        }
        if asked.count() == 0 {
            return Ok(BTreeMap::new());
        }
        let answered = self.inner.offsets_for_times(asked, self.patience);
        let answered = answered.map_err(|source| self.error(source))?;
        Ok(answered.elements().iter().filter_map(offset).collect())
    }

    fn error(&self, source: KafkaError) -> Error {
        Error::Offsets {
            action: "read",
            topic: self.topic.to_owned(),
            brokers: self.brokers.to_owned(),
            source: source.into(),
        }
    }
}

fn offset(element: &TopicPartitionListElem<'_>) -> Option<(i32, i64)> {
    match element.offset() {
        Offset::Offset(offset) => Some((element.partition(), offset)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_memory_a_partition_begins_where_it_was_committed() {
        let cases = [
            // committed, low, high: from, lost
            (None, 0, 9, 0, 0),
            (None, 4, 9, 4, 0),
            (Some(6), 4, 9, 6, 0),
            (Some(4), 4, 9, 4, 0),
            (Some(9), 4, 9, 9, 0),
            (Some(1), 4, 9, 4, 3),
            (Some(10), 4, 9, 4, 0),
        ];
        for (committed, low, high, from, lost) in cases {
            let begins = without_memory(0, committed, low, high);
            assert_eq!((begins.from, begins.lost), (from, lost), "{committed:?} {low} {high}");
            assert_eq!(begins.judged_until, from);
        }
    }
}
