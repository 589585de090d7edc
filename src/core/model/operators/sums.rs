//! Reductions along axes: ReduceLogSumExp, LogSoftmax, ReduceMax and ReduceMin.
//!
//! Each exponential may overflow or vanish though the logarithm of their sum is an ordinary number.
//! So the largest is taken out of the sum first: ln(sum e^x) = m + ln(sum e^(x - m)). And the
//! largest or smallest of values that are all NaN is NaN, where tract has the end of its range.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::math;
use tract_onnx::tract_core::ops::nn::{Softmax, SoftmaxKind};
use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::ops::nn::{Reduce, Reducer};

use super::Built;
use super::pointwise::{Function, Pointwise};

/// From this version of the operators on, axes are an input.
const AXES_AS_INPUT: i64 = 18;

/// From this version of the operators on, a softmax is along one axis.
const ONE_AXIS: i64 = 13;

pub(super) fn reduction(context: &ParsingContext, node: &NodeProto) -> Built {
    let kind = match node.op_type.as_str() {
        "ReduceLogSumExp" => Kind::LogSumExp,
        "ReduceMax" => Kind::Extreme(Reducer::Max),
        "ReduceMin" => Kind::Extreme(Reducer::Min),
        other => bail!("{other} is no reduction"),
    };
    let axes = if context.onnx_operator_set_version < AXES_AS_INPUT {
        Axes::Listed(node.get_attr_opt_vec("axes")?)
    } else if node.input.len() == 2 {
        Axes::Input
    } else {
        Axes::Listed(None)
    };
    let keep_dims = node.get_attr_opt("keepdims")?.unwrap_or(1i64) == 1;
    ensure!(
        node.get_attr_opt("noop_with_empty_axes")?.unwrap_or(0i64) == 0,
        "noop_with_empty_axes is not supported"
    );
    Ok((expand(Reduction { kind, axes, keep_dims }), vec![]))
}

/// The operators that [`reduction`] builds.
pub(super) const REDUCTIONS: [&str; 3] = ["ReduceLogSumExp", "ReduceMax", "ReduceMin"];

pub(super) fn log_softmax(context: &ParsingContext, node: &NodeProto) -> Built {
    let axis: Option<i64> = node.get_attr_opt("axis")?;
    let one_axis = context.onnx_operator_set_version >= ONE_AXIS;
    let axis = axis.unwrap_or(if one_axis { -1 } else { 1 });
    Ok((expand(LogSoftmax { axis, one_axis }), vec![]))
}

/// Where the axes of a reduction stand.
#[derive(Debug, Clone)]
enum Axes {
    /// In the node; `None` means all.
    Listed(Option<Vec<i64>>),
    /// In its second input, a constant; empty means all.
    Input,
}

/// What becomes of the values.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// ln(sum e^x).
    LogSumExp,
    /// The largest or smallest.
    Extreme(Reducer),
}

/// One value for all along some axes.
#[derive(Debug, Clone)]
struct Reduction {
    kind: Kind,
    axes: Axes,
    keep_dims: bool,
}

impl Reduction {
    /// tract's reduction of the same axes.
    fn reduce(&self, listed: Option<Vec<i64>>, keep_dims: bool, reducer: Reducer) -> Reduce {
        Reduce::new(listed.filter(|axes| !axes.is_empty()), keep_dims, reducer)
    }

    fn given(axes: &Tensor) -> TractResult<Vec<i64>> {
        let axes = axes.cast_to::<i64>()?;
        Ok(axes.try_as_plain_ram()?.as_slice::<i64>()?.to_vec())
    }
}

impl Expansion for Reduction {
    fn name(&self) -> StaticName {
        "Reduction".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_output_arity(outputs, 1)?;
        solver.equals(&inputs[0].datum_type, &outputs[0].datum_type)?;
        let shape_of = move |listed: Option<Vec<i64>>, shape: &[TDim]| {
            self.reduce(listed, self.keep_dims, Reducer::Sum).output_shape(shape)
        };
        match &self.axes {
            Axes::Listed(listed) => {
                check_input_arity(inputs, 1)?;
                solver.given(&inputs[0].shape, move |solver, shape| {
                    solver.equals(&outputs[0].shape, shape_of(listed.clone(), &shape))
                })
            }
            Axes::Input => {
                check_input_arity(inputs, 2)?;
                solver.given_2(&inputs[0].shape, &inputs[1].value, move |solver, shape, axes| {
                    solver.equals(&outputs[0].shape, shape_of(Some(Self::given(&axes)?), &shape))
                })
            }
        }
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let listed = match &self.axes {
            Axes::Listed(listed) => listed.clone(),
            Axes::Input => {
                let axes = model.outlet_fact(inputs[1])?.konst.clone();
                Some(Self::given(&*axes.context("the axes are no constant")?)?)
            }
        };
        let along = |model: &mut TypedModel, part: &str, keep_dims, reducer, from| {
            let reduce = self.reduce(listed.clone(), keep_dims, reducer);
            Ok::<_, TractError>(reduce.wire(&format!("{prefix}.{part}"), model, &[from])?[0])
        };
        match self.kind {
            Kind::LogSumExp => self.log_sum_exp(prefix, model, inputs[0], along),
            Kind::Extreme(reducer) => self.extreme(prefix, model, inputs[0], reducer, along),
        }
    }
}

impl Reduction {
    fn log_sum_exp(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        x: OutletId,
        along: impl Along,
    ) -> TractResult<TVec<OutletId>> {
        let largest = along(model, "largest", true, Reducer::Max, x)?;
        // Infinite less infinite would be no number.
        let finite = Pointwise(Function::FiniteOrZero);
        let taken_out = model.wire_node(format!("{prefix}.finite"), finite, &[largest])?[0];
        let rest = model.wire_node(format!("{prefix}.rest"), math::sub(), &[x, taken_out])?;
        let powers = model.wire_node(format!("{prefix}.exp"), math::exp(), &rest)?[0];
        let sum = along(model, "sum", self.keep_dims, Reducer::Sum, powers)?;
        let log = model.wire_node(format!("{prefix}.log"), math::ln(), &[sum])?[0];
        // A sum of one value along each axis does nothing but drop the axes.
        let taken_out = along(model, "drop", self.keep_dims, Reducer::Sum, taken_out)?;
        model.wire_node(prefix, math::add(), &[log, taken_out])
    }

    fn extreme(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        x: OutletId,
        reducer: Reducer,
        along: impl Along,
    ) -> TractResult<TVec<OutletId>> {
        let extreme = along(model, "extreme", self.keep_dims, reducer, x)?;
        if !model.outlet_fact(x)?.datum_type.is_float() {
            return Ok(tvec!(extreme));
        }
        let asked = Pointwise(Function::IsMissing);
        let missing = model.wire_node(format!("{prefix}.missing"), asked, &[x])?[0];
        let all_missing = along(model, "all", self.keep_dims, Reducer::Min, missing)?;
        let spoil = Pointwise(Function::MissingForOne);
        let spoiled = model.wire_node(format!("{prefix}.spoiled"), spoil, &[all_missing])?[0];
        model.wire_node(prefix, math::add(), &[extreme, spoiled])
    }
}

/// Wires one of tract's reductions, given a part of its name, whether dimensions are kept, what is
/// computed, and of which value.
trait Along: Fn(&mut TypedModel, &str, bool, Reducer, OutletId) -> TractResult<OutletId> {}

impl<F: Fn(&mut TypedModel, &str, bool, Reducer, OutletId) -> TractResult<OutletId>> Along for F {}

/// x - ln(sum e^x) along an axis; before version 13 along it and all that follow.
#[derive(Debug, Clone)]
struct LogSoftmax {
    axis: i64,
    one_axis: bool,
}

impl Expansion for LogSoftmax {
    fn name(&self) -> StaticName {
        "LogSoftmax".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 1)?;
        check_output_arity(outputs, 1)?;
        solver.equals(&inputs[0].datum_type, &outputs[0].datum_type)?;
        solver.equals(&inputs[0].shape, &outputs[0].shape)
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let rank = model.outlet_fact(inputs[0])?.rank() as i64;
        let axis = if self.axis < 0 { self.axis + rank } else { self.axis };
        ensure!((0..rank).contains(&axis), "log softmax along axis {} of {rank}", self.axis);
        let last = if self.one_axis { axis + 1 } else { rank };
        let axes = (axis..last).map(|axis| axis as usize).collect();
        let op = Softmax { axes, quant_output_dt: None, kind: SoftmaxKind::LogSoftmax };
        model.wire_node(prefix, op, inputs)
    }
}
