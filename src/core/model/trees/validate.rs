//! From attributes to a forest that needs no further check.
//!
//! After [`Forest::of`] every child exists, every tree is a tree, every feature is below the
//! input's width and every leaf votes. Evaluation indexes without asking again.
//!
//! The six comparison modes shrink to two. `x < t` is `x <= t'` for the float `t'` just below `t`;
//! `x > t` is `x <= t` with the children swapped, and a missing value changes sides with them;
//! `x != t` is `x == t` swapped. So evaluation knows one ordered test and one equality.

use std::collections::HashMap;

use super::attributes::{Attributes, MAX_CLASSES, MAX_NODES};
use super::error::TreeError;
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
    /// All nodes, each reached exactly once from the first.
    pub nodes: Vec<Node<T>>,
}

/// A node of a validated tree.
#[derive(Debug, Clone, PartialEq)]
pub enum Node<T> {
    /// An inner node.
    Branch(Branch<T>),
    /// A leaf: weights by class in the order of the file, at least one.
    Leaf(Vec<(usize, T)>),
}

/// An inner node: `yes` if `x <= threshold` (or `x == threshold` if `equal`), and for a NaN if
/// `missing_yes`. A NaN threshold means that no number goes `yes`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Branch<T> {
    /// Column of the input.
    pub feature: usize,
    /// What the feature is compared with.
    pub threshold: T,
    /// Equality instead of order.
    pub equal: bool,
    /// Whether a missing value (NaN) goes `yes`.
    pub missing_yes: bool,
    /// Index of the child in the tree's nodes.
    pub yes: usize,
    /// Index of the child in the tree's nodes.
    pub no: usize,
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
type Votes<T> = HashMap<(i64, i64), Vec<(usize, T)>>;

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

struct Builder<'a, T> {
    attributes: &'a Attributes,
    width: usize,
    thresholds: Vec<T>,
    votes: Votes<T>,
}

impl<T: Real> Builder<'_, T> {
    /// Walks one tree from its first node, so that preorder, uniqueness and reachability come out
    /// of one pass. Children wait on a stack with the place where their index belongs.
    fn tree(&mut self, range: std::ops::Range<usize>) -> Result<Tree<T>, TreeError> {
        let by_id = self.index_by_id(range.clone())?;
        let mut reached = vec![false; range.len()];
        let mut nodes: Vec<Node<T>> = Vec::with_capacity(range.len());
        let mut waiting: Vec<(usize, Option<(usize, bool)>)> = vec![(range.start, None)];
        while let Some((source, parent)) = waiting.pop() {
            if std::mem::replace(&mut reached[source - range.start], true) {
                let (tree, node) = self.id(source);
                return Err(TreeError::ReachedTwice { tree, node });
            }
            let index = nodes.len();
            if let Some((parent, is_yes)) = parent {
                link(&mut nodes[parent], is_yes, index);
            }
            match self.branch(source)? {
                None => nodes.push(Node::Leaf(self.take_votes(source)?)),
                Some((branch, swapped)) => {
                    nodes.push(Node::Branch(branch));
                    let (yes, no) = self.children(source, swapped, &by_id)?;
                    waiting.push((no, Some((index, false))));
                    waiting.push((yes, Some((index, true))));
                }
            }
        }
        match reached.iter().position(|&reached| !reached) {
            None => Ok(Tree { nodes }),
            Some(index) => {
                let (tree, node) = self.id(range.start + index);
                Err(TreeError::Unreachable { tree, node })
            }
        }
    }

    fn id(&self, source: usize) -> (i64, i64) {
        (self.attributes.tree_ids[source], self.attributes.node_ids[source])
    }

    fn index_by_id(&self, range: std::ops::Range<usize>) -> Result<HashMap<i64, usize>, TreeError> {
        let mut by_id = HashMap::with_capacity(range.len());
        for source in range {
            let (tree, node) = self.id(source);
            if by_id.insert(node, source).is_some() {
                return Err(TreeError::NodeTwice { tree, node });
            }
        }
        Ok(by_id)
    }

    fn take_votes(&mut self, source: usize) -> Result<Vec<(usize, T)>, TreeError> {
        let (tree, node) = self.id(source);
        self.votes.remove(&(tree, node)).ok_or(TreeError::NoVote { tree, node })
    }

    fn children(
        &self,
        source: usize,
        swapped: bool,
        by_id: &HashMap<i64, usize>,
    ) -> Result<(usize, usize), TreeError> {
        let (tree, node) = self.id(source);
        let find = |child: i64| {
            by_id.get(&child).copied().ok_or(TreeError::NoSuchChild { tree, node, child })
        };
        let yes = find(self.attributes.true_ids[source])?;
        let no = find(self.attributes.false_ids[source])?;
        Ok(if swapped { (no, yes) } else { (yes, no) })
    }

    /// The test of a node and whether its children are swapped; `None` for a leaf.
    fn branch(&mut self, source: usize) -> Result<Option<(Branch<T>, bool)>, TreeError> {
        let (tree, node) = self.id(source);
        let mode = self.attributes.modes[source].as_str();
        if mode == "LEAF" {
            return Ok(None);
        }
        // Weights of inner nodes, which old converters wrote, mean nothing (as in onnxruntime).
        self.votes.remove(&(tree, node));
        let tracks_true = self.attributes.missing_tracks_true.get(source) == Some(&1);
        let t = self.thresholds[source];
        let never = T::NAN;
        let (threshold, equal, swapped, missing_yes) = match mode {
            "BRANCH_LEQ" => (t, false, false, tracks_true),
            "BRANCH_LT" => (t.below().unwrap_or(never), false, false, tracks_true),
            "BRANCH_GT" => (if t.is_nan() { T::INFINITY } else { t }, false, true, !tracks_true),
            "BRANCH_GTE" if t.is_nan() => (T::INFINITY, false, true, !tracks_true),
            "BRANCH_GTE" => (t.below().unwrap_or(never), false, true, !tracks_true),
            "BRANCH_EQ" => (t, true, false, tracks_true),
            "BRANCH_NEQ" => (t, true, true, false),
            other => return Err(TreeError::Mode { tree, node, mode: other.to_owned() }),
        };
        let feature = self.feature(source)?;
        let branch = Branch { feature, threshold, equal, missing_yes, yes: 0, no: 0 };
        Ok(Some((branch, swapped)))
    }

    fn feature(&self, source: usize) -> Result<usize, TreeError> {
        let ((tree, node), feature) = (self.id(source), self.attributes.feature_ids[source]);
        match usize::try_from(feature) {
            Ok(index) if index < self.width => Ok(index),
            _ => Err(TreeError::Feature { tree, node, feature, width: self.width }),
        }
    }
}

fn link<T>(parent: &mut Node<T>, is_yes: bool, child: usize) {
    if let Node::Branch(branch) = parent {
        *(if is_yes { &mut branch.yes } else { &mut branch.no }) = child;
    }
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
