//! Memory that the workers of a process share, by how many partitions each has.
//!
//! A worker without partitions needs none of it: with more workers than partitions a fixed part
//! each would leave most of the memory unused, and customers evicted for nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What all workers of a process may use together.
#[derive(Debug)]
pub struct Budget {
    bytes: usize,
    /// Partitions of all workers.
    partitions: AtomicUsize,
}

impl Budget {
    /// So many bytes.
    pub fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self { bytes, partitions: AtomicUsize::new(0) })
    }
}

/// A worker's share.
#[derive(Debug)]
pub(super) struct Share {
    budget: Arc<Budget>,
    partitions: usize,
}

impl Share {
    pub(super) fn new(budget: &Arc<Budget>) -> Self {
        Self { budget: Arc::clone(budget), partitions: 0 }
    }

    /// The worker has so many partitions now.
    pub(super) fn set(&mut self, partitions: usize) {
        if partitions != self.partitions {
            self.budget.partitions.fetch_add(partitions, Ordering::AcqRel);
            self.budget.partitions.fetch_sub(self.partitions, Ordering::AcqRel);
            self.partitions = partitions;
        }
    }

    /// What the worker may use, in bytes; it changes as others gain and lose partitions.
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
