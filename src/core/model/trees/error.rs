//! Why a TreeEnsemble node is refused.

use thiserror::Error;

/// What is wrong with the attributes of a TreeEnsemble node. Such a file was damaged or written by
/// a faulty converter: export the model again.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TreeError {
    /// The node is another operator.
    #[error("the node is not a tree ensemble")]
    NotAnEnsemble,
    /// An attribute stands twice.
    #[error("attribute {attribute} stands twice")]
    Repeated {
        /// The attribute.
        attribute: String,
    },
    /// A list is given both as floats and as a tensor.
    #[error("{attribute} and {attribute}_as_tensor are both given, keep one")]
    Twice {
        /// The attribute.
        attribute: String,
    },
    /// A `_as_tensor` attribute is neither float nor double, or has a broken length.
    #[error("{attribute} must be a float or double tensor")]
    TensorType {
        /// The attribute.
        attribute: String,
    },
    /// Doubles for a float32 input, which onnxruntime refuses too.
    #[error(
        "{attribute} holds doubles but the input is float32, convert the model with float32 \
         thresholds and weights"
    )]
    DoubleForFloat {
        /// The attribute.
        attribute: String,
    },
    /// A text attribute is not UTF-8.
    #[error("{attribute} is not UTF-8 text")]
    NotText {
        /// The attribute.
        attribute: String,
    },
    /// Neither or both kinds of class labels.
    #[error("give exactly one of classlabels_int64s and classlabels_strings")]
    Labels,
    /// More entries than the limit.
    #[error("{what} has {found} entries, the limit is {limit}")]
    TooMany {
        /// What is counted or named.
        what: String,
        /// How many, or what, there is.
        found: usize,
        /// The most that is allowed.
        limit: usize,
    },
    /// A list's length does not fit.
    #[error("{attribute} has {found} entries, expected {expected}")]
    Length {
        /// The attribute.
        attribute: String,
        /// How many, or what, there is.
        found: usize,
        /// What it should be.
        expected: String,
    },
    /// No nodes at all.
    #[error("the ensemble has no nodes")]
    Empty,
    /// A classifier of fewer than two classes, or a regressor without targets.
    #[error("{found} classes or targets, expected between {least} and {most}")]
    Classes {
        /// How many, or what, there is.
        found: i64,
        /// The least.
        least: usize,
        /// The most.
        most: usize,
    },
    /// An unknown node mode.
    #[error("node {node} of tree {tree} has the unknown mode {mode:?}")]
    Mode {
        /// The tree.
        tree: i64,
        /// The node.
        node: i64,
        /// The mode.
        mode: String,
    },
    /// An unknown aggregate function.
    #[error("unknown aggregate_function {0:?}, expected SUM, AVERAGE, MIN or MAX")]
    Aggregate(String),
    /// An unknown post transform.
    #[error(
        "unknown post_transform {0:?}, expected NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO or PROBIT"
    )]
    PostTransform(String),
    /// PROBIT on votes for the first of two classes only: onnxruntime leaves the second column
    /// undefined.
    #[error(
        "post_transform PROBIT leaves the second class undefined, export probabilities instead"
    )]
    ProbitBinary,
    /// A tree's nodes do not stand together.
    #[error("the nodes of tree {tree} do not stand together")]
    Scattered {
        /// The tree.
        tree: i64,
    },
    /// Two nodes of a tree have the same id.
    #[error("node {node} of tree {tree} stands twice")]
    NodeTwice {
        /// The tree.
        tree: i64,
        /// The node.
        node: i64,
    },
    /// A child that does not exist.
    #[error("node {node} of tree {tree} points to node {child}, which does not exist")]
    NoSuchChild {
        /// The tree.
        tree: i64,
        /// The node.
        node: i64,
        /// The child.
        child: i64,
    },
    /// A node that leads back to itself.
    #[error("node {node} of tree {tree} leads back to itself")]
    Cycle {
        /// The tree.
        tree: i64,
        /// The node.
        node: i64,
    },
    /// A node that the root does not lead to.
    #[error("node {node} of tree {tree} is not reached from the tree's first node")]
    Unreachable {
        /// The tree.
        tree: i64,
        /// The node.
        node: i64,
    },
    /// A feature id that is negative or not below the input's width.
    #[error("node {node} of tree {tree} tests feature {feature}, the input has {width}")]
    Feature {
        /// The tree.
        tree: i64,
        /// The node.
        node: i64,
        /// The feature.
        feature: i64,
        /// The width of the input.
        width: usize,
    },
    /// A class or target id out of range.
    #[error("a vote of node {node} of tree {tree} is for class {class} of {classes}")]
    VoteClass {
        /// The tree.
        tree: i64,
        /// The node.
        node: i64,
        /// The class.
        class: i64,
        /// How many classes there are.
        classes: usize,
    },
    /// A vote for a node that does not exist.
    #[error("a vote is for node {node} of tree {tree}, which does not exist")]
    VoteNode {
        /// The tree.
        tree: i64,
        /// The node.
        node: i64,
    },
    /// A weight or base value that is not a finite number.
    #[error("{attribute} holds a value that is not finite")]
    NotFinite {
        /// The attribute.
        attribute: String,
    },
    /// A leaf nobody voted for.
    #[error("leaf {node} of tree {tree} has no weight")]
    NoVote {
        /// The tree.
        tree: i64,
        /// The node.
        node: i64,
    },
}
