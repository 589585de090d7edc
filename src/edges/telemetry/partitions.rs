//! Gauges of partitions, which come and go.
//!
//! An age that the worker sets would stand still when the worker does, just when it should grow. So
//! the time of the oldest open record is kept, and the age is computed when somebody asks. A
//! partition that moved to another process is forgotten; otherwise its last lag would be shown for
//! ever.
//!
//! Workers of one process pass partitions to each other, and the worker that loses one may report
//! that later than the worker that gains it. So each value belongs to the worker that reported it
//! last, and only that worker can make it forgotten.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{GaugeVec, IntGaugeVec};

use super::catalog::{self, Row};
use super::family::opts;

/// How far behind a partition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lag {
    /// Records that are not scored yet.
    pub records: u64,
    /// Kafka timestamp of the oldest record not scored yet, in milliseconds since the epoch; `None`
    /// if all are scored.
    pub oldest_ms: Option<i64>,
}

/// A value, and the worker that reported it last.
#[derive(Debug, Clone, Copy)]
struct Told<T> {
    worker: usize,
    value: T,
}

/// When a partition was saved.
#[derive(Debug, Clone, Copy)]
struct Saved {
    at_ms: i64,
    /// Saved by this process; otherwise `at_ms` is when this process took the partition over.
    by_us: bool,
}

/// Lags by topic and partition.
type Lags = BTreeMap<String, BTreeMap<i32, Told<Lag>>>;

/// The reported values of this process's partitions.
#[derive(Debug, Default)]
pub(super) struct Partitions {
    lags: Mutex<Lags>,
    saved: Mutex<BTreeMap<i32, Told<Saved>>>,
}

impl Partitions {
    /// Sets a partition's lag.
    pub(super) fn lag(&self, worker: usize, topic: &str, partition: i32, lag: Lag) {
        let told = Told { worker, value: lag };
        let mut lags = lock(&self.lags);
        match lags.get_mut(topic) {
            Some(partitions) => partitions.insert(partition, told),
            None => lags.entry(topic.to_owned()).or_default().insert(partition, told),
        };
    }

    /// Notes that a partition's state was saved completely at `at_ms`.
    pub(super) fn saved(&self, worker: usize, partition: i32, at_ms: i64) {
        let value = Saved { at_ms, by_us: true };
        lock(&self.saved).insert(partition, Told { worker, value });
    }

    /// Makes a partition's state this worker's. If it was not this process's before, its age counts
    /// from `at_ms` until it is saved, however long that takes; from the earliest `at_ms` if this
    /// is called again.
    pub(super) fn begins(&self, worker: usize, partition: i32, at_ms: i64) {
        let begun = Told { worker, value: Saved { at_ms, by_us: false } };
        let mut saved = lock(&self.saved);
        let told = saved.entry(partition).or_insert(begun);
        told.worker = worker;
        if !told.value.by_us {
            told.value.at_ms = told.value.at_ms.min(at_ms);
        }
    }

    /// Forgets a partition if this worker reported it last.
    pub(super) fn drop_partition(&self, worker: usize, topic: &str, partition: i32) {
        if let Some(partitions) = lock(&self.lags).get_mut(topic) {
            partitions.retain(|other, told| *other != partition || told.worker != worker);
        }
        let mut saved = lock(&self.saved);
        saved.retain(|other, told| *other != partition || told.worker != worker);
    }

    /// Forgets all partitions that this worker reported last.
    pub(super) fn drop_worker(&self, worker: usize) {
        for partitions in lock(&self.lags).values_mut() {
            partitions.retain(|_, told| told.worker != worker);
        }
        lock(&self.saved).retain(|_, told| told.worker != worker);
    }

    /// All gauges as of `now_ms`; a gauge without partitions is left out.
    pub(super) fn families(&self, now_ms: i64) -> Vec<MetricFamily> {
        let records = int_gauges(&catalog::LAG_RECORDS);
        let seconds = gauges(&catalog::LAG_SECONDS);
        let ages = gauges(&catalog::SNAPSHOT_AGE);
        let lags = lock(&self.lags).clone();
        for (topic, partition, lag) in flat(&lags) {
            let labels = [topic, &partition.to_string()];
            records.with_label_values(&labels).set(i64::try_from(lag.records).unwrap_or(i64::MAX));
            let age = lag.oldest_ms.map_or(0.0, |oldest| age_seconds(oldest, now_ms));
            seconds.with_label_values(&labels).set(age);
        }
        for (partition, told) in lock(&self.saved).iter() {
            ages.with_label_values(&[&partition.to_string()])
                .set(age_seconds(told.value.at_ms, now_ms));
        }
        let families = [records.collect(), seconds.collect(), ages.collect()].concat();
        families.into_iter().filter(|family| !family.get_metric().is_empty()).collect()
    }
}

fn flat(lags: &Lags) -> impl Iterator<Item = (&str, i32, &Lag)> {
    lags.iter().flat_map(|(topic, partitions)| {
        partitions.iter().map(|(&partition, told)| (topic.as_str(), partition, &told.value))
    })
}

fn int_gauges(row: &Row) -> IntGaugeVec {
    IntGaugeVec::new(opts(row), row.labels).expect("invariant: the table's names are well-formed")
}

fn gauges(row: &Row) -> GaugeVec {
    GaugeVec::new(opts(row), row.labels).expect("invariant: the table's names are well-formed")
}

/// The age in seconds; never negative, though producers' clocks may be ahead.
fn age_seconds(then_ms: i64, now_ms: i64) -> f64 {
    now_ms.saturating_sub(then_ms).max(0) as f64 / 1e3
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
