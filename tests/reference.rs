//! The engine's features against a second implementation.
//!
//! Property tests hold the fast code to a naive recount, both written by one hand from one reading
//! of the catalogue. `tests/reference/features.py` is another reading: pandas and numpy, one
//! transaction after the other, no state. 50,000 generated payments with whatever makes features
//! hard go through both, and every value must agree.
//!
//! Left out, and only that: features of a customer with more than 1,024 payments in 31 days that
//! look further back than a week (older payments are hourly sums by then, by design), and the two
//! averages of distances where a payment out of order meets a customer without a constant home (the
//! distances of payments that the ring of ten has lost are measured anew). There is no isolation
//! forest: its features are neutral.
//!
//! Needs a Python with pandas and numpy, named by `SYNFINANCE_PYTHON`; `make test` provides it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use synfinance::core::engine::{Context, Engine, Memory, Seen};
use synfinance::core::features::calendar::Calendar;
use synfinance::core::features::catalog::{CATALOG, FeatureId};
use synfinance::core::features::cities::Cities;
use synfinance::core::state::Bounds;
use synfinance::core::transaction::Transaction;

#[path = "reference/hard_cases.rs"]
mod hard_cases;

use hard_cases::{FOLDED, Payment, Verdict};

/// Largest difference between two values, relative to the larger one or to 1.
const TOLERANCE: f64 = 1e-6;
const MOST_MISMATCHES_SHOWN: usize = 20;

/// Features that look back a week at most, so folding must not change them.
const EXACT_WHEN_FOLDED: [&str; 41] = [
    "amount",
    "log_amount",
    "round_amount_flag",
    "daily_txn_count",
    "weekly_txn_count",
    "daily_txn_amount",
    "weekly_txn_amount",
    "avg_daily_amount",
    "avg_weekly_amount",
    "txn_frequency_1h",
    "txn_frequency_6h",
    "txn_frequency_24h",
    "amount_velocity_1h",
    "amount_velocity_6h",
    "amount_velocity_24h",
    "distance_from_home",
    "avg_distance_last_10",
    "distance_variance",
    "unique_cities_7d",
    "travel_velocity_kmh",
    "has_impossible_travel",
    "is_unusual_hour",
    "is_weekend",
    "is_holiday",
    "hour_of_day",
    "day_of_week",
    "declined_rate_7d",
    "temporal_cluster_flag",
    "seconds_since_last_txn",
    "customer_age_days",
    "unique_devices_7d",
    "unique_merchants_24h",
    "declined_count_1h",
    "merchant_fraud_count_1d",
    "merchant_fraud_count_7d",
    "merchant_fraud_count_30d",
    "customer_fraud_count_1d",
    "customer_fraud_count_7d",
    "customer_fraud_count_30d",
    "hours_since_merchant_fraud",
    "hours_since_customer_fraud",
];

#[test]
fn every_feature_agrees_with_the_reference() {
    let (payments, verdicts) = hard_cases::stream();
    let (computed, seen) = engine_features(&payments, &verdicts);
    assert_hard_cases_occur(&payments, &seen);
    let expected = reference_features(&payments, &verdicts);

    let not_duplicates = || (0..payments.len()).filter(|&row| seen[row] != Seen::Duplicate);
    let rows: Vec<usize> = expected.iter().map(|(row, _)| *row).collect();
    assert!(not_duplicates().eq(rows), "engine and reference disagree on what is a duplicate");

    let mut mismatches = Vec::new();
    let mut scopes = Scopes::default();
    for (row, expected) in &expected {
        let is_compared = scopes.of(&payments[*row]);
        for (feature, (&ours, &theirs)) in CATALOG.iter().zip(computed[*row].iter().zip(expected)) {
            if is_compared(feature.name) && !agree(ours, theirs) {
                mismatches.push(Mismatch { row: *row, feature: feature.name, ours, theirs });
            }
        }
    }
    assert!(mismatches.is_empty(), "{}", report(mismatches, &payments));
}

fn agree(ours: f64, theirs: f64) -> bool {
    (ours - theirs).abs() <= TOLERANCE * 1f64.max(ours.abs()).max(theirs.abs())
}

/// The test would show little if the stream became tame.
fn assert_hard_cases_occur(payments: &[Payment], seen: &[Seen]) {
    let count = |seen_as: Seen| seen.iter().filter(|&&seen| seen == seen_as).count();
    assert!(payments.len() >= 49_000, "{} payments", payments.len());
    assert!(count(Seen::Duplicate) > 300, "{} duplicates", count(Seen::Duplicate));
    assert!(count(Seen::Late) > 20, "{} late payments", count(Seen::Late));
    let mut newest = HashMap::new();
    let out_of_order = payments.iter().filter(|payment| is_out_of_order(&mut newest, payment));
    assert!(out_of_order.count() > 1_000);
}

/// Whether a payment is older than one of its customer's that arrived before.
fn is_out_of_order<'a>(newest: &mut HashMap<&'a str, i64>, payment: &'a Payment) -> bool {
    let newest = newest.entry(&payment.customer).or_insert(payment.time);
    let is_older = payment.time < *newest;
    *newest = payment.time.max(*newest);
    is_older
}

/// Which features of a payment are compared; met in order of arrival.
#[derive(Default)]
struct Scopes<'a> {
    newest: HashMap<&'a str, i64>,
    of_folded: usize,
}

impl<'a> Scopes<'a> {
    fn of(&mut self, payment: &'a Payment) -> impl Fn(&str) -> bool + use<> {
        self.of_folded += usize::from(payment.customer == FOLDED);
        let is_folded = payment.customer == FOLDED
            && self.of_folded > usize::from(Bounds::default().max_transactions);
        let is_out_of_order = is_out_of_order(&mut self.newest, payment);
        let loses_distances = is_out_of_order && !payment.has_constant_home();
        move |feature| {
            let is_distance = ["avg_distance_last_10", "distance_variance"].contains(&feature);
            !(is_folded && !EXACT_WHEN_FOLDED.contains(&feature) || loses_distances && is_distance)
        }
    }
}

// --- the engine --------------------------------------------------------------------------------

fn engine() -> Engine {
    let calendar = Calendar::new("Asia/Kolkata", include_str!("../config/holidays.csv")).unwrap();
    let cities = Cities::new(include_str!("../config/cities.csv")).unwrap();
    let context = Context { calendar, cities };
    let columns: Vec<FeatureId> = CATALOG.iter().map(|feature| feature.id).collect();
    Engine::for_features(Arc::new(context), columns, None).unwrap()
}

/// Rows of all features, in the catalogue's order; verdicts cut the stream into batches.
fn engine_features(payments: &[Payment], verdicts: &[Verdict]) -> (Vec<Vec<f64>>, Vec<Seen>) {
    let transactions: Vec<Transaction> = payments.iter().map(Payment::transaction).collect();
    let (mut engine, mut memory) = (engine(), Memory::default());
    let (mut all_rows, mut all_seen) = (Vec::new(), Vec::new());
    let (mut rows, mut seen) = (Vec::new(), Vec::new());
    let mut verdicts = verdicts.iter().peekable();
    while all_seen.len() < transactions.len() {
        let from = all_seen.len();
        while let Some(verdict) = verdicts.next_if(|verdict| verdict.arrival <= from) {
            memory.learn(&verdict.label());
        }
        let until = verdicts.peek().map_or(transactions.len(), |verdict| verdict.arrival);
        engine.features(&mut memory, &transactions[from..until], &mut rows, &mut seen).unwrap();
        all_rows.extend(rows.chunks_exact(CATALOG.len()).map(<[f64]>::to_vec));
        all_seen.extend_from_slice(&seen);
    }
    (all_rows, all_seen)
}

// --- the reference -----------------------------------------------------------------------------

/// (row, features in the catalogue's order) of every payment that is no duplicate.
fn reference_features(payments: &[Payment], verdicts: &[Verdict]) -> Vec<(usize, Vec<f64>)> {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    write_payments(&file("transactions.csv"), payments).unwrap();
    write_verdicts(&file("labels.csv"), verdicts).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let status = Command::new(python())
        .arg(root.join("tests/reference/features.py"))
        .args([Path::new("--transactions"), &file("transactions.csv")])
        .args([Path::new("--labels"), &file("labels.csv")])
        .args([Path::new("--out"), &file("features.csv")])
        .status()
        .unwrap();
    assert!(status.success(), "tests/reference/features.py ended with {status}");
    read_features(&file("features.csv"), payments)
}

fn python() -> PathBuf {
    let python = std::env::var_os("SYNFINANCE_PYTHON").map(PathBuf::from);
    let python = python.expect("SYNFINANCE_PYTHON is not set: run `make test`, which sets it");
    let imports = Command::new(&python).args(["-c", "import numpy, pandas"]).output();
    assert!(
        imports.is_ok_and(|output| output.status.success()),
        "{} is no Python with pandas and numpy: run `make test`, which sets one up, or name one in \
         SYNFINANCE_PYTHON",
        python.display()
    );
    python
}

fn write_payments(path: &Path, payments: &[Payment]) -> csv::Result<()> {
    let mut writer = csv::Writer::from_path(path)?;
    writer.write_record([
        "transaction_id",
        "customer_id",
        "merchant_id",
        "event_time",
        "amount",
        "category",
        "status",
        "merchant_reputation",
        "city",
        "country",
        "latitude",
        "longitude",
        "home_latitude",
        "home_longitude",
        "device_id",
    ])?;
    let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    for payment in payments {
        writer.write_record([
            payment.id.clone(),
            payment.customer.clone(),
            payment.merchant.clone(),
            payment.time.to_string(),
            payment.amount.to_string(),
            payment.category.clone(),
            payment.status.symbol().to_owned(),
            number(payment.reputation),
            text(&payment.city),
            text(&payment.country),
            number(payment.latitude),
            number(payment.longitude),
            number(payment.home.map(|(latitude, _)| latitude)),
            number(payment.home.map(|(_, longitude)| longitude)),
            text(&payment.device),
        ])?;
    }
    Ok(writer.flush()?)
}

fn write_verdicts(path: &Path, verdicts: &[Verdict]) -> csv::Result<()> {
    let mut writer = csv::Writer::from_path(path)?;
    writer.write_record([
        "transaction_id",
        "customer_id",
        "merchant_id",
        "event_time",
        "is_fraud",
        "labeled_at",
        "arrival",
    ])?;
    for verdict in verdicts {
        writer.write_record([
            verdict.transaction.clone(),
            verdict.customer.clone(),
            verdict.merchant.clone(),
            verdict.time.to_string(),
            verdict.is_fraud.to_string(),
            verdict.labeled_at.to_string(),
            verdict.arrival.to_string(),
        ])?;
    }
    Ok(writer.flush()?)
}

fn read_features(path: &Path, payments: &[Payment]) -> Vec<(usize, Vec<f64>)> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let header = reader.headers().unwrap().clone();
    let place = |name: &str| {
        let found = header.iter().position(|column| column == name);
        found.unwrap_or_else(|| panic!("the reference has no column {name}"))
    };
    let (row, id) = (place("row"), place("transaction_id"));
    let features: Vec<usize> = CATALOG.iter().map(|feature| place(feature.name)).collect();
    assert_eq!(header.len(), features.len() + 2, "the reference has features of its own");
    let read = |record: csv::Result<csv::StringRecord>| {
        let record = record.unwrap();
        let row: usize = record[row].parse().unwrap();
        assert_eq!(record[id], payments[row].id);
        (row, features.iter().map(|&place| record[place].parse().unwrap()).collect())
    };
    reader.records().map(read).collect()
}

// --- the report --------------------------------------------------------------------------------

struct Mismatch {
    row: usize,
    feature: &'static str,
    ours: f64,
    theirs: f64,
}

impl Mismatch {
    /// How far apart the values are, relative to the larger one or to 1.
    fn size(&self) -> f64 {
        let size =
            (self.ours - self.theirs).abs() / 1f64.max(self.ours.abs()).max(self.theirs.abs());
        if size.is_nan() { f64::INFINITY } else { size }
    }
}

/// How many mismatches each feature has, and the worst ones, worst first.
fn report(mut mismatches: Vec<Mismatch>, payments: &[Payment]) -> String {
    let mut of_features: HashMap<&str, usize> = HashMap::new();
    for mismatch in &mismatches {
        *of_features.entry(mismatch.feature).or_default() += 1;
    }
    let mut lines =
        vec![format!("{} values differ; by feature: {of_features:?}", mismatches.len())];
    mismatches.sort_by(|a, b| b.size().total_cmp(&a.size()));
    for mismatch in mismatches.iter().take(MOST_MISMATCHES_SHOWN) {
        let Mismatch { row, feature, ours, theirs } = mismatch;
        let Payment { id, customer, time, .. } = &payments[*row];
        lines.push(format!(
            "row {row} ({id} of {customer} at {time} ms): {feature} is {ours}, the reference says \
             {theirs}"
        ));
    }
    lines.join("\n")
}
