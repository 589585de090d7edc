//! JSON Lines in: columns from lines that each name their own fields.
//!
//! A column file needs its columns and their types before the first row, JSON says them line by
//! line. Guessing from the first thousand lines loses the field that first appears in line two
//! thousand and breaks on the amount that first has a fraction there. So the lines are read
//! twice: once to learn every field and the narrowest type that holds all of its values (a quick
//! scan), once for the values. A stream, which comes only once, is copied to a temporary file
//! first: the same lines give the same results wherever they come from.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{Schema, SchemaRef};

use super::json::{Cell, scan_object};
use super::kinds::{Builder, Kind};
use super::text::{Buffer, excerpt, line_length};
use crate::base::limits::MAX_RECORD_BYTES;
use crate::files::Error;
use crate::files::block::{BLOCK_ROWS, Block, Blocks, Choose, RowNumbers};
use crate::files::rejection::{INVALID_FIELD, MALFORMED_ROW, Rejection};

/// More different fields than any table has.
const MAX_COLUMNS: usize = 4_096;

/// A JSON Lines stream whose columns are known.
pub(super) struct JsonBlocks {
    buffer: Buffer,
    columns: HashMap<String, usize>,
    names: Vec<String>,
    kinds: Vec<Kind>,
    schema: SchemaRef,
    line: u64,
}

/// The fields that a scan met, in the order of their first appearance.
#[derive(Default)]
struct Learned {
    columns: HashMap<String, usize>,
    fields: Vec<(String, Kind)>,
    /// Not one line: there is nothing to choose from, and nothing to choose for.
    is_empty: bool,
    /// What is wrong with the first line that is no object.
    broken: Option<String>,
}

impl JsonBlocks {
    /// Learns the columns from `whole`, lets `choose` pick the columns, and will read the same
    /// lines from what `again` opens.
    pub(super) fn open(
        mut whole: Buffer,
        again: impl FnOnce() -> Result<Buffer, Error>,
        choose: Choose<'_>,
    ) -> Result<Self, Error> {
        let learned = Learned::from_all(&mut whole)?;
        if let (true, Some(why)) = (learned.fields.is_empty(), &learned.broken) {
            return Err(Error::Usage(format!(
                "no line of {} is a JSON object: {why}",
                whole.name()
            )));
        }
        let all = Schema::new(
            learned.fields.iter().map(|(name, kind)| kind.field(name)).collect::<Vec<_>>(),
        );
        let chosen = if learned.is_empty { Some(Vec::new()) } else { choose(&all)? };
        let kept = chosen.unwrap_or_else(|| (0..learned.fields.len()).collect());
        let known: HashMap<String, usize> = learned.columns;
        let places: HashMap<usize, usize> =
            kept.iter().enumerate().map(|(to, from)| (*from, to)).collect();
        let columns = known
            .into_iter()
            .map(|(name, place)| (name, places.get(&place).copied().unwrap_or(usize::MAX)))
            .collect();
        Ok(Self {
            buffer: again()?,
            columns,
            names: kept.iter().map(|place| learned.fields[*place].0.clone()).collect(),
            kinds: kept.iter().map(|place| learned.fields[*place].1).collect(),
            schema: Arc::new(all.project(&kept)?),
            line: 1,
        })
    }

    /// The column of a field: most lines have the same fields in the same order.
    fn place(&self, name: &str, expected: usize) -> Option<usize> {
        if self.names.get(expected).is_some_and(|next| next == name) {
            return Some(expected);
        }
        self.columns.get(name).copied()
    }

    /// Takes the line at the beginning of the rest into the builders.
    fn take(
        &mut self,
        length: usize,
        builders: &mut [Builder],
    ) -> Result<(), (&'static str, String)> {
        let malformed = |why| (MALFORMED_ROW, why);
        let line = std::str::from_utf8(&self.buffer.rest()[..length])
            .map_err(|_| malformed("bytes that are not UTF-8".to_owned()))?;
        let mut cells = vec![Cell::Null; builders.len()];
        let mut expected = 0;
        scan_object(line, |name, cell| {
            let place = self.place(&name, expected);
            if let Some(slot) = place.and_then(|place| cells.get_mut(place)) {
                *slot = cell;
                expected = place.map_or(0, |place| place + 1);
            }
        })
        .map_err(malformed)?;
        if let Some(place) =
            (0..cells.len()).find(|place| !self.kinds[*place].holds(&cells[*place]))
        {
            return Err((INVALID_FIELD, self.misfit(place, &cells[place])));
        }
        for (cell, builder) in cells.into_iter().zip(builders) {
            builder.append(cell);
        }
        Ok(())
    }

    fn misfit(&self, place: usize, cell: &Cell<'_>) -> String {
        format!(
            "{} is {}, where the first reading found only {}; the file changed meanwhile",
            self.names[place],
            cell.as_json(),
            self.kinds[place].described()
        )
    }
}

impl Blocks for JsonBlocks {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn next(&mut self) -> Result<Option<Block>, Error> {
        let mut builders: Vec<Builder> =
            self.kinds.iter().map(|kind| Builder::new(*kind)).collect();
        let mut lines = Vec::with_capacity(BLOCK_ROWS);
        let mut malformed = Vec::new();
        while lines.len() + malformed.len() < BLOCK_ROWS {
            let Some(length) = next_line(&mut self.buffer)? else { break };
            let taken = match &self.buffer.rest()[..length] {
                line if line.trim_ascii().is_empty() => None,
                line if line.len() > MAX_RECORD_BYTES => {
                    Some(Err((MALFORMED_ROW, "more bytes than a row may have".to_owned())))
                }
                _ => Some(self.take(length, &mut builders)),
            };
            match taken {
                None => {}
                Some(Ok(())) => lines.push(self.line),
                Some(Err((reason, why))) => {
                    let excerpt = excerpt(self.buffer.rest());
                    let message = if reason == MALFORMED_ROW {
                        format!("the line has {why}: {excerpt}")
                    } else {
                        why
                    };
                    malformed.push(Rejection { row: self.line, reason, message, place: None });
                }
            }
            pass_line(&mut self.buffer, length)?;
            self.line += 1;
        }
        if lines.is_empty() && malformed.is_empty() {
            return Ok(None);
        }
        let columns = builders.into_iter().map(Builder::finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(lines.len()));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?;
        Ok(Some(Block { batch, numbers: RowNumbers::Lines(lines), malformed }))
    }
}

/// The length of the next line, or `None` at the end. A line longer than a row may be is cut there.
fn next_line(buffer: &mut Buffer) -> Result<Option<usize>, Error> {
    buffer.fill_line()?;
    let rest = buffer.rest();
    Ok((!rest.is_empty()).then(|| line_length(rest).unwrap_or(rest.len())))
}

/// Consumes the line of which [`next_line`] found `length` bytes.
fn pass_line(buffer: &mut Buffer, length: usize) -> Result<(), Error> {
    if buffer.rest()[..length].ends_with(b"\n") {
        buffer.consume(length);
        return Ok(());
    }
    buffer.skip_line()
}

impl Learned {
    fn from_all(buffer: &mut Buffer) -> Result<Self, Error> {
        let mut learned = Self { is_empty: true, ..Self::default() };
        refuse_array(buffer)?;
        let mut number = 1_u64;
        while let Some(length) = next_line(buffer)? {
            let line = &buffer.rest()[..length];
            learned.is_empty &= line.trim_ascii().is_empty();
            learned.line(line, number, buffer.name())?;
            pass_line(buffer, length)?;
            number += 1;
        }
        Ok(learned)
    }

    /// Takes the fields of one line in; a broken line, which will be rejected, teaches nothing.
    fn line(&mut self, line: &[u8], number: u64, name: &str) -> Result<(), Error> {
        if line.len() > MAX_RECORD_BYTES {
            return Ok(());
        }
        let Ok(line) = std::str::from_utf8(line) else { return Ok(()) };
        let mut seen: Vec<(Cow<'_, str>, Kind)> = Vec::with_capacity(self.fields.len());
        if let Err(why) = scan_object(line, |name, cell| seen.push((name, Kind::of(&cell)))) {
            if !line.trim_ascii().is_empty() && self.broken.is_none() {
                self.broken = Some(format!("line {number} has {why}"));
            }
            return Ok(());
        }
        for (place, (field, kind)) in seen.into_iter().enumerate() {
            self.field(&field, kind, place);
        }
        if self.fields.len() > MAX_COLUMNS {
            return Err(Error::read(name, format!("more than {MAX_COLUMNS} different fields")));
        }
        Ok(())
    }

    fn field(&mut self, name: &str, kind: Kind, expected: usize) {
        let expected =
            self.fields.get(expected).is_some_and(|field| field.0 == name).then_some(expected);
        match expected.or_else(|| self.columns.get(name).copied()) {
            Some(place) => self.fields[place].1 = self.fields[place].1.with(kind),
            None => {
                self.columns.insert(name.to_owned(), self.fields.len());
                self.fields.push((name.to_owned(), kind));
            }
        }
    }
}

fn refuse_array(buffer: &mut Buffer) -> Result<(), Error> {
    buffer.fill_line()?;
    if buffer.rest().trim_ascii_start().starts_with(b"[") {
        return Err(Error::Usage(format!(
            "{} is one JSON array; JSON Lines has one object a line (jq -c '.[]' makes it so)",
            buffer.name()
        )));
    }
    Ok(())
}
