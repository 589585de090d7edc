//! From a producer to a subscriber, both strangers to our code.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::cluster;
use crate::oracle::{Verdict, text};
use crate::process::eventually;
use crate::service::{Service, merge};
use crate::stage::{Sent, Stage};

const SOON: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn every_field_of_every_alert_is_right() {
    let stage = Stage::new("fields");
    let mut service = Service::start(&stage.config());
    let sent = Sent { seed: 11, count: 8_000 };
    stage.produce("payments", &["--seed", "11", "--count", "8000"]);
    stage.wait_done(&mut [&mut service]);
    let alerts = stage.consume(&stage.alerts, "read_uncommitted");
    Verdict::new(&sent.expected(), &alerts).assert_exact();

    let input = stage.consume(&stage.transactions, "read_uncommitted");
    let ids: BTreeMap<_, _> = input
        .iter()
        .map(|record| {
            let place = (record["partition"].as_i64(), record["offset"].as_i64());
            (place, text(&record["value"], "transaction_id"))
        })
        .collect();
    for alert in alerts.iter().map(|record| &record["value"]) {
        let place = (alert["source_partition"].as_i64(), alert["source_offset"].as_i64());
        assert_eq!(ids.get(&place), Some(&text(alert, "transaction_id")), "{alert}");
    }

    let unique = input.iter().map(|record| text(&record["value"], "transaction_id"));
    let unique: BTreeSet<_> = unique.collect();
    assert!(unique.len() < input.len(), "the stream has duplicates");
    service.wait_metric(SOON, "synfinance_transactions_total", "", input.len() as f64);
    let metrics = service.metrics();
    let sum = |name: &str, labels: &str| metrics.sum(name, labels);
    let count = |size: usize| size as f64;
    let duplicates = count(input.len() - unique.len());
    assert_eq!(sum("synfinance_duplicate_transactions_total", ""), duplicates);
    assert_eq!(sum("synfinance_alerts_total", ""), count(alerts.len()));
    assert_eq!(sum("synfinance_dead_letters_total", ""), 0.0);
    eventually("nothing is left to read", SOON, || {
        match service.metrics().sum("synfinance_consumer_lag_records", "") {
            0.0 => Ok(()),
            lag => Err(format!("{lag} records")),
        }
    });
    service.stop();
}

#[test]
fn a_producer_may_change_its_schema_while_the_service_runs() {
    let stage = Stage::new("evolution");
    let mut service = Service::start(&stage.config());
    let first = stage.produce("payments", &["--seed", "12", "--count", "3000"]);
    stage.wait_done(&mut [&mut service]);
    let new = ["--seed", "12", "--skip", "3000", "--count", "6000", "--variant", "evolved"];
    let second = stage.produce("payments", &new);
    assert_ne!(first["schema"], second["schema"], "the registry knows two schemas");
    let old = ["--seed", "12", "--skip", "6000", "--count", "8000"];
    stage.produce("payments", &old);
    stage.wait_done(&mut [&mut service]);
    let alerts = stage.consume(&stage.alerts, "read_uncommitted");
    Verdict::new(&Sent { seed: 12, count: 8_000 }.expected(), &alerts).assert_exact();
    assert_eq!(service.metrics().sum("synfinance_dead_letters_total", ""), 0.0);
    service.stop();
}

#[test]
fn records_keyed_by_something_else_are_scored_and_counted() {
    let stage = Stage::new("miskeyed");
    let mut service = Service::start(&stage.config());
    // The same prefix for all keys of a customer: its payments stay together and windows complete.
    let arguments = ["--seed", "13", "--count", "4000", "--key-prefix", "x"];
    stage.produce("payments", &arguments);
    stage.wait_done(&mut [&mut service]);
    let alerts = stage.consume(&stage.alerts, "read_uncommitted");
    Verdict::new(&Sent { seed: 13, count: 4_000 }.expected(), &alerts).assert_exact();
    service.wait_metric(SOON, "synfinance_miskeyed_records_total", "", 4_000.0);
    service.stop();
}

#[test]
fn without_a_registry_the_table_of_schemas_serves() {
    let stage = Stage::new("static");
    let schemas = format!("{}/schemas", env!("CARGO_MANIFEST_DIR"));
    let produced = stage.produce("payments", &["--seed", "14", "--count", "3000"]);
    // The subscriber asks the registry: the table names the alerts' schema as the registry would.
    let alert = format!("{schemas}/alert.avsc");
    let id = stage.register(&format!("{}-value", stage.alerts), &alert);
    let table = json!({
        produced["schema"].to_string(): format!("{schemas}/transaction.avsc"),
        id.to_string(): alert,
    });
    let over = json!({"schema_registry": {"url": null, "static": table}});
    let mut service = Service::start(&merge(stage.config(), &over));
    stage.wait_done(&mut [&mut service]);
    let alerts = stage.consume(&stage.alerts, "read_uncommitted");
    Verdict::new(&Sent { seed: 14, count: 3_000 }.expected(), &alerts).assert_exact();
    service.stop();
}

#[test]
fn a_transactions_marker_is_no_lag() {
    let stage = Stage::new("markers");
    let mut service = Service::start(&stage.config());
    let sent = ["--seed", "9", "--count", "400", "--transactional-id", &stage.group];
    stage.produce("payments", &sent);
    let read = "synfinance_transactions_total";
    service.wait_metric(SOON, read, "", 400.0);
    // Lag is looked at every second: what is shown for three is what it is.
    let mut since: Option<Instant> = None;
    eventually("lag is gone and stays so", SOON, || {
        match service.metrics().sum("synfinance_consumer_lag_records", "") {
            0.0 if since.get_or_insert_with(Instant::now).elapsed() > 3 * SECOND => Ok(()),
            0.0 => Err("not long enough".to_owned()),
            lag => {
                since = None;
                Err(format!("{lag} records"))
            }
        }
    });
    let ends = cluster::ends(&stage.brokers, &stage.transactions);
    assert!(ends.values().sum::<i64>() > 400, "no marker was behind the records: {ends:?}");
    service.stop();
}
