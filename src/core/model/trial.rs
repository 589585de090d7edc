//! The rows on which a model must prove itself before it scores a payment.
//!
//! Baseline and examples are usual rows, and usual rows hide what is wrong: a network overflows on
//! the largest payments only, the decision function of an isolation forest leaves 0..1 on anomalies
//! only. So a model also scores rows at the bounds of what its features can be: each feature alone,
//! all together, and mixes of both.
//!
//! A score outside 0..1 refuses the model. A row without a score refuses it if the row is usual; if
//! it is extreme, that is a warning, since such payments will be set aside unscored.

use std::ops::RangeInclusive;

use super::error::{LoadError, ScoreError};
use super::manifest::{Example, Manifest};
use super::meaning::Meaning;
use super::outline::Outline;
use super::scorer::{Scorer, is_probability};

/// How far an example's score may be off.
const EXAMPLE_TOLERANCE: f64 = 1e-4;

/// Sizes between the bounds of a feature: from small change to a fortune.
const SIZES: [f64; 8] = [0.0, 1.0, 100.0, 1e3, 1e4, 1e5, 1e6, 1e9];

/// Rows that mix usual with extreme values.
const MIXES: usize = 256;

/// Most kinds of rows that the warning names.
const MOST_NAMED: usize = 3;

/// What is known of a model that passed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Passed {
    /// Score of the baseline.
    pub baseline_score: f32,
    /// What does not speak against the model and should still be known, in words.
    pub warnings: Vec<String>,
}

/// Tries the model behind `scorer`; `bounds` has the lowest and the highest value of each feature.
pub(super) fn run(
    scorer: &mut Scorer,
    manifest: &Manifest,
    bounds: &[RangeInclusive<f64>],
    outline: &Outline,
) -> Result<Passed, LoadError> {
    let mut trial = Trial::new(scorer);
    let baseline_score = trial.usual("the baseline", &manifest.baseline)?;
    let mut wrong = None;
    for (index, &Example { ref row, score: expected }) in manifest.examples.iter().enumerate() {
        let got = trial.usual(&format!("example {index}"), row)?;
        if (f64::from(got) - expected).abs() > EXAMPLE_TOLERANCE {
            wrong = wrong.or(Some(LoadError::Example { index, expected, got }));
        }
    }
    trial.each_alone(manifest, bounds)?;
    trial.all_together(bounds)?;
    trial.mixes(&manifest.baseline, bounds)?;
    // What an output means is clearer from all rows than from the first that is wrong.
    if let Some((row, score)) = trial.outside {
        let meaning = Meaning::of(&trial.scores, outline);
        return Err(LoadError::Range { row, score, meaning });
    }
    match wrong {
        Some(error) => Err(error),
        None => {
            let warnings = trial.warning().into_iter().collect();
            Ok(Passed { baseline_score: baseline_score.clamp(0.0, 1.0), warnings })
        }
    }
}

/// A trial while it goes on. Owns what was found so far, borrows the scorer.
struct Trial<'a> {
    scorer: &'a mut Scorer,
    /// Every score so far, as the model gives it.
    scores: Vec<f32>,
    /// The first row whose score is outside 0..1.
    outside: Option<(String, f32)>,
    /// Kinds of extreme rows that get no score, in words.
    unscored: Vec<String>,
}

impl<'a> Trial<'a> {
    fn new(scorer: &'a mut Scorer) -> Self {
        Self { scorer, scores: Vec::new(), outside: None, unscored: Vec::new() }
    }

    /// The score of a row, NaN for none.
    fn score(&mut self, row: &[f32], name: impl Fn() -> String) -> Result<f32, LoadError> {
        let mut scores = Vec::new();
        let failed = |error: ScoreError| LoadError::Graph { reason: error.to_string() };
        self.scorer.score_raw(row, &mut scores).map_err(failed)?;
        let score = scores.first().copied().unwrap_or(f32::NAN);
        self.scores.push(score);
        if !score.is_nan() && !is_probability(score) && self.outside.is_none() {
            self.outside = Some((name(), score));
        }
        Ok(score)
    }

    /// A row that every model must score.
    fn usual(&mut self, name: &str, row: &[f32]) -> Result<f32, LoadError> {
        let score = self.score(row, || name.to_owned())?;
        match score.is_nan() {
            true => Err(LoadError::NoNumber { row: name.to_owned() }),
            false => Ok(score),
        }
    }

    /// Each feature through its range, all else as in the baseline.
    fn each_alone(
        &mut self,
        manifest: &Manifest,
        bounds: &[RangeInclusive<f64>],
    ) -> Result<(), LoadError> {
        let mut row = manifest.baseline.clone();
        for (at, (feature, bounds)) in manifest.features.iter().zip(bounds).enumerate() {
            let usual = row[at];
            let mut first_unscored = None;
            for value in values(bounds) {
                row[at] = value;
                let score = self.score(&row, || format!("a row with `{feature}` at {value}"))?;
                if score.is_nan() {
                    first_unscored = first_unscored.or(Some(value));
                }
            }
            let named = |value| format!("`{feature}` at {value}");
            self.unscored.extend(first_unscored.map(named));
            row[at] = usual;
        }
        Ok(())
    }

    /// All features at a bound or at zero.
    fn all_together(&mut self, bounds: &[RangeInclusive<f64>]) -> Result<(), LoadError> {
        let row = |value: fn(&RangeInclusive<f64>) -> f64| -> Vec<f32> {
            bounds.iter().map(|bounds| value(bounds) as f32).collect()
        };
        for (name, row) in [
            ("all features at zero", row(|_| 0.0)),
            ("all features at their lowest", row(|bounds| *bounds.start())),
            ("all features at their highest", row(|bounds| *bounds.end())),
        ] {
            if self.score(&row, || format!("a row with {name}"))?.is_nan() {
                self.unscored.push(name.to_owned());
            }
        }
        Ok(())
    }

    /// Rows of usual and extreme values, the same ones each time.
    fn mixes(&mut self, baseline: &[f32], bounds: &[RangeInclusive<f64>]) -> Result<(), LoadError> {
        let values: Vec<Vec<f32>> = bounds.iter().map(values).collect();
        let mut unscored = 0;
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut below = |limit: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random >> 33) as usize % limit
        };
        for _ in 0..MIXES {
            let mixed = baseline.iter().zip(&values).map(|(&usual, values)| match below(2) {
                0 => usual,
                _ => values[below(values.len())],
            });
            let row: Vec<f32> = mixed.collect();
            let score = self.score(&row, || "a row of usual and extreme values".to_owned())?;
            unscored += usize::from(score.is_nan());
        }
        if unscored > 0 {
            self.unscored.push(format!("{unscored} of {MIXES} mixes of usual and extreme values"));
        }
        Ok(())
    }

    fn warning(&self) -> Option<String> {
        let named = self.unscored.iter().take(MOST_NAMED).cloned().collect::<Vec<_>>().join(", ");
        let more = match self.unscored.len().saturating_sub(MOST_NAMED) {
            0 => String::new(),
            more => format!(" and {more} other kinds of extreme rows"),
        };
        (!self.unscored.is_empty()).then(|| {
            format!("the model gives no score for {named}{more}: such payments are set aside")
        })
    }
}

/// Values of a feature from its lowest to its highest, nearest to zero first.
fn values(bounds: &RangeInclusive<f64>) -> Vec<f32> {
    let sizes = SIZES.into_iter().flat_map(|size| [size, -size]).filter(|x| bounds.contains(x));
    let mut values: Vec<f32> =
        sizes.chain([*bounds.start(), *bounds.end()]).map(|x| x as f32).collect();
    values.sort_by(|a, b| a.abs().total_cmp(&b.abs()).then(a.total_cmp(b)));
    values.dedup();
    values
}
