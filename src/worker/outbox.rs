//! What a worker publishes, and how far its partitions may be committed for it.
//!
//! *At least once*: every record waits for its acknowledgement ([`super::progress`]), and offsets
//! follow. *Exactly once*: records and offsets are one transaction, opened by the first record or
//! by the first offset to be committed, and visible together when it is committed.
//!
//! A transaction can fail without anybody's fault: a broker moves, the group rebalances in the
//! middle. Reading its records again would not help, since they are remembered by now and would be
//! held for repeats. So what was published in the open transaction is kept until it is committed;
//! if the transaction has to be aborted, the same bytes are sent in the next one, without those of
//! partitions that have gone meanwhile: whoever has them now judges them anew.

use std::time::Duration;

use super::Error;
use super::flights::{Flight, Flights};
use super::step::{Arrived, Kind, Publish};
use super::tasks::Tasks;
use crate::clock::Stopwatch;
use crate::kafka::{Consumer, Headers, Outgoing, Oversized, Producer, Setback};

/// Most records of one transaction; reading pauses until it is committed.
const MAX_TRANSACTION_RECORDS: usize = 16_384;

/// Most records that wait for their acknowledgement; reading pauses until half of them are there.
const MAX_FLIGHTS: usize = 16_384;

/// How long transactions may fail, one after the other, before the worker gives up.
const MAX_FAILING: Duration = Duration::from_secs(300);

/// Where a step publishes to.
pub(super) struct Outbox {
    producer: Producer,
    /// The worker's partitions.
    pub tasks: Tasks,
    flights: Flights,
    /// Exactly once.
    transaction: Option<Transaction>,
    patience: Duration,
    sequences: Vec<usize>,
}

/// The transaction that is open or has to be opened again.
#[derive(Default)]
struct Transaction {
    is_open: bool,
    /// Why nothing more can be sent in it: it has to be aborted.
    broken: Option<crate::kafka::Error>,
    /// Since when it has not been committed for all attempts.
    failing: Option<Stopwatch>,
    sent: Vec<Sent>,
    /// Topics, keys and values of `sent`.
    bytes: Vec<u8>,
}

/// A record of a transaction; lengths are of its parts in the bytes, in their order.
struct Sent {
    flight: Flight,
    start: usize,
    topic: usize,
    key: Option<usize>,
    value: Option<usize>,
    headers: Option<Headers>,
}

impl Outbox {
    pub(super) fn new(producer: Producer, is_transactional: bool, patience: Duration) -> Self {
        Self {
            producer,
            tasks: Tasks::default(),
            flights: Flights::default(),
            transaction: is_transactional.then(Transaction::default),
            patience,
            sequences: Vec::new(),
        }
    }

    /// Whether offsets are committed with the records, in transactions.
    pub(super) fn is_transactional(&self) -> bool {
        self.transaction.is_some()
    }

    /// Records that nobody has acknowledged yet.
    pub(super) fn in_flight(&self) -> usize {
        self.transaction.as_ref().map_or(self.flights.len(), |transaction| transaction.sent.len())
    }

    /// Whether so much is in flight that nothing more should be read.
    pub(super) fn is_full(&self) -> bool {
        let most = if self.is_transactional() { MAX_TRANSACTION_RECORDS } else { MAX_FLIGHTS };
        self.in_flight() >= most
    }

    /// Whether enough has been acknowledged to read on.
    pub(super) fn has_room(&self) -> bool {
        self.in_flight() <= MAX_FLIGHTS / 2
    }

    /// Takes acknowledgements in and tells of each alert's; whether there were any. In a
    /// transaction they mean nothing before the commit.
    pub(super) fn settle(&mut self, arrived: &mut dyn FnMut(Flight)) -> Result<bool, Error> {
        if self.in_flight() == 0 {
            return Ok(false);
        }
        if self.transaction.is_some() {
            self.settle_transaction();
            return Ok(false);
        }
        self.producer.acknowledged(&mut self.sequences)?;
        let has_news = !self.sequences.is_empty();
        let sequences = std::mem::take(&mut self.sequences);
        for &sequence in &sequences {
            let flight = self.arrive(sequence)?;
            if self.tasks.acknowledge(flight.partition, flight.offset)? && flight.is_alert {
                arrived(flight);
            }
        }
        self.sequences = sequences;
        self.sequences.clear();
        for oversized in self.producer.oversized() {
            let flight = self.arrive(oversized.sequence)?;
            let sequence = self.flights.depart(flight);
            self.producer.send(without_value(&oversized), sequence, self.patience)?;
        }
        Ok(has_news)
    }

    fn settle_transaction(&mut self) {
        let reported = self.producer.acknowledged(&mut self.sequences);
        self.sequences.clear();
        let Some(transaction) = &mut self.transaction else { return };
        if let Err(error) = reported {
            transaction.broken.get_or_insert(error);
        }
        for oversized in self.producer.oversized() {
            let topic = oversized.topic.clone();
            transaction.broken.get_or_insert(crate::kafka::Error::Oversized { topic });
            if let Some(sent) = transaction.sent.get_mut(oversized.sequence) {
                let letter = without_value(&oversized);
                sent.value = None;
                sent.headers = letter.headers;
            }
        }
    }

    fn arrive(&mut self, sequence: usize) -> Result<Flight, Error> {
        self.flights.arrive(sequence).ok_or_else(|| {
            Error::Impossible(format!("record {sequence} was acknowledged and not in flight"))
        })
    }

    /// Waits for all acknowledgements, at least once; up to `patience`.
    pub(super) fn drain(
        &mut self,
        patience: Duration,
        arrived: &mut dyn FnMut(Flight),
    ) -> Result<(), Error> {
        let waited = Stopwatch::start();
        while self.transaction.is_none() && !self.flights.is_empty() {
            self.producer.flush(patience.saturating_sub(waited.elapsed()))?;
            self.settle(arrived)?;
        }
        Ok(())
    }

    /// Commits the transaction with all offsets that may move; tells of each alert in it. `false`
    /// if it could not be committed: it is tried again with the next call.
    ///
    /// # Errors
    /// [`Error`] if this producer cannot go on, or has failed for [`MAX_FAILING`].
    pub(super) fn commit_transaction(
        &mut self,
        consumer: &Consumer,
        arrived: &mut dyn FnMut(Flight),
    ) -> Result<bool, Error> {
        let offsets = self.tasks.due();
        if offsets.is_empty() && self.in_flight() == 0 {
            return Ok(true);
        }
        match self.try_commit(consumer, &offsets) {
            Ok(()) => {}
            Err(Setback::Fatal(error)) => return Err(error.into()),
            Err(Setback::Abort(error)) => return self.set_back(error).map(|()| false),
        }
        self.tasks.commit(&offsets);
        let Some(transaction) = &mut self.transaction else { return Ok(true) };
        transaction.sent.iter().filter(|sent| sent.flight.is_alert).for_each(|s| arrived(s.flight));
        *transaction = Transaction {
            sent: std::mem::take(&mut transaction.sent),
            bytes: std::mem::take(&mut transaction.bytes),
            ..Transaction::default()
        };
        transaction.sent.clear();
        transaction.bytes.clear();
        Ok(true)
    }

    fn try_commit(&mut self, consumer: &Consumer, offsets: &[(i32, i64)]) -> Result<(), Setback> {
        self.open()?;
        self.settle_transaction();
        if let Some(error) = self.transaction.as_mut().and_then(|open| open.broken.take()) {
            return Err(Setback::Abort(error));
        }
        self.producer.commit(consumer, offsets, self.patience)
    }

    /// Opens the transaction if it is not open, and sends again what an aborted one had.
    fn open(&mut self) -> Result<(), Setback> {
        let Some(transaction) = &mut self.transaction else { return Ok(()) };
        if transaction.is_open {
            return Ok(());
        }
        self.producer.begin()?;
        transaction.is_open = true;
        for (sequence, sent) in transaction.sent.iter().enumerate() {
            let record = sent.outgoing(&transaction.bytes);
            let outcome = self.producer.send(record, sequence, self.patience);
            outcome.map_err(Setback::Abort)?;
        }
        Ok(())
    }

    /// The transaction cannot be committed as it is.
    fn set_back(&mut self, error: crate::kafka::Error) -> Result<(), Error> {
        let patience = self.patience;
        let Some(transaction) = &mut self.transaction else { return Ok(()) };
        let cause = &error as &dyn std::error::Error;
        tracing::info!(error = cause, "a transaction is aborted and its records are sent again");
        if transaction.is_open {
            self.producer.abort(patience)?;
        }
        transaction.is_open = false;
        transaction.broken = None;
        let failing = *transaction.failing.get_or_insert_with(Stopwatch::start);
        if failing.elapsed() > MAX_FAILING { Err(error.into()) } else { Ok(()) }
    }

    /// These partitions are gone; whatever of them is in an open transaction must not become
    /// visible.
    pub(super) fn close(&mut self, partitions: &[i32]) -> Result<(), Error> {
        self.tasks.remove(partitions);
        self.flights.orphan(partitions);
        let patience = self.patience;
        let Some(transaction) = &mut self.transaction else { return Ok(()) };
        let is_gone = |sent: &Sent| partitions.contains(&sent.flight.partition);
        if !transaction.sent.iter().any(is_gone) {
            return Ok(());
        }
        transaction.sent.retain(|sent| !is_gone(sent));
        if transaction.is_open {
            self.producer.abort(patience)?;
        }
        transaction.is_open = false;
        transaction.broken = None;
        Ok(())
    }
}

impl Publish for Outbox {
    #[inline]
    fn was_judged(&mut self, source: &impl Arrived) -> bool {
        self.tasks.was_judged(source.partition(), source.offset())
    }

    fn publish(
        &mut self,
        source: &impl Arrived,
        kind: Kind,
        record: Outgoing<'_>,
    ) -> Result<(), Error> {
        let flight = Flight {
            partition: source.partition(),
            offset: source.offset(),
            timestamp_ms: source.timestamp_ms(),
            is_alert: kind == Kind::Alert,
        };
        if self.transaction.is_some() {
            return self.publish_in_transaction(flight, record);
        }
        self.tasks.expect(flight.partition, flight.offset)?;
        let sequence = self.flights.depart(flight);
        Ok(self.producer.send(record, sequence, self.patience)?)
    }
}

impl Outbox {
    fn publish_in_transaction(
        &mut self,
        flight: Flight,
        record: Outgoing<'_>,
    ) -> Result<(), Error> {
        match self.open() {
            Ok(()) => {}
            Err(Setback::Fatal(error)) => return Err(error.into()),
            Err(Setback::Abort(error)) => self.break_transaction(error),
        }
        let Some(transaction) = &mut self.transaction else { return Ok(()) };
        let sequence = transaction.sent.len();
        transaction.keep(flight, &record);
        if transaction.broken.is_none()
            && let Err(error) = self.producer.send(record, sequence, self.patience)
        {
            self.break_transaction(error);
        }
        Ok(())
    }

    fn break_transaction(&mut self, error: crate::kafka::Error) {
        if let Some(transaction) = &mut self.transaction {
            transaction.broken.get_or_insert(error);
        }
    }
}

impl Transaction {
    fn keep(&mut self, flight: Flight, record: &Outgoing<'_>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(record.topic.as_bytes());
        self.bytes.extend_from_slice(record.key.unwrap_or_default());
        self.bytes.extend_from_slice(record.value.unwrap_or_default());
        self.sent.push(Sent {
            flight,
            start,
            topic: record.topic.len(),
            key: record.key.map(<[u8]>::len),
            value: record.value.map(<[u8]>::len),
            headers: record.headers.clone(),
        });
    }
}

impl Sent {
    fn outgoing<'a>(&self, bytes: &'a [u8]) -> Outgoing<'a> {
        let (topic, rest) = bytes[self.start..].split_at(self.topic);
        let (key, rest) = rest.split_at(self.key.unwrap_or(0));
        Outgoing {
            topic: std::str::from_utf8(topic).expect("invariant: it was kept from a text"),
            key: self.key.map(|_| key),
            value: self.value.map(|length| &rest[..length]),
            headers: self.headers.clone(),
        }
    }
}

/// A dead letter that its topic does not take for its size, without what makes it large. It still
/// says where the record is.
fn without_value(oversized: &Oversized) -> Outgoing<'_> {
    let Oversized { topic, value_bytes, .. } = oversized;
    tracing::error!(
        topic,
        value_bytes,
        "a dead letter is larger than its topic takes, its value is left out; raise \
         max.message.bytes of the topic"
    );
    let dropped = format!("left out, {value_bytes} bytes are more than the topic takes");
    Outgoing {
        topic,
        key: oversized.key.as_deref(),
        value: None,
        headers: Some(oversized.headers.clone().with("error.value", &dropped)),
    }
}
