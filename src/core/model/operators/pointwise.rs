//! Functions of one number that tract computes by the letter of their formula, or with kernels that
//! make a number of what is none.
//!
//! `ln(1 + e^x)` is about `x` for large `x`, yet `e^x` is infinite in float32 from 89 on. And a
//! kernel that cuts its input to a range turns NaN, which an overflow or a logarithm before it has
//! made, into an ordinary score. Here each function has a form that holds for every number, and NaN
//! stays NaN.
//!
//! Source: the operators' definitions in ONNX, versions 1 to 24, and for FastGelu and QuickGelu
//! those of onnxruntime.

use tract_onnx::model::{ParsingContext, optional_inputs};
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::change_axes::wire_rank_broadcast;
use tract_onnx::tract_core::ops::math;
use tract_onnx::tract_core::ops::nn::gelu_exact::gelu_exact;
use tract_onnx::tract_hir::internal::*;

use super::Built;

/// Builds the operator of a name in [`NAMES`].
pub(super) fn build(_context: &ParsingContext, node: &NodeProto) -> Built {
    let alpha = |default: f32| Ok::<_, TractError>(node.get_attr_opt("alpha")?.unwrap_or(default));
    let function = match node.op_type.as_str() {
        "Relu" => Function::Clip { low: 0.0, high: f32::INFINITY },
        "Sigmoid" => Function::Sigmoid,
        "Tanh" => Function::Tanh,
        "Softplus" => Function::Softplus,
        "Mish" => Function::Mish,
        "Swish" => Function::Swish { alpha: alpha(1.0)? },
        "QuickGelu" => Function::Swish { alpha: alpha(1.702)? },
        "FastGelu" => {
            ensure!(node.input.len() == 1, "FastGelu with a bias is not supported");
            Function::TanhGelu
        }
        "Celu" => Function::Celu { alpha: alpha(1.0)? },
        "HardSigmoid" => {
            let beta = node.get_attr_opt("beta")?.unwrap_or(0.5);
            Function::HardSigmoid { alpha: alpha(0.2)?, beta }
        }
        "HardSwish" => Function::HardSwish,
        "Binarizer" => {
            Function::Binarize { threshold: node.get_attr_opt("threshold")?.unwrap_or(0.0) }
        }
        "Asinh" => Function::Asinh,
        "Acosh" => Function::Acosh,
        other => bail!("{other} is no function of one number"),
    };
    Ok((expand(Pointwise(function)), vec![]))
}

/// The operators that [`build`] builds.
pub(super) const NAMES: [&str; 14] = [
    "Relu",
    "Sigmoid",
    "Tanh",
    "Softplus",
    "Mish",
    "Swish",
    "QuickGelu",
    "FastGelu",
    "Celu",
    "HardSigmoid",
    "HardSwish",
    "Binarizer",
    "Asinh",
    "Acosh",
];

/// Builds Gelu, exact or by the hyperbolic tangent.
pub(super) fn gelu(_context: &ParsingContext, node: &NodeProto) -> Built {
    let approximate: Option<String> = node.get_attr_opt("approximate")?;
    Ok(match approximate.as_deref() {
        Some("tanh") => (expand(Pointwise(Function::TanhGelu)), vec![]),
        _ => (gelu_exact().into_hir(), vec![]),
    })
}

/// Builds Clip, whose bounds are attributes before version 11 and inputs from then on.
pub(super) fn clip(context: &ParsingContext, node: &NodeProto) -> Built {
    if context.onnx_operator_set_version < 11 {
        let low = node.get_attr_opt("min")?.unwrap_or(f32::MIN);
        let high = node.get_attr_opt("max")?.unwrap_or(f32::MAX);
        return Ok((expand(Pointwise(Function::Clip { low, high })), vec![]));
    }
    let mut bounds = optional_inputs(node).skip(1);
    let (low, high) = (bounds.next().flatten(), bounds.next().flatten());
    Ok((expand(Clip { low, high }), vec![]))
}

/// What happens to a number. Has no state.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Function {
    /// At least `low`, at most `high`.
    Clip { low: f32, high: f32 },
    /// 1 / (1 + e^-x).
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// ln(1 + e^x).
    Softplus,
    /// x tanh(ln(1 + e^x)).
    Mish,
    /// x / (1 + e^(-alpha x)).
    Swish { alpha: f32 },
    /// x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))).
    TanhGelu,
    /// x for x above 0, else alpha (e^(x / alpha) - 1).
    Celu { alpha: f32 },
    /// alpha x + beta, within 0 and 1.
    HardSigmoid { alpha: f32, beta: f32 },
    /// x (x / 6 + 1 / 2, within 0 and 1).
    HardSwish,
    /// 1 above the threshold, else 0.
    Binarize { threshold: f32 },
    /// The inverse hyperbolic sine.
    Asinh,
    /// The inverse hyperbolic cosine.
    Acosh,
    /// x, and 0 for what is infinite.
    FiniteOrZero,
    /// 0, and 1 for NaN.
    IsMissing,
    /// NaN for 1, else 0.
    MissingForOne,
}

impl Function {
    fn of(self, x: f64) -> f64 {
        let wide = f64::from;
        match self {
            Self::Clip { low, high } => clipped(x, wide(low), wide(high)),
            Self::Sigmoid => sigmoid(x),
            Self::Tanh => x.tanh(),
            Self::Softplus => softplus(x),
            Self::Mish => x * softplus(x).tanh(),
            Self::Swish { alpha } => x * sigmoid(wide(alpha) * x),
            Self::TanhGelu => {
                let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
                x * sigmoid(2.0 * inner)
            }
            Self::Celu { .. } if x > 0.0 => x,
            Self::Celu { alpha } => wide(alpha) * (x / wide(alpha)).exp_m1(),
            Self::HardSigmoid { alpha, beta } => clipped(wide(alpha) * x + wide(beta), 0.0, 1.0),
            Self::HardSwish => x * clipped(x / 6.0 + 0.5, 0.0, 1.0),
            Self::Binarize { .. } if x.is_nan() => x,
            Self::Binarize { threshold } => f64::from(u8::from(x > wide(threshold))),
            Self::Asinh => x.asinh(),
            Self::Acosh => x.acosh(),
            Self::FiniteOrZero if x.is_infinite() => 0.0,
            Self::FiniteOrZero => x,
            Self::IsMissing => f64::from(u8::from(x.is_nan())),
            Self::MissingForOne if x == 1.0 => f64::NAN,
            Self::MissingForOne => 0.0,
        }
    }

    /// Replaces numbers. What networks use most is computed in float32.
    fn apply(self, values: &mut [f32]) {
        fn each(values: &mut [f32], function: impl Fn(f32) -> f32) {
            values.iter_mut().for_each(|x| *x = function(*x));
        }
        match self {
            Self::Clip { low, high } => each(values, |x| match x < low {
                true => low,
                false if x > high => high,
                false => x,
            }),
            Self::Sigmoid => each(values, |x| {
                let power = (-x.abs()).exp();
                (if x < 0.0 { power } else { 1.0 }) / (1.0 + power)
            }),
            Self::Tanh => each(values, f32::tanh),
            other => each(values, |x| other.of(f64::from(x)) as f32),
        }
    }
}

/// Unlike `clamp`, says nothing of the bounds: a file may have them the wrong way round.
fn clipped(x: f64, low: f64, high: f64) -> f64 {
    match x < low {
        true => low,
        false if x > high => high,
        false => x,
    }
}

fn sigmoid(x: f64) -> f64 {
    let power = (-x.abs()).exp();
    (if x < 0.0 { power } else { 1.0 }) / (1.0 + power)
}

fn softplus(x: f64) -> f64 {
    if x > 0.0 { x + (-x).exp().ln_1p() } else { x.exp().ln_1p() }
}

/// A function of each value of a tensor of float32 or float64, as tract's inference sees it and as
/// it computes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pointwise(pub Function);

/// Parameters are numbers of a file, and NaN among them is as good as any.
impl Eq for Pointwise {}

impl Expansion for Pointwise {
    fn name(&self) -> StaticName {
        "Pointwise".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 1)?;
        same_as_first(solver, inputs, outputs)
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        model.wire_node(prefix, *self, inputs)
    }
}

/// The one output has type and shape of the first input.
fn same_as_first<'r, 'p: 'r>(
    solver: &mut Solver<'r>,
    inputs: &'p [TensorProxy],
    outputs: &'p [TensorProxy],
) -> InferenceResult {
    check_output_arity(outputs, 1)?;
    solver.equals(&inputs[0].datum_type, &outputs[0].datum_type)?;
    solver.equals(&inputs[0].shape, &outputs[0].shape)
}

impl Op for Pointwise {
    fn name(&self) -> StaticName {
        "Pointwise".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Pointwise {
    op_out_of_plan!();

    fn eval(&self, _context: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let mut values = args_1!(inputs).into_tensor();
        let datum_type = values.datum_type();
        let mut plain = values.try_as_plain_ram_mut()?;
        if datum_type == f64::datum_type() {
            plain.as_slice_mut::<f64>()?.iter_mut().for_each(|x| *x = self.0.of(*x));
        } else {
            self.0.apply(plain.as_slice_mut::<f32>()?);
        }
        Ok(tvec!(values.into_tvalue()))
    }
}

impl TypedOp for Pointwise {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(inputs[0].datum_type.fact(inputs[0].shape.clone())))
    }

    as_op!();
}

/// Clip with bounds among the inputs, at these places.
#[derive(Debug, Clone)]
struct Clip {
    low: Option<usize>,
    high: Option<usize>,
}

impl Clip {
    /// A bound, which must be a constant.
    fn bound(
        model: &TypedModel,
        inputs: &[OutletId],
        at: Option<usize>,
        default: f32,
    ) -> TractResult<f32> {
        let Some(at) = at else { return Ok(default) };
        let constant = model.outlet_fact(inputs[at])?.konst.clone();
        constant.context("Clip has a bound that is no constant")?.cast_to_scalar::<f32>()
    }
}

impl Expansion for Clip {
    fn name(&self) -> StaticName {
        "Clip".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 1 + self.low.iter().chain(&self.high).count())?;
        same_as_first(solver, inputs, outputs)
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        if model.outlet_fact(inputs[0])?.datum_type.is_float() {
            let low = Self::bound(model, inputs, self.low, f32::MIN)?;
            let high = Self::bound(model, inputs, self.high, f32::MAX)?;
            return model.wire_node(prefix, Pointwise(Function::Clip { low, high }), &inputs[..1]);
        }
        let mut wire = inputs[0];
        for (part, op, at) in [("low", math::max(), self.low), ("high", math::min(), self.high)] {
            let Some(at) = at else { continue };
            let name = format!("{prefix}.{part}");
            let pair = wire_rank_broadcast(&name, model, &[wire, inputs[at]])?;
            wire = model.wire_node(&name, op, &pair)?[0];
        }
        Ok(tvec!(wire))
    }
}
