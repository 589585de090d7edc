//! From a score to what to do about it: severity, recommendation, reasons, the alert.
//!
//! A score below the threshold raises no alert. From the threshold to 1, four equal steps are the
//! severities; the recommendation follows from the severity.

use uuid::Uuid;

use crate::core::transaction::Transaction;

/// How far a score lies above the threshold, in quarters of the distance from the threshold to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The first quarter, from the threshold on.
    Low,
    /// The second quarter.
    Medium,
    /// The third quarter.
    High,
    /// The last quarter.
    Critical,
}

impl Severity {
    /// All of them, weakest first, in the order of the Avro enum.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The severity of a score in 0..1 against a threshold in 0..1; `None` below the threshold.
    pub fn of(score: f64, threshold: f64) -> Option<Self> {
        if score < threshold {
            return None;
        }
        let way = (1.0 - threshold) / 4.0;
        let above = score - threshold;
        Some(if above >= 3.0 * way {
            Self::Critical
        } else if above >= 2.0 * way {
            Self::High
        } else if above >= way {
            Self::Medium
        } else {
            Self::Low
        })
    }

    /// The schema's symbol: LOW, MEDIUM, HIGH or CRITICAL.
    pub fn symbol(self) -> &'static str {
        ["LOW", "MEDIUM", "HIGH", "CRITICAL"][self as usize]
    }

    /// What to do about a transaction of this severity.
    pub fn recommendation(self) -> Recommendation {
        match self {
            Self::Low => Recommendation::Flag,
            Self::Medium | Self::High => Recommendation::Review,
            Self::Critical => Recommendation::Block,
        }
    }
}

/// What to do about an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Recommendation {
    /// Let it pass and mark it.
    Flag,
    /// Have an analyst look at it.
    Review,
    /// Stop it.
    Block,
}

impl Recommendation {
    /// The schema's symbol: FLAG, REVIEW or BLOCK.
    pub fn symbol(self) -> &'static str {
        ["FLAG", "REVIEW", "BLOCK"][self as usize]
    }
}

/// One of the features that raised a score the most.
#[derive(Debug, Clone, PartialEq)]
pub struct Reason {
    /// Stable and machine-readable, for example `VELOCITY_1H`.
    pub code: &'static str,
    /// The catalogue's name of the feature.
    pub feature: &'static str,
    /// The feature's value at scoring.
    pub value: f64,
    /// How much the score drops if this feature takes its typical value; positive.
    pub contribution: f64,
    /// One sentence for an analyst.
    pub message: String,
}

/// What is published about a suspicious transaction: field for field the schema `Alert`.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert<'a> {
    /// The transaction it is about.
    pub transaction: Transaction<'a>,
    /// Milliseconds since the epoch at which it was scored.
    pub scored_at: i64,
    /// Fraud probability, 0 to 1.
    pub score: f64,
    /// The threshold of the model: scores from it on raise an alert.
    pub threshold: f64,
    /// How far the score lies above the threshold.
    pub severity: Severity,
    /// The model that scored it.
    pub model_name: &'a str,
    /// Its version.
    pub model_version: &'a str,
    /// The strongest reasons first, at most five.
    pub reasons: &'a [Reason],
    /// Names of the rules that fired.
    pub rules: &'a [String],
    /// The Kafka partition the transaction came from; -1 outside Kafka.
    pub source_partition: i32,
    /// The Kafka offset the transaction came from; -1 outside Kafka.
    pub source_offset: i64,
}

/// The alert id of a transaction: UUIDv5 (RFC 9562) of its id in the standard OID namespace, so the
/// same transaction always yields the same id and anyone can compute it.
pub fn alert_id(transaction_id: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, transaction_id.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severity_rises_by_quarters_of_the_way_to_one() {
        let cases = [
            (0.59, None),
            (0.6, Some(Severity::Low)),
            (0.699, Some(Severity::Low)),
            (0.7001, Some(Severity::Medium)),
            (0.8001, Some(Severity::High)),
            (0.9001, Some(Severity::Critical)),
            (1.0, Some(Severity::Critical)),
        ];
        for (score, severity) in cases {
            assert_eq!(Severity::of(score, 0.6), severity, "{score}");
        }
        assert_eq!(Severity::of(1.0, 1.0), Some(Severity::Critical));
    }

    #[test]
    fn alert_ids_are_stable() {
        // Python: uuid.uuid5(uuid.NAMESPACE_OID, "t-1")
        assert_eq!(alert_id("t-1").to_string(), "e8050412-103a-5718-af2a-3dbe3f120c8e");
    }
}
