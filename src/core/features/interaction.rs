//! Bounded combinations of other features. None uses a model's output or a label of the transaction
//! itself.

use super::anomalies::HIGH_SEVERITY;
use super::catalog::FeatureId as F;
use super::row::{Moment, Row, flag};

/// So many transactions within an hour count as full haste.
const FULL_HASTE: f64 = 10.0;

/// So many kilometres from home count as full distance.
const FULL_DISTANCE_KM: f64 = 1_000.0;

/// Reads the velocity, geographic, temporal, behavioural, network and anomaly groups from `row`.
#[inline]
pub(super) fn interaction(moment: &Moment<'_>, row: &mut Row) {
    let severity = row[F::CurrentSeverity];
    let haste = (row[F::TxnFrequency1h] / FULL_HASTE).min(1.0);
    let proximity = row[F::CustomerProximityScore];
    let new_merchant = row[F::NewMerchantFlag];
    let is_hasty = row[F::TxnFrequency1h] >= 3.0 || new_merchant > 0.0;
    row[F::HighRiskCombination] = flag(severity >= HIGH_SEVERITY && is_hasty);
    row[F::RiskAmplificationScore] = severity * (1.0 + haste) / 2.0;
    let silent = moment.observation.verdict.severities.iter().map(|s| 1.0 - s).product::<f64>();
    row[F::CompoundSeverityScore] = 1.0 - silent;
    let oddities = new_merchant + row[F::HasUnusualCategory] + row[F::HasUnusualHour];
    row[F::BehavioralConsistencyScore] = 1.0 - oddities / 3.0;
    let fraud_like = fraud_like(row);
    row[F::PatternAlignmentScore] = 1.0 - (fraud_like - severity).abs();
    row[F::ConflictIndicator] = flag((fraud_like >= 0.5) != (severity >= 0.5));
    row[F::VelocitySeverityProduct] = haste * severity;
    let distance = (row[F::DistanceFromHome] / FULL_DISTANCE_KM).min(1.0);
    row[F::GeographicRiskScore] = distance * row[F::GeographicAnomalyRate];
    row[F::WeightedRiskScore] = 0.3 * severity
        + 0.2 * haste
        + 0.15 * new_merchant
        + 0.15 * proximity
        + 0.1 * row[F::IsUnusualHour]
        + 0.1 * row[F::DeclinedRate7d];
    row[F::EnsembleFraudProbability] =
        1.0 - (1.0 - fraud_like) * (1.0 - severity) * (1.0 - proximity);
}

/// How much a transaction looks like fraud without being compared with the customer's habits.
fn fraud_like(row: &Row) -> f64 {
    let haste = ((row[F::TxnFrequency1h] - 1.0) / 9.0).min(1.0);
    let signals = haste
        + row[F::NewMerchantFlag]
        + row[F::DeclinedRate7d]
        + row[F::CustomerProximityScore]
        + row[F::IsUnusualHour];
    signals / 5.0
}
