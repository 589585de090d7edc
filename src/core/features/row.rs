//! One transaction's features while they are computed.

use std::ops::{Index, IndexMut};

use super::calendar::LocalTime;
use super::catalog::{CATALOG, COUNT, FeatureId};
use crate::core::state::MEMORY_MS;
use crate::core::state::customer::CustomerState;
use crate::core::state::labels::KnownFrauds;
use crate::core::state::observation::{Incoming, Observation};
use crate::core::state::totals::Window;
use crate::core::transaction::{Amount, HOUR_MS};

/// Values by [`FeatureId`]. A feature that is not computed keeps its neutral value.
#[derive(Debug, Clone, PartialEq)]
pub struct Row([f64; COUNT]);

impl Default for Row {
    fn default() -> Self {
        let mut values = [0.0; COUNT];
        CATALOG.iter().zip(&mut values).for_each(|(feature, value)| *value = feature.neutral);
        Self(values)
    }
}

impl Index<FeatureId> for Row {
    type Output = f64;

    #[inline]
    fn index(&self, id: FeatureId) -> &f64 {
        &self.0[id as usize]
    }
}

impl IndexMut<FeatureId> for Row {
    #[inline]
    fn index_mut(&mut self, id: FeatureId) -> &mut f64 {
        &mut self.0[id as usize]
    }
}

/// Everything that the features of one transaction are computed from.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// The transaction.
    pub incoming: &'a Incoming,
    /// Its local time.
    pub local: LocalTime,
    /// The customer's state at the transaction, which is the newest one remembered there.
    pub state: &'a CustomerState,
    /// The transaction compared with what was remembered before it.
    pub observation: &'a Observation,
    /// All labels, later ones too: read them with the transaction's time.
    pub frauds: &'a KnownFrauds,
    /// Hash of the customer's id.
    pub customer: u64,
}

/// Counts and sums of one window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct WindowTotals {
    /// All transactions.
    pub count: f64,
    /// Those in the sum: all but refunds.
    pub summed: f64,
    /// The sum in major units.
    pub amount: f64,
}

impl Moment<'_> {
    /// The index of the transaction in the columns.
    #[inline]
    pub(super) fn index(&self) -> usize {
        self.state.columns.len() - 1
    }

    /// The index of a window's oldest transaction.
    #[inline]
    pub(super) fn tail(&self, window: Window) -> usize {
        usize::from(self.state.totals.tails[window as usize])
    }

    /// How many transactions of a window are remembered singly, not folded.
    #[inline]
    pub(super) fn exact_count(&self, window: Window) -> usize {
        self.state.columns.len() - self.tail(window)
    }

    /// A window's counts and sums, folded hours included.
    #[inline]
    pub(super) fn window(&self, window: Window) -> WindowTotals {
        let totals = &self.state.totals;
        let w = window as usize;
        let mut count = self.exact_count(window) as u64;
        let (mut summed, mut sum) = (u64::from(totals.summed[w]), totals.sums[w]);
        if let Some(folded) = self.state.beyond.folded() {
            let now = self.incoming.time;
            let folded = folded.total(now - window.millis(), now);
            count += u64::from(folded.count);
            summed += u64::from(folded.summed);
            sum = sum.saturating_add(folded.sum);
        }
        let amount = sum as f64 / Amount::SCALE as f64;
        WindowTotals { count: count as f64, summed: summed as f64, amount }
    }

    /// Folded refunds and folded declined transactions of a window.
    #[inline]
    pub(super) fn folded_outcomes(&self, window: Window) -> (f64, f64) {
        let Some(folded) = self.state.beyond.folded() else { return (0.0, 0.0) };
        let now = self.incoming.time;
        let folded = folded.total(now - window.millis(), now);
        (f64::from(folded.refunds()), f64::from(folded.declined))
    }
}

/// The hours reported for "never within memory": 744.
pub(super) const NEVER_HOURS: f64 = (MEMORY_MS / HOUR_MS) as f64;

/// Hours from `time` to the transaction, at most [`NEVER_HOURS`].
#[inline]
pub(super) fn hours_since(moment: &Moment<'_>, time: i64) -> f64 {
    ((moment.incoming.time - time) as f64 / HOUR_MS as f64).min(NEVER_HOURS)
}

/// 1 for true.
#[inline]
pub(super) fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}

/// `part / whole`; 0 if `whole` is not positive.
#[inline]
pub(super) fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}
