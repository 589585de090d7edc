//! From the votes of a row's leaves to its scores and label, exactly as onnxruntime does it.
//!
//! The ONNX text leaves much open: what two classes with votes for only one of them mean, whether
//! base values count for a class without votes, which transforms apply to a single target.
//! Converters are tested against onnxruntime, so its answers are the standard here, the odd ones
//! included; each stands as its own case below and in the fixtures.
//!
//! Source of the behaviour: onnxruntime 1.32, `tree_ensemble_aggregator.h` and `ml_common.h`, and
//! its outputs on every combination (`tests/fixtures/models/make.py`).

use super::attributes::{Attributes, Kind};
use super::error::TreeError;
use super::real::Real;
use super::validate::{Forest, Node, base_values};

/// How the trees' votes for one class become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregate {
    /// The sum over the trees, in their order.
    Sum,
    /// The sum divided by the number of trees.
    Average,
    /// The smallest.
    Min,
    /// The largest.
    Max,
}

impl Aggregate {
    fn parse(text: &str) -> Result<Self, TreeError> {
        match text {
            "SUM" => Ok(Self::Sum),
            "AVERAGE" => Ok(Self::Average),
            "MIN" => Ok(Self::Min),
            "MAX" => Ok(Self::Max),
            other => Err(TreeError::Aggregate(other.to_owned())),
        }
    }
}

/// What is done with the aggregated numbers of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostTransform {
    /// Nothing.
    None,
    /// e^x / sum of e^x.
    Softmax,
    /// 1 / (1 + e^-x).
    Logistic,
    /// Softmax that leaves values near 0 out of the sum.
    SoftmaxZero,
    /// The normal distribution's quantile, approximated.
    Probit,
}

impl PostTransform {
    /// The transform of this name.
    pub fn parse(text: &str) -> Result<Self, TreeError> {
        match text {
            "NONE" => Ok(Self::None),
            "SOFTMAX" => Ok(Self::Softmax),
            "LOGISTIC" => Ok(Self::Logistic),
            "SOFTMAX_ZERO" => Ok(Self::SoftmaxZero),
            "PROBIT" => Ok(Self::Probit),
            other => Err(TreeError::PostTransform(other.to_owned())),
        }
    }

    /// Applies itself to one row's scores.
    pub fn apply(self, scores: &mut [f32]) {
        match self {
            Self::None => {}
            Self::Logistic => scores.iter_mut().for_each(|score| *score = logistic(*score)),
            Self::Probit => scores.iter_mut().for_each(|score| *score = probit(*score)),
            Self::Softmax => softmax(scores),
            Self::SoftmaxZero => softmax_zero(scores),
        }
    }
}

/// One class's aggregate so far, and whether any leaf voted for the class at all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tally<T> {
    /// Aggregate of the votes.
    pub score: T,
    /// Whether there was a vote.
    pub given: bool,
}

impl<T: Real> Tally<T> {
    /// No vote yet.
    pub const EMPTY: Self = Self { score: T::ZERO, given: false };

    /// Takes one more vote in.
    #[inline(always)]
    pub fn vote(&mut self, aggregate: Aggregate, weight: T) {
        let replaces = match aggregate {
            Aggregate::Sum | Aggregate::Average => {
                self.score = self.score.plus(weight);
                false
            }
            Aggregate::Min => !self.given || weight < self.score,
            Aggregate::Max => !self.given || weight > self.score,
        };
        if replaces {
            self.score = weight;
        }
        self.given = true;
    }

    /// What onnxruntime reads of a class: its score, 0 without a vote (even with a base value).
    fn read(self) -> f32 {
        if self.given { self.score.to_f32() } else { 0.0 }
    }
}

/// The second half of evaluation: aggregates in, scores and label out.
#[derive(Debug, Clone, PartialEq)]
pub struct Finish<T> {
    /// How votes are aggregated.
    pub aggregate: Aggregate,
    kind: Kind,
    classes: usize,
    trees: usize,
    base: Vec<T>,
    post: PostTransform,
    /// Two classes, votes for one of them only.
    one_sided: bool,
    /// No weight is negative.
    all_positive: bool,
}

impl<T: Real> Finish<T> {
    /// The finish that `attributes` ask for.
    pub fn of(attributes: &Attributes, forest: &Forest<T>) -> Result<Self, TreeError> {
        let post = PostTransform::parse(&attributes.post_transform)?;
        let aggregate = match attributes.kind {
            Kind::Classifier => Aggregate::Sum,
            Kind::Regressor => Aggregate::parse(&attributes.aggregate)?,
        };
        let mut voted = vec![false; forest.classes];
        let mut all_positive = true;
        for_each_vote(forest, |class, weight| {
            voted[class] = true;
            all_positive &= weight >= T::ZERO;
        });
        let one_sided = forest.classes == 2 && voted.iter().filter(|&&voted| voted).count() == 1;
        let base = base_values(attributes, forest.classes)?;
        let first_only = attributes.kind == Kind::Classifier && one_sided && voted[0];
        if first_only && post == PostTransform::Probit && base.len() < 2 {
            return Err(TreeError::ProbitBinary);
        }
        Ok(Self {
            aggregate,
            kind: attributes.kind,
            classes: forest.classes,
            trees: forest.trees.len(),
            base,
            post,
            one_sided,
            all_positive,
        })
    }

    /// Writes a row's scores, one per class, and returns the index of its label (0 for regressors).
    pub fn row(&self, tallies: &mut [Tally<T>], scores: &mut [f32]) -> usize {
        match (self.kind, self.classes) {
            (Kind::Regressor, 1) => self.one_target(tallies[0], scores),
            (Kind::Regressor, _) => self.targets(tallies, scores),
            (Kind::Classifier, 2) => return self.two_classes(tallies, scores),
            (Kind::Classifier, _) => return self.many_classes(tallies, scores),
        }
        0
    }

    /// A single target knows no transform but PROBIT.
    fn one_target(&self, tally: Tally<T>, scores: &mut [f32]) {
        let base = self.base.first().copied().unwrap_or(T::ZERO);
        let value = self.averaged(tally.score).plus(base).to_f32();
        scores[0] = if self.post == PostTransform::Probit { probit(value) } else { value };
    }

    fn targets(&self, tallies: &mut [Tally<T>], scores: &mut [f32]) {
        for (index, (tally, score)) in tallies.iter_mut().zip(scores.iter_mut()).enumerate() {
            let base = self.base.get(index).copied().unwrap_or(T::ZERO);
            tally.score = self.averaged(tally.score).plus(base);
            *score = tally.read();
        }
        self.post.apply(scores);
    }

    fn averaged(&self, score: T) -> T {
        if self.aggregate == Aggregate::Average { score.over(self.trees) } else { score }
    }

    fn many_classes(&self, tallies: &mut [Tally<T>], scores: &mut [f32]) -> usize {
        for (tally, &base) in tallies.iter_mut().zip(&self.base) {
            tally.score = tally.score.plus(base);
            tally.given = true;
        }
        let mut label = None;
        for (index, tally) in tallies.iter().enumerate() {
            scores[index] = tally.read();
            let better = label.is_none_or(|best: usize| tally.score > tallies[best].score);
            if tally.given && better {
                label = Some(index);
            }
        }
        self.post.apply(scores);
        label.unwrap_or(0)
    }

    fn two_classes(&self, tallies: &mut [Tally<T>], scores: &mut [f32]) -> usize {
        let (mut first, mut second) = (tallies[0], tallies[1]);
        match self.base[..] {
            [_, base] if second.given => {
                // onnxruntime takes the first class's votes here, and only the second base value.
                let both = first.score.plus(base).to_f32();
                scores[1] = both;
                scores[0] = if first.given { -both } else { 0.0 };
                self.post.apply(scores);
                return self.label(both);
            }
            [base, second_base] => {
                first.score = first.score.plus(base);
                second.score = second.score.plus(second_base);
            }
            [base] => first.score = first.score.plus(base),
            _ => {}
        }
        let positive = if second.given { second.read() } else { first.read() };
        if second.given || self.base.len() == 2 {
            scores[0] = first.read();
            scores[1] = second.read();
            self.post.apply(scores);
        } else {
            self.one_sided_pair(first.read(), scores);
        }
        self.label(positive)
    }

    /// Only one class has votes: the other's score follows from it.
    fn one_sided_pair(&self, score: f32, scores: &mut [f32]) {
        let pair = match self.post {
            PostTransform::Logistic => [logistic(-score), logistic(score)],
            _ if self.one_sided && self.all_positive => [1.0 - score, score],
            _ if self.one_sided || self.base.is_empty() => [-score, score],
            _ => [score, 0.0],
        };
        scores.copy_from_slice(&pair);
    }

    fn label(&self, positive: f32) -> usize {
        let bound = if self.one_sided && self.all_positive { 0.5 } else { 0.0 };
        usize::from(positive > bound)
    }
}

fn for_each_vote<T: Real>(forest: &Forest<T>, mut visit: impl FnMut(usize, T)) {
    for node in forest.trees.iter().flat_map(|tree| &tree.nodes) {
        if let Node::Leaf(votes) = node {
            votes.iter().for_each(|&(class, weight)| visit(class, weight));
        }
    }
}

/// 1 / (1 + e^-x), computed from the negative side so that nothing overflows.
fn logistic(x: f32) -> f32 {
    let v = 1.0 / (1.0 + (-x.abs()).exp());
    if x < 0.0 { 1.0 - v } else { v }
}

/// The normal quantile of x. The inverse error function is Winitzki's approximation with a = 0.147
/// ("A handy approximation for the error function and its inverse", 2008).
fn probit(x: f32) -> f32 {
    const A: f32 = 0.147;
    let y = 2.0 * x - 1.0;
    let log = ((1.0 - y) * (1.0 + y)).ln();
    let half = 2.0 / (std::f32::consts::PI * A) + 0.5 * log;
    let root = (-half + (half * half - log / A).sqrt()).sqrt();
    std::f32::consts::SQRT_2 * if y < 0.0 { -root } else { root }
}

fn softmax(scores: &mut [f32]) {
    let largest = scores.iter().fold(f32::MIN, |a, &b| if b > a { b } else { a });
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = (*score - largest).exp();
        sum += *score;
    }
    scores.iter_mut().for_each(|score| *score /= sum);
}

fn softmax_zero(scores: &mut [f32]) {
    const NEAR_ZERO: f32 = 1e-7;
    let largest = scores.iter().fold(f32::MIN, |a, &b| if b > a { b } else { a });
    let scale = (-largest).exp();
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        if *score > NEAR_ZERO || *score < -NEAR_ZERO {
            *score = (*score - largest).exp();
            sum += *score;
        } else {
            *score *= scale;
        }
    }
    scores.iter_mut().for_each(|score| *score /= sum);
}
