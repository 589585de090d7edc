//! JSON Lines in: columns from lines that each name their own fields.
//!
//! A column file needs its columns and their types before the first row, JSON says them line by
//! line. Guessing from the first thousand lines loses the field that first appears in line two
//! thousand and breaks on the amount that first has a fraction there. So a file is read twice: once
//! to learn every field and the narrowest type that holds all of its values (a quick scan), once
//! for the values. A stream cannot be read twice: its first lines decide, a later field that they
//! did not have is dropped and named in the summary, and a later value that does not fit rejects
//! its row.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{Schema, SchemaRef};

use super::Error;
use super::input::{BLOCK_ROWS, Blocks, Choose};
use super::json::{Cell, scan_object};
use super::kinds::{Builder, Kind};
use super::rows::{Block, INVALID_FIELD, MALFORMED_ROW, Rejection, RowNumbers};
use super::text::{Buffer, excerpt, line_length};
use crate::limits::MAX_RECORD_BYTES;

/// How many lines of a stream decide its columns.
const SAMPLE_LINES: usize = 10_000;
/// How many bytes of a stream decide its columns.
const SAMPLE_BYTES: usize = 16 << 20;
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
    unknown: Vec<String>,
}

/// The fields that a scan met, in the order of their first appearance.
#[derive(Default)]
struct Learned {
    columns: HashMap<String, usize>,
    fields: Vec<(String, Kind)>,
}

impl JsonBlocks {
    /// Learns the columns from `whole`, a second reader of the same file, or from the beginning of
    /// `buffer` where there is none, and lets `choose` pick the columns.
    pub(super) fn open(
        mut buffer: Buffer,
        whole: Option<Buffer>,
        choose: Choose<'_>,
    ) -> Result<Self, Error> {
        let learned = match whole {
            Some(mut whole) => Learned::from_all(&mut whole)?,
            None => Learned::from_beginning(&mut buffer)?,
        };
        let all = Schema::new(
            learned.fields.iter().map(|(name, kind)| kind.field(name)).collect::<Vec<_>>(),
        );
        let kept = choose(&all)?.unwrap_or_else(|| (0..learned.fields.len()).collect());
        let known: HashMap<String, usize> = learned.columns;
        let places: HashMap<usize, usize> =
            kept.iter().enumerate().map(|(to, from)| (*from, to)).collect();
        let columns = known
            .into_iter()
            .map(|(name, place)| (name, places.get(&place).copied().unwrap_or(usize::MAX)))
            .collect();
        Ok(Self {
            buffer,
            columns,
            names: kept.iter().map(|place| learned.fields[*place].0.clone()).collect(),
            kinds: kept.iter().map(|place| learned.fields[*place].1).collect(),
            schema: Arc::new(all.project(&kept)?),
            line: 1,
            unknown: Vec::new(),
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
        let mut unknown = Vec::new();
        let malformed = |why| (MALFORMED_ROW, why);
        let line = std::str::from_utf8(&self.buffer.rest()[..length])
            .map_err(|_| malformed("bytes that are not UTF-8".to_owned()))?;
        let mut cells = vec![Cell::Null; builders.len()];
        let mut expected = 0;
        scan_object(line, |name, cell| match self.place(&name, expected) {
            Some(place) => {
                if let Some(slot) = cells.get_mut(place) {
                    *slot = cell;
                    expected = place + 1;
                }
            }
            None => unknown.push(name.into_owned()),
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
        self.note_unknown(unknown);
        Ok(())
    }

    fn misfit(&self, place: usize, cell: &Cell<'_>) -> String {
        format!(
            "{} is {}, the lines that decided its type hold {}; a file instead of a stream is \
             read twice and takes both",
            self.names[place],
            cell.as_json(),
            self.kinds[place].described()
        )
    }

    fn note_unknown(&mut self, unknown: Vec<String>) {
        const NAMED: usize = 20;
        for name in unknown {
            if self.unknown.len() < NAMED && !self.unknown.contains(&name) {
                self.unknown.push(name);
            }
        }
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

    fn notes(&self) -> Vec<String> {
        let note = |name| format!("field {name} first appeared late in the stream and was dropped");
        self.unknown.iter().map(note).collect()
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
        let mut learned = Self::default();
        refuse_array(buffer)?;
        while let Some(length) = next_line(buffer)? {
            learned.line(&buffer.rest()[..length], buffer.name())?;
            pass_line(buffer, length)?;
        }
        Ok(learned)
    }

    fn from_beginning(buffer: &mut Buffer) -> Result<Self, Error> {
        let mut learned = Self::default();
        let lines = |data: &[u8]| data.iter().filter(|byte| **byte == b'\n').count();
        while buffer.rest().len() < SAMPLE_BYTES
            && lines(buffer.rest()) < SAMPLE_LINES
            && buffer.more()?
        {}
        refuse_array(buffer)?;
        let whole = buffer.rest().iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let sample = if buffer.ended() { buffer.rest() } else { &buffer.rest()[..whole] };
        for line in sample.split(|byte| *byte == b'\n') {
            learned.line(line, buffer.name())?;
        }
        Ok(learned)
    }

    /// Takes the fields of one line in; a broken line, which will be rejected, teaches nothing.
    fn line(&mut self, line: &[u8], name: &str) -> Result<(), Error> {
        if line.len() > MAX_RECORD_BYTES {
            return Ok(());
        }
        let Ok(line) = std::str::from_utf8(line) else { return Ok(()) };
        let mut seen: Vec<(Cow<'_, str>, Kind)> = Vec::with_capacity(self.fields.len());
        if scan_object(line, |name, cell| seen.push((name, Kind::of(&cell)))).is_err() {
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
