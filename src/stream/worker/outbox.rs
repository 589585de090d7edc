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

use super::brokers::Brokers;
use super::flights::{Flight, Flights};
use super::open_transaction::{Failing, Sent, Transaction};
use super::oversized::smaller;
use super::step::{Arrived, Kind, Publish};
use super::tasks::Tasks;
use super::{Delivery, Error, Settings};
use crate::base::clock::Stopwatch;
use crate::base::error::with_causes;
use crate::edges::kafka::{Outgoing, Setback};

/// Most records of one transaction; reading pauses until it is committed.
const MAX_TRANSACTION_RECORDS: usize = 16_384;

/// Most bytes of them, which are kept until then.
const MAX_TRANSACTION_BYTES: usize = 32 << 20;

/// Most records that wait for their acknowledgement; reading pauses until half of them are there.
const MAX_FLIGHTS: usize = 16_384;

/// How long transactions may fail, one after the other, before the worker gives up.
const MAX_FAILING: Duration = Duration::from_secs(300);

/// Where a step publishes to.
pub(super) struct Outbox<'a, B> {
    brokers: &'a B,
    /// The worker's partitions.
    pub tasks: Tasks,
    flights: Flights,
    /// Exactly once.
    transaction: Option<Transaction>,
    /// How long the brokers are waited for.
    pub patience: Duration,
    sequences: Vec<usize>,
}

impl<'a, B: Brokers> Outbox<'a, B> {
    pub(super) fn new(brokers: &'a B, settings: &Settings) -> Self {
        let is_transactional = matches!(settings.delivery, Delivery::ExactlyOnce { .. });
        Self {
            brokers,
            tasks: Tasks::default(),
            flights: Flights::default(),
            transaction: is_transactional.then(Transaction::default),
            patience: settings.patience,
            sequences: Vec::new(),
        }
    }

    /// Whether offsets are committed with the records, in transactions.
    pub(super) fn is_transactional(&self) -> bool {
        self.transaction.is_some()
    }

    /// How many records have not been acknowledged, at least once.
    pub(super) fn waiting(&self) -> usize {
        self.flights.waiting()
    }

    /// How long a transaction that has failed is to rest still.
    pub(super) fn rest(&self) -> Duration {
        let failing = self.transaction.as_ref().and_then(|open| open.failing.as_ref());
        failing.map_or(Duration::ZERO, |one| one.rest.saturating_sub(one.last.elapsed()))
    }

    /// What is waited for, if nothing becomes done.
    pub(super) fn why_nothing_moves(&self) -> String {
        let failing = self.transaction.as_ref().and_then(|open| open.failing.as_ref());
        match (failing, self.in_flight()) {
            (Some(failing), _) => failing.why.clone(),
            (None, 0) if self.tasks.due().is_empty() => "no record is taken".to_owned(),
            (None, 0) => "the coordinator of the group does not confirm offsets".to_owned(),
            (None, count) => format!("{count} alerts or dead letters are not acknowledged"),
        }
    }

    /// How much room is taken by records that have not been acknowledged: from the oldest such one
    /// on all are counted, or those of the open transaction.
    pub(super) fn in_flight(&self) -> usize {
        self.transaction.as_ref().map_or(self.flights.len(), |transaction| transaction.sent.len())
    }

    /// Whether so much is in flight that nothing more should be read.
    pub(super) fn is_full(&self) -> bool {
        match &self.transaction {
            Some(transaction) => {
                transaction.sent.len() >= MAX_TRANSACTION_RECORDS
                    || transaction.bytes.len() >= MAX_TRANSACTION_BYTES
            }
            None => self.flights.len() >= MAX_FLIGHTS,
        }
    }

    /// Whether enough has been acknowledged to read on.
    pub(super) fn has_room(&self) -> bool {
        match &self.transaction {
            Some(transaction) => transaction.sent.is_empty(),
            None => self.flights.len() <= MAX_FLIGHTS / 2,
        }
    }

    /// Takes acknowledgements in and tells of each alert's; whether there were any. In a
    /// transaction they mean nothing before the commit.
    pub(super) fn take_acknowledgements(
        &mut self,
        arrived: &mut dyn FnMut(Flight),
    ) -> Result<bool, Error> {
        if self.in_flight() == 0 {
            return Ok(false);
        }
        if self.transaction.is_some() {
            self.take_reports()?;
            return Ok(false);
        }
        self.brokers.acknowledged(&mut self.sequences)?;
        let has_news = !self.sequences.is_empty();
        let sequences = std::mem::take(&mut self.sequences);
        for &sequence in &sequences {
            let flight = self.arrive(sequence)?;
            if self.tasks.acknowledge(flight.partition, flight.offset)?
                && flight.kind == Kind::Alert
            {
                arrived(flight);
            }
        }
        self.sequences = sequences;
        self.sequences.clear();
        for oversized in self.brokers.oversized() {
            let mut flight = self.arrive(oversized.sequence)?;
            flight.refusals += 1;
            let record = smaller(&oversized, &flight)?;
            let sequence = self.flights.depart(flight);
            self.brokers.send(record, sequence, self.patience)?;
        }
        Ok(has_news)
    }

    fn take_reports(&mut self) -> Result<(), crate::edges::kafka::Error> {
        let reported = self.brokers.acknowledged(&mut self.sequences);
        self.sequences.clear();
        let Some(transaction) = &mut self.transaction else { return Ok(()) };
        if let Err(error) = reported {
            transaction.broken.get_or_insert(error);
        }
        for oversized in self.brokers.oversized() {
            let topic = oversized.topic.clone();
            transaction.broken.get_or_insert(crate::edges::kafka::Error::Oversized { topic });
            if let Some(sent) = transaction.sent.get_mut(oversized.sequence) {
                sent.flight.refusals += 1;
                let record = smaller(&oversized, &sent.flight)?;
                sent.key = sent.key.filter(|_| record.key.is_some());
                sent.value = sent.value.filter(|_| record.value.is_some());
                sent.headers = record.headers;
            }
        }
        Ok(())
    }

    fn arrive(&mut self, sequence: usize) -> Result<Flight, Error> {
        self.flights.arrive(sequence).ok_or_else(|| {
            Error::Impossible(format!("record {sequence} was acknowledged and not in flight"))
        })
    }

    /// Waits for all acknowledgements, at least once; up to `patience`. Whether they have come.
    ///
    /// # Errors
    /// [`Error`] if something contradicts what was sent, or was not delivered: nothing may be
    /// committed.
    pub(super) fn drain(
        &mut self,
        patience: Duration,
        arrived: &mut dyn FnMut(Flight),
    ) -> Result<bool, Error> {
        let waited = Stopwatch::start();
        while self.transaction.is_none() && !self.flights.is_empty() {
            let flushed = self.brokers.flush(patience.saturating_sub(waited.elapsed()));
            self.take_acknowledgements(arrived)?;
            match flushed {
                Ok(()) if waited.elapsed() <= patience => {}
                Ok(()) | Err(crate::edges::kafka::Error::Unacknowledged { .. }) => {
                    return Ok(self.flights.is_empty());
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }

    /// Commits the transaction with all offsets that may move; tells of each alert in it. `false`
    /// if it could not be committed: it is tried again with the next call.
    ///
    /// # Errors
    /// [`Error`] if this producer cannot go on, or has failed for [`MAX_FAILING`].
    pub(super) fn commit_transaction(
        &mut self,
        arrived: &mut dyn FnMut(Flight),
    ) -> Result<bool, Error> {
        let offsets = self.tasks.due();
        if offsets.is_empty() && self.in_flight() == 0 {
            return Ok(true);
        }
        match self.try_commit(&offsets) {
            Ok(()) => {}
            Err(Setback::Fatal(error)) => return Err(error.into()),
            Err(Setback::Abort(error)) => return self.set_back(error).map(|()| false),
        }
        self.tasks.commit(&offsets);
        let Some(transaction) = &mut self.transaction else { return Ok(true) };
        let alerts = transaction.sent.iter().filter(|sent| sent.flight.kind == Kind::Alert);
        alerts.for_each(|sent| arrived(sent.flight));
        *transaction = Transaction {
            sent: std::mem::take(&mut transaction.sent),
            bytes: std::mem::take(&mut transaction.bytes),
            ..Transaction::default()
        };
        transaction.sent.clear();
        transaction.bytes.clear();
        Ok(true)
    }

    fn try_commit(&mut self, offsets: &[(i32, i64)]) -> Result<(), Setback> {
        self.open()?;
        self.take_reports().map_err(Setback::Fatal)?;
        if let Some(error) = self.transaction.as_mut().and_then(|open| open.broken.take()) {
            return Err(Setback::Abort(error));
        }
        self.brokers.commit_transaction(offsets, self.patience)
    }

    /// Opens the transaction if it is not open, and sends again what an aborted one had.
    fn open(&mut self) -> Result<(), Setback> {
        let Some(transaction) = &mut self.transaction else { return Ok(()) };
        if transaction.is_open {
            return Ok(());
        }
        self.brokers.begin()?;
        transaction.is_open = true;
        for (sequence, sent) in transaction.sent.iter().enumerate() {
            let record = sent.outgoing(&transaction.bytes);
            let outcome = self.brokers.send(record, sequence, self.patience);
            outcome.map_err(Setback::Abort)?;
        }
        Ok(())
    }

    /// The transaction cannot be committed as it is.
    fn set_back(&mut self, error: crate::edges::kafka::Error) -> Result<(), Error> {
        let patience = self.patience;
        // What was too large says so now: aborting forgets it.
        self.take_reports()?;
        let Some(transaction) = &mut self.transaction else { return Ok(()) };
        let (is_first, why) = (transaction.failing.is_none(), with_causes(&error));
        if is_first {
            tracing::info!(error = why, "a transaction is aborted and its records are sent again");
        } else {
            tracing::warn!(error = why, "transactions are aborted again and again");
        }
        if transaction.is_open {
            self.brokers.abort(patience)?;
        }
        transaction.is_open = false;
        transaction.broken = None;
        let failing = Failing::again(transaction.failing.take(), why);
        let is_over = failing.since.elapsed() > MAX_FAILING;
        transaction.failing = Some(failing);
        if is_over { Err(error.into()) } else { Ok(()) }
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
            self.brokers.abort(patience)?;
        }
        transaction.is_open = false;
        transaction.broken = None;
        Ok(())
    }
}

impl<B: Brokers> Publish for Outbox<'_, B> {
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
            kind,
            refusals: 0,
        };
        if self.transaction.is_some() {
            return self.publish_in_transaction(flight, record);
        }
        self.tasks.expect(flight.partition, flight.offset)?;
        let sequence = self.flights.depart(flight);
        Ok(self.brokers.send(record, sequence, self.patience)?)
    }
}

impl<B: Brokers> Outbox<'_, B> {
    fn publish_in_transaction(
        &mut self,
        flight: Flight,
        record: Outgoing<'_>,
    ) -> Result<(), Error> {
        // What has failed is not sent again with every record, but when it is tried again.
        let rests = !self.rest().is_zero();
        let opened = if rests { Ok(()) } else { self.open() };
        match opened {
            Ok(()) => {}
            Err(Setback::Fatal(error)) => return Err(error.into()),
            Err(Setback::Abort(error)) => self.break_transaction(error),
        }
        let Some(transaction) = &mut self.transaction else { return Ok(()) };
        let sequence = transaction.sent.len();
        transaction.keep(flight, &record);
        if transaction.broken.is_none()
            && transaction.is_open
            && let Err(error) = self.brokers.send(record, sequence, self.patience)
        {
            self.break_transaction(error);
        }
        Ok(())
    }

    fn break_transaction(&mut self, error: crate::edges::kafka::Error) {
        if let Some(transaction) = &mut self.transaction {
            transaction.broken.get_or_insert(error);
        }
    }
}
