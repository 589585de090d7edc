//! Would records of this producer schema be read, and how? Field by field, for people.

use std::fmt;

use super::table::{LABEL, TRANSACTION, Table};
use super::{Reason, Rejected};

/// What a topic's records are read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// `schemas/transaction.avsc`.
    Transaction,
    /// `schemas/label.avsc`.
    Label,
}

impl Target {
    /// The reader's fields.
    pub(super) fn table(self) -> &'static Table {
        match self {
            Self::Transaction => &TRANSACTION,
            Self::Label => &LABEL,
        }
    }
}

/// What becomes of one of the reader's fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Read as it is.
    Same,
    /// Read from another type of the producer's, named here.
    Converted(String),
    /// Not sent; the reader's default, in JSON.
    Default(&'static str),
    /// Not sent, and there is no default: no record can be read.
    Missing,
    /// Sent with a type that does not resolve, as said here: no record can be read.
    Incompatible(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same => formatter.write_str("read"),
            Self::Converted(from) => write!(formatter, "read from {from}"),
            Self::Default(value) => write!(formatter, "not sent, {value} takes its place"),
            Self::Missing => formatter.write_str("missing, add it to the producer's schema"),
            Self::Incompatible(words) => write!(formatter, "incompatible, {words}"),
        }
    }
}

/// One line of a [`Report`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldReport {
    /// The reader's name of the field.
    pub field: &'static str,
    /// What becomes of it.
    pub outcome: Outcome,
}

/// What becomes of a producer's schema. Its `Display` is one line a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The full name of the producer's record.
    pub record: String,
    /// What it was held against.
    pub target: Target,
    /// The reader's fields in the reader's order.
    pub fields: Vec<FieldReport>,
    /// The producer's fields that nobody reads.
    pub ignored: Vec<String>,
}

impl Report {
    /// Whether records of this schema can be read at all.
    pub fn is_readable(&self) -> bool {
        self.verdict().is_ok()
    }

    /// The outcome of every record of a schema that cannot be read. A missing field gives the
    /// reason before a type that does not resolve; the message has them all.
    pub(super) fn verdict(&self) -> Result<(), Rejected> {
        let problems: Vec<String> = self
            .fields
            .iter()
            .filter(|line| matches!(line.outcome, Outcome::Missing | Outcome::Incompatible(_)))
            .map(|line| format!("{} is {}", line.field, line.outcome))
            .collect();
        if problems.is_empty() {
            return Ok(());
        }
        let missing = self.fields.iter().any(|line| line.outcome == Outcome::Missing);
        let reason = if missing { Reason::MissingField } else { Reason::UnknownSchema };
        let name = self.target.table().name;
        let message =
            format!("schema {} cannot be read as {name}: {}", self.record, problems.join("; "));
        Err(Rejected::new(reason, message))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for FieldReport { field, outcome } in &self.fields {
            writeln!(formatter, "{field}: {outcome}")?;
        }
        for field in &self.ignored {
            writeln!(formatter, "{field}: skipped")?;
        }
        Ok(())
    }
}
