//! Cast. tract reads whole numbers of 64 bits as dimensions of tensors, which end at 2,147,483,647
//! on their way back: a larger amount came out as another number. Here floats become whole numbers
//! by an operator of this project's, and stay numbers.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::cast::cast;
use tract_onnx::tract_hir::internal::*;

use super::Built;

pub(super) fn build(_context: &ParsingContext, node: &NodeProto) -> Built {
    Ok((expand(Cast { to: node.get_attr::<DatumType>("to")? }), vec![]))
}

/// Every value as another type.
#[derive(Debug, Clone)]
struct Cast {
    to: DatumType,
}

impl Cast {
    /// The type that tract gets to see, for values of this type.
    fn target(&self, from: DatumType) -> DatumType {
        match self.to == i64::datum_type() && !from.is_float() {
            true => TDim::datum_type(),
            false => self.to,
        }
    }
}

impl Expansion for Cast {
    fn name(&self) -> StaticName {
        "Cast".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 1)?;
        check_output_arity(outputs, 1)?;
        solver.given(&inputs[0].datum_type, move |solver, from| {
            solver.equals(&outputs[0].datum_type, self.target(from))
        })?;
        solver.equals(&outputs[0].shape, &inputs[0].shape)
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let from = model.outlet_fact(inputs[0])?.datum_type;
        ensure!(from != String::datum_type(), "texts cannot become numbers");
        let is_single_or_double = from == f32::datum_type() || from == f64::datum_type();
        match Whole::of(self.to) {
            Some(whole) if is_single_or_double => model.wire_node(prefix, whole, inputs),
            _ => model.wire_node(prefix, cast(self.target(from)), inputs),
        }
    }
}

/// Floats as whole numbers, cut towards zero. What does not fit, and NaN, is the smallest number,
/// as in onnxruntime: no category that anybody meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whole {
    Bits32,
    Bits64,
}

impl Whole {
    fn of(to: DatumType) -> Option<Self> {
        match to {
            DatumType::I32 => Some(Self::Bits32),
            DatumType::I64 => Some(Self::Bits64),
            _ => None,
        }
    }

    fn datum_type(self) -> DatumType {
        match self {
            Self::Bits32 => i32::datum_type(),
            Self::Bits64 => i64::datum_type(),
        }
    }

    fn cut(self, shape: &[usize], values: impl Iterator<Item = f64>) -> TractResult<Tensor> {
        // 2^31 and 2^63 as floats; their negatives are the smallest numbers themselves.
        match self {
            Self::Bits32 => {
                let fits = |x: &f64| (-2_147_483_648.0..2_147_483_648.0).contains(x);
                let whole = values.map(|x| if fits(&x) { x as i32 } else { i32::MIN });
                Tensor::from_shape(shape, &whole.collect::<Vec<i32>>())
            }
            Self::Bits64 => {
                let bound = 9_223_372_036_854_775_808.0;
                let fits = |x: &f64| (-bound..bound).contains(x);
                let whole = values.map(|x| if fits(&x) { x as i64 } else { i64::MIN });
                Tensor::from_shape(shape, &whole.collect::<Vec<i64>>())
            }
        }
    }
}

impl Op for Whole {
    fn name(&self) -> StaticName {
        "Whole".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Whole {
    op_out_of_plan!();

    fn eval(&self, _context: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let plain = input.try_as_plain_ram()?;
        let output = if input.datum_type() == f64::datum_type() {
            self.cut(input.shape(), plain.as_slice::<f64>()?.iter().copied())?
        } else {
            self.cut(input.shape(), plain.as_slice::<f32>()?.iter().map(|&x| f64::from(x)))?
        };
        Ok(tvec!(output.into_tvalue()))
    }
}

impl TypedOp for Whole {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(self.datum_type().fact(inputs[0].shape.clone())))
    }

    as_op!();
}
