//! What was published in the transaction that is open, kept until it is committed.

use std::time::Duration;

use super::flights::Flight;
use crate::base::clock::Stopwatch;
use crate::edges::kafka::{Headers, Outgoing};

/// How long nothing is tried after a transaction has failed, from the second time in a row on: each
/// time twice as long.
const FIRST_REST: Duration = Duration::from_millis(100);
const LONGEST_REST: Duration = Duration::from_secs(5);

/// The transaction that is open or has to be opened again.
#[derive(Default)]
pub(super) struct Transaction {
    pub(super) is_open: bool,
    /// Why nothing more can be sent in it: it has to be aborted.
    pub(super) broken: Option<crate::edges::kafka::Error>,
    /// It has not been committed for all attempts.
    pub(super) failing: Option<Failing>,
    pub(super) sent: Vec<Sent>,
    /// Topics, keys and values of `sent`.
    pub(super) bytes: Vec<u8>,
}

/// A transaction that fails again and again.
pub(super) struct Failing {
    pub(super) since: Stopwatch,
    /// The last time, and how long nothing is tried after it.
    pub(super) last: Stopwatch,
    pub(super) rest: Duration,
    /// Why it failed the last time.
    pub(super) why: String,
}

impl Failing {
    /// It fails for the first time, or as it did `before`.
    pub(super) fn again(before: Option<Self>, why: String) -> Self {
        let last = Stopwatch::start();
        let (since, rest) = before.map_or((last, Duration::ZERO), |before| {
            (before.since, (before.rest * 2).clamp(FIRST_REST, LONGEST_REST))
        });
        Self { since, last, rest, why }
    }
}

/// A record of a transaction; lengths are of its parts in the bytes, in their order.
pub(super) struct Sent {
    pub(super) flight: Flight,
    pub(super) start: usize,
    pub(super) topic: usize,
    pub(super) key: Option<usize>,
    pub(super) value: Option<usize>,
    pub(super) headers: Option<Headers>,
}

impl Transaction {
    pub(super) fn keep(&mut self, flight: Flight, record: &Outgoing<'_>) {
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
    pub(super) fn outgoing<'a>(&self, bytes: &'a [u8]) -> Outgoing<'a> {
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
