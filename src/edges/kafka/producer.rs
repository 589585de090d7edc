//! Records out, acknowledgements back.
//!
//! Handing a record to librdkafka says nothing about whether it arrived. Each record therefore
//! carries the caller's sequence number, and the numbers come back once the brokers have the
//! record. A full queue is back-pressure, not an error: sending waits until there is room, up to a
//! deadline. Idempotence is on, so a retry inside librdkafka neither repeats nor reorders.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};

use super::calls::Remote;
use super::{Connection, Error, Headers, log};
use crate::base::clock::{Stopwatch, pause};

/// A record to be produced; the partition follows from the key.
#[derive(Debug, Default)]
pub struct Outgoing<'a> {
    /// Where to.
    pub topic: &'a str,
    /// The key; without one the partition is drawn.
    pub key: Option<&'a [u8]>,
    /// The value; none is a tombstone.
    pub value: Option<&'a [u8]>,
    /// None or some.
    pub headers: Option<Headers>,
}

/// Between two looks at what was reported. Polling with a time-out instead would wait its whole
/// time whatever comes, and spin through the last millisecond of it.
const LOOK: Duration = Duration::from_micros(250);

/// A producer of one thread.
pub struct Producer {
    pub(super) inner: Remote<BaseProducer<Deliveries>>,
    pub(super) brokers: String,
}

/// What delivery reports leave behind.
#[derive(Default)]
pub(super) struct Deliveries(Mutex<Reports>);

#[derive(Default)]
struct Reports {
    acknowledged: Vec<usize>,
    oversized: Vec<Oversized>,
    failed: Option<(String, KafkaError)>,
}

/// A record that its topic does not take for its size.
#[derive(Debug)]
pub struct Oversized {
    /// The caller's number of it.
    pub sequence: usize,
    /// Where it was to go.
    pub topic: String,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Its headers.
    pub headers: Headers,
}

impl Deliveries {
    fn reports(&self) -> std::sync::MutexGuard<'_, Reports> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        log::line(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log::passing(&error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, sequence: usize) {
        let mut reports = self.reports();
        match result {
            Ok(_) => reports.acknowledged.push(sequence),
            Err((error, message)) if is_too_large(error) => {
                let mut owned = message.detach();
                reports.oversized.push(Oversized {
                    sequence,
                    topic: owned.topic().to_owned(),
                    key: owned.key().map(<[u8]>::to_vec),
                    value: owned.payload().map(<[u8]>::to_vec),
                    headers: Headers::from_native(owned.detach_headers().unwrap_or_default()),
                });
            }
            Err((error, message)) => {
                let failure = || (message.topic().to_owned(), error.clone());
                reports.failed.get_or_insert_with(failure);
            }
        }
    }
}

impl Producer {
    /// A producer that waits `linger` for company of a record before it sends.
    ///
    /// # Errors
    /// [`Error::Create`] if librdkafka refuses the properties, [`Error::Thread`].
    pub fn new(connection: &Connection, linger: Duration) -> Result<Self, Error> {
        // Brokers that are away come back: a record waits for them as long as it takes.
        Self::create(connection, linger, &[("message.timeout.ms", "0")], &[])
    }

    /// A producer whose records become visible when their transaction is committed. Whoever had
    /// this `id` before is fenced off, and what it left open is aborted; that takes up to
    /// `patience`.
    ///
    /// # Errors
    /// [`Error::Create`] if librdkafka refuses the properties, [`Error::Transaction`] if the
    /// brokers do not let it begin, [`Error::Hangs`], [`Error::Thread`].
    pub fn transactional(
        connection: &Connection,
        linger: Duration,
        id: &str,
        patience: Duration,
    ) -> Result<Self, Error> {
        let defaults = [("transaction.timeout.ms", "15000")];
        let fixed = [("transactional.id", id)];
        let producer = Self::create(connection, linger, &defaults, &fixed)?;
        producer.start_transactions(patience)?;
        Ok(producer)
    }

    fn create(
        connection: &Connection,
        linger: Duration,
        defaults: &[(&str, &str)],
        fixed: &[(&str, &str)],
    ) -> Result<Self, Error> {
        let linger = linger.as_millis().to_string();
        // What was read must be producible again as a dead letter, so the brokers set the limit.
        let mut own_defaults = vec![
            ("linger.ms", linger.as_str()),
            ("message.max.bytes", "67108864"),
            // What waits for brokers that are away is bounded; then reading stops.
            ("queue.buffering.max.kbytes", "131072"),
        ];
        own_defaults.extend_from_slice(defaults);
        let mut own_fixed = vec![("enable.idempotence", "true"), ("acks", "all")];
        own_fixed.extend_from_slice(fixed);
        let inner = connection
            .client(&own_defaults, &own_fixed)
            .create_with_context(Deliveries::default())
            .map_err(|source| Error::Create {
                role: "producer",
                brokers: connection.brokers().to_owned(),
                source: source.into(),
            })?;
        let inner = Remote::new(inner, "producer", connection.brokers())?;
        Ok(Self { inner, brokers: connection.brokers().to_owned() })
    }

    /// Hands a record over; its `sequence` number comes back from [`Self::acknowledged`]. While
    /// the queue is full it waits, up to `patience`.
    ///
    /// # Errors
    /// [`Error::Produce`] if the record is not taken, because it is too large or the queue stays
    /// full.
    pub fn send(
        &self,
        record: Outgoing<'_>,
        sequence: usize,
        patience: Duration,
    ) -> Result<(), Error> {
        let mut waited: Option<Stopwatch> = None;
        let topic = record.topic;
        let mut native = native(record, sequence);
        loop {
            let (source, back) = match self.inner.send(native) {
                Ok(()) => return Ok(()),
                Err(refused) => refused,
            };
            let is_full = source.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
            if !is_full || waited.get_or_insert_with(Stopwatch::start).elapsed() > patience {
                return Err(self.refused(topic, source));
            }
            native = back;
            self.inner.poll(Duration::ZERO);
            pause(LOOK);
        }
    }

    /// Appends the sequence numbers that were acknowledged since the last call; does not wait. What
    /// was too large is to be had from [`Self::oversized`].
    ///
    /// # Errors
    /// [`Error::Undelivered`] once a record could not be delivered: it would be lost if the caller
    /// went on. [`Error::Produce`] if this producer cannot go on.
    pub fn acknowledged(&self, sequences: &mut Vec<usize>) -> Result<(), Error> {
        loop {
            self.inner.poll(Duration::ZERO);
            let mut reports = self.inner.context().reports();
            if let Some((topic, source)) = reports.failed.take() {
                return Err(Error::Undelivered {
                    topic,
                    brokers: self.brokers.clone(),
                    source: source.into(),
                });
            }
            if reports.acknowledged.is_empty() {
                return self.check_alive();
            }
            sequences.append(&mut reports.acknowledged);
        }
    }

    /// Records that their topics did not take for their size, since the last call.
    pub fn oversized(&self) -> Vec<Oversized> {
        std::mem::take(&mut self.inner.context().reports().oversized)
    }

    /// Records that are handed over and not yet reported.
    pub fn in_flight(&self) -> usize {
        usize::try_from(self.inner.in_flight_count()).unwrap_or(0)
    }

    /// Sends what waits and returns when everything is reported; the reports are then to be had
    /// from [`Self::acknowledged`].
    ///
    /// # Errors
    /// [`Error::Unacknowledged`] if that takes longer than `patience`, and [`Error::Produce`] if
    /// this producer cannot go on.
    pub fn flush(&self, patience: Duration) -> Result<(), Error> {
        let waited = Stopwatch::start();
        while self.inner.flush(Duration::ZERO).is_err() {
            self.poll_all();
            if self.in_flight() == 0 {
                continue;
            }
            self.check_alive()?;
            if waited.elapsed() > patience {
                return Err(Error::Unacknowledged {
                    waiting: self.in_flight(),
                    brokers: self.brokers.clone(),
                    seconds: patience.as_secs(),
                });
            }
            pause(LOOK);
        }
        Ok(())
    }

    /// Takes in what is reported by now; one call of librdkafka's poll takes one report.
    fn poll_all(&self) {
        let mut before = usize::MAX;
        while self.in_flight() < before {
            before = self.in_flight();
            self.inner.poll(Duration::ZERO);
        }
    }

    /// Forgets what was reported so far, failures included: after a transaction was aborted.
    pub(super) fn forget_reports(&self) {
        *self.inner.context().reports() = Reports::default();
    }

    fn check_alive(&self) -> Result<(), Error> {
        match self.inner.client().fatal_error() {
            None => Ok(()),
            Some((code, _)) => Err(self.refused("(any)", KafkaError::MessageProduction(code))),
        }
    }

    fn refused(&self, topic: &str, source: KafkaError) -> Error {
        Error::Produce {
            topic: topic.to_owned(),
            brokers: self.brokers.clone(),
            source: source.into(),
        }
    }
}

fn is_too_large(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageSizeTooLarge)
}

fn native(record: Outgoing<'_>, sequence: usize) -> BaseRecord<'_, [u8], [u8], usize> {
    BaseRecord {
        topic: record.topic,
        partition: None,
        payload: record.value,
        key: record.key,
        timestamp: None,
        headers: record.headers.map(Headers::into_native),
        delivery_opaque: sequence,
    }
}
