//! Gauges that are put together from all workers.
//!
//! A gauge that every worker sets shows the last one's value; one that they add to goes wrong with
//! the first worker that dies. So each worker has its own slots, written with a plain store, and
//! they are put together when somebody asks.

use std::sync::atomic::{AtomicU64, Ordering};

use super::catalog::{self, Row};

/// What a worker has now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gauge {
    /// Partitions that it works on.
    PartitionsAssigned,
    /// Those of them whose state is being rebuilt.
    PartitionsRestoring,
    /// Records of these that are still to be remembered.
    RecordsRestoring,
    /// Alerts and dead letters sent and not acknowledged yet.
    InflightRecords,
    /// 1 while it does not read, so that others can catch up.
    Paused,
    /// Customers in memory.
    CustomersCached,
    /// Memory of their state in bytes.
    StateBytes,
    /// Frauds that it knows of. Every worker knows all: shown is the largest, not the sum.
    KnownFrauds,
}

impl Gauge {
    /// All of them.
    pub(super) const ALL: [Self; 8] = [
        Self::PartitionsAssigned,
        Self::PartitionsRestoring,
        Self::RecordsRestoring,
        Self::InflightRecords,
        Self::Paused,
        Self::CustomersCached,
        Self::StateBytes,
        Self::KnownFrauds,
    ];

    /// Its row in the table.
    pub(super) fn row(self) -> &'static Row {
        match self {
            Self::PartitionsAssigned => &catalog::PARTITIONS_ASSIGNED,
            Self::PartitionsRestoring => &catalog::PARTITIONS_RESTORING,
            Self::RecordsRestoring => &catalog::RESTORING_RECORDS,
            Self::InflightRecords => &catalog::INFLIGHT,
            Self::Paused => &catalog::PAUSED,
            Self::CustomersCached => &catalog::CUSTOMERS_CACHED,
            Self::StateBytes => &catalog::STATE_BYTES,
            Self::KnownFrauds => &catalog::KNOWN_FRAUDS,
        }
    }
}

/// One worker's slots, on cache lines of their own.
#[repr(align(128))]
#[derive(Debug, Default)]
struct Slots([AtomicU64; Gauge::ALL.len()]);

/// All workers' slots.
#[derive(Debug)]
pub(super) struct Workers(Box<[Slots]>);

impl Workers {
    /// Zeros for so many workers.
    pub(super) fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| Slots::default()).collect())
    }

    /// One worker's value. A worker that there is none of has no slot.
    pub(super) fn set(&self, worker: usize, gauge: Gauge, value: u64) {
        if let Some(slots) = self.0.get(worker) {
            slots.0[gauge as usize].store(value, Ordering::Relaxed);
        }
    }

    /// The process's value.
    pub(super) fn get(&self, gauge: Gauge) -> u64 {
        let values = self.0.iter().map(|slots| slots.0[gauge as usize].load(Ordering::Relaxed));
        match gauge {
            Gauge::KnownFrauds => values.max().unwrap_or(0),
            _ => values.sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_added_up_but_for_what_each_of_them_knows() {
        let workers = Workers::new(2);
        for gauge in Gauge::ALL {
            assert_eq!(workers.get(gauge), 0);
            workers.set(0, gauge, 5);
            workers.set(1, gauge, 3);
            workers.set(2, gauge, 100);
            workers.set(1, gauge, 4);
        }
        assert_eq!(workers.get(Gauge::PartitionsAssigned), 9);
        assert_eq!(workers.get(Gauge::KnownFrauds), 5);
    }
}
