//! Processes that join a group, leave it, and end in order, under load.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster;
use crate::oracle::{Verdict, text};
use crate::service::{Service, command, merge};
use crate::stage::Stage;

const SOON: Duration = Duration::from_secs(60);

fn members_come_and_go(assignment: &str) {
    let stage = Stage::new(&format!("members-{assignment}"));
    let config = merge(stage.config(), &json!({"stream": {"assignment": assignment}}));
    let scored = |service: &mut Service, count: f64| {
        service.wait_metric(SOON, "synfinance_transactions_total", "", count);
    };
    let mut first = Service::start(&config);
    let producing = stage.produce_on(41, 1_500);
    scored(&mut first, 2_000.0);
    let mut second = Service::start(&config);
    scored(&mut second, 1_000.0);
    let mut third = Service::start(&config);
    first.stop();
    scored(&mut third, 1_000.0);
    second.stop();
    scored(&mut third, 4_000.0);
    let sent = producing.finish();
    stage.wait_done(&mut [&mut third]);
    let alerts = stage.consume(&stage.alerts, "read_uncommitted");
    let verdict = Verdict::new(&sent.expected(), &alerts);
    verdict.print(&format!("members that come and go, {assignment}"));
    verdict.assert_exact();
    third.stop();
}

#[test]
fn members_come_and_go_cooperatively() {
    members_come_and_go("cooperative");
}

#[test]
fn members_come_and_go_eagerly() {
    members_come_and_go("eager");
}

/// So many customers that partitions are handed over instead of saved, and nothing is saved before.
#[test]
fn members_come_and_go_with_many_customers_whom_nobody_has_saved() {
    const CROWD: [&str; 4] = ["--customers", "6000", "--step", "300"];
    let stage = Stage::new("members-crowd");
    let config = merge(stage.config(), &json!({"state": {"save": [[3_600, 1_000_000]]}}));
    let scored = |service: &mut Service, count: f64| {
        service.wait_metric(SOON, "synfinance_transactions_total", "", count);
    };
    let mut first = Service::start(&config);
    let producing = stage.produce_on_with(44, 3_000, &CROWD);
    scored(&mut first, 15_000.0);
    let mut second = Service::start(&config);
    scored(&mut second, 4_000.0);
    let (status, first_said) = first.terminate();
    assert_eq!(status.code(), Some(0), "{first_said}");
    scored(&mut second, 12_000.0);
    let sent = producing.finish();
    stage.wait_done(&mut [&mut second]);
    let (status, second_said) = second.terminate();
    assert_eq!(status.code(), Some(0), "{second_said}");

    let handed_over = first_said.matches("handing over instead of saving").count();
    let taken_over = second_said.matches("customers taken over").count();
    assert_eq!(handed_over, 4, "two partitions at first, the others at the end: {first_said}");
    assert!(taken_over >= 2, "who ends may save the rest before it is claimed: {second_said}");
    let alerts = stage.consume(&stage.alerts, "read_uncommitted");
    let verdict = Verdict::new(&sent.expected_with(&CROWD), &alerts);
    verdict.print("many customers, handed over");
    verdict.assert_exact();
    // Who ends last leaves everything stored.
    let output = command(&config, &["snapshots", "list", "--json"]);
    let listed: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let partitions = listed["partitions"].as_array().expect("a list");
    let saved: i64 = partitions.iter().filter_map(|one| one["saved_offset"].as_i64()).sum();
    assert_eq!(saved, i64::try_from(sent.count).expect("fewer"), "{listed}");
    assert!(partitions.iter().all(|one| one["handed_over_offset"].is_null()), "{listed}");
}

/// Where each transaction was read first.
fn places(input: &[Value]) -> BTreeMap<String, (i32, i64)> {
    let mut places = BTreeMap::new();
    for record in input {
        let number = |field: &str| record[field].as_i64().expect("a number");
        let place = (i32::try_from(number("partition")).expect("a partition"), number("offset"));
        let first = places.entry(text(&record["value"], "transaction_id")).or_insert(place);
        *first = place.min(*first);
    }
    places
}

#[test]
fn what_is_committed_at_the_end_is_what_was_finished() {
    let stage = Stage::new("sigterm");
    let mut service = Service::start(&stage.config());
    let producing = stage.produce_on(42, 3_000);
    service.wait_metric(SOON, "synfinance_transactions_total", "", 6_000.0);
    let (status, stderr) = service.terminate();
    assert_eq!(status.code(), Some(0), "{stderr}");

    let committed = cluster::committed(&stage.brokers, &stage.group, &stage.transactions);
    let committed = committed.expect("offsets");
    let alerts = stage.consume(&stage.alerts, "read_uncommitted");
    for alert in alerts.iter().map(|record| &record["value"]) {
        let partition = alert["source_partition"].as_i64().expect("a partition");
        let offset = alert["source_offset"].as_i64().expect("an offset");
        let partition = i32::try_from(partition).expect("a partition");
        assert!(offset < committed[&partition], "alerted and not committed: {alert}");
    }
    let sent = producing.finish();
    let expected = sent.expected();
    let places = places(&stage.consume(&stage.transactions, "read_uncommitted"));
    let is_committed = |alert: &&Value| {
        let (partition, offset) = places[&text(alert, "transaction_id")];
        offset < committed[&partition]
    };
    let of_committed: Vec<Value> = expected.iter().filter(is_committed).cloned().collect();
    Verdict::new(&of_committed, &alerts).assert_exact();

    let mut next = Service::start(&stage.config());
    stage.wait_done(&mut [&mut next]);
    let verdict = Verdict::new(&expected, &stage.consume(&stage.alerts, "read_uncommitted"));
    verdict.print("SIGTERM under load");
    verdict.assert_exact();
    next.stop();
}

#[test]
fn a_static_member_that_restarts_moves_no_partition() {
    let stage = Stage::new("static-member");
    let member = |name: &str| {
        let kafka = json!({"group.instance.id": name, "session.timeout.ms": "30000"});
        merge(stage.config(), &json!({"stream": {"kafka": kafka, "workers": 1}}))
    };
    let mut first = Service::start(&member("first"));
    let mut second = Service::start(&member("second"));
    stage.produce("payments", &["--seed", "43", "--count", "2000"]);
    stage.wait_done(&mut [&mut first, &mut second]);
    let shares = |service: &Service| service.metrics().sum("synfinance_transactions_total", "");
    let share = shares(&second);
    assert!(share > 0.0 && shares(&first) > 0.0, "both work");
    let before = second.metrics().sum("synfinance_rebalances_total", "");
    first.stop();
    let mut first = Service::start(&member("first"));
    stage.produce("payments", &["--seed", "43", "--skip", "2000", "--count", "4000"]);
    stage.wait_done(&mut [&mut first, &mut second]);
    assert_eq!(second.metrics().sum("synfinance_rebalances_total", ""), before);
    let sent = crate::stage::Sent { seed: 43, count: 4_000 };
    let alerts = stage.consume(&stage.alerts, "read_uncommitted");
    Verdict::new(&sent.expected(), &alerts).assert_exact();
    first.stop();
    second.stop();
}
