//! SynFinance: fraud detection on Kafka.
//!
//! Transactions come in as Avro, each customer's last month is remembered, features are computed
//! and scored with an ONNX model, alerts go out with their reasons. `ARCHITECTURE.md` has the
//! picture; the modules below are in the order of the data.
//!
//! What never happens: modules of the scoring path ([`transaction`] to [`engine`]) do no I/O, read
//! no clock, draw no random number and do not log; a bad record is a value, never an error; a
//! feature never sees what happened after its transaction.

#![warn(missing_docs)]
#![warn(clippy::disallowed_methods, clippy::unwrap_used)]
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod limits;

pub mod clock;

pub mod error;

pub mod retry;

pub mod health;

pub mod transaction;

pub mod codec;

pub mod state;

pub mod features;

pub mod model;

pub mod decision;

pub mod engine;

pub mod worker;

pub mod labels;

pub mod batch;

pub mod generate;

pub mod kafka;

pub mod registry;

pub mod database;

pub mod snapshots;

pub mod dead_letters;

pub mod demo;

pub mod drill;

pub mod telemetry;

pub mod http;

pub mod service;

pub mod config;

pub mod commands;
