//! Scores of rows, one scorer a thread.
//!
//! A [`Scorer`] owns the buffers of an evaluation and shares the model. A lone tree ensemble runs
//! directly, without tract and without allocation; everything else runs as a graph.

use std::sync::Arc;

use super::error::ScoreError;
use super::graph::Graph;
use super::trees::{Ensemble, Scratch};

/// How far a score may lie outside 0..1: sums of float32 probabilities end up to this far outside.
const RANGE_TOLERANCE: f32 = 1e-4;

/// Whether a score is a probability but for rounding.
pub(super) fn is_probability(score: f32) -> bool {
    (-RANGE_TOLERANCE..=1.0 + RANGE_TOLERANCE).contains(&score)
}

/// How a model is run.
#[derive(Debug)]
pub(super) enum Runner {
    /// The whole graph is one tree ensemble; its last class is the score.
    Trees(Box<Ensemble>),
    /// Anything else.
    Graph(Graph),
}

/// Scores rows with one model. Make one for each thread: it is cheap, `Send`, and holds the model
/// alive.
#[derive(Debug)]
pub struct Scorer {
    runner: Arc<Runner>,
    /// Name and version, for errors.
    model: Arc<str>,
    width: usize,
    scratch: Scratch,
    /// Rows and scores of an explanation, see [`super::explain`].
    pub(super) variants: Vec<f32>,
    pub(super) variant_scores: Vec<f32>,
}

impl Scorer {
    pub(super) fn new(runner: Arc<Runner>, model: Arc<str>, width: usize) -> Self {
        let (variants, variant_scores) = (Vec::new(), Vec::new());
        Self { runner, model, width, scratch: Scratch::default(), variants, variant_scores }
    }

    /// Features of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Replaces `scores` by the scores of `rows` (row-major), each from 0 to 1. A row's score is
    /// the same to the bit whatever other rows are in the batch. A NaN in a row is a missing value.
    ///
    /// On [`ScoreError::NoProbability`] all scores are there, the bad ones as NaN; on
    /// [`ScoreError::Shape`] none.
    pub fn score(&mut self, rows: &[f32], scores: &mut Vec<f32>) -> Result<(), ScoreError> {
        self.score_raw(rows, scores)?;
        let mut bad = (0, None);
        for (row, score) in scores.iter_mut().enumerate() {
            // -0 + 0 is 0.
            *score = if is_probability(*score) { score.clamp(0.0, 1.0) + 0.0 } else { f32::NAN };
            if score.is_nan() {
                bad = (bad.0 + 1, bad.1.or(Some(row)));
            }
        }
        match bad {
            (count, Some(row)) => {
                Err(ScoreError::NoProbability { model: self.model.to_string(), row, count })
            }
            (_, None) => Ok(()),
        }
    }

    /// The scores as the model gives them, unchecked, and why it failed on the first row that has
    /// none because of that.
    pub(super) fn score_raw(
        &mut self,
        rows: &[f32],
        scores: &mut Vec<f32>,
    ) -> Result<Option<String>, ScoreError> {
        scores.clear();
        if !rows.len().is_multiple_of(self.width) {
            return Err(ScoreError::Shape { values: rows.len(), width: self.width });
        }
        match &*self.runner {
            Runner::Trees(ensemble) => {
                scores.reserve(rows.len() / self.width);
                ensemble.evaluate(&mut self.scratch, rows, self.width, |_, row| {
                    scores.push(row[row.len() - 1]);
                });
                Ok(None)
            }
            Runner::Graph(graph) => Ok(graph.score(rows, scores)),
        }
    }
}
