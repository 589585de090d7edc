//! The tree ensemble operators of ONNX, fast and equal to onnxruntime.
//!
//! Gradient boosting is what fraud models are made of, and in ONNX a boosted model is one
//! TreeEnsemble node. tract's own operator finds a leaf in time linear in the number of leaves;
//! this one replaces it. The way through the module is the way of a file:
//!
//! 1. [`attributes`]: the node's lists as they stand,
//! 2. [`validate`]: a forest that needs no further check, tree by tree from [`build`],
//! 3. [`masks`] for trees of up to 64 leaves, [`walk`] for everything else: a row's votes,
//! 4. [`transform`]: from votes to scores, as onnxruntime does it,
//! 5. [`op`]: all of this as an operator of tract.
//!
//! Both evaluations sum the trees in the file's order in the input's float type, so a row's score
//! is the same to the bit whichever runs and whatever else is in the batch.

pub mod attributes;
mod build;
pub mod error;
mod mask_layout;
pub mod masks;
mod numbers;
pub mod op;
pub mod real;
#[cfg(test)]
mod tests;
pub mod transform;
pub mod validate;
pub mod walk;
pub mod word;

use attributes::Attributes;
use error::TreeError;
use mask_layout::Masks;
use masks::{Blackboard, WIDE};
use transform::{Finish, Tally};
use validate::{Forest, Node};
use walk::Walk;

/// A rest of up to this many rows goes one by one: so few do not pay for sixteen lanes.
const SINGLES: usize = 3;

/// How an ensemble is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evaluation {
    /// Bit masks of 32 leaves a tree.
    Masks32,
    /// Bit masks of 64 leaves a tree.
    Masks64,
    /// Node by node.
    Walk,
}

/// How big an ensemble is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Trees.
    pub trees: usize,
    /// Leaves of all trees.
    pub leaves: usize,
    /// Leaves of the largest tree.
    pub most_leaves: usize,
}

/// An ensemble over `f32` inputs, ready to evaluate.
#[derive(Debug, Clone, PartialEq)]
pub struct Ensemble {
    finish: Finish<f32>,
    plan: Plan,
    classes: usize,
    size: Size,
}

#[derive(Debug, Clone, PartialEq)]
enum Plan {
    Masks32(Masks<u32>),
    Masks64(Masks<u64>),
    Walk(Walk<f32>),
}

/// Working memory of an evaluation, reused from call to call.
#[derive(Debug, Clone, Default)]
pub struct Scratch {
    words32: Blackboard<u32>,
    words64: Blackboard<u64>,
    tallies: Vec<Tally<f32>>,
    scores: Vec<f32>,
}

impl Ensemble {
    /// The ensemble that `attributes` describe, for rows of `width` columns.
    pub fn of(attributes: &Attributes, width: usize) -> Result<Self, TreeError> {
        let forest = Forest::of(attributes, width)?;
        let plan = if let Some(masks) = Masks::of(&forest) {
            Plan::Masks32(masks)
        } else if let Some(masks) = Masks::of(&forest) {
            Plan::Masks64(masks)
        } else {
            Plan::Walk(Walk::of(&forest))
        };
        Self::with_plan(attributes, &forest, plan)
    }

    fn with_plan(a: &Attributes, forest: &Forest<f32>, plan: Plan) -> Result<Self, TreeError> {
        let finish = Finish::of(a, forest)?;
        Ok(Self { finish, plan, classes: forest.classes, size: size(forest) })
    }

    /// Classes or targets: how many scores a row has.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// How big it is.
    pub fn size(&self) -> Size {
        self.size
    }

    /// How it is evaluated.
    pub fn evaluation(&self) -> Evaluation {
        match self.plan {
            Plan::Masks32(_) => Evaluation::Masks32,
            Plan::Masks64(_) => Evaluation::Masks64,
            Plan::Walk(_) => Evaluation::Walk,
        }
    }

    /// Evaluates `rows` (row-major, `width` columns, as many as at [`Ensemble::of`]); `take` gets
    /// each row's label index and scores, in order.
    pub fn evaluate(
        &self,
        scratch: &mut Scratch,
        rows: &[f32],
        width: usize,
        take: impl FnMut(usize, &[f32]),
    ) {
        let Scratch { words32, words64, tallies, scores } = scratch;
        tallies.resize(self.classes, Tally::EMPTY);
        scores.resize(self.classes, 0.0);
        let mut taker = Taker { finish: &self.finish, scores, take };
        match &self.plan {
            Plan::Masks32(masks) => masked(masks, words32, (rows, width), tallies, &mut taker),
            Plan::Masks64(masks) => masked(masks, words64, (rows, width), tallies, &mut taker),
            Plan::Walk(walk) => {
                for row in rows.chunks_exact(width) {
                    walk.row(self.finish.aggregate, row, tallies);
                    taker.row(tallies);
                }
            }
        }
    }
}

/// Finishes a row and hands it on.
struct Taker<'a, F> {
    finish: &'a Finish<f32>,
    scores: &'a mut [f32],
    take: F,
}

impl<F: FnMut(usize, &[f32])> Taker<'_, F> {
    fn row(&mut self, tallies: &mut [Tally<f32>]) {
        let label = self.finish.row(tallies, self.scores);
        (self.take)(label, self.scores);
    }
}

fn masked<W: word::Word, F: FnMut(usize, &[f32])>(
    masks: &Masks<W>,
    board: &mut Blackboard<W>,
    (rows, width): (&[f32], usize),
    tallies: &mut [Tally<f32>],
    taker: &mut Taker<'_, F>,
) {
    let aggregate = taker.finish.aggregate;
    for block in rows.chunks(WIDE * width) {
        if block.len() > SINGLES * width {
            masks.block(board, aggregate, (block, width), tallies, |tallies| taker.row(tallies));
            continue;
        }
        for row in block.chunks_exact(width) {
            masks.row(board, aggregate, row, tallies);
            taker.row(tallies);
        }
    }
}

/// An ensemble over `f64` inputs: walked, thresholds and sums in `f64`, scores in `f32`.
#[derive(Debug, Clone, PartialEq)]
pub struct DoubleEnsemble {
    finish: Finish<f64>,
    walk: Walk<f64>,
    classes: usize,
}

impl DoubleEnsemble {
    /// The ensemble that `attributes` describe, for rows of `width` columns.
    pub fn of(attributes: &Attributes, width: usize) -> Result<Self, TreeError> {
        let forest = Forest::of(attributes, width)?;
        let finish = Finish::of(attributes, &forest)?;
        Ok(Self { finish, walk: Walk::of(&forest), classes: forest.classes })
    }

    /// Evaluates `rows` like [`Ensemble::evaluate`].
    pub fn evaluate(&self, rows: &[f64], width: usize, mut take: impl FnMut(usize, &[f32])) {
        let mut tallies = vec![Tally::EMPTY; self.classes];
        let mut scores = vec![0.0; self.classes];
        for row in rows.chunks_exact(width) {
            self.walk.row(self.finish.aggregate, row, &mut tallies);
            let label = self.finish.row(&mut tallies, &mut scores);
            take(label, &scores);
        }
    }
}

/// Checks `attributes` in all but the input's type and width, which are not known yet.
pub fn check(attributes: &Attributes) -> Result<(), TreeError> {
    let forest = Forest::<f64>::of(attributes, usize::MAX)?;
    Finish::of(attributes, &forest).map(|_| ())
}

fn size<T>(forest: &Forest<T>) -> Size {
    let leaves = |tree: &validate::Tree<T>| {
        tree.nodes.iter().filter(|node| matches!(node, Node::Leaf(_))).count()
    };
    Size {
        trees: forest.trees.len(),
        leaves: forest.trees.iter().map(leaves).sum(),
        most_leaves: forest.trees.iter().map(leaves).max().unwrap_or(0),
    }
}
