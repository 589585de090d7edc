//! The real worker and engine with memory for a tenth of the customers: the others are in a
//! database, leave and come back all the time, and no decision changes by it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use synfinance::base::clock::now_millis;
use synfinance::core::codec::{encode_transaction, frame_confluent, read_alert};
use synfinance::core::engine::Memory;
use synfinance::edges::database::{Location, Stream};
use synfinance::edges::kafka::{Assignment, Connection, Outgoing, Producer};
use synfinance::stream::snapshots::Policy;
use synfinance::stream::snapshots::policy::SavePoint;
use synfinance::stream::worker::{self, Budget, Event, Met, Snapshots, Surroundings};
use synfinance::tools::generate::{self, Generator};

use super::{PATIENCE, cluster_of, engine_support, read, settings};

const PARTITIONS: i32 = 2;
const TRANSACTIONS: usize = 12_000;
const CUSTOMERS: u32 = 600;

fn produce_generated(connection: &Connection) {
    let settings = generate::Settings {
        transactions: TRANSACTIONS as u64,
        customers: CUSTOMERS,
        ..generate::Settings::default()
    };
    let producer = Producer::new(connection, Duration::ZERO).unwrap();
    for payment in Generator::new(&settings).unwrap() {
        let raw = payment.raw();
        let mut value = Vec::new();
        frame_confluent(1, &mut value);
        encode_transaction(&raw, &mut value);
        let key = Some(raw.customer_id.as_bytes());
        let record = Outgoing { topic: "transactions", key, value: Some(&value), headers: None };
        producer.send(record, 0, PATIENCE).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
}

/// What a group of its own decides about every transaction, and what its engine met.
fn decide(
    connection: &Connection,
    name: &str,
    snapshots: Option<Snapshots>,
) -> (BTreeMap<String, u64>, Met, u64, usize) {
    let mut settings = settings(connection, Assignment::Cooperative);
    settings.group_id = name.to_owned();
    settings.topics.alerts = format!("alerts-{name}");
    settings.topics.scored = Some(format!("scored-{name}"));
    settings.snapshots = snapshots;
    let mut engine = engine_support::engine(engine_support::context("UTC"), None);
    let mut memory = Memory::default();
    let (stop, mut met, mut most) = (AtomicBool::new(false), Met::default(), 0);
    let (mut handled, mut left) = (0, BTreeMap::new());
    let mut observe = |event: Event<'_>| match event {
        Event::Counted(counts, now) => {
            (met, handled) = (now, counts.handled());
        }
        // On a machine that is busy a member may be taken for dead, and judge some again.
        Event::Lag(lag) => {
            left.insert(lag.partition, lag.records);
            let is_read = left.len() == PARTITIONS as usize && left.values().all(|&left| left == 0);
            stop.store(is_read && handled >= TRANSACTIONS as u64, Ordering::SeqCst);
        }
        Event::StateBytes(bytes) => most = most.max(bytes),
        _ => {}
    };
    let surroundings = Surroundings {
        clock: &|| now_millis() * 1_000,
        stop: &stop,
        verdicts: &mut |_| (),
        observe: &mut observe,
    };
    let counts = worker::run(&settings, &mut engine, &mut memory, surroundings).unwrap();
    let most = most.max(memory.bytes());
    let scored = read(connection, &format!("scored-{name}"), TRANSACTIONS, |record| {
        let alert = read_alert(record.value().unwrap(), 2).unwrap();
        (alert.transaction_id.to_owned(), alert.score.to_bits())
    });
    (scored.into_iter().collect(), met, counts.missed, most)
}

#[test]
fn memory_for_a_tenth_of_the_customers_changes_no_decision() {
    let topics = ["alerts-all", "scored-all", "alerts-tenth", "scored-tenth"];
    let (_cluster, connection) = cluster_of(PARTITIONS, &topics);
    produce_generated(&connection);
    let (expected, met, missed, bytes) = decide(&connection, "all", None);
    assert_eq!((expected.len(), met.evicted, missed), (TRANSACTIONS, 0, 0));

    let directory = tempfile::tempdir().unwrap();
    let location = Location::Sqlite(directory.path().join("snapshots.db"));
    let stream = Stream { group_id: "tenth".to_owned(), topic: "transactions".to_owned() };
    let snapshots = Snapshots {
        open: Arc::new(move || location.open(&stream)),
        complain: Arc::new(|said| assert_eq!(said, None)),
        owner: "test".to_owned(),
        policy: Policy(vec![SavePoint { after: Duration::from_secs(3_600), changed: usize::MAX }]),
        portions: Default::default(),
        goes_on_incomplete: true,
        budget: Budget::new(bytes / 10),
        in_turns: None,
    };
    let (decided, met, missed, _) = decide(&connection, "tenth", Some(snapshots));
    let other = expected.iter().find(|(id, score)| decided.get(*id) != Some(score));
    assert_eq!(other.map(|(id, score)| (score, decided.get(id))), None, "of {other:?}");
    assert!(met.evicted > u64::from(CUSTOMERS), "{met:?}");
    assert!(missed > u64::from(CUSTOMERS), "{missed}");
    assert!(met.customers < CUSTOMERS as usize / 2, "{met:?}");
}
