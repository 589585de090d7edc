//! The graph of an ONNX file, cut down to what leads from the features to the score.
//!
//! Converters export more than a score: labels, argmax, casts of labels, dictionaries. None of that
//! is computed here, so the graph is cut before anything looks at its operators: from the one
//! output that is a score backwards to the one input. An operator that nobody implements is only a
//! fault if it stands on that way.

use std::collections::{HashMap, HashSet};

use tract_onnx::pb::tensor_proto::{DataLocation, DataType};
use tract_onnx::pb::tensor_shape_proto::dimension;
use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, type_proto};

use super::error::LoadError;
use super::trees::attributes::Kind;

/// Most nodes of a graph.
const MAX_GRAPH_NODES: usize = 20_000;

/// A model's graph with one input, one output, and only the nodes between them.
pub(super) struct Outline {
    /// The cut model.
    pub proto: ModelProto,
    /// Name of the input.
    pub input: String,
    /// Name of the output.
    pub output: String,
}

impl Outline {
    /// Cuts `proto` for rows of `width` features.
    pub fn of(mut proto: ModelProto, width: usize) -> Result<Self, LoadError> {
        let Some(mut graph) = proto.graph.take() else {
            return Err(LoadError::NotOnnx { reason: "it has no graph".to_owned() });
        };
        if graph.node.len() > MAX_GRAPH_NODES {
            let reason =
                format!("it has {} nodes, the limit is {MAX_GRAPH_NODES}", graph.node.len());
            return Err(LoadError::Graph { reason });
        }
        let input = find_input(&graph, width)?;
        let output = find_output(&graph, &proto.producer_name)?;
        cut(&mut graph, &input, &output)?;
        refuse_foreign_data(&graph)?;
        widen_scalar_picks(&mut graph);
        proto.graph = Some(graph);
        Ok(Self { proto, input, output })
    }

    /// The graph.
    pub fn graph(&self) -> &GraphProto {
        self.proto.graph.as_ref().expect("invariant: an outline has a graph")
    }

    /// Names of the operators in the graph and its subgraphs, each once.
    pub fn operators(&self) -> Vec<String> {
        let mut names = Vec::new();
        collect_operators(self.graph(), &mut names);
        names
    }

    /// The tree ensemble that is the whole graph, apart from steps that change nothing.
    pub fn lone_ensemble(&self) -> Option<&NodeProto> {
        let graph = self.graph();
        let mut name = self.output.as_str();
        loop {
            let node = producer(graph, name)?;
            if Kind::of(&node.op_type).is_some() {
                let from_input = self.leads_to_input(node.input.first()?);
                let is_score = node.output.last().is_some_and(|last| last == name);
                return (is_score && from_input).then_some(node);
            }
            name = unchanged_input(graph, node)?;
        }
    }

    fn leads_to_input<'a>(&'a self, mut name: &'a str) -> bool {
        while name != self.input {
            let source = producer(self.graph(), name);
            match source.and_then(|node| unchanged_input(self.graph(), node)) {
                Some(input) => name = input,
                None => return false,
            }
        }
        true
    }
}

/// The node that makes the value called `name`.
fn producer<'a>(graph: &'a GraphProto, name: &str) -> Option<&'a NodeProto> {
    graph.node.iter().find(|node| node.output.iter().any(|output| output == name))
}

/// The float32 input that `node` hands on unchanged: Identity, Cast to float32, Mul by one.
/// LightGBM's converter writes such a Mul.
fn unchanged_input<'a>(graph: &GraphProto, node: &'a NodeProto) -> Option<&'a str> {
    let to_float = |node: &NodeProto| {
        node.attribute.iter().any(|a| a.name == "to" && a.i == DataType::Float as i64)
    };
    match (node.op_type.as_str(), node.input.as_slice()) {
        ("Identity", [input]) => Some(input),
        ("Cast", [input]) if to_float(node) => Some(input),
        ("Mul", [input, factor]) if is_one(graph, factor) => Some(input),
        _ => None,
    }
}

fn is_one(graph: &GraphProto, name: &str) -> bool {
    graph.initializer.iter().filter(|tensor| tensor.name == name).any(|tensor| {
        tensor.data_type == DataType::Float as i32
            && (tensor.float_data == [1.0] || tensor.raw_data == 1f32.to_le_bytes())
    })
}

fn collect_operators(graph: &GraphProto, names: &mut Vec<String>) {
    for node in &graph.node {
        if !names.contains(&node.op_type) {
            names.push(node.op_type.clone());
        }
        subgraphs(node).for_each(|graph| collect_operators(graph, names));
    }
}

fn subgraphs(node: &NodeProto) -> impl Iterator<Item = &GraphProto> {
    node.attribute.iter().flat_map(|attribute| attribute.g.iter().chain(&attribute.graphs))
}

/// The one input that is not a constant, if it is float32 [N, `width`].
fn find_input(graph: &GraphProto, width: usize) -> Result<String, LoadError> {
    let constants: HashSet<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
    let inputs: Vec<&ValueInfoProto> =
        graph.input.iter().filter(|input| !constants.contains(input.name.as_str())).collect();
    let [input] = inputs.as_slice() else {
        let names: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
        let found = format!("the model has {} inputs ({})", names.len(), names.join(", "));
        let advice = "convert with all features as columns of one matrix";
        return Err(LoadError::Input { found, width, advice });
    };
    let refuse = |found: String, advice| {
        let found = format!("input {} {found}", input.name);
        Err(LoadError::Input { found, width, advice })
    };
    let Some(tensor) = tensor_type(input) else {
        return refuse("is not a tensor".to_owned(), "convert with a FloatTensorType input");
    };
    if tensor.elem_type != DataType::Float as i32 {
        let found = format!("is {}", type_name(tensor.elem_type));
        return refuse(found, "convert with FloatTensorType([None, F])");
    }
    let Some(shape) = &tensor.shape else { return Ok(input.name.clone()) };
    let columns = shape.dim.get(1).and_then(|dim| dim.value.as_ref());
    match (shape.dim.len(), columns) {
        (2, Some(dimension::Value::DimValue(found))) if *found != width as i64 => refuse(
            format!("has {found} columns"),
            "the metadata's `features` must name each column, in order",
        ),
        (2, _) => Ok(input.name.clone()),
        (rank, _) => refuse(format!("has {rank} axes"), "convert with FloatTensorType([None, F])"),
    }
}

fn tensor_type(value: &ValueInfoProto) -> Option<&type_proto::Tensor> {
    match value.r#type.as_ref()?.value.as_ref()? {
        type_proto::Value::TensorType(tensor) => Some(tensor),
    }
}

fn type_name(elem_type: i32) -> String {
    DataType::try_from(elem_type)
        .map_or_else(|_| "of no type".to_owned(), |known| format!("{known:?}").to_lowercase())
}

/// What CatBoost calls itself in its files.
const CATBOOST: &str = "CatBoost";

/// The value that is a score: the output `probabilities`, else `score`, else the only one of
/// floats. CatBoost always packs its probabilities into a ZipMap, so its packing is undone;
/// `converter` names who wrote the file. Other converters can leave it out, and a file without it
/// runs anywhere.
fn find_output(graph: &GraphProto, converter: &str) -> Result<String, LoadError> {
    let named = |name: &str| graph.output.iter().find(|output| output.name == name);
    let is_float = |output: &&ValueInfoProto| {
        tensor_type(output).is_some_and(|tensor| tensor.elem_type == DataType::Float as i32)
    };
    let zip_map = |output: &&ValueInfoProto| {
        producer(graph, &output.name).is_some_and(|node| node.op_type == "ZipMap")
    };
    let floats: Vec<&ValueInfoProto> = graph.output.iter().filter(is_float).collect();
    let only = match (graph.output.as_slice(), floats.as_slice()) {
        ([only], _) | (_, &[only]) => Some(only),
        _ => None,
    };
    let Some(output) = named("probabilities").or_else(|| named("score")).or(only) else {
        if let Some(zipped) = graph.output.iter().find(zip_map) {
            return Err(LoadError::ZipMap { output: zipped.name.clone() });
        }
        let names: Vec<&str> = graph.output.iter().map(|output| output.name.as_str()).collect();
        return Err(LoadError::Output { found: format!("the outputs are {}", names.join(", ")) });
    };
    match producer(graph, &output.name) {
        Some(node) if node.op_type == "ZipMap" => match node.input.first() {
            Some(tensor) if converter == CATBOOST => Ok(tensor.clone()),
            _ => Err(LoadError::ZipMap { output: output.name.clone() }),
        },
        _ => Ok(output.name.clone()),
    }
}

/// Keeps the nodes and constants from which `output` is made, in their order.
fn cut(graph: &mut GraphProto, input: &str, output: &str) -> Result<(), LoadError> {
    let mut makers: HashMap<&str, usize> = HashMap::new();
    for (index, node) in graph.node.iter().enumerate() {
        for name in node.output.iter().filter(|name| !name.is_empty()) {
            if makers.insert(name, index).is_some() {
                return Err(LoadError::Graph { reason: format!("two nodes make `{name}`") });
            }
        }
    }
    let constants: HashSet<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
    let mut wanted = vec![output.to_owned()];
    let mut seen: HashSet<String> = HashSet::new();
    let mut keep = vec![false; graph.node.len()];
    while let Some(name) = wanted.pop() {
        if !seen.insert(name.clone()) || name == input || constants.contains(name.as_str()) {
            continue;
        }
        match makers.get(name.as_str()) {
            None => return Err(LoadError::Graph { reason: format!("nothing makes `{name}`") }),
            Some(&index) if !keep[index] => {
                keep[index] = true;
                wanted.extend(names_read(&graph.node[index]));
            }
            Some(_) => {}
        }
    }
    let mut kept = keep.into_iter();
    graph.node.retain(|_| kept.next().unwrap_or(false));
    graph.initializer.retain(|tensor| seen.contains(&tensor.name));
    graph.input.retain(|value| value.name == input);
    graph.output.retain(|value| value.name == output);
    graph.output.truncate(1);
    if graph.output.is_empty() {
        graph.output.push(ValueInfoProto { name: output.to_owned(), ..ValueInfoProto::default() });
    }
    graph.value_info.clear();
    Ok(())
}

/// What a node reads: its inputs, and for subgraphs the names that they take from outside.
fn names_read(node: &NodeProto) -> Vec<String> {
    let mut names: Vec<String> =
        node.input.iter().filter(|name| !name.is_empty()).cloned().collect();
    for graph in subgraphs(node) {
        let inside: HashSet<&str> = graph
            .node
            .iter()
            .flat_map(|node| node.output.iter().map(String::as_str))
            .chain(graph.input.iter().map(|value| value.name.as_str()))
            .chain(graph.initializer.iter().map(|tensor| tensor.name.as_str()))
            .collect();
        let outside = graph.node.iter().flat_map(names_read);
        names.extend(outside.filter(|name| !inside.contains(name.as_str())));
    }
    names
}

/// ArrayFeatureExtractor keeps its axis even if the column to pick is written as a scalar; tract
/// would drop the axis, so the scalar becomes a list of one. scikit-learn's calibrated classifiers
/// write such.
fn widen_scalar_picks(graph: &mut GraphProto) {
    let picks = graph.node.iter().filter(|node| node.op_type == "ArrayFeatureExtractor");
    let names: HashSet<&String> = picks.filter_map(|node| node.input.get(1)).collect();
    for tensor in &mut graph.initializer {
        if tensor.dims.is_empty() && names.contains(&tensor.name) {
            tensor.dims = vec![1];
        }
    }
}

/// A model is one file: a tensor that lies elsewhere would make tract open whatever path it names.
fn refuse_foreign_data(graph: &GraphProto) -> Result<(), LoadError> {
    let is_foreign = |tensor: &TensorProto| {
        tensor.data_location == Some(DataLocation::External as i32)
            || !tensor.external_data.is_empty()
    };
    let of_nodes = graph.node.iter().flat_map(|node| &node.attribute);
    let of_nodes = of_nodes.flat_map(|attribute| attribute.t.iter().chain(&attribute.tensors));
    if let Some(tensor) = graph.initializer.iter().chain(of_nodes).find(|t| is_foreign(t)) {
        return Err(LoadError::ExternalData { tensor: tensor.name.clone() });
    }
    if !graph.sparse_initializer.is_empty() {
        return Err(LoadError::Graph { reason: "it has sparse constants".to_owned() });
    }
    graph.node.iter().flat_map(subgraphs).try_for_each(refuse_foreign_data)
}
