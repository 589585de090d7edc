//! Odd files that other tools write: ids come out as they went in, whatever type they had; what no
//! payment can be read from is said by file, row and column; nothing is lost without a word.
//!
//! Files of other tools are made by `tests/fixtures/odd/make.py`; texts are written here.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde_json::{Value, json};
use synfinance::core::engine::{Decision, EngineError, Seen};
use synfinance::core::transaction::{Label, Transaction};
use synfinance::files::{
    self, ColumnMap, Error, ErrorKind, Job, Scorer, Source, Summary, Table, Target,
};

const NOW: i64 = 1_767_225_600_000;

/// Scores everything with 0 and repeats nothing.
struct Silent;

impl Scorer for Silent {
    fn score(
        &mut self,
        batch: &[Transaction<'_>],
        decisions: &mut Vec<Option<Decision>>,
    ) -> Result<(), EngineError> {
        decisions.clear();
        let decided = || Decision { score: 0.0, severity: None, reasons: Vec::new() };
        decisions.extend(batch.iter().map(|_| Some(decided())));
        Ok(())
    }

    fn features(
        &mut self,
        batch: &[Transaction<'_>],
        rows: &mut Vec<f64>,
        seen: &mut Vec<Seen>,
    ) -> Result<(), EngineError> {
        rows.clear();
        rows.extend(batch.iter().map(|transaction| transaction.amount.major()));
        seen.clear();
        seen.extend(batch.iter().map(|_| Seen::New));
        Ok(())
    }

    fn width(&self) -> usize {
        1
    }

    fn learn(&mut self, _: &Label<'_>) {}
}

/// A directory to write to.
struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    fn score(&self, input: &Path, output: &str) -> Result<Summary, Error> {
        let output = Target::from_argument(&self.path(output), None)?;
        let columns = ColumnMap::default();
        let job = job(&output, &columns);
        files::score(Source::from_argument(input, None)?, job, || Silent)
    }

    /// The file scored to JSON Lines.
    fn scored(&self, input: &Path) -> Vec<Value> {
        self.score(input, "scored.jsonl").unwrap();
        self.lines("scored.jsonl")
    }

    fn lines(&self, name: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.path(name)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The output read again as JSON.
    fn again(&self, output: &str) -> Vec<Value> {
        self.score(&self.path(output), "again.jsonl").unwrap();
        self.lines("again.jsonl")
    }
}

fn job<'a>(output: &'a Target, columns: &'a ColumnMap) -> Job<'a> {
    static STOP: AtomicBool = AtomicBool::new(false);
    Job {
        output,
        rejected: None,
        columns,
        shards: 2,
        now: NOW,
        clock: &|| Duration::from_secs(1),
        progress: &|_| {},
        stop: &STOP,
    }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/odd").join(name)
}

fn column(rows: &[Value], name: &str) -> Vec<Value> {
    rows.iter().map(|row| row[name].clone()).collect()
}

/// The transactions of a file: what `read` makes of each, or the message of its rejection.
fn transactions(input: &Path, read: fn(&Transaction<'_>) -> String) -> Vec<String> {
    let mut found = Vec::new();
    let source = Source::from_argument(input, None).unwrap();
    files::read_transactions(source, &ColumnMap::default(), NOW, &mut |row| {
        found.push(match row {
            Ok(transaction) => read(transaction),
            Err(rejection) => format!("row {}: {}", rejection.row, rejection.message),
        });
        Ok(())
    })
    .unwrap();
    found
}

const FORMATS: [&str; 4] = ["out.csv", "out.jsonl", "out.parquet", "out.avro"];

#[test]
fn ids_come_out_of_every_format_as_they_went_into_any() {
    let bench = Bench::new();
    let uuids =
        |tail: [&str; 3]| tail.map(|end| format!("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a{end}"));
    let lower = uuids(["00", "01", "02"]);
    let upper = lower.clone().map(|id| id.to_uppercase());
    let big = ["9223372036854775819", "18446744073709551615", "9223372036854775820"];
    let cases: [(&str, [String; 3]); 4] = [
        ("bytes.parquet", ["t0", "t1", "t2"].map(str::to_owned)),
        ("uuid.parquet", lower),
        ("uuid.avro", upper),
        ("unsigned.parquet", big.map(str::to_owned)),
    ];
    for (file, ids) in cases {
        assert_eq!(transactions(&fixture(file), |t| t.transaction_id.to_owned()), ids, "{file}");
        for output in FORMATS {
            bench.score(&fixture(file), output).unwrap();
            let path = bench.path(output);
            let found = transactions(&path, |t| t.transaction_id.to_owned());
            assert_eq!(found, ids, "{file} to {output}");
        }
    }
}

#[test]
fn bytes_are_texts_where_all_of_a_column_are() {
    let bench = Bench::new();
    let rows = bench.scored(&fixture("bytes.parquet"));
    assert_eq!(column(&rows, "customer_id"), ["c1", "c1", "c2"]);
    assert_eq!(column(&rows, "device_id"), ["dev0", "dev1", "dev1"]);
    assert_eq!(column(&rows, "remark"), [json!("Händler"), Value::Null, json!("b")]);
    assert_eq!(column(&rows, "digest"), [json!("ff00"), json!("6162"), Value::Null]);
    let found = transactions(&fixture("bytes.parquet"), |t| {
        format!("{} {} {:?}", t.customer_id, t.currency, t.device_id)
    });
    assert_eq!(found[1], "c1 EUR Some(\"dev1\")");
    let rows = bench.scored(&fixture("bytes.avro"));
    assert_eq!(column(&rows, "customer_id"), ["c1", "c1", "c2"]);
    assert_eq!(column(&rows, "digest"), ["ff", "ff", "ff"]);
    let rows = bench.scored(&fixture("uuid.parquet"));
    assert_eq!(rows[2]["trace"], "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a02");
}

#[test]
fn what_avro_has_no_type_for_comes_out_whole() {
    let bench = Bench::new();
    bench.score(&fixture("unsigned.parquet"), "out.avro").unwrap();
    let rows = bench.again("out.avro");
    assert_eq!(column(&rows, "account"), [json!("9223372036854775819"), Value::Null, json!("1")]);
    bench.score(&fixture("nested.parquet"), "out.avro").unwrap();
    assert_eq!(bench.again("out.avro")[0]["nested"], json!(["9223372036854775819"]));
    bench.score(&fixture("nothing.parquet"), "out.avro").unwrap();
    let schema = schema_of(&bench.path("out.avro"));
    assert_no_twins(&schema);
    assert_eq!(column(&bench.again("out.avro"), "note"), [(); 3].map(|()| Value::Null));
    bench.score(&fixture("encoded.parquet"), "out.avro").unwrap();
    let rows = bench.again("out.avro");
    assert_eq!(rows[0]["moment"], "23:59:59.999999999");
}

/// The schema in a container file's header.
fn schema_of(path: &Path) -> Value {
    let bytes = fs::read(path).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    let from = text.find("{\"").unwrap();
    let mut values = serde_json::Deserializer::from_str(&text[from..]).into_iter::<Value>();
    values.next().unwrap().unwrap()
}

/// No union has two branches of one type, which only lenient readers would take.
fn assert_no_twins(schema: &Value) {
    match schema {
        Value::Array(branches) => {
            for (at, branch) in branches.iter().enumerate() {
                assert!(!branches[..at].contains(branch), "{schema}");
                assert_no_twins(branch);
            }
        }
        Value::Object(object) => {
            object.iter().filter(|(key, _)| *key != "symbols").for_each(|(_, v)| assert_no_twins(v))
        }
        _ => {}
    }
}

#[test]
fn encodings_change_no_value() {
    let read = |t: &Transaction<'_>| {
        format!("{} {} {}", t.merchant_id, t.event_time.millis(), t.amount.major())
    };
    let found = transactions(&fixture("encoded.parquet"), read);
    assert_eq!(found, ["7 1709287200000 1.5", "7 1709287620000 2.5", "8 1709288040000 3.5"]);
    let found = transactions(&fixture("narrow.parquet"), read);
    assert_eq!(found, ["m 1709251200000 1.5"; 3]);
    let bench = Bench::new();
    for output in FORMATS {
        bench.score(&fixture("encoded.parquet"), output).unwrap();
        let found = transactions(&bench.path(output), read);
        assert_eq!(found[1], "7 1709287620000 2.5", "{output}");
    }
}

#[test]
fn avro_files_are_read_as_the_specification_says() {
    let bench = Bench::new();
    let rows = bench.scored(&fixture("reused.avro"));
    assert_eq!(column(&rows, "amount"), [1.5, 2.5, 3.5]);
    assert_eq!(rows[0]["shipping"], json!({"street": "x"}));
    assert_eq!(rows[1]["shipping"], Value::Null);
    for output in ["out.avro", "out.parquet"] {
        bench.score(&fixture("reused.avro"), output).unwrap();
        assert_eq!(bench.again(output)[0]["billing"], json!({"street": "x"}), "{output}");
    }
    let rows = bench.scored(&fixture("number.avro"));
    assert_eq!(column(&rows, "balance"), [json!("01"), Value::Null, json!("ff")]);
    let map = ColumnMap::parse("amount=balance").unwrap();
    let source = Source::from_argument(&fixture("number.avro"), None).unwrap();
    let error = files::read_transactions(source, &map, NOW, &mut |_| Ok(())).unwrap_err();
    assert!(error.to_string().contains("column balance holds Binary"), "{error}");
}

#[test]
fn enums_are_read_as_in_the_stream() {
    let found =
        transactions(&fixture("enums.avro"), |t| format!("{} {}", t.status.symbol(), t.channel));
    assert_eq!(found, ["APPROVED POS", "DECLINED POS", "APPROVED POS"]);
    let summary = Bench::new().score(&fixture("enums.avro"), "out.csv").unwrap();
    let note = summary.notes.iter().find(|note| note.contains("status symbol of 1 rows"));
    assert!(note.is_some_and(|note| note.contains("APPROVED")), "{:?}", summary.notes);
}

#[test]
fn a_directory_of_parquet_files_is_one_table() {
    let bench = Bench::new();
    let rows = bench.scored(&fixture("table.parquet"));
    let ids = column(&rows, "transaction_id");
    let first: Vec<&Value> = ids.iter().step_by(3).collect();
    assert_eq!(first, ["b=%41%20xy0", "b=1k0", "b=2a0", "b=2z0"]);
    let values: Vec<Value> = column(&rows, "b").into_iter().step_by(3).collect();
    assert_eq!(values, ["A x", "1", "2", "2"]);

    let directory = bench.path("plain");
    fs::create_dir(&directory).unwrap();
    let error = bench.score(&directory, "out.csv").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.to_string().contains("holds no .parquet file"), "{error}");
    fs::copy(fixture("uuid.parquet"), directory.join("1.parquet")).unwrap();
    assert_eq!(bench.score(&directory, "out.csv").unwrap().scored, 3);
    fs::copy(fixture("bytes.parquet"), directory.join("2.parquet")).unwrap();
    let error = bench.score(&directory, "out.csv").unwrap_err().to_string();
    assert!(error.contains("2.parquet has other columns") && error.contains("column 1"), "{error}");
}

#[test]
fn a_type_that_cannot_be_the_field_is_refused_by_name() {
    for (file, map) in [
        ("encoded.parquet", "event_time=moment"),
        ("encoded.parquet", "amount=moment"),
        ("bytes.parquet", "amount=digest"),
        ("nested.parquet", "customer_id=nested"),
    ] {
        let columns = ColumnMap::parse(map).unwrap();
        let source = Source::from_argument(&fixture(file), None).unwrap();
        let error = files::read_transactions(source, &columns, NOW, &mut |_| Ok(())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{map}");
        let (field, column) = map.split_once('=').unwrap();
        let text = error.to_string();
        assert!(text.contains(&format!("column {column} holds")), "{text}");
        assert!(text.contains(&format!("cannot be {field}")), "{text}");
    }
}

#[test]
fn a_damaged_column_is_named() {
    let bench = Bench::new();
    let mut bytes = fs::read(fixture("plain.parquet")).unwrap();
    let at = bytes.windows(7).position(|window| window == b"needle1").unwrap();
    bytes[at] = 0xFF;
    let error = bench.score(&bench.put("bad.parquet", bytes), "out.csv").unwrap_err();
    let text = synfinance::base::error::with_causes(&error);
    assert!(text.contains("bad.parquet") && text.contains("column merchant_name"), "{text}");
}

#[test]
fn one_number_with_a_fraction_costs_no_id_a_digit() {
    let bench = Bench::new();
    let ids = ["1234567890123456789", "1234567890123456790", "1.0", "1", "18446744073709551615"];
    let line = |at: usize| {
        let id = ids[at];
        format!(
            "{{\"transaction_id\":\"t{at}\",\"customer_id\":{id},\"merchant_id\":{id},\
             \"event_time\":{},\"amount\":1,\"extra\":{id}}}",
            1_709_287_200_000_i64 + at as i64
        )
    };
    let lines: Vec<String> = (0..ids.len()).map(line).collect();
    let input = bench.put("in.jsonl", lines.join("\n"));
    let found = transactions(&input, |t| t.customer_id.to_owned());
    let whole = ["1234567890123456789", "1234567890123456790", "1", "1", "18446744073709551615"];
    assert_eq!(found, whole);
    bench.score(&input, "out.jsonl").unwrap();
    let text = fs::read_to_string(bench.path("out.jsonl")).unwrap();
    for (line, id) in text.lines().zip(ids) {
        assert!(line.contains(&format!("\"customer_id\":{id},")), "{line}");
        assert!(line.contains(&format!("\"extra\":{id},")), "{line}");
    }
    for output in FORMATS {
        bench.score(&input, output).unwrap();
        let found = transactions(&bench.path(output), |t| t.customer_id.to_owned());
        assert_eq!(found[..2], whole[..2], "{output}");
        assert_eq!(found[4], whole[4], "{output}");
    }
}

#[test]
fn one_nested_value_leaves_other_rows_alone() {
    let bench = Bench::new();
    let line = |id: &str, amount: &str| {
        format!(
            "{{\"transaction_id\":{id},\"customer_id\":\"c\",\"merchant_id\":\"m\",\
             \"event_time\":\"2024-03-01 10:00:00 UTC\",\"amount\":{amount}}}"
        )
    };
    let lines =
        [line(r#""t\"0""#, r#""1.5""#), line(r#"{"a":1}"#, "2"), line("7", "[3]"), line("8", "4")];
    let input = bench.put("in.jsonl", lines.join("\n"));
    let found = transactions(&input, |t| format!("{} {}", t.transaction_id, t.amount.major()));
    assert_eq!(found[0], "t\"0 1.5");
    assert!(found[1].contains("row 2: transaction_id is \"{\\\"a\\\":1}\""), "{}", found[1]);
    assert!(found[2].contains("row 3: amount is \"[3]\", it must be a number"), "{}", found[2]);
    assert_eq!(found[3], "8 4");
    for output in FORMATS {
        bench.score(&input, output).unwrap();
        let ids = transactions(&bench.path(output), |t| t.transaction_id.to_owned());
        assert_eq!(ids, ["t\"0", "8"], "{output}");
    }
}

#[test]
fn nan_is_no_number_and_a_file_of_broken_lines_says_why() {
    let bench = Bench::new();
    let line = "{\"transaction_id\":\"t\",\"customer_id\":\"c\",\"merchant_id\":\"m\",\
                \"event_time\":\"2024-03-01\",\"amount\":1,\"latitude\":NaN,\"longitude\": NaN}";
    let input = bench.put("in.jsonl", line);
    assert_eq!(transactions(&input, |t| format!("{:?}", t.position)), ["None"]);
    let input = bench.put("broken.jsonl", line.replace("NaN", "Infinity"));
    let error = bench.score(&input, "out.csv").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.to_string().contains("line 1 has no value at column"), "{error}");
}

const HEADER: &str = "transaction_id,customer_id,merchant_id,event_time,amount";

#[test]
fn values_that_mean_nothing_are_counted_and_said() {
    let bench = Bench::new();
    let header = format!("{HEADER},status,merchant_reputation,city,latitude,longitude");
    let rows = [
        ("c,m,2024-03-01,1,declined,0.5,NULL,NaN,\\N", "DECLINED Some(0.5) None None"),
        ("c,m,2024-03-01,1,NULL,NULL,\\N,null,null", "APPROVED None None None"),
        ("c,m,2024-03-01,1,,,nan,,", "APPROVED None None None"),
        (
            "c,m,2024-03-01,1,FAILED,,,,",
            "row 5: status is \"FAILED\", it must be APPROVED, DECLINED or REFUNDED",
        ),
        (
            "c,m,2024-03-01,1,Refund,,,,",
            "row 6: status is \"Refund\", it must be APPROVED, DECLINED or REFUNDED",
        ),
        ("c,m,2024-03-01,1,,abc,,,", "row 7: merchant_reputation is \"abc\", it must be a number"),
        ("NULL,m,2024-03-01,1,,,,,", "row 8: customer_id is empty"),
        ("c,\\N,2024-03-01,1,,,,,", "row 9: merchant_id is empty"),
        ("c,m,NULL,1,,,,,", "row 10: event_time is empty"),
        ("c,m,2024-03-01,NULL,,,,,", "row 11: amount is empty"),
    ];
    let lines: Vec<String> =
        rows.iter().enumerate().map(|(at, (row, _))| format!("t{at},{row}")).collect();
    let input = bench.put("in.csv", format!("{header}\n{}\n", lines.join("\n")));
    let found = transactions(&input, |t| {
        format!("{} {:?} {:?} {:?}", t.status.symbol(), t.merchant_reputation, t.city, t.position)
    });
    assert_eq!(found, rows.map(|(_, expected)| expected));
    let summary = bench.score(&input, "out.csv").unwrap();
    assert_eq!(summary.rejected_by_reason["invalid_field"], 3);
    assert_eq!(summary.rejected_by_reason["missing_field"], 4);
}

#[test]
fn times_that_go_backwards_are_noted() {
    let bench = Bench::new();
    let file = |days: [&str; 4]| {
        let rows = days
            .iter()
            .enumerate()
            .map(|(at, day)| format!("t{at},c{},m,2024-03-{day},1\n", at % 2));
        format!("{HEADER}\n{}", rows.collect::<String>())
    };
    let cases = [
        (["01", "01", "02", "02"], 0),
        (["05", "01", "06", "02"], 0),
        (["05", "05", "04", "04"], 2),
        (["05", "01", "04", "02"], 1),
    ];
    for (days, older) in cases {
        let input = bench.put("in.csv", file(days));
        let summary = bench.score(&input, "out.csv").unwrap();
        assert_eq!(summary.out_of_order, older, "{days:?}");
        let note = summary.notes.iter().find(|note| note.contains("times go backwards"));
        assert_eq!(note.is_some(), older > 0, "{days:?}");
        if let Some(note) = note {
            assert!(note.contains(&format!("{older} of 4 rows")), "{note}");
            assert!(note.contains("sort by event_time"), "{note}");
        }
        let target = Target::from_argument(&bench.path("table.csv"), None).unwrap();
        let columns = ColumnMap::default();
        let names = ["amount".to_owned()];
        let table = Table { names: &names, label_column: None, label_delay_ms: 0 };
        let source = Source::from_argument(&input, None).unwrap();
        let made = files::features(source, job(&target, &columns), table, || Silent).unwrap();
        assert_eq!(made.out_of_order, older, "{days:?}");
    }
}

#[test]
fn wrong_paths_are_wrong_questions() {
    let bench = Bench::new();
    let directory = bench.path("day.csv");
    fs::create_dir(&directory).unwrap();
    let cases = [
        (bench.path("nosuch.csv"), "there is no file"),
        (bench.path("nosuch.parquet"), "there is no file"),
        (bench.path("nosuch.avro"), "there is no file"),
        (bench.path("nosuch.jsonl"), "there is no file"),
        (directory, "is a directory"),
    ];
    for (path, words) in cases {
        let error = bench.score(&path, "out.csv").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{path:?}: {error}");
        assert!(error.to_string().contains(words), "{path:?}: {error}");
    }
    let utf16: Vec<u8> = HEADER.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (name, bytes, words) in [
        ("utf16.csv", utf16, "seems to be UTF-16"),
        ("cr.csv", format!("{HEADER}\rt,c,m,2024-03-01,1\r").into_bytes(), "CR alone"),
    ] {
        let error = bench.score(&bench.put(name, bytes), "out.csv").unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(words), "{error}");
    }
}
