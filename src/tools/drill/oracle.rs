//! The alerts expected: what one engine, on one thread, makes of the topic's records.
//!
//! The oracle reads the very records that the service read, partition by partition in the order of
//! offsets, and nothing disturbs it: no commit, no snapshot, no rebalance. It is the same engine
//! with the same model, so it proves that failures change nothing. That the scores themselves are
//! right is shown elsewhere, against other implementations.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::verdict::Observed;
use super::watch::{Ledger, open};
use super::{Error, Settings, evolved_schema};
use crate::base::clock::{Stopwatch, now_millis};
use crate::core::codec::{
    Decoded, Decoder, Framing, TRANSACTION_SCHEMA, encode_alert, read_framed_alert,
};
use crate::core::decision::Alert;
use crate::core::engine::{Decision, Engine, Memory, Place};
use crate::core::transaction::Transaction;
use crate::edges::kafka::{Reader, Record};

/// How many records are scored at once, and how long to wait for the first.
const BATCH: usize = 512;
const WAIT: Duration = Duration::from_millis(100);

/// An expected alert.
struct Expected {
    /// When its record was produced.
    recorded_ms: i64,
    /// The alert as published, scored at time 0.
    value: Vec<u8>,
    /// The number of the failure during which the record was produced.
    phase: usize,
}

/// The undisturbed run.
pub(super) struct Oracle<'a> {
    settings: &'a Settings,
    reader: Reader,
    decoder: Decoder,
    engine: Engine,
    memory: Memory,
    expected: HashMap<String, Expected>,
    /// How many records have been read.
    read: u64,
}

impl<'a> Oracle<'a> {
    /// An oracle at the topic's first record.
    pub(super) fn new(settings: &'a Settings, engine: Engine) -> Result<Self, Error> {
        let names = &settings.names;
        let (connection, topic) = (&settings.connection, &names.transactions);
        let reader = open(connection, &names.group, topic, settings.patience)?;
        let mut decoder = Decoder::new();
        if let Framing::Confluent(id) = settings.framing {
            decoder.insert_schema(id, TRANSACTION_SCHEMA)?;
        }
        if let Some(id) = settings.evolved {
            decoder.insert_schema(id, &evolved_schema())?;
        }
        let (memory, expected) = (Memory::new(settings.bounds), HashMap::new());
        Ok(Self { settings, reader, decoder, engine, memory, expected, read: 0 })
    }

    /// Scores until `until` records have been read; the new ones belong to failure number `phase`.
    pub(super) fn advance(
        &mut self,
        until: u64,
        phase: usize,
        stop: &AtomicBool,
    ) -> Result<(), Error> {
        let mut waited = Stopwatch::start();
        while self.read < until {
            if stop.load(Ordering::Acquire) {
                return Err(Error::Interrupted);
            }
            let mut records = Vec::new();
            self.reader.take(BATCH, WAIT, &mut records)?;
            if !records.is_empty() {
                waited = Stopwatch::start();
            } else if waited.elapsed() > self.settings.patience {
                return Err(Error::LogIsShort { there: self.read, acknowledged: until });
            }
            self.read += records.len() as u64;
            let judge = (&mut self.engine, &mut self.memory);
            let alerts = score(&mut self.decoder, judge, self.settings, &records)?;
            self.expected.extend(
                alerts
                    .into_iter()
                    .map(|(id, recorded_ms, value)| (id, Expected { recorded_ms, value, phase })),
            );
        }
        Ok(())
    }

    /// Whether every expected alert has arrived at least once.
    pub(super) fn is_satisfied(&self, ledger: &Ledger) -> bool {
        self.expected.keys().all(|id| ledger.received.contains_key(id))
    }

    /// What was received of the expected alerts of failure number `phase`.
    pub(super) fn observed(&self, phase: usize, ledger: &Ledger) -> Vec<Observed> {
        let of_phase = self.expected.iter().filter(|(_, expected)| expected.phase == phase);
        let observe = |(id, expected): (&String, &Expected)| {
            let came = ledger.received.get(id).map_or(&[][..], Vec::as_slice);
            let is_wrong = |value: &[u8]| !self.is_right(&expected.value, value);
            Observed {
                recorded_ms: expected.recorded_ms,
                received_ms: came.iter().map(|(at, _)| *at).collect(),
                wrong: came.iter().filter(|(_, value)| is_wrong(value)).count() as u64,
            }
        };
        of_phase.map(observe).collect()
    }

    /// The arrival times of alerts that were not expected at all.
    pub(super) fn strangers_ms(&self, ledger: &Ledger) -> Vec<i64> {
        let strangers = ledger.received.iter().filter(|(id, _)| !self.expected.contains_key(*id));
        let times = strangers.flat_map(|(_, came)| came.iter().map(|(at, _)| *at));
        times.chain(ledger.unreadable_ms.iter().copied()).collect()
    }

    /// How a received alert differs from the expected one, for people; `None` if it does not.
    pub(super) fn difference(&self, id: &str, came: &[u8]) -> Option<String> {
        let Some(Expected { value, .. }) = self.expected.get(id) else {
            return Some(format!("{id} was not to be alerted"));
        };
        if self.is_right(value, came) {
            return None;
        }
        let read = |value| read_framed_alert(value, self.settings.alerts).ok();
        let (expected, came) = (read(value)?, read(came)?);
        Some(format!("{id}: {came:?} instead of {expected:?}"))
    }

    /// Whether an alert equals the expected one in every field and bit, except for the time of
    /// scoring, which the oracle cannot know.
    fn is_right(&self, expected: &[u8], came: &[u8]) -> bool {
        let read = |value| read_framed_alert(value, self.settings.alerts);
        let (Ok(expected), Ok(mut came)) = (read(expected), read(came)) else { return false };
        came.scored_at = expected.scored_at;
        expected == came
    }
}

/// The alerts that follow from records: transaction id, the record's time, the alert.
fn score(
    decoder: &mut Decoder,
    (engine, memory): (&mut Engine, &mut Memory),
    settings: &Settings,
    records: &[Record<'_>],
) -> Result<Vec<(String, i64, Vec<u8>)>, Error> {
    let now = now_millis();
    let mut batch: Vec<Transaction<'_>> = Vec::with_capacity(records.len());
    for record in records {
        match decoder.decode(record.value().unwrap_or_default(), now) {
            Decoded::Transaction(transaction) => batch.push(transaction),
            Decoded::Rejected(rejected) => return Err(Error::Unreadable(rejected.message)),
            Decoded::NeedsSchema(id) => {
                return Err(Error::Unreadable(format!("schema id {id} is nobody's")));
            }
        }
    }
    let place_of = |at: usize| {
        let record: &Record<'_> = &records[at];
        Place { partition: record.partition(), offset: record.offset() }
    };
    let mut decisions = Vec::new();
    engine.score(memory, &batch, place_of, &mut decisions)?;
    let mut alerts = Vec::new();
    for ((transaction, record), decision) in batch.iter().zip(records).zip(&decisions) {
        if let Some(decision) = decision.as_ref().filter(|decision| decision.is_scored())
            && let Some(alert) = alert(transaction, record, decision, settings)
        {
            let recorded_ms = record.timestamp_ms().unwrap_or(0);
            alerts.push((transaction.transaction_id.to_owned(), recorded_ms, alert));
        }
    }
    Ok(alerts)
}

/// The alert to be published for a decision, scored at time 0; `None` if it raises no alert.
fn alert(
    transaction: &Transaction<'_>,
    record: &Record<'_>,
    decision: &Decision,
    settings: &Settings,
) -> Option<Vec<u8>> {
    let model = &settings.model;
    let alert = Alert {
        transaction: *transaction,
        scored_at: 0,
        score: decision.score,
        threshold: model.threshold,
        severity: decision.severity?,
        model_name: &model.name,
        model_version: &model.version,
        reasons: &decision.reasons,
        rules: &[],
        source_partition: record.partition(),
        source_offset: record.offset(),
    };
    let mut value = Vec::new();
    settings.alerts.write(&mut value);
    encode_alert(&alert, &mut value);
    Some(value)
}
