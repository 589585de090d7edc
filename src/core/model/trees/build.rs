//! The nodes of one tree, found from its first node on.
//!
//! A file names children by id, so nothing keeps it from naming one twice or from going round in
//! circles. Circles are refused. A node with several parents is not: converters write the split of
//! a category, `x is one of 2, 5 and 7`, as a chain of three tests for equality that share the
//! child for yes. Such a chain becomes one branch again, which asks for all of its numbers at once.
//! What still has several parents after that is kept once and shared.

use std::collections::HashMap;
use std::ops::Range;

use super::attributes::Attributes;
use super::error::TreeError;
use super::numbers::NumberSet;
use super::real::Real;
use super::validate::{Branch, Node, Test, Tree, Votes};

/// What a node of the file asks, in the two tests that are left.
enum Question<T> {
    /// Whether a number is at most this.
    AtMost(T),
    /// Whether a number equals this.
    Equals(T),
}

/// A node of the file that is no leaf.
struct Asked<T> {
    question: Question<T>,
    /// Whether a missing value goes `yes`.
    missing_yes: bool,
    feature: usize,
    /// Place of the child in the file's lists.
    yes: usize,
    /// Place of the child in the file's lists.
    no: usize,
}

/// Builds tree after tree. Borrows the file's lists; what is left of `votes` at the end belongs to
/// no node.
pub struct Builder<'a, T> {
    /// The file's lists, of equal lengths.
    pub attributes: &'a Attributes,
    /// Columns of the input.
    pub width: usize,
    /// Thresholds by place in the lists.
    pub thresholds: Vec<T>,
    /// Weights of the leaves that no tree has taken yet.
    pub votes: Votes<T>,
}

/// One tree while it is built: its part of the file's lists, and what has become of it.
struct Growth<T> {
    range: Range<usize>,
    by_id: HashMap<i64, usize>,
    /// How often each node of the file is named as a child.
    parents: Vec<u32>,
    /// For each node of the file its place among `nodes`, once it has one.
    placed: Vec<Option<usize>>,
    nodes: Vec<Node<T>>,
    shares: bool,
}

impl<T: Real> Builder<'_, T> {
    /// The tree at this place of the file's lists.
    pub fn tree(&mut self, range: Range<usize>) -> Result<Tree<T>, TreeError> {
        let by_id = self.index_by_id(range.clone())?;
        let parents = self.count_parents(&range, &by_id)?;
        let placed = vec![None; range.len()];
        let mut growth = Growth { range, by_id, parents, placed, nodes: Vec::new(), shares: false };
        self.grow(&mut growth)?;
        Ok(Tree { nodes: growth.nodes, shares: growth.shares })
    }

    /// How often each node is named as a child. Refuses circles and nodes that the first does not
    /// lead to. Each node is entered once and left once all below it has been left; who meets a
    /// node that is entered and not left has come round to it.
    fn count_parents(
        &mut self,
        range: &Range<usize>,
        by_id: &HashMap<i64, usize>,
    ) -> Result<Vec<u32>, TreeError> {
        #[derive(Clone, Copy, PartialEq)]
        enum Walked {
            Not,
            Entered,
            Left,
        }
        let mut walked = vec![Walked::Not; range.len()];
        let mut parents = vec![0; range.len()];
        let mut waiting = vec![range.start];
        while let Some(&source) = waiting.last() {
            let mark = &mut walked[source - range.start];
            if *mark != Walked::Not {
                *mark = Walked::Left;
                waiting.pop();
                continue;
            }
            *mark = Walked::Entered;
            let Some(asked) = self.asked(source, by_id)? else { continue };
            for child in [asked.yes, asked.no] {
                parents[child - range.start] += 1;
                match walked[child - range.start] {
                    Walked::Not => waiting.push(child),
                    Walked::Left => {}
                    Walked::Entered => {
                        let (tree, node) = self.id(child);
                        return Err(TreeError::Cycle { tree, node });
                    }
                }
            }
        }
        match walked.iter().position(|&walked| walked == Walked::Not) {
            None => Ok(parents),
            Some(index) => {
                let (tree, node) = self.id(range.start + index);
                Err(TreeError::Unreachable { tree, node })
            }
        }
    }

    /// Places nodes in preorder. Children wait on a stack with the place where their index belongs.
    fn grow(&mut self, growth: &mut Growth<T>) -> Result<(), TreeError> {
        let mut waiting: Vec<(usize, Option<(usize, bool)>)> = vec![(growth.range.start, None)];
        while let Some((source, parent)) = waiting.pop() {
            let place = source - growth.range.start;
            let known = growth.placed[place];
            growth.shares |= known.is_some();
            let index = known.unwrap_or(growth.nodes.len());
            growth.placed[place] = Some(index);
            if let Some((parent, is_yes)) = parent {
                link(&mut growth.nodes[parent], is_yes, index);
            }
            if known.is_some() {
                continue;
            }
            match self.asked(source, &growth.by_id)? {
                None => growth.nodes.push(Node::Leaf(self.take_votes(source)?)),
                Some(asked) => {
                    let (branch, no) = self.branch(&asked, growth)?;
                    growth.nodes.push(Node::Branch(branch));
                    waiting.push((no, Some((index, false))));
                    waiting.push((asked.yes, Some((index, true))));
                }
            }
        }
        Ok(())
    }

    /// The branch that begins with `asked`, and the place of its child for no. Tests for equality
    /// follow a chain as far as nobody else leads into it.
    fn branch(
        &mut self,
        asked: &Asked<T>,
        growth: &Growth<T>,
    ) -> Result<(Branch<T>, usize), TreeError> {
        let (mut missing_yes, mut no) = (asked.missing_yes, asked.no);
        let test = match asked.question {
            Question::AtMost(threshold) => Test::AtMost(threshold),
            Question::Equals(first) => {
                let mut numbers = vec![first];
                while growth.parents[no - growth.range.start] == 1
                    && let Some(next) = self.asked(no, &growth.by_id)?
                    && let Question::Equals(number) = next.question
                    && (next.feature, next.yes) == (asked.feature, asked.yes)
                {
                    numbers.push(number);
                    missing_yes |= next.missing_yes;
                    no = next.no;
                }
                Test::Among(NumberSet::of(numbers))
            }
        };
        Ok((Branch { feature: asked.feature, test, missing_yes, yes: 0, no: 0 }, no))
    }

    fn id(&self, source: usize) -> (i64, i64) {
        (self.attributes.tree_ids[source], self.attributes.node_ids[source])
    }

    fn index_by_id(&self, range: Range<usize>) -> Result<HashMap<i64, usize>, TreeError> {
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

    /// What a node asks and where it leads; `None` for a leaf.
    fn asked(
        &mut self,
        source: usize,
        by_id: &HashMap<i64, usize>,
    ) -> Result<Option<Asked<T>>, TreeError> {
        use Question::{AtMost, Equals};
        let (tree, node) = self.id(source);
        let mode = self.attributes.modes[source].as_str();
        if mode == "LEAF" {
            return Ok(None);
        }
        // Weights of inner nodes, which old converters wrote, mean nothing (as in onnxruntime).
        self.votes.remove(&(tree, node));
        let tracks_true = self.attributes.missing_tracks_true.get(source) == Some(&1);
        let t = self.thresholds[source];
        let below = AtMost(t.below().unwrap_or(T::NAN));
        let never = AtMost(T::INFINITY);
        let (question, swapped, missing_yes) = match mode {
            "BRANCH_LEQ" => (AtMost(t), false, tracks_true),
            "BRANCH_LT" => (below, false, tracks_true),
            "BRANCH_GT" => (if t.is_nan() { never } else { AtMost(t) }, true, !tracks_true),
            "BRANCH_GTE" => (if t.is_nan() { never } else { below }, true, !tracks_true),
            "BRANCH_EQ" => (Equals(t), false, tracks_true),
            "BRANCH_NEQ" => (Equals(t), true, false),
            other => return Err(TreeError::Mode { tree, node, mode: other.to_owned() }),
        };
        let find = |child: i64| {
            by_id.get(&child).copied().ok_or(TreeError::NoSuchChild { tree, node, child })
        };
        let (met, unmet) =
            (find(self.attributes.true_ids[source])?, find(self.attributes.false_ids[source])?);
        let (yes, no) = if swapped { (unmet, met) } else { (met, unmet) };
        Ok(Some(Asked { question, missing_yes, feature: self.feature(source)?, yes, no }))
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
