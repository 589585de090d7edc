//! All trees at once, without walking: bit masks over leaves (QuickScorer).
//!
//! A walk waits for memory at every node and guesses wrong at every branch. Turned inside out there is
//! nothing to wait for: number each tree's leaves from left to right and keep one word per tree, a bit
//! for every leaf that is still possible. A node whose test fails rules out exactly the leaves of its
//! left subtree. AND the masks of all failing nodes; the lowest bit left is the leaf that a walk would have
//! reached. No step depends on the one before, so their order is free, and it matters:
//!
//! - One row: feature by feature, thresholds ascending. The failing nodes of a feature are a prefix of its
//!   list, the rest is never looked at.
//! - Sixteen or thirty-two rows in lockstep: tree by tree. Almost every node fails for one of so many
//!   rows, so there is nothing to leave out, but a tree's words now stay in vector registers: a node is one
//!   comparison and one AND. (Feature by feature took twice as long: each node loads and stores.)
//!
//! The loops are plain; the compiler vectorises them, once for each instruction set that
//! `multiversion` names. A missing value (NaN) fails every test except at nodes that send missing values
//! left; those stand in lists of their own.
//!
//! Sources: Lucchese et al., "QuickScorer", SIGIR 2015; "Exploiting CPU SIMD extensions to speed-up
//! document scoring with tree ensembles", SIGIR 2016.

use std::ops::Range;

use multiversion::multiversion;

use super::transform::{Aggregate, Tally};
use super::validate::{Branch, Forest, Node, Tree};

/// Rows in lockstep for batches above [`NARROW`].
pub const WIDE: usize = 32;

/// Rows in lockstep for small batches.
pub const NARROW: usize = 16;

/// A word with a bit for each leaf of a tree.
pub trait Word: Copy + Default + Send + Sync + std::fmt::Debug + PartialEq + 'static {
    /// A number for each leaf.
    type Table: Copy + Send + Sync + std::fmt::Debug + PartialEq;
    /// Leaves that a word has bits for.
    const BITS: usize;
    /// No leaf ruled out.
    const ALL: Self;
    /// A word without the bits of `leaves`.
    fn without(leaves: Range<usize>) -> Self;
    /// This word, and if not `passes` only what `keep` leaves of it. Free of branches.
    fn ruled(self, keep: Self, passes: bool) -> Self;
    /// Both.
    fn and(self, other: Self) -> Self;
    /// A table of these numbers, 0 behind them.
    fn table(numbers: impl Iterator<Item = f32>) -> Self::Table;
    /// The table's number for the lowest leaf left.
    fn pick(self, table: &Self::Table) -> f32;
}

macro_rules! word {
    ($type:ty) => {
        impl Word for $type {
            type Table = [f32; <$type>::BITS as usize];
            const BITS: usize = <$type>::BITS as usize;
            const ALL: Self = <$type>::MAX;

            fn without(leaves: Range<usize>) -> Self {
                leaves.fold(Self::ALL, |word, leaf| word & !(1 << leaf))
            }

            #[inline(always)]
            fn ruled(self, keep: Self, passes: bool) -> Self {
                self & (keep | (0 as $type).wrapping_sub(passes as $type))
            }

            #[inline(always)]
            fn and(self, other: Self) -> Self {
                self & other
            }

            fn table(numbers: impl Iterator<Item = f32>) -> Self::Table {
                let mut table = [0.0; <$type>::BITS as usize];
                table.iter_mut().zip(numbers).for_each(|(place, number)| *place = number);
                table
            }

            #[inline(always)]
            fn pick(self, table: &Self::Table) -> f32 {
                // A tree's word is never empty; the mask only tells the compiler so.
                table[self.trailing_zeros() as usize & (<$type>::BITS as usize - 1)]
            }
        }
    };
}

word!(u32);
word!(u64);

/// An ensemble as masks.
#[derive(Debug, Clone, PartialEq)]
pub struct Masks<W: Word> {
    by_feature: Vec<FeatureNodes>,
    feature_nodes: Vec<FeatureNode<W>>,
    by_tree: Vec<TreeNodes>,
    tree_nodes: Vec<TreeNode<W>>,
    /// The classes that every leaf votes for, ascending.
    channels: Vec<usize>,
    /// Leaf weights, for each tree a table for each channel.
    weights: Vec<W::Table>,
}

/// Where a feature's nodes stand among the feature nodes, thresholds ascending.
#[derive(Debug, Clone, PartialEq)]
struct FeatureNodes {
    feature: usize,
    /// Nodes at which a missing value fails.
    missing_fails: Range<usize>,
    /// Nodes at which a missing value passes.
    missing_passes: Range<usize>,
}

/// An inner node in the order for one row.
#[derive(Debug, Clone, Copy, PartialEq)]
struct FeatureNode<W> {
    threshold: f32,
    tree: u32,
    /// What is left of the tree's leaves if the test fails.
    keep: W,
}

/// Where a tree's nodes stand among the tree nodes.
#[derive(Debug, Clone, PartialEq)]
struct TreeNodes {
    missing_fails: Range<usize>,
    missing_passes: Range<usize>,
}

/// An inner node in the order for many rows.
#[derive(Debug, Clone, Copy, PartialEq)]
struct TreeNode<W> {
    threshold: f32,
    feature: u32,
    keep: W,
}

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
    /// `forest` as masks, or `None` where masks cannot say it: a tree of more leaves than bits, tests
    /// for equality, NaN thresholds, leaves that vote for different classes or twice for one.
    pub fn of(forest: &Forest<f32>) -> Option<Self> {
        let channels = common_channels(forest)?;
        let mut weights = Vec::with_capacity(forest.trees.len() * channels.len());
        let mut found = Vec::new();
        for (tree, nodes) in forest.trees.iter().enumerate() {
            let leaves = leaves_in_order(nodes);
            if leaves.len() > W::BITS {
                return None;
            }
            for (branch, left) in left_leaves(nodes) {
                found.push(Found { tree, branch: *branch, keep: W::without(left) });
            }
            for &channel in &channels {
                weights.push(W::table(leaves.iter().map(|votes| weight_for(votes, channel))));
            }
        }
        if found.iter().any(|node| node.branch.equal || node.branch.threshold.is_nan()) {
            return None;
        }
        let (by_tree, tree_nodes) = sort_by_tree(&mut found, forest.trees.len());
        let (by_feature, feature_nodes) = sort_by_feature(&mut found);
        Some(Self { by_feature, feature_nodes, by_tree, tree_nodes, channels, weights })
    }

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
}

/// Aggregates the exit leaves' weights, tree by tree in order, so that every row sums as a walk does.
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

/// The classes that every leaf votes for, once each; `None` if leaves differ.
fn common_channels(forest: &Forest<f32>) -> Option<Vec<usize>> {
    let mut common: Option<Vec<usize>> = None;
    for node in forest.trees.iter().flat_map(|tree| &tree.nodes) {
        let Node::Leaf(votes) = node else { continue };
        let mut channels: Vec<usize> = votes.iter().map(|&(class, _)| class).collect();
        channels.sort_unstable();
        let repeated = channels.windows(2).any(|pair| pair[0] == pair[1]);
        if repeated || common.as_ref().is_some_and(|common| *common != channels) {
            return None;
        }
        common = Some(channels);
    }
    common
}

fn weight_for(votes: &[(usize, f32)], channel: usize) -> f32 {
    votes.iter().find(|(class, _)| *class == channel).map_or(0.0, |&(_, weight)| weight)
}

/// A tree's leaves from left to right: nodes stand in preorder, so they come in this order.
fn leaves_in_order(tree: &Tree<f32>) -> Vec<&[(usize, f32)]> {
    let leaf = |node| match node {
        &Node::Leaf(ref votes) => Some(votes.as_slice()),
        Node::Branch(_) => None,
    };
    tree.nodes.iter().filter_map(leaf).collect()
}

/// Each inner node with the leaves of its left subtree, which ends where the right child begins.
fn left_leaves(tree: &Tree<f32>) -> Vec<(&Branch<f32>, Range<usize>)> {
    let mut leaves = 0;
    let mut leaves_before = Vec::with_capacity(tree.nodes.len());
    for node in &tree.nodes {
        leaves_before.push(leaves);
        leaves += usize::from(matches!(node, Node::Leaf(_)));
    }
    let branch = |node| match node {
        &Node::Branch(ref branch) => {
            Some((branch, leaves_before[branch.yes]..leaves_before[branch.no]))
        }
        Node::Leaf(_) => None,
    };
    tree.nodes.iter().filter_map(branch).collect()
}

/// An inner node as it is found.
struct Found<W> {
    tree: usize,
    branch: Branch<f32>,
    keep: W,
}

fn sort_by_tree<W: Word>(
    found: &mut [Found<W>],
    trees: usize,
) -> (Vec<TreeNodes>, Vec<TreeNode<W>>) {
    found.sort_by_key(|node| (node.tree, node.branch.missing_yes));
    let mut by_tree = Vec::with_capacity(trees);
    for tree in 0..trees {
        let bound =
            |passes| found.partition_point(|n| (n.tree, n.branch.missing_yes) < (tree, passes));
        let (start, middle) = (bound(false), bound(true));
        let end = found.partition_point(|node| node.tree <= tree);
        by_tree.push(TreeNodes { missing_fails: start..middle, missing_passes: middle..end });
    }
    let node = |node: &Found<W>| {
        let Branch { threshold, feature, .. } = node.branch;
        TreeNode { threshold, feature: feature as u32, keep: node.keep }
    };
    (by_tree, found.iter().map(node).collect())
}

fn sort_by_feature<W: Word>(found: &mut [Found<W>]) -> (Vec<FeatureNodes>, Vec<FeatureNode<W>>) {
    found.sort_by(|a, b| {
        let group = |node: &Found<W>| (node.branch.feature, node.branch.missing_yes);
        group(a).cmp(&group(b)).then(a.branch.threshold.total_cmp(&b.branch.threshold))
    });
    let mut by_feature = Vec::new();
    let mut start = 0;
    for group in found.chunk_by(|a, b| a.branch.feature == b.branch.feature) {
        let middle = start + group.partition_point(|node| !node.branch.missing_yes);
        let end = start + group.len();
        by_feature.push(FeatureNodes {
            feature: group[0].branch.feature,
            missing_fails: start..middle,
            missing_passes: middle..end,
        });
        start = end;
    }
    let node = |node: &Found<W>| {
        let (threshold, tree) = (node.branch.threshold, node.tree as u32);
        FeatureNode { threshold, tree, keep: node.keep }
    };
    (by_feature, found.iter().map(node).collect())
}
