//! What happens to a batch: decode, score, and publish what follows.
//!
//! Pure: records, a clock and a place to publish to go in, counts change. Kafka is not known here,
//! so a test or a simulation runs the same code. A record that cannot be scored is published
//! unchanged as a dead letter, whatever its bytes are, and the batch goes on without it.

use jiff::Timestamp;

use super::{Counts, Error, ModelName, Settings, Topics};
use crate::codec::{Decoded, Decoder, Rejected, encode_alert, frame_confluent};
use crate::decision::{Alert, Severity};
use crate::engine::{Decision, Engine, EngineError};
use crate::kafka::{Headers, Outgoing};
use crate::transaction::Transaction;

/// What scores a batch: the engine, or something simpler in tests.
pub trait Score {
    /// One entry of `decisions` (cleared first) for each transaction in order; `None` for one whose
    /// id was seen before.
    ///
    /// # Errors
    /// The scorer cannot go on; no transaction is to blame.
    fn score(
        &mut self,
        batch: &[Transaction<'_>],
        decisions: &mut Vec<Option<Decision>>,
    ) -> Result<(), EngineError>;

    /// How many transactions were scored and not remembered so far.
    fn late(&self) -> u64;
}

impl Score for Engine {
    fn score(
        &mut self,
        batch: &[Transaction<'_>],
        decisions: &mut Vec<Option<Decision>>,
    ) -> Result<(), EngineError> {
        Self::score(self, batch, decisions)
    }

    fn late(&self) -> u64 {
        self.counts().late
    }
}

/// A record that has arrived.
pub trait Arrived {
    /// Where it was read.
    fn partition(&self) -> i32;
    /// Its place there.
    fn offset(&self) -> i64;
    /// Its Kafka timestamp in milliseconds since the epoch.
    fn timestamp_ms(&self) -> Option<i64>;
    /// Its key.
    fn key(&self) -> Option<&[u8]>;
    /// Its value; `None` for a tombstone.
    fn value(&self) -> Option<&[u8]>;
    /// A copy of its headers.
    fn headers(&self) -> Headers;
}

/// Where alerts and dead letters go.
pub trait Publish {
    /// Publishes a record that follows from `source`, whose offset must not be committed before it
    /// is acknowledged.
    ///
    /// # Errors
    /// The record cannot be published; the batch must not be committed.
    fn publish(
        &mut self,
        source: &impl Arrived,
        is_alert: bool,
        record: Outgoing<'_>,
    ) -> Result<(), Error>;
}

/// A batch's way, with the room for it.
pub struct Step<S> {
    decoder: Decoder,
    scorer: S,
    topics: Topics,
    model: ModelName,
    alert_schema: u32,
    /// What was done so far.
    pub counts: Counts,
    decisions: Vec<Option<Decision>>,
    value: Vec<u8>,
}

impl<S: Score> Step<S> {
    /// A step that scores with `scorer` and knows the schemas of `settings`. A schema that cannot
    /// be read rejects its records; the log says so once.
    pub fn new(settings: &Settings, scorer: S) -> Self {
        let mut decoder = Decoder::new();
        for (id, json) in &settings.schemas {
            if let Err(error) = decoder.insert_schema(*id, json) {
                tracing::warn!(id, %error, "records with this schema id are dead letters");
            }
        }
        Self {
            decoder,
            scorer,
            topics: settings.topics.clone(),
            model: settings.model.clone(),
            alert_schema: settings.alert_schema,
            counts: Counts::default(),
            decisions: Vec::new(),
            value: Vec::new(),
        }
    }

    /// Takes records in order of arrival. `clock` tells microseconds since the epoch.
    ///
    /// # Errors
    /// [`Error`]: nothing of the batch may be committed.
    pub fn run<R: Arrived>(
        &mut self,
        records: &[R],
        clock: &dyn Fn() -> i64,
        out: &mut impl Publish,
    ) -> Result<(), Error> {
        let now_ms = clock() / 1_000;
        self.counts.received += records.len() as u64;
        let mut sources = Vec::with_capacity(records.len());
        let mut batch = Vec::with_capacity(records.len());
        for record in records {
            match self.decode(record.value().unwrap_or_default(), now_ms) {
                Ok(transaction) => {
                    let is_keyed = record.key() == Some(transaction.customer_id.as_bytes());
                    self.counts.miskeyed += u64::from(!is_keyed);
                    sources.push(record);
                    batch.push(transaction);
                }
                Err(rejected) => self.bury(record, &rejected, now_ms, out)?,
            }
        }
        if batch.is_empty() {
            return Ok(());
        }
        self.scorer.score(&batch, &mut self.decisions)?;
        if self.decisions.len() != batch.len() {
            let (decided, asked) = (self.decisions.len(), batch.len());
            let message = format!("{decided} decisions about {asked} transactions");
            return Err(Error::Impossible(message));
        }
        self.tell(&sources, &batch, clock, out)
    }

    /// A transaction, or why there is none. Without a registry an id outside the table is unknown.
    fn decode<'a>(&mut self, value: &'a [u8], now_ms: i64) -> Result<Transaction<'a>, Rejected> {
        loop {
            match self.decoder.decode(value, now_ms) {
                Decoded::Transaction(transaction) => return Ok(transaction),
                Decoded::Rejected(rejected) => return Err(rejected),
                Decoded::NeedsSchema(id) => self.decoder.mark_unknown(id),
            }
        }
    }

    /// Publishes a record as it came, with why and where from.
    #[cold]
    fn bury(
        &mut self,
        record: &impl Arrived,
        rejected: &Rejected,
        now_ms: i64,
        out: &mut impl Publish,
    ) -> Result<(), Error> {
        self.counts.reject(rejected.reason);
        let headers = record
            .headers()
            .with("error.reason", rejected.reason.word())
            .with("error.message", &rejected.message)
            .with("source.topic", &self.topics.transactions)
            .with("source.partition", &record.partition().to_string())
            .with("source.offset", &record.offset().to_string())
            .with("failed.at", &rfc3339(now_ms));
        let letter = Outgoing {
            topic: &self.topics.dead_letters,
            key: record.key(),
            value: record.value(),
            headers: Some(headers),
        };
        out.publish(record, false, letter)
    }

    /// Counts decisions and publishes alerts.
    fn tell<R: Arrived>(
        &mut self,
        sources: &[&R],
        batch: &[Transaction<'_>],
        clock: &dyn Fn() -> i64,
        out: &mut impl Publish,
    ) -> Result<(), Error> {
        let now = clock();
        let decisions = std::mem::take(&mut self.decisions);
        for ((&source, transaction), decision) in sources.iter().zip(batch).zip(&decisions) {
            let Some(decision) = decision else {
                self.counts.duplicates += 1;
                continue;
            };
            self.counts.scored += 1;
            if let Some(latency) = latency(source.timestamp_ms(), now) {
                self.counts.score_latency.record(latency);
            }
            if let Some(severity) = decision.severity {
                self.alert(source, transaction, (decision, severity), now / 1_000, out)?;
            }
        }
        self.decisions = decisions;
        self.counts.late = self.scorer.late();
        Ok(())
    }

    fn alert(
        &mut self,
        source: &impl Arrived,
        transaction: &Transaction<'_>,
        (decision, severity): (&Decision, Severity),
        now_ms: i64,
        out: &mut impl Publish,
    ) -> Result<(), Error> {
        let alert = Alert {
            transaction: *transaction,
            scored_at: now_ms,
            score: decision.score,
            threshold: self.model.threshold,
            severity,
            model_name: &self.model.name,
            model_version: &self.model.version,
            reasons: &decision.reasons,
            rules: &[],
            source_partition: source.partition(),
            source_offset: source.offset(),
        };
        self.value.clear();
        frame_confluent(self.alert_schema, &mut self.value);
        encode_alert(&alert, &mut self.value);
        self.counts.alerts += 1;
        let record = Outgoing {
            topic: &self.topics.alerts,
            key: Some(transaction.customer_id.as_bytes()),
            value: Some(&self.value),
            headers: None,
        };
        out.publish(source, true, record)
    }
}

/// Microseconds from a Kafka timestamp to `now`; a timestamp ahead of the clock is 0 away.
pub fn latency(timestamp_ms: Option<i64>, now_micros: i64) -> Option<u64> {
    let since = now_micros.saturating_sub(timestamp_ms?.saturating_mul(1_000));
    Some(u64::try_from(since).unwrap_or(0))
}

fn rfc3339(millis: i64) -> String {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}
