//! The real worker against librdkafka's mock cluster, in process.
//!
//! Real consumers, groups and producers over sockets; scores come from a scorer whose outcome
//! anybody can compute, so that what must be alerted is known. Producers stay within what the mock
//! keeps.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use synfinance::base::clock::now_millis;
use synfinance::core::codec::{
    ALERT_SCHEMA, Framing, Reason, TRANSACTION_SCHEMA, encode_transaction, frame_confluent,
    read_alert,
};
use synfinance::core::decision::{Severity, alert_id};
use synfinance::core::engine::{Decision, EngineError, Memory, Place};
use synfinance::core::transaction::{RawTransaction, Transaction};
use synfinance::edges::kafka::committed_offsets;
use synfinance::edges::kafka::{
    Assignment, Connection, Consumer, Headers, MockCluster, Outgoing, Producer,
};
use synfinance::stream::worker::{
    self, Counts, Delivery, Event, ModelName, Schemas, Score, Settings, Surroundings, Topics,
};
use synfinance::tools::demo;
use synfinance::tools::generate;

#[path = "embedded_support/bounded.rs"]
mod bounded;
mod engine_support;
#[path = "embedded_support/remembered.rs"]
mod remembered;
#[path = "embedded_support/silent.rs"]
mod silent;

const PATIENCE: Duration = Duration::from_secs(60);

/// Suspects whatever costs a multiple of ten in paise, and knows every id that it or its clones
/// have seen.
#[derive(Default, Clone)]
struct Tens {
    seen: Arc<Mutex<HashSet<String>>>,
}

fn is_suspect(amount: f64) -> bool {
    (amount * 100.0).round() as i64 % 10 == 0
}

impl Score for Tens {
    fn score(
        &mut self,
        _: &mut Memory,
        batch: &[Transaction<'_>],
        _: &[Place],
        decisions: &mut Vec<Option<Decision>>,
    ) -> Result<(), EngineError> {
        decisions.clear();
        for transaction in batch {
            let is_new = self.seen.lock().unwrap().insert(transaction.transaction_id.to_owned());
            let score = if is_suspect(transaction.amount.major()) { 0.9 } else { 0.1 };
            let severity = Severity::of(score, 0.5);
            decisions.push(is_new.then_some(Decision { score, severity, reasons: Vec::new() }));
        }
        Ok(())
    }

    fn restore(&mut self, _: &mut Memory, transaction: &Transaction<'_>, _: Place) {
        self.seen.lock().unwrap().insert(transaction.transaction_id.to_owned());
    }
}

fn model() -> ModelName {
    ModelName { name: "tens".to_owned(), version: "1".to_owned(), threshold: 0.5 }
}

fn cluster(partitions: i32) -> (MockCluster, Connection) {
    cluster_of(partitions, &[])
}

/// A cluster with more topics, of one partition each.
fn cluster_of(partitions: i32, more: &[&str]) -> (MockCluster, Connection) {
    let topics = Topics::default();
    let usual = [
        (&*topics.transactions, partitions),
        (&topics.alerts, partitions),
        (&topics.dead_letters, 1),
    ];
    let more = more.iter().map(|&topic| (topic, 1));
    let topics: Vec<(&str, i32)> = usual.into_iter().chain(more).collect();
    let cluster = MockCluster::start(&topics).unwrap();
    let quick = [("fetch.wait.max.ms", "2"), ("session.timeout.ms", "6000")];
    let quick = quick.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let connection = Connection::new(cluster.connection().brokers(), quick.into()).unwrap();
    (cluster, connection)
}

fn settings(connection: &Connection, assignment: Assignment) -> Settings {
    Settings {
        connection: connection.clone(),
        group_id: "g".to_owned(),
        assignment,
        topics: Topics::default(),
        schemas: Schemas::of(&[(1, TRANSACTION_SCHEMA), (2, ALERT_SCHEMA)]),
        framing: Framing::Confluent(2),
        delivery: Delivery::AtLeastOnce,
        model: model(),
        batch_records: 500,
        batch_wait: Duration::from_millis(20),
        commit_interval: Duration::from_millis(50),
        snapshots: None,
        memory: Duration::from_secs(31 * 86_400),
        patience: PATIENCE,
        shutdown_deadline: PATIENCE,
    }
}

fn value(number: u64, schema: u32) -> Vec<u8> {
    let id = format!("t-{number}");
    let raw = RawTransaction {
        transaction_id: &id,
        customer_id: &customer(number),
        merchant_id: "m",
        event_time: 1_767_225_600_000 + number as i64,
        amount: number as f64 / 100.0,
        ..RawTransaction::default()
    };
    let mut value = Vec::new();
    frame_confluent(schema, &mut value);
    encode_transaction(&raw, &mut value);
    value
}

fn customer(number: u64) -> String {
    format!("c-{}", number % 97)
}

/// Produces transactions keyed by customer, and waits until the brokers have them.
fn produce(connection: &Connection, numbers: impl Iterator<Item = u64>) {
    let producer = Producer::new(connection, Duration::ZERO).unwrap();
    for number in numbers {
        let (key, value) = (customer(number), value(number, 1));
        let key = Some(key.as_bytes());
        let record = Outgoing { topic: "transactions", key, value: Some(&value), headers: None };
        producer.send(record, 0, PATIENCE).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
}

/// A worker's run until all workers sharing `total` have done `until` records, duplicates apart.
fn work(
    settings: &Settings,
    mut scorer: Tens,
    until: u64,
    (total, stop): (&AtomicU64, &AtomicBool),
) -> Counts {
    let mut own = 0;
    let mut observe = |event: Event<'_>| {
        if let Event::Counted(counts, _) = event {
            let done = counts.handled() - counts.duplicates;
            let new = done - std::mem::replace(&mut own, done);
            if total.fetch_add(new, Ordering::SeqCst) + new >= until {
                stop.store(true, Ordering::SeqCst);
            }
        }
    };
    let surroundings = Surroundings {
        clock: &|| now_millis() * 1_000,
        stop,
        verdicts: &mut |_| (),
        observe: &mut observe,
    };
    worker::run(settings, &mut scorer, &mut Memory::default(), surroundings).unwrap()
}

fn work_alone(settings: &Settings, until: u64) -> Counts {
    work(settings, Tens::default(), until, (&AtomicU64::new(0), &AtomicBool::new(false)))
}

/// What a topic holds, read by a group of its own until `count` records have come.
fn read<T>(
    connection: &Connection,
    topic: &str,
    count: usize,
    mut take: impl FnMut(&synfinance::edges::kafka::Record<'_>) -> T,
) -> Vec<T> {
    let group = format!("reader-{topic}");
    let consumer = Consumer::join(connection, &group, topic, Assignment::Eager).unwrap();
    let started = Instant::now();
    let mut taken = Vec::new();
    // Once all are there, one more look finds what should not be.
    let mut extra_looks = 20;
    while extra_looks > 0 {
        assert!(started.elapsed() < PATIENCE, "{} of {count} records of {topic}", taken.len());
        let mut records = Vec::new();
        consumer.take(1_000, Duration::from_millis(5), &mut records).unwrap();
        taken.extend(records.iter().map(&mut take));
        drop(records);
        while consumer.rebalance().is_some() {
            consumer.complete(&[]).unwrap();
        }
        extra_looks -= usize::from(taken.len() >= count);
    }
    taken
}

fn alerts(connection: &Connection, count: usize) -> Vec<String> {
    read(connection, "fraud-alerts", count, |record| {
        read_alert(record.value().unwrap(), 2).unwrap().alert_id.to_owned()
    })
}

fn suspects(numbers: impl Iterator<Item = u64>) -> HashSet<String> {
    let suspects = numbers.filter(|number| is_suspect(*number as f64 / 100.0));
    suspects.map(|number| alert_id(&format!("t-{number}")).to_string()).collect()
}

/// Committed offsets of all partitions, summed.
fn committed(connection: &Connection, partitions: i32) -> i64 {
    let partitions: Vec<i32> = (0..partitions).collect();
    let offsets =
        committed_offsets(connection, "g", "transactions", &partitions, PATIENCE).unwrap();
    offsets.into_iter().map(|(_, offset)| offset).sum()
}

#[test]
fn every_transaction_is_scored_and_every_alert_published_once() {
    let (_cluster, connection) = cluster(4);
    produce(&connection, 0..20_000);
    let counts = work_alone(&settings(&connection, Assignment::Cooperative), 20_000);
    assert_eq!((counts.received, counts.scored), (20_000, 20_000));
    assert_eq!((counts.duplicates, counts.miskeyed), (0, 0));
    assert_eq!((counts.alerts_total(), counts.acknowledged_alerts), (2_000, 2_000));
    assert_eq!(counts.alert_latency.total(), 2_000);
    let found = alerts(&connection, 2_000);
    assert_eq!(found.len(), 2_000);
    assert_eq!(found.into_iter().collect::<HashSet<_>>(), suspects(0..20_000));
    assert_eq!(committed(&connection, 4), 20_000);
}

#[test]
fn a_group_goes_on_where_it_stopped() {
    let (_cluster, connection) = cluster(3);
    let settings = settings(&connection, Assignment::Eager);
    produce(&connection, 0..3_000);
    let first = work_alone(&settings, 1_000);
    assert!(first.handled() >= 1_000);
    assert_eq!(committed(&connection, 3), first.handled() as i64);
    produce(&connection, 3_000..5_000);
    let second = work_alone(&settings, 5_000 - first.handled());
    assert_eq!(first.scored + second.scored, 5_000);
    assert_eq!(alerts(&connection, 500).len(), 500);
    assert_eq!(committed(&connection, 3), 5_000);
}

#[test]
fn commits_are_confirmed_and_a_worker_without_records_makes_none() {
    let (_cluster, connection) = cluster(3);
    let settings = settings(&connection, Assignment::Eager);
    produce(&connection, 0..1_000);
    let stop = AtomicBool::new(false);
    let (mut received, mut confirmed, mut is_refused) = (0, 0, false);
    // Turns since the last commit was confirmed, with all records taken and nothing to do.
    let (mut turns, mut all_turns) = (0, 0);
    let mut observe = |event: Event<'_>| match event {
        Event::Counted(counts, _) => received = counts.received,
        Event::Committed(true) => (confirmed, turns) = (confirmed + 1, 0),
        Event::Committed(false) => is_refused = true,
        Event::Beat => {
            (turns, all_turns) = (turns + 1, all_turns + 1);
            // Twenty turns of 20 ms: eight times the interval of commits.
            let is_over = received == 1_000 && confirmed > 0 && turns > 20;
            stop.store(is_over || all_turns > 3_000, Ordering::SeqCst);
        }
        _ => {}
    };
    let surroundings = Surroundings {
        clock: &|| now_millis() * 1_000,
        stop: &stop,
        verdicts: &mut |_| (),
        observe: &mut observe,
    };
    let (mut scorer, mut memory) = (Tens::default(), Memory::default());
    worker::run(&settings, &mut scorer, &mut memory, surroundings).unwrap();
    assert!(all_turns <= 3_000, "{confirmed} commits, and it goes on");
    assert!(!is_refused);
    assert_eq!(committed(&connection, 3), 1_000);
}

#[test]
fn workers_share_partitions_and_hand_them_over_without_loss() {
    for assignment in [Assignment::Cooperative, Assignment::Eager] {
        let (_cluster, connection) = cluster(4);
        let settings = settings(&connection, assignment);
        let (total, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        let scorer = Tens::default();
        let [first, second] = thread::scope(|scope| {
            let first = scope.spawn(|| work(&settings, scorer.clone(), 20_000, (&total, &stop)));
            produce(&connection, 0..5_000);
            // The second one joins while the first has work to do.
            let second = scope.spawn(|| work(&settings, scorer.clone(), 20_000, (&total, &stop)));
            for start in (5_000..20_000).step_by(500) {
                produce(&connection, start..start + 500);
                let started = Instant::now();
                while total.load(Ordering::SeqCst) + 4_000 < start {
                    if started.elapsed() > PATIENCE {
                        stop.store(true, Ordering::SeqCst);
                        panic!("{assignment:?}: {total:?} of {start}");
                    }
                    thread::yield_now();
                }
            }
            [first.join().unwrap(), second.join().unwrap()]
        });
        assert_eq!(first.scored + second.scored, 20_000, "{assignment:?}");
        // At least once: where the broker refuses a commit in the middle of a rebalance, records
        // are read again, and known ids are not alerted again.
        println!("{assignment:?}: {} read again", first.duplicates + second.duplicates);
        assert!(second.scored > 0, "{assignment:?}");
        let found: HashSet<String> = alerts(&connection, 2_000).into_iter().collect();
        assert_eq!(found, suspects(0..20_000), "{assignment:?}");
    }
}

#[test]
fn a_record_that_cannot_be_scored_is_kept_and_the_stream_goes_on() {
    let (_cluster, connection) = cluster(1);
    let huge = vec![0; (1 << 20) + 1];
    let truncated = &value(1, 1)[..20];
    let poison: [(Option<&[u8]>, Reason); 7] = [
        (None, Reason::Empty),
        (Some(b""), Reason::Empty),
        (Some(b"{}"), Reason::UnknownFraming),
        (Some(&value(1, 77)), Reason::UnknownSchema),
        (Some(truncated), Reason::MalformedAvro),
        (Some(&[0xC3, 1, 2, 3]), Reason::UnknownFraming),
        (Some(&huge), Reason::TooLarge),
    ];
    let big = BTreeMap::from([("message.max.bytes".to_owned(), "4000000".to_owned())]);
    let big = Connection::new(connection.brokers(), big).unwrap();
    let producer = Producer::new(&big, Duration::ZERO).unwrap();
    for (number, (value, _)) in poison.iter().enumerate() {
        let headers = Headers::default().with("trace", &number.to_string());
        let key = b"some \xFF key".as_slice();
        let record = Outgoing {
            topic: "transactions",
            key: Some(key),
            value: *value,
            headers: Some(headers),
        };
        producer.send(record, 0, PATIENCE).unwrap();
        producer.flush(PATIENCE).unwrap();
        produce(&connection, [number as u64 * 10 + 10].into_iter());
    }
    let counts = work_alone(&settings(&connection, Assignment::Cooperative), 14);
    assert_eq!((counts.scored, counts.dead_letters_total()), (7, 7));
    assert_eq!(counts.dead_letters(Reason::Empty), 2);
    assert_eq!(counts.dead_letters(Reason::UnknownSchema), 1);
    assert_eq!(alerts(&connection, 7).len(), 7);
    assert_eq!(committed(&connection, 1), 14);

    let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
    let letters = read(&connection, "transactions-dlq", 7, |record| {
        let headers: HashMap<&str, String> = [
            "trace",
            "error.reason",
            "error.message",
            "source.topic",
            "source.partition",
            "source.offset",
            "failed.at",
        ]
        .map(|name| (name, text(record.header(name))))
        .into();
        (record.key().map(<[u8]>::to_vec), record.value().map(<[u8]>::to_vec), headers)
    });
    assert_eq!(letters.len(), 7);
    for (number, ((key, value, headers), (sent, reason))) in letters.iter().zip(&poison).enumerate()
    {
        assert_eq!(key.as_deref(), Some(b"some \xFF key".as_slice()));
        assert_eq!(value.as_deref(), *sent);
        assert_eq!(headers["trace"], number.to_string());
        assert_eq!(headers["error.reason"], reason.word());
        assert!(!headers["error.message"].is_empty());
        assert_eq!(headers["source.topic"], "transactions");
        assert_eq!(headers["source.partition"], "0");
        assert_eq!(headers["source.offset"], (2 * number).to_string());
        let failed_at: jiff::Timestamp = headers["failed.at"].parse().unwrap();
        assert!((now_millis() - failed_at.as_millisecond()).abs() < 120_000);
        assert!(headers["failed.at"].ends_with('Z'));
    }
}

#[test]
fn duplicates_and_miskeyed_records_are_counted() {
    let (_cluster, connection) = cluster(1);
    let producer = Producer::new(&connection, Duration::ZERO).unwrap();
    for (number, key) in [(10, "c-10"), (10, "c-10"), (20, "c-99"), (30, "c-30")] {
        let value = value(number, 1);
        let key = Some(key.as_bytes());
        let record = Outgoing { topic: "transactions", key, value: Some(&value), headers: None };
        producer.send(record, 0, PATIENCE).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
    let counts = work_alone(&settings(&connection, Assignment::Eager), 3);
    assert_eq!((counts.scored, counts.duplicates, counts.miskeyed), (3, 1, 1));
    assert_eq!(alerts(&connection, 3).len(), 3);
}

#[test]
fn a_slow_cluster_is_waited_for() {
    let (cluster, connection) = cluster(2);
    produce(&connection, 0..100);
    cluster.delay_answers(Duration::from_millis(40)).unwrap();
    let counts = work_alone(&settings(&connection, Assignment::Cooperative), 100);
    assert_eq!((counts.scored, counts.acknowledged_alerts), (100, 10));
    assert_eq!(committed(&connection, 2), 100);
}

fn demo_settings(transactions: u64) -> demo::Settings {
    let generate = generate::Settings { transactions, ..generate::Settings::default() };
    demo::Settings::new(generate, model())
}

#[test]
fn a_demo_loses_nothing() {
    let received = AtomicUsize::new(0);
    let summary = demo::run(
        &demo_settings(200_000),
        &|| Ok(Tens::default()),
        &AtomicBool::new(false),
        &mut |alert| {
            assert!(is_suspect(alert.amount), "{alert:?}");
            received.fetch_add(1, Ordering::Relaxed);
        },
        &mut |progress| assert!(progress.handled <= 200_000),
    )
    .unwrap();
    println!("{summary:#?}");
    assert_eq!((summary.transactions, summary.scored, summary.lost), (200_000, 200_000, 0));
    assert_eq!((summary.duplicates, summary.dead_letters), (0, 0));
    assert_eq!(summary.alerts as usize, received.load(Ordering::Relaxed));
    assert!(summary.alerts > 2_000, "{summary:?}");
    let [precision, recall] = [summary.precision, summary.recall].map(Option::unwrap);
    assert!((0.0..=1.0).contains(&precision) && (0.0..=1.0).contains(&recall));
}

#[test]
fn a_demo_ends_early_and_in_order_when_it_is_told_to() {
    let stop = AtomicBool::new(false);
    let settings = demo::Settings { rate: Some(2_000.0), ..demo_settings(1_000_000) };
    let summary =
        demo::run(&settings, &|| Ok(Tens::default()), &stop, &mut |_| {}, &mut |progress| {
            stop.store(progress.handled >= 200, Ordering::SeqCst)
        })
        .unwrap();
    assert!((200..1_000_000).contains(&summary.transactions), "{summary:?}");
    assert_eq!((summary.scored, summary.lost), (summary.transactions, 0));
    assert!(summary.transactions_per_second < 2_500.0, "{summary:?}");
}

#[test]
fn a_demo_without_engines_fails_and_does_not_hang() {
    let fail = || -> Result<Tens, EngineError> {
        Err(EngineError::UnknownFeature { model: "m".to_owned(), feature: "f".to_owned() })
    };
    let run =
        demo::run(&demo_settings(1_000), &fail, &AtomicBool::new(false), &mut |_| {}, &mut |_| {});
    assert!(matches!(run, Err(demo::Error::Engine(_))), "{run:?}");
}
