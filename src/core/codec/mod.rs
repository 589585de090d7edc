//! Bytes to values and back: framing, Avro schema resolution, rejected records.
//!
//! A record is a header that names the producer's schema and a datum written with it. The datum can
//! only be read with that schema, and producers add, drop, reorder and retype fields without
//! asking. Avro's generic way, decode into a tree of values and then resolve the tree into the
//! reader's schema, allocates for every field of every record and costs microseconds. Here a
//! producer's schema is resolved *once*, when it is first seen, into a flat list of steps
//! (`plan.rs`): read a text into this slot, skip that map, turn those microseconds into
//! milliseconds. A record then is one pass over its bytes, and its strings stay where they are.
//!
//! Whatever the bytes are, the outcome is a value ([`Decoded`]): a checked transaction, a
//! [`Rejected`] record with its reason, or the id of a schema that has to be fetched first.
//! What comes out for which producer schema is at the top of `compile.rs`; the order of the
//! checks in [`Reason`].

mod alert_reader;
mod compile;
mod cursor;
mod decoder;
mod encode;
mod fingerprint;
mod framing;
mod plan;
mod rejected;
mod report;
mod schema;
mod skip;
mod symbols;
mod table;

pub use alert_reader::{AlertView, ReasonView, read_alert, read_framed_alert};
pub use compile::{schema_report, schema_report_for};
pub use decoder::{Decoded, DecodedLabel, Decoder, SchemaAnswer};
pub use encode::{encode_alert, encode_label, encode_transaction};
pub use framing::{Framing, frame_confluent, frame_single_object};
pub use rejected::{Reason, Rejected};
pub use report::{FieldReport, Outcome, Report, Target};
pub use schema::{SchemaError, fingerprint};

/// The schema that transactions are read as: `schemas/transaction.avsc`.
pub const TRANSACTION_SCHEMA: &str = include_str!("../../../schemas/transaction.avsc");

/// The schema that verdicts are read as: `schemas/label.avsc`.
pub const LABEL_SCHEMA: &str = include_str!("../../../schemas/label.avsc");

/// The schema that alerts are written with: `schemas/alert.avsc`.
pub const ALERT_SCHEMA: &str = include_str!("../../../schemas/alert.avsc");

/// Most schemas a decoder keeps; the one added longest ago leaves for a new one.
pub const MAX_SCHEMAS: usize = 1_024;

/// Longest schema that is parsed, in bytes of JSON.
pub const MAX_SCHEMA_BYTES: usize = 1 << 20;

/// Deepest nesting of values that is skipped; recursive types reach it, nothing else does.
pub const MAX_SKIP_DEPTH: u32 = 128;
