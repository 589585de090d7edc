//! What became of all rows, in numbers that add up: rows = scored + rejected.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::files::rejection::{DUPLICATE, Rejection};

/// How many rejected rows a summary shows.
const EXAMPLES: usize = 10;

/// The outcome of a batch command.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// Rows read, broken ones included: always `scored + rejected`.
    pub rows: u64,
    /// Rows with a score, or with features.
    pub scored: u64,
    /// Rows set aside, for whatever reason.
    pub rejected: u64,
    /// Rejected rows by reason word: `malformed_row`, `missing_field`, `invalid_field`,
    /// `duplicate`.
    pub rejected_by_reason: BTreeMap<&'static str, u64>,
    /// Scored rows at or above the model's threshold; 0 for features.
    pub alerts: u64,
    /// Scored rows too old to be remembered.
    pub late: u64,
    /// Scored rows that stand behind a later one of their customer.
    pub out_of_order: u64,
    /// Wall time of the whole run.
    pub elapsed: Duration,
    /// The first rejected rows, at most ten, in input order.
    pub examples: Vec<Rejection>,
    /// Input columns that gave way to an output column: old name, new name.
    pub renamed: Vec<(String, String)>,
    /// What else a person should know, one sentence each.
    pub notes: Vec<String>,
}

/// The summary as `--json` prints it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SummaryJson<'a> {
    rows: u64,
    scored: u64,
    rejected: u64,
    rejected_by_reason: &'a BTreeMap<&'static str, u64>,
    alerts: u64,
    late: u64,
    out_of_order: u64,
    seconds: f64,
    rows_per_second: f64,
    rejected_examples: Vec<ExampleJson<'a>>,
    renamed_columns: BTreeMap<&'a str, &'a str>,
    notes: &'a [String],
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct ExampleJson<'a> {
    row: u64,
    reason: &'a str,
    message: &'a str,
}

impl Summary {
    /// Rows whose transaction_id had been seen before; they are among the rejected.
    pub fn duplicates(&self) -> u64 {
        self.rejected_by_reason.get(DUPLICATE).copied().unwrap_or(0)
    }

    /// Rows a second of wall time; 0 when no time has passed.
    pub fn rows_per_second(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { self.rows as f64 / seconds } else { 0.0 }
    }

    /// The view that serialises as `--json` prints it.
    pub fn json(&self) -> SummaryJson<'_> {
        SummaryJson {
            rows: self.rows,
            scored: self.scored,
            rejected: self.rejected,
            rejected_by_reason: &self.rejected_by_reason,
            alerts: self.alerts,
            late: self.late,
            out_of_order: self.out_of_order,
            seconds: self.elapsed.as_secs_f64(),
            rows_per_second: self.rows_per_second(),
            rejected_examples: self.examples.iter().map(ExampleJson::of).collect(),
            renamed_columns: self.renamed.iter().map(|(old, new)| (&**old, &**new)).collect(),
            notes: &self.notes,
        }
    }

    /// Counts rejected rows and keeps the first ones.
    pub(super) fn reject(&mut self, rejections: &[Rejection]) {
        for rejection in rejections {
            self.rows += 1;
            self.rejected += 1;
            *self.rejected_by_reason.entry(rejection.reason).or_default() += 1;
            if self.examples.len() < EXAMPLES {
                self.examples.push(rejection.clone());
            }
        }
    }

    /// Counts scored rows.
    pub(super) fn score(&mut self, rows: usize) {
        self.rows += rows as u64;
        self.scored += rows as u64;
    }
}

impl<'a> ExampleJson<'a> {
    fn of(rejection: &'a Rejection) -> Self {
        Self { row: rejection.row, reason: rejection.reason, message: &rejection.message }
    }
}
