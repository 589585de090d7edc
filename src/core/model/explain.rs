//! Which features made a score: each replaced by its typical value, one at a time.
//!
//! Explanations that know a model's inside (tree paths, gradients) would differ from kind to kind.
//! The question an analyst asks is simpler and fits any model: how much lower would the score be if
//! this one thing were normal? All variants go through the model as one batch.

use super::error::ScoreError;
use super::scorer::Scorer;

/// Most contributions of one explanation.
pub const MAX_CONTRIBUTIONS: usize = 5;

/// Replaces `out` by the features of `row` that raise its `score` most, as feature index and drop
/// of the score if the feature had its value in `baseline`: positive, strongest first, ties in the
/// order of the features, at most [`MAX_CONTRIBUTIONS`]. `row` and `baseline` have the model's
/// width.
///
/// A variant without a score contributes nothing.
pub fn contributions(
    scorer: &mut Scorer,
    row: &[f32],
    score: f32,
    baseline: &[f32],
    out: &mut Vec<(usize, f32)>,
) -> Result<(), ScoreError> {
    out.clear();
    let width = scorer.width();
    if row.len() != width || baseline.len() != width {
        return Err(ScoreError::Shape { values: row.len().min(baseline.len()), width });
    }
    let mut variants = std::mem::take(&mut scorer.variants);
    let mut scores = std::mem::take(&mut scorer.variant_scores);
    let changed = || (0..width).filter(|&feature| row[feature] != baseline[feature]);
    variants.clear();
    for feature in changed() {
        let start = variants.len();
        variants.extend_from_slice(row);
        variants[start + feature] = baseline[feature];
    }
    let scored = scorer.score(&variants, &mut scores);
    let drops = changed().zip(&scores).map(|(feature, variant)| (feature, score - variant));
    out.extend(drops.filter(|&(_, drop)| drop > 0.0));
    out.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    out.truncate(MAX_CONTRIBUTIONS);
    (scorer.variants, scorer.variant_scores) = (variants, scores);
    match scored {
        Err(ScoreError::NoProbability { .. }) => Ok(()),
        other => other,
    }
}
