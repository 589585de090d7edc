//! Memory that a process's workers share in proportion to their partitions.
//!
//! A worker without partitions needs none. With more workers than partitions, fixed parts would
//! leave most memory unused and evict customers for nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The memory that all workers of a process may use together.
#[derive(Debug)]
pub struct Budget {
    bytes: usize,
    /// Partitions of all workers.
    partitions: AtomicUsize,
}

impl Budget {
    /// A budget of `bytes`.
    pub fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self { bytes, partitions: AtomicUsize::new(0) })
    }
}

/// A worker's share of the budget. Dropping it gives the share to the others.
#[derive(Debug)]
pub(super) struct Share {
    budget: Arc<Budget>,
    partitions: usize,
}

impl Share {
    pub(super) fn new(budget: &Arc<Budget>) -> Self {
        Self { budget: Arc::clone(budget), partitions: 0 }
    }

    /// Sets the worker's number of partitions.
    pub(super) fn set(&mut self, partitions: usize) {
        if partitions != self.partitions {
            self.budget.partitions.fetch_add(partitions, Ordering::AcqRel);
            self.budget.partitions.fetch_sub(self.partitions, Ordering::AcqRel);
            self.partitions = partitions;
        }
    }

    /// The bytes that the worker may use; they change as others gain and lose partitions.
    pub(super) fn bytes(&self) -> usize {
        let all = self.budget.partitions.load(Ordering::Acquire).max(self.partitions).max(1);
        (self.budget.bytes as u128 * self.partitions.max(1) as u128 / all as u128) as usize
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_partitions_has_the_memory() {
        let budget = Budget::new(1_000);
        let [mut one, mut other, idle] = [(); 3].map(|()| Share::new(&budget));
        one.set(3);
        assert_eq!((one.bytes(), other.partitions), (1_000, 0));
        other.set(1);
        assert_eq!((one.bytes(), other.bytes()), (750, 250));
        assert!(idle.bytes() <= 250);
        drop(one);
        assert_eq!(other.bytes(), 1_000);
    }
}
