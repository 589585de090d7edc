//! LinearClassifier and LinearRegressor of ai.onnx.ml, as onnxruntime computes them.
//!
//! tract has them too, with other answers: it makes numbers of NaN, does not know SOFTMAX_ZERO, and
//! makes another pair than onnxruntime of one set of coefficients for two classes. Transforms that
//! no converter writes are refused.
//!
//! Source of the behaviour: onnxruntime 1.32, its outputs for every transform and count of classes
//! (`tests/fixtures/models/operators.py`).

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::cast::cast;
use tract_onnx::tract_hir::internal::*;

use super::super::trees::transform::PostTransform;
use super::Built;

pub(super) fn classifier(_context: &ParsingContext, node: &NodeProto) -> Built {
    let ints: Vec<i64> = node.get_attr_opt_vec("classlabels_ints")?.unwrap_or_default();
    let texts: Vec<String> = node.get_attr_opt_vec("classlabels_strings")?.unwrap_or_default();
    let labels = match (ints.is_empty(), texts.is_empty()) {
        (false, true) => tensor1(&ints),
        (true, false) => tensor1(&texts),
        _ => bail!("give exactly one of classlabels_ints and classlabels_strings"),
    };
    let classes = labels.len();
    let weights = Weights::of(node, None)?;
    ensure!(
        weights.sets == classes || (weights.sets == 1 && classes == 2),
        "{} sets of coefficients for {classes} classes",
        weights.sets
    );
    let post = post_transform(node)?;
    Ok((
        expand(Linear { weights, output: Output::Classes { labels: labels.into(), post } }),
        vec![],
    ))
}

pub(super) fn regressor(_context: &ParsingContext, node: &NodeProto) -> Built {
    let post = post_transform(node)?;
    ensure!(post == PostTransform::None, "post_transform {post:?} of a regressor is not supported");
    let targets = node.get_attr_opt("targets")?.unwrap_or(1i64);
    let weights = Weights::of(node, Some(targets))?;
    Ok((expand(Linear { weights, output: Output::Targets }), vec![]))
}

fn post_transform(node: &NodeProto) -> TractResult<PostTransform> {
    let text: String = node.get_attr_opt("post_transform")?.unwrap_or_else(|| "NONE".to_owned());
    let post = PostTransform::parse(&text)?;
    ensure!(post != PostTransform::Probit, "post_transform PROBIT is not supported");
    Ok(post)
}

/// Coefficients and intercepts, set by set.
#[derive(Debug, Clone)]
struct Weights {
    coefficients: Arc<[f32]>,
    intercepts: Arc<[f32]>,
    sets: usize,
}

impl Weights {
    fn of(node: &NodeProto, sets: Option<i64>) -> TractResult<Self> {
        let coefficients: Vec<f32> = node.get_attr_vec("coefficients")?;
        let given: Vec<f32> = node.get_attr_opt_vec("intercepts")?.unwrap_or_default();
        let sets = match sets {
            Some(targets) => usize::try_from(targets)?,
            None => given.len().max(1),
        };
        let intercepts = if given.is_empty() { vec![0.0; sets] } else { given };
        ensure!(
            sets > 0 && intercepts.len() == sets && coefficients.len().is_multiple_of(sets),
            "{} coefficients and {} intercepts for {sets} outputs",
            coefficients.len(),
            intercepts.len()
        );
        Ok(Self { coefficients: coefficients.into(), intercepts: intercepts.into(), sets })
    }

    fn width(&self) -> usize {
        self.coefficients.len() / self.sets
    }

    /// The sums of one row.
    fn sums<'a>(&'a self, row: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
        let sets = self.coefficients.chunks_exact(self.width());
        sets.zip(self.intercepts.iter()).map(move |(coefficients, intercept)| {
            coefficients.iter().zip(row).map(|(c, x)| c * x).sum::<f32>() + intercept
        })
    }
}

/// What becomes of the sums.
#[derive(Debug, Clone)]
enum Output {
    /// A label and a score for each class.
    Classes { labels: Arc<Tensor>, post: PostTransform },
    /// The sums as they are.
    Targets,
}

/// Sums of weighted features, as tract's inference sees them and as it computes them.
#[derive(Debug, Clone)]
struct Linear {
    weights: Weights,
    output: Output,
}

/// Never equal, so that tract never merges two of them.
impl PartialEq for Linear {
    fn eq(&self, _other: &Self) -> bool {
        false
    }
}

impl Eq for Linear {}

impl Linear {
    fn columns(&self) -> usize {
        match &self.output {
            Output::Classes { labels, .. } => labels.len(),
            Output::Targets => self.weights.sets,
        }
    }

    /// Scores of a row from its sums, and the index of its label.
    fn finish(&self, post: PostTransform, scores: &mut [f32]) -> usize {
        if self.weights.sets > 1 || scores.len() == 1 {
            let label = largest(scores);
            post.apply(scores);
            return label;
        }
        // One set of coefficients is about the second of two classes.
        let sum = scores[0];
        if post == PostTransform::Logistic {
            post.apply(&mut scores[..1]);
        }
        scores[1] = scores[0];
        scores[0] = 1.0 - scores[1];
        usize::from(sum > 0.0)
    }
}

fn largest(scores: &[f32]) -> usize {
    let better = |best: usize, at: usize| if scores[at] > scores[best] { at } else { best };
    (0..scores.len()).fold(0, better)
}

impl Expansion for Linear {
    fn name(&self) -> StaticName {
        "Linear".into()
    }

    fn nboutputs(&self) -> TractResult<usize> {
        Ok(match self.output {
            Output::Classes { .. } => 2,
            Output::Targets => 1,
        })
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
        if let Output::Classes { labels, .. } = &self.output {
            solver.equals(&outputs[0].datum_type, labels.datum_type())?;
            solver.equals(&outputs[0].rank, 1)?;
            solver.equals(&outputs[0].shape[0], &inputs[0].shape[0])?;
        }
        let scores = &outputs[outputs.len() - 1];
        solver.equals(&scores.datum_type, f32::datum_type())?;
        solver.equals(&scores.rank, 2)?;
        solver.equals(&scores.shape[0], &inputs[0].shape[0])?;
        solver.equals(&scores.shape[1], self.columns().to_dim())
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let width = model.outlet_fact(inputs[0])?.shape[1].to_usize()?;
        ensure!(
            width == self.weights.width(),
            "{} coefficients for {width} columns",
            self.weights.width()
        );
        let input = model.wire_node(format!("{prefix}.cast"), cast(f32::datum_type()), inputs)?;
        model.wire_node(prefix, self.clone(), &input)
    }
}

impl Op for Linear {
    fn name(&self) -> StaticName {
        "Linear".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Linear {
    op_out_of_plan!();

    fn eval(&self, _context: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let (rows, width, columns) = (input.shape()[0], input.shape()[1], self.columns());
        let plain = input.try_as_plain_ram()?;
        let mut scores = vec![0.0; rows * columns];
        let mut indices = Vec::with_capacity(rows);
        let both =
            plain.as_slice::<f32>()?.chunks_exact(width).zip(scores.chunks_exact_mut(columns));
        for (row, scores) in both {
            scores.iter_mut().zip(self.weights.sums(row)).for_each(|(score, sum)| *score = sum);
            if let Output::Classes { post, .. } = &self.output {
                indices.push(self.finish(*post, scores));
            }
        }
        let scores = Tensor::from_shape(&[rows, columns], &scores)?.into_tvalue();
        Ok(match &self.output {
            Output::Classes { labels, .. } => {
                tvec!(picked(labels, &indices)?.into_tvalue(), scores)
            }
            Output::Targets => tvec!(scores),
        })
    }
}

fn picked(labels: &Tensor, indices: &[usize]) -> TractResult<Tensor> {
    let plain = labels.try_as_plain_ram()?;
    if labels.datum_type() == String::datum_type() {
        let texts = plain.as_slice::<String>()?;
        return Ok(tensor1(&indices.iter().map(|&at| texts[at].clone()).collect::<Vec<_>>()));
    }
    let ints = plain.as_slice::<i64>()?;
    Ok(tensor1(&indices.iter().map(|&at| ints[at]).collect::<Vec<_>>()))
}

impl TypedOp for Linear {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let rows = inputs[0].shape[0].clone();
        let scores = f32::fact([rows.clone(), self.columns().to_dim()]);
        Ok(match &self.output {
            Output::Classes { labels, .. } => tvec!(labels.datum_type().fact([rows]), scores),
            Output::Targets => tvec!(scores),
        })
    }

    as_op!();
}
