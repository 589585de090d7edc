//! All trees at once, without walking: bit masks over leaves (QuickScorer).
//!
//! A walk waits for memory at every node and guesses wrong at every branch. Turned inside out there
//! is nothing to wait for: number each tree's leaves from left to right and keep one word per tree,
//! a bit for every leaf that is still possible. A node whose test fails rules out exactly the
//! leaves of its left subtree. AND the masks of all failing nodes; the lowest bit left is the leaf
//! that a walk would have reached. No step depends on the one before, so their order is free, and
//! it matters:
//!
//! - One row: feature by feature, thresholds ascending. The failing nodes of a feature are a prefix
//!   of its list, the rest is never looked at.
//! - Sixteen or thirty-two rows in lockstep: tree by tree. Almost every node fails for one of so
//!   many rows, so there is nothing to leave out, but a tree's words now stay in vector registers:
//!   a node is one comparison and one AND. (Feature by feature took up to twice as long: each node
//!   loads and stores.)
//!
//! The loops are plain; the compiler vectorises them, once for each instruction set that
//! `multiversion` names. A missing value (NaN) fails every test except at nodes that send missing
//! values left; those stand in lists of their own, and so do nodes that ask whether a feature is
//! one of several numbers: they have no threshold to sort by.
//!
//! Sources: Lucchese et al., "QuickScorer", SIGIR 2015; "Exploiting CPU SIMD extensions to speed-up
//! document scoring with tree ensembles", SIGIR 2016.

use multiversion::multiversion;

use super::mask_layout::Masks;
use super::transform::{Aggregate, Tally};
use super::word::Word;

/// Rows in lockstep for batches above [`NARROW`].
pub const WIDE: usize = 32;

/// Rows in lockstep for small batches.
pub const NARROW: usize = 16;

/// Working memory, reused from call to call.
#[derive(Debug, Clone, Default)]
pub struct Blackboard<W> {
    words: Vec<W>,
    narrow: Board<W, NARROW>,
    wide: Board<W, WIDE>,
}

/// Working memory of `LANES` rows.
#[derive(Debug, Clone, Default)]
struct Board<W, const LANES: usize> {
    columns: Vec<[f32; LANES]>,
    words: Vec<[W; LANES]>,
    sums: Vec<[f32; LANES]>,
}

impl<W: Word> Masks<W> {
    /// One row. Bit for bit what [`Masks::block`] gives.
    pub fn row(
        &self,
        board: &mut Blackboard<W>,
        aggregate: Aggregate,
        row: &[f32],
        tallies: &mut [Tally<f32>],
    ) {
        board.words.clear();
        board.words.resize(self.by_tree.len(), W::ALL);
        rule_out_row(self, row, &mut board.words);
        tallies.fill(Tally::EMPTY);
        for (word, tables) in board.words.iter().zip(self.weights.chunks_exact(self.channels.len()))
        {
            for (&channel, table) in self.channels.iter().zip(tables) {
                tallies[channel].vote(aggregate, word.pick(table));
            }
        }
    }

    /// Up to [`WIDE`] rows of `width` columns; `finish` gets each row's tallies.
    pub fn block(
        &self,
        board: &mut Blackboard<W>,
        aggregate: Aggregate,
        (rows, width): (&[f32], usize),
        tallies: &mut [Tally<f32>],
        finish: impl FnMut(&mut [Tally<f32>]),
    ) {
        if rows.len() > NARROW * width {
            self.lanes(&mut board.wide, aggregate, (rows, width), tallies, finish);
        } else {
            self.lanes(&mut board.narrow, aggregate, (rows, width), tallies, finish);
        }
    }

    fn lanes<const LANES: usize>(
        &self,
        board: &mut Board<W, LANES>,
        aggregate: Aggregate,
        (rows, width): (&[f32], usize),
        tallies: &mut [Tally<f32>],
        mut finish: impl FnMut(&mut [Tally<f32>]),
    ) {
        board.columns.resize(width, [0.0; LANES]);
        load_columns(&mut board.columns, rows, width);
        board.words.resize(self.by_tree.len(), [W::ALL; LANES]);
        rule_out(self, &board.columns, &mut board.words);
        rule_out_members(self, &board.columns, &mut board.words);
        board.sums.clear();
        board.sums.resize(self.channels.len(), [start(aggregate); LANES]);
        add_up(self, aggregate, &board.words, &mut board.sums);
        for row in 0..rows.len() / width {
            tallies.fill(Tally::EMPTY);
            for (&channel, sums) in self.channels.iter().zip(&board.sums) {
                tallies[channel] = Tally { score: sums[row], given: true };
            }
            finish(tallies);
        }
    }
}

/// What an aggregate starts from. Weights are finite, so an infinity loses against the first.
fn start(aggregate: Aggregate) -> f32 {
    match aggregate {
        Aggregate::Sum | Aggregate::Average => 0.0,
        Aggregate::Min => f32::INFINITY,
        Aggregate::Max => f32::NEG_INFINITY,
    }
}

/// The rows' columns side by side, four rows at a time. Lanes without a row repeat the first.
#[multiversion(targets = "simd")]
fn load_columns<const LANES: usize>(columns: &mut [[f32; LANES]], rows: &[f32], width: usize) {
    let row = |lane: usize| {
        let start = if lane < rows.len() / width { lane * width } else { 0 };
        &rows[start..start + width]
    };
    for lane in (0..LANES).step_by(4) {
        let (a, b, c, d) = (row(lane), row(lane + 1), row(lane + 2), row(lane + 3));
        let values = a.iter().zip(b).zip(c).zip(d);
        for (column, (((&a, &b), &c), &d)) in columns.iter_mut().zip(values) {
            column[lane..lane + 4].copy_from_slice(&[a, b, c, d]);
        }
    }
}

/// The words of all trees for rows in lockstep.
#[multiversion(targets = "simd")]
fn rule_out<W: Word, const LANES: usize>(
    masks: &Masks<W>,
    columns: &[[f32; LANES]],
    words: &mut [[W; LANES]],
) {
    for (tree, out) in masks.by_tree.iter().zip(words) {
        let mut word = [W::ALL; LANES];
        for node in &masks.tree_nodes[tree.missing_fails.clone()] {
            let x = &columns[node.feature as usize];
            for lane in 0..LANES {
                word[lane] = word[lane].ruled(node.keep, x[lane] <= node.threshold);
            }
        }
        for node in &masks.tree_nodes[tree.missing_passes.clone()] {
            let x = &columns[node.feature as usize];
            for lane in 0..LANES {
                let fails = x[lane] > node.threshold;
                word[lane] = word[lane].ruled(node.keep, !fails);
            }
        }
        *out = word;
    }
}

/// What nodes that ask for one of several numbers leave of the words. Apart from [`rule_out`],
/// whose loop would no longer fit the registers.
fn rule_out_members<W: Word, const LANES: usize>(
    masks: &Masks<W>,
    columns: &[[f32; LANES]],
    words: &mut [[W; LANES]],
) {
    for node in &masks.members {
        let (x, word) = (&columns[node.feature], &mut words[node.tree]);
        for lane in 0..LANES {
            word[lane] = word[lane].ruled(node.keep, node.passes(x[lane]));
        }
    }
}

/// The words of all trees for one row.
fn rule_out_row<W: Word>(masks: &Masks<W>, row: &[f32], words: &mut [W]) {
    for feature in &masks.by_feature {
        let x = row[feature.feature];
        for node in &masks.feature_nodes[feature.missing_fails.clone()] {
            if x <= node.threshold {
                break;
            }
            let word = &mut words[node.tree as usize];
            *word = word.and(node.keep);
        }
        for node in &masks.feature_nodes[feature.missing_passes.clone()] {
            if x <= node.threshold || x.is_nan() {
                break;
            }
            let word = &mut words[node.tree as usize];
            *word = word.and(node.keep);
        }
    }
    for node in &masks.members {
        words[node.tree] = words[node.tree].ruled(node.keep, node.passes(row[node.feature]));
    }
}

/// Aggregates the exit leaves' weights, tree by tree in order, so that every row sums as a walk
/// does.
#[multiversion(targets = "simd")]
fn add_up<W: Word, const LANES: usize>(
    masks: &Masks<W>,
    aggregate: Aggregate,
    words: &[[W; LANES]],
    sums: &mut [[f32; LANES]],
) {
    let weights = &masks.weights;
    match aggregate {
        Aggregate::Sum | Aggregate::Average => fold(weights, words, sums, |a, b| a + b),
        Aggregate::Min => fold(weights, words, sums, |a, b| if b < a { b } else { a }),
        Aggregate::Max => fold(weights, words, sums, |a, b| if b > a { b } else { a }),
    }
}

#[inline(always)]
fn fold<W: Word, const LANES: usize>(
    weights: &[W::Table],
    words: &[[W; LANES]],
    sums: &mut [[f32; LANES]],
    combine: impl Fn(f32, f32) -> f32,
) {
    let channels = sums.len();
    for (channel, total) in sums.iter_mut().enumerate() {
        let mut sum = *total;
        for (word, table) in words.iter().zip(weights[channel..].iter().step_by(channels)) {
            for lane in 0..LANES {
                sum[lane] = combine(sum[lane], word[lane].pick(table));
            }
        }
        *total = sum;
    }
}
