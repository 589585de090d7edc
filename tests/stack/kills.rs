//! `kill -9` under load, counted by an oracle.
//!
//! Two processes share the partitions; in turn the one, the other, both, and one that has just been
//! started are killed. A killed process leaves alerts without offsets, or a transaction that nobody
//! ends; its successor has to rebuild windows of days, half of what makes an alert. Against what
//! came out stand two counts: `payments.py` from the seed, and the service itself, undisturbed, in
//! another group over the same records. Both leave every customer in the database, and those have
//! to be the same to the byte.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use synfinance::edges::database::{Location, Stream};

use crate::cluster;
use crate::oracle::Verdict;
use crate::servers;
use crate::service::{Service, merge};
use crate::stage::{PARTITIONS, Stage};

const SOON: Duration = Duration::from_secs(90);
const RATE: u32 = 1_500;
const SEED: u64 = 51;

/// How often it is killed: a few times, or as often as `SYNFINANCE_KILLS` says.
fn kills() -> u32 {
    let kills = std::env::var("SYNFINANCE_KILLS").ok().filter(|kills| !kills.is_empty());
    kills.map_or(3, |kills| kills.parse().expect("SYNFINANCE_KILLS is a number"))
}

/// Pseudo-random moments that are the same in every run.
fn moment(round: u32) -> Duration {
    Duration::from_millis(u64::from(round.wrapping_mul(2_654_435_761) >> 16) % 700)
}

fn killed(delivery: &str, isolation: &str) -> Verdict {
    let stage = Stage::new(&format!("kills-{delivery}"));
    let kafka = json!({"transaction.timeout.ms": "10000"});
    let over = json!({"stream": {"delivery": delivery, "kafka": kafka}});
    let config = merge(stage.config(), &over);
    let mut pair = vec![Service::start(&config), Service::start(&config)];
    let producing = stage.produce_on(SEED, RATE);
    for round in 0..kills() {
        for service in &mut pair {
            service.wait_ready();
            service.wait_metric(SOON, "synfinance_transactions_total", "", 800.0);
        }
        std::thread::sleep(moment(round));
        let victim = (round % 2) as usize;
        pair.remove(victim).kill();
        if round % 3 == 2 {
            pair.remove(0).kill();
        }
        if round % 2 == 1 {
            let starting = Service::spawn(&config);
            std::thread::sleep(moment(round) + Duration::from_millis(200));
            starting.kill();
        }
        while pair.len() < 2 {
            pair.push(Service::spawn(&config));
        }
    }
    pair.iter_mut().for_each(Service::wait_ready);
    let sent = producing.finish();
    let [first, second] = &mut pair[..] else { panic!("two services") };
    stage.wait_done(&mut [first, second]);
    pair.into_iter().for_each(Service::stop);

    let alerts = stage.consume(&stage.alerts, isolation);
    let verdict = Verdict::new(&sent.expected(), &alerts);
    verdict.print(&format!("{} x kill -9, {delivery}, against python", kills()));
    verdict.assert_none_missed();
    let (undisturbed, unkilled) = undisturbed(&stage);
    let verdict = Verdict::new(&undisturbed, &alerts);
    verdict.print(&format!("{} x kill -9, {delivery}, against an undisturbed run", kills()));
    verdict.assert_none_missed();
    let customers = stored(&stage);
    let differs = unkilled.iter().find(|&(of, state)| customers.get(of) != Some(state));
    assert!(differs.is_none(), "remembered otherwise than without kills: {differs:?}");
    assert_eq!(customers.len(), unkilled.len());
    println!("{} x kill -9, {delivery}: {} customers, all the same", kills(), customers.len());
    verdict
}

/// What is stored of every customer: up to which offset, and the state.
type Stored = BTreeMap<(i32, String), (i64, Vec<u8>)>;

fn stored(stage: &Stage) -> Stored {
    let location = Location::parse(servers::postgres()).expect("a URL");
    let stream = Stream { group_id: stage.group.clone(), topic: stage.transactions.clone() };
    let mut store = location.open(&stream).expect("a database");
    let mut stored = Stored::new();
    for at in store.progress().expect("partitions") {
        assert_eq!(at.owner, None, "partition {} was not let go", at.partition);
        let mut scan = store.scan(at.partition).expect("customers");
        loop {
            let more = scan.next().expect("customers");
            if more.is_empty() {
                break;
            }
            stored.extend(
                more.into_iter()
                    .map(|row| ((at.partition, row.customer_id), (row.applied_offset, row.state))),
            );
        }
    }
    assert!(!stored.is_empty());
    stored
}

/// The alerts of one process with one worker that nobody kills, over the same records, and what it
/// remembers. Scores are compared field by field.
fn undisturbed(stage: &Stage) -> (Vec<serde_json::Value>, Stored) {
    let quiet = Stage {
        alerts: format!("{}-quiet", stage.alerts),
        group: format!("{}-quiet", stage.group),
        transactions: stage.transactions.clone(),
        brokers: stage.brokers.clone(),
        registry: stage.registry.clone(),
        labels: stage.labels.clone(),
        dead_letters: stage.dead_letters.clone(),
    };
    cluster::create_topic(&quiet.brokers, &quiet.alerts, PARTITIONS);
    let config = merge(quiet.config(), &json!({"stream": {"workers": 1}}));
    let mut service = Service::start(&config);
    quiet.wait_done(&mut [&mut service]);
    service.stop();
    let records = quiet.consume(&quiet.alerts, "read_uncommitted");
    let mut alerts: Vec<_> = records.into_iter().map(|record| record["value"].clone()).collect();
    for alert in &mut alerts {
        alert.as_object_mut().expect("an alert").remove("scored_at");
    }
    (alerts, stored(&quiet))
}

#[test]
fn at_least_once_a_killed_process_loses_no_alert() {
    killed("at_least_once", "read_uncommitted");
}

#[test]
fn exactly_once_a_killed_process_neither_loses_nor_repeats_an_alert() {
    killed("exactly_once", "read_committed").assert_exact();
}
