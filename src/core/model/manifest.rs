//! What a model says about itself: the `metadata_props` of its ONNX file.
//!
//! A model without its list of features is a trap: rows of the right width and the wrong meaning
//! score without complaint. So a file carries its own description, and what is missing or
//! ill-formed refuses the file with the key, the fault and an example of what should stand there.

use std::collections::BTreeMap;

use serde_json::Value;
use thiserror::Error;

/// Longest name or version in characters.
const MAX_NAME_CHARS: usize = 128;

/// Most features of a model.
const MAX_FEATURES: usize = 4_096;

/// Most examples of a model.
const MAX_EXAMPLES: usize = 1_024;

/// A model's description of itself, valid by construction.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Name; unique together with the version.
    pub name: String,
    /// Version, any text.
    pub version: String,
    /// Catalogue names in the order of the input's columns; at least one, none twice.
    pub features: Vec<String>,
    /// The score from which a transaction is an alert, 0 to 1.
    pub threshold: f64,
    /// Each feature's typical value, in the order of the features; finite. Zeros where the file has
    /// none: explanations then compare with nothing having happened.
    pub baseline: Vec<f32>,
    /// Whether the file has a baseline.
    pub has_baseline: bool,
    /// Rows with the scores they must get; a NaN is a missing value.
    pub examples: Vec<Example>,
    /// When it was trained, as the trainer wrote it.
    pub trained_at: Option<String>,
    /// Metrics for users to read: name and value, as the trainer wrote them.
    pub metrics: Vec<(String, String)>,
}

/// A row and the score that it must get, to 1e-4.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// One value a feature.
    pub row: Vec<f32>,
    /// Expected score, 0 to 1.
    pub score: f64,
}

/// What is wrong with a manifest key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("metadata key `{key}` {fault}: set it like {example}")]
pub struct ManifestError {
    /// The key.
    pub key: &'static str,
    /// What is wrong.
    pub fault: String,
    /// What a good value looks like.
    pub example: &'static str,
}

impl Manifest {
    /// Reads the manifest from metadata keys and values, in any order; unknown keys are ignored.
    pub fn from_metadata<'a>(
        properties: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, ManifestError> {
        let mut keys = BTreeMap::new();
        for (key, value) in properties {
            if keys.insert(key, value).is_some()
                && let Some(key) = KEYS.iter().find(|known| known.name == key)
            {
                return Err(key.fault("stands twice"));
            }
        }
        let keys = Keys(keys);
        let features = keys.features()?;
        Ok(Self {
            name: keys.name(&NAME)?,
            version: keys.name(&VERSION)?,
            threshold: keys.threshold()?,
            baseline: keys.baseline(features.len())?,
            has_baseline: keys.0.contains_key(BASELINE.name),
            examples: keys.examples(features.len())?,
            trained_at: keys.0.get(TRAINED_AT).map(|&text| text.to_owned()),
            metrics: keys.metrics()?,
            features,
        })
    }

    /// Name and version as they stand in logs.
    pub fn label(&self) -> String {
        format!("{} {}", self.name, self.version)
    }
}

/// A key with an example of its value.
struct Key {
    name: &'static str,
    example: &'static str,
}

impl Key {
    fn fault(&self, fault: impl Into<String>) -> ManifestError {
        ManifestError { key: self.name, fault: fault.into(), example: self.example }
    }
}

const NAME: Key = Key { name: "name", example: "card-fraud" };
const VERSION: Key = Key { name: "version", example: "2026.11.1" };
const FEATURES: Key = Key { name: "features", example: r#"["amount", "txn_frequency_1h"]"# };
const THRESHOLD: Key = Key { name: "threshold", example: "0.7" };
const BASELINE: Key = Key { name: "baseline", example: "[42.5, 1] (each feature's median)" };
const EXAMPLES: Key = Key { name: "examples", example: "[[[42.5, 1], 0.03]]" };
const METRICS: Key = Key { name: "metrics", example: r#"{"auc": 0.93}"# };
const TRAINED_AT: &str = "trained_at";
const KEYS: [Key; 7] = [NAME, VERSION, FEATURES, THRESHOLD, BASELINE, EXAMPLES, METRICS];

struct Keys<'a>(BTreeMap<&'a str, &'a str>);

impl Keys<'_> {
    fn required(&self, key: &Key) -> Result<&str, ManifestError> {
        match self.0.get(key.name) {
            Some(&value) if !value.trim().is_empty() => Ok(value.trim()),
            Some(_) => Err(key.fault("is empty")),
            None => Err(key.fault("is missing")),
        }
    }

    fn name(&self, key: &Key) -> Result<String, ManifestError> {
        let text = self.required(key)?;
        if text.chars().count() > MAX_NAME_CHARS {
            return Err(key.fault(format!("is longer than {MAX_NAME_CHARS} characters")));
        }
        match text.chars().any(char::is_control) {
            true => Err(key.fault("has control characters")),
            false => Ok(text.to_owned()),
        }
    }

    fn list(&self, key: &Key) -> Result<Vec<Value>, ManifestError> {
        match serde_json::from_str(self.required(key)?) {
            Ok(Value::Array(list)) => Ok(list),
            Ok(_) => Err(key.fault("is not a JSON list")),
            Err(error) => Err(key.fault(format!("is not JSON ({error})"))),
        }
    }

    fn features(&self) -> Result<Vec<String>, ManifestError> {
        let list = self.list(&FEATURES)?;
        if list.is_empty() || list.len() > MAX_FEATURES {
            let fault = format!("has {} names, expected 1 to {MAX_FEATURES}", list.len());
            return Err(FEATURES.fault(fault));
        }
        let mut names: Vec<String> = Vec::with_capacity(list.len());
        let mut seen = std::collections::HashSet::new();
        for value in list {
            let Value::String(name) = value else {
                return Err(FEATURES.fault(format!("has {value}, which is not a text")));
            };
            if !seen.insert(name.clone()) {
                return Err(FEATURES.fault(format!("names `{name}` twice")));
            }
            names.push(name);
        }
        Ok(names)
    }

    fn threshold(&self) -> Result<f64, ManifestError> {
        let text = self.required(&THRESHOLD)?;
        match text.parse::<f64>() {
            Ok(threshold) if (0.0..=1.0).contains(&threshold) => Ok(threshold),
            _ => Err(THRESHOLD.fault(format!("is `{text}`, not a number from 0 to 1"))),
        }
    }

    fn baseline(&self, width: usize) -> Result<Vec<f32>, ManifestError> {
        if !self.0.contains_key(BASELINE.name) {
            return Ok(vec![0.0; width]);
        }
        let list = self.list(&BASELINE)?;
        let row = row(&list, width).map_err(|fault| BASELINE.fault(fault))?;
        match row.iter().position(|value| !value.is_finite()) {
            Some(at) => Err(BASELINE.fault(format!("has no finite number at place {at}"))),
            None => Ok(row),
        }
    }

    fn examples(&self, width: usize) -> Result<Vec<Example>, ManifestError> {
        if !self.0.contains_key(EXAMPLES.name) {
            return Ok(Vec::new());
        }
        let list = self.list(&EXAMPLES)?;
        if list.len() > MAX_EXAMPLES {
            return Err(EXAMPLES.fault(format!("has more than {MAX_EXAMPLES} entries")));
        }
        let parse = |(index, value): (usize, &Value)| {
            example(value, width)
                .map_err(|fault| EXAMPLES.fault(format!("at place {index} {fault}")))
        };
        list.iter().enumerate().map(parse).collect()
    }

    fn metrics(&self) -> Result<Vec<(String, String)>, ManifestError> {
        let Some(&text) = self.0.get(METRICS.name) else { return Ok(Vec::new()) };
        let plain = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        match serde_json::from_str(text) {
            Ok(Value::Object(map)) => Ok(map.iter().map(|(k, v)| (k.clone(), plain(v))).collect()),
            _ => Err(METRICS.fault("is not a JSON object")),
        }
    }
}

fn example(value: &Value, width: usize) -> Result<Example, String> {
    let Some([Value::Array(list), score]) = value.as_array().map(Vec::as_slice) else {
        return Err("is not a pair of a row and a score".to_owned());
    };
    let row = row(list, width)?;
    match score.as_f64() {
        Some(score) if (0.0..=1.0).contains(&score) => Ok(Example { row, score }),
        _ => Err(format!("has the score {score}, not a number from 0 to 1")),
    }
}

/// Numbers of a row; `null` is a missing value.
fn row(list: &[Value], width: usize) -> Result<Vec<f32>, String> {
    if list.len() != width {
        return Err(format!("has {} values for {width} features", list.len()));
    }
    let number = |value: &Value| match value {
        Value::Null => Ok(f32::NAN),
        Value::Number(number) => number.as_f64().map(|x| x as f32).ok_or_else(|| value.to_string()),
        other => Err(other.to_string()),
    };
    let row: Result<Vec<f32>, String> = list.iter().map(number).collect();
    row.map_err(|text| format!("has {text}, which is not a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 5] = [
        ("name", "m"),
        ("version", "1"),
        ("features", r#"["amount", "log_amount"]"#),
        ("threshold", "0.5"),
        ("baseline", "[1, 2.5]"),
    ];

    fn read(changes: &[(&'static str, Option<&'static str>)]) -> Result<Manifest, ManifestError> {
        let mut keys: BTreeMap<&str, &str> = GOOD.into_iter().collect();
        for &(key, value) in changes {
            match value {
                Some(value) => keys.insert(key, value),
                None => keys.remove(key),
            };
        }
        Manifest::from_metadata(keys.into_iter())
    }

    #[test]
    fn reads_every_key() {
        let manifest = read(&[
            ("examples", Some("[[[1, null], 0.25]]")),
            ("trained_at", Some("2026-11-01")),
            ("metrics", Some(r#"{"auc": 0.9, "note": "ok"}"#)),
            ("something else", Some("ignored")),
        ])
        .unwrap();
        assert_eq!(manifest.features, ["amount", "log_amount"]);
        assert_eq!(manifest.baseline, [1.0, 2.5]);
        assert_eq!(manifest.examples[0].score, 0.25);
        assert!(manifest.examples[0].row[1].is_nan());
        assert_eq!(manifest.trained_at.as_deref(), Some("2026-11-01"));
        let metrics = [("auc".to_owned(), "0.9".to_owned()), ("note".into(), "ok".into())];
        assert_eq!(manifest.metrics, metrics);
        assert_eq!(manifest.label(), "m 1");
    }

    #[test]
    fn says_which_key_is_wrong_and_how() {
        let cases = [
            ("name", None, "metadata key `name` is missing: set it like card-fraud"),
            ("name", Some("  "), "metadata key `name` is empty: set it like card-fraud"),
            ("version", None, "metadata key `version` is missing: set it like 2026.11.1"),
            ("version", Some("a\nb"), "has control characters"),
            ("features", Some("amount"), "`features` is not JSON"),
            ("features", Some("{}"), "`features` is not a JSON list"),
            ("features", Some("[]"), "has 0 names, expected 1 to 4096"),
            ("features", Some("[1, 2]"), "has 1, which is not a text"),
            ("features", Some(r#"["a", "a"]"#), "names `a` twice"),
            ("threshold", Some("1.5"), "is `1.5`, not a number from 0 to 1: set it like 0.7"),
            ("threshold", Some("NaN"), "not a number from 0 to 1"),
            ("baseline", Some("[1]"), "has 1 values for 2 features"),
            ("baseline", Some("[1, null]"), "has no finite number at place 1"),
            ("baseline", Some("[1, 1e300]"), "has no finite number at place 1"),
            ("baseline", Some("[1, true]"), "has true, which is not a number"),
            ("examples", Some("[[1, 2]]"), "at place 0 is not a pair of a row and a score"),
            ("examples", Some("[[[1, 2], 0.5], [[1], 0.5]]"), "at place 1 has 1 values for 2"),
            ("examples", Some("[[[1, 2], 2]]"), "has the score 2, not a number from 0 to 1"),
            ("metrics", Some("[1]"), "`metrics` is not a JSON object"),
        ];
        for (key, value, expected) in cases {
            let error = read(&[(key, value)]).unwrap_err().to_string();
            assert!(error.contains(expected), "{key} = {value:?}: {error}");
        }
    }

    #[test]
    fn without_a_baseline_explanations_compare_with_zero() {
        let manifest = read(&[("baseline", None)]).unwrap();
        assert_eq!((manifest.baseline, manifest.has_baseline), (vec![0.0, 0.0], false));
        assert!(read(&[]).unwrap().has_baseline);
    }

    #[test]
    fn a_key_that_stands_twice_is_refused() {
        let twice = GOOD.into_iter().chain([("threshold", "0.9")]);
        let error = Manifest::from_metadata(twice).unwrap_err().to_string();
        assert_eq!(error, "metadata key `threshold` stands twice: set it like 0.7");
    }
}
