//! Where the nodes of a masked ensemble lie, in both orders.
//!
//! [`super::masks`] says why there are two. Here they are made: each inner node becomes a threshold
//! and the mask of what its tree keeps if the test fails, once sorted by feature and threshold,
//! once by tree. Nodes that ask for one of several numbers stand apart in both.

use std::ops::Range;

use super::numbers::NumberSet;
use super::validate::{Branch, Forest, Node, Test, Tree};
use super::word::Word;

/// An ensemble as masks.
#[derive(Debug, Clone, PartialEq)]
pub struct Masks<W: Word> {
    pub(super) by_feature: Vec<FeatureNodes>,
    pub(super) feature_nodes: Vec<FeatureNode<W>>,
    pub(super) by_tree: Vec<TreeNodes>,
    pub(super) tree_nodes: Vec<TreeNode<W>>,
    /// Nodes that ask for one of several numbers, by tree.
    pub(super) members: Vec<Member<W>>,
    /// The classes that every leaf votes for, ascending.
    pub(super) channels: Vec<usize>,
    /// Leaf weights, for each tree a table for each channel.
    pub(super) weights: Vec<W::Table>,
}

/// Where a feature's nodes stand among the feature nodes, thresholds ascending.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FeatureNodes {
    pub feature: usize,
    /// Nodes at which a missing value fails.
    pub missing_fails: Range<usize>,
    /// Nodes at which a missing value passes.
    pub missing_passes: Range<usize>,
}

/// An inner node that asks for one of several numbers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Member<W> {
    pub feature: usize,
    pub tree: usize,
    /// What is left of the tree's leaves if the test fails.
    pub keep: W,
    /// Whether a missing value passes.
    pub missing_passes: bool,
    pub numbers: NumberSet<f32>,
}

impl<W> Member<W> {
    /// Whether a value passes the test.
    #[inline(always)]
    pub fn passes(&self, x: f32) -> bool {
        self.numbers.contains(x) | (self.missing_passes & x.is_nan())
    }
}

/// An inner node in the order for one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct FeatureNode<W> {
    pub threshold: f32,
    pub tree: u32,
    /// What is left of the tree's leaves if the test fails.
    pub keep: W,
}

/// Where a tree's nodes stand among the tree nodes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TreeNodes {
    pub missing_fails: Range<usize>,
    pub missing_passes: Range<usize>,
}

/// An inner node in the order for many rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct TreeNode<W> {
    pub threshold: f32,
    pub feature: u32,
    pub keep: W,
}

impl<W: Word> Masks<W> {
    /// `forest` as masks, or `None` where masks cannot say it: a tree of more leaves than bits,
    /// nodes with several parents, NaN thresholds, leaves that vote for different classes or twice
    /// for one.
    pub fn of(forest: &Forest<f32>) -> Option<Self> {
        let channels = common_channels(forest)?;
        let mut weights = Vec::with_capacity(forest.trees.len() * channels.len());
        let (mut found, mut members) = (Vec::new(), Vec::new());
        for (tree, nodes) in forest.trees.iter().enumerate() {
            let leaves = leaves_in_order(nodes);
            if nodes.shares || leaves.len() > W::BITS {
                return None;
            }
            for (branch, left) in left_leaves(nodes) {
                let &Branch { feature, missing_yes: missing_passes, .. } = branch;
                let keep = W::without(left);
                match &branch.test {
                    Test::AtMost(threshold) if threshold.is_nan() => return None,
                    Test::AtMost(threshold) => {
                        let threshold = *threshold;
                        found.push(Found { tree, feature, threshold, missing_passes, keep });
                    }
                    Test::Among(numbers) => {
                        let numbers = numbers.clone();
                        members.push(Member { feature, tree, keep, missing_passes, numbers });
                    }
                }
            }
            for &channel in &channels {
                weights.push(W::table(leaves.iter().map(|votes| weight_for(votes, channel))));
            }
        }
        let (by_tree, tree_nodes) = sort_by_tree(&mut found, forest.trees.len());
        let (by_feature, feature_nodes) = sort_by_feature(&mut found);
        Some(Self { by_feature, feature_nodes, by_tree, tree_nodes, members, channels, weights })
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
fn leaves_in_order<'a>(tree: &'a Tree<f32>) -> Vec<&'a [(usize, f32)]> {
    let leaf = |node: &'a Node<f32>| match node {
        Node::Leaf(votes) => Some(votes.as_slice()),
        Node::Branch(_) => None,
    };
    tree.nodes.iter().filter_map(leaf).collect()
}

/// Each inner node with the leaves of its left subtree, which ends where the right child begins.
fn left_leaves<'a>(tree: &'a Tree<f32>) -> Vec<(&'a Branch<f32>, Range<usize>)> {
    let mut leaves = 0;
    let mut leaves_before = Vec::with_capacity(tree.nodes.len());
    for node in &tree.nodes {
        leaves_before.push(leaves);
        leaves += usize::from(matches!(node, Node::Leaf(_)));
    }
    let branch = |node: &'a Node<f32>| match node {
        Node::Branch(branch) => Some((branch, leaves_before[branch.yes]..leaves_before[branch.no])),
        Node::Leaf(_) => None,
    };
    tree.nodes.iter().filter_map(branch).collect()
}

/// An inner node with a threshold, as it is found.
struct Found<W> {
    tree: usize,
    feature: usize,
    threshold: f32,
    missing_passes: bool,
    keep: W,
}

fn sort_by_tree<W: Word>(
    found: &mut [Found<W>],
    trees: usize,
) -> (Vec<TreeNodes>, Vec<TreeNode<W>>) {
    found.sort_by_key(|node| (node.tree, node.missing_passes));
    let mut by_tree = Vec::with_capacity(trees);
    for tree in 0..trees {
        let bound = |passes| found.partition_point(|n| (n.tree, n.missing_passes) < (tree, passes));
        let (start, middle) = (bound(false), bound(true));
        let end = found.partition_point(|node| node.tree <= tree);
        by_tree.push(TreeNodes { missing_fails: start..middle, missing_passes: middle..end });
    }
    let node = |node: &Found<W>| TreeNode {
        threshold: node.threshold,
        feature: node.feature as u32,
        keep: node.keep,
    };
    (by_tree, found.iter().map(node).collect())
}

fn sort_by_feature<W: Word>(found: &mut [Found<W>]) -> (Vec<FeatureNodes>, Vec<FeatureNode<W>>) {
    found.sort_by(|a, b| {
        let group = |node: &Found<W>| (node.feature, node.missing_passes);
        group(a).cmp(&group(b)).then(a.threshold.total_cmp(&b.threshold))
    });
    let mut by_feature = Vec::new();
    let mut start = 0;
    for group in found.chunk_by(|a, b| a.feature == b.feature) {
        let middle = start + group.partition_point(|node| !node.missing_passes);
        let end = start + group.len();
        by_feature.push(FeatureNodes {
            feature: group[0].feature,
            missing_fails: start..middle,
            missing_passes: middle..end,
        });
        start = end;
    }
    let node = |node: &Found<W>| FeatureNode {
        threshold: node.threshold,
        tree: node.tree as u32,
        keep: node.keep,
    };
    (by_feature, found.iter().map(node).collect())
}
