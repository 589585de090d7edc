//! All trees at once, without walking: bit masks over leaves (QuickScorer).
//!
//! A walk waits for memory at every node and guesses wrong at every branch. Turned inside out there is
//! nothing to wait for: number each tree's leaves from left to right and keep one word per tree, a bit
//! for every leaf that is still possible. A node whose test fails rules out exactly the leaves of its
//! left subtree. Take all nodes of all trees, feature by feature, thresholds ascending: for a row whose
//! feature is x the failing nodes are a prefix of that list. AND their masks into their trees'
//! words; at the end the lowest bit left is the leaf that a walk would have reached.
//!
//! Sixteen rows go through the list in lockstep, their words side by side, so that each step is one
//! comparison and one AND over a vector. The loops are plain; the compiler vectorises them, once for each
//! instruction set that `multiversion` names.
//!
//! A missing value (NaN) fails every test except those whose node sends missing values left, so these
//! nodes have a list of their own.
//!
//! Sources: Lucchese et al., "QuickScorer", SIGIR 2015; "Exploiting CPU SIMD extensions to speed-up
//! document scoring with tree ensembles", SIGIR 2016.

use std::ops::Range;

use multiversion::multiversion;

use super::transform::{Aggregate, Tally};
use super::validate::{Branch, Forest, Node, Tree};

/// Rows in lockstep.
pub const LANES: usize = 16;

/// One value of each row in lockstep.
pub type Lanes<T> = [T; LANES];

/// A word with a bit for each leaf of a tree.
pub trait Word: Copy + Send + Sync + std::fmt::Debug + PartialEq + 'static {
    /// Leaves that a word has bits for.
    const BITS: usize;
    /// No leaf ruled out.
    const ALL: Self;
    /// A word without the bits of `leaves`.
    fn without(leaves: Range<usize>) -> Self;
    /// Both.
    fn and(self, other: Self) -> Self;
    /// The lowest leaf left; below `BITS`, as a tree's words never become empty.
    fn lowest(self) -> usize;
}

macro_rules! word {
    ($type:ty) => {
        impl Word for $type {
            const BITS: usize = <$type>::BITS as usize;
            const ALL: Self = <$type>::MAX;

            fn without(leaves: Range<usize>) -> Self {
                leaves.fold(Self::ALL, |word, leaf| word & !(1 << leaf))
            }

            #[inline(always)]
            fn and(self, other: Self) -> Self {
                self & other
            }

            #[inline(always)]
            fn lowest(self) -> usize {
                self.trailing_zeros() as usize & (<Self as Word>::BITS - 1)
            }
        }
    };
}

word!(u32);
word!(u64);

/// An ensemble as masks.
#[derive(Debug, Clone, PartialEq)]
pub struct Masks<W> {
    features: Vec<FeatureNodes>,
    nodes: Vec<MaskNode<W>>,
    trees: usize,
    /// The classes that every leaf votes for, ascending.
    channels: Vec<usize>,
    /// `W::BITS` weights for each tree and channel.
    weights: Vec<f32>,
}

/// Where a feature's nodes stand, thresholds ascending.
#[derive(Debug, Clone, PartialEq)]
struct FeatureNodes {
    feature: usize,
    /// Nodes at which a missing value fails.
    missing_fails: Range<usize>,
    /// Nodes at which a missing value passes.
    missing_passes: Range<usize>,
}

/// An inner node: what it leaves of its tree's leaves if its test fails.
#[derive(Debug, Clone, Copy, PartialEq)]
struct MaskNode<W> {
    threshold: f32,
    tree: u32,
    keep: W,
}

/// Working memory, reused from call to call.
#[derive(Debug, Clone, Default)]
pub struct Blackboard<W> {
    columns: Vec<Lanes<f32>>,
    words: Vec<Lanes<W>>,
    single: Vec<W>,
    sums: Vec<Lanes<f32>>,
}

impl<W: Word> Masks<W> {
    /// `forest` as masks, or `None` where masks cannot say it: a tree of more leaves than bits, tests
    /// for equality, NaN thresholds, leaves that vote for different classes or twice for one.
    pub fn of(forest: &Forest<f32>) -> Option<Self> {
        let channels = common_channels(forest)?;
        let mut weights = Vec::with_capacity(forest.trees.len() * channels.len() * W::BITS);
        let mut found = Vec::new();
        for (index, tree) in forest.trees.iter().enumerate() {
            let leaves = leaves_in_order(tree);
            if leaves.len() > W::BITS {
                return None;
            }
            for (branch, left) in left_leaves(tree) {
                let (threshold, keep) = (branch.threshold, W::without(left));
                found.push((*branch, MaskNode { threshold, tree: index as u32, keep }));
            }
            for &channel in &channels {
                let end = weights.len() + W::BITS;
                weights.extend(leaves.iter().map(|votes| weight_for(votes, channel)));
                weights.resize(end, 0.0);
            }
        }
        if found.iter().any(|(branch, _)| branch.equal || branch.threshold.is_nan()) {
            return None;
        }
        let (features, nodes) = sort_nodes(found);
        Some(Self { features, nodes, trees: forest.trees.len(), channels, weights })
    }

    /// One row. Bit for bit what [`Masks::block`] gives.
    pub fn row(
        &self,
        board: &mut Blackboard<W>,
        aggregate: Aggregate,
        row: &[f32],
        tallies: &mut [Tally<f32>],
    ) {
        board.single.clear();
        board.single.resize(self.trees, W::ALL);
        rule_out_single(self, row, &mut board.single);
        tallies.fill(Tally::EMPTY);
        let tables = self.weights.chunks_exact(W::BITS * self.channels.len());
        for (word, table) in board.single.iter().zip(tables) {
            let leaf = word.lowest();
            for (&channel, weights) in self.channels.iter().zip(table.chunks_exact(W::BITS)) {
                tallies[channel].vote(aggregate, weights[leaf]);
            }
        }
    }

    /// Up to [`LANES`] rows of `width` columns; `finish` gets each row's index and tallies.
    pub fn block(
        &self,
        board: &mut Blackboard<W>,
        aggregate: Aggregate,
        (rows, width): (&[f32], usize),
        tallies: &mut [Tally<f32>],
        mut finish: impl FnMut(usize, &mut [Tally<f32>]),
    ) {
        load_columns(&mut board.columns, rows, width);
        board.words.clear();
        board.words.resize(self.trees, [W::ALL; LANES]);
        rule_out(self, &board.columns, &mut board.words);
        board.sums.clear();
        board.sums.resize(self.channels.len(), [0.0; LANES]);
        add_up(self, aggregate, &board.words, &mut board.sums);
        for index in 0..rows.len() / width {
            tallies.fill(Tally::EMPTY);
            for (&channel, sums) in self.channels.iter().zip(&board.sums) {
                tallies[channel] = Tally { score: sums[index], given: true };
            }
            finish(index, tallies);
        }
    }
}

/// The rows' columns side by side. Missing rows repeat the first, which costs nothing extra.
fn load_columns(columns: &mut Vec<Lanes<f32>>, rows: &[f32], width: usize) {
    columns.resize(width, [0.0; LANES]);
    for lane in 0..LANES {
        let start = if lane < rows.len() / width { lane * width } else { 0 };
        for (column, &value) in columns.iter_mut().zip(&rows[start..start + width]) {
            column[lane] = value;
        }
    }
}

/// Rules leaves out for sixteen rows: for each feature the nodes that fail for at least one of them.
#[multiversion(targets = "simd")]
fn rule_out<W: Word>(masks: &Masks<W>, columns: &[Lanes<f32>], words: &mut [Lanes<W>]) {
    for feature in &masks.features {
        let x = &columns[feature.feature];
        // The largest number in the column; a NaN is not a number and `max` drops it.
        let largest = x.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
        let any_missing = x.iter().any(|x| x.is_nan());
        for node in &masks.nodes[feature.missing_fails.clone()] {
            if node.threshold >= largest && !any_missing {
                break;
            }
            let words = &mut words[node.tree as usize];
            for lane in 0..LANES {
                let passes = x[lane] <= node.threshold;
                words[lane] = words[lane].and(if passes { W::ALL } else { node.keep });
            }
        }
        for node in &masks.nodes[feature.missing_passes.clone()] {
            if node.threshold >= largest {
                break;
            }
            let words = &mut words[node.tree as usize];
            for lane in 0..LANES {
                let fails = x[lane] > node.threshold;
                words[lane] = words[lane].and(if fails { node.keep } else { W::ALL });
            }
        }
    }
}

/// The same for one row.
fn rule_out_single<W: Word>(masks: &Masks<W>, row: &[f32], words: &mut [W]) {
    for feature in &masks.features {
        let x = row[feature.feature];
        for node in &masks.nodes[feature.missing_fails.clone()] {
            if x <= node.threshold {
                break;
            }
            let word = &mut words[node.tree as usize];
            *word = word.and(node.keep);
        }
        for node in &masks.nodes[feature.missing_passes.clone()] {
            if node.threshold >= x || x.is_nan() {
                break;
            }
            let word = &mut words[node.tree as usize];
            *word = word.and(node.keep);
        }
    }
}

/// Aggregates the exit leaves' weights, tree by tree in order, so that every row sums as a walk does.
#[multiversion(targets = "simd")]
fn add_up<W: Word>(
    masks: &Masks<W>,
    aggregate: Aggregate,
    words: &[Lanes<W>],
    sums: &mut [Lanes<f32>],
) {
    let tables = masks.weights.chunks_exact(W::BITS * sums.len());
    for (tree, (words, tables)) in words.iter().zip(tables).enumerate() {
        for (sums, table) in sums.iter_mut().zip(tables.chunks_exact(W::BITS)) {
            for lane in 0..LANES {
                let weight = table[words[lane].lowest()];
                let mut tally = Tally { score: sums[lane], given: tree > 0 };
                tally.vote(aggregate, weight);
                sums[lane] = tally.score;
            }
        }
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

/// Nodes by feature, by what a missing value does, by threshold; ties in the order of the trees.
fn sort_nodes<W: Word>(
    mut found: Vec<(Branch<f32>, MaskNode<W>)>,
) -> (Vec<FeatureNodes>, Vec<MaskNode<W>>) {
    found.sort_by(|(a, _), (b, _)| {
        let group = (a.feature, a.missing_yes).cmp(&(b.feature, b.missing_yes));
        group.then(a.threshold.total_cmp(&b.threshold))
    });
    let mut features = Vec::new();
    let mut start = 0;
    for group in found.chunk_by(|(a, _), (b, _)| a.feature == b.feature) {
        let passes = group.partition_point(|(branch, _)| !branch.missing_yes);
        features.push(FeatureNodes {
            feature: group[0].0.feature,
            missing_fails: start..start + passes,
            missing_passes: start + passes..start + group.len(),
        });
        start += group.len();
    }
    (features, found.into_iter().map(|(_, node)| node).collect())
}
