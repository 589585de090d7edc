//! All of a topic, read without a group.
//!
//! Some topics are read whole by everybody who needs them: verdicts by every process, dead letters
//! by whoever looks at them. A group would deal the partitions out and remember how far it was;
//! here every reader has all partitions, says itself where to begin, and leaves no trace. What a
//! group does by itself has to be done by hand: partitions that are added to the topic later are
//! looked for now and then, or their records would never be seen.

use std::cell::RefCell;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use super::admin::{Deadline, Logged, missing, partitions};
use super::error::weigh;
use super::positions::Positions;
use super::{Connection, Error, Record, log};
use crate::base::clock::Stopwatch;

/// Time between two looks for partitions that were added.
const LOOK_INTERVAL: Duration = Duration::from_secs(30);

/// How long such a look may take; records wait meanwhile.
const LOOK_PATIENCE: Duration = Duration::from_secs(2);

/// Where reading begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// With the oldest record there is.
    Beginning,
    /// With the first record of this time or later, milliseconds since the epoch, by the records'
    /// own timestamps. A partition without such a record begins at its end.
    Time(i64),
    /// At these offsets of these partitions; no other partition is read.
    Offsets(Vec<(i32, i64)>),
}

/// A reader of one topic. Transactions that are open or aborted are not seen, unless the operator's
/// `isolation.level` says otherwise.
pub struct Reader {
    inner: BaseConsumer<Logged>,
    topic: String,
    brokers: String,
    start: Start,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    positions: Positions,
    /// Since the partitions were looked for; `None` before reading has begun.
    since_look: Option<Stopwatch>,
}

impl Reader {
    /// A reader that has not begun yet; asks nobody anything. It is no member of `group_id`:
    /// librdkafka wants a name, and brokers with access lists allow only known ones.
    ///
    /// # Errors
    /// [`Error::Create`] if librdkafka refuses the properties.
    pub fn new(
        connection: &Connection,
        group_id: &str,
        topic: &str,
        start: Start,
    ) -> Result<Self, Error> {
        let brokers = connection.brokers().to_owned();
        let fixed = [
            ("group.id", group_id),
            ("auto.offset.reset", "earliest"),
            ("allow.auto.create.topics", "false"),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("enable.partition.eof", "true"),
        ];
        // Whoever reads here hurries less than the workers and gets less memory for it.
        let defaults = [("fetch.wait.max.ms", "100"), ("queued.max.messages.kbytes", "16384")];
        let client = connection.client(&defaults, &fixed);
        let inner = client.create_with_context(Logged::default()).map_err(|source| {
            Error::Create { role: "consumer", brokers: brokers.clone(), source: source.into() }
        })?;
        Ok(Self { inner, topic: topic.to_owned(), brokers, start, state: RefCell::default() })
    }

    /// [`Self::new`] and [`Self::begin`].
    ///
    /// # Errors
    /// As both.
    pub fn open(
        connection: &Connection,
        group_id: &str,
        topic: &str,
        start: Start,
        patience: Duration,
    ) -> Result<Self, Error> {
        let reader = Self::new(connection, group_id, topic, start)?;
        reader.begin(patience)?;
        Ok(reader)
    }

    /// Finds the partitions, where to begin and where they end now, and begins to read. After an
    /// error it may be called again.
    ///
    /// # Errors
    /// [`Error::MissingTopics`], [`Error::Topic`], [`Error::Offsets`], or [`Error::Unreachable`] if
    /// it takes longer than `patience`.
    pub fn begin(&self, patience: Duration) -> Result<(), Error> {
        let deadline = Deadline::new(patience);
        let found = partitions(&self.inner, &self.topic, &self.brokers, &deadline)?
            .ok_or_else(|| missing(&self.topic, &self.brokers))?;
        let positions = self.locate(&found, &deadline)?;
        let list = self.list(positions.starts().map(|(id, offset)| (id, Offset::Offset(offset))));
        list.and_then(|list| self.inner.assign(&list)).map_err(|source| self.refused(source))?;
        *self.state.borrow_mut() = State { positions, since_look: Some(Stopwatch::start()) };
        Ok(())
    }

    /// Appends what has arrived: waits up to `patience` for the first record and for no other, and
    /// stops at `limit` records. Before [`Self::begin`] there is nothing.
    ///
    /// # Errors
    /// [`Error::Consume`] if this reader cannot go on; what librdkafka recovers from is logged.
    pub fn take<'a>(
        &'a self,
        limit: usize,
        patience: Duration,
        records: &mut Vec<Record<'a>>,
    ) -> Result<(), Error> {
        self.look();
        let mut patience = patience;
        while records.len() < limit {
            match self.inner.poll(patience) {
                Some(Ok(message)) => {
                    let record = Record(message);
                    let mut state = self.state.borrow_mut();
                    state.positions.read(record.partition(), record.offset());
                    records.push(record);
                    patience = Duration::ZERO;
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    self.state.borrow_mut().positions.end(partition);
                    // Nothing has come, but whoever waits for the end need not wait longer.
                    patience = Duration::ZERO;
                }
                Some(Err(error)) => weigh(&self.inner, error, &self.topic, &self.brokers)?,
                None => break,
            }
        }
        Ok(())
    }

    /// Whether everything that was there when reading began has been handed out.
    pub fn caught_up(&self) -> bool {
        let state = self.state.borrow();
        state.since_look.is_some() && state.positions.are_caught_up()
    }

    /// How much of what was there when reading began is read: offsets done, offsets in all. Offsets
    /// of transactions' markers count.
    pub fn progress(&self) -> (u64, u64) {
        self.state.borrow().positions.progress()
    }

    /// Whether a record was there when reading began.
    pub fn was_there(&self, record: &Record<'_>) -> bool {
        self.state.borrow().positions.was_there(record.partition(), record.offset())
    }

    fn locate(&self, found: &[i32], deadline: &Deadline) -> Result<Positions, Error> {
        let wanted: Vec<i32> = match &self.start {
            Start::Offsets(offsets) => {
                found.iter().copied().filter(|id| offsets.iter().any(|(p, _)| p == id)).collect()
            }
            Start::Beginning | Start::Time(_) => found.to_vec(),
        };
        let lows = self.offsets(&wanted, Offset::Beginning, deadline)?;
        let ends = self.offsets(&wanted, Offset::End, deadline)?;
        let starts: Vec<Option<i64>> = match &self.start {
            Start::Beginning => lows.clone(),
            Start::Time(millis) => {
                let found = self.offsets(&wanted, Offset::Offset((*millis).max(0)), deadline)?;
                found.iter().zip(&ends).map(|(found, end)| found.or(*end)).collect()
            }
            Start::Offsets(offsets) => {
                let given = |id: &i32| offsets.iter().find(|(p, _)| p == id).map(|(_, o)| *o);
                wanted.iter().map(given).collect()
            }
        };
        let mut positions = Positions::default();
        for (((id, start), low), end) in wanted.iter().zip(starts).zip(lows).zip(ends) {
            let bounds = (low.unwrap_or(0), end.unwrap_or(0));
            positions.begin(*id, start.unwrap_or(0), bounds);
        }
        Ok(positions)
    }

    /// The offset of a time in each partition, where a time may also be the beginning or the end;
    /// `None` where nothing is that late.
    fn offsets(
        &self,
        wanted: &[i32],
        time: Offset,
        deadline: &Deadline,
    ) -> Result<Vec<Option<i64>>, Error> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let list = self.list(wanted.iter().map(|id| (*id, time)));
        let list = list.map_err(|source| self.refused(source))?;
        let answer = self
            .inner
            .offsets_for_times(list, deadline.left())
            .map_err(|source| deadline.unreachable(&self.brokers, Some(source)))?;
        let offset = |id: &i32| {
            let Some(element) = answer.find_partition(&self.topic, *id) else { return Ok(None) };
            element.error().map_err(|source| self.refused(source))?;
            Ok(match element.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            })
        };
        wanted.iter().map(offset).collect()
    }

    fn list(
        &self,
        places: impl Iterator<Item = (i32, Offset)>,
    ) -> Result<TopicPartitionList, KafkaError> {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in places {
            list.add_partition_offset(&self.topic, partition, offset)?;
        }
        Ok(list)
    }

    /// Looks for partitions that were added and reads them from their beginning. What goes wrong is
    /// tried again at the next look.
    fn look(&self) {
        let is_due = |since: Stopwatch| since.elapsed() >= LOOK_INTERVAL;
        let mut state = self.state.borrow_mut();
        if !state.since_look.is_some_and(is_due) || matches!(self.start, Start::Offsets(_)) {
            return;
        }
        state.since_look = Some(Stopwatch::start());
        let deadline = Deadline::new(LOOK_PATIENCE);
        let found = match partitions(&self.inner, &self.topic, &self.brokers, &deadline) {
            Ok(found) => found.unwrap_or_default(),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::debug!(error, topic = self.topic, "partitions were not looked for");
                return;
            }
        };
        let added: Vec<i32> = found.into_iter().filter(|id| !state.positions.has(*id)).collect();
        if added.is_empty() {
            return;
        }
        let list = self.list(added.iter().map(|id| (*id, Offset::Beginning)));
        match list.and_then(|list| self.inner.incremental_assign(&list)) {
            Ok(()) => {
                tracing::info!(topic = self.topic, ?added, "the topic has more partitions");
                added.into_iter().for_each(|id| state.positions.begin(id, 0, (0, 0)));
            }
            Err(error) => log::passing(&error, "added partitions are not read yet"),
        }
    }

    fn refused(&self, source: KafkaError) -> Error {
        Error::Offsets {
            action: "read",
            topic: self.topic.clone(),
            brokers: self.brokers.clone(),
            source: source.into(),
        }
    }
}
