//! What the service remembers of each customer, and which frauds are known.
//!
//! A velocity feature is a count or a sum over "the last hour" or "the last week". Keeping a list
//! and adding it up for every transaction costs more the busier a customer is; hopping buckets are
//! cheap but wrong at every edge. Here windows are exact and cost amortised O(1). A customer's
//! transactions lie in event-time order in [`columns`], and every window is a suffix of them. What
//! enters at the new end is added to integer totals, and what leaves at the old end is subtracted
//! ([`totals`]). Integers make that exact, so totals can always be recounted from the columns:
//! restoring a snapshot and inserting out of order do just that.
//!
//! In reading order: [`hash`] and [`geo`] (how texts and places are stored), [`columns`],
//! [`symbols`], [`totals`], [`folded`] and [`beyond`] (what does not fit the columns),
//! [`distances`], [`detectors`] and [`anomalies`] (which transactions stood out), [`observation`]
//! (one transaction against the past), [`customer`] (all of this for one customer), [`customers`]
//! (the index), [`changes`] (which customers need saving), [`labels`] (known frauds), [`memory`]
//! (everything, by partition), [`snapshot`] (bytes).

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

/// How long a transaction is remembered, counted back from the customer's newest one: a day more
/// than the longest window, so that a transaction up to a day late still sees its own 30 days.
pub const MEMORY_MS: i64 = 31 * DAY_MS;

/// Bounds of a customer's state, from the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// How many of the newest transactions are kept exactly, 32 to 2,048; older ones fold into
    /// hourly sums.
    pub max_transactions: u16,
    /// How long a transaction id is recognised as a duplicate, in milliseconds; at most 31 days.
    pub dedup_horizon_ms: i64,
}

impl Bounds {
    /// The largest [`Bounds::max_transactions`]: with three symbols each, symbols still fit 13
    /// bits.
    pub const MAX_TRANSACTIONS: u16 = 2_048;
}

// The sum of all amounts that a state remembers fits an `i64` of minor units, and their count times
// the sum of their squares fits a `u128`. A state briefly holds one more, until it folds the
// oldest.
const MAX_SUMMED: f64 = Bounds::MAX_TRANSACTIONS as f64 + 1.0;
const MAX_MINOR: f64 = MAX_AMOUNT_MAJOR * Amount::SCALE as f64;
const _: () = assert!(MAX_MINOR * MAX_SUMMED < i64::MAX as f64);
const _: () = assert!(MAX_SUMMED * MAX_SUMMED * MAX_MINOR * MAX_MINOR < u128::MAX as f64);

impl Default for Bounds {
    fn default() -> Self {
        Self { max_transactions: 1_024, dedup_horizon_ms: DAY_MS }
    }
}
