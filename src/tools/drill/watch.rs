//! The subscriber: it reads the alerts' topic as an outsider would, and notes what arrived when.
//!
//! It is not part of the service and believes nothing that the service says about itself. It reads
//! committed records only, from the beginning to the end of the drill, and keeps every one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{Error, Settings};
use crate::base::clock::{Stopwatch, now_millis, pause};
use crate::core::codec::{Framing, read_framed_alert};
use crate::edges::kafka::{self, Connection, Reader, Start};

/// How many alerts are read at once, and how long to wait for the first.
const BATCH: usize = 1_024;
const WAIT: Duration = Duration::from_millis(20);

/// How long to wait before trying to begin again.
const PAUSE: Duration = Duration::from_millis(100);

/// When a record arrived, and its value.
type Receipt = (i64, Vec<u8>);

/// The state shared by the drill and its subscriber.
#[derive(Debug, Default)]
pub(super) struct Watch {
    is_over: AtomicBool,
    receipts: Mutex<Vec<Receipt>>,
}

impl Watch {
    /// Reads until it is told to end.
    pub(super) fn run(&self, settings: &Settings, patience: Duration) -> Result<(), Error> {
        let names = &settings.names;
        let connection = settings.connection.reading_committed();
        let reader = open(&connection, &names.group, &names.alerts, patience)?;
        while !self.is_over.load(Ordering::Acquire) {
            let mut records = Vec::new();
            reader.take(BATCH, WAIT, &mut records)?;
            let now = now_millis();
            let receipt = |value: Option<&[u8]>| (now, value.unwrap_or_default().to_vec());
            let mut receipts = self.receipts.lock().unwrap_or_else(PoisonError::into_inner);
            receipts.extend(records.iter().map(|record| receipt(record.value())));
        }
        Ok(())
    }

    /// Ends the subscriber.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::Release);
    }

    fn take(&self) -> Vec<Receipt> {
        std::mem::take(&mut self.receipts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A reader of a whole topic. The partitions of a new topic have no leaders at first, and a broker
/// that has just started knows no offsets; both are waited for.
pub(super) fn open(
    connection: &Connection,
    group: &str,
    topic: &str,
    patience: Duration,
) -> Result<Reader, Error> {
    let reader = Reader::new(connection, group, topic, Start::Beginning)?;
    let waited = Stopwatch::start();
    loop {
        match reader.begin(patience) {
            Err(kafka::Error::Unreachable { .. } | kafka::Error::Offsets { .. })
                if waited.elapsed() < patience =>
            {
                pause(PAUSE);
            }
            outcome => return Ok(outcome.map(|()| reader)?),
        }
    }
}

/// Everything received, by transaction.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// All deliveries of a transaction's alert, in order.
    pub(super) received: HashMap<String, Vec<Receipt>>,
    /// When records arrived that are not alerts.
    pub(super) unreadable_ms: Vec<i64>,
}

impl Ledger {
    /// Adds what has arrived since the last call.
    pub(super) fn update(&mut self, watch: &Watch, framing: Framing) {
        for (at, value) in watch.take() {
            let id =
                read_framed_alert(&value, framing).map(|alert| alert.transaction_id.to_owned());
            match id {
                Ok(id) => self.received.entry(id).or_default().push((at, value)),
                Err(_) => self.unreadable_ms.push(at),
            }
        }
    }
}
