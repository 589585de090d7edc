//! Normalizer of ai.onnx.ml: each row divided by its largest value, its sum or its length.
//!
//! Squares of float32 numbers overflow and vanish long before the numbers do, so sums are kept in
//! float64. A row of zeros stays as it is.
//!
//! Source of the behaviour: onnxruntime 1.32; MAX takes the largest value and not the largest size.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::cast::cast;
use tract_onnx::tract_hir::internal::*;

use super::Built;

pub(super) fn build(_context: &ParsingContext, node: &NodeProto) -> Built {
    let norm: String = node.get_attr_opt("norm")?.unwrap_or_else(|| "MAX".to_owned());
    let norm = match norm.as_str() {
        "MAX" => Normalizer::Max,
        "L1" => Normalizer::L1,
        "L2" => Normalizer::L2,
        other => bail!("unknown norm {other:?}, expected MAX, L1 or L2"),
    };
    Ok((expand(norm), vec![]))
}

/// What a row is divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Normalizer {
    /// Its largest value.
    Max,
    /// The sum of its sizes.
    L1,
    /// The root of the sum of its squares.
    L2,
}

impl Normalizer {
    fn of(self, row: &[f32]) -> f64 {
        let sizes = row.iter().map(|&x| f64::from(x).abs());
        match self {
            Self::Max => row.iter().fold(f64::MIN, |most, &x| most.max(f64::from(x))),
            Self::L1 => sizes.sum(),
            Self::L2 => sizes.map(|size| size * size).sum::<f64>().sqrt(),
        }
    }
}

impl Expansion for Normalizer {
    fn name(&self) -> StaticName {
        "Normalizer".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 1)?;
        check_output_arity(outputs, 1)?;
        solver.equals(&outputs[0].datum_type, f32::datum_type())?;
        solver.equals(&inputs[0].shape, &outputs[0].shape)
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let input = model.wire_node(format!("{prefix}.cast"), cast(f32::datum_type()), inputs)?;
        model.wire_node(prefix, *self, &input)
    }
}

impl Op for Normalizer {
    fn name(&self) -> StaticName {
        "Normalizer".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Normalizer {
    op_out_of_plan!();

    fn eval(&self, _context: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let mut values = args_1!(inputs).into_tensor();
        let width = values.shape().last().copied().unwrap_or(1).max(1);
        let mut plain = values.try_as_plain_ram_mut()?;
        for row in plain.as_slice_mut::<f32>()?.chunks_exact_mut(width) {
            let norm = self.of(row);
            if norm != 0.0 {
                row.iter_mut().for_each(|x| *x = (f64::from(*x) / norm) as f32);
            }
        }
        Ok(tvec!(values.into_tvalue()))
    }
}

impl TypedOp for Normalizer {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact(inputs[0].shape.clone())))
    }

    as_op!();
}
