//! The demo's producer: generated transactions, as Avro, no further ahead than allowed.

use std::time::Duration;

use super::board::{Board, MAX_AHEAD, MAX_GENERATED_BYTES};
use super::truth::Truth;
use super::{Archive, Error, Settings, TRANSACTION_SCHEMA_ID};
use crate::base::clock::{Stopwatch, pause};
use crate::core::codec::{encode_transaction, frame_confluent};
use crate::edges::kafka::{Connection, Outgoing, Producer};
use crate::stream::worker::Topics;
use crate::tools::generate::{Generated, Generator};

/// How long a record waits for others to be sent with, and how long the feed pauses when it is too
/// far ahead.
const LINGER: Duration = Duration::from_millis(1);
const PAUSE: Duration = Duration::from_micros(200);

/// How many records the feed sends between two looks at how far ahead it is.
const STRIDE: u64 = 64;

/// Generates as many transactions as configured, or until told to stop, and waits until the brokers
/// have acknowledged them.
pub(super) fn run(
    settings: &Settings,
    connection: &Connection,
    board: &Board,
    truth: &Truth,
) -> Result<(), Error> {
    let past = settings.archive.as_ref().map_or(0, Archive::transactions);
    let generator = Generator::after(&settings.generate, past)?;
    let producer = Producer::new(connection, LINGER)?;
    let mut feed = Feed {
        settings,
        producer,
        board,
        topic: Topics::default().transactions,
        value: Vec::with_capacity(MAX_GENERATED_BYTES),
        acknowledged: Vec::new(),
        generated: 0,
    };
    while !board.may_start() && !board.is_feed_stopped() {
        pause(PAUSE);
    }
    let started = Stopwatch::start();
    for generated in generator {
        if feed.is_stopped_while_waiting(started)? {
            break;
        }
        if generated.is_fraud {
            truth.plant(generated.raw().transaction_id);
        }
        feed.send(&generated)?;
    }
    feed.finish()
}

struct Feed<'a> {
    settings: &'a Settings,
    producer: Producer,
    board: &'a Board,
    topic: String,
    value: Vec<u8>,
    acknowledged: Vec<usize>,
    generated: u64,
}

impl Feed<'_> {
    /// Waits until the next record is due. Returns whether the feed was told to stop.
    fn is_stopped_while_waiting(&mut self, started: Stopwatch) -> Result<bool, Error> {
        if let Some(rate) = self.settings.rate {
            let due = Duration::from_secs_f64(self.generated as f64 / rate);
            // Nothing wakes the feed, so it sleeps in short slices and can stop even at a slow
            // rate.
            while let Some(left) = due.checked_sub(started.elapsed()) {
                self.announce()?;
                if self.board.is_feed_stopped() {
                    return Ok(true);
                }
                pause(left.min(Duration::from_millis(10)));
            }
        }
        if !self.generated.is_multiple_of(STRIDE) {
            return Ok(false);
        }
        self.announce()?;
        while !self.board.is_feed_stopped() && self.ahead() + STRIDE > MAX_AHEAD {
            pause(PAUSE);
            self.announce()?;
        }
        Ok(self.board.is_feed_stopped())
    }

    fn ahead(&self) -> u64 {
        let progress = self.board.progress();
        self.generated.saturating_sub(progress.handled)
            + progress.alerts.saturating_sub(progress.received)
    }

    fn send(&mut self, generated: &Generated) -> Result<(), Error> {
        let raw = generated.raw();
        self.value.clear();
        frame_confluent(TRANSACTION_SCHEMA_ID, &mut self.value);
        encode_transaction(&raw, &mut self.value);
        let record = Outgoing {
            topic: &self.topic,
            key: Some(raw.customer_id.as_bytes()),
            value: Some(&self.value),
            headers: None,
        };
        self.producer.send(record, 0, self.settings.patience)?;
        self.generated += 1;
        Ok(())
    }

    /// Reports how far the feed is, and takes acknowledgements so that their queue does not fill
    /// up.
    fn announce(&mut self) -> Result<(), Error> {
        self.board.set_generated(self.generated);
        self.producer.acknowledged(&mut self.acknowledged)?;
        self.acknowledged.clear();
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Error> {
        self.producer.flush(self.settings.patience)?;
        self.announce()?;
        self.board.complete();
        Ok(())
    }
}
