//! Gauges of partitions, which come and go.
//!
//! An age that the worker sets stands still with the worker, just when it should grow. So what is
//! kept is when the oldest open record was written, and the age is computed when somebody asks. A
//! partition that moved to another process is forgotten, or its last lag would be shown for ever.

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
    /// Records that are not done with.
    pub records: u64,
    /// The Kafka timestamp of the oldest record that is not scored, in milliseconds since the
    /// epoch; `None`: all are scored.
    pub oldest_ms: Option<i64>,
}

/// What is known of the partitions of this process.
#[derive(Debug, Default)]
pub(super) struct Partitions {
    lags: Mutex<BTreeMap<String, BTreeMap<i32, Lag>>>,
    saved: Mutex<BTreeMap<i32, i64>>,
}

impl Partitions {
    /// A partition's lag is this now.
    pub(super) fn lag(&self, topic: &str, partition: i32, lag: Lag) {
        let mut lags = lock(&self.lags);
        match lags.get_mut(topic) {
            Some(partitions) => partitions.insert(partition, lag),
            None => lags.entry(topic.to_owned()).or_default().insert(partition, lag),
        };
    }

    /// A partition's state has been saved completely.
    pub(super) fn saved(&self, partition: i32, at_ms: i64) {
        lock(&self.saved).insert(partition, at_ms);
    }

    /// A partition's state is this process's from now on, if it was not yet: its age counts from
    /// here until it is saved, however long that takes.
    pub(super) fn begins(&self, partition: i32, at_ms: i64) {
        lock(&self.saved).entry(partition).or_insert(at_ms);
    }

    /// A partition is no longer this process's.
    pub(super) fn forget(&self, topic: &str, partition: i32) {
        if let Some(partitions) = lock(&self.lags).get_mut(topic) {
            partitions.remove(&partition);
        }
    }

    /// The state of a partition is no longer this process's.
    pub(super) fn forget_saved(&self, partition: i32) {
        lock(&self.saved).remove(&partition);
    }

    /// All gauges as of `now_ms`, without those that have no partition.
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
        for (partition, &at_ms) in lock(&self.saved).iter() {
            ages.with_label_values(&[&partition.to_string()]).set(age_seconds(at_ms, now_ms));
        }
        let families = [records.collect(), seconds.collect(), ages.collect()].concat();
        families.into_iter().filter(|family| !family.get_metric().is_empty()).collect()
    }
}

fn flat(lags: &BTreeMap<String, BTreeMap<i32, Lag>>) -> impl Iterator<Item = (&str, i32, &Lag)> {
    lags.iter().flat_map(|(topic, partitions)| {
        partitions.iter().map(|(&partition, lag)| (topic.as_str(), partition, lag))
    })
}

fn int_gauges(row: &Row) -> IntGaugeVec {
    IntGaugeVec::new(opts(row), row.labels).expect("invariant: the table's names are well-formed")
}

fn gauges(row: &Row) -> GaugeVec {
    GaugeVec::new(opts(row), row.labels).expect("invariant: the table's names are well-formed")
}

/// Never negative: clocks of producers may be ahead.
fn age_seconds(then_ms: i64, now_ms: i64) -> f64 {
    now_ms.saturating_sub(then_ms).max(0) as f64 / 1e3
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
