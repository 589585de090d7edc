//! Decodes and scores a batch, and publishes what follows.
//!
//! Pure: records, a clock and a place to publish go in, counts change. It does not know Kafka, so
//! tests and simulations run the same code. A record that cannot be scored becomes a dead letter,
//! unchanged, whatever its bytes, and the batch goes on.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Counts, Error, ModelName, Schemas, Score, Settings, Topics};
use crate::base::clock::{Stopwatch, rfc3339};
use crate::core::codec::{Decoded, Decoder, Framing, Reason, Rejected, SchemaAnswer, encode_alert};
use crate::core::decision::{Alert, Severity};
use crate::core::engine::{Decision, Memory, Place};
use crate::core::transaction::Transaction;
use crate::edges::kafka::{Headers, Outgoing};

/// A record that has arrived.
pub trait Arrived {
    /// The partition it was read from.
    fn partition(&self) -> i32;
    /// Its offset in the partition.
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

/// What is published about a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An alert: it is suspicious.
    Alert,
    /// A dead letter: it cannot be scored.
    DeadLetter,
    /// A decision, where every decision is wanted.
    Scored,
}

/// A step's surroundings: which records were judged before, and where output goes.
pub trait Publish {
    /// Whether the record was judged before it was read this time; then it is only remembered.
    fn was_judged(&mut self, source: &impl Arrived) -> bool;

    /// Publishes a record that follows from `source`. The offset of `source` must not be committed
    /// before the acknowledgement.
    ///
    /// # Errors
    /// The record cannot be published; the batch must not be committed.
    fn publish(
        &mut self,
        source: &impl Arrived,
        kind: Kind,
        record: Outgoing<'_>,
    ) -> Result<(), Error>;
}

/// A record that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Its place in the batch.
    pub place: usize,
    /// Its partition.
    pub partition: i32,
    /// What it waits for; `None` if it only follows such a record.
    pub cause: Option<Cause>,
}

/// What a record waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The writer schema with this registry id.
    Schema(u32),
    /// Its stored customer, who is not in memory.
    Customer,
}

/// The step of one worker, for as long as that runs. It owns the decoder, the counts and reused
/// buffers; scorer and memory are borrowed, offsets are the tasks'.
pub struct Step<'s, S> {
    decoder: Decoder,
    schemas: Schemas,
    scorer: &'s mut S,
    /// The worker's memory.
    pub memory: &'s mut Memory,
    topics: Topics,
    model: ModelName,
    framing: Framing,
    /// Counts since the start.
    pub counts: Counts,
    /// Records of the last batch that wait, in order. Nothing was done about them.
    pub held: Vec<Held>,
    /// The customers they wait for, by partition, each once.
    pub missing: BTreeSet<(i32, String)>,
    places: Vec<Place>,
    decisions: Vec<Option<Decision>>,
    value: Vec<u8>,
}

/// What the bytes of a record hold.
#[expect(clippy::large_enum_variant, reason = "the large variant is the one that always comes")]
enum Read<'a> {
    Transaction(Transaction<'a>),
    Rejected(Rejected),
    Needs(u32),
}

impl<'s, S: Score> Step<'s, S> {
    /// A step that judges with `scorer` against `memory`.
    pub fn new(settings: &Settings, scorer: &'s mut S, memory: &'s mut Memory) -> Self {
        Self {
            decoder: Decoder::new(),
            schemas: settings.schemas.clone(),
            scorer,
            memory,
            topics: settings.topics.clone(),
            model: settings.model.clone(),
            framing: settings.framing,
            counts: Counts::default(),
            held: Vec::new(),
            missing: BTreeSet::new(),
            places: Vec::new(),
            decisions: Vec::new(),
            value: Vec::new(),
        }
    }

    /// Forgets waiting records of these partitions, which have gone or come again.
    pub fn drop_partitions(&mut self, partitions: &[i32]) {
        self.held.retain(|held| !partitions.contains(&held.partition));
        self.missing.retain(|(partition, _)| !partitions.contains(partition));
    }

    /// Asks for unknown schemas again: somebody may have registered them.
    pub fn ask_again(&mut self) {
        self.decoder.forget_unknown();
    }

    /// Takes records in order of arrival; `clock` tells microseconds since the epoch. A record
    /// whose schema is pending, or whose stored customer is not in memory, waits with all that
    /// follow in its partition ([`Self::held`]). Returns how many transactions were scored and how
    /// long that took.
    ///
    /// # Errors
    /// [`Error`]: nothing of the batch may be committed.
    pub fn run<R: Arrived>(
        &mut self,
        records: &[R],
        clock: &dyn Fn() -> i64,
        out: &mut impl Publish,
    ) -> Result<(usize, Duration), Error> {
        let now_ms = clock() / 1_000;
        let mut sources = Vec::with_capacity(records.len());
        let mut batch = Vec::with_capacity(records.len());
        self.held.clear();
        self.missing.clear();
        self.places.clear();
        let may_miss = self.memory.may_miss_anybody();
        for (place, record) in records.iter().enumerate() {
            let partition = record.partition();
            let at = Place { partition, offset: record.offset() };
            if !self.held.is_empty() && self.held.iter().any(|held| held.partition == partition) {
                self.held.push(Held { place, partition, cause: None });
                // Further missing customers are asked for in the same query.
                if !self.missing.is_empty() {
                    self.look_ahead(record, now_ms);
                }
                continue;
            }
            match self.read(record.value().unwrap_or_default(), now_ms) {
                Read::Transaction(Transaction { customer_id, .. })
                    if may_miss && self.memory.is_missing(partition, customer_id) =>
                {
                    self.missing.insert((partition, customer_id.to_owned()));
                    self.held.push(Held { place, partition, cause: Some(Cause::Customer) });
                }
                Read::Transaction(transaction) if out.was_judged(record) => {
                    self.counts.restored += 1;
                    self.scorer.restore(self.memory, &transaction, at);
                }
                Read::Transaction(transaction) => {
                    let is_keyed = record.key() == Some(transaction.customer_id.as_bytes());
                    self.counts.miskeyed += u64::from(!is_keyed);
                    sources.push(record);
                    self.places.push(at);
                    batch.push(transaction);
                }
                Read::Rejected(_) if out.was_judged(record) => self.counts.restored += 1,
                Read::Rejected(rejected) => self.bury(record, &rejected, now_ms, out)?,
                Read::Needs(id) => {
                    self.held.push(Held { place, partition, cause: Some(Cause::Schema(id)) });
                }
            }
        }
        if batch.is_empty() {
            return Ok((0, Duration::ZERO));
        }
        let started = Stopwatch::start();
        self.scorer.score(self.memory, &batch, &self.places, &mut self.decisions)?;
        let duration = started.elapsed();
        if self.decisions.len() != batch.len() {
            let (decided, asked) = (self.decisions.len(), batch.len());
            let message = format!("{decided} decisions about {asked} transactions");
            return Err(Error::Impossible(message));
        }
        self.tell(&sources, &batch, clock, out)?;
        Ok((batch.len(), duration))
    }

    /// Notes the customer of a waiting record, if missing.
    fn look_ahead(&mut self, record: &impl Arrived, now_ms: i64) {
        let partition = record.partition();
        if let Read::Transaction(transaction) =
            self.read(record.value().unwrap_or_default(), now_ms)
            && self.memory.is_missing(partition, transaction.customer_id)
        {
            self.missing.insert((partition, transaction.customer_id.to_owned()));
        }
    }

    #[inline]
    fn read<'a>(&mut self, value: &'a [u8], now_ms: i64) -> Read<'a> {
        loop {
            match self.decoder.decode(value, now_ms) {
                Decoded::Transaction(transaction) => return Read::Transaction(transaction),
                Decoded::Rejected(rejected) => return Read::Rejected(rejected),
                Decoded::NeedsSchema(id) if !self.learn_schema(id) => return Read::Needs(id),
                Decoded::NeedsSchema(_) => {}
            }
        }
    }

    /// Asks for a schema; `false` if the answer is pending.
    #[cold]
    fn learn_schema(&mut self, id: u32) -> bool {
        match (self.schemas.0)(id) {
            SchemaAnswer::Known(json) => {
                if let Err(error) = self.decoder.insert_schema(id, &json) {
                    tracing::warn!(id, %error, "records with this schema id are dead letters");
                }
                true
            }
            SchemaAnswer::Unknown => {
                self.decoder.mark_unknown(id);
                true
            }
            SchemaAnswer::Pending => false,
        }
    }

    /// Publishes a record unchanged as a dead letter, with reason and source in its headers.
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
        out.publish(record, Kind::DeadLetter, letter)
    }

    /// Counts decisions and publishes alerts, dead letters and scored transactions.
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
            if !decision.is_scored() {
                let message = "the model answers its features with no number from 0 to 1";
                let rejected = Rejected::new(Reason::NotScored, message);
                self.bury(source, &rejected, now / 1_000, out)?;
                continue;
            }
            self.counts.scored += 1;
            if let Some(latency) = latency(source.timestamp_ms(), now) {
                self.counts.score_latency.record(latency);
            }
            if let Some(severity) = decision.severity {
                self.counts.alerts[severity as usize] += 1;
                self.publish(source, transaction, decision, (Kind::Alert, now / 1_000), out)?;
            }
            if self.topics.scored.is_some() {
                self.publish(source, transaction, decision, (Kind::Scored, now / 1_000), out)?;
            }
        }
        self.decisions = decisions;
        Ok(())
    }

    /// Publishes a decision in the alerts' schema. A decision below the threshold has severity low:
    /// readers of every decision compare score and threshold.
    fn publish(
        &mut self,
        source: &impl Arrived,
        transaction: &Transaction<'_>,
        decision: &Decision,
        (kind, now_ms): (Kind, i64),
        out: &mut impl Publish,
    ) -> Result<(), Error> {
        let alert = Alert {
            transaction: *transaction,
            scored_at: now_ms,
            score: decision.score,
            threshold: self.model.threshold,
            severity: decision.severity.unwrap_or(Severity::Low),
            model_name: &self.model.name,
            model_version: &self.model.version,
            reasons: &decision.reasons,
            rules: &[],
            source_partition: source.partition(),
            source_offset: source.offset(),
        };
        self.value.clear();
        self.framing.write(&mut self.value);
        encode_alert(&alert, &mut self.value);
        let topic = match (kind, &self.topics.scored) {
            (Kind::Scored, Some(scored)) => scored,
            _ => &self.topics.alerts,
        };
        let record = Outgoing {
            topic,
            key: Some(transaction.customer_id.as_bytes()),
            value: Some(&self.value),
            headers: None,
        };
        out.publish(source, kind, record)
    }
}

/// Microseconds from a Kafka timestamp to `now_micros`; 0 if the timestamp is ahead of the clock,
/// `None` without one.
pub fn latency(timestamp_ms: Option<i64>, now_micros: i64) -> Option<u64> {
    let since = now_micros.saturating_sub(timestamp_ms?.saturating_mul(1_000));
    Some(u64::try_from(since).unwrap_or(0))
}
