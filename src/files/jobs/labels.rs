//! Analysts' verdicts from a file: what `labels send` reads.
//!
//! A verdict that the stream would pass over must not be sent and forgotten, so a row is held to
//! the very check that every reader of the topic makes: it is encoded, and decoded as a record
//! would be. Rows that fail are set aside with the same words.

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::Schema;

use super::Summary;
use super::records::{Cell, Column, Shape, wanted_place};
use crate::core::codec::{
    DecodedLabel, Decoder, LABEL_SCHEMA, encode_label, fingerprint, frame_single_object,
};
use crate::core::transaction::{EventTime, Label};
use crate::files::block::Blocks;
use crate::files::format::{Source, Target};
use crate::files::rejection::{INVALID_FIELD, MISSING_FIELD, Rejection};
use crate::files::rows::{Cells, find, invalid_message, show};
use crate::files::write::Rejects;
use crate::files::{Error, read};

/// A column of the file.
struct Wanted {
    name: &'static str,
    shape: Shape,
    is_required: bool,
    /// What its cells have to be, for messages.
    form: &'static str,
}

const TIME: &str = "a time: RFC 3339, YYYY-MM-DD HH:MM:SS, or epoch milliseconds";

/// The fields of a verdict, in the schema's order.
const WANTED: [Wanted; 7] = [
    Wanted { name: "transaction_id", shape: Shape::Text, is_required: true, form: "an id" },
    Wanted { name: "customer_id", shape: Shape::Text, is_required: true, form: "an id" },
    Wanted { name: "merchant_id", shape: Shape::Text, is_required: true, form: "an id" },
    Wanted { name: "event_time", shape: Shape::Time, is_required: true, form: TIME },
    Wanted { name: "is_fraud", shape: Shape::Verdict, is_required: true, form: "true or false" },
    Wanted { name: "labeled_at", shape: Shape::Time, is_required: false, form: TIME },
    Wanted { name: "fraud_type", shape: Shape::Text, is_required: false, form: "a text" },
];

/// Shows every verdict of a file to `each`, in the file's order, and sums up: `scored` are those
/// that were shown. A row that is none goes to `rejected`. Columns are the schema's fields;
/// `labeled_at`, by default `now` (the caller's clock in milliseconds since the epoch), and
/// `fraud_type` may be missing.
///
/// Errors: a column that is not there is a usage error; an error of `each` ends the reading, and no
/// file of rejected rows is left behind.
pub fn read_labels<E: From<Error>>(
    source: Source,
    rejected: Option<&Target>,
    now: i64,
    each: &mut dyn FnMut(&Label<'_>) -> Result<(), E>,
) -> Result<Summary, E> {
    let (mut blocks, places) = open(source)?;
    let mut rejects = rejected.map(|to| Rejects::create(to, &blocks.schema())).transpose()?;
    let mut check = Check::new(now);
    let mut summary = Summary::default();
    while let Some(block) = blocks.next()? {
        let rows = Rows::new(&block.batch, &places)?;
        let mut set_aside = block.malformed;
        for row in 0..block.batch.num_rows() {
            match check.label(&rows, row) {
                Ok(label) => {
                    each(&label)?;
                    summary.score(1);
                }
                Err((reason, message)) => {
                    let (number, place) = (block.numbers.of(row), Some(row));
                    set_aside.push(Rejection { row: number, reason, message, place });
                }
            }
        }
        set_aside.sort_by_key(|rejection| rejection.row);
        summary.reject(&set_aside);
        if let Some(rejects) = &mut rejects {
            rejects.write(&block.batch, &set_aside)?;
        }
    }
    if let Some(rejects) = rejects {
        rejects.finish()?;
    }
    summary.notes = blocks.notes();
    Ok(summary)
}

/// The place of each wanted column, where the file has it.
type Places = [Option<usize>; WANTED.len()];

/// The file with all its columns, which rejected rows keep, and the places of the wanted ones.
fn open(source: Source) -> Result<(Box<dyn Blocks>, Places), Error> {
    let mut places = [None; WANTED.len()];
    let blocks = read::open(source, &mut |schema: &Schema| {
        for (wanted, place) in WANTED.iter().zip(&mut places) {
            if wanted.is_required || find(schema, wanted.name)?.is_some() {
                *place = Some(wanted_place(schema, wanted.name)?);
            }
        }
        Ok(None)
    })?;
    Ok((blocks, places))
}

/// The wanted columns of a block.
struct Rows<'a> {
    sources: Vec<Option<&'a ArrayRef>>,
    columns: Vec<Option<Column>>,
}

impl<'a> Rows<'a> {
    fn new(batch: &'a RecordBatch, places: &Places) -> Result<Self, Error> {
        let sources = places.iter().map(|place| place.map(|at| batch.column(at))).collect();
        let column = |(place, wanted): (&Option<usize>, &Wanted)| {
            place.map(|at| Column::new(&Cells::of(batch, at), wanted.shape)).transpose()
        };
        let columns = places.iter().zip(&WANTED).map(column).collect::<Result<_, _>>()?;
        Ok(Self { sources, columns })
    }

    /// A cell that may be missing.
    fn cell(&self, field: usize, row: usize) -> Result<Option<Cell<'_>>, Fault> {
        let Some(column) = &self.columns[field] else { return Ok(None) };
        match column.cell(row) {
            Cell::Missing => Ok(None),
            Cell::Broken => {
                let shown = self.sources[field].map(|source| show(source, row));
                let Wanted { name, form, .. } = &WANTED[field];
                let shown = shown.unwrap_or_default();
                Err((INVALID_FIELD, format!("{name} is {shown:?}, it must be {form}")))
            }
            cell => Ok(Some(cell)),
        }
    }

    fn required(&self, field: usize, row: usize) -> Result<Cell<'_>, Fault> {
        let missing = || (MISSING_FIELD, format!("{} is empty", WANTED[field].name));
        self.cell(field, row)?.ok_or_else(missing)
    }

    fn id(&self, field: usize, row: usize) -> Result<&str, Fault> {
        Ok(text(self.required(field, row)?).unwrap_or_default())
    }
}

/// The word and the sentence for what is wrong with a row.
type Fault = (&'static str, String);

/// Makes verdicts of rows.
struct Check {
    now: i64,
    decoder: Decoder,
    fingerprint: u64,
    value: Vec<u8>,
}

impl Check {
    fn new(now: i64) -> Self {
        let fingerprint = fingerprint(LABEL_SCHEMA).expect("invariant: our own schema parses");
        Self { now, decoder: Decoder::new(), fingerprint, value: Vec::new() }
    }

    fn label<'r>(&mut self, rows: &'r Rows<'_>, row: usize) -> Result<Label<'r>, Fault> {
        let event_time = millis(rows.required(3, row)?).unwrap_or_default();
        let labeled_at = rows.cell(5, row)?.and_then(millis).unwrap_or(self.now);
        let label = Label {
            transaction_id: rows.id(0, row)?,
            customer_id: rows.id(1, row)?,
            merchant_id: rows.id(2, row)?,
            event_time: self.time("event_time", event_time)?,
            is_fraud: matches!(rows.required(4, row)?, Cell::Verdict(true)),
            labeled_at: self.time("labeled_at", labeled_at)?,
            fraud_type: rows.cell(6, row)?.and_then(text),
        };
        self.read_back(&label)?;
        Ok(label)
    }

    fn time(&self, name: &str, millis: i64) -> Result<EventTime, Fault> {
        EventTime::new(millis, self.now).map_err(|error| {
            (INVALID_FIELD, invalid_message(&error).replacen("event_time", name, 1))
        })
    }

    /// What the topic's readers would say.
    fn read_back(&mut self, label: &Label<'_>) -> Result<(), Fault> {
        self.value.clear();
        frame_single_object(self.fingerprint, &mut self.value);
        encode_label(label, &mut self.value);
        match self.decoder.decode_label(&self.value, self.now) {
            DecodedLabel::Rejected(rejected) => Err((rejected.reason.word(), rejected.message)),
            DecodedLabel::Label(_) | DecodedLabel::NeedsSchema(_) => Ok(()),
        }
    }
}

fn text(cell: Cell<'_>) -> Option<&str> {
    match cell {
        Cell::Text(text) => Some(text),
        _ => None,
    }
}

fn millis(cell: Cell<'_>) -> Option<i64> {
    match cell {
        Cell::Time(millis) => Some(millis),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::files::Format;

    const NOW: i64 = 1_767_225_600_000;
    const HEADER: &str = "transaction_id,customer_id,merchant_id,event_time,is_fraud";

    fn read(csv: String) -> Result<(Vec<String>, Summary), Error> {
        let source = Source::stream(Box::new(Cursor::new(csv)), Format::Csv);
        let mut found = Vec::new();
        let summary = read_labels::<Error>(source, None, NOW, &mut |label| {
            let Label { transaction_id, customer_id, merchant_id, .. } = label;
            let (event, known) = (label.event_time.millis(), label.labeled_at.millis());
            let kind = label.fraud_type.unwrap_or("-");
            found.push(format!(
                "{transaction_id} {customer_id} {merchant_id} {} {} {} {kind}",
                event - NOW,
                label.is_fraud,
                known - NOW
            ));
            Ok(())
        })?;
        Ok((found, summary))
    }

    #[test]
    fn verdicts_are_read_in_the_file_s_order() {
        let (found, summary) = read(format!(
            "note,{HEADER},labeled_at,fraud_type\n\
             x,1,c,m,2025-12-31T23:59:59Z,yes,1767225600001,card testing\n\
             x,t-2,c,m,1767225600000,0,,\n"
        ))
        .unwrap();
        assert_eq!(found, ["1 c m -1000 true 1 card testing", "t-2 c m 0 false 0 -"]);
        assert_eq!((summary.rows, summary.scored, summary.rejected), (2, 2, 0));
        let (found, _) = read(format!("{HEADER}\nt,c,m,2026-01-01,true\n")).unwrap();
        assert_eq!(found, ["t c m 0 true 0 -"]);
    }

    #[test]
    fn what_is_wrong_with_a_row_is_said() {
        let long = "x".repeat(600);
        let cases = [
            (",c,m,2026-01-01,1,,".to_owned(), "missing_field", "transaction_id is empty"),
            ("t,c,m,,1,,".to_owned(), "missing_field", "event_time is empty"),
            ("t,c,m,2026-01-01,,,".to_owned(), "missing_field", "is_fraud is empty"),
            ("t,c,m,yesterday,1,,".to_owned(), "invalid_field", "\"yesterday\", it must be a time"),
            ("t,c,m,2026-01-01,maybe,,".to_owned(), "invalid_field", "must be true or false"),
            ("t,c,m,2026-01-01,2,,".to_owned(), "invalid_field", "must be true or false"),
            ("t,c,m,1767225600,1,,".to_owned(), "invalid_field", "event_time is 1970"),
            ("t,c,m,2026-01-01,1,2027-01-01,".to_owned(), "invalid_field", "labeled_at is 2027"),
            ("t,c,m,2026-01-01,1,soon,".to_owned(), "invalid_field", "labeled_at is \"soon\""),
            (format!("t,{long},m,2026-01-01,1,,"), "invalid_field", "customer_id has 600 bytes"),
            ("t,c,m".to_owned(), "malformed_row", "3 fields"),
        ];
        for (row, reason, words) in cases {
            let good = "t,c,m,2026-01-01,1,,";
            let csv = format!("{HEADER},labeled_at,fraud_type\n{good}\n{row}\n{good}\n");
            let (found, summary) = read(csv).unwrap();
            assert_eq!((found.len(), summary.rejected), (2, 1), "{row}");
            let example = &summary.examples[0];
            assert_eq!((example.row, example.reason), (3, reason), "{row}");
            assert!(example.message.contains(words), "{row}: {}", example.message);
        }
    }

    #[test]
    fn a_missing_column_is_named() {
        let error = read("transaction_id,customer,merchant_id\n".to_owned()).unwrap_err();
        assert_eq!(error.kind(), crate::files::ErrorKind::Usage);
        assert!(error.to_string().contains("no column customer_id"), "{error}");
    }
}
