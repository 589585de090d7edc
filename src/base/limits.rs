//! Every bound that is not a setting, in one place, with the relations between them.
//!
//! What an operator may want to change is a configuration key. What keeps the process safe whatever
//! arrives is here.

use std::time::Duration;

/// Longest `transaction_id`, `customer_id` or `merchant_id` in bytes.
pub const MAX_ID_BYTES: usize = 512;

/// Longest other text of a transaction in bytes.
pub const MAX_TEXT_BYTES: usize = 4_096;

/// Largest amount in major units, a hundred thousand million. `core::state` asserts that sums of so
/// many such amounts as a customer remembers do not overflow.
pub const MAX_AMOUNT_MAJOR: f64 = 1e11;

/// Largest record value that is decoded, in bytes (Kafka's default `message.max.bytes` is 1 MiB).
pub const MAX_RECORD_BYTES: usize = 1 << 20;

const _: () = assert!(3 * MAX_ID_BYTES + 9 * MAX_TEXT_BYTES < MAX_RECORD_BYTES);

/// Most frauds kept as known; beyond that the oldest verdict is forgotten first.
pub const MAX_KNOWN_FRAUDS: usize = 1_000_000;

/// Most transaction ids of one customer kept to recognise duplicates without an entry of their own:
/// those out of order, too late, or folded within the duplicate horizon.
pub const MAX_STRAGGLERS: usize = 4_096;

/// Most models that metrics tell apart; alerts of all others are counted together.
pub const MAX_MODELS_COUNTED: usize = 32;

/// Most log lines waiting for the log file; further ones are dropped and counted.
pub const MAX_WAITING_LOG_LINES: usize = 16_384;

/// Most spans waiting for the collector; further ones are dropped.
pub const MAX_WAITING_SPANS: usize = 4_096;

/// Most spans sent to the collector at once.
pub const MAX_SENT_SPANS: usize = 512;

const _: () = assert!(MAX_SENT_SPANS <= MAX_WAITING_SPANS);

/// Most connections to the sidecar; further ones are closed at once.
pub const MAX_HTTP_CONNECTIONS: usize = 256;

/// Longest body of a request to the sidecar in bytes.
pub const MAX_HTTP_BODY_BYTES: usize = 10_000_000;

/// Longest wait for a request's headers, and for a TLS handshake.
pub const HTTP_HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest time for a response.
pub const HTTP_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Longest time in which a connection moves no byte.
pub const HTTP_IDLE_TIMEOUT: Duration = Duration::from_secs(60);

const _: () = assert!(HTTP_HEADER_TIMEOUT.as_secs() < HTTP_REQUEST_TIMEOUT.as_secs());
const _: () = assert!(HTTP_REQUEST_TIMEOUT.as_secs() < HTTP_IDLE_TIMEOUT.as_secs());

/// Longest wait for a database's answer, including the wait for a connection.
pub const DATABASE_ANSWER_TIME: Duration = Duration::from_secs(30);

/// Longest time that a database works on one statement before it cancels it.
pub const DATABASE_STATEMENT_TIME: Duration = Duration::from_secs(20);

/// Longest wait for another session's lock in a database.
pub const DATABASE_LOCK_TIME: Duration = Duration::from_secs(5);

const _: () = assert!(DATABASE_LOCK_TIME.as_secs() < DATABASE_STATEMENT_TIME.as_secs());
const _: () = assert!(DATABASE_STATEMENT_TIME.as_secs() < DATABASE_ANSWER_TIME.as_secs());

/// Connections per store: one thread uses a store and asks one question at a time. A worker has two
/// stores, and one connection more while customers are read ahead.
pub const DATABASE_CONNECTIONS: u32 = 1;

/// How many customers one statement deletes when a partition is discarded.
pub const DISCARDED_AT_ONCE: u32 = 10_000;

/// Most orders waiting for a database; a worker with more to save waits for room.
pub const WAITING_ORDERS: usize = 8;

/// Longest wait of a worker for the database when a partition is assigned; after that the topic is
/// read instead.
pub const CLAIM_TIME: Duration = Duration::from_secs(5);

/// Most customers that one query reads.
pub const MAX_LOADED_CUSTOMERS: usize = 1_024;

/// How long a worker waits for customers that are stored and not in memory, which mostly takes
/// milliseconds; after that it pauses their partitions and goes on with the others.
pub const LOAD_TIME: Duration = Duration::from_millis(100);
