//! Laws of the batch commands: whatever the format, the shards and the breakage, rows come out in
//! order, with the results of their own transaction, and they all add up.
//!
//! What is scored does not matter here, so the engine is a stand-in that remembers: its score is a
//! hash of everything that it was given about a transaction and its customer so far. Two runs that
//! score the same therefore read the same.

use std::cell;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;
use synfinance::core::decision::{Reason, Severity};
use synfinance::core::engine::{Decision, EngineError, Seen};
use synfinance::core::transaction::{
    DAY_MS, Label, MINUTE_MS, RawTransaction, Status, Transaction,
};
use synfinance::files::{
    self, Cell, ColumnMap, Error, ErrorKind, Format, Job, Scorer, Shape, Source, Summary, Table,
    Target, TransactionWriter,
};
use xxhash_rust::xxh3::xxh3_64;

const NOW: i64 = 1_767_225_600_000;
const START: i64 = 1_709_287_200_000;

/// Remembers customers' transactions and merchants' frauds, and hashes what it sees.
#[derive(Default)]
struct StandIn {
    seen: HashMap<String, HashSet<String>>,
    frauds: HashMap<String, Vec<i64>>,
}

impl StandIn {
    /// How many transactions the customer has had with this one, or `None` for a repeat.
    fn remember(&mut self, transaction: &Transaction<'_>) -> Option<usize> {
        let ids = self.seen.entry(transaction.customer_id.to_owned()).or_default();
        ids.insert(transaction.transaction_id.to_owned()).then_some(ids.len())
    }
}

fn hashed(transaction: &Transaction<'_>, count: usize) -> f64 {
    let hash = xxh3_64(format!("{count} {transaction:?}").as_bytes());
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}

fn decided(score: f64) -> Decision {
    let severity = Severity::of(score, 0.8);
    let reason = Reason {
        code: "HASH",
        feature: "hash",
        value: score,
        contribution: score / 2.0,
        message: "a \"quoted\", comma'd reason".to_owned(),
    };
    Decision { score, severity, reasons: severity.map(|_| reason).into_iter().collect() }
}

impl Scorer for StandIn {
    fn score(
        &mut self,
        batch: &[Transaction<'_>],
        decisions: &mut Vec<Option<Decision>>,
    ) -> Result<(), EngineError> {
        decisions.clear();
        for transaction in batch {
            let count = self.remember(transaction);
            decisions.push(count.map(|count| decided(hashed(transaction, count))));
        }
        Ok(())
    }

    fn features(
        &mut self,
        batch: &[Transaction<'_>],
        rows: &mut Vec<f64>,
        seen: &mut Vec<Seen>,
    ) -> Result<(), EngineError> {
        rows.clear();
        seen.clear();
        for transaction in batch {
            let count = self.remember(transaction);
            let known = self.frauds.get(transaction.merchant_id).map_or(0, |labels| {
                labels.iter().filter(|at| **at <= transaction.event_time.millis()).count()
            });
            match count {
                Some(count) => {
                    rows.extend([count as f64, known as f64, hashed(transaction, count)])
                }
                None => rows.extend([f64::NAN; 3]),
            }
            seen.push(if count.is_some() { Seen::New } else { Seen::Duplicate });
        }
        Ok(())
    }

    fn width(&self) -> usize {
        3
    }

    fn learn(&mut self, label: &Label<'_>) {
        let labels = self.frauds.entry(label.merchant_id.to_owned()).or_default();
        labels.push(label.labeled_at.millis());
    }
}

/// A directory, and commands run in it.
struct Bench {
    directory: tempfile::TempDir,
    stop: AtomicBool,
}

impl Bench {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), stop: AtomicBool::new(false) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn put(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn score(&self, input: &Path, output: &str) -> Result<Summary, Error> {
        self.score_with(Source::from_argument(input, None)?, output, "", 2)
    }

    fn score_with(
        &self,
        input: Source,
        output: &str,
        columns: &str,
        shards: usize,
    ) -> Result<Summary, Error> {
        let output = Target::from_argument(&self.path(output), None)?;
        let rejected = Target::from_argument(&self.path("rejected.jsonl"), None)?;
        let columns = ColumnMap::parse(columns)?;
        files::score(input, self.job(&output, Some(&rejected), &columns, shards), StandIn::default)
    }

    fn features(
        &self,
        input: &Path,
        output: &str,
        label_column: Option<&str>,
        shards: usize,
    ) -> Result<Summary, Error> {
        let output = Target::from_argument(&self.path(output), None)?;
        let columns = ColumnMap::default();
        let names = ["count", "known", "hash"].map(str::to_owned);
        let table = Table { names: &names, label_column, label_delay_ms: DAY_MS };
        let job = self.job(&output, None, &columns, shards);
        files::features(Source::from_argument(input, None)?, job, table, StandIn::default)
    }

    fn job<'a>(
        &'a self,
        output: &'a Target,
        rejected: Option<&'a Target>,
        columns: &'a ColumnMap,
        shards: usize,
    ) -> Job<'a> {
        Job {
            output,
            rejected,
            columns,
            shards,
            now: NOW,
            clock: &|| Duration::from_secs(1),
            progress: &|_| {},
            stop: &self.stop,
        }
    }

    /// The lines of a JSON Lines file.
    fn lines(&self, name: &str) -> Vec<Value> {
        self.text(name).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Transactions that exercise every field: several customers, repeats, late ones, nulls.
struct Sample {
    ids: Vec<String>,
}

impl Sample {
    fn new(rows: usize) -> Self {
        Self { ids: (0..rows + 64).map(|id| format!("{id:05}")).collect() }
    }

    fn transaction(&self, row: usize) -> RawTransaction<'_> {
        let id = if row % 97 == 96 { row - 37 } else { row };
        RawTransaction {
            transaction_id: &self.ids[id],
            customer_id: &self.ids[row * 7 % 37],
            merchant_id: &self.ids[row * 5 % 11],
            event_time: START + row as i64 * MINUTE_MS - (row as i64 * 7919 % 1000),
            amount: (row % 500) as f64 + 0.25 * (row % 4) as f64,
            category: ["Groceries", "Travel, \"far\"", "Línea\nbreak"][row % 3],
            payment_mode: "UPI",
            channel: ["POS", "Online"][row % 2],
            status: [Status::Approved, Status::Declined, Status::Refunded][row % 3],
            merchant_name: row.is_multiple_of(2).then_some("Händler"),
            merchant_reputation: row.is_multiple_of(3).then_some(row as f64 / 100_000.0),
            city: Some("Mumbai"),
            latitude: Some(19.076 + row as f64 / 1e6),
            longitude: Some(72.8777),
            device_id: (!row.is_multiple_of(5)).then_some("d"),
            ..RawTransaction::default()
        }
    }

    fn write(&self, path: &Path, rows: usize) {
        let target = Target::from_argument(path, None).unwrap();
        let mut writer = TransactionWriter::create(&target).unwrap();
        for row in 0..rows {
            let fraud = row % 29 == 3;
            writer.write(&self.transaction(row), fraud, fraud.then_some("TAKEOVER")).unwrap();
        }
        writer.finish().unwrap();
    }

    /// What scoring must give: row, score; repeats left out.
    fn expected(&self, rows: usize) -> Vec<f64> {
        let mut engine = StandIn::default();
        (0..rows)
            .filter_map(|row| {
                let transaction = self.transaction(row).validate(NOW).unwrap();
                engine.remember(&transaction).map(|count| hashed(&transaction, count))
            })
            .collect()
    }
}

fn probabilities(lines: &[Value]) -> Vec<f64> {
    lines.iter().map(|line| line["fraud_probability"].as_f64().unwrap()).collect()
}

fn assert_close(found: &[f64], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (row, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() < 1e-15, "{what}: row {row} is {a}, not {b}");
    }
}

fn adds_up(summary: &Summary) {
    assert_eq!(summary.rows, summary.scored + summary.rejected);
    assert_eq!(summary.rejected, summary.rejected_by_reason.values().sum::<u64>());
}

fn usage(result: Result<Summary, Error>, parts: &[&str]) {
    let error = result.expect_err("a usage error");
    let text = error.to_string();
    assert_eq!(error.kind(), ErrorKind::Usage, "{text}");
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

const FILES: [&str; 4] = ["in.csv", "in.jsonl", "in.parquet", "in.avro"];

#[test]
fn all_formats_give_the_same_scores_in_input_order() {
    const ROWS: usize = 20_000;
    let bench = Bench::new();
    let sample = Sample::new(ROWS);
    let expected = sample.expected(ROWS);
    assert!(expected.len() < ROWS, "the sample has no repeats");
    for file in FILES {
        sample.write(&bench.path(file), ROWS);
        let summary = bench.score(&bench.path(file), "out.jsonl").unwrap();
        adds_up(&summary);
        assert_eq!(summary.rows, ROWS as u64);
        assert_eq!(summary.duplicates(), (ROWS - expected.len()) as u64);
        assert_eq!(summary.renamed, [("is_fraud".to_owned(), "input_is_fraud".to_owned())]);
        let lines = bench.lines("out.jsonl");
        assert_close(&probabilities(&lines), &expected, file);
        let alerts = lines.iter().filter(|line| line["is_fraud"] == true).count();
        assert_eq!(summary.alerts, alerts as u64);
        for line in lines.iter().step_by(501) {
            let reasons: Vec<Value> =
                serde_json::from_str(line["reasons"].as_str().unwrap()).unwrap();
            let alert = line["is_fraud"] == true;
            assert_eq!((line["severity"].is_string(), reasons.len() == 1), (alert, alert));
        }
    }
}

#[test]
fn all_columns_come_out_as_they_went_in() {
    let bench = Bench::new();
    Sample::new(90).write(&bench.path("in.jsonl"), 90);
    let before = bench.lines("in.jsonl");
    for output in ["out.csv", "out.jsonl", "out.parquet", "out.avro"] {
        bench.score(&bench.path("in.jsonl"), output).unwrap();
        bench.score_with(source(&bench.path(output)), "again.jsonl", "", 1).unwrap();
        let after = bench.lines("again.jsonl");
        assert_eq!(after.len(), before.len(), "{output}");
        for (old, new) in before.iter().zip(&after) {
            for (name, value) in old.as_object().unwrap() {
                let name = if name == "is_fraud" { "input_is_fraud" } else { name };
                assert!(same(&new[name], value), "{output}: {name}: {} {value}", new[name]);
            }
        }
    }
}

/// Equal but for the difference between text and other types, which CSV does not keep, and for the
/// last digit, which serde_json does not.
fn same(a: &Value, b: &Value) -> bool {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match (text(a).parse::<f64>(), text(b).parse::<f64>()) {
        (Ok(a), Ok(b)) => (a - b).abs() < 1e-12,
        _ => text(a) == text(b),
    }
}

fn source(path: &Path) -> Source {
    Source::from_argument(path, None).unwrap()
}

#[test]
fn independent_readers_read_what_is_written() {
    let bench = Bench::new();
    Sample::new(500).write(&bench.path("in.parquet"), 500);
    bench.score(&bench.path("in.parquet"), "out.jsonl").unwrap();
    let expected = probabilities(&bench.lines("out.jsonl"));
    bench.score(&bench.path("in.parquet"), "out.avro").unwrap();
    let avro = fs::File::open(bench.path("out.avro")).unwrap();
    let found: Vec<f64> = apache_avro::Reader::new(avro)
        .unwrap()
        .map(|row| {
            let apache_avro::types::Value::Record(fields) = row.unwrap() else { panic!() };
            let field = fields.iter().find(|field| field.0 == "fraud_probability").unwrap();
            let apache_avro::types::Value::Double(value) = field.1 else { panic!("{field:?}") };
            value
        })
        .collect();
    assert_close(&found, &expected, "apache-avro");
    bench.score(&bench.path("in.parquet"), "out.csv").unwrap();
    let mut reader = csv::Reader::from_path(bench.path("out.csv")).unwrap();
    let place = reader.headers().unwrap().iter().position(|name| name == "fraud_probability");
    let found: Vec<f64> =
        reader.records().map(|row| row.unwrap()[place.unwrap()].parse().unwrap()).collect();
    assert_close(&found, &expected, "csv");
}

#[test]
fn the_number_of_shards_changes_no_byte() {
    let bench = Bench::new();
    Sample::new(9_000).write(&bench.path("in.avro"), 9_000);
    let run = |shards: usize| {
        for name in ["s.csv", "s.parquet"] {
            bench.score_with(source(&bench.path("in.avro")), name, "", shards).unwrap();
        }
        bench.features(&bench.path("in.avro"), "f.csv", Some("is_fraud"), shards).unwrap();
        ["s.csv", "s.parquet", "f.csv", "rejected.jsonl"]
            .map(|name| fs::read(bench.path(name)).unwrap())
    };
    let one = run(1);
    for shards in [2, 3, 7] {
        assert!(run(shards) == one, "{shards} shards differ from one");
    }
    assert!(run(0) == one);
}

#[test]
fn streams_are_read_in_every_format() {
    let bench = Bench::new();
    let sample = Sample::new(3_000);
    for (file, format) in FILES.into_iter().zip(Format::ALL) {
        sample.write(&bench.path(file), 3_000);
        let bytes = fs::read(bench.path(file)).unwrap();
        let stream = Source::stream(Box::new(Trickle(Cursor::new(bytes))), format);
        let summary = bench.score_with(stream, "out.jsonl", "", 2).unwrap();
        assert_eq!(summary.rows, 3_000, "{file}");
        assert_close(&probabilities(&bench.lines("out.jsonl")), &sample.expected(3_000), file);
    }
}

/// A stream that never gives much at once, as pipes do.
struct Trickle(Cursor<Vec<u8>>);

impl Read for Trickle {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let most = into.len().min(4_099);
        self.0.read(&mut into[..most])
    }
}

/// The rows of tests/fixtures/batch/make.py.
fn fixture_scores() -> Vec<f64> {
    let mut engine = StandIn::default();
    (0..24_usize)
        .map(|i| {
            let texts =
                [format!("{}", 1000 + i), format!("{}", 7 + i % 3), format!("{}", 90 + i % 4)];
            let name = format!("Händler {i}");
            let device = format!("d{}", i % 2);
            let raw = RawTransaction {
                transaction_id: &texts[0],
                customer_id: &texts[1],
                merchant_id: &texts[2],
                event_time: START + 7 * MINUTE_MS * i as i64 + 250 * (i as i64 % 4),
                amount: (i * 13 % 50) as f64 + 0.25 * (i % 4) as f64,
                category: ["Groceries", "Travel, Hotels", "The \"Shop\""][i % 3],
                payment_mode: "UPI",
                channel: "Online",
                status: [Status::Approved, Status::Declined, Status::Refunded][i % 3],
                merchant_name: (!i.is_multiple_of(5)).then_some(&name),
                merchant_reputation: i.is_multiple_of(2).then_some(0.25),
                city: Some("Mumbai"),
                country: Some("IN"),
                latitude: Some(19.076 + i as f64 / 128.0),
                longitude: Some(72.8777 - i as f64 / 256.0),
                device_id: Some(&device),
                ip_address: Some("10.0.0.1"),
                ..RawTransaction::default()
            };
            let transaction = raw.validate(NOW).unwrap();
            let count = engine.remember(&transaction).unwrap();
            hashed(&transaction, count)
        })
        .collect()
}

#[test]
fn files_of_other_tools_mean_the_same_rows() {
    let bench = Bench::new();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/batch");
    let expected = fixture_scores();
    let mut files = 0;
    for entry in fs::read_dir(&fixtures).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let columns = match path.extension().and_then(|extension| extension.to_str()) {
            Some("py") => continue,
            Some("csv") => "amount=TX_AMOUNT,event_time=tx_datetime",
            _ => "",
        };
        let summary = bench.score_with(source(&path), "out.jsonl", columns, 2).unwrap();
        assert_eq!(summary.rejected, 0, "{name}: {:?}", summary.examples);
        assert_close(&probabilities(&bench.lines("out.jsonl")), &expected, &name);
        for output in ["out.csv", "out.parquet", "out.avro"] {
            if (output, name.as_str()) == ("out.csv", "floats_millis_lz4.parquet") {
                continue; // The id 1000.0 of a float column becomes the text 1000.0.
            }
            bench.score_with(source(&path), output, columns, 1).unwrap();
            let again = bench.score_with(source(&bench.path(output)), "a.jsonl", columns, 1);
            again.unwrap();
            assert_close(&probabilities(&bench.lines("a.jsonl")), &expected, &name);
        }
        files += 1;
    }
    assert_eq!(files, 11);
}

#[test]
fn broken_csv_rows_are_set_aside_with_their_line() {
    let bench = Bench::new();
    let csv = "\u{feff}transaction_id,customer_id,merchant_id,event_time,amount,note\r\n\
        007,c,m,2024-03-01,1.5,\"two\nlines\"\r\n\
        t2,c,m,2024-03-01 10:00:00\r\n\
        t3,c,m,2024-03-01T10:00:00Z,12,a \"quote\" inside\r\n\
        \r\n\
        t4,c,m,2024-03-01T10:00:00Z,12,\"never closed\r\n\
        t5,c,m,2024-03-01T10:00:00Z,abc,\r\n\
        t6,c,m,01/03/2024,5,\r\n\
        t7,,m,2024-03-01,5,\"x\"\r\n\
        t8,c,m,2024-03-01,-5,\r\n\
        t3,c,m,2024-03-02,5,\r\n\
        t9,c,m,1999-03-02,5,\r\n\
        t10,c,m,2024-03-02,5,\"q\"x\r\n\
        t11,c,m,1709287200000, 7 ,last";
    let path = bench.put("in.csv", csv);
    let summary = bench.score(&path, "out.csv").unwrap();
    adds_up(&summary);
    let found: Vec<(u64, &str)> =
        summary.examples.iter().map(|rejection| (rejection.row, rejection.reason)).collect();
    let expected = [
        (4, "malformed_row"),
        (7, "malformed_row"),
        (8, "invalid_field"),
        (9, "invalid_field"),
        (10, "missing_field"),
        (11, "invalid_field"),
        (12, "duplicate"),
        (13, "invalid_field"),
        (14, "malformed_row"),
    ];
    assert_eq!(found, expected, "{:#?}", summary.examples);
    let out = bench.text("out.csv");
    let ids: Vec<&str> = csv::Reader::from_reader(out.as_bytes())
        .records()
        .map(|row| ["007", "t3", "t11"].into_iter().find(|id| **id == row.as_ref().unwrap()[0]))
        .map(|id| id.unwrap())
        .collect();
    assert_eq!(ids, ["007", "t3", "t11"]);
    let messages: Vec<String> =
        summary.examples.iter().map(|rejection| rejection.message.clone()).collect();
    for (at, part) in [
        (0, "4 fields, the header has 6"),
        (2, "amount is \"abc\""),
        (3, "event_time is \"01/03/2024\""),
        (4, "customer_id is empty"),
        (5, "-5"),
        (7, "1999-03-02"),
    ] {
        assert!(messages[at].contains(part), "{part:?} is not in {:?}", messages[at]);
    }
    let rejected = bench.lines("rejected.jsonl");
    assert_eq!(rejected.len(), 9);
    assert_eq!(rejected[2]["transaction_id"], "t5");
    assert_eq!(rejected[2]["amount"], "abc");
    assert_eq!(rejected[2]["row"], 8);
    assert_eq!(rejected[0]["transaction_id"], Value::Null);
}

/// A line of JSON Lines from JSON values; `more` begins with a comma.
fn json_row(id: &str, customer: &str, time: &str, more: &str) -> String {
    format!(
        "{{\"transaction_id\":{id},\"customer_id\":{customer},\"merchant_id\":\"m\",\
         \"event_time\":{time}{more}}}"
    )
}

#[test]
fn broken_json_lines_are_set_aside_with_their_line() {
    let bench = Bench::new();
    let lines = [
        &json_row("\"007\"", "7", "1709287200000", ",\"amount\":1"),
        r#"{"transaction_id":"b","customer_id":"#,
        "",
        &json_row("\"c\"", "\"7\"", "\"2024-03-01\"", ",\"amount\":\"2.5\""),
        "not json",
        &json_row("\"d\"", "7", "1709287200000", ""),
        &json_row("\"e\"", "7", "1709287200000", ",\"amount\":1e400"),
        &json_row("\"f\"", "7", "1709287200000", r#","amount":3,"late":{"a":[1]}"#),
    ];
    let path = bench.put("in.jsonl", lines.join("\n"));
    let summary = bench.score(&path, "out.jsonl").unwrap();
    adds_up(&summary);
    let found: Vec<(u64, &str)> =
        summary.examples.iter().map(|rejection| (rejection.row, rejection.reason)).collect();
    let expected =
        [(2, "malformed_row"), (5, "malformed_row"), (6, "missing_field"), (7, "invalid_field")];
    assert_eq!(found, expected, "{:#?}", summary.examples);
    let out = bench.lines("out.jsonl");
    let ids: Vec<&str> = out.iter().map(|line| line["transaction_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["007", "c", "f"]);
    assert_eq!(out[2]["late"]["a"][0], 1);
    assert_eq!(out[0]["late"], Value::Null);
}

#[test]
fn long_ids_keep_every_digit() {
    let bench = Bench::new();
    let line = |id: &str| {
        format!(
            "{{\"transaction_id\":{id},\"customer_id\":9007199254740993,\"merchant_id\":1,\
             \"event_time\":1709287200000,\"amount\":1}}\n"
        )
    };
    let text = line("12345678901234567890") + &line("12345678901234567891") + &line("5");
    let wanted = [("transaction_id", Shape::Text), ("customer_id", Shape::Text)];
    let mut ids = Vec::new();
    bench.score(&bench.put("in.jsonl", text), "out.parquet").unwrap();
    files::read_records(source(&bench.path("out.parquet")), &wanted, &mut |record| {
        let (Cell::Text(id), Cell::Text(customer)) = (record.unwrap().1[0], record.unwrap().1[1])
        else {
            panic!("no ids")
        };
        ids.push(id.to_owned());
        assert_eq!(customer, "9007199254740993");
        Ok(())
    })
    .unwrap();
    assert_eq!(ids, ["12345678901234567890", "12345678901234567891", "5"]);
}

#[test]
fn a_stream_of_json_gives_what_the_file_gives() {
    let bench = Bench::new();
    let line = |id: usize, amount: &str, more: &str| {
        format!(
            "{{\"transaction_id\":\"t{id}\",\"customer_id\":1,\"merchant_id\":\"m\",\
             \"event_time\":1709287200000,\"amount\":{amount}{more}}}\n"
        )
    };
    let mut text: String = (0..40_000).map(|id| line(id, "5", "")).collect();
    text += &line(40_000, "5", ",\"city\":\"Pune\",\"more\":1");
    text += &line(40_001, "5.5", "");
    let stream = Source::stream(Box::new(Cursor::new(text.clone())), Format::JsonLines);
    let summary = bench.score_with(stream, "streamed.jsonl", "", 2).unwrap();
    assert_eq!((summary.rows, summary.rejected), (40_002, 0));
    bench.score(&bench.put("in.jsonl", text), "out.jsonl").unwrap();
    assert!(bench.text("streamed.jsonl") == bench.text("out.jsonl"), "they differ");
    let last = bench.lines("out.jsonl").split_off(40_000);
    assert_eq!((&last[0]["city"], &last[1]["amount"]), (&"Pune".into(), &5.5.into()));
}

#[test]
fn a_pipe_under_a_path_is_read_in_every_format() {
    let bench = Bench::new();
    let sample = Sample::new(300);
    for file in FILES {
        sample.write(&bench.path(file), 300);
        let pipe = bench.path(&format!("pipe-{file}"));
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let (bytes, into) = (fs::read(bench.path(file)).unwrap(), pipe.clone());
        let writer = std::thread::spawn(move || fs::write(into, bytes));
        bench.score(&pipe, "out.jsonl").unwrap();
        writer.join().unwrap().unwrap();
        let found = probabilities(&bench.lines("out.jsonl"));
        assert_close(&found, &sample.expected(300), file);
    }
}

#[test]
fn wrong_questions_are_usage_errors_that_help() {
    let bench = Bench::new();
    let csv = "transaction_id,customer_id,merchant_id,event_time,TX_AMOUNT\nt,c,m,2024-03-01,5\n";
    let path = bench.put("in.csv", csv);
    let score = |output, columns| bench.score_with(source(&path), output, columns, 1);
    usage(score("out.csv", ""), &["amount", "TX_AMOUNT", "--columns", "amount=COLUMN"]);
    usage(score("out.csv", "ammount=TX_AMOUNT"), &["ammount", "did you mean amount?"]);
    usage(score("out.csv", "amount=TX_AMUNT"), &["TX_AMUNT", "did you mean TX_AMOUNT?"]);
    usage(score("out.xlsx", "amount=TX_AMOUNT"), &["out.xlsx", "--format", "parquet"]);
    usage(score("rejected.jsonl", "amount=TX_AMOUNT"), &["rejected.jsonl", "both"]);
    usage(
        bench.score(&bench.put("in.json", "\n [{\"amount\":1}]"), "out.csv"),
        &["JSON array", "jq"],
    );
    usage(
        bench.score(&bench.put("twice.csv", "a,b,a\n1,2,3\n"), "out.csv"),
        &["two columns named a"],
    );
    let nested = json_row("\"t\"", "[1]", "1709287200000", ",\"amount\":1");
    bench.score(&bench.put("nested.jsonl", nested), "out.csv").unwrap();
    usage(bench.features(&bench.path("nested.jsonl"), "f.csv", Some("fraud"), 1), &["fraud"]);
    assert_eq!(score("out.csv", "amount=TX_AMOUNT").unwrap().scored, 1);
}

#[test]
fn rejections_name_the_column_of_the_file() {
    let bench = Bench::new();
    let csv = "transaction_id,customer_id,merchant_id,EVENT_TIME,TX_AMOUNT\n\
        a,c,m,2024-03-01,x\nb,c,m,2024-03-01,-1\nc,c,m,2024-03-01,\nd,,m,2024-03-01,1\n\
        e,c,m,1709287200,1\n";
    let path = bench.put("in.csv", csv);
    let summary = bench.score_with(source(&path), "out.csv", "amount=TX_AMOUNT", 1).unwrap();
    let messages: Vec<&str> = summary.examples.iter().map(|row| row.message.as_str()).collect();
    let expected = [
        "amount is \"x\", it must be a number (column TX_AMOUNT)",
        "amount is -1, it must be a number from 0 to 1e11 (column TX_AMOUNT)",
        "amount is empty (column TX_AMOUNT)",
        "customer_id is empty",
        "event_time is 1970-01-20T18:48:07.200Z, before 2000-01-01; seconds instead of \
         milliseconds? (column EVENT_TIME)",
    ];
    assert_eq!(messages, expected);
}

#[test]
fn uuids_of_avro_stay_texts() {
    const ID: &str = "e8050412-103a-5718-af2a-3dbe3f120c8e";
    let text = |name: &str, logical: &str| {
        format!(r#"{{"name":"{name}","type":{{"type":"string"{logical}}}}}"#)
    };
    let fields = [
        text("transaction_id", r#","logicalType":"uuid""#),
        text("customer_id", ""),
        text("merchant_id", ""),
        r#"{"name":"event_time","type":"long"},{"name":"amount","type":"int"}"#.to_owned(),
    ];
    let schema = format!(r#"{{"type":"record","name":"R","fields":[{}]}}"#, fields.join(","));
    let schema = apache_avro::Schema::parse_str(&schema).unwrap();
    let mut writer = apache_avro::Writer::new(&schema, Vec::new()).unwrap();
    let mut record = apache_avro::types::Record::new(writer.schema()).unwrap();
    record.put("transaction_id", apache_avro::types::Value::Uuid(ID.parse().unwrap()));
    record.put("customer_id", "c");
    record.put("merchant_id", "m");
    record.put("event_time", START);
    record.put("amount", 5_i32);
    writer.append_value(record).unwrap();
    let bench = Bench::new();
    let path = bench.put("in.avro", writer.into_inner().unwrap());
    for output in ["out.csv", "out.avro"] {
        bench.score(&path, output).unwrap();
        bench.score(&bench.path(output), "again.jsonl").unwrap();
        assert_eq!(bench.lines("again.jsonl")[0]["transaction_id"], ID, "{output}");
    }
}

#[test]
fn failures_leave_no_file_behind() {
    let bench = Bench::new();
    Sample::new(20_000).write(&bench.path("whole.avro"), 20_000);
    let whole = fs::read(bench.path("whole.avro")).unwrap();
    let cut = bench.put("cut.avro", &whole[..whole.len() - 1_000]);
    bench.put("out.parquet", "what was there before");
    let before = bench.names();
    let check = |result: Result<Summary, Error>| {
        let error = result.expect_err("a failure");
        assert_eq!(error.kind(), ErrorKind::Failed, "{error}");
        assert_eq!(bench.names(), before);
        assert_eq!(bench.text("out.parquet"), "what was there before");
    };
    check(bench.score(&cut, "out.parquet"));
    check(bench.score(&bench.path("cut.avro"), "no/such/directory.parquet"));
    bench.stop.store(true, Ordering::Relaxed);
    check(bench.score(&bench.path("whole.avro"), "out.parquet"));
    bench.stop.store(false, Ordering::Relaxed);
    bench.score(&bench.path("whole.avro"), "out.parquet").unwrap();
    assert_ne!(fs::read(bench.path("out.parquet")).unwrap(), b"what was there before");
}

/// An engine that fails as no engine should.
struct Panicking;

impl Scorer for Panicking {
    fn score(
        &mut self,
        batch: &[Transaction<'_>],
        _: &mut Vec<Option<Decision>>,
    ) -> Result<(), EngineError> {
        assert!(batch.is_empty(), "a panic that a test provokes");
        Ok(())
    }

    fn features(
        &mut self,
        _: &[Transaction<'_>],
        _: &mut Vec<f64>,
        _: &mut Vec<Seen>,
    ) -> Result<(), EngineError> {
        Ok(())
    }

    fn width(&self) -> usize {
        0
    }

    fn learn(&mut self, _: &Label<'_>) {}
}

#[test]
fn a_panicking_engine_is_a_failure_and_not_a_hang() {
    let bench = Bench::new();
    Sample::new(40_000).write(&bench.path("in.parquet"), 40_000);
    let output = Target::from_argument(&bench.path("out.csv"), None).unwrap();
    let columns = ColumnMap::default();
    let job = bench.job(&output, None, &columns, 2);
    let result = files::score(source(&bench.path("in.parquet")), job, || Panicking);
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Failed);
    assert_eq!(bench.names(), ["in.parquet"]);
}

#[test]
fn empty_files_give_empty_files() {
    let bench = Bench::new();
    let sample = Sample::new(0);
    for input in FILES {
        sample.write(&bench.path(input), 0);
        for output in ["out.csv", "out.jsonl", "out.parquet", "out.avro"] {
            let summary = bench.score(&bench.path(input), output).unwrap();
            assert_eq!((summary.rows, summary.rows_per_second()), (0, 0.0));
            assert!(bench.path(output).exists());
        }
    }
    let error = bench.score(&bench.put("nothing.csv", ""), "out.csv").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
}

#[test]
fn features_know_verdicts_from_their_time_on() {
    const ROWS: usize = 9_000;
    let bench = Bench::new();
    let sample = Sample::new(ROWS);
    sample.write(&bench.path("in.parquet"), ROWS);
    let summary =
        bench.features(&bench.path("in.parquet"), "f.jsonl", Some("is_fraud"), 3).unwrap();
    adds_up(&summary);
    let lines = bench.lines("f.jsonl");
    assert_eq!(lines.len() as u64, summary.scored);
    let names: Vec<&String> = lines[0].as_object().unwrap().keys().collect();
    let expected = [
        "transaction_id",
        "customer_id",
        "merchant_id",
        "event_time",
        "is_fraud",
        "count",
        "known",
        "hash",
    ];
    assert_eq!(names, expected);
    let mut line = lines.iter();
    let mut engine = StandIn::default();
    let mut known_somewhere = 0;
    for row in 0..ROWS {
        let transaction = sample.transaction(row).validate(NOW).unwrap();
        let frauds =
            (0..row).filter(|earlier| earlier % 29 == 3).map(|row| sample.transaction(row));
        let known = frauds
            .filter(|fraud| fraud.merchant_id == transaction.merchant_id)
            .filter(|fraud| fraud.event_time + DAY_MS <= transaction.event_time.millis())
            .count();
        let Some(count) = engine.remember(&transaction) else { continue };
        let line = line.next().unwrap();
        assert_eq!(line["transaction_id"], transaction.transaction_id);
        assert_eq!(line["known"], known as f64, "row {row}");
        assert_eq!(line["count"], count as f64);
        assert_eq!(line["is_fraud"], row % 29 == 3);
        let time = line["event_time"].as_str().unwrap();
        assert_eq!(files::parse_time(time), Some(transaction.event_time.millis()));
        assert!(time.ends_with('Z'), "{time}");
        known_somewhere += known;
    }
    assert!(known_somewhere > 0, "the sample never knows a verdict");
}

#[test]
fn labels_are_read_in_every_form() {
    let bench = Bench::new();
    let mut csv = "transaction_id,customer_id,merchant_id,event_time,amount,verdict\n".to_owned();
    for (row, verdict) in ["1.00", "TRUE", "yes", "0", "False", "nan", "2"].iter().enumerate() {
        csv += &format!("t{row},c,m{row},2024-03-01,5,{verdict}\n");
    }
    for merchant in 0..7 {
        csv += &format!("u{merchant},c,m{merchant},2024-03-03,5,\n");
    }
    let path = bench.put("in.csv", csv);
    let summary = bench.features(&path, "f.jsonl", Some("verdict"), 2).unwrap();
    assert_eq!((summary.scored, summary.rejected), (13, 1));
    assert!(summary.examples[0].message.contains("\"2\""));
    let lines = bench.lines("f.jsonl");
    let known: Vec<f64> = lines[6..].iter().map(|line| line["known"].as_f64().unwrap()).collect();
    assert_eq!(known, [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    bench.features(&path, "f.jsonl", None, 2).unwrap();
    assert!(bench.lines("f.jsonl").iter().all(|line| line["known"] == 0.0));
}

#[test]
fn written_transactions_are_the_same_bytes_every_time() {
    let bench = Bench::new();
    for file in FILES {
        let other = format!("other.{}", file.split_once('.').unwrap().1);
        Sample::new(9_000).write(&bench.path(file), 9_000);
        Sample::new(9_000).write(&bench.path(&other), 9_000);
        assert!(fs::read(bench.path(file)).unwrap() == fs::read(bench.path(&other)).unwrap());
    }
}

#[test]
fn names_that_avro_does_not_allow_become_names_that_it_does() {
    let bench = Bench::new();
    let csv = "transaction_id,customer_id,merchant_id,event_time,amount,2 b,TX-ÄMOUNT,2_b,_2_b\n\
        t,c,m,2024-03-01,5,x,y,z,w\n";
    let summary = bench.score(&bench.put("in.csv", csv), "out.avro").unwrap();
    bench.score(&bench.path("out.avro"), "again.jsonl").unwrap();
    let line = &bench.lines("again.jsonl")[0];
    for (old, new) in &summary.renamed {
        assert!(csv.contains(old.as_str()) && !line[new].is_null(), "{old} {new} {line}");
    }
    let values: Vec<&str> = line.as_object().unwrap().values().filter_map(Value::as_str).collect();
    assert!(["x", "y", "z", "w"].iter().all(|value| values.contains(value)), "{line}");
    assert_eq!(summary.renamed.len(), 3, "{:?}", summary.renamed);
}

#[test]
fn other_commands_read_columns_in_the_shape_they_ask_for() {
    let bench = Bench::new();
    Sample::new(300).write(&bench.path("in.parquet"), 300);
    bench.score(&bench.path("in.parquet"), "scored.csv").unwrap();
    let wanted = [
        ("fraud_probability", Shape::Number),
        ("input_is_fraud", Shape::Verdict),
        ("event_time", Shape::Time),
        ("customer_id", Shape::Text),
        ("device_id", Shape::Text),
        ("category", Shape::Number),
    ];
    let sample = Sample::new(300);
    let expected = sample.expected(300);
    let mut rows = 0;
    files::read_records(source(&bench.path("scored.csv")), &wanted, &mut |record| {
        let (_, cells) = record.unwrap();
        if rows < 96 {
            let raw = sample.transaction(rows);
            assert_eq!(cells[1], Cell::Verdict(rows % 29 == 3));
            assert_eq!(cells[2], Cell::Time(raw.event_time));
            assert_eq!(cells[3], Cell::Text(raw.customer_id));
            assert_eq!(cells[4], raw.device_id.map_or(Cell::Missing, Cell::Text));
        }
        assert_eq!((cells[0], cells[5]), (Cell::Number(expected[rows]), Cell::Broken));
        rows += 1;
        Ok(())
    })
    .unwrap();
    assert_eq!(rows, expected.len());
    let missing = files::read_records(
        source(&bench.path("scored.csv")),
        &[("fraud_probabilty", Shape::Number)],
        &mut |_| Ok(()),
    );
    assert!(missing.unwrap_err().to_string().contains("did you mean fraud_probability?"));
    let mut engine = StandIn::default();
    let mut scores = Vec::new();
    let columns = ColumnMap::default();
    files::read_transactions(source(&bench.path("in.parquet")), &columns, NOW, &mut |row| {
        let transaction = row.unwrap();
        scores.extend(engine.remember(transaction).map(|count| hashed(transaction, count)));
        Ok(())
    })
    .unwrap();
    assert_eq!(scores, expected);
}

#[test]
fn the_summary_is_json() {
    let bench = Bench::new();
    Sample::new(200).write(&bench.path("in.csv"), 200);
    let output = Target::from_argument(&bench.path("out.csv"), None).unwrap();
    let columns = ColumnMap::default();
    let (told, ticks) = (cell::Cell::new(0), cell::Cell::new(0));
    let clock = || Duration::from_secs(ticks.replace(ticks.get() + 2));
    let progress = |rows| told.set(rows);
    let job = bench.job(&output, None, &columns, 2);
    let job = Job { clock: &clock, progress: &progress, ..job };
    let summary = files::score(source(&bench.path("in.csv")), job, StandIn::default).unwrap();
    assert_eq!((told.get(), summary.rows_per_second()), (200, 100.0));
    let json = serde_json::to_value(summary.json()).unwrap();
    for name in ["rows", "scored", "rejected", "alerts", "seconds", "rows_per_second"] {
        assert!(json[name].is_number(), "{name}: {json}");
    }
    assert_eq!(json["rejected_by_reason"]["duplicate"], 2);
    assert_eq!(json["renamed_columns"]["is_fraud"], "input_is_fraud");
}

#[derive(Debug, Clone)]
struct AnyRow {
    ids: [String; 3],
    texts: [String; 4],
    time: i64,
    amount: f64,
    coordinates: Option<(f64, f64)>,
    status: usize,
}

fn any_row() -> impl Strategy<Value = AnyRow> {
    let id =
        "[ -~äé€\n]{1,12}".prop_filter("a blank id is an empty one", |id| !id.trim().is_empty());
    let text = "[ -~äé€\r\n]{0,12}x";
    (
        [id.clone(), id.clone(), id].prop_map(|ids| ids),
        [text, text, text, text],
        946_684_800_000..NOW,
        0.0..1e9_f64,
        prop::option::of((-90.0..90.0_f64, -180.0..180.0_f64)),
        0..3_usize,
    )
        .prop_map(|(ids, texts, time, amount, coordinates, status)| AnyRow {
            ids,
            texts,
            time,
            amount,
            coordinates,
            status,
        })
}

impl AnyRow {
    fn raw(&self) -> RawTransaction<'_> {
        RawTransaction {
            transaction_id: &self.ids[0],
            customer_id: &self.ids[1],
            merchant_id: &self.ids[2],
            event_time: self.time,
            amount: self.amount,
            category: &self.texts[0],
            payment_mode: &self.texts[1],
            channel: &self.texts[2],
            city: Some(&self.texts[3]),
            status: [Status::Approved, Status::Declined, Status::Refunded][self.status],
            latitude: self.coordinates.map(|at| at.0),
            longitude: self.coordinates.map(|at| at.1),
            ..RawTransaction::default()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a transaction holds, it comes out of every format as it went in.
    #[test]
    fn values_survive_every_format(rows in prop::collection::vec(any_row(), 1..20)) {
        let bench = Bench::new();
        let mut engine = StandIn::default();
        let mut expected = Vec::new();
        for row in &rows {
            let transaction = row.raw().validate(NOW).unwrap();
            expected.extend(engine.remember(&transaction).map(|count| hashed(&transaction, count)));
        }
        for file in FILES {
            let target = Target::from_argument(&bench.path(file), None).unwrap();
            let mut writer = TransactionWriter::create(&target).unwrap();
            for row in &rows {
                writer.write(&row.raw(), false, None).unwrap();
            }
            writer.finish().unwrap();
            let summary = bench.score(&bench.path(file), "out.jsonl").unwrap();
            prop_assert_eq!(summary.scored as usize, expected.len(), "{:?}", summary.examples);
            let found = probabilities(&bench.lines("out.jsonl"));
            for (found, expected) in found.iter().zip(&expected) {
                prop_assert!((found - expected).abs() < 1e-15, "{}: {} {}", file, found, expected);
            }
        }
    }

    /// No bytes make a reader panic, lose count, or fail for a row.
    #[test]
    fn garbage_is_counted(
        tail in prop::collection::vec(any::<u8>(), 0..300),
        lines in "[a,\"\r\n;{}:]{0,60}",
    ) {
        let bench = Bench::new();
        let header = "transaction_id,customer_id,merchant_id,event_time,amount\n";
        for garbage in [tail.as_slice(), lines.as_bytes()] {
            let content = [header.as_bytes(), b"t,c,m,2024-03-01,5\n", garbage].concat();
            let summary = bench.score(&bench.put("in.csv", content), "out.jsonl").unwrap();
            adds_up(&summary);
            prop_assert!(summary.scored >= 1);
            let line = json_row("\"t\"", "1", "1709287200000", ",\"amount\":3");
            let content = [line.as_bytes(), b"\n", garbage].concat();
            let summary = bench.score(&bench.put("in.jsonl", content), "out.jsonl").unwrap();
            adds_up(&summary);
            prop_assert!(summary.scored >= 1);
        }
    }
}
