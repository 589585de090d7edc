//! The load: generated transactions at a fixed rate, from a thread of its own.
//!
//! The feed does not ask whether the service keeps up: payments go on while a server is away, and a
//! drill is about what piles up then. It rests only when the drill says so.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Error, Settings};
use crate::base::clock::{Stopwatch, pause};
use crate::core::codec::{Framing, TRANSACTION_SCHEMA, encode_transaction};
use crate::edges::kafka::{Outgoing, Producer};
use crate::tools::generate::{Generated, Generator};

/// How long a record waits for others to be sent with, and how long the feed sleeps between looks.
const LINGER: Duration = Duration::from_millis(2);
const NAP: Duration = Duration::from_millis(2);

/// Avro's `null`, the value of the additional field of [`evolved_schema`].
const NULL: u8 = 0;

/// The transactions' schema with one more field, as a producer might evolve it. It gets a new id,
/// for which nobody has asked the registry yet.
pub fn evolved_schema() -> String {
    let mut schema: Value =
        serde_json::from_str(TRANSACTION_SCHEMA).expect("invariant: the schema is JSON");
    let field = json!({"name": "drill", "type": ["null", "string"], "default": null});
    if let Some(fields) = schema["fields"].as_array_mut() {
        fields.push(field);
    }
    schema.to_string()
}

/// The state shared by the drill and its feed.
#[derive(Debug, Default)]
pub(super) struct Feed {
    is_on: AtomicBool,
    is_over: AtomicBool,
    is_resting: AtomicBool,
    is_evolved: AtomicBool,
    acknowledged: AtomicU64,
}

impl Feed {
    /// Makes the feed produce or rest.
    pub(super) fn set(&self, is_on: bool) {
        self.is_resting.store(false, Ordering::Release);
        self.is_on.store(is_on, Ordering::Release);
    }

    /// Whether the feed rests and the brokers have acknowledged all that it produced.
    pub(super) fn is_resting(&self) -> bool {
        self.is_resting.load(Ordering::Acquire)
    }

    /// Transactions are written with [`evolved_schema`] from now on.
    pub(super) fn evolve(&self) {
        self.is_evolved.store(true, Ordering::Release);
    }

    /// Ends the feed for good.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::Release);
    }

    /// How many transactions the brokers have acknowledged.
    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Acquire)
    }

    /// Produces until it is told to end.
    pub(super) fn run(&self, settings: &Settings, patience: Duration) -> Result<(), Error> {
        let mut feeder = Feeder {
            generator: Generator::new(&settings.generate)?,
            producer: Producer::new(&settings.connection, LINGER)?,
            value: Vec::new(),
            done: Vec::new(),
        };
        let mut since: Option<(Stopwatch, u64)> = None;
        while !self.is_over.load(Ordering::Acquire) {
            if self.is_on.load(Ordering::Acquire) {
                let (began, sent) = since.get_or_insert_with(|| (Stopwatch::start(), 0));
                let due = (began.elapsed().as_secs_f64() * settings.rate) as u64;
                while *sent < due && feeder.send(settings, self, patience)? {
                    *sent += 1;
                }
            } else if since.take().is_some() {
                feeder.producer.flush(patience)?;
            }
            feeder.settle(self)?;
            if since.is_none() && !self.is_on.load(Ordering::Acquire) {
                self.is_resting.store(true, Ordering::Release);
            }
            pause(NAP);
        }
        Ok(())
    }
}

struct Feeder {
    generator: Generator,
    producer: Producer,
    value: Vec<u8>,
    done: Vec<usize>,
}

impl Feeder {
    /// Passes the next transaction to the producer; `false` if there are no more.
    fn send(
        &mut self,
        settings: &Settings,
        feed: &Feed,
        patience: Duration,
    ) -> Result<bool, Error> {
        let Some(generated) = self.generator.next() else { return Ok(false) };
        let evolved = settings.evolved.filter(|_| feed.is_evolved.load(Ordering::Acquire));
        self.encode(&generated, settings.framing, evolved);
        let raw = generated.raw();
        let record = Outgoing {
            topic: &settings.names.transactions,
            key: Some(raw.customer_id.as_bytes()),
            value: Some(&self.value),
            headers: None,
        };
        self.producer.send(record, 0, patience)?;
        Ok(true)
    }

    fn encode(&mut self, generated: &Generated, framing: Framing, evolved: Option<u32>) {
        self.value.clear();
        evolved.map_or(framing, Framing::Confluent).write(&mut self.value);
        encode_transaction(&generated.raw(), &mut self.value);
        self.value.extend(evolved.map(|_| NULL));
    }

    fn settle(&mut self, feed: &Feed) -> Result<(), Error> {
        self.producer.acknowledged(&mut self.done)?;
        feed.acknowledged.fetch_add(self.done.len() as u64, Ordering::AcqRel);
        self.done.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::codec::{Decoded, Decoder};
    use crate::tools::generate;

    #[test]
    fn the_evolved_schema_reads_as_the_same_transaction() {
        let mut generator = Generator::new(&generate::Settings::default()).unwrap();
        let generated = generator.next().unwrap();
        let mut value = Vec::new();
        Framing::Confluent(7).write(&mut value);
        encode_transaction(&generated.raw(), &mut value);
        value.push(NULL);
        let mut decoder = Decoder::new();
        decoder.insert_schema(7, &evolved_schema()).unwrap();
        let Decoded::Transaction(read) = decoder.decode(&value, i64::MAX / 2) else {
            panic!("it is read");
        };
        assert_eq!(read.transaction_id, generated.raw().transaction_id);
    }
}
