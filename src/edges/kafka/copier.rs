//! Records that were read, produced again as they are.
//!
//! A record belongs to the partition that it came from: the producer that chose it may hash keys
//! another way than librdkafka, and a customer's windows live in one partition. So a copy names its
//! partition, and its headers are bytes as they were read. Nobody asks which copy was acknowledged,
//! only whether all were, so there are no sequence numbers as in [`super::Producer`].

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};

use super::raw_headers::replace;
use super::{Connection, Error, RawHeader, Record, log};
use crate::base::clock::Stopwatch;

/// One poll waits this long at most.
const POLL: Duration = Duration::from_millis(1);

/// Where a copy goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destination<'a> {
    /// The topic; it is not created.
    pub topic: &'a str,
    /// `None`: as the key says.
    pub partition: Option<i32>,
}

/// Produces copies of records.
pub struct Copier {
    inner: BaseProducer<Deliveries>,
    brokers: String,
}

/// What delivery reports leave behind: how many arrived, and the first that did not.
#[derive(Default)]
struct Deliveries(Mutex<(u64, Option<(String, KafkaError)>)>);

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        log::line(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log::passing(&error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let (arrived, failed) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(_) => *arrived += 1,
            Err((error, message)) => {
                failed.get_or_insert_with(|| (message.topic().to_owned(), error.clone()));
            }
        }
    }
}

impl Copier {
    /// A producer of copies; idempotent, so none arrives twice.
    ///
    /// # Errors
    /// [`Error::Create`] if librdkafka refuses the properties.
    pub fn new(connection: &Connection) -> Result<Self, Error> {
        let brokers = connection.brokers().to_owned();
        // What was read must be producible again, so the brokers set the limit.
        let defaults = [("linger.ms", "5"), ("message.max.bytes", "67108864")];
        let fixed = [
            ("enable.idempotence", "true"),
            ("acks", "all"),
            ("allow.auto.create.topics", "false"),
        ];
        let client = connection.client(&defaults, &fixed);
        match client.create_with_context(Deliveries::default()) {
            Ok(inner) => Ok(Self { inner, brokers }),
            Err(source) => Err(Error::Create { role: "producer", brokers, source: source.into() }),
        }
    }

    /// Hands over a copy of `record` with the same key and value and with `headers`. While the
    /// queue is full it waits, up to `patience`.
    ///
    /// # Errors
    /// [`Error::Produce`] if the copy is not taken.
    pub fn send(
        &self,
        record: &mut Record<'_>,
        to: Destination<'_>,
        headers: &[RawHeader],
        patience: Duration,
    ) -> Result<(), Error> {
        let headers = Some(replace(&mut record.0, headers));
        let mut native: BaseRecord<'_, [u8], [u8], ()> = BaseRecord {
            topic: to.topic,
            partition: to.partition,
            payload: record.value(),
            key: record.key(),
            timestamp: None,
            headers,
            delivery_opaque: (),
        };
        let waited = Stopwatch::start();
        loop {
            let (source, back) = match self.inner.send(native) {
                Ok(()) => return Ok(()),
                Err(refused) => refused,
            };
            let is_full = source.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
            if !is_full || waited.elapsed() > patience {
                let (topic, brokers) = (to.topic.to_owned(), self.brokers.clone());
                return Err(Error::Produce { topic, brokers, source: source.into() });
            }
            native = back;
            self.inner.poll(POLL);
        }
    }

    /// Waits until the brokers have everything that was handed over: so many copies since this
    /// copier was made.
    ///
    /// # Errors
    /// [`Error::Undelivered`] if a copy could not be delivered, [`Error::Unacknowledged`] if it
    /// takes longer than `patience`.
    pub fn finish(&self, patience: Duration) -> Result<u64, Error> {
        let waited = Stopwatch::start();
        let brokers = self.brokers.clone();
        while self.inner.flush(POLL).is_err() {
            if waited.elapsed() > patience {
                let waiting = usize::try_from(self.inner.in_flight_count()).unwrap_or(0);
                let seconds = patience.as_secs();
                return Err(Error::Unacknowledged { waiting, brokers, seconds });
            }
        }
        let deliveries = &self.inner.context().0;
        match &*deliveries.lock().unwrap_or_else(PoisonError::into_inner) {
            (arrived, None) => Ok(*arrived),
            (_, Some((topic, source))) => {
                let (topic, source) = (topic.clone(), source.clone().into());
                Err(Error::Undelivered { topic, brokers, source })
            }
        }
    }
}
