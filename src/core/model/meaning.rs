//! What an output that is no probability seems to be, and how to export the model right.

use std::fmt;

use super::outline::Outline;

/// What a model's output seems to be. A guess from its values and its graph: what was meant is not
/// in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// The decision function of an anomaly detector: below 0 for anomalies.
    AnomalyDecision,
    /// -1 and 1: the label of an anomaly detector.
    AnomalyLabel,
    /// 0 to 100.
    Percentage,
    /// The logarithm of a probability.
    LogProbability,
    /// What a regressor makes of labels 0 and 1.
    Estimate,
    /// A logit or margin.
    Margin,
}

/// An isolation forest's decision function is the mean of two shares, less an offset.
const DECISION: std::ops::RangeInclusive<f32> = -1.0..=1.0;

/// How far a regressor on labels 0 and 1 strays.
const ESTIMATE: std::ops::RangeInclusive<f32> = -0.5..=1.5;

impl Meaning {
    /// What `scores`, some of which are outside 0..1, seem to be; a NaN among them says nothing.
    pub(super) fn of(scores: impl Iterator<Item = f32> + Clone, outline: &Outline) -> Self {
        let lowest = scores.clone().fold(f32::INFINITY, f32::min);
        let highest = scores.clone().fold(f32::NEG_INFINITY, f32::max);
        if scores.into_iter().all(|score| score.is_nan() || score.abs() == 1.0) {
            return Self::AnomalyLabel;
        }
        // skl2onnx calls the output of anomaly detectors `scores`.
        let is_decision = outline.output == "scores" || highest < 0.6;
        match (lowest, highest) {
            _ if is_decision && DECISION.contains(&lowest) && DECISION.contains(&highest) => {
                Self::AnomalyDecision
            }
            _ if ESTIMATE.contains(&lowest) && ESTIMATE.contains(&highest) => Self::Estimate,
            (lowest, highest) if lowest >= 0.0 && highest <= 100.01 => Self::Percentage,
            (_, highest) if highest <= 0.0 => Self::LogProbability,
            _ => Self::Margin,
        }
    }
}

impl fmt::Display for Meaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AnomalyDecision => {
                "the decision function of an anomaly detector such as an isolation forest, which \
                 is below 0 for anomalies: append a node that computes 0.5 - output, so that \
                 anomalies are near 1"
            }
            Self::AnomalyLabel => {
                "the label of an anomaly detector: export its decision function and append a node \
                 that computes 0.5 - output"
            }
            Self::Percentage => "a percentage: append a node that divides it by 100",
            Self::LogProbability => {
                "the logarithm of a probability: append an Exp node, or export probabilities"
            }
            Self::Estimate => {
                "the estimate of a regressor: train a classifier and export its probabilities, or \
                 append a Clip node from 0 to 1"
            }
            Self::Margin => {
                "a raw margin (logit, decision function) or the estimate of a linear regression: \
                 export probabilities (scikit-learn: LogisticRegression; LightGBM: objective \
                 binary; XGBoost: binary:logistic; PyTorch, Keras: a Sigmoid as last layer)"
            }
        })
    }
}
