//! CSV in, with broken rows set aside instead of the whole file.
//!
//! RFC 4180 rows may span lines inside quotes, so one quote that is never closed makes a lenient
//! reader swallow the rest of the file as a single field, and a strict one give up on all of it.
//! Here a row that breaks the rules (text after a closing quote, a quote without an end, the wrong
//! number of fields, bytes that are not UTF-8) is rejected with its line, and reading resumes on
//! the next line.
//!
//! Every column is text: a reader that guesses types turns the id `007` into 7. What is needed as a
//! number is parsed from the text later. The separator is what the header has most of: comma,
//! semicolon or tab.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::text::{Buffer, excerpt, line_length};
use crate::base::limits::MAX_RECORD_BYTES;
use crate::files::Error;
use crate::files::block::{BLOCK_ROWS, Block, Blocks, Choose, RowNumbers};
use crate::files::rejection::{MALFORMED_ROW, Rejection};

/// A CSV stream behind its header.
pub(super) struct CsvBlocks {
    buffer: Buffer,
    separator: u8,
    width: usize,
    kept: Vec<usize>,
    schema: SchemaRef,
    line: u64,
    spans: Vec<Span>,
}

/// One field of a record: a range of its bytes, without the quotes around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    start: usize,
    end: usize,
    /// Has doubled quotes.
    escaped: bool,
}

/// What lies at the beginning of the rest.
#[derive(Debug, PartialEq, Eq)]
enum Scan {
    /// A record of so many bytes, its line end included.
    Record(usize),
    /// No record, and why.
    Malformed(&'static str),
    /// The record's end has not been read yet.
    Unfinished,
}

impl CsvBlocks {
    /// Reads the header and lets `choose` pick the columns.
    pub(super) fn open(buffer: Buffer, choose: Choose<'_>) -> Result<Self, Error> {
        let mut reader = Self {
            buffer,
            separator: b',',
            width: 0,
            kept: Vec::new(),
            schema: Arc::new(Schema::empty()),
            line: 1,
            spans: Vec::new(),
        };
        let header = reader.header()?;
        reader.width = header.fields().len();
        reader.kept = choose(&header)?.unwrap_or_else(|| (0..reader.width).collect());
        let schema = header.project(&reader.kept)?;
        reader.schema = Arc::new(schema);
        Ok(reader)
    }

    fn header(&mut self) -> Result<Schema, Error> {
        self.buffer.fill_line()?;
        let line = self.buffer.rest();
        self.separator = separator(&line[..line_length(line).unwrap_or(line.len())]);
        let length = match self.scan()? {
            Scan::Record(length) if length > 0 => length,
            Scan::Malformed(why) => {
                return Err(Error::read(self.buffer.name(), format!("its header line has {why}")));
            }
            _ => {
                return Err(Error::read(self.buffer.name(), "it is empty, not even a header line"));
            }
        };
        let record = std::str::from_utf8(&self.buffer.rest()[..length])
            .map_err(|_| Error::read(self.buffer.name(), "its header line is not UTF-8"))?;
        let names: Vec<String> = self
            .spans
            .iter()
            .enumerate()
            .map(|(place, span)| match span.text(record).trim() {
                "" => format!("column_{}", place + 1),
                name => name.to_owned(),
            })
            .collect();
        if let Some(twice) = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name))
        {
            return Err(Error::Usage(format!(
                "{} has two columns named {}; rename one",
                self.buffer.name(),
                twice.1
            )));
        }
        self.advance(length);
        let fields: Vec<Field> =
            names.into_iter().map(|name| Field::new(name, DataType::Utf8, true)).collect();
        Ok(Schema::new(fields))
    }

    /// Scans the record at the beginning of the rest, reading on until all of it is there.
    fn scan(&mut self) -> Result<Scan, Error> {
        loop {
            let rest = self.buffer.rest();
            let found = scan(rest, self.separator, self.buffer.ended(), &mut self.spans);
            if found != Scan::Unfinished {
                return Ok(found);
            }
            if rest.len() > MAX_RECORD_BYTES {
                return Ok(Scan::Malformed("a quote that is never closed, or no end of line"));
            }
            self.buffer.more()?;
        }
    }

    /// Consumes whole lines and counts them.
    fn advance(&mut self, length: usize) {
        let lines = self.buffer.rest()[..length].iter().filter(|byte| **byte == b'\n').count();
        self.line += lines as u64;
        self.buffer.consume(length);
    }

    /// Keeps what is at the beginning of the rest as a broken row.
    fn set_aside(&self, why: &str, malformed: &mut Vec<Rejection>) {
        let message = format!("the row has {why}: {}", excerpt(self.buffer.rest()));
        malformed.push(Rejection { row: self.line, reason: MALFORMED_ROW, message, place: None });
    }

    /// Takes the scanned record of `length` bytes into the builders, or says what is wrong with it.
    fn take(&self, length: usize, builders: &mut [StringBuilder]) -> Result<(), String> {
        if self.spans.len() != self.width {
            return Err(format!("{} fields, the header has {}", self.spans.len(), self.width));
        }
        let record = std::str::from_utf8(&self.buffer.rest()[..length])
            .map_err(|error| format!("a byte that is not UTF-8 at {}", error.valid_up_to() + 1))?;
        for (place, builder) in self.kept.iter().zip(builders) {
            let span = self.spans[*place];
            if span.start == span.end {
                builder.append_null();
            } else {
                builder.append_value(span.text(record));
            }
        }
        Ok(())
    }

    fn is_blank_line(&self) -> bool {
        matches!(self.spans.as_slice(), [Span { start: 0, end: 0, .. }])
    }
}

impl Blocks for CsvBlocks {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn next(&mut self) -> Result<Option<Block>, Error> {
        let mut builders: Vec<StringBuilder> = self
            .kept
            .iter()
            .map(|_| StringBuilder::with_capacity(BLOCK_ROWS, BLOCK_ROWS * 12))
            .collect();
        let mut lines = Vec::with_capacity(BLOCK_ROWS);
        let mut malformed = Vec::new();
        while lines.len() + malformed.len() < BLOCK_ROWS {
            match self.scan()? {
                Scan::Record(0) | Scan::Unfinished => break,
                Scan::Record(length) if self.is_blank_line() => self.advance(length),
                Scan::Record(length) => match self.take(length, &mut builders) {
                    Ok(()) => {
                        lines.push(self.line);
                        self.advance(length);
                    }
                    Err(why) => {
                        self.set_aside(&why, &mut malformed);
                        self.advance(length);
                    }
                },
                Scan::Malformed(why) => {
                    self.set_aside(why, &mut malformed);
                    self.buffer.skip_line()?;
                    self.line += 1;
                }
            }
        }
        if lines.is_empty() && malformed.is_empty() {
            return Ok(None);
        }
        let columns = builders.iter_mut().map(|b| Arc::new(b.finish()) as ArrayRef).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(lines.len()));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?;
        Ok(Some(Block { batch, numbers: RowNumbers::Lines(lines), malformed }))
    }
}

impl Span {
    fn text(self, record: &str) -> Cow<'_, str> {
        let text = &record[self.start..self.end];
        if self.escaped { Cow::Owned(text.replace("\"\"", "\"")) } else { Cow::Borrowed(text) }
    }
}

/// The separator that the header line has most of.
fn separator(header: &[u8]) -> u8 {
    let count = |wanted: u8| header.iter().filter(|byte| **byte == wanted).count();
    [b',', b';', b'\t'].into_iter().rev().max_by_key(|byte| count(*byte)).unwrap_or(b',')
}

/// Finds the fields of the record at the beginning of `data`. At the end of the stream (`ended`)
/// the last record needs no line end.
fn scan(data: &[u8], separator: u8, ended: bool, spans: &mut Vec<Span>) -> Scan {
    spans.clear();
    if data.is_empty() {
        return if ended { Scan::Record(0) } else { Scan::Unfinished };
    }
    let mut at = 0;
    loop {
        let field = if data.get(at) == Some(&b'"') {
            quoted(data, at, ended)
        } else {
            Ok(plain(data, at, separator))
        };
        let (span, mut next) = match field {
            Ok(field) => field,
            Err(scan) => return scan,
        };
        spans.push(span);
        if data.get(next) == Some(&b'\r') && data.get(next + 1) == Some(&b'\n') {
            next += 1;
        }
        match data.get(next) {
            Some(b'\n') => return Scan::Record(next + 1),
            Some(b'\r') if next + 1 == data.len() && !ended => return Scan::Unfinished,
            Some(byte) if *byte == separator => at = next + 1,
            Some(b'\r') if next + 1 == data.len() => return Scan::Record(next + 1),
            Some(_) => return Scan::Malformed("text after a closing quote"),
            None if ended => return Scan::Record(next),
            None => return Scan::Unfinished,
        }
    }
}

/// A field without quotes around it, and where it ends.
#[inline]
fn plain(data: &[u8], start: usize, separator: u8) -> (Span, usize) {
    let length = data[start..].iter().position(|byte| *byte == separator || *byte == b'\n');
    let mut end = length.map_or(data.len(), |length| start + length);
    if end > start && data[end - 1] == b'\r' && data.get(end) != Some(&separator) {
        end -= 1;
    }
    (Span { start, end, escaped: false }, end)
}

/// A field in quotes that begin at `open`, and the place behind its closing quote.
fn quoted(data: &[u8], open: usize, ended: bool) -> Result<(Span, usize), Scan> {
    let mut at = open + 1;
    let mut escaped = false;
    loop {
        let Some(length) = data[at..].iter().position(|byte| *byte == b'"') else {
            return Err(unclosed(ended));
        };
        at += length + 1;
        match data.get(at) {
            Some(b'"') => {
                escaped = true;
                at += 1;
            }
            None if !ended => return Err(Scan::Unfinished),
            _ => return Ok((Span { start: open + 1, end: at - 1, escaped }, at)),
        }
    }
}

fn unclosed(ended: bool) -> Scan {
    if ended { Scan::Malformed("a quote that is never closed") } else { Scan::Unfinished }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields of the first record and how many bytes it has.
    fn first(data: &str) -> (Vec<String>, Scan) {
        let mut spans = Vec::new();
        let scan = scan(data.as_bytes(), b',', true, &mut spans);
        (spans.iter().map(|span| span.text(data).into_owned()).collect(), scan)
    }

    #[test]
    fn records_end_where_rfc_4180_says() {
        let cases: [(&str, &[&str], usize); 11] = [
            ("a,b\nc", &["a", "b"], 4),
            ("a,b\r\nc", &["a", "b"], 5),
            ("a,b", &["a", "b"], 3),
            ("a,b\r", &["a", "b"], 4),
            ("a,\n", &["a", ""], 3),
            (",\n", &["", ""], 2),
            ("\n", &[""], 1),
            ("\"a,b\",c\n", &["a,b", "c"], 8),
            ("\"a\"\"b\"\r\n", &["a\"b"], 8),
            ("\"two\nlines\",x\n", &["two\nlines", "x"], 14),
            ("it's 5\" wide,x\n", &["it's 5\" wide", "x"], 15),
        ];
        for (data, fields, length) in cases {
            let (found, scan) = first(data);
            assert_eq!(found, fields, "{data:?}");
            assert_eq!(scan, Scan::Record(length), "{data:?}");
        }
    }

    #[test]
    fn quotes_that_break_the_rules_are_malformed() {
        for data in ["\"a\"b,c\n", "\"a\" ,c\n", "x,\"never\nclosed", "\"", "\"\"\""] {
            assert!(matches!(first(data).1, Scan::Malformed(_)), "{data:?}");
        }
    }

    #[test]
    fn a_record_without_its_end_waits_for_more() {
        let mut spans = Vec::new();
        for data in ["", "a,b", "a,\"b", "a,\"b\"", "a,b\r", "\"a\"\r"] {
            assert_eq!(
                scan(data.as_bytes(), b',', false, &mut spans),
                Scan::Unfinished,
                "{data:?}"
            );
        }
    }

    #[test]
    fn the_header_tells_the_separator() {
        for (header, expected) in
            [("a,b;c,d", b','), ("a;b", b';'), ("a\tb\tc,d", b'\t'), ("a", b',')]
        {
            assert_eq!(separator(header.as_bytes()), expected, "{header}");
        }
    }
}
