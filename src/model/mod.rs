//! An ONNX file that scores feature rows.

pub mod trees;
