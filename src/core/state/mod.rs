//! What is remembered of each customer, and of known frauds.
//!
//! A velocity feature is a count or a sum over "the last hour", "the last week". The simple answer,
//! keep a list and add it up for every transaction, costs more the busier a customer is; hopping
//! buckets are cheap but wrong at every edge. Here windows are exact and cost amortised O(1): a
//! customer's transactions lie in event-time order in [`columns`], every window is a suffix of
//! them, and what enters at the new end or leaves at the old one is added to or taken from integer
//! totals ([`totals`]). Integers make that exact, so totals can always be counted afresh from the
//! columns, which is what restoring a snapshot and inserting out of order do.
//!
//! In reading order: [`hash`] and [`geo`] (what is kept of texts and places), [`columns`],
//! [`symbols`], [`totals`], [`folded`] and [`beyond`] (what has no place there), [`distances`],
//! [`detectors`] and [`anomalies`] (which transactions stood out), [`observation`] (one transaction
//! against the past), [`customer`] (all of it, transaction by transaction), [`customers`] (the
//! index), [`changes`] (which of them are to be saved), [`labels`] (known frauds), [`memory`] (all
//! of it, by partition), [`snapshot`] (bytes).

pub mod anomalies;
pub mod beyond;
pub mod changes;
pub mod columns;
pub mod customer;
pub mod customers;
pub mod detectors;
pub mod distances;
pub mod folded;
pub mod geo;
pub mod hash;
pub mod labels;
pub mod memory;
pub mod observation;
mod reading;
pub mod snapshot;
pub mod symbols;
pub mod totals;

use crate::base::limits::MAX_AMOUNT_MAJOR;
use crate::core::transaction::{Amount, DAY_MS};

/// How far back a customer is remembered behind the newest transaction: a day more than the longest
/// window, so that a transaction up to a day late still sees its own 30 days.
pub const MEMORY_MS: i64 = 31 * DAY_MS;

/// Bounds of a customer's state, from the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Newest transactions that are exact; older ones fold into hourly sums. 32 to 2,048.
    pub max_transactions: u16,
    /// For how long a transaction id is known again, in milliseconds; at most 31 days.
    pub dedup_horizon_ms: i64,
}

impl Bounds {
    /// The largest [`Bounds::max_transactions`]: three symbols each still fit 13 bits.
    pub const MAX_TRANSACTIONS: u16 = 2_048;
}

// Sums of as many amounts as a state remembers fit an `i64` of minor units, and their count times
// their squares a `u128`. A state has one more for the moment in which it folds the oldest.
const MAX_SUMMED: f64 = Bounds::MAX_TRANSACTIONS as f64 + 1.0;
const MAX_MINOR: f64 = MAX_AMOUNT_MAJOR * Amount::SCALE as f64;
const _: () = assert!(MAX_MINOR * MAX_SUMMED < i64::MAX as f64);
const _: () = assert!(MAX_SUMMED * MAX_SUMMED * MAX_MINOR * MAX_MINOR < u128::MAX as f64);

impl Default for Bounds {
    fn default() -> Self {
        Self { max_transactions: 1_024, dedup_horizon_ms: DAY_MS }
    }
}
