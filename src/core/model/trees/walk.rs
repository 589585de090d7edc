//! From the root to a leaf, node by node: the plain way, for any tree.
//!
//! A walk is a chain of loads, each waiting for the one before. Eight trees are therefore walked
//! side by side, and a leaf points to itself, so that a tree which has arrived marks time until all
//! have.

use super::numbers::NumberSet;
use super::real::Real;
use super::transform::{Aggregate, Tally};
use super::validate::{Branch, Forest, Node, Test};

/// Trees walked side by side.
const ABREAST: usize = 8;

/// An ensemble laid out for walking: the nodes of all trees in one list.
#[derive(Debug, Clone, PartialEq)]
pub struct Walk<T> {
    steps: Vec<Step<T>>,
    roots: Vec<u32>,
    /// The votes of step `i` are `votes[first_vote[i]..first_vote[i + 1]]`; only leaves have any.
    first_vote: Vec<u32>,
    votes: Vec<(u32, T)>,
    /// The sets that steps ask for.
    sets: Vec<NumberSet<T>>,
}

/// A node; a leaf has itself for both children. Small, since a walk is as fast as its steps come
/// from memory.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Step<T> {
    threshold: T,
    feature: u32,
    yes: u32,
    no: u32,
    /// [`MISSING_YES`] if a missing value goes `yes`, and in the other bits 0 for a test against
    /// the threshold, or one more than the index of the set to ask.
    test: u32,
}

/// The bit of [`Step::test`] for missing values.
const MISSING_YES: u32 = 1 << 31;

impl<T: Real> Walk<T> {
    /// Lays `forest` out. Its node count is bounded, so that indices fit 32 bits.
    pub fn of(forest: &Forest<T>) -> Self {
        let (mut steps, mut roots) = (Vec::new(), Vec::new());
        let (mut first_vote, mut votes, mut sets) = (vec![0], Vec::new(), Vec::new());
        for tree in &forest.trees {
            let root = steps.len();
            roots.push(root as u32);
            for node in &tree.nodes {
                match node {
                    Node::Branch(branch) => steps.push(Step::branch(root, branch, &mut sets)),
                    Node::Leaf(weights) => {
                        steps.push(Step::leaf(steps.len()));
                        votes.extend(weights.iter().map(|&(class, weight)| (class as u32, weight)));
                    }
                }
                first_vote.push(votes.len() as u32);
            }
        }
        Self { steps, roots, first_vote, votes, sets }
    }

    /// The tallies of one row, one per class, over all trees in order.
    pub fn row(&self, aggregate: Aggregate, row: &[T], tallies: &mut [Tally<T>]) {
        tallies.fill(Tally::EMPTY);
        for roots in self.roots.chunks(ABREAST) {
            let mut at = [roots[0]; ABREAST];
            at[..roots.len()].copy_from_slice(roots);
            if self.sets.is_empty() {
                self.descend::<false>(row, &mut at);
            } else {
                self.descend::<true>(row, &mut at);
            }
            for &leaf in &at[..roots.len()] {
                let leaf = leaf as usize;
                let range = self.first_vote[leaf] as usize..self.first_vote[leaf + 1] as usize;
                for &(class, weight) in &self.votes[range] {
                    tallies[class as usize].vote(aggregate, weight);
                }
            }
        }
    }

    /// Walks until all have arrived. Without `SETS` no step asks for one.
    fn descend<const SETS: bool>(&self, row: &[T], at: &mut [u32; ABREAST]) {
        loop {
            let before = *at;
            for place in at.iter_mut() {
                let step = &self.steps[*place as usize];
                let x = row[step.feature as usize];
                let set = if SETS { step.test & !MISSING_YES } else { 0 };
                let met = match set {
                    0 => x <= step.threshold,
                    set => self.sets[set as usize - 1].contains(x),
                };
                *place = step.next(met, x.is_nan());
            }
            if before == *at {
                return;
            }
        }
    }
}

impl<T: Real> Step<T> {
    fn branch(root: usize, branch: &Branch<T>, sets: &mut Vec<NumberSet<T>>) -> Self {
        let (threshold, set) = match &branch.test {
            Test::AtMost(threshold) => (*threshold, 0),
            Test::Among(set) => {
                sets.push(set.clone());
                (T::NAN, sets.len() as u32)
            }
        };
        Self {
            threshold,
            feature: branch.feature as u32,
            yes: (root + branch.yes) as u32,
            no: (root + branch.no) as u32,
            test: set | if branch.missing_yes { MISSING_YES } else { 0 },
        }
    }

    fn leaf(at: usize) -> Self {
        let at = at as u32;
        Self { threshold: T::INFINITY, feature: 0, yes: at, no: at, test: MISSING_YES }
    }

    /// Where a walk goes on, given whether the feature meets the test and whether it is missing.
    #[inline(always)]
    fn next(&self, met: bool, missing: bool) -> u32 {
        if met | ((self.test >= MISSING_YES) & missing) { self.yes } else { self.no }
    }
}
