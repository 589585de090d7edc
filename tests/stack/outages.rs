//! Servers that go away and come back: nothing is skipped, nothing is lost, and the service says
//! what it waits for.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster;
use crate::gate::{Door, Gate};
use crate::oracle::Verdict;
use crate::process::eventually;
use crate::servers::Kafka;
use crate::service::{Service, merge};
use crate::stage::{PARTITIONS, Sent, Stage};

const SOON: Duration = Duration::from_secs(60);

/// A door before the registry, and the stage's configuration through it.
fn behind_a_door(stage: &Stage, door: Door) -> (Gate, Value) {
    let after = stage.registry.strip_prefix("http://").expect("a registry over plain HTTP");
    let (target, path) = after.split_once('/').unwrap_or((after, ""));
    let gate = Gate::new(target, door);
    let url = format!("http://127.0.0.1:{}/{path}", gate.port());
    let config = merge(stage.config(), &json!({"schema_registry": {"url": url}}));
    (gate, config)
}

/// Waits until the service says that the registry is what it lacks, and that it lives.
fn wait_for_complaint(service: &mut Service) {
    eventually("/readyz names the registry", SOON, || match service.readyz()? {
        (503, text) if text.to_lowercase().contains("registry") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(service.get("/livez").map(|(status, _)| status), Ok(200));
}

#[test]
fn a_registry_that_is_away_at_start_is_waited_for() {
    let stage = Stage::new("no-registry");
    let (gate, config) = behind_a_door(&stage, Door::Refuses);
    let mut service = Service::spawn(&config);
    stage.produce("payments", &["--seed", "31", "--count", "3000"]);
    wait_for_complaint(&mut service);
    assert_eq!(stage.progress().map(|(committed, _)| committed), Ok(0));
    gate.set(Door::Open);
    service.wait_ready();
    stage.wait_done(&mut [&mut service]);
    let alerts = stage.consume(&stage.alerts, "read_uncommitted");
    Verdict::new(&Sent { seed: 31, count: 3_000 }.expected(), &alerts).assert_exact();
    service.stop();
}

#[test]
fn a_schema_that_cannot_be_asked_for_is_waited_for() {
    let stage = Stage::new("registry-leaves");
    let (gate, config) = behind_a_door(&stage, Door::Open);
    let mut service = Service::start(&config);
    stage.produce("payments", &["--seed", "32", "--count", "2000"]);
    stage.wait_done(&mut [&mut service]);
    // It hangs first, then it is gone: neither is the records' fault.
    gate.set(Door::Silent);
    let new = ["--seed", "32", "--skip", "2000", "--count", "4000", "--variant", "evolved"];
    stage.produce("payments", &new);
    wait_for_complaint(&mut service);
    gate.set(Door::Refuses);
    wait_for_complaint(&mut service);
    assert_eq!(cluster::ends(&stage.brokers, &stage.dead_letters).values().sum::<i64>(), 0);
    let (committed, end) = stage.progress().expect("offsets");
    assert!(committed < end, "records that were not read are committed");
    gate.set(Door::Open);
    service.wait_ready();
    stage.wait_done(&mut [&mut service]);
    let alerts = stage.consume(&stage.alerts, "read_uncommitted");
    Verdict::new(&Sent { seed: 32, count: 4_000 }.expected(), &alerts).assert_exact();
    service.stop();
}

#[test]
fn partitions_that_wait_for_a_schema_may_go_and_come_back() {
    let stage = Stage::new("waiting-moves");
    let (gate, config) = behind_a_door(&stage, Door::Open);
    let mut service = Service::start(&config);
    stage.produce("payments", &["--seed", "34", "--count", "1500"]);
    stage.wait_done(&mut [&mut service]);
    gate.set(Door::Refuses);
    let new = ["--seed", "34", "--skip", "1500", "--count", "3000", "--variant", "evolved"];
    stage.produce("payments", &new);
    wait_for_complaint(&mut service);
    cluster::visit(&stage.brokers, &stage.group, &stage.transactions);
    let all = f64::from(PARTITIONS);
    service.wait_metric(SOON, "synfinance_partitions_assigned", "", all);
    wait_for_complaint(&mut service);
    gate.set(Door::Open);
    service.wait_ready();
    stage.wait_done(&mut [&mut service]);
    let alerts = stage.consume(&stage.alerts, "read_uncommitted");
    Verdict::new(&Sent { seed: 34, count: 3_000 }.expected(), &alerts).assert_exact();
    service.stop();
}

#[test]
fn verdicts_whose_schema_comes_late_are_waited_for() {
    let stage = Stage::new("late-verdicts");
    let (gate, config) = behind_a_door(&stage, Door::Open);
    let mut service = Service::start(&config);
    gate.set(Door::Refuses);
    stage.produce_to(&stage.labels, "labels", &["--count", "7", "--merchants", "m-1"]);
    wait_for_complaint(&mut service);
    gate.set(Door::Open);
    service.wait_metric(SOON, "synfinance_labels_total", "outcome=\"fraud\"", 7.0);
    service.wait_ready();
    service.stop();
}

fn broker_restarts(delivery: &str, isolation: &str) {
    let mut kafka = Kafka::start();
    let stage = Stage::on("broker", &kafka.brokers());
    let over = json!({"stream": {
        "delivery": delivery, "kafka": {"transaction.timeout.ms": "10000"},
    }});
    let mut service = Service::start(&merge(stage.config(), &over));
    let producing = stage.produce_on(33, 1_500);
    for round in 1..=2 {
        let scored = f64::from(round) * 2_500.0;
        service.wait_metric(SOON, "synfinance_transactions_total", "", scored);
        kafka.crash();
        kafka.start_again();
    }
    service.wait_metric(SOON, "synfinance_transactions_total", "", 8_000.0);
    let sent = producing.finish();
    stage.wait_done(&mut [&mut service]);
    let verdict = Verdict::new(&sent.expected(), &stage.consume(&stage.alerts, isolation));
    verdict.print(&format!("a broker that crashed twice, {delivery}"));
    if delivery == "exactly_once" {
        verdict.assert_exact()
    } else {
        verdict.assert_none_missed()
    }
    service.stop();
}

#[test]
fn a_broker_that_crashes_loses_no_alert() {
    broker_restarts("at_least_once", "read_uncommitted");
}

#[test]
fn a_broker_that_crashes_neither_loses_nor_repeats_an_alert_exactly_once() {
    broker_restarts("exactly_once", "read_committed");
}
