//! Every metric, in one table.
//!
//! Dashboards, alert rules and the pages about them name metrics by text, far from the code that
//! counts. Tests compare them with this table, and so the output of `/metrics`: exactly the metrics
//! of this table exist.

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// Its name, by Prometheus' conventions: `_total` for counters, the unit last.
    pub name: &'static str,
    /// One sentence of explanation.
    pub help: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Names of its labels.
    pub labels: &'static [&'static str],
}

/// The type of a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// A current value.
    Gauge,
    /// A distribution, with the upper bounds of its buckets.
    Histogram(&'static [f64]),
}

/// What somebody waits for, in seconds: fine around the latencies an alert should have, coarse
/// beyond.
const WAITS: &[f64] = &[
    0.0005, 0.001, 0.002, 0.004, 0.006, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    10.0, 30.0, 60.0,
];

/// The computation of a batch, in seconds.
const COMPUTATIONS: &[f64] = &[
    0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0,
];

/// Reading or writing a lot of state, in seconds.
const TRANSFERS: &[f64] = &[0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

/// Records in a batch.
const BATCHES: &[f64] =
    &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0, 4_096.0, 65_536.0];

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Row {
    Row { name, help, kind: Kind::Counter, labels }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Row {
    Row { name, help, kind: Kind::Gauge, labels }
}

const fn histogram(
    name: &'static str,
    labels: &'static [&'static str],
    buckets: &'static [f64],
    help: &'static str,
) -> Row {
    Row { name, help, kind: Kind::Histogram(buckets), labels }
}

/// Declares the rows, and [`TABLE`] with all of them.
macro_rules! table {
    ($($name:ident = $row:expr;)+) => {
        $(pub(super) const $name: Row = $row;)+

        /// All metrics except the process collector's.
        pub const TABLE: &[Row] = &[$($name,)+];
    };
}

table! {
    BUILD_INFO = gauge("synfinance_build_info", &["version"],
        "Always 1; which version runs.");
    READY = gauge("synfinance_ready", &[],
        "1 if the process does its work, 0 if something stands in the way; /readyz says what.");

    TRANSACTIONS = counter("synfinance_transactions_total", &["outcome"],
        "Transactions by what became of them: scored is without alert, alerted with.");
    PREDICTIONS = counter("synfinance_predictions_total", &["source"],
        "Scores by where the transaction came from.");
    FRAUD_DETECTED = counter("synfinance_fraud_detected_total", &["severity"],
        "Scores from the threshold up, whatever the source.");
    ALERTS = counter("synfinance_alerts_total", &["severity", "model"],
        "Alerts published, by severity and model.");
    DEAD_LETTERS = counter("synfinance_dead_letters_total", &["reason"],
        "Records that cannot be scored and went to the dead-letter topic.");
    LATE = counter("synfinance_late_transactions_total", &[],
        "Scored without being remembered, for they came after their customer's longest window.");
    DUPLICATES = counter("synfinance_duplicate_transactions_total", &[],
        "Transactions whose id had been seen before.");
    MISKEYED = counter("synfinance_miskeyed_records_total", &[],
        "Records keyed by something other than customer_id; their windows may be incomplete.");
    WINDOWS_FOLDED = counter("synfinance_windows_folded_total", &[],
        "Transactions that were folded into hourly sums to bound a customer's memory.");
    LOST_RECORDS = counter("synfinance_lost_records_total", &["effect"],
        "Records that left the topic too early: unscored, or forgotten, scored and not in windows.");
    LABELS = counter("synfinance_labels_total", &["outcome"],
        "Analysts' verdicts read.");
    KNOWN_FRAUDS = gauge("synfinance_known_frauds", &[],
        "Frauds that analysts have told of and that features use.");

    ALERT_LATENCY = histogram("synfinance_alert_latency_seconds", &[], WAITS,
        "From a record's Kafka timestamp to the acknowledgement of its alert.");
    MODEL_LATENCY = histogram("synfinance_model_latency_seconds", &[], COMPUTATIONS,
        "Scoring of one batch.");
    BATCH_RECORDS = histogram("synfinance_batch_records", &[], BATCHES,
        "Records scored as one batch; at stream.batch_records all the time: more workers are due.");

    LAG_RECORDS = gauge("synfinance_consumer_lag_records", &["topic", "partition"],
        "Records of the partition that are not scored yet.");
    LAG_SECONDS = gauge("synfinance_consumer_lag_seconds", &["topic", "partition"],
        "Age of the oldest record that is not scored yet, 0 without any.");
    PARTITIONS_ASSIGNED = gauge("synfinance_partitions_assigned", &[],
        "Partitions that this process works on.");
    PARTITIONS_RESTORING = gauge("synfinance_restoring_partitions", &[],
        "Assigned partitions whose state is still being rebuilt.");
    RESTORING_RECORDS = gauge("synfinance_restoring_records", &[],
        "Records that are remembered again before anything new of their partitions is scored.");
    INFLIGHT = gauge("synfinance_inflight_records", &[],
        "Alerts and dead letters sent and not acknowledged yet.");
    PAUSED = gauge("synfinance_paused", &[],
        "Workers that have stopped reading until the brokers or the database catch up.");
    REBALANCES = counter("synfinance_rebalances_total", &[],
        "Times that a worker's partitions changed.");
    COMMITS = counter("synfinance_commits_total", &["outcome"],
        "Commits of offsets.");
    RESTORE_DURATION = histogram("synfinance_restore_duration_seconds", &[], TRANSFERS,
        "From the assignment of a partition until it is worked on.");

    CACHE_HITS = counter("synfinance_cache_hits_total", &[],
        "Transactions whose customer was in memory.");
    CACHE_MISSES = counter("synfinance_cache_misses_total", &[],
        "Transactions whose customer was not in memory.");
    CACHE_EVICTIONS = counter("synfinance_cache_evictions_total", &[],
        "Customers that were saved and put out of memory to make room.");
    CUSTOMERS_CACHED = gauge("synfinance_customers_cached", &[],
        "Customers in memory.");
    STATE_BYTES = gauge("synfinance_state_bytes", &[],
        "Memory of the customers' state.");
    SNAPSHOT_DURATION = histogram("synfinance_snapshot_duration_seconds", &[], TRANSFERS,
        "Saving the customers that changed.");
    SNAPSHOT_AGE = gauge("synfinance_snapshot_age_seconds", &["partition"],
        "Time since a partition's state was saved completely, or since it was assigned.");

    ERRORS = counter("synfinance_errors_total", &["kind"],
        "What failed and was not a record's fault.");
    REQUESTS = counter("synfinance_requests_total", &["method", "route", "status"],
        "Requests to the sidecar.");
    REQUEST_DURATION = histogram("synfinance_request_duration_seconds", &["route"], WAITS,
        "From a request's headers to its response.");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_conventions() {
        for row in TABLE {
            let Row { name, help, kind, .. } = row;
            assert!(name.starts_with("synfinance_"), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            assert!(help.ends_with('.') && !help.contains('\n'), "{name}: {help}");
            assert!(row.labels.iter().all(|label| !["le", "job", "instance"].contains(label)));
            if let Kind::Histogram(buckets) = kind {
                assert!(buckets.is_sorted_by(|a, b| a < b), "{name}");
            }
        }
        let mut names: Vec<&str> = TABLE.iter().map(|row| row.name).collect();
        names.sort_unstable();
        assert!(names.is_sorted_by(|a, b| a < b), "twice the same name");
    }
}
