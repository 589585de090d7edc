//! Operators that tract lacks and scikit-learn's converters write: Scaler and Imputer.
//!
//! Both work column by column, so one operator serves them: a list of per-column functions over a
//! matrix. Together with the tree ensembles they go into a copy of tract's operator table.
//!
//! Source: ai.onnx.ml operators Scaler and Imputer, version 1.

use tract_onnx::Onnx;
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::cast::cast;
use tract_onnx::tract_hir::internal::*;

use super::trees;

/// tract with this project's operators.
pub(super) fn framework() -> Onnx {
    let mut onnx = tract_onnx::onnx();
    onnx.op_register.insert("TreeEnsembleClassifier", trees::op::build);
    onnx.op_register.insert("TreeEnsembleRegressor", trees::op::build);
    onnx.op_register.insert("Scaler", scaler);
    onnx.op_register.insert("Imputer", imputer);
    onnx
}

type Built = TractResult<(Box<dyn InferenceOp>, Vec<String>)>;

fn scaler(_context: &ParsingContext, node: &NodeProto) -> Built {
    let offset: Vec<f32> = node.get_attr_opt_vec("offset")?.unwrap_or_default();
    let scale: Vec<f32> = node.get_attr_opt_vec("scale")?.unwrap_or_default();
    ensure!(!offset.is_empty() && !scale.is_empty(), "scaler needs offset and scale");
    Ok((expand(Columns(Function::Scale { offset, scale })), vec![]))
}

fn imputer(_context: &ParsingContext, node: &NodeProto) -> Built {
    let imputed: Vec<f32> = node.get_attr_opt_vec("imputed_value_floats")?.unwrap_or_default();
    ensure!(!imputed.is_empty(), "imputer needs imputed_value_floats");
    let replaced = node.get_attr_opt("replaced_value_float")?.unwrap_or(0.0);
    Ok((expand(Columns(Function::Impute { imputed, replaced })), vec![]))
}

/// What happens to a value of a column; lists have one entry for all columns or one each.
#[derive(Debug, Clone)]
enum Function {
    Scale { offset: Vec<f32>, scale: Vec<f32> },
    Impute { imputed: Vec<f32>, replaced: f32 },
}

impl Function {
    fn lists(&self) -> Vec<&[f32]> {
        match self {
            Self::Scale { offset, scale } => vec![offset, scale],
            Self::Impute { imputed, .. } => vec![imputed],
        }
    }

    fn apply(&self, column: usize, x: f32) -> f32 {
        let of = |list: &[f32]| if list.len() == 1 { list[0] } else { list[column] };
        match self {
            Self::Scale { offset, scale } => (x - of(offset)) * of(scale),
            Self::Impute { imputed, replaced } => {
                let is_missing = x == *replaced || (x.is_nan() && replaced.is_nan());
                if is_missing { of(imputed) } else { x }
            }
        }
    }
}

/// A function over the columns of a matrix, as tract's inference sees it and as it computes.
#[derive(Debug, Clone)]
struct Columns(Function);

/// Never equal, so that tract never merges two of them.
impl PartialEq for Columns {
    fn eq(&self, _other: &Self) -> bool {
        false
    }
}

impl Eq for Columns {}

impl Expansion for Columns {
    fn name(&self) -> StaticName {
        "Columns".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 1)?;
        check_output_arity(outputs, 1)?;
        solver.equals(&inputs[0].rank, 2)?;
        solver.equals(&outputs[0].datum_type, f32::datum_type())?;
        solver.equals(&inputs[0].shape, &outputs[0].shape)
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let width = model.outlet_fact(inputs[0])?.shape[1].to_usize()?;
        let fits = |list: &&[f32]| list.len() == 1 || list.len() == width;
        ensure!(self.0.lists().iter().all(fits), "scaler or imputer does not fit {width} columns");
        let name = format!("{prefix}.to_f32");
        let input = model.wire_node(name, cast(f32::datum_type()), inputs)?;
        model.wire_node(prefix, self.clone(), &input)
    }
}

impl Op for Columns {
    fn name(&self) -> StaticName {
        "Columns".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Columns {
    op_out_of_plan!();

    fn eval(&self, _context: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let mut matrix = args_1!(inputs).into_tensor();
        let width = matrix.shape()[1];
        let mut view = matrix.try_as_plain_ram_mut()?;
        for row in view.as_slice_mut::<f32>()?.chunks_exact_mut(width) {
            for (column, value) in row.iter_mut().enumerate() {
                *value = self.0.apply(column, *value);
            }
        }
        Ok(tvec!(matrix.into_tvalue()))
    }
}

impl TypedOp for Columns {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact(inputs[0].shape.clone())))
    }

    as_op!();
}
