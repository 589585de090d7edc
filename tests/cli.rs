//! The real binary, seen from a shell: exit codes, what goes to stdout and what to stderr, help,
//! configuration, signals.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The binary in an empty working directory, without this process's settings.
fn synfinance(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_synfinance"));
    command.args(arguments).current_dir(directory).stdin(Stdio::null());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SYNFINANCE")) {
        command.env_remove(name);
    }
    command
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn run(arguments: &[&str]) -> Output {
    synfinance(directory().path(), arguments).output().expect("the binary starts")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn every_command_has_help_with_an_example() {
    let commands: [&[&str]; 22] = [
        &[],
        &["demo"],
        &["drill"],
        &["generate"],
        &["score"],
        &["features"],
        &["models"],
        &["models", "inspect"],
        &["schemas"],
        &["schemas", "check"],
        &["schemas", "register"],
        &["snapshots"],
        &["snapshots", "list"],
        &["snapshots", "export"],
        &["snapshots", "import"],
        &["snapshots", "verify"],
        &["customers"],
        &["customers", "show"],
        &["customers", "erase"],
        &["config"],
        &["config", "check"],
        &["config", "show"],
    ];
    for command in commands {
        let output = run(&[command, &["--help"]].concat());
        let text = stdout(&output);
        assert_eq!(output.status.code(), Some(0), "{command:?}");
        let is_group = matches!(
            command,
            ["models"] | ["schemas"] | ["snapshots"] | ["customers"] | ["config"]
        );
        assert!(is_group || text.contains("Example"), "{command:?} has no example:\n{text}");
        assert!(output.stderr.is_empty(), "{command:?}");
    }
}

#[test]
fn a_file_that_is_not_there_is_a_wrong_question() {
    for name in ["nosuch.csv", "nosuch.jsonl", "nosuch.parquet", "nosuch.avro"] {
        let output = run(&["score", name, "--output", "scored.csv"]);
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert_eq!(stderr(&output), format!("error: there is no file {name}\n"));
    }
}

#[test]
fn a_full_disk_is_said_once() {
    let directory = directory();
    let rows: String = (0..500).map(|at| format!("t{at},c,m,2024-03-01,1\n")).collect();
    let header = "transaction_id,customer_id,merchant_id,event_time,amount\n";
    std::fs::write(directory.path().join("in.csv"), format!("{header}{rows}")).unwrap();
    for format in ["csv", "jsonl", "parquet", "avro"] {
        let arguments = ["score", "in.csv", "--output", "/dev/full", "--output-format", format];
        let output = synfinance(directory.path(), &arguments).output().expect("it starts");
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{format}: {text}");
        assert_eq!(text.matches("No space left").count(), 1, "{format}: {text}");
        assert!(text.contains("/dev/full"), "{format}: {text}");
    }
}

#[test]
fn wrong_questions_exit_with_2_and_say_what_is_allowed() {
    let cases: [(&[&str], &str); 22] = [
        (&["dmo"], "unrecognized subcommand 'dmo'"),
        (&["--wobble"], "unexpected argument '--wobble'"),
        (&["--log-format", "xml", "config", "check"], "[possible values: text, json]"),
        (&["--config", "no.yaml", "config", "check"], "cannot read the configuration file no.yaml"),
        (&["demo", "--transactions", "0"], "--transactions"),
        (&["demo", "--rate", "0"], "--rate is 0, it must be above 0"),
        (&["drill", "--only", "kill,fire"], "must be some of kill, move, database"),
        (&["drill", "--outage", "soon"], "--outage is \"soon\""),
        (&["drill", "--customers", "0"], "--customers is 0"),
        (&["generate"], "--output <FILE>"),
        (&["generate", "--output", "a.xyz"], "csv (.csv)"),
        (&["generate", "--output", "-"], "--format"),
        (&["generate", "--output", "a.csv", "--fraud-rate", "0.9"], "--fraud-rate is 0.9"),
        (&["generate", "--output", "a.csv", "--start", "soon"], "--start is \"soon\""),
        (&["features"], "<INPUT>"),
        (&["features", "--list", "--features", "amont"], "did you mean amount"),
        (&["features", "a.csv", "-o", "b.csv", "--label-delay", "7"], "--label-delay is \"7\""),
        (&["schemas", "register"], "schema_registry.url is not set"),
        (&["schemas", "register", "a.avsc"], "--subject"),
        (&["schemas", "register", "--subject", "a"], "<FILE>"),
        (&["schemas", "check", "a.avsc", "--as", "alert"], "possible values: transaction, label"),
        (&["score", "a.csv", "--output", "b.csv", "--threshold", "1.5"], "--threshold is 1.5"),
    ];
    for (arguments, expected) in cases {
        let output = run(arguments);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.starts_with("error: "), "{arguments:?}: {text}");
        assert!(text.contains(expected), "{arguments:?}: {text}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn what_fails_while_running_exits_with_1() {
    let output = run(&["models", "inspect", "no.onnx"]);
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(text.starts_with("error: model no.onnx is refused: "), "{text}");
}

#[test]
fn config_check_says_ok_or_everything_that_is_wrong() {
    let directory = directory();
    let output = synfinance(directory.path(), &["config", "check"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).starts_with(OK), "{}", stdout(&output));
    for environment in ["development", "staging", "production"] {
        // Where the files are that these name.
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = synfinance(repository, &["config", "check"]);
        let output = command.env("SYNFINANCE_ENV", environment).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{environment}: {}", stderr(&output));
    }
    std::fs::write(directory.path().join("x.yaml"), "http: {port: 0, prot: 1}\n").unwrap();
    let mut command = synfinance(directory.path(), &["--config", "x.yaml", "config", "check"]);
    let output = command.env("SYNFINANCE__TELEMETRY__LEVEL", "loud").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let expected = "error: the configuration is not valid\n  \
        http.prot is not a known key; did you mean http.port? (x.yaml)\n  \
        http.port is 0, it must be a whole number from 1 to 65535 (x.yaml)\n  \
        telemetry.level is \"loud\", it must be one of error, warn, info, debug, trace, off \
        (environment SYNFINANCE__TELEMETRY__LEVEL)\n";
    assert_eq!(stderr(&output), expected);
}

const OK: &str = "ok: the configuration is valid, with model fraud-detector ";

/// What `run` would stop at before it talks to anybody.
#[test]
fn config_check_reads_files_and_asks_librdkafka() {
    let directory = directory();
    for (yaml, said) in [
        ("models: {active: no.onnx}", "models.active: there is no model file"),
        ("features: {cities: no.csv}", "cannot read no.csv"),
        ("schema_registry: {static: {1: no.avsc}}", "no.avsc"),
        ("stream: {kafka: {fetch.maximum: 1}}", "librdkafka knows no property fetch.maximum"),
        ("stream: {kafka: {fetch.max.bytes: pass}}", "refuses the value of fetch.max.bytes"),
        ("state: {database_url: 'sqlite:a.db', read_url: 'postgres://h/d'}", "state.read_url"),
        ("http: {tls: {certificate: no.pem, key: no.key}}", "http.tls.certificate no.pem"),
    ] {
        std::fs::write(directory.path().join("x.yaml"), yaml).unwrap();
        let arguments = ["--config", "x.yaml", "config", "check"];
        let output = synfinance(directory.path(), &arguments).output().unwrap();
        let stderr = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{yaml}: {stderr}");
        assert!(stderr.contains(said) && !stderr.contains("pass"), "{yaml}: {stderr}");
    }
}

#[test]
fn an_unknown_environment_is_an_error() {
    let directory = directory();
    let mut command = synfinance(directory.path(), &["config", "check"]);
    let output = command.env("SYNFINANCE_ENV", "prod").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("allowed are development, staging and production"));
}

#[test]
fn config_show_names_origins_and_hides_secrets() {
    let directory = directory();
    let file = "stream: {kafka: {sasl.password: hunter2, sasl.username: svc}}\n\
                state: {database_url: 'postgres://u:hunter2@h/d'}\n";
    std::fs::write(directory.path().join("x.yaml"), file).unwrap();
    let show = |json: bool| {
        let mut arguments = vec!["--config", "x.yaml", "config", "show"];
        arguments.extend(json.then_some("--json"));
        let mut command = synfinance(directory.path(), &arguments);
        command.env("SYNFINANCE__SCHEMA_REGISTRY__USERNAME", "reader");
        command.env("SYNFINANCE__SCHEMA_REGISTRY__PASSWORD", "hunter2");
        command.env("SYNFINANCE__TELEMETRY__LEVEL", "trace");
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let seen = stdout(&output) + &stderr(&output);
        assert!(!seen.contains("hunter2"), "{seen}");
        stdout(&output)
    };
    let json: Value = serde_json::from_str(&show(true)).unwrap();
    assert_eq!(json["values"]["stream"]["kafka"]["sasl.password"], "***");
    assert_eq!(json["values"]["stream"]["kafka"]["sasl.username"], "svc");
    assert_eq!(json["values"]["state"]["database_url"], "postgres://u:***@h/d");
    assert_eq!(json["values"]["schema_registry"]["password"], "***");
    assert_eq!(json["sources"]["state.database_url"], "x.yaml");
    let password = "environment SYNFINANCE__SCHEMA_REGISTRY__PASSWORD";
    assert_eq!(json["sources"]["schema_registry.password"], password);
    let yaml = show(false);
    assert!(yaml.contains("# config/default.yaml (compiled in)"), "{yaml}");
    assert!(
        yaml.lines().any(|l| l.contains("database_url: ") && l.ends_with("# x.yaml")),
        "{yaml}"
    );
}

#[test]
fn generate_gives_the_same_bytes_for_the_same_seed() {
    let directory = directory();
    let bytes = |name: &str, seed: &str| {
        let arguments =
            ["generate", "--transactions", "2000", "--seed", seed, "--output", name, "--json"];
        let output = synfinance(directory.path(), &arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let summary: Value = serde_json::from_str(&stdout(&output)).unwrap();
        assert_eq!((&summary["transactions"], &summary["frauds"]), (&2_000.into(), &40.into()));
        std::fs::read(directory.path().join(name)).unwrap()
    };
    for extension in ["csv", "jsonl", "parquet", "avro"] {
        let name = |number| format!("{number}.{extension}");
        let first = bytes(&name(1), "7");
        assert!(first == bytes(&name(2), "7"), "{extension} differs between runs");
        assert!(first != bytes(&name(3), "8"), "{extension} ignores the seed");
    }
}

#[test]
fn data_on_stdout_stays_alone_there() {
    let arguments =
        ["generate", "--transactions", "10", "--output", "-", "--format", "jsonl", "--json"];
    let output = run(&arguments);
    let lines: Vec<Value> =
        stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 10);
    assert!(lines.iter().all(|line| line["transaction_id"].is_string()));
    let summary: Value = serde_json::from_str(stderr(&output).lines().last().unwrap()).unwrap();
    assert_eq!(summary["transactions"], 10);
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    for format in ["csv", "jsonl"] {
        let arguments =
            ["generate", "--transactions", "200000", "--output", "-", "--format", format];
        let directory = directory();
        let mut child = synfinance(directory.path(), &arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{format}: {}", stderr(&output));
        assert_eq!(stderr(&output), "", "{format}");
    }
}

#[test]
fn features_writes_a_row_for_each_row_and_lists_the_catalogue() {
    let directory = directory();
    let run = |arguments: &[&str]| {
        let output = synfinance(directory.path(), arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stdout(&output)
    };
    run(&["generate", "--transactions", "500", "--output", "in.csv"]);
    let summary = run(&[
        "features",
        "in.csv",
        "--output",
        "out.csv",
        "--features",
        "amount,txn_frequency_1h",
        "--label-column",
        "is_fraud",
        "--json",
    ]);
    let summary: Value = serde_json::from_str(&summary).unwrap();
    assert_eq!((&summary["rows"], &summary["rejected"]), (&500.into(), &0.into()));
    let table = std::fs::read_to_string(directory.path().join("out.csv")).unwrap();
    let header =
        "transaction_id,customer_id,merchant_id,event_time,is_fraud,amount,txn_frequency_1h";
    assert_eq!(table.lines().next(), Some(header));
    assert_eq!(table.lines().count(), 501);
    let list: Value = serde_json::from_str(&run(&["features", "--list", "--json"])).unwrap();
    let names: Vec<&str> =
        list.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert!(names.len() >= 69 && names[0] == "amount", "{names:?}");
}

/// A model with `score = 1 / (1 + exp(-(amount / 1000 + txn_frequency_1h - 6)))`, threshold 0.5;
/// made by `tests/fixtures/cli/make.py`.
const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/cli/detector.onnx");

#[test]
fn score_adds_what_the_model_says() {
    let directory = directory();
    let input = "transaction_id,customer_id,merchant_id,event_time,TX_AMOUNT,note\n\
                 a,1,m,2026-01-01T10:00:00Z,4999.5,x\n\
                 b,1,m,2026-01-01T10:30:00Z,100,\n\
                 c,2,m,2026-01-01T10:31:00Z,-1,z\n\
                 d,1,m,2026-01-01T11:15:00Z,7000,\n";
    std::fs::write(directory.path().join("in.csv"), input).unwrap();
    let run = |output: &str, threshold: &str| -> (Value, Vec<Value>) {
        let arguments = [
            "score",
            "in.csv",
            "--output",
            output,
            "--model",
            MODEL,
            "--rejected",
            "no.jsonl",
            "--columns",
            "amount=TX_AMOUNT",
            "--threshold",
            threshold,
            "--json",
            "--jobs",
            "2",
        ];
        let ran = synfinance(directory.path(), &arguments).output().unwrap();
        assert_eq!(ran.status.code(), Some(0), "{}", stderr(&ran));
        (serde_json::from_str(&stdout(&ran)).unwrap(), lines_of(&directory.path().join(output)))
    };
    let (summary, rows) = run("out.jsonl", "0.5");
    let counts = ["rows", "scored", "rejected", "alerts"].map(|name| summary[name].as_u64());
    assert_eq!(counts, [4, 3, 1, 1].map(Some), "{summary}");
    assert!(summary["seconds"].is_f64() && summary["rows_per_second"].is_f64());
    let seen = [("a", 4_999.5, 1), ("b", 100.0, 2), ("d", 7_000.0, 2)];
    assert_eq!(rows.len(), seen.len());
    for (row, (id, amount, within_an_hour)) in rows.iter().zip(seen) {
        let logit = amount / 1_000.0 + f64::from(within_an_hour) - 6.0;
        let expected = 1.0 / (1.0 + (-logit).exp());
        let score = row["fraud_probability"].as_f64().unwrap();
        assert_eq!(row["transaction_id"], id);
        assert!((score - expected).abs() < 1e-6, "{id}: {score}, not {expected}");
        assert_eq!(row["is_fraud"], score >= 0.5, "{id}");
    }
    assert_eq!((&rows[0]["note"], &rows[2]["severity"]), (&"x".into(), &"CRITICAL".into()));
    assert!(rows[2]["reasons"].to_string().contains("AMOUNT"), "{}", rows[2]);
    let rejected = lines_of(&directory.path().join("no.jsonl"));
    assert_eq!(rejected.len(), 1);
    assert!(rejected[0].to_string().contains("amount is -1"), "{}", rejected[0]);
    assert_eq!(run("all.jsonl", "0").0["alerts"], 3);
}

fn lines_of(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn models_inspect_says_what_a_file_is() {
    let output = run(&["models", "inspect", MODEL, "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let shown: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((&shown["name"], &shown["threshold"]), (&"cli-test".into(), &0.5.into()));
    assert_eq!(shown["features"], serde_json::json!(["amount", "txn_frequency_1h"]));
    assert_eq!(shown["kind"]["operators"], serde_json::json!(["Gemm", "Sigmoid"]));
    assert!(stdout(&run(&["models", "inspect", MODEL])).contains("cli-test 1.0.0"));
}

#[test]
fn a_model_that_does_not_fit_is_named_with_who_asked_for_it() {
    let directory = directory();
    std::fs::write(directory.path().join("bad.onnx"), "no model").unwrap();
    std::fs::write(directory.path().join("in.csv"), "a\n1\n").unwrap();
    let cases: [(&[&str], &str, &str); 3] = [
        (&["--model", "no.onnx"], "", "error: --model: there is no model file no.onnx"),
        (&["--model", "bad.onnx"], "", "error: --model: model bad.onnx is refused: "),
        (&[], "../bad.onnx", "error: models.active: "),
    ];
    for (flags, active, expected) in cases {
        let arguments = [&["score", "in.csv", "--output", "out.csv"], flags].concat();
        let mut command = synfinance(directory.path(), &arguments);
        let output = command.env("SYNFINANCE__MODELS__ACTIVE", active).output().unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.starts_with(expected), "{text}");
        assert!(!directory.path().join("out.csv").exists());
    }
}

#[cfg(unix)]
#[test]
fn a_signal_ends_a_run_cleanly() {
    for signal in ["-INT", "-TERM"] {
        let directory = directory();
        // Far more than can be done in the meantime; the first output shows that it is at work.
        let arguments =
            ["generate", "--transactions", "100000000", "--output", "-", "--format", "jsonl"];
        let mut child = synfinance(directory.path(), &arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut data = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        data.read_line(&mut line).unwrap();
        let id = child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        std::io::copy(&mut data, &mut std::io::sink()).unwrap();
        let mut message = String::new();
        child.stderr.take().unwrap().read_to_string(&mut message).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(1), "{signal}: {message}");
        assert!(message.contains("interrupted"), "{signal}: {message}");
    }
}

#[test]
fn the_demo_loses_nothing_and_finds_planted_fraud() {
    let output = run(&["demo", "--transactions", "10000", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let summary: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let counted = ["transactions", "scored", "lost"].map(|name| summary[name].as_u64());
    assert_eq!(counted, [Some(10_000), Some(10_000), Some(0)], "{summary}");
    // Far more than by chance: one payment in fifty is fraud. How much more is the model's affair.
    for share in ["precision", "recall"] {
        assert!(summary[share].as_f64().unwrap() > 0.2, "{summary}");
    }
    for figure in ["/transactions_per_second", "/latency_ms/p50", "/latency_ms/p999"] {
        assert!(summary.pointer(figure).unwrap().as_f64().unwrap() > 0.0, "{summary}");
    }
}

#[test]
fn the_demo_prints_alerts_with_reasons_and_a_summary() {
    let output = run(&["demo", "--transactions", "5000", "--seed", "7"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    let is_alert = |line: &&str| line.starts_with("CRITICAL ") && line.contains(" INR  ");
    assert!(text.lines().any(|line| is_alert(&line) && line.ends_with(')')), "{text}");
    assert!(text.contains("transactions  5,000 (5,000 scored, 0 lost)"), "{text}");
    assert!(!stderr(&output).contains("WARN"), "{}", stderr(&output));
}

#[test]
fn a_demo_goes_on_where_the_one_before_ended() {
    let directory = directory();
    let demo = |arguments: &[&str]| {
        let arguments = [&["demo", "--transactions", "2500"], arguments].concat();
        let output = synfinance(directory.path(), &arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let text = stdout(&output);
        assert!(text.contains("transactions  2,500 (2,500 scored, 0 lost)"), "{text}");
        let mut alerts: Vec<String> =
            text.lines().filter(|line| line.contains(" INR  ")).map(str::to_owned).collect();
        alerts.sort();
        let said = stderr(&output);
        let notes: Vec<&str> = said.lines().filter(|line| !line.contains(" INFO ")).collect();
        (alerts, notes.join("\n"))
    };
    let (first, said) = demo(&[]);
    assert!(!first.is_empty() && said.is_empty(), "{said}");
    let (second, said) = demo(&[]);
    assert!(said.contains("going on after 2,500 transactions of earlier demos"), "{said}");
    assert!(said.contains("data/demo.db; --fresh begins again"), "{said}");
    assert!(first.iter().all(|line| line.contains(" Jan ")), "{first:?}");
    assert!(!second.is_empty() && second.iter().all(|line| !first.contains(line)), "{second:?}");
    let (other, said) = demo(&["--seed", "7"]);
    assert!(!other.is_empty() && said.is_empty(), "another seed is another world: {said}");
    let (fresh, said) = demo(&["--fresh"]);
    assert_eq!((fresh, said.as_str()), (first, ""));
    let (_, said) = demo(&[]);
    assert!(said.contains("going on after 2,500 transactions"), "{said}");
}

/// `transaction_id` and what scoring added, of a scored CSV file.
fn scored(path: &Path) -> Vec<[String; 5]> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let headers = reader.headers().unwrap().clone();
    let names = ["transaction_id", "fraud_probability", "is_fraud", "severity", "reasons"];
    let places = names.map(|name| headers.iter().position(|header| header == name).unwrap());
    let row = |record: csv::StringRecord| places.map(|place| record[place].to_owned());
    reader.records().map(|record| row(record.unwrap())).collect()
}

#[test]
fn the_same_rows_score_the_same_in_every_format() {
    let directory = directory();
    let within = |arguments: &[&str]| {
        let output = synfinance(directory.path(), arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
    };
    let mut results = Vec::new();
    for (format, shards) in [("csv", "1"), ("jsonl", "2"), ("parquet", "3"), ("avro", "2")] {
        let (input, output) = (format!("in.{format}"), format!("{format}.csv"));
        within(&["generate", "--transactions", "4000", "--customers", "80", "--output", &input]);
        within(&["score", &input, "--output", &output, "--jobs", shards]);
        results.push(scored(&directory.path().join(&output)));
    }
    assert_eq!(results[0].len(), 4_000);
    let alerts = results[0].iter().filter(|row| row[2] == "true").count();
    assert!(alerts > 20, "{alerts} alerts");
    for other in &results[1..] {
        assert!(other == &results[0]);
    }
}

const THREE_ROWS: &str = "transaction_id,customer_id,merchant_id,event_time,amount,status\n\
    a,c,m,2026-03-01T00:00:00Z,10,APPROVED\n\
    b,c,m,2026-03-01T00:00:01Z,10, refunded \n\
    c,c,m,2026-01-01T00:00:00Z,10,APPROVED\n";

#[test]
fn no_output_takes_the_place_of_the_input() {
    let directory = directory();
    let input = directory.path().join("in.csv");
    std::fs::write(&input, THREE_ROWS).unwrap();
    for flags in [["--output", "in.csv"].as_slice(), &["-o", "out.csv", "--rejected", "./in.csv"]] {
        let arguments = [&["score", "in.csv"], flags].concat();
        let output = synfinance(directory.path(), &arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert_eq!(std::fs::read_to_string(&input).unwrap(), THREE_ROWS);
    }
}

#[test]
fn late_rows_are_counted_and_a_status_may_have_blanks() {
    let directory = directory();
    std::fs::write(directory.path().join("in.csv"), THREE_ROWS).unwrap();
    let score = ["score", "in.csv", "--output", "out.csv", "--json"];
    let output = synfinance(directory.path(), &score).output().unwrap();
    let summary: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((&summary["scored"], &summary["late"]), (&3.into(), &1.into()), "{summary}");

    let flags = ["--features", "daily_txn_count,daily_txn_amount"];
    let features = [&["features", "in.csv", "--output", "table.csv"], flags.as_slice()].concat();
    assert!(synfinance(directory.path(), &features).output().unwrap().status.success());
    let table = std::fs::read_to_string(directory.path().join("table.csv")).unwrap();
    let second = table.lines().nth(2).unwrap();
    assert!(second.starts_with("b,") && second.ends_with(",2.0,10.0"), "{table}");
}
