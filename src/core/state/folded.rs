//! Hourly sums of the transactions that a very busy customer made before the newest ones, of which
//! [`super::Bounds::max_transactions`] are kept exactly.
//!
//! Counts and sums of windows that reach that far back stay right to within an hour: an hour counts
//! while all of it lies in the window. What needs single transactions (distinct merchants, entropy,
//! detectors) sees only the exact ones.

use thin_vec::ThinVec;

use crate::core::transaction::{HOUR_MS, Status};

/// Transactions of one hour (UTC), folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoldedHour {
    /// Start of the hour, milliseconds since the epoch.
    pub start: i64,
    /// Sum of amounts in ten-thousandths, without refunds.
    pub sum: i64,
    /// All transactions.
    pub count: u32,
    /// Transactions in the sum.
    pub summed: u32,
    /// Declined transactions.
    pub declined: u32,
}

impl FoldedHour {
    const EMPTY: Self = Self { start: 0, sum: 0, count: 0, summed: 0, declined: 0 };

    /// Refunds: transactions that are counted and not summed.
    pub fn refunds(&self) -> u32 {
        self.count - self.summed
    }

    fn add(&mut self, other: &Self) {
        self.sum = self.sum.saturating_add(other.sum);
        self.count = self.count.saturating_add(other.count);
        self.summed = self.summed.saturating_add(other.summed);
        self.declined = self.declined.saturating_add(other.declined);
    }
}

/// A customer's folded hours, oldest first; at most one for each hour that memory reaches back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Folded {
    hours: ThinVec<FoldedHour>,
}

impl Folded {
    /// Whether nothing is folded, as with nearly every customer.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.hours.is_empty()
    }

    /// The hours, oldest first.
    pub fn hours(&self) -> &[FoldedHour] {
        &self.hours
    }

    /// From the hours of a snapshot, which are in order.
    pub fn from_hours(hours: impl IntoIterator<Item = FoldedHour>) -> Self {
        Self { hours: hours.into_iter().collect() }
    }

    /// Folds one transaction.
    pub fn fold(&mut self, time: i64, amount: i64, status: Status) {
        let start = time - time.rem_euclid(HOUR_MS);
        let summed = u32::from(status != Status::Refunded);
        let hour = FoldedHour {
            start,
            sum: if summed == 1 { amount } else { 0 },
            count: 1,
            summed,
            declined: u32::from(status == Status::Declined),
        };
        match self.hours.binary_search_by_key(&start, |hour| hour.start) {
            Ok(at) => self.hours[at].add(&hour),
            Err(at) => self.hours.insert(at, hour),
        }
    }

    /// Forgets hours that start at or before `time`.
    pub fn forget(&mut self, time: i64) {
        let gone = self.hours.partition_point(|hour| hour.start <= time);
        self.hours.drain(..gone);
    }

    /// The total of the hours that start after `time` and not after `until`.
    pub fn total(&self, time: i64, until: i64) -> FoldedHour {
        let mut total = FoldedHour::EMPTY;
        let within = self.hours.iter().rev().skip_while(|hour| hour.start > until);
        within.take_while(|hour| hour.start > time).for_each(|hour| total.add(hour));
        total
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.hours.capacity() * size_of::<FoldedHour>()
    }
}
