//! A row set aside, and why: what no reader, scorer or writer may lose.
//!
//! The words are those of the stream's dead letters, so that one list of reasons serves both.

/// A row that could not be scored, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Counted from 1: the line in CSV and JSON Lines (a header is line 1), else the row.
    pub row: u64,
    /// A stable word: `malformed_row`, `missing_field`, `invalid_field` or `duplicate`.
    pub reason: &'static str,
    /// Column, value and what was expected.
    pub message: String,
    /// Where the row lies in its block, when its columns could be read at all.
    pub(super) place: Option<usize>,
}

/// Reason of rows that are not rows of their file.
pub(super) const MALFORMED_ROW: &str = "malformed_row";
/// Reason of rows without a required field.
pub(super) const MISSING_FIELD: &str = "missing_field";
/// Reason of rows with a value that no transaction can have.
pub(super) const INVALID_FIELD: &str = "invalid_field";
/// Reason of rows whose transaction_id was seen before.
pub(super) const DUPLICATE: &str = "duplicate";
