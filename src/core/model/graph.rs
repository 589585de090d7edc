//! Any other graph (networks, pipelines), planned and run by tract.
//!
//! tract plans for one shape and picks its matrix kernels by it, so a row could come out
//! differently in the last bit depending on how many rows come along. Rows therefore always go
//! through in blocks of the same size; the last block is filled up with copies.
//!
//! Missing values are another trap: kernels of tract may turn a NaN into a number. A graph without
//! a step that knows missing values gives a row that has one no score.
//!
//! And a graph may fail on the values of a row: an index that is out of range, a sort of what has
//! no order. Only that row goes without a score then.

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::DimLike;

use super::error::LoadError;
use super::guard::guarded;
use super::operators::framework;
use super::outline::Outline;

/// Rows in a block.
const BLOCK: usize = 16;

/// Operators that know what to do with a missing value.
const KNOW_MISSING: [&str; 4] =
    ["Imputer", "IsNaN", "TreeEnsembleClassifier", "TreeEnsembleRegressor"];

/// A planned graph for one width.
#[derive(Debug)]
pub(super) struct Graph {
    plan: Arc<TypedRunnableModel>,
    width: usize,
    columns: usize,
    knows_missing: bool,
}

impl Graph {
    /// Plans `outline` for rows of `width` features.
    pub fn of(outline: &Outline, width: usize) -> Result<Self, LoadError> {
        let failed = |reason: String| LoadError::Graph { reason };
        match guarded(|| plan(outline, width)) {
            None => Err(failed("its nodes do not fit together".to_owned())),
            Some(Err(error)) => Err(failed(one_line(&error))),
            Some(Ok(plan)) => {
                let columns = score_columns(&plan)?;
                let operators = outline.operators();
                let knows_missing = operators.iter().any(|o| KNOW_MISSING.contains(&o.as_str()));
                Ok(Self { plan, width, columns, knows_missing })
            }
        }
    }

    /// Scores of `rows`, appended to `scores`: NaN for rows on which the graph fails. Returns why
    /// it failed on the first of them.
    pub fn score(&self, rows: &[f32], scores: &mut Vec<f32>) -> Option<String> {
        let mut first = None;
        for block in rows.chunks(BLOCK * self.width) {
            let scored = scores.len();
            if self.tried(block, scores).is_ok() {
                continue;
            }
            scores.truncate(scored);
            for row in block.chunks_exact(self.width) {
                if let Err(reason) = self.tried(row, scores) {
                    scores.push(f32::NAN);
                    first = first.or(Some(reason));
                }
            }
        }
        first
    }

    /// Up to a block of rows; on failure what tract said.
    fn tried(&self, rows: &[f32], scores: &mut Vec<f32>) -> Result<(), String> {
        match guarded(|| self.block(rows, scores)) {
            Some(done) => done.map_err(|error| one_line(&error)),
            None => Err("a node failed on these values".to_owned()),
        }
    }

    fn block(&self, rows: &[f32], scores: &mut Vec<f32>) -> TractResult<()> {
        let filled = rows.len() / self.width;
        let first = rows.iter().take(self.width).copied();
        let copies = first.cycle().take((BLOCK - filled) * self.width);
        let values: Vec<f32> = rows.iter().copied().chain(copies).collect();
        let input = Tensor::from_shape(&[BLOCK, self.width], &values)?;
        let outputs = self.plan.run(tvec!(input.into()))?;
        let view = outputs[0].try_as_plain_ram()?;
        let outputs = view.as_slice::<f32>()?.chunks_exact(self.columns);
        for (row, output) in rows.chunks_exact(self.width).zip(outputs) {
            let has_score = self.knows_missing || !row.iter().any(|x| x.is_nan());
            scores.push(if has_score { output[self.columns - 1] } else { f32::NAN });
        }
        Ok(())
    }
}

/// What tract said, without its line breaks.
fn one_line(error: &TractError) -> String {
    format!("{error:#}").replace('\n', " ")
}

fn plan(outline: &Outline, width: usize) -> TractResult<Arc<TypedRunnableModel>> {
    framework()
        .model_for_proto_model(&outline.proto)?
        .with_input_fact(0, f32::fact([BLOCK, width]).into())?
        .into_optimized()?
        .into_runnable()
}

/// How many columns a score has: two for [N, 2], one for [N, 1] and [N].
fn score_columns(plan: &TypedRunnableModel) -> Result<usize, LoadError> {
    let refuse = |found: String| Err(LoadError::Output { found });
    let Ok(fact) = plan.model().output_fact(0) else {
        return refuse("the graph has no output".to_owned());
    };
    if fact.datum_type != f32::datum_type() {
        return refuse(format!("the output is of type {:?}, not float32", fact.datum_type));
    }
    let shape: Option<Vec<usize>> = fact.shape.iter().map(|dim| dim.to_usize().ok()).collect();
    match shape.as_deref() {
        Some([BLOCK]) | Some([BLOCK, 1]) => Ok(1),
        Some([BLOCK, 2]) => Ok(2),
        Some(shape) => refuse(format!("for {BLOCK} rows the output is of shape {shape:?}")),
        None => refuse(format!("the output's shape {:?} does not follow the rows", fact.shape)),
    }
}
