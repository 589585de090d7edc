//! The attributes of a TreeEnsemble node as they stand in the file, typed but not yet believed.
//!
//! ONNX writes an ensemble as a dozen parallel lists: one entry per node (tree, id, feature,
//! threshold, mode, children) and one per vote (tree, node, class, weight). Each list may be
//! missing, too short or of another type. This module only fetches; [`super::validate`] decides
//! what they mean.
//!
//! Source: ai.onnx.ml operators TreeEnsembleClassifier and TreeEnsembleRegressor, versions 1 to 3.

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, NodeProto, TensorProto};

use super::error::TreeError;

/// Most nodes in one ensemble: 4 million, about 100 MB in memory, far above what scores in time.
pub const MAX_NODES: usize = 1 << 22;

/// Most classes or targets of one ensemble.
pub const MAX_CLASSES: usize = 1 << 10;

/// Which of the two operators a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// TreeEnsembleClassifier: labels and class scores.
    Classifier,
    /// TreeEnsembleRegressor: targets.
    Regressor,
}

impl Kind {
    /// The kind of an operator of this name, if it is one of the two.
    pub fn of(op_type: &str) -> Option<Self> {
        match op_type {
            "TreeEnsembleClassifier" => Some(Self::Classifier),
            "TreeEnsembleRegressor" => Some(Self::Regressor),
            _ => None,
        }
    }

    /// How the vote attributes of this kind begin.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Classifier => "class",
            Self::Regressor => "target",
        }
    }
}

/// A list of numbers given as floats, or as a tensor of floats or doubles.
#[derive(Debug, Clone, PartialEq)]
pub enum Numbers {
    /// 32-bit, from `<name>` or a float tensor `<name>_as_tensor`.
    Single(Vec<f32>),
    /// 64-bit, from a double tensor `<name>_as_tensor`.
    Double(Vec<f64>),
}

impl Numbers {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Single(values) => values.len(),
            Self::Double(values) => values.len(),
        }
    }
}

/// Class labels of a classifier.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Labels {
    /// `classlabels_int64s`.
    Ints(Vec<i64>),
    /// `classlabels_strings`.
    Strings(Vec<String>),
}

impl Labels {
    /// How many classes there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Ints(labels) => labels.len(),
            Self::Strings(labels) => labels.len(),
        }
    }
}

/// The attributes of one TreeEnsemble node, unchecked.
#[derive(Debug, Clone, PartialEq)]
pub struct Attributes {
    /// Classifier or regressor.
    pub kind: Kind,
    /// `nodes_treeids`.
    pub tree_ids: Vec<i64>,
    /// `nodes_nodeids`.
    pub node_ids: Vec<i64>,
    /// `nodes_featureids`.
    pub feature_ids: Vec<i64>,
    /// `nodes_modes`.
    pub modes: Vec<String>,
    /// `nodes_values` or `nodes_values_as_tensor`.
    pub values: Numbers,
    /// `nodes_truenodeids`.
    pub true_ids: Vec<i64>,
    /// `nodes_falsenodeids`.
    pub false_ids: Vec<i64>,
    /// `nodes_missing_value_tracks_true`; empty means none does.
    pub missing_tracks_true: Vec<i64>,
    /// `class_treeids` or `target_treeids`.
    pub vote_tree_ids: Vec<i64>,
    /// `class_nodeids` or `target_nodeids`.
    pub vote_node_ids: Vec<i64>,
    /// `class_ids` or `target_ids`.
    pub vote_classes: Vec<i64>,
    /// `class_weights` or `target_weights`, also `_as_tensor`.
    pub vote_weights: Numbers,
    /// `base_values`, also `_as_tensor`; empty means none.
    pub base_values: Numbers,
    /// `classlabels_int64s` or `classlabels_strings`; none for regressors.
    pub labels: Option<Labels>,
    /// `n_targets` of a regressor.
    pub targets: i64,
    /// `aggregate_function` of a regressor, SUM if absent.
    pub aggregate: String,
    /// `post_transform`, NONE if absent.
    pub post_transform: String,
}

impl Attributes {
    /// Fetches the attributes of `node`, which is one of the two operators.
    pub fn of(node: &NodeProto) -> Result<Self, TreeError> {
        let kind = Kind::of(&node.op_type).ok_or(TreeError::NotAnEnsemble)?;
        let prefix = kind.prefix();
        let fetch = Fetch(&node.attribute);
        fetch.refuse_repeated()?;
        Ok(Self {
            kind,
            tree_ids: fetch.ints("nodes_treeids")?,
            node_ids: fetch.ints("nodes_nodeids")?,
            feature_ids: fetch.ints("nodes_featureids")?,
            modes: fetch.strings("nodes_modes")?,
            values: fetch.numbers("nodes_values")?,
            true_ids: fetch.ints("nodes_truenodeids")?,
            false_ids: fetch.ints("nodes_falsenodeids")?,
            missing_tracks_true: fetch.ints("nodes_missing_value_tracks_true")?,
            vote_tree_ids: fetch.ints(&format!("{prefix}_treeids"))?,
            vote_node_ids: fetch.ints(&format!("{prefix}_nodeids"))?,
            vote_classes: fetch.ints(&format!("{prefix}_ids"))?,
            vote_weights: fetch.numbers(&format!("{prefix}_weights"))?,
            base_values: fetch.numbers("base_values")?,
            labels: fetch.labels(kind)?,
            targets: fetch.int("n_targets", 1)?,
            aggregate: fetch.string("aggregate_function", "SUM")?,
            post_transform: fetch.string("post_transform", "NONE")?,
        })
    }
}

/// Looks attributes up by name; an absent list is an empty one, as in onnxruntime.
struct Fetch<'a>(&'a [AttributeProto]);

impl Fetch<'_> {
    fn refuse_repeated(&self) -> Result<(), TreeError> {
        let mut names: Vec<&str> = self.0.iter().map(|a| a.name.as_str()).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(TreeError::Repeated { attribute: pair[0].to_owned() }),
            None => Ok(()),
        }
    }

    fn find(&self, name: &str) -> Option<&AttributeProto> {
        self.0.iter().find(|attribute| attribute.name == name)
    }

    fn ints(&self, name: &str) -> Result<Vec<i64>, TreeError> {
        let ints = self.find(name).map(|a| a.ints.clone()).unwrap_or_default();
        bounded(name, ints.len())?;
        Ok(ints)
    }

    fn int(&self, name: &str, default: i64) -> Result<i64, TreeError> {
        Ok(self.find(name).map_or(default, |a| a.i))
    }

    fn string(&self, name: &str, default: &str) -> Result<String, TreeError> {
        match self.find(name) {
            Some(attribute) => text(name, &attribute.s),
            None => Ok(default.to_owned()),
        }
    }

    fn strings(&self, name: &str) -> Result<Vec<String>, TreeError> {
        let Some(attribute) = self.find(name) else { return Ok(Vec::new()) };
        bounded(name, attribute.strings.len())?;
        attribute.strings.iter().map(|bytes| text(name, bytes)).collect()
    }

    fn numbers(&self, name: &str) -> Result<Numbers, TreeError> {
        let floats = self.find(name).map(|a| a.floats.as_slice()).unwrap_or_default();
        bounded(name, floats.len())?;
        let as_tensor = format!("{name}_as_tensor");
        let tensor = self.find(&as_tensor).and_then(|a| a.t.as_ref());
        match tensor {
            Some(_) if !floats.is_empty() => Err(TreeError::Twice { attribute: name.to_owned() }),
            Some(tensor) => tensor_numbers(&as_tensor, tensor),
            None => Ok(Numbers::Single(floats.to_vec())),
        }
    }

    fn labels(&self, kind: Kind) -> Result<Option<Labels>, TreeError> {
        if kind == Kind::Regressor {
            return Ok(None);
        }
        let ints = self.ints("classlabels_int64s")?;
        let strings = self.strings("classlabels_strings")?;
        match (ints.is_empty(), strings.is_empty()) {
            (false, true) => Ok(Some(Labels::Ints(ints))),
            (true, false) => Ok(Some(Labels::Strings(strings))),
            _ => Err(TreeError::Labels),
        }
    }
}

fn bounded(name: &str, found: usize) -> Result<(), TreeError> {
    if found > MAX_NODES {
        return Err(TreeError::TooMany { what: name.to_owned(), found, limit: MAX_NODES });
    }
    Ok(())
}

fn text(name: &str, bytes: &[u8]) -> Result<String, TreeError> {
    let text = std::str::from_utf8(bytes);
    text.map(str::to_owned).map_err(|_| TreeError::NotText { attribute: name.to_owned() })
}

/// The values of a float or double tensor, wherever the writer put them.
fn tensor_numbers(name: &str, tensor: &TensorProto) -> Result<Numbers, TreeError> {
    bounded(name, tensor.float_data.len() + tensor.double_data.len() + tensor.raw_data.len() / 8)?;
    let raw = tensor.raw_data.as_slice();
    match DataType::try_from(tensor.data_type) {
        Ok(DataType::Float) if raw.is_empty() => Ok(Numbers::Single(tensor.float_data.clone())),
        Ok(DataType::Double) if raw.is_empty() => Ok(Numbers::Double(tensor.double_data.clone())),
        Ok(DataType::Float) if raw.len().is_multiple_of(4) => {
            let (chunks, _) = raw.as_chunks::<4>();
            Ok(Numbers::Single(chunks.iter().map(|&c| f32::from_le_bytes(c)).collect()))
        }
        Ok(DataType::Double) if raw.len().is_multiple_of(8) => {
            let (chunks, _) = raw.as_chunks::<8>();
            Ok(Numbers::Double(chunks.iter().map(|&c| f64::from_le_bytes(c)).collect()))
        }
        _ => Err(TreeError::TensorType { attribute: name.to_owned() }),
    }
}
