//! Files in, files out: CSV, JSON Lines, Parquet and Avro through the same engine as the stream.
//!
//! Input order is arrival order and windows are in event time, so a file's rows get the scores that
//! the stream would have given them.
//!
//! Rooms in reading order, which is the way of a row: [`Format`], [`Source`] and [`Target`] say
//! what the bytes are; `read` cuts them into blocks of columns (`block`); `rows` finds out which
//! column is which field and builds transactions, or a [`Rejection`]; `jobs` runs engines over them
//! side by side and puts results together; `write` gives an output its name when it is complete.
//! `texts` holds what readers and `rows` both know of ids.
//!
//! What never happens here: no row is lost in silence; one that cannot be scored is kept, counted
//! and explained. Memory does not grow with rows, only with customers: a few blocks of 8,192 rows
//! are in flight at any time. No clock is read. Arrow's and Parquet's types do not leave the wing.

mod block;
mod error;
mod format;
mod rejection;
mod texts;

mod read;

mod rows;

mod jobs;

mod write;

pub use error::{Error, ErrorKind};
pub use format::{Format, Source, Target};
pub use jobs::{
    Cell, DEFAULT_LABEL_DELAY_MS, EachTransaction, Job, Record, Scorer, Shape, Shard, Summary,
    SummaryJson, Table, TransactionWriter, features, read_labels, read_records, read_transactions,
    score,
};
pub use rejection::Rejection;
pub use rows::{ColumnMap, FieldName, format_time, parse_time};
