//! Every bound that is not configuration, in one place, with the relations between them.
//!
//! What an operator may want to change is a configuration key; what keeps the process safe whatever
//! arrives is here.

/// Longest `transaction_id`, `customer_id` or `merchant_id` in bytes.
pub const MAX_ID_BYTES: usize = 512;

/// Longest other text of a transaction in bytes.
pub const MAX_TEXT_BYTES: usize = 4_096;

/// Largest amount in major units: a sum of 900 of them still fits an `i64` of minor units.
pub const MAX_AMOUNT_MAJOR: f64 = 1e12;

/// Largest record value that is decoded, in bytes (Kafka's default `message.max.bytes` is 1 MiB).
pub const MAX_RECORD_BYTES: usize = 1 << 20;

const _: () = assert!(3 * MAX_ID_BYTES + 9 * MAX_TEXT_BYTES < MAX_RECORD_BYTES);
const _: () = assert!(MAX_AMOUNT_MAJOR * 1e4 * 900.0 < i64::MAX as f64);

/// Most frauds that are kept as known; beyond it the oldest verdict is forgotten first.
pub const MAX_KNOWN_FRAUDS: usize = 1_000_000;
