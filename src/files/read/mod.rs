//! Bytes in, blocks of columns out: the four formats, and nothing about meaning.
//!
//! In reading order: [`open()`] chooses a reader and shows the columns to the caller, who picks
//! those to read. `text` holds a text file's bytes so that a whole record lies in one piece; `csv`
//! cuts records into fields. `json` cuts a line into fields as they are written, `kinds` finds the
//! type that holds all of a field's values, `jsonl` puts both together. `typed` makes blocks of the
//! formats that bring their types along: `parquet` reads a file or a directory of them, `avro` a
//! container file, of which `header` makes the beginning readable.
//!
//! What never happens here: no row disappears. One that breaks its format's rules comes along as a
//! [`Rejection`](super::Rejection); a file that ends too early is an error.

mod avro;
mod csv;
mod header;
mod json;
mod jsonl;
mod kinds;
mod open;
mod parquet;
mod text;
mod typed;

pub(super) use open::open;
