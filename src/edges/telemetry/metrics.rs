//! The metrics of the process.
//!
//! Worker threads share one [`Metrics`] and call it once per batch with the batch's totals. Each
//! such call is an atomic addition or two on an existing counter, without a lock or a text.
//! Everything that needs more (label texts, sums over workers, ages) is computed when somebody asks
//! for the metrics, in the thread that asks.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, Registry, TextEncoder,
};

use super::catalog as rows;
use super::family::{Counters, Maker};
use super::partitions::{Lag, Partitions};
use super::words::{CacheEvent, CommitOutcome, ErrorKind, LabelOutcome, Lost, Outcome, Source};
use super::workers::{Gauge, Workers};
use crate::base::limits::MAX_MODELS_COUNTED;
use crate::core::codec::Reason;
use crate::core::decision::Severity;

/// Stands for label values that are not shown themselves.
const OTHER: &str = "other";

/// HTTP methods that are told apart.
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"];

/// All metrics of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    transactions: Counters<Outcome>,
    duplicates: IntCounter,
    predictions: Counters<Source>,
    fraud_detected: Counters<Severity>,
    alerts: IntCounterVec,
    models: Mutex<BTreeSet<String>>,
    dead_letters: Counters<Reason>,
    late: IntCounter,
    lost_records: Counters<Lost>,
    miskeyed: IntCounter,
    windows_folded: IntCounter,
    labels: Counters<LabelOutcome>,
    alert_latency: Histogram,
    model_latency: Histogram,
    batch_records: Histogram,
    rebalances: IntCounter,
    commits: Counters<CommitOutcome>,
    restore_duration: Histogram,
    cache: [IntCounter; 3],
    snapshot_duration: Histogram,
    errors: Counters<ErrorKind>,
    requests: IntCounterVec,
    request_duration: HistogramVec,
    ready: IntGauge,
    gauges: [IntGauge; Gauge::ALL.len()],
    workers: Workers,
    partitions: Partitions,
}

impl Metrics {
    /// All metrics at zero, for a process with `workers` worker threads.
    pub fn new(workers: usize) -> Self {
        let registry = Registry::new();
        let make = Maker(&registry);
        make.info(&rows::BUILD_INFO, env!("CARGO_PKG_VERSION"));
        registry
            .register(Box::new(ProcessCollector::for_self()))
            .expect("invariant: nothing else is named like the process collector's metrics");
        Self {
            transactions: make.counters(&rows::TRANSACTIONS),
            duplicates: make.counter(&rows::DUPLICATES),
            predictions: make.counters(&rows::PREDICTIONS),
            fraud_detected: make.counters(&rows::FRAUD_DETECTED),
            alerts: make.counter_vec(&rows::ALERTS),
            models: Mutex::default(),
            dead_letters: make.counters(&rows::DEAD_LETTERS),
            late: make.counter(&rows::LATE),
            lost_records: make.counters(&rows::LOST_RECORDS),
            miskeyed: make.counter(&rows::MISKEYED),
            windows_folded: make.counter(&rows::WINDOWS_FOLDED),
            labels: make.counters(&rows::LABELS),
            alert_latency: make.histogram(&rows::ALERT_LATENCY),
            model_latency: make.histogram(&rows::MODEL_LATENCY),
            batch_records: make.histogram(&rows::BATCH_RECORDS),
            rebalances: make.counter(&rows::REBALANCES),
            commits: make.counters(&rows::COMMITS),
            restore_duration: make.histogram(&rows::RESTORE_DURATION),
            cache: [rows::CACHE_HITS, rows::CACHE_MISSES, rows::CACHE_EVICTIONS]
                .map(|row| make.counter(&row)),
            snapshot_duration: make.histogram(&rows::SNAPSHOT_DURATION),
            errors: make.counters(&rows::ERRORS),
            requests: make.counter_vec(&rows::REQUESTS),
            request_duration: make.histogram_vec(&rows::REQUEST_DURATION),
            ready: make.gauge(&rows::READY),
            gauges: Gauge::ALL.map(|gauge| make.gauge(gauge.row())),
            workers: Workers::new(workers),
            partitions: Partitions::default(),
            registry,
        }
    }

    /// Counts transactions with this outcome; each transaction has exactly one. Duplicates are
    /// counted in `synfinance_duplicate_transactions_total` as well.
    pub fn transactions(&self, outcome: Outcome, count: u64) {
        self.transactions.add(outcome, count);
        if outcome == Outcome::Duplicate {
            self.duplicates.inc_by(count);
        }
    }

    /// Counts scores computed for transactions from this source.
    pub fn predictions(&self, source: Source, count: u64) {
        self.predictions.add(source, count);
    }

    /// Counts scores of this severity, whatever became of their alerts.
    pub fn fraud_detected(&self, severity: Severity, count: u64) {
        self.fraud_detected.add(severity, count);
    }

    /// The counters of a model's alerts. Ask for them when the model is loaded, not for every
    /// batch. Models after the first [`MAX_MODELS_COUNTED`] share the label `other`.
    pub fn model_alerts(&self, name: &str, version: &str) -> ModelAlerts {
        let model = format!("{name}/{version}");
        let mut models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
        let is_told_apart = models.contains(&model) || models.len() < MAX_MODELS_COUNTED;
        let label = if is_told_apart { model.as_str() } else { OTHER };
        let counters = ModelAlerts(Counters::new(&self.alerts, &[label]));
        if is_told_apart {
            models.insert(model);
        }
        counters
    }

    /// Counts records that went to the dead-letter topic for this reason.
    pub fn dead_letters(&self, reason: Reason, count: u64) {
        self.dead_letters.add(reason, count);
    }

    /// Counts transactions that were scored but not remembered.
    pub fn late(&self, count: u64) {
        self.late.inc_by(count);
    }

    /// Counts records that left the topic too early.
    pub fn lost_records(&self, effect: Lost, count: u64) {
        self.lost_records.add(effect, count);
    }

    /// Counts records keyed by something other than their customer id.
    pub fn miskeyed(&self, count: u64) {
        self.miskeyed.inc_by(count);
    }

    /// Counts transactions folded into hourly sums.
    pub fn windows_folded(&self, count: u64) {
        self.windows_folded.inc_by(count);
    }

    /// Counts verdicts read. Every worker reads all verdicts, so only one worker calls this.
    pub fn labels(&self, outcome: LabelOutcome, count: u64) {
        self.labels.add(outcome, count);
    }

    /// Observes the time from a record's Kafka timestamp to its alert's acknowledgement, in
    /// seconds.
    pub fn alert_latency(&self, seconds: f64) {
        self.alert_latency.observe(seconds);
    }

    /// Observes a batch: its records, and the seconds that the model took to score it.
    pub fn batch(&self, records: u64, model_seconds: f64) {
        self.batch_records.observe(records as f64);
        self.model_latency.observe(model_seconds);
    }

    /// Counts a change of a worker's partitions.
    pub fn rebalance(&self) {
        self.rebalances.inc();
    }

    /// Counts a commit of offsets by its outcome.
    pub fn commit(&self, outcome: CommitOutcome) {
        self.commits.add(outcome, 1);
    }

    /// Observes the seconds from a partition's assignment until it is worked on.
    pub fn restored(&self, seconds: f64) {
        self.restore_duration.observe(seconds);
    }

    /// Counts customers found in memory, not found, or evicted.
    pub fn cache(&self, event: CacheEvent, count: u64) {
        self.cache[event as usize].inc_by(count);
    }

    /// Observes the seconds that saving the changed customers took.
    pub fn snapshot(&self, seconds: f64) {
        self.snapshot_duration.observe(seconds);
    }

    /// Counts a failure that is not a record's fault.
    pub fn error(&self, kind: ErrorKind) {
        self.errors.add(kind, 1);
    }

    /// Sets a worker's gauge; the process shows one value for all its workers.
    pub fn gauge(&self, worker: usize, gauge: Gauge, value: u64) {
        self.workers.set(worker, gauge, value);
    }

    /// Sets how far a worker's partition lags. It takes a lock, so call it about once a second.
    pub fn lag(&self, worker: usize, topic: &str, partition: i32, lag: Lag) {
        self.partitions.lag(worker, topic, partition, lag);
    }

    /// Notes when the state of a worker's partition was saved completely, in milliseconds since the
    /// epoch.
    pub fn snapshot_saved(&self, worker: usize, partition: i32, at_ms: i64) {
        self.partitions.saved(worker, partition, at_ms);
    }

    /// Notes that a partition's state belongs to this worker from `at_ms` on, if it did not before.
    pub fn snapshot_begins(&self, worker: usize, partition: i32, at_ms: i64) {
        self.partitions.begins(worker, partition, at_ms);
    }

    /// Forgets a partition that this worker lost, unless another worker of the process has it now.
    pub fn drop_partition(&self, worker: usize, topic: &str, partition: i32) {
        self.partitions.drop_partition(worker, topic, partition);
    }

    /// Forgets a worker that has ended: its partitions, and its gauges except known frauds.
    pub fn drop_worker(&self, worker: usize) {
        self.partitions.drop_worker(worker);
        for gauge in Gauge::ALL.into_iter().filter(|gauge| *gauge != Gauge::KnownFrauds) {
            self.workers.set(worker, gauge, 0);
        }
    }

    /// Sets whether the process does its work.
    pub fn ready(&self, is_ready: bool) {
        self.ready.set(i64::from(is_ready));
    }

    /// Creates a route's metrics, so that they are shown before its first request.
    pub fn route(&self, method: &str, route: &str) {
        self.requests.with_label_values(&[known_method(method), route, "200"]);
        self.request_duration.with_label_values(&[route]);
    }

    /// Counts an answered request and observes its seconds. `route` is the pattern that it matched,
    /// never its path; `None` if it matched none.
    pub fn request(&self, method: &str, route: Option<&str>, status: u16, seconds: f64) {
        let route = route.unwrap_or(OTHER);
        let labels = [known_method(method), route, &status.to_string()];
        self.requests.with_label_values(&labels).inc();
        self.request_duration.with_label_values(&[route]).observe(seconds);
    }

    /// All metrics in Prometheus' text format, as of `now_ms` milliseconds since the epoch.
    pub fn encode(&self, now_ms: i64) -> String {
        for (gauge, shown) in Gauge::ALL.into_iter().zip(&self.gauges) {
            shown.set(i64::try_from(self.workers.get(gauge)).unwrap_or(i64::MAX));
        }
        let mut families = self.registry.gather();
        families.extend(self.partitions.families(now_ms));
        families.sort_by(|one, other| one.name().cmp(other.name()));
        let mut text = String::with_capacity(TEXT_BYTES);
        TextEncoder::new()
            .encode_utf8(&families, &mut text)
            .expect("invariant: no family is empty, and writing to a text does not fail");
        text
    }
}

/// The usual size of the text.
const TEXT_BYTES: usize = 32 << 10;

/// The counters of one model's alerts.
#[derive(Debug)]
pub struct ModelAlerts(Counters<Severity>);

impl ModelAlerts {
    /// Counts published alerts of this severity.
    pub fn add(&self, severity: Severity, count: u64) {
        self.0.add(severity, count);
    }
}

fn known_method(method: &str) -> &'static str {
    METHODS.into_iter().find(|known| *known == method).unwrap_or(OTHER)
}
