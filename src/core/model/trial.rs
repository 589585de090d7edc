//! The rows on which a model must prove itself before it scores a payment.
//!
//! Baseline and examples are usual rows, and usual rows hide what is wrong: a network overflows on
//! the largest payments only, the decision function of an isolation forest leaves 0..1 on anomalies
//! only. So a model also scores rows at the bounds of what its features can be: each feature alone,
//! all together, and mixes of both.
//!
//! A score outside 0..1 refuses the model. A row without a score refuses it if the row is usual; if
//! it is extreme, that is a warning, since such payments will be set aside unscored.

use std::fmt;
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
    let mut tried = usual_rows(manifest);
    for row in &mut tried {
        row.score = usual_score(scorer, row)?;
    }
    let mut extreme = extreme_rows(manifest, bounds);
    score_all(scorer, &mut extreme)?;
    let warnings = warning(&extreme).into_iter().collect();
    tried.append(&mut extreme);
    if let Some(row) = tried.iter().find(|row| !row.score.is_nan() && !is_probability(row.score)) {
        // What the output means shows in all scores, not in the first that is wrong.
        let meaning = Meaning::of(tried.iter().map(|row| row.score), outline);
        return Err(LoadError::Range { row: row.kind.to_string(), score: row.score, meaning });
    }
    check_examples(&manifest.examples, &tried)?;
    Ok(Passed { baseline_score: tried[0].score.clamp(0.0, 1.0), warnings })
}

/// A row of the trial.
struct Row<'a> {
    kind: Kind<'a>,
    values: Vec<f32>,
    /// As the model gives it; NaN for none or an infinite one.
    score: f32,
}

/// What a row is there for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind<'a> {
    /// Each feature at its typical value.
    Baseline,
    /// The manifest's example of this index.
    Example(usize),
    /// The baseline with one feature at another value.
    Alone { feature: &'a str, value: f32 },
    /// All features at zero or at a bound.
    Together(&'static str),
    /// Usual and extreme values.
    Mixed,
}

impl fmt::Display for Kind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Baseline => f.write_str("the baseline"),
            Self::Example(index) => write!(f, "example {index}"),
            Self::Alone { feature, value } => write!(f, "a row with `{feature}` at {value}"),
            Self::Together(name) => write!(f, "a row with {name}"),
            Self::Mixed => f.write_str("a row of usual and extreme values"),
        }
    }
}

impl<'a> Row<'a> {
    fn new(kind: Kind<'a>, values: Vec<f32>) -> Self {
        Self { kind, values, score: f32::NAN }
    }
}

/// The baseline, then the examples.
fn usual_rows(manifest: &Manifest) -> Vec<Row<'_>> {
    let examples = manifest.examples.iter().enumerate();
    let examples = examples.map(|(at, example)| Row::new(Kind::Example(at), example.row.clone()));
    std::iter::once(Row::new(Kind::Baseline, manifest.baseline.clone())).chain(examples).collect()
}

fn extreme_rows<'a>(manifest: &'a Manifest, bounds: &[RangeInclusive<f64>]) -> Vec<Row<'a>> {
    let baseline = &manifest.baseline;
    let choices: Vec<Vec<f32>> = bounds.iter().map(values).collect();
    let mut rows = Vec::new();
    for (at, (feature, choices)) in manifest.features.iter().zip(&choices).enumerate() {
        for &value in choices {
            let mut row = baseline.clone();
            row[at] = value;
            rows.push(Row::new(Kind::Alone { feature, value }, row));
        }
    }
    let together = |value: fn(&RangeInclusive<f64>) -> f64| -> Vec<f32> {
        bounds.iter().map(|bounds| value(bounds) as f32).collect()
    };
    for (name, row) in [
        ("all features at zero", together(|_| 0.0)),
        ("all features at their lowest", together(|bounds| *bounds.start())),
        ("all features at their highest", together(|bounds| *bounds.end())),
    ] {
        rows.push(Row::new(Kind::Together(name), row));
    }
    rows.extend(mixes(baseline, &choices).map(|row| Row::new(Kind::Mixed, row)));
    rows
}

/// Values of a feature from its lowest to its highest, nearest to zero first.
fn values(bounds: &RangeInclusive<f64>) -> Vec<f32> {
    let sizes = SIZES.into_iter().flat_map(|size| [size, -size]).filter(|x| bounds.contains(x));
    let all = sizes.chain([*bounds.start(), *bounds.end()]);
    let mut values: Vec<f32> = all.map(|x| x as f32).collect();
    values.sort_by(|a, b| a.abs().total_cmp(&b.abs()).then(a.total_cmp(b)));
    values.dedup();
    values
}

/// Rows of usual and extreme values, the same ones each time.
fn mixes(baseline: &[f32], choices: &[Vec<f32>]) -> impl Iterator<Item = Vec<f32>> {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = move |limit: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 33) as usize % limit
    };
    (0..MIXES).map(move |_| {
        let mixed = baseline.iter().zip(choices).map(|(&usual, choices)| match below(2) {
            0 => usual,
            _ => choices[below(choices.len())],
        });
        mixed.collect()
    })
}

/// The score of a row that every model must score.
fn usual_score(scorer: &mut Scorer, row: &Row<'_>) -> Result<f32, LoadError> {
    let (mut scores, name) = (Vec::new(), row.kind);
    let failure = scorer.score_raw(&row.values, &mut scores).map_err(graph)?;
    match (scores[0].is_finite(), failure) {
        (true, _) => Ok(scores[0]),
        (false, Some(failure)) => Err(LoadError::Graph { reason: format!("{name}: {failure}") }),
        (false, None) => Err(LoadError::NoNumber { row: name.to_string() }),
    }
}

fn score_all(scorer: &mut Scorer, rows: &mut [Row<'_>]) -> Result<(), LoadError> {
    let values: Vec<f32> = rows.iter().flat_map(|row| row.values.iter().copied()).collect();
    let mut scores = Vec::new();
    scorer.score_raw(&values, &mut scores).map_err(graph)?;
    for (row, score) in rows.iter_mut().zip(scores) {
        row.score = if score.is_finite() { score } else { f32::NAN };
    }
    Ok(())
}

fn graph(error: ScoreError) -> LoadError {
    LoadError::Graph { reason: error.to_string() }
}

/// Which kinds of extreme rows get no score: of each feature the value nearest to zero.
fn warning(rows: &[Row<'_>]) -> Option<String> {
    let (mut kinds, mut mixed, mut last) = (Vec::new(), 0, None);
    for row in rows.iter().filter(|row| row.score.is_nan()) {
        match row.kind {
            Kind::Alone { feature, .. } if last == Some(feature) => {}
            Kind::Alone { feature, value } => {
                kinds.push(format!("`{feature}` at {value}"));
                last = Some(feature);
            }
            Kind::Together(name) => kinds.push(name.to_owned()),
            _ => mixed += 1,
        }
    }
    if mixed > 0 {
        kinds.push(format!("{mixed} of {MIXES} mixes of usual and extreme values"));
    }
    let more = match kinds.len().saturating_sub(MOST_NAMED) {
        0 => String::new(),
        more => format!(" and {more} other kinds of extreme rows"),
    };
    kinds.truncate(MOST_NAMED);
    (!kinds.is_empty()).then(|| {
        let named = kinds.join(", ");
        format!("the model gives no score for {named}{more}: such payments are set aside")
    })
}

/// The usual rows of `tried` begin with the baseline.
fn check_examples(examples: &[Example], tried: &[Row<'_>]) -> Result<(), LoadError> {
    for (index, (example, row)) in examples.iter().zip(&tried[1..]).enumerate() {
        let (expected, got) = (example.score, row.score);
        if (f64::from(got) - expected).abs() > EXAMPLE_TOLERANCE {
            return Err(LoadError::Example { index, expected, got });
        }
    }
    Ok(())
}
