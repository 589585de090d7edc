//! From attributes to a forest that needs no further check.
//!
//! After [`Forest::of`] every child exists, no tree goes round in circles, every feature is below
//! the input's width and every leaf votes. Evaluation indexes without asking again.
//!
//! The six comparison modes shrink to two tests. `x < t` is `x <= t'` for the float `t'` just below
//! `t`; `x > t` is `x <= t` with the children swapped, and a missing value changes sides with them;
//! `x != t` is `x == t` swapped, and tests for equality are tests for a set of numbers.

use std::collections::HashMap;

use super::attributes::{Attributes, MAX_CLASSES, MAX_NODES};
use super::build::Builder;
use super::error::TreeError;
use super::numbers::NumberSet;
use super::real::Real;

/// A validated ensemble in evaluation order.
#[derive(Debug, Clone, PartialEq)]
pub struct Forest<T> {
    /// In the order in which they are summed.
    pub trees: Vec<Tree<T>>,
    /// Classes or targets.
    pub classes: usize,
}

/// One tree: nodes in preorder, the root first, a node's `yes` subtree before its `no` subtree.
#[derive(Debug, Clone, PartialEq)]
pub struct Tree<T> {
    /// All nodes, each reached from the first.
    pub nodes: Vec<Node<T>>,
    /// Whether a node has several parents. It then stands where the first of them has it.
    pub shares: bool,
}

/// A node of a validated tree.
#[derive(Debug, Clone, PartialEq)]
pub enum Node<T> {
    /// An inner node.
    Branch(Branch<T>),
    /// A leaf: weights by class in the order of the file, at least one.
    Leaf(Vec<(usize, T)>),
}

/// An inner node: `yes` if the feature meets the test, and for a NaN if `missing_yes`.
#[derive(Debug, Clone, PartialEq)]
pub struct Branch<T> {
    /// Column of the input.
    pub feature: usize,
    /// What the feature is asked.
    pub test: Test<T>,
    /// Whether a missing value (NaN) goes `yes`.
    pub missing_yes: bool,
    /// Index of the child in the tree's nodes.
    pub yes: usize,
    /// Index of the child in the tree's nodes.
    pub no: usize,
}

/// A question to a number.
#[derive(Debug, Clone, PartialEq)]
pub enum Test<T> {
    /// At most this; no number is at most NaN.
    AtMost(T),
    /// One of these.
    Among(NumberSet<T>),
}

impl<T: Real> Forest<T> {
    /// Checks `attributes` for an input of `width` columns.
    pub fn of(attributes: &Attributes, width: usize) -> Result<Self, TreeError> {
        check_lengths(attributes)?;
        let classes = class_count(attributes)?;
        let thresholds = T::list("nodes_values", &attributes.values)?;
        let votes = votes_by_node::<T>(attributes, classes)?;
        let mut builder = Builder { attributes, width, thresholds, votes };
        let trees = tree_ranges(&attributes.tree_ids)?
            .into_iter()
            .map(|range| builder.tree(range))
            .collect::<Result<Vec<_>, _>>()?;
        match builder.votes.keys().min() {
            Some(&(tree, node)) => Err(TreeError::VoteNode { tree, node }),
            None => Ok(Self { trees, classes }),
        }
    }
}

fn check_lengths(a: &Attributes) -> Result<(), TreeError> {
    let nodes = a.tree_ids.len();
    if nodes == 0 {
        return Err(TreeError::Empty);
    }
    if nodes > MAX_NODES {
        return Err(TreeError::TooMany {
            what: "the ensemble".into(),
            found: nodes,
            limit: MAX_NODES,
        });
    }
    expect_length("nodes_nodeids", a.node_ids.len(), nodes)?;
    expect_length("nodes_featureids", a.feature_ids.len(), nodes)?;
    expect_length("nodes_modes", a.modes.len(), nodes)?;
    expect_length("nodes_values", a.values.len(), nodes)?;
    expect_length("nodes_truenodeids", a.true_ids.len(), nodes)?;
    expect_length("nodes_falsenodeids", a.false_ids.len(), nodes)?;
    if !a.missing_tracks_true.is_empty() {
        let found = a.missing_tracks_true.len();
        expect_length("nodes_missing_value_tracks_true", found, nodes)?;
    }
    let (prefix, votes) = (a.kind.prefix(), a.vote_classes.len());
    expect_length(&format!("{prefix}_treeids"), a.vote_tree_ids.len(), votes)?;
    expect_length(&format!("{prefix}_nodeids"), a.vote_node_ids.len(), votes)?;
    expect_length(&format!("{prefix}_weights"), a.vote_weights.len(), votes)
}

fn expect_length(attribute: &str, found: usize, expected: usize) -> Result<(), TreeError> {
    if found == expected {
        return Ok(());
    }
    let expected = expected.to_string();
    Err(TreeError::Length { attribute: attribute.to_owned(), found, expected })
}

fn class_count(attributes: &Attributes) -> Result<usize, TreeError> {
    let (found, least) = match &attributes.labels {
        Some(labels) => (labels.len() as i64, 2),
        None => (attributes.targets, 1),
    };
    match usize::try_from(found) {
        Ok(classes) if (least..=MAX_CLASSES).contains(&classes) => Ok(classes),
        _ => Err(TreeError::Classes { found, least, most: MAX_CLASSES }),
    }
}

/// Weights of each node that has any, in the order of the file.
pub type Votes<T> = HashMap<(i64, i64), Vec<(usize, T)>>;

fn votes_by_node<T: Real>(a: &Attributes, classes: usize) -> Result<Votes<T>, TreeError> {
    let name = format!("{}_weights", a.kind.prefix());
    let weights = T::list(&name, &a.vote_weights)?;
    if weights.iter().any(|weight| !weight.is_finite()) {
        return Err(TreeError::NotFinite { attribute: name });
    }
    let mut votes: Votes<T> = HashMap::new();
    for (index, &weight) in weights.iter().enumerate() {
        let (tree, node) = (a.vote_tree_ids[index], a.vote_node_ids[index]);
        let class = a.vote_classes[index];
        match usize::try_from(class) {
            Ok(class) if class < classes => {
                votes.entry((tree, node)).or_default().push((class, weight));
            }
            _ => return Err(TreeError::VoteClass { tree, node, class, classes }),
        }
    }
    Ok(votes)
}

/// Where each tree's nodes stand; a tree's nodes must stand together.
fn tree_ranges(tree_ids: &[i64]) -> Result<Vec<std::ops::Range<usize>>, TreeError> {
    let mut seen = std::collections::HashSet::new();
    let mut ranges = Vec::new();
    let mut start = 0;
    for run in tree_ids.chunk_by(|a, b| a == b) {
        if !seen.insert(run[0]) {
            return Err(TreeError::Scattered { tree: run[0] });
        }
        ranges.push(start..start + run.len());
        start += run.len();
    }
    Ok(ranges)
}

/// The base values, whose count onnxruntime accepts: none, one per class, and for two classes one.
pub fn base_values<T: Real>(a: &Attributes, classes: usize) -> Result<Vec<T>, TreeError> {
    let base = T::list("base_values", &a.base_values)?;
    let fits = base.is_empty() || base.len() == classes || (classes == 2 && a.labels.is_some());
    if !fits || base.len() > classes {
        let (attribute, found) = ("base_values".to_owned(), base.len());
        return Err(TreeError::Length { attribute, found, expected: format!("0 or {classes}") });
    }
    match base.iter().all(|value| value.is_finite()) {
        true => Ok(base),
        false => Err(TreeError::NotFinite { attribute: "base_values".to_owned() }),
    }
}
