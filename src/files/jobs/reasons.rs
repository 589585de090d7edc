//! The `reasons` column: a JSON array, the same text in every format.

use serde::Serialize;

use crate::core::decision::Reason;

/// Field for field the schema `Reason`.
#[derive(Serialize)]
struct ReasonJson<'a> {
    code: &'a str,
    feature: &'a str,
    value: f64,
    contribution: f64,
    message: &'a str,
}

/// Reasons as a JSON array, strongest first; `[]` without reasons.
pub(super) fn reasons_json(reasons: &[Reason]) -> String {
    let reasons: Vec<ReasonJson<'_>> = reasons.iter().map(ReasonJson::of).collect();
    serde_json::to_string(&reasons).expect("invariant: texts and numbers are always JSON")
}

impl<'a> ReasonJson<'a> {
    fn of(reason: &'a Reason) -> Self {
        Self {
            code: reason.code,
            feature: reason.feature,
            value: reason.value,
            contribution: reason.contribution,
            message: &reason.message,
        }
    }
}
