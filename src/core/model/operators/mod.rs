//! The operators that a graph may use: tract's own, and this project's in their place.
//!
//! This project's are tree ensembles, since tract's are slow; what tract lacks and scikit-learn's
//! converters write; and what tract computes otherwise than onnxruntime. The last matter most:
//! tract takes formulas by the letter and overflows, or makes a number of NaN, so that the largest
//! payments would get a wrong score and nobody would see it. The tests compare every operator that
//! converters write for classifiers with onnxruntime, on numbers from denormal to infinite.

mod casts;
mod columns;
mod linear;
mod normalizer;
mod pointwise;
mod sums;
#[cfg(test)]
mod tests;

use tract_onnx::Onnx;
use tract_onnx::tract_hir::internal::*;

use super::trees;

/// What reading a node gives: the operator, and names of values that it takes from outside.
type Built = TractResult<(Box<dyn InferenceOp>, Vec<String>)>;

/// tract with this project's operators.
pub(super) fn framework() -> Onnx {
    let mut onnx = tract_onnx::onnx();
    let register = &mut onnx.op_register;
    register.insert("TreeEnsembleClassifier", trees::op::build);
    register.insert("TreeEnsembleRegressor", trees::op::build);
    register.insert("LinearClassifier", linear::classifier);
    register.insert("LinearRegressor", linear::regressor);
    register.insert("Normalizer", normalizer::build);
    register.insert("Scaler", columns::scaler);
    register.insert("Imputer", columns::imputer);
    register.insert("LabelEncoder", columns::label_encoder);
    register.insert("Cast", casts::build);
    register.insert("Clip", pointwise::clip);
    register.insert("Gelu", pointwise::gelu);
    register.insert("LogSoftmax", sums::log_softmax);
    for name in pointwise::NAMES {
        register.insert(name, pointwise::build);
    }
    for name in sums::REDUCTIONS {
        register.insert(name, sums::reduction);
    }
    // Says something else than onnxruntime where a value is NaN, and no classifier needs it.
    register.0.remove("Hardmax");
    onnx
}
