//! SynFinance: fraud detection on Kafka.
//!
//! Transactions come in as Avro, each customer's last month is remembered, features are computed
//! and scored with an ONNX model, alerts go out with their reasons.
//!
//! The modules below are the layers, lowest first. A wing uses those before it and none behind it;
//! `ARCHITECTURE.md` has the table, `tests/tidy.rs` holds it. Each wing's page says what its rooms
//! are and what never happens in it.

#![warn(missing_docs)]
#![warn(clippy::disallowed_methods, clippy::unwrap_used)]
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod base;

pub mod core;

pub mod edges;

pub mod stream;

pub mod files;

pub mod api;

pub mod service;

pub mod tools;

pub mod commands;
