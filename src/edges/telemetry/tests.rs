//! The text of `/metrics`, read by a parser of its format; lines and spans from end to end.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;

use tracing::subscriber::with_default;
use tracing_subscriber::layer::SubscriberExt;

use super::catalog::{Kind, Row, TABLE};
use super::*;
use crate::base::config::{LogFormat, Rotation, Secret, Telemetry};
use crate::base::limits::MAX_MODELS_COUNTED;
use crate::core::codec::Reason;
use crate::core::decision::Severity;

/// The content of a text: types by name, values by series.
#[derive(Debug, Default)]
struct Parsed {
    types: BTreeMap<String, String>,
    helps: BTreeMap<String, String>,
    values: BTreeMap<String, f64>,
}

impl Parsed {
    /// Checks that every line is a help, a type or a sample of the family before it, and that no
    /// series occurs twice.
    fn of(text: &str) -> Self {
        let mut parsed = Self::default();
        let mut family = String::new();
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').expect(line);
                assert!(parsed.helps.insert(name.to_owned(), help.to_owned()).is_none(), "{line}");
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').expect(line);
                assert!(parsed.types.insert(name.to_owned(), kind.to_owned()).is_none(), "{line}");
                name.clone_into(&mut family);
            } else {
                let (series, value) = line.rsplit_once(' ').expect(line);
                let name = series.split('{').next().expect(line);
                let end = name.strip_prefix(family.as_str()).expect(line);
                let ends = match parsed.types[&family].as_str() {
                    "histogram" => &["_bucket", "_sum", "_count"][..],
                    _ => &[""],
                };
                assert!(ends.contains(&end), "{line}");
                let value = value.parse().expect(line);
                assert!(parsed.values.insert(series.to_owned(), value).is_none(), "{line}");
            }
        }
        parsed
    }

    fn value(&self, series: &str) -> Option<f64> {
        self.values.get(&format!("synfinance_{series}")).copied()
    }
}

fn parsed(metrics: &Metrics) -> Parsed {
    Parsed::of(&metrics.encode(0))
}

#[test]
fn what_is_shown_is_what_the_table_says() {
    let metrics = Metrics::new(2);
    metrics.model_alerts("gbt", "1");
    metrics.route("GET", "/metrics");
    metrics.lag(0, "transactions", 0, Lag::default());
    metrics.snapshot_saved(0, 0, 0);
    let parsed = parsed(&metrics);
    for Row { name, help, kind, .. } in TABLE {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        assert_eq!(parsed.types.get(*name).map(String::as_str), Some(kind), "{name}");
        assert_eq!(parsed.helps[*name], *help);
    }
    let others = parsed.types.keys().filter(|name| TABLE.iter().all(|row| row.name != **name));
    assert!(others.clone().count() > 0, "the process collector is missing");
    for other in others {
        assert!(other.starts_with("process_"), "{other} is not in the table");
    }
}

#[test]
fn everything_with_known_labels_is_there_before_it_happens() {
    let parsed = parsed(&Metrics::new(1));
    let series = [
        "transactions_total{outcome=\"alerted\"}",
        "predictions_total{source=\"batch\"}",
        "fraud_detected_total{severity=\"CRITICAL\"}",
        "dead_letters_total{reason=\"missing_field\"}",
        "errors_total{kind=\"schema_registry\"}",
        "commits_total{outcome=\"failed\"}",
        "labels_total{outcome=\"fraud\"}",
        "cache_evictions_total",
        "alert_latency_seconds_count",
        "alert_latency_seconds_bucket{le=\"0.0005\"}",
        "alert_latency_seconds_bucket{le=\"60\"}",
        "state_bytes",
        "paused",
        "ready",
    ];
    for series in series {
        assert_eq!(parsed.value(series), Some(0.0), "{series}");
    }
    let version = format!("build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert_eq!(parsed.value(&version), Some(1.0));
    assert!(parsed.values["process_resident_memory_bytes"] > 0.0);
}

#[test]
fn every_call_is_seen_where_it_belongs() {
    let metrics = Metrics::new(2);
    metrics.transactions(Outcome::Scored, 5);
    metrics.transactions(Outcome::Duplicate, 2);
    metrics.predictions(Source::Stream, 6);
    metrics.fraud_detected(Severity::High, 1);
    metrics.model_alerts("gbt", "1.2").add(Severity::Low, 3);
    metrics.dead_letters(Reason::TooLarge, 4);
    metrics.late(7);
    metrics.lost_records(Lost::Unscored, 3);
    metrics.lost_records(Lost::Forgotten, 4);
    metrics.miskeyed(8);
    metrics.windows_folded(9);
    metrics.labels(LabelOutcome::Honest, 10);
    metrics.alert_latency(0.003);
    metrics.batch(512, 0.0003);
    metrics.rebalance();
    metrics.commit(CommitOutcome::Committed);
    metrics.restored(0.2);
    metrics.cache(CacheEvent::Miss, 11);
    metrics.snapshot(1.5);
    metrics.error(ErrorKind::Produce);
    metrics.gauge(0, Gauge::CustomersCached, 100);
    metrics.gauge(1, Gauge::CustomersCached, 23);
    metrics.ready(true);
    metrics.request("GET", Some("/livez"), 200, 0.001);
    metrics.request("BREW", None, 404, 0.001);
    let parsed = parsed(&metrics);
    let series = [
        ("transactions_total{outcome=\"scored\"}", 5.0),
        ("transactions_total{outcome=\"duplicate\"}", 2.0),
        ("duplicate_transactions_total", 2.0),
        ("predictions_total{source=\"stream\"}", 6.0),
        ("fraud_detected_total{severity=\"HIGH\"}", 1.0),
        ("alerts_total{model=\"gbt/1.2\",severity=\"LOW\"}", 3.0),
        ("alerts_total{model=\"gbt/1.2\",severity=\"HIGH\"}", 0.0),
        ("dead_letters_total{reason=\"too_large\"}", 4.0),
        ("late_transactions_total", 7.0),
        ("lost_records_total{effect=\"unscored\"}", 3.0),
        ("lost_records_total{effect=\"forgotten\"}", 4.0),
        ("miskeyed_records_total", 8.0),
        ("windows_folded_total", 9.0),
        ("labels_total{outcome=\"honest\"}", 10.0),
        ("alert_latency_seconds_bucket{le=\"0.002\"}", 0.0),
        ("alert_latency_seconds_bucket{le=\"0.004\"}", 1.0),
        ("alert_latency_seconds_bucket{le=\"+Inf\"}", 1.0),
        ("batch_records_sum", 512.0),
        ("model_latency_seconds_sum", 0.0003),
        ("rebalances_total", 1.0),
        ("commits_total{outcome=\"committed\"}", 1.0),
        ("restore_duration_seconds_count", 1.0),
        ("cache_misses_total", 11.0),
        ("snapshot_duration_seconds_sum", 1.5),
        ("errors_total{kind=\"produce\"}", 1.0),
        ("customers_cached", 123.0),
        ("ready", 1.0),
        ("requests_total{method=\"GET\",route=\"/livez\",status=\"200\"}", 1.0),
        ("requests_total{method=\"other\",route=\"other\",status=\"404\"}", 1.0),
        ("request_duration_seconds_count{route=\"other\"}", 1.0),
    ];
    for (series, value) in series {
        assert_eq!(parsed.value(series), Some(value), "{series}");
    }
}

#[test]
fn a_lag_grows_while_nobody_reports_and_goes_with_its_partition() {
    let metrics = Metrics::new(1);
    metrics.lag(0, "t", 3, Lag { records: 7, oldest_ms: Some(10_000) });
    metrics.lag(0, "t", 4, Lag { records: 0, oldest_ms: None });
    metrics.snapshot_begins(0, 4, 50_000);
    metrics.snapshot_begins(0, 5, 50_000);
    metrics.snapshot_begins(0, 5, 30_000);
    metrics.snapshot_begins(0, 5, 60_000);
    metrics.snapshot_saved(0, 3, 5_000);
    metrics.snapshot_begins(0, 3, 60_000);
    let at = |now_ms, series: &str| Parsed::of(&metrics.encode(now_ms)).value(series);
    let seconds = "consumer_lag_seconds{partition=\"3\",topic=\"t\"}";
    assert_eq!(at(12_500, seconds), Some(2.5));
    assert_eq!(at(70_000, seconds), Some(60.0));
    assert_eq!(at(9_000, seconds), Some(0.0), "a producer's clock is ahead");
    assert_eq!(at(70_000, "consumer_lag_records{partition=\"3\",topic=\"t\"}"), Some(7.0));
    assert_eq!(at(70_000, "consumer_lag_seconds{partition=\"4\",topic=\"t\"}"), Some(0.0));
    assert_eq!(at(70_000, "snapshot_age_seconds{partition=\"3\"}"), Some(65.0));
    assert_eq!(at(70_000, "snapshot_age_seconds{partition=\"4\"}"), Some(20.0), "never saved");
    assert_eq!(
        at(70_000, "snapshot_age_seconds{partition=\"5\"}"),
        Some(40.0),
        "by others, told late"
    );
    metrics.drop_partition(0, "t", 3);
    let gone = metrics.encode(70_000);
    assert!(!gone.contains("partition=\"3\""), "{gone}");
    assert!(gone.contains("partition=\"4\""), "{gone}");
}

#[test]
fn what_a_worker_had_goes_with_it_unless_another_one_has_it_already() {
    let metrics = Metrics::new(2);
    for partition in [1, 2, 3] {
        metrics.lag(0, "t", partition, Lag::default());
        metrics.snapshot_saved(0, partition, 1_000);
    }
    metrics.gauge(0, Gauge::CustomersCached, 50);
    metrics.gauge(1, Gauge::CustomersCached, 7);
    metrics.gauge(0, Gauge::KnownFrauds, 5);
    for partition in [2, 3] {
        metrics.snapshot_begins(1, partition, 60_000);
        metrics.lag(1, "t", partition, Lag { records: 9, oldest_ms: None });
    }
    metrics.drop_partition(0, "t", 2);
    metrics.drop_worker(0);
    let text = metrics.encode(61_000);
    assert!(!text.contains("partition=\"1\""), "{text}");
    let left = Parsed::of(&text);
    for partition in [2, 3] {
        let lag = format!("consumer_lag_records{{partition=\"{partition}\",topic=\"t\"}}");
        assert_eq!(left.value(&lag), Some(9.0));
        let age = format!("snapshot_age_seconds{{partition=\"{partition}\"}}");
        assert_eq!(left.value(&age), Some(60.0), "since it was saved, by whomever");
    }
    assert_eq!(
        (left.value("customers_cached"), left.value("known_frauds")),
        (Some(7.0), Some(5.0))
    );
}

#[test]
fn models_are_told_apart_up_to_a_bound() {
    let metrics = Metrics::new(1);
    for version in 0..2 * MAX_MODELS_COUNTED {
        metrics.model_alerts("gbt", &version.to_string()).add(Severity::Low, 1);
    }
    metrics.model_alerts("gbt", "0").add(Severity::Low, 1);
    let parsed = parsed(&metrics);
    let low =
        |model: &str| parsed.value(&format!("alerts_total{{model=\"{model}\",severity=\"LOW\"}}"));
    assert_eq!(low("gbt/0"), Some(2.0));
    assert_eq!(low("other"), Some(MAX_MODELS_COUNTED as f64));
    assert_eq!(low(&format!("gbt/{MAX_MODELS_COUNTED}")), None);
}

fn settings(file: &Path) -> Telemetry {
    Telemetry {
        level: "info".to_owned(),
        format: LogFormat::Text,
        file: Some(file.to_owned()),
        rotation: Rotation::Never,
        retention: 1,
        otlp_endpoint: None,
    }
}

/// What the log file contains after `deeds`.
fn logged(settings: &Telemetry, format: LogFormat, deeds: impl FnOnce(&Logging)) -> String {
    let (logging, layers) = Logging::build(settings, format).unwrap();
    with_default(tracing_subscriber::registry().with(layers), || {
        deeds(&logging);
        drop(logging);
    });
    std::fs::read_to_string(settings.file.as_ref().unwrap()).unwrap()
}

#[test]
fn the_level_changes_while_running() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(&directory.path().join("app.log"));
    let text = logged(&settings, LogFormat::Text, |logging| {
        let debug = |when: &str| tracing::debug!("debug {when}");
        debug("before");
        logging.set_level("debug").unwrap();
        debug("within");
        let error = logging.set_level("loud").unwrap_err().to_string();
        assert!(error.contains("loud") && error.contains("telemetry.level"), "{error}");
        debug("still");
        logging.set_level("off").unwrap();
        tracing::error!("after");
    });
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].ends_with("DEBUG debug within"), "{text}");
    assert!(lines[1].ends_with("DEBUG debug still"), "{text}");
}

#[test]
fn lines_for_machines_are_json() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(&directory.path().join("app.log"));
    let text = logged(&settings, LogFormat::Json, |logging| {
        tracing::warn!(partition = 3, "partition lost");
        assert_eq!(logging.dropped_lines(), 0);
    });
    let line: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
    assert_eq!(line["message"], "partition lost");
    assert_eq!(line["partition"], 3);
    assert_eq!(line["level"], "WARN");
}

#[test]
fn a_log_file_that_cannot_be_written_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let in_the_way = directory.path().join("file");
    std::fs::write(&in_the_way, "").unwrap();
    let error = Logging::build(&settings(&in_the_way.join("app.log")), LogFormat::Text);
    let error = error.err().expect("a file is no directory").to_string();
    assert!(error.contains("telemetry.file") && error.contains("app.log"), "{error}");
}

/// A collector that takes one request; returns its head and body.
fn collector(listener: TcpListener) -> (String, Vec<u8>) {
    let (stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).unwrap() > 0, "{head}");
    }
    let head = head.to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split('\r').next());
    let mut body = vec![0; length.expect(&head).parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
    (head, body)
}

#[test]
fn a_batch_is_a_span_for_the_collector_and_nothing_else_is() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let collector = std::thread::spawn(move || collector(listener));
    let directory = tempfile::tempdir().unwrap();
    let mut settings = settings(&directory.path().join("app.log"));
    settings.otlp_endpoint = Some(Secret::new(format!("http://user:pass@127.0.0.1:{port}")));
    let text = logged(&settings, LogFormat::Json, |_| {
        tracing::info_span!(target: BATCH_SPANS, "the-batch", records = 5).in_scope(|| {
            tracing::info_span!("elsewhere").in_scope(|| tracing::info!("inside"));
            tracing::debug_span!(target: BATCH_SPANS, "the-detail").in_scope(|| ());
        });
    });
    let (head, body) = collector.join().unwrap();
    assert!(head.starts_with("post /v1/traces http/1.1\r\n"), "{head}");
    assert!(head.contains("authorization: basic dxnlcjpwyxnz\r\n"), "{head}");
    let has = |name: &str| body.windows(name.len()).any(|window| window == name.as_bytes());
    assert!(has("the-batch") && has("records") && has("synfinance"));
    assert!(!has("elsewhere") && !has("the-detail"));
    assert!(text.contains("inside") && !text.contains("the-batch"), "{text}");
}

#[test]
fn without_a_collector_its_spans_are_never_made() {
    let directory = tempfile::tempdir().unwrap();
    logged(&settings(&directory.path().join("app.log")), LogFormat::Text, |_| {
        let span = tracing::info_span!(target: BATCH_SPANS, "batch");
        assert!(span.is_disabled());
    });
}
