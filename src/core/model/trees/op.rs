//! The ensembles as operators of tract, in the place of tract's own.
//!
//! tract reads a node twice: first it infers types and shapes ([`Expansion::rules`]), then, when it
//! knows the input's type and width, it asks for the operator that computes ([`Expansion::wire`]).
//! Only then is the ensemble built, in the float type of its input.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::cast::cast;
use tract_onnx::tract_hir::internal::*;

use super::attributes::{Attributes, Labels};
use super::{DoubleEnsemble, Ensemble, Scratch};

/// The builder that goes into tract's operator table under both operators' names.
pub fn build(
    _context: &ParsingContext,
    node: &NodeProto,
) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let attributes = Attributes::of(node)?;
    Ok((expand(TreeNode(Arc::new(attributes))), vec![]))
}

/// An ensemble whose input is not known yet.
#[derive(Debug, Clone)]
struct TreeNode(Arc<Attributes>);

impl PartialEq for TreeNode {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for TreeNode {}

impl Expansion for TreeNode {
    fn name(&self) -> StaticName {
        "TreeEnsemble".into()
    }

    fn nboutputs(&self) -> TractResult<usize> {
        Ok(if self.0.labels.is_some() { 2 } else { 1 })
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 1)?;
        check_output_arity(outputs, self.nboutputs()?)?;
        solver.equals(&inputs[0].rank, 2)?;
        if let Some(labels) = &self.0.labels {
            solver.equals(&outputs[0].datum_type, label_type(labels))?;
            solver.equals(&outputs[0].rank, 1)?;
            solver.equals(&outputs[0].shape[0], &inputs[0].shape[0])?;
        }
        let classes = classes(&self.0);
        let scores = &outputs[outputs.len() - 1];
        solver.equals(&scores.datum_type, f32::datum_type())?;
        solver.equals(&scores.rank, 2)?;
        solver.equals(&scores.shape[0], &inputs[0].shape[0])?;
        solver.equals(&scores.shape[1], classes.to_dim())
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let mut input = inputs[0];
        let fact = model.outlet_fact(input)?;
        let (datum_type, width) = (fact.datum_type, fact.shape[1].to_usize()?);
        let computed = if datum_type == f64::datum_type() {
            Computed::Double(DoubleEnsemble::of(&self.0, width)?)
        } else {
            Computed::Single(Ensemble::of(&self.0, width)?)
        };
        if datum_type != f32::datum_type() && datum_type != f64::datum_type() {
            let name = format!("{prefix}.to_f32");
            input = model.wire_node(name, cast(f32::datum_type()), &[input])?[0];
        }
        let op = TreeOp { attributes: self.0.clone(), computed: Arc::new(computed) };
        model.wire_node(prefix, op, &[input])
    }
}

/// An ensemble that computes.
#[derive(Debug, Clone)]
struct TreeOp {
    attributes: Arc<Attributes>,
    computed: Arc<Computed>,
}

#[derive(Debug)]
enum Computed {
    Single(Ensemble),
    Double(DoubleEnsemble),
}

impl PartialEq for TreeOp {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.computed, &other.computed)
    }
}

impl Eq for TreeOp {}

impl Op for TreeOp {
    fn name(&self) -> StaticName {
        "TreeEnsemble".into()
    }

    op_as_typed_op!();
}

impl EvalOp for TreeOp {
    op_out_of_plan!();

    fn eval(&self, _context: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let (rows, width) = (input.shape()[0], input.shape()[1]);
        let mut indices = Vec::with_capacity(rows);
        let mut scores = Vec::with_capacity(rows * classes(&self.attributes));
        let take = |label, row: &[f32]| {
            indices.push(label);
            scores.extend_from_slice(row);
        };
        match &*self.computed {
            Computed::Single(ensemble) => {
                let input = input.try_as_plain_ram()?;
                ensemble.evaluate(&mut Scratch::default(), input.as_slice::<f32>()?, width, take);
            }
            Computed::Double(ensemble) => {
                ensemble.evaluate(input.try_as_plain_ram()?.as_slice::<f64>()?, width, take);
            }
        }
        let scores = Tensor::from_shape(&[rows, classes(&self.attributes)], &scores)?;
        let labels = self.attributes.labels.as_ref().map(|labels| label_tensor(labels, &indices));
        Ok(labels.into_iter().chain([scores]).map(IntoTValue::into_tvalue).collect())
    }
}

impl TypedOp for TreeOp {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let rows = inputs[0].shape[0].clone();
        let labels = self.attributes.labels.as_ref();
        let labels = labels.map(|labels| label_type(labels).fact([rows.clone()]));
        let scores = f32::fact([rows, classes(&self.attributes).to_dim()]);
        Ok(labels.into_iter().chain([scores]).collect())
    }

    as_op!();
}

fn classes(attributes: &Attributes) -> usize {
    let targets = usize::try_from(attributes.targets).unwrap_or(0);
    attributes.labels.as_ref().map_or(targets, Labels::len)
}

fn label_type(labels: &Labels) -> DatumType {
    match labels {
        Labels::Ints(_) => i64::datum_type(),
        Labels::Strings(_) => String::datum_type(),
    }
}

fn label_tensor(labels: &Labels, indices: &[usize]) -> Tensor {
    match labels {
        Labels::Ints(labels) => tensor1(&indices.iter().map(|&i| labels[i]).collect::<Vec<_>>()),
        Labels::Strings(labels) => {
            tensor1(&indices.iter().map(|&i| labels[i].clone()).collect::<Vec<_>>())
        }
    }
}
