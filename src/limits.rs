//! Every bound that is not configuration, in one place, with the relations between them.
//!
//! What an operator may want to change is a configuration key; what keeps the process safe whatever
//! arrives is here.

use crate::state::Bounds;
use crate::transaction::Amount;

/// Longest `transaction_id`, `customer_id` or `merchant_id` in bytes.
pub const MAX_ID_BYTES: usize = 512;

/// Longest other text of a transaction in bytes.
pub const MAX_TEXT_BYTES: usize = 4_096;

/// Largest amount in major units, a hundred thousand million: sums of as many as a state remembers
/// fit an `i64` of minor units, and their count times their squares a `u128`.
pub const MAX_AMOUNT_MAJOR: f64 = 1e11;

/// Largest record value that is decoded, in bytes (Kafka's default `message.max.bytes` is 1 MiB).
pub const MAX_RECORD_BYTES: usize = 1 << 20;

const _: () = assert!(3 * MAX_ID_BYTES + 9 * MAX_TEXT_BYTES < MAX_RECORD_BYTES);
const MAX_SUMMED: f64 = Bounds::MAX_TRANSACTIONS as f64 + 1.0;
const MAX_MINOR: f64 = MAX_AMOUNT_MAJOR * Amount::SCALE as f64;
const _: () = assert!(MAX_MINOR * MAX_SUMMED < i64::MAX as f64);
const _: () = assert!(MAX_SUMMED * MAX_SUMMED * MAX_MINOR * MAX_MINOR < u128::MAX as f64);

/// Most frauds that are kept as known; beyond it the oldest verdict is forgotten first.
pub const MAX_KNOWN_FRAUDS: usize = 1_000_000;

/// Most ids of one customer that are known again without an entry of their own: out of order, too
/// late or folded within the horizon for duplicates.
pub const MAX_STRAGGLERS: usize = 4_096;
