//! Rows of a file one by one, for commands that only read: `evaluate`, `backtest`.
//!
//! Such a command knows which columns it wants and as what. [`read_records`] converts them block by
//! block and shows one row at a time, borrowed; [`read_transactions`] shows rows as transactions.

use arrow_schema::Schema;

use super::job::{Opened, Wanted, open};
use crate::core::transaction::Transaction;
use crate::files::format::Source;
use crate::files::rows::{
    Cells, ColumnMap, Fields, Lookup, NumberColumn, TextColumn, TimeColumn, VerdictColumn, find,
    is_scalar, no_such_column,
};
use crate::files::{Error, Rejection, read};

/// As what a column is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Any type; whole numbers are decimal text.
    Text,
    /// Numbers and texts that are numbers.
    Number,
    /// Every form of a time that transactions take.
    Time,
    /// Booleans, numbers (0 is false), `true`/`false`, `yes`/`no`.
    Verdict,
}

/// A cell of a wanted column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// Nothing: null, or an empty cell of a text file.
    Missing,
    /// Something that has not the shape that was asked for.
    Broken,
    /// Of [`Shape::Text`].
    Text(&'a str),
    /// Of [`Shape::Number`].
    Number(f64),
    /// Of [`Shape::Time`]: milliseconds since the epoch.
    Time(i64),
    /// Of [`Shape::Verdict`].
    Verdict(bool),
}

/// One row: its number (the line in CSV and JSON Lines) and the wanted cells in the order asked
/// for, or why it is no row.
pub type Record<'a> = Result<(u64, &'a [Cell<'a>]), &'a Rejection>;

/// What [`read_transactions`] does with a row.
pub type EachTransaction<'a> =
    dyn FnMut(Result<&Transaction<'_>, &Rejection>) -> Result<(), Error> + 'a;

/// A column converted to the shape asked for.
pub(super) enum Column {
    Text(TextColumn),
    Number(NumberColumn),
    Time(TimeColumn),
    Verdict(VerdictColumn),
}

/// Shows every row of a file to `each`, with the named columns in the shapes asked for. Broken rows
/// come after the other rows of their block. A column that is not there is a usage error; an error
/// of `each` ends the reading.
pub fn read_records(
    source: Source,
    wanted: &[(&str, Shape)],
    each: &mut dyn FnMut(Record<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut places = Vec::new();
    let mut blocks = read::open(source, &mut |schema: &Schema| {
        let found = wanted.iter().map(|(name, _)| wanted_place(schema, name));
        let found = found.collect::<Result<Vec<usize>, Error>>()?;
        let mut kept = found.clone();
        kept.sort_unstable();
        kept.dedup();
        places = found.iter().filter_map(|place| kept.binary_search(place).ok()).collect();
        Ok(Some(kept))
    })?;
    while let Some(block) = blocks.next()? {
        let shapes = wanted.iter().map(|(_, shape)| *shape);
        let columns = places
            .iter()
            .zip(shapes)
            .map(|(place, shape)| Column::new(&Cells::of(&block.batch, *place), shape))
            .collect::<Result<Vec<Column>, Error>>()?;
        for row in 0..block.batch.num_rows() {
            let cells: Vec<Cell<'_>> = columns.iter().map(|column| column.cell(row)).collect();
            each(Ok((block.numbers.of(row), &cells)))?;
        }
        block.malformed.iter().try_for_each(|broken| each(Err(broken)))?;
    }
    Ok(())
}

/// Shows every row of a file to `each` as a transaction, or why it is none. `now` is the caller's
/// clock in milliseconds since the epoch. Errors as [`read_records`]. Broken rows come after the
/// other rows of their block.
pub fn read_transactions(
    source: Source,
    columns: &ColumnMap,
    now: i64,
    each: &mut EachTransaction<'_>,
) -> Result<(), Error> {
    let Opened { mut blocks, resolved, .. } =
        open(source, columns, Wanted::Mapped { label: None })?;
    while let Some(block) = blocks.next()? {
        let fields = Fields::new(&block.batch, &resolved)?;
        for row in 0..block.batch.num_rows() {
            let transaction = fields.transaction(row, now, block.numbers.of(row));
            each(transaction.as_ref())?;
        }
        block.malformed.iter().try_for_each(|broken| each(Err(broken)))?;
    }
    Ok(())
}

/// Where a column is, if it holds single values.
pub(super) fn wanted_place(schema: &Schema, name: &str) -> Result<usize, Error> {
    let place = find(schema, name)?.ok_or_else(|| no_such_column(schema, name, "input"))?;
    let data_type = schema.field(place).data_type();
    if is_scalar(data_type) {
        Ok(place)
    } else {
        Err(Error::Usage(format!("column {name} holds {data_type}, not single values")))
    }
}

impl Column {
    pub(super) fn new(column: &Cells, shape: Shape) -> Result<Self, Error> {
        Ok(match shape {
            Shape::Text => Self::Text(TextColumn::text(column)?),
            Shape::Number => Self::Number(NumberColumn::number(column)?),
            Shape::Time => Self::Time(TimeColumn::time(column)?),
            Shape::Verdict => Self::Verdict(VerdictColumn::verdict(column)?),
        })
    }

    pub(super) fn cell(&self, row: usize) -> Cell<'_> {
        match self {
            Self::Text(column) => shown(column.get(row), Cell::Text),
            Self::Number(column) => shown(column.get(row), Cell::Number),
            Self::Time(column) => shown(column.get(row), Cell::Time),
            Self::Verdict(column) => shown(column.get(row), Cell::Verdict),
        }
    }
}

fn shown<'a, T>(found: Lookup<T>, cell: impl FnOnce(T) -> Cell<'a>) -> Cell<'a> {
    match found {
        Lookup::Value(value) => cell(value),
        Lookup::Missing => Cell::Missing,
        Lookup::Broken => Cell::Broken,
    }
}
