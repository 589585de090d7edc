//! The scoring path: what happens to a transaction, from bytes to a decision.
//!
//! Rooms in the order of the data: [`transaction`] (transactions and labels, valid by
//! construction), [`codec`] (bytes to values and back), [`state`] (what is remembered of customers
//! and known frauds), [`features`] (the catalogue, and how a row of it is computed), [`model`] (an
//! ONNX file, loaded and scored), [`decision`] (severity, reasons, alerts), [`engine`] (all of it,
//! for a batch).
//!
//! What never happens here: no I/O, no clock, no random number, no thread, no log line. A bad
//! record is a value, never an error. A feature never sees what happened after its transaction. The
//! same transactions in the same order give the same scores, whatever the batches.

pub mod transaction;

pub mod codec;

pub mod state;

pub mod features;

pub mod model;

pub mod decision;

pub mod engine;
