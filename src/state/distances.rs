//! How far from home a customer's latest transactions were, each as of its own time.
//!
//! At most ten, newest first, in full precision: their variance is a difference of nearly equal
//! numbers. They belong to the newest remembered transactions that have a position, one for one.

use thin_vec::ThinVec;

/// How many are kept.
pub const KEPT: usize = 10;

/// Kilometres from home, newest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Distances {
    newest_first: ThinVec<f64>,
}

impl Distances {
    /// Kilometres, newest first.
    #[inline]
    pub fn newest_first(&self) -> &[f64] {
        &self.newest_first
    }

    /// Puts one in behind the `newer` newest ones; what is then beyond the tenth is forgotten.
    #[inline]
    pub fn insert(&mut self, newer: usize, kilometres: f64) {
        if newer >= KEPT || newer > self.newest_first.len() {
            return;
        }
        self.newest_first.truncate(KEPT - 1);
        if self.newest_first.len() == self.newest_first.capacity() {
            self.newest_first.reserve_exact(if self.newest_first.len() < 4 { 4 } else { 6 });
        }
        self.newest_first.insert(newer, kilometres);
    }

    /// Adds one behind the oldest.
    pub fn push_oldest(&mut self, kilometres: f64) {
        self.insert(self.newest_first.len(), kilometres);
    }

    /// Forgets the `count` newest.
    pub fn forget_newest(&mut self, count: usize) {
        self.newest_first.drain(..count.min(self.newest_first.len()));
    }

    /// Keeps the `count` newest.
    #[inline]
    pub fn keep_newest(&mut self, count: usize) {
        self.newest_first.truncate(count);
    }

    /// Mean and population variance; zeros for none.
    pub fn mean_and_variance(&self) -> (f64, f64) {
        let n = self.newest_first.len() as f64;
        if self.newest_first.is_empty() {
            return (0.0, 0.0);
        }
        let mean = self.newest_first.iter().sum::<f64>() / n;
        let squares: f64 = self.newest_first.iter().map(|d| (d - mean) * (d - mean)).sum();
        (mean, squares / n)
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.newest_first.capacity() * size_of::<f64>()
    }
}
