//! Why a record cannot be scored, as a value.
//!
//! An unreadable record is no failure of the process. It is counted by its reason and kept in the
//! dead-letter topic with a message, and the stream goes on.

use crate::core::transaction::InvalidField;

/// Why a record cannot be scored. The words are part of the stream's contract.
///
/// The variants stand in the order of the checks: the first that applies is the record's reason.
/// Within the datum (the three before the last) the first fault in the datum's own order counts,
/// and values are checked after the whole datum has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// A record without a value (a tombstone), or with an empty one.
    Empty,
    /// More bytes than [`crate::base::limits::MAX_RECORD_BYTES`]. A single text that is too long is
    /// an [`Reason::InvalidField`].
    TooLarge,
    /// Neither Confluent's header nor Avro's single-object header, or only a part of one.
    UnknownFraming,
    /// The header names a schema that nobody knows, or one that cannot be read as what the topic
    /// holds because a field has another type.
    UnknownSchema,
    /// A required field is missing in the producer's schema, or is null in the record. This goes
    /// before a field of another type in the same schema.
    MissingField,
    /// The bytes are not a datum of the schema that the header names: too short, too long, or not
    /// UTF-8.
    MalformedAvro,
    /// A well-formed value that no transaction can have.
    InvalidField,
    /// Decoded and remembered, but the model answers its features with no number from 0 to 1.
    NotScored,
}

impl Reason {
    /// All reasons, in the order of the checks.
    pub const ALL: [Self; 8] = [
        Self::Empty,
        Self::TooLarge,
        Self::UnknownFraming,
        Self::UnknownSchema,
        Self::MissingField,
        Self::MalformedAvro,
        Self::InvalidField,
        Self::NotScored,
    ];

    /// The stable word: the metric's label and the dead letter's `error.reason`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLarge => "too_large",
            Self::UnknownFraming => "unknown_framing",
            Self::UnknownSchema => "unknown_schema",
            Self::MissingField => "missing_field",
            Self::MalformedAvro => "malformed_avro",
            Self::InvalidField => "invalid_field",
            Self::NotScored => "not_scored",
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.word())
    }
}

/// A record that cannot be scored, with what a person needs to find out why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The reason that it is counted under.
    pub reason: Reason,
    /// For people: the field, what arrived, what was expected.
    pub message: String,
}

impl Rejected {
    /// A record rejected for `reason`.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

impl std::fmt::Display for Rejected {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.reason, self.message)
    }
}

impl From<InvalidField> for Rejected {
    fn from(error: InvalidField) -> Self {
        Self::new(Reason::InvalidField, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_stable() {
        let words: Vec<&str> = Reason::ALL.iter().map(|reason| reason.word()).collect();
        assert_eq!(
            words,
            [
                "empty",
                "too_large",
                "unknown_framing",
                "unknown_schema",
                "missing_field",
                "malformed_avro",
                "invalid_field",
                "not_scored"
            ]
        );
        assert!(Reason::ALL.is_sorted());
    }
}
