//! Holds the alerts that came to those that had to come.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use serde_json::Value;

/// Largest difference between numbers, relative to the larger one or to 1: models compute in
/// single precision.
const TOLERANCE: f64 = 1e-5;

/// Fields that may differ between two deliveries of one alert.
const OF_THE_MOMENT: &str = "scored_at";

/// What came, against what had to.
#[derive(Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How many alerts had to come.
    pub expected: usize,
    /// How many came, each delivery counted.
    pub received: usize,
    /// Transactions whose alert did not come.
    pub missed: Vec<String>,
    /// Deliveries beyond the first of an alert.
    pub doubled: usize,
    /// What is wrong with alerts that came: not expected, or other fields than expected.
    pub wrong: Vec<String>,
}

impl Verdict {
    /// Judges records of the alerts' topic by the values that were expected.
    pub fn new(expected: &[Value], records: &[Value]) -> Self {
        let mut wrong = Vec::new();
        let mut came: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
        for record in records {
            let alert = &record["value"];
            came.entry(text(alert, "transaction_id")).or_default().push(alert);
            wrong.extend(differs_from_record(record));
        }
        let mut missed = Vec::new();
        for alert in expected {
            let id = text(alert, "transaction_id");
            match came.get(&id) {
                None => missed.push(id),
                Some(deliveries) => {
                    wrong.extend(deliveries.iter().filter_map(|came| difference(alert, came)));
                }
            }
        }
        let known: BTreeSet<String> =
            expected.iter().map(|alert| text(alert, "transaction_id")).collect();
        let strangers = came.keys().filter(|id| !known.contains(*id));
        wrong.extend(strangers.map(|id| format!("{id} was not to be alerted")));
        let doubled = records.len() - came.len();
        wrong.extend(came.values().filter_map(|deliveries| unlike(deliveries)));
        Self { expected: expected.len(), received: records.len(), missed, doubled, wrong }
    }

    /// Nothing is missing and nothing is wrong; alerts may have come twice.
    pub fn assert_none_missed(&self) {
        let sample: Vec<_> = self.missed.iter().take(5).collect();
        let (missed, expected) = (self.missed.len(), self.expected);
        assert!(missed == 0, "{missed} of {expected} alerts did not come, for example {sample:?}");
        let sample: Vec<_> = self.wrong.iter().take(5).collect();
        assert!(self.wrong.is_empty(), "{} alerts are wrong: {sample:#?}", self.wrong.len());
        assert!(self.expected > 0, "a test without alerts shows nothing");
    }

    /// Each alert came once.
    pub fn assert_exact(&self) {
        self.assert_none_missed();
        assert_eq!(self.doubled, 0, "alerts came more than once, of {}", self.expected);
    }

    /// Says the counts on stderr, past the capture of tests: they are a result.
    pub fn print(&self, what: &str) {
        let Self { expected, received, missed, doubled, wrong } = self;
        let (missed, wrong) = (missed.len(), wrong.len());
        let line = format!(
            "{what}: {expected} alerts expected, {received} received, {missed} missed, \
             {doubled} doubled, {wrong} wrong\n"
        );
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}

/// A field as text.
pub fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("no {field}: {value}")).to_owned()
}

/// What of a record's key and metadata does not fit its alert.
fn differs_from_record(record: &Value) -> Option<String> {
    let alert = &record["value"];
    let key: String =
        text(alert, "customer_id").bytes().map(|byte| format!("{byte:02x}")).collect();
    let is_keyed = record["key"] == key;
    let is_placed = alert["source_partition"].is_i64() && alert["source_offset"].is_i64();
    let is_timed = alert[OF_THE_MOMENT].as_i64() > Some(1_700_000_000_000);
    (!is_keyed || !is_placed || !is_timed).then(|| format!("key, source or time: {record}"))
}

/// What an alert lacks of what was expected, field by field.
fn difference(expected: &Value, came: &Value) -> Option<String> {
    let fields = expected.as_object().expect("an alert");
    let differs = |(name, value): (&String, &Value)| {
        (!agree(value, &came[name])).then(|| format!("{name} {}, not {value}", came[name]))
    };
    let found: Vec<String> = fields.iter().filter_map(differs).collect();
    let id = &expected["transaction_id"];
    (!found.is_empty()).then(|| format!("{id}: {}", found.join("; ")))
}

/// Whether `came` has what is expected: numbers nearly, lists in order, fields by name.
fn agree(expected: &Value, came: &Value) -> bool {
    match (expected, came) {
        (Value::Number(a), Value::Number(b)) => {
            let (Some(a), Some(b)) = (a.as_f64(), b.as_f64()) else { return false };
            (a - b).abs() <= TOLERANCE * 1f64.max(a.abs()).max(b.abs())
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| agree(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.iter().all(|(name, value)| b.get(name).is_some_and(|b| agree(value, b)))
        }
        (a, b) => a == b,
    }
}

/// Deliveries of one alert that are not alike.
fn unlike(deliveries: &[&Value]) -> Option<String> {
    let strip = |alert: &Value| {
        let mut alert = alert.clone();
        alert.as_object_mut().expect("an alert").remove(OF_THE_MOMENT);
        alert
    };
    let first = strip(deliveries[0]);
    let other = deliveries.iter().find(|alert| strip(alert) != first)?;
    Some(format!("two deliveries of one alert differ: {first} and {other}"))
}
