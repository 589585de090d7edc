//! Where the nodes of a masked ensemble lie, in both orders.
//!
//! [`super::masks`] says why there are two. Here they are made: each inner node becomes a threshold
//! and the mask of what its tree keeps if the test fails, once sorted by feature and threshold,
//! once by tree.

use std::ops::Range;

use super::validate::{Branch, Forest, Node, Tree};
use super::word::Word;

/// An ensemble as masks.
#[derive(Debug, Clone, PartialEq)]
pub struct Masks<W: Word> {
    pub(super) by_feature: Vec<FeatureNodes>,
    pub(super) feature_nodes: Vec<FeatureNode<W>>,
    pub(super) by_tree: Vec<TreeNodes>,
    pub(super) tree_nodes: Vec<TreeNode<W>>,
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
    /// tests for equality, NaN thresholds, leaves that vote for different classes or twice for one.
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
