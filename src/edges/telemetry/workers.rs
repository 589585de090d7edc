//! Gauges that combine the values of all workers.
//!
//! A gauge that every worker sets would show the last one's value; one that they add to would go
//! wrong with the first worker that dies. So each worker has slots of its own, written with a plain
//! store, and they are combined when somebody asks.

use std::sync::atomic::{AtomicU64, Ordering};

use super::catalog::{self, Row};

/// A value that every worker reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gauge {
    /// Partitions that it works on.
    PartitionsAssigned,
    /// Those of them whose state is being rebuilt.
    PartitionsRestoring,
    /// Records of these that it has yet to remember.
    RecordsRestoring,
    /// Alerts and dead letters sent and not acknowledged yet.
    InflightRecords,
    /// 1 while it does not read, so that brokers or database can catch up.
    Paused,
    /// Customers in memory.
    CustomersCached,
    /// Memory of their state in bytes.
    StateBytes,
    /// Frauds that it knows. Every worker knows all, so the largest value is shown, not the sum.
    KnownFrauds,
}

impl Gauge {
    /// All gauges.
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
    /// Slots at zero for `workers` workers.
    pub(super) fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| Slots::default()).collect())
    }

    /// Sets one worker's value. An unknown worker is ignored.
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
