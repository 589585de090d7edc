//! The database of snapshots goes away, comes late, or has rows that nobody can read: every
//! transaction is scored, no alert is lost, and windows are what they would have been.

use std::time::Duration;

use serde_json::{Value, json};

use crate::gate::{Door, Gate};
use crate::oracle::Verdict;
use crate::process::eventually;
use crate::servers::{ask_postgres, postgres};
use crate::service::{Service, command, merge};
use crate::stage::{Sent, Stage};

const SOON: Duration = Duration::from_secs(60);

/// A door before the database, and the stage's configuration through it.
fn behind_a_door(stage: &Stage, door: Door) -> (Gate, Value) {
    let (user, address) = postgres().split_once('@').expect("a URL with a user");
    let (target, database) = address.split_once('/').expect("a URL with a database");
    let gate = Gate::new(target, door);
    let url = format!("{user}@127.0.0.1:{}/{database}", gate.port());
    (gate, merge(stage.config(), &json!({"state": {"database_url": url}})))
}

/// Payments of a seed from one place to another.
fn produce(stage: &Stage, seed: u64, from: u64, to: u64) {
    let (seed, from, to) = (seed.to_string(), from.to_string(), to.to_string());
    stage.produce("payments", &["--seed", &seed, "--skip", &from, "--count", &to]);
}

fn assert_exact(stage: &Stage, seed: u64, count: u64) {
    let alerts = stage.consume(&stage.alerts, "read_uncommitted");
    Verdict::new(&Sent { seed, count }.expected(), &alerts).assert_exact();
}

/// Waits until everything of the group that was scored is saved.
fn wait_saved(stage: &Stage, service: &mut Service, records: u64) {
    let query = format!(
        "select coalesce(sum(saved_offset), 0) from partition_progress join streams using (stream) \
         where group_id = '{}' and saved_at is not null",
        stage.group
    );
    eventually("all is saved", SOON, || {
        let said = (service.readyz()?, ask_postgres(postgres(), &query)?);
        if said.1 == records.to_string() { Ok(()) } else { Err(format!("{said:?}")) }
    });
}

/// A service that has scored and saved the first payments of a seed.
fn begun(stage: &Stage, config: &Value, seed: u64, count: u64) -> Service {
    let mut service = Service::start(config);
    produce(stage, seed, 0, count);
    stage.wait_done(&mut [&mut service]);
    wait_saved(stage, &mut service, count);
    service
}

#[test]
fn a_database_that_goes_away_stops_no_score_and_catches_up() {
    for door in [Door::Refuses, Door::Silent] {
        let stage = Stage::new("no-database");
        let (gate, config) = behind_a_door(&stage, Door::Open);
        // One worker: with two, customers of a partition that has just moved are not all in memory.
        let config = merge(config, &json!({"stream": {"workers": 1}}));
        let mut service = begun(&stage, &config, 71, 2_000);
        gate.set(door);
        produce(&stage, 71, 2_000, 5_000);
        stage.wait_done(&mut [&mut service]);
        assert_eq!(service.readyz().expect("an answer").0, 200, "it scores, so it is ready");
        gate.set(Door::Open);
        wait_saved(&stage, &mut service, 5_000);
        service.kill();
        let mut service = Service::start(&config);
        produce(&stage, 71, 5_000, 7_000);
        stage.wait_done(&mut [&mut service]);
        assert_exact(&stage, 71, 7_000);
        service.stop();
    }
}

#[test]
fn a_database_that_comes_late_is_taken_up() {
    let stage = Stage::new("late-database");
    let (gate, config) = behind_a_door(&stage, Door::Open);
    begun(&stage, &config, 72, 3_000).stop();
    // What is stored knows more than the topic does: here, of a customer nobody else knows.
    let query = format!(
        "insert into customer_state select stream, partition, 'nobody'::bytea, applied_offset, \
         version, state from customer_state join streams using (stream) \
         where group_id = '{}' limit 1",
        stage.group
    );
    ask_postgres(postgres(), &query).expect("a row more");
    gate.set(Door::Refuses);
    let mut service = Service::spawn(&config);
    service.wait_ready();
    produce(&stage, 72, 3_000, 5_000);
    stage.wait_done(&mut [&mut service]);
    gate.set(Door::Open);
    wait_saved(&stage, &mut service, 5_000);
    produce(&stage, 72, 5_000, 7_000);
    stage.wait_done(&mut [&mut service]);
    let loaded = service.metrics().sum("synfinance_cache_misses_total", "");
    assert!(loaded > 0.0, "customers came from the database");
    service.stop();
    let query = format!(
        "select count(*) from customer_state join streams using (stream) \
         where group_id = '{}' and customer_id = 'nobody'",
        stage.group
    );
    assert_eq!(ask_postgres(postgres(), &query).as_deref(), Ok("1"), "nothing was discarded");
    assert_exact(&stage, 72, 7_000);
}

#[test]
fn rows_that_cannot_be_read_are_remembered_from_the_topic() {
    let stage = Stage::new("damaged-rows");
    let config = stage.config();
    begun(&stage, &config, 73, 4_000).stop();
    // Damaged, and of a release that is not there yet.
    let query = format!(
        "update customer_state set state = \
         case when get_byte(sha256(customer_id), 0) % 2 = 0 \
         then substr(state, 1, length(state) - 3) \
         else overlay(state placing '\\xffff'::bytea from 5) end \
         from streams where streams.stream = customer_state.stream and group_id = '{}' \
         and get_byte(sha256(customer_id), 1) % 10 = 0",
        stage.group
    );
    ask_postgres(postgres(), &query).expect("damage");
    let mut service = Service::start(&config);
    produce(&stage, 73, 4_000, 7_000);
    stage.wait_done(&mut [&mut service]);
    wait_saved(&stage, &mut service, 7_000);
    service.wait_ready();
    let (_, said) = service.terminate();
    assert!(said.contains("cannot be read"), "{said}");
    assert!(said.contains("is newer than"), "{said}");
    assert_exact(&stage, 73, 7_000);
}

#[test]
fn records_that_left_the_topic_unsaved_are_said_and_may_stop_the_service() {
    let stage = Stage::new("left-unsaved");
    let config = stage.config();
    begun(&stage, &config, 78, 2_000).stop();
    let never = merge(config.clone(), &json!({"state": {"save": [[3600, 1_000_000]]}}));
    let mut service = Service::start(&never);
    produce(&stage, 78, 2_000, 4_000);
    stage.wait_done(&mut [&mut service]);
    service.kill();
    stage.produce("trim", &[]);
    let strict = merge(config.clone(), &json!({"state": {"on_lost_records": "stop"}}));
    let (status, said) = Service::spawn(&strict).wait_end(SOON);
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("left the topic before they were saved"), "{said}");
    assert!(said.contains("state.on_lost_records"), "{said}");
    let service = Service::start(&config);
    let lost = service.metrics().sum("synfinance_lost_records_total", "effect=\"forgotten\"");
    assert!(lost > 0.0, "records are missing from windows");
    service.stop();
    let partitions = told(&config, &["snapshots", "list"])["partitions"].clone();
    let partitions = partitions.as_array().expect("a list");
    assert!(partitions.iter().any(|row| row["incomplete_at"].is_string()), "{partitions:?}");
    let shown = told(&config, &["customers", "show", "c-1"]);
    assert!(shown["stored"][0]["incomplete_at"].is_string(), "{shown}");
}

/// What a command prints as JSON.
fn told(config: &Value, arguments: &[&str]) -> Value {
    let output = command(config, &[arguments, &["--json"]].concat());
    let text = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}"))
}

/// Event times of what is stored of a customer, in all partitions.
fn times(config: &Value, id: &str) -> Vec<String> {
    let shown = told(config, &["customers", "show", id]);
    let stored = shown["stored"].as_array().expect("rows");
    let transactions = stored
        .iter()
        .flat_map(|row| row["state"]["transactions"].as_array().expect("a readable state").clone());
    transactions.map(|payment| payment["event_time"].as_str().expect("a time").to_owned()).collect()
}

#[test]
fn who_is_erased_stays_erased_through_crash_and_restore() {
    let stage = Stage::new("erased");
    // Nothing is saved in between: a restore reads all of the topic again.
    let config = merge(stage.config(), &json!({"state": {"save": [[3600, 1_000_000]]}}));
    let mut service = Service::start(&config);
    produce(&stage, 74, 0, 4_000);
    stage.wait_done(&mut [&mut service]);
    let told_erased = told(&config, &["customers", "erase", "c-17", "c-18"]);
    assert_eq!(told_erased["customers"], 2);
    assert_eq!(times(&config, "c-17"), [""; 0]);
    service.kill();
    let mut service = Service::start(&config);
    produce(&stage, 74, 4_000, 8_000);
    stage.wait_done(&mut [&mut service]);
    service.stop();
    // 4,000 payments of 28.8 s each: what came before this is forgotten.
    let boundary = "2024-01-02T07";
    let after = times(&config, "c-17");
    assert!(!after.is_empty() && after.iter().all(|time| time.as_str() > boundary), "{after:?}");
    let others = times(&config, "c-19");
    assert!(others.iter().any(|time| time.as_str() < boundary), "{others:?}");
    let alerts = stage.consume(&stage.alerts, "read_uncommitted");
    let is_other = |alert: &Value| alert["customer_id"] != "c-17" && alert["customer_id"] != "c-18";
    let mut expected = Sent { seed: 74, count: 8_000 }.expected();
    expected.retain(is_other);
    let alerts: Vec<Value> =
        alerts.into_iter().filter(|record| is_other(&record["value"])).collect();
    Verdict::new(&expected, &alerts).assert_exact();
}

#[test]
fn an_erasure_reaches_a_service_that_runs() {
    let stage = Stage::new("erased-alive");
    let config = stage.config();
    let mut service = begun(&stage, &config, 75, 4_000);
    told(&config, &["customers", "erase", "c-17"]);
    // It learns it when it saves: the claim is somebody else's.
    produce(&stage, 75, 4_000, 6_000);
    wait_saved(&stage, &mut service, 6_000);
    service.stop();
    let after = times(&config, "c-17");
    assert!(
        !after.is_empty() && after.iter().all(|time| time.as_str() > "2024-01-02T07"),
        "{after:?}"
    );
}

#[test]
fn snapshots_move_to_another_database() {
    let stage = Stage::new("moved");
    let config = stage.config();
    let mut service = Service::start(&config);
    produce(&stage, 76, 0, 4_000);
    stage.wait_done(&mut [&mut service]);
    service.stop();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("snapshots.jsonl");
    let file = file.to_str().expect("a path");
    let url = format!("sqlite:{}", directory.path().join("new.db").display());
    let new = merge(config.clone(), &json!({"state": {"database_url": url}}));
    let missing = command(&new, &["snapshots", "list"]);
    assert_eq!(missing.status.code(), Some(1), "{missing:?}");
    let exported = told(&config, &["snapshots", "export", file]);
    let mut service = Service::start(&new);
    service.wait_ready();
    service.stop();
    let whole = std::fs::read_to_string(file).expect("the export");
    let piped = command(&config, &["snapshots", "export", "-"]);
    assert_eq!(String::from_utf8_lossy(&piped.stdout), whole);
    let cut = directory.path().join("cut.jsonl");
    let (kept, _) = whole.trim_end().rsplit_once('\n').expect("lines");
    std::fs::write(&cut, kept).expect("a file");
    let refused = command(&new, &["snapshots", "import", cut.to_str().expect("a path")]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    let place = format!("ends after line {} without its last line", kept.lines().count());
    assert!(said.contains("cut.jsonl") && said.contains(&place), "{said}");
    assert_eq!(told(&new, &["snapshots", "import", file]), exported);
    let verified = told(&new, &["snapshots", "verify"]);
    assert_eq!((&verified["customers"], &verified["damaged"]), (&exported["customers"], &json!(0)));
    let (old, copy) = (told(&config, &["snapshots", "list"]), told(&new, &["snapshots", "list"]));
    let partitions = |list: &Value| list["partitions"].as_array().expect("partitions").clone();
    for (old, copy) in partitions(&old).iter().zip(&partitions(&copy)) {
        assert_eq!(old["saved_offset"], copy["saved_offset"]);
        assert_eq!(old["customers"], copy["customers"]);
    }
    let mut service = Service::start(&new);
    produce(&stage, 76, 4_000, 7_000);
    stage.wait_done(&mut [&mut service]);
    service.stop();
    assert_exact(&stage, 76, 7_000);
}
