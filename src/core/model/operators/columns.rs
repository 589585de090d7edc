//! Operators that tract lacks and scikit-learn's converters write: Scaler, Imputer and
//! LabelEncoder.
//!
//! All map a matrix value by value, some by the value's column, so one operator serves them.
//!
//! Source: ai.onnx.ml operators Scaler and Imputer, version 1, and LabelEncoder, version 2, of the
//! latter integers to floats or integers, as isolation forests need it.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::cast::cast;
use tract_onnx::tract_hir::internal::*;

use super::Built;

pub(super) fn scaler(_context: &ParsingContext, node: &NodeProto) -> Built {
    let offset: Vec<f32> = node.get_attr_opt_vec("offset")?.unwrap_or_default();
    let scale: Vec<f32> = node.get_attr_opt_vec("scale")?.unwrap_or_default();
    ensure!(!offset.is_empty() && !scale.is_empty(), "scaler needs offset and scale");
    Ok((expand(ValueMap(Function::Scale { offset, scale })), vec![]))
}

pub(super) fn imputer(_context: &ParsingContext, node: &NodeProto) -> Built {
    let imputed: Vec<f32> = node.get_attr_opt_vec("imputed_value_floats")?.unwrap_or_default();
    ensure!(!imputed.is_empty(), "imputer needs imputed_value_floats");
    let replaced = node.get_attr_opt("replaced_value_float")?.unwrap_or(0.0);
    Ok((expand(ValueMap(Function::Impute { imputed, replaced })), vec![]))
}

pub(super) fn label_encoder(_context: &ParsingContext, node: &NodeProto) -> Built {
    let keys: Vec<i64> = node.get_attr_opt_vec("keys_int64s")?.unwrap_or_default();
    let floats: Option<Vec<f32>> = node.get_attr_opt_vec("values_floats")?;
    let ints: Option<Vec<i64>> = node.get_attr_opt_vec("values_int64s")?;
    ensure!(!keys.is_empty(), "label encoder needs keys_int64s");
    let function = match (floats, ints) {
        (Some(values), _) if values.len() == keys.len() => {
            let default = node.get_attr_opt("default_float")?.unwrap_or(-0.0);
            Function::Encode { pairs: keys.into_iter().zip(values).collect(), default }
        }
        (None, Some(values)) if values.len() == keys.len() => {
            let default = node.get_attr_opt("default_int64")?.unwrap_or(-1);
            Function::Recode { pairs: keys.into_iter().zip(values).collect(), default }
        }
        _ => bail!("label encoder needs values_floats or values_int64s, one a key"),
    };
    Ok((expand(ValueMap(function)), vec![]))
}

/// What happens to a value; lists of a column function have one entry for all columns or one each.
#[derive(Debug, Clone)]
enum Function {
    Scale { offset: Vec<f32>, scale: Vec<f32> },
    Impute { imputed: Vec<f32>, replaced: f32 },
    Encode { pairs: HashMap<i64, f32>, default: f32 },
    Recode { pairs: HashMap<i64, i64>, default: i64 },
}

impl Function {
    /// Types of the values before and after.
    fn types(&self) -> (DatumType, DatumType) {
        match self {
            Self::Scale { .. } | Self::Impute { .. } => (f32::datum_type(), f32::datum_type()),
            Self::Encode { .. } => (i64::datum_type(), f32::datum_type()),
            Self::Recode { .. } => (i64::datum_type(), i64::datum_type()),
        }
    }

    fn fits(&self, width: usize) -> bool {
        let lists: &[&Vec<f32>] = match self {
            Self::Scale { offset, scale } => &[offset, scale],
            Self::Impute { imputed, .. } => &[imputed],
            Self::Encode { .. } | Self::Recode { .. } => &[],
        };
        lists.iter().all(|list| list.len() == 1 || list.len() == width)
    }

    fn apply(&self, input: &Tensor) -> TractResult<Tensor> {
        let shape = input.shape();
        let plain = input.try_as_plain_ram()?;
        match self {
            Self::Scale { offset, scale } => by_column(plain.as_slice()?, shape, |column, x| {
                (x - of(offset, column)) * of(scale, column)
            }),
            Self::Impute { imputed, replaced } => {
                by_column(plain.as_slice()?, shape, |column, x| {
                    let is_missing = x == *replaced || (x.is_nan() && replaced.is_nan());
                    if is_missing { of(imputed, column) } else { x }
                })
            }
            Self::Encode { pairs, default } => by_key(plain.as_slice()?, shape, pairs, *default),
            Self::Recode { pairs, default } => by_key(plain.as_slice()?, shape, pairs, *default),
        }
    }
}

fn of(list: &[f32], column: usize) -> f32 {
    if list.len() == 1 { list[0] } else { list[column] }
}

fn by_column(
    values: &[f32],
    shape: &[usize],
    function: impl Fn(usize, f32) -> f32,
) -> TractResult<Tensor> {
    let width = shape.last().copied().unwrap_or(1).max(1);
    let mapped = values.iter().enumerate().map(|(at, &x)| function(at % width, x));
    Tensor::from_shape(shape, &mapped.collect::<Vec<f32>>())
}

fn by_key<T: Datum + Copy>(
    values: &[i64],
    shape: &[usize],
    pairs: &HashMap<i64, T>,
    default: T,
) -> TractResult<Tensor> {
    let mapped = values.iter().map(|key| pairs.get(key).copied().unwrap_or(default));
    Tensor::from_shape(shape, &mapped.collect::<Vec<T>>())
}

/// A function over the values of a tensor, as tract's inference sees it and as it computes.
#[derive(Debug, Clone)]
struct ValueMap(Function);

/// Never equal, so that tract never merges two of them.
impl PartialEq for ValueMap {
    fn eq(&self, _other: &Self) -> bool {
        false
    }
}

impl Eq for ValueMap {}

impl Expansion for ValueMap {
    fn name(&self) -> StaticName {
        "ValueMap".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 1)?;
        check_output_arity(outputs, 1)?;
        solver.equals(&outputs[0].datum_type, self.0.types().1)?;
        solver.equals(&inputs[0].shape, &outputs[0].shape)
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let shape = &model.outlet_fact(inputs[0])?.shape;
        let width = shape.last().map_or(Ok(1), |dim| dim.to_usize())?;
        ensure!(self.0.fits(width), "scaler or imputer does not fit {width} columns");
        let name = format!("{prefix}.cast");
        let input = model.wire_node(name, cast(self.0.types().0), inputs)?;
        model.wire_node(prefix, self.clone(), &input)
    }
}

impl Op for ValueMap {
    fn name(&self) -> StaticName {
        "ValueMap".into()
    }

    op_as_typed_op!();
}

impl EvalOp for ValueMap {
    op_out_of_plan!();

    fn eval(&self, _context: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        Ok(tvec!(self.0.apply(&input)?.into_tvalue()))
    }
}

impl TypedOp for ValueMap {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(self.0.types().1.fact(inputs[0].shape.clone())))
    }

    as_op!();
}
