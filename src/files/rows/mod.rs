//! Blocks of columns in, transactions out: what a file's columns mean.
//!
//! In reading order: `columns` finds the column of each field, `values` brings a column of any type
//! into one of four shapes, `times` reads a time that is written as text, `fields` builds the
//! transaction of a row or says why there is none.
//!
//! What never happens here: a value that cannot be read is never taken for another one. It is
//! missing or broken, and the row says which.

mod columns;
mod fields;
mod times;
mod values;

pub use columns::{ColumnMap, FieldName};
pub(super) use columns::{Resolved, find, no_such_column};
pub(super) use fields::{Fields, invalid_message};
pub use times::{format_time, parse_time};
pub(super) use values::{
    Cells, Lookup, NumberColumn, TextColumn, TimeColumn, VerdictColumn, is_scalar, show,
};
