//! Files in, files out: CSV, JSON Lines, Parquet and Avro through the same engine as the stream.
//!
//! Input order is arrival order and windows are in event time, so a file's rows get the scores that
//! the stream would have given them. Reading the modules in this order follows a row: [`Format`]
//! and [`Source`] say what the bytes are, the readers cut them into blocks of columns,
//! [`ColumnMap`] says which column is which field, `values` brings columns into shape, `rows`
//! builds transactions or says why not, `shards` runs engines side by side, [`score()`] and
//! [`features()`] put the results together, and the output appears under its name only when it is
//! complete.
//!
//! Memory is bounded by customers, not by rows: at any time a few blocks of 8,192 rows are in
//! flight. A row that cannot be scored is a [`Rejection`]: kept, counted, explained.

mod columns;
mod container;
mod csv;
mod error;
mod features;
mod format;
mod input;
mod job;
mod json;
mod json_out;
mod jsonl;
mod kinds;
mod labels;
mod naming;
mod output;
mod reasons;
mod records;
mod rejects;
mod rows;
mod score;
mod scorer;
mod shards;
mod summary;
mod text;
mod times;
mod transactions;
mod values;

pub use columns::{ColumnMap, FieldName};
pub use error::{Error, ErrorKind};
pub use features::{DEFAULT_LABEL_DELAY_MS, Table, features};
pub use format::{Format, Source, Target};
pub use job::Job;
pub use labels::read_labels;
pub use records::{Cell, EachTransaction, Record, Shape, read_records, read_transactions};
pub use rows::Rejection;
pub use score::score;
pub use scorer::{Scorer, Shard};
pub use summary::{Summary, SummaryJson};
pub use times::{format_time, parse_time};
pub use transactions::TransactionWriter;
