//! Bytes in, blocks of columns out: the four formats, and nothing about meaning.
//!
//! In reading order: [`open()`] chooses a reader and shows the columns to the caller, who picks
//! those to read. `text` holds a text file's bytes so that a whole record lies in one piece; `csv`
//! cuts records into fields. `json` cuts a line into fields as they are written, `kinds` finds the
//! type that holds all of a field's values, `jsonl` puts both together. `avro` reads a container
//! file and notices that it was cut off.
//!
//! What never happens here: no row disappears. One that breaks its format's rules comes along as a
//! [`Rejection`](super::Rejection); a file that ends too early is an error.

mod avro;
mod csv;
mod json;
mod jsonl;
mod kinds;
mod open;
mod text;

pub(super) use open::open;
