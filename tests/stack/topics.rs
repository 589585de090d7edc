//! Topics on real brokers: made on request, read from a time, read behind transactions' markers,
//! read on where partitions are added; and dead letters by time.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use synfinance::base::clock::now_millis;
use synfinance::edges::kafka::{
    Assignment, Connection, Consumer, Error, Headers, NewTopics, Outgoing, Producer, Reader, Start,
    ensure_topics, partitions_of,
};
use synfinance::stream::dead_letters::{self, Selection, Topic};

use crate::stage::{PARTITIONS, Stage};
use crate::{cluster, servers};

const PATIENCE: Duration = Duration::from_secs(60);

fn connection(brokers: &str) -> Connection {
    Connection::new(brokers, BTreeMap::new()).expect("no property")
}

fn send(producer: &Producer, topic: &str, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let value = number.to_string().into_bytes();
        let record = Outgoing { topic, key: Some(&value), value: Some(&value), headers: None };
        producer.send(record, 0, PATIENCE).expect("room for a record");
    }
    producer.flush(PATIENCE).expect("acknowledgements");
}

/// A moment later than everything before and no later than anything behind.
fn between() -> i64 {
    let moment = now_millis() + 1;
    while now_millis() < moment {
        std::thread::yield_now();
    }
    moment
}

/// The numbers that a reader finds until `is_done`, in their order.
fn read(reader: &Reader, mut is_done: impl FnMut(usize) -> bool) -> Vec<u32> {
    let (mut found, started) = (Vec::new(), Instant::now());
    while !is_done(found.len()) {
        assert!(started.elapsed() < 3 * PATIENCE, "{} records", found.len());
        let mut records = Vec::new();
        reader.take(1_000, Duration::from_millis(20), &mut records).expect("a reader that goes on");
        let number = |value: &[u8]| std::str::from_utf8(value).expect("text").parse::<u32>();
        found
            .extend(records.iter().map(|r| number(r.value().expect("a value")).expect("a number")));
    }
    found.sort_unstable();
    found
}

fn open(brokers: &str, topic: &str, start: Start) -> Reader {
    Reader::open(&connection(brokers), "readers", topic, start, PATIENCE).expect("a topic")
}

#[test]
fn missing_topics_are_created_whoever_is_first() {
    let stage = Stage::bare("topics-create", servers::kafka());
    let connection = connection(&stage.brokers);
    let wanted = [stage.transactions.as_str(), stage.alerts.as_str()];
    let error = ensure_topics(&connection, &wanted, None, PATIENCE).expect_err("no topics");
    assert!(matches!(error, Error::MissingTopics { .. }), "{error}");
    assert_eq!(cluster::partitions(&stage.brokers, &stage.transactions), None);
    let new = Some(NewTopics { partitions: Some(3) });
    std::thread::scope(|scope| {
        let ensure = || ensure_topics(&connection, &wanted, new, PATIENCE);
        let all: Vec<_> = (0..3).map(|_| scope.spawn(ensure)).collect();
        all.into_iter().for_each(|one| one.join().expect("no panic").expect("topics"));
    });
    for topic in wanted {
        assert_eq!(partitions_of(&connection, topic, PATIENCE).expect("a topic"), [0, 1, 2]);
    }
    let default = Some(NewTopics::default());
    ensure_topics(&connection, &[&stage.labels], default, PATIENCE).expect("a topic");
    assert_eq!(cluster::partitions(&stage.brokers, &stage.labels), Some(1), "the broker's default");
    let bad = ensure_topics(&connection, &["no/such name"], default, PATIENCE);
    let error = bad.expect_err("no name for a topic").to_string();
    assert!(error.contains("no/such name"), "{error}");
}

#[test]
fn reading_begins_at_a_time() {
    let stage = Stage::new("topics-time");
    let producer = Producer::new(&connection(&stage.brokers), Duration::ZERO).expect("a producer");
    send(&producer, &stage.labels, 0..100);
    let moment = between();
    send(&producer, &stage.labels, 100..200);
    let reader = open(&stage.brokers, &stage.labels, Start::Time(moment));
    let expected: Vec<u32> = (100..200).collect();
    assert_eq!(read(&reader, |_| reader.caught_up()), expected);
    let later = open(&stage.brokers, &stage.labels, Start::Time(between()));
    assert!(later.caught_up(), "nothing is that late");
    send(&producer, &stage.labels, 200..210);
    assert_eq!(read(&later, |count| count >= 10), (200..210).collect::<Vec<_>>());
}

#[test]
fn what_was_there_ends_behind_markers_and_without_what_was_aborted() {
    let stage = Stage::new("topics-markers");
    let connection = connection(&stage.brokers);
    let id = format!("{}-id", stage.group);
    let producer = Producer::transactional(&connection, Duration::ZERO, &id, PATIENCE);
    let producer = producer.expect("a producer");
    let (group, topic) = (&stage.group, &stage.transactions);
    let member = Consumer::join(&connection, group, topic, Assignment::Eager).expect("a member");
    producer.begin().expect("a transaction");
    send(&producer, &stage.labels, 0..50);
    producer.commit(&member, &[], PATIENCE).expect("a commit");
    producer.begin().expect("a transaction");
    send(&producer, &stage.labels, 50..100);
    producer.abort(PATIENCE).expect("an end");
    let reader = open(&stage.brokers, &stage.labels, Start::Beginning);
    assert!(!reader.caught_up());
    assert_eq!(read(&reader, |_| reader.caught_up()), (0..50).collect::<Vec<_>>());
    let (done, all) = reader.progress();
    assert!(done == all && all > 100, "{done} of {all}");
}

#[test]
fn partitions_that_are_added_are_read() {
    let stage = Stage::new("topics-grow");
    let reader = open(&stage.brokers, &stage.labels, Start::Beginning);
    let producer = Producer::new(&connection(&stage.brokers), Duration::ZERO).expect("a producer");
    send(&producer, &stage.labels, 0..100);
    assert_eq!(read(&reader, |count| count == 100).len(), 100);
    cluster::add_partitions(&stage.brokers, &stage.labels, 4 * PARTITIONS);
    let fresh = Producer::new(&connection(&stage.brokers), Duration::ZERO).expect("a producer");
    send(&fresh, &stage.labels, 100..500);
    assert_eq!(read(&reader, |count| count == 400), (100..500).collect::<Vec<_>>());
    assert!(reader.caught_up());
}

#[test]
fn dead_letters_are_found_and_replayed_by_time() {
    let stage = Stage::new("topics-letters");
    let connection = connection(&stage.brokers);
    let producer = Producer::new(&connection, Duration::ZERO).expect("a producer");
    let letter = |value: &[u8]| {
        let headers = Headers::default()
            .with("error.reason", "empty")
            .with("source.topic", &stage.transactions)
            .with("source.partition", "2");
        let (topic, key) = (stage.dead_letters.as_str(), Some(b"c".as_slice()));
        let record = Outgoing { topic, key, value: Some(value), headers: Some(headers) };
        producer.send(record, 0, PATIENCE).expect("room for a record");
        producer.flush(PATIENCE).expect("acknowledgements");
    };
    letter(b"old");
    let since_ms = Some(between());
    letter(b"new");
    let stop = AtomicBool::new(false);
    let topic = Topic {
        connection: &connection,
        group_id: &stage.group,
        name: &stage.dead_letters,
        patience: PATIENCE,
        stop: &stop,
    };
    let selection = Selection { since_ms, ..Selection::default() };
    let listing = dead_letters::list(&topic, &selection, 10).expect("letters");
    assert_eq!((listing.selected, listing.letters[0].size), (1, Some(3)));
    let done = dead_letters::replay(&topic, &selection, &stage.transactions, false);
    assert_eq!(done.expect("a replay").replayed, 1);
    let ends = cluster::ends(&stage.brokers, &stage.transactions);
    assert_eq!(ends, BTreeMap::from([(0, 0), (1, 0), (2, 1), (3, 0)]));
}
