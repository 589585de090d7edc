//! Blocks of columns out to a file, and never half a file.
//!
//! In reading order: `naming` finds names for added columns beside the input's, `types` says in
//! which types a format holds them, `sink` writes rows in any format and gives the file its name at
//! the end, `avro` and `json_out` are what the formats' libraries leave open, `rejects` is the file
//! of rows that were set aside.
//!
//! What never happens here: an output appears under its name only when it is complete. The same
//! rows give the same bytes.

mod avro;
mod json_out;
mod naming;
mod rejects;
mod sink;
mod types;

pub(super) use naming::{Naming, extended};
pub(super) use rejects::Rejects;
pub(super) use sink::Sink;
