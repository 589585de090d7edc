//! An ONNX file that scores feature rows.
