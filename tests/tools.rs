//! Reading whole topics, verdicts to workers, dead letters and back, against librdkafka's mock
//! cluster.
//!
//! The mock answers every question for a time with "nothing is that late" and creates no topics on
//! request, so what follows from other answers is tested against real brokers.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use synfinance::base::clock::now_millis;
use synfinance::core::codec::{
    DecodedLabel, Decoder, LABEL_SCHEMA, Reason, SchemaAnswer, encode_label, frame_confluent,
};
use synfinance::core::transaction::{EventTime, Label};
use synfinance::edges::kafka::{
    Connection, Copier, Destination, Error, Headers, MockCluster, NewTopics, Outgoing, Producer,
    Reader, Record, Start, ensure_topics, partitions_of,
};
use synfinance::stream::dead_letters::{self, Place, Selection, Topic};
use synfinance::stream::health::Health;
use synfinance::stream::labels::{Event, Follower, Inbox, Lookup, Settings};

const PATIENCE: Duration = Duration::from_secs(60);

/// Calls `look` until it says yes.
fn until(what: &str, mut look: impl FnMut() -> bool) {
    let started = Instant::now();
    while !look() {
        assert!(started.elapsed() < PATIENCE, "{what}");
        thread::yield_now();
    }
}

fn cluster(topics: &[(&str, i32)]) -> (MockCluster, Connection) {
    let cluster = MockCluster::start(topics).unwrap();
    let quick = [("fetch.wait.max.ms", "2")].map(|(key, value)| (key.into(), value.into()));
    let connection = Connection::new(cluster.connection().brokers(), quick.into()).unwrap();
    (cluster, connection)
}

fn open(connection: &Connection, topic: &str, start: Start) -> Reader {
    Reader::open(connection, "tools", topic, start, PATIENCE).unwrap()
}

/// Produces values keyed by themselves, in order.
fn produce(connection: &Connection, topic: &str, values: &[Vec<u8>]) {
    let producer = Producer::new(connection, Duration::ZERO).unwrap();
    for value in values {
        let record = Outgoing { topic, key: Some(value), value: Some(value), headers: None };
        producer.send(record, 0, PATIENCE).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
    producer.acknowledged(&mut Vec::new()).unwrap();
}

fn numbers(numbers: impl Iterator<Item = u32>) -> Vec<Vec<u8>> {
    numbers.map(|number| number.to_string().into_bytes()).collect()
}

/// Values by partition until `is_done`.
fn read(reader: &Reader, mut is_done: impl FnMut(usize) -> bool) -> BTreeMap<i32, Vec<Vec<u8>>> {
    let mut found: BTreeMap<i32, Vec<Vec<u8>>> = BTreeMap::new();
    let mut count = 0;
    until("records are read", || {
        let mut records = Vec::new();
        reader.take(100, Duration::from_millis(5), &mut records).unwrap();
        assert!(records.len() <= 100);
        count += records.len();
        for record in &records {
            found.entry(record.partition()).or_default().push(record.value().unwrap().to_vec());
        }
        is_done(count)
    });
    found
}

fn sorted(found: BTreeMap<i32, Vec<Vec<u8>>>) -> Vec<u32> {
    let text = |value: Vec<u8>| String::from_utf8(value).unwrap().parse().unwrap();
    let mut all: Vec<u32> = found.into_values().flatten().map(text).collect();
    all.sort_unstable();
    all
}

#[test]
fn a_topic_is_read_from_its_beginning_and_beyond() {
    let (_cluster, connection) = cluster(&[("t", 3)]);
    produce(&connection, "t", &numbers(0..3_000));
    let reader = open(&connection, "t", Start::Beginning);
    assert!(!reader.caught_up());
    assert_eq!(reader.progress(), (0, 3_000));
    let found = read(&reader, |_| reader.caught_up());
    assert_eq!(reader.progress(), (3_000, 3_000));
    assert_eq!(found.len(), 3);
    for values in found.values() {
        let numbers: Vec<u32> =
            values.iter().map(|v| str::from_utf8(v).unwrap().parse().unwrap()).collect();
        assert!(numbers.is_sorted(), "a partition's order is kept");
    }
    assert_eq!(sorted(found), (0..3_000).collect::<Vec<_>>());
    produce(&connection, "t", &numbers(3_000..3_100));
    let later = read(&reader, |count| count == 100);
    assert_eq!(sorted(later), (3_000..3_100).collect::<Vec<_>>());
    assert!(reader.caught_up());
}

#[test]
fn an_empty_topic_is_read_at_once() {
    let (_cluster, connection) = cluster(&[("t", 2)]);
    let reader = open(&connection, "t", Start::Beginning);
    assert!(reader.caught_up());
    produce(&connection, "t", &numbers(0..1));
    assert_eq!(sorted(read(&reader, |count| count == 1)), [0]);
}

#[test]
fn reading_begins_at_a_time_or_at_the_end() {
    let (_cluster, connection) = cluster(&[("t", 2)]);
    produce(&connection, "t", &numbers(0..100));
    let reader = open(&connection, "t", Start::Time(now_millis()));
    assert!(reader.caught_up(), "nothing is that late");
    assert_eq!(reader.progress(), (0, 0));
    produce(&connection, "t", &numbers(100..110));
    let later = read(&reader, |count| count >= 10);
    assert_eq!(sorted(later), (100..110).collect::<Vec<_>>());
}

#[test]
fn reading_begins_at_given_offsets_of_given_partitions() {
    let (_cluster, connection) = cluster(&[("t", 3)]);
    produce(&connection, "t", &numbers(0..1_000));
    let all = open(&connection, "t", Start::Beginning);
    let all = read(&all, |_| all.caught_up());
    let reader = open(&connection, "t", Start::Offsets(vec![(2, 10), (0, 1_000_000), (9, 0)]));
    let some = read(&reader, |_| reader.caught_up());
    assert_eq!(some.keys().collect::<Vec<_>>(), [&2]);
    assert_eq!(some[&2], all[&2][10..]);
}

#[test]
fn only_what_was_there_counts_as_caught_up() {
    let (_cluster, connection) = cluster(&[("t", 1)]);
    produce(&connection, "t", &numbers(0..10));
    let reader = open(&connection, "t", Start::Beginning);
    produce(&connection, "t", &numbers(10..20));
    let (mut before, mut after) = (0, 0);
    until("all 20 are read", || {
        let mut records: Vec<Record<'_>> = Vec::new();
        reader.take(100, Duration::from_millis(5), &mut records).unwrap();
        for record in &records {
            *(if reader.was_there(record) { &mut before } else { &mut after }) += 1;
        }
        before + after == 20
    });
    assert_eq!((before, after), (10, 10));
}

#[test]
fn a_missing_topic_is_named_and_not_made_by_asking() {
    let (_cluster, connection) = cluster(&[("there", 3)]);
    ensure_topics(&connection, &["there", "there"], None, PATIENCE).unwrap();
    assert_eq!(partitions_of(&connection, "there", PATIENCE).unwrap(), [0, 1, 2]);
    for _ in 0..2 {
        let topics = ["missing-1", "there", "missing-2"];
        let error = ensure_topics(&connection, &topics, None, PATIENCE).unwrap_err();
        assert!(matches!(error, Error::MissingTopics { .. }), "{error}");
        let text = error.to_string();
        for part in ["missing-1, missing-2", "stream.create_topics", connection.brokers()] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }
    let error = partitions_of(&connection, "missing-1", PATIENCE).unwrap_err();
    assert!(matches!(error, Error::MissingTopics { .. }), "{error}");
    let reader = Reader::open(&connection, "g", "missing-1", Start::Beginning, PATIENCE);
    assert!(matches!(reader.err(), Some(Error::MissingTopics { .. })));
}

#[test]
fn a_topic_that_cannot_be_created_is_named() {
    let (_cluster, connection) = cluster(&[("there", 1)]);
    let new = Some(NewTopics { partitions: Some(4) });
    ensure_topics(&connection, &["there"], new, PATIENCE).unwrap();
    // The mock knows no such request, and librdkafka waits for a broker that does.
    let patience = Duration::from_secs(1);
    let error = ensure_topics(&connection, &["there", "missing"], new, patience).unwrap_err();
    assert!(matches!(error, Error::CreateTopic { .. }), "{error}");
    assert!(error.to_string().contains("cannot create topic missing"), "{error}");
}

#[test]
fn brokers_that_are_away_are_named_after_the_patience() {
    let connection = Connection::new("127.0.0.1:1", [].into()).unwrap();
    let patience = Duration::from_millis(300);
    let is_away = |error: Error| {
        let text = error.to_string();
        let words = text.contains("127.0.0.1:1") && text.contains("stream.brokers");
        assert!(matches!(error, Error::Unreachable { .. }) && words, "{text}");
    };
    is_away(ensure_topics(&connection, &["t"], None, patience).unwrap_err());
    is_away(partitions_of(&connection, "t", patience).unwrap_err());
    let opened = Reader::open(&connection, "g", "t", Start::Beginning, patience);
    is_away(opened.err().unwrap());
}

/// The verdict on transaction `number`, as a record's value.
fn verdict(number: u32, schema: u32) -> Vec<u8> {
    let time = EventTime::from_trusted_millis(1_767_225_600_000 + i64::from(number));
    let label = Label {
        transaction_id: &format!("t-{number}"),
        customer_id: "c",
        merchant_id: "m",
        event_time: time,
        is_fraud: number.is_multiple_of(2),
        labeled_at: time,
        fraud_type: Some("card testing").filter(|_| number.is_multiple_of(2)),
    };
    let mut value = Vec::new();
    frame_confluent(schema, &mut value);
    encode_label(&label, &mut value);
    value
}

fn known(id: u32) -> SchemaAnswer {
    if id == 1 { SchemaAnswer::Known(Arc::from(LABEL_SCHEMA)) } else { SchemaAnswer::Unknown }
}

/// What a follower has told so far.
type Told = Arc<Mutex<Vec<Event>>>;

fn follow(
    connection: &Connection,
    lookup: Lookup,
    workers: usize,
) -> (Follower, Vec<Inbox>, Arc<Health>, Told) {
    let settings = Settings {
        start: Start::Beginning,
        patience: Duration::from_millis(500),
        retry_interval: Duration::from_millis(50),
        missing_interval: Duration::from_millis(50),
        ..Settings::new(connection.clone(), "g", "fraud-labels", now_millis())
    };
    let (health, events) = (Arc::new(Health::new(workers)), Arc::default());
    let seen: Arc<Mutex<Vec<Event>>> = Arc::clone(&events);
    let observe = Box::new(move |event| seen.lock().unwrap().push(event));
    let (follower, inboxes) =
        Follower::start(settings, lookup, workers, Arc::clone(&health), observe).unwrap();
    (follower, inboxes, health, events)
}

/// The ids of what comes until the inbox is caught up and `count` are there.
fn received(inbox: &mut Inbox, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    until("verdicts are received", || {
        inbox.receive(&mut |label| {
            assert_eq!(label.fraud_type.is_some(), label.is_fraud);
            ids.push(label.transaction_id.to_owned());
        });
        inbox.is_caught_up() && ids.len() >= count
    });
    ids
}

#[test]
fn every_worker_gets_every_verdict_in_order() {
    let (_cluster, connection) = cluster(&[("fraud-labels", 1)]);
    let mut values: Vec<Vec<u8>> = (0..3_000).map(|number| verdict(number, 1)).collect();
    values.insert(1_000, b"{}".to_vec());
    values.insert(2_000, verdict(9, 77));
    produce(&connection, "fraud-labels", &values);
    let (follower, mut inboxes, health, events) = follow(&connection, Box::new(known), 2);
    let expected = |numbers: std::ops::Range<u32>| -> Vec<String> {
        numbers.map(|number| format!("t-{number}")).collect()
    };
    for inbox in &mut inboxes {
        assert_eq!(received(inbox, 3_000), expected(0..3_000));
    }
    until("the process is ready", || health.obstacles().is_empty());
    produce(&connection, "fraud-labels", &[verdict(3_000, 1), verdict(3_001, 1)]);
    for inbox in &mut inboxes {
        assert_eq!(received(inbox, 2), expected(3_000..3_002));
    }
    follower.stop();
    let events = events.lock().unwrap();
    let mut learned = 0;
    let mut rejected = Vec::new();
    for event in events.iter() {
        match event {
            Event::Learned { frauds, honest } => learned += frauds + honest,
            Event::Rejected { reason } => rejected.push(*reason),
            Event::CaughtUp => assert_eq!(learned, 3_000),
        }
    }
    assert_eq!(learned, 3_002);
    assert_eq!(rejected, [Reason::UnknownFraming, Reason::UnknownSchema]);
}

#[test]
fn a_schema_that_nobody_can_tell_yet_is_waited_for() {
    let (_cluster, connection) = cluster(&[("fraud-labels", 1)]);
    produce(&connection, "fraud-labels", &[verdict(0, 1), verdict(1, 1)]);
    let (asked, is_there) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
    let (count, answers) = (Arc::clone(&asked), Arc::clone(&is_there));
    let lookup = move |id| {
        count.fetch_add(1, Ordering::SeqCst);
        if answers.load(Ordering::SeqCst) { known(id) } else { SchemaAnswer::Pending }
    };
    let (follower, mut inboxes, health, _) = follow(&connection, Box::new(lookup), 1);
    until("the schema is asked for again", || asked.load(Ordering::SeqCst) > 3);
    let obstacles = health.obstacles();
    assert!(obstacles[0].0 == "labels" && obstacles[0].1.contains("schema 1"), "{obstacles:?}");
    assert_eq!(inboxes[0].receive(&mut |label| panic!("{label:?}")), 0);
    assert!(!inboxes[0].is_caught_up());
    is_there.store(true, Ordering::SeqCst);
    assert_eq!(received(&mut inboxes[0], 2), ["t-0", "t-1"]);
    until("the process is ready", || health.obstacles().is_empty());
    follower.stop();
}

#[test]
fn a_topic_without_verdicts_is_known_at_once_and_one_that_is_missing_is_waited_for() {
    let (_cluster, connection) = cluster(&[("fraud-labels", 2)]);
    let (follower, mut inboxes, health, _) = follow(&connection, Box::new(known), 1);
    assert!(received(&mut inboxes[0], 0).is_empty());
    until("the process is ready", || health.obstacles().is_empty());
    follower.stop();

    let (_cluster, connection) = cluster(&[("other", 1)]);
    let (follower, mut inboxes, health, _) = follow(&connection, Box::new(known), 1);
    until("the topic is missed", || health.obstacles()[0].1.contains("fraud-labels"));
    assert!(!inboxes[0].is_caught_up() && inboxes[0].receive(&mut |_| {}) == 0);
    follower.stop();
}

#[test]
fn a_follower_ends_though_nobody_reads() {
    let (_cluster, connection) = cluster(&[("fraud-labels", 1)]);
    produce(&connection, "fraud-labels", &[verdict(0, 1)]);
    let pending = |_| SchemaAnswer::Pending;
    let (follower, inboxes, health, _) = follow(&connection, Box::new(pending), 1);
    until("the schema is missed", || health.obstacles()[0].1.contains("schema 1"));
    drop(inboxes);
    follower.stop();
}

/// A dead letter as the worker leaves it.
fn letter(
    producer: &Producer,
    (key, value): (Option<&[u8]>, Option<&[u8]>),
    reason: &str,
    (topic, partition, offset): (&str, i32, i64),
) {
    let headers = Headers::default()
        .with("trace", "own")
        .with("error.reason", reason)
        .with("error.message", "why it is here")
        .with("source.topic", topic)
        .with("source.partition", &partition.to_string())
        .with("source.offset", &offset.to_string())
        .with("failed.at", "2026-01-01T00:00:00Z");
    let record = Outgoing { topic: "transactions-dlq", key, value, headers: Some(headers) };
    producer.send(record, 0, PATIENCE).unwrap();
    producer.flush(PATIENCE).unwrap();
}

/// Three letters of two reasons, whose bytes are no text.
fn letters(connection: &Connection) {
    let producer = Producer::new(connection, Duration::ZERO).unwrap();
    let key = b"some \xFF key".as_slice();
    let from = ("transactions", 3, 7);
    letter(&producer, (Some(key), Some(b"\x00\xFF\x01")), "unknown_framing", from);
    letter(&producer, (None, None), "empty", ("transactions", 9, 8));
    letter(&producer, (Some(b"k"), Some(b"\xC3")), "unknown_framing", ("elsewhere", 0, 9));
}

const DEAD_LETTER_TOPICS: [(&str, i32); 3] =
    [("transactions-dlq", 1), ("transactions", 4), ("elsewhere", 1)];

fn topic<'a>(connection: &'a Connection, stop: &'a AtomicBool) -> Topic<'a> {
    Topic { connection, group_id: "g", name: "transactions-dlq", patience: PATIENCE, stop }
}

#[test]
fn dead_letters_are_listed_newest_last() {
    let (_cluster, connection) = cluster(&DEAD_LETTER_TOPICS);
    letters(&connection);
    let stop = AtomicBool::new(false);
    let topic = topic(&connection, &stop);
    let list = |selection: &Selection, limit| {
        let listing = dead_letters::list(&topic, selection, limit).unwrap();
        let offsets: Vec<i64> = listing.letters.iter().map(|found| found.place.offset).collect();
        (listing.selected, offsets)
    };
    let all = Selection::default();
    assert_eq!(list(&all, 100), (3, vec![0, 1, 2]));
    assert_eq!(list(&all, 2), (3, vec![1, 2]));
    let framing = Selection { reason: Some("unknown_framing".to_owned()), ..Selection::default() };
    assert_eq!(list(&framing, 1), (2, vec![2]));
    let place = |offset| Place { partition: 0, offset };
    let (found, value) = dead_letters::find(&topic, place(0)).unwrap().unwrap();
    assert_eq!(value.as_deref(), Some(b"\x00\xFF\x01".as_slice()));
    assert_eq!((found.reason(), found.size), (Some("unknown_framing"), Some(3)));
    assert_eq!(found.source().partition, Some(3));
    assert_eq!(dead_letters::find(&topic, place(1)).unwrap().unwrap().1, None);
    assert!(dead_letters::find(&topic, place(3)).unwrap().is_none());
    assert!(dead_letters::find(&topic, Place { partition: 5, offset: 0 }).unwrap().is_none());
    stop.store(true, Ordering::SeqCst);
    let interrupted = dead_letters::list(&topic, &all, 1).unwrap_err();
    assert!(matches!(interrupted, dead_letters::Error::Interrupted), "{interrupted}");
}

/// Partition, key, value and headers of all records of a topic.
type Raw = (i32, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(Vec<u8>, Option<Vec<u8>>)>);

fn raw(connection: &Connection, topic: &str) -> Vec<Raw> {
    let reader = open(connection, topic, Start::Beginning);
    let mut found = Vec::new();
    until("records are read", || {
        let mut records = Vec::new();
        reader.take(100, Duration::from_millis(5), &mut records).unwrap();
        found.extend(records.iter().map(|record| {
            let [key, value] =
                [record.key(), record.value()].map(|bytes| bytes.map(<[u8]>::to_vec));
            (record.partition(), key, value, record.raw_headers())
        }));
        reader.caught_up()
    });
    found
}

fn header(name: &[u8], value: &str) -> (Vec<u8>, Option<Vec<u8>>) {
    (name.to_vec(), Some(value.as_bytes().to_vec()))
}

#[test]
fn dead_letters_go_back_byte_for_byte_to_where_they_were() {
    let (_cluster, connection) = cluster(&DEAD_LETTER_TOPICS);
    letters(&connection);
    let stop = AtomicBool::new(false);
    let topic = topic(&connection, &stop);
    let all = Selection::default();
    let dry = dead_letters::replay(&topic, &all, "transactions", true).unwrap();
    assert_eq!((dry.selected, dry.replayed), (3, 0));
    assert!(raw(&connection, "transactions").is_empty());

    let done = dead_letters::replay(&topic, &all, "transactions", false).unwrap();
    assert_eq!((done.selected, done.replayed), (3, 3));
    assert_eq!(done.by_topic, [("elsewhere".to_owned(), 1), ("transactions".to_owned(), 2)].into());
    let mut back = raw(&connection, "transactions");
    back.sort_by_key(|record| record.2.is_none());
    let headers = |place| vec![header(b"trace", "own"), header(b"replayed.from", place)];
    let (key, value) = (b"some \xFF key".to_vec(), b"\x00\xFF\x01".to_vec());
    assert_eq!(back[0], (3, Some(key), Some(value), headers("0:0")));
    assert_eq!((&back[1].1, &back[1].2, &back[1].3), (&None, &None, &headers("0:1")));
    let elsewhere = (0, Some(b"k".to_vec()), Some(b"\xC3".to_vec()), headers("0:2"));
    assert_eq!(raw(&connection, "elsewhere"), [elsewhere]);
    assert_eq!(raw(&connection, "transactions-dlq").len(), 3, "letters stay where they are");
}

#[test]
fn only_what_is_meant_is_replayed_and_what_is_not_there_is_said() {
    let (_cluster, connection) = cluster(&DEAD_LETTER_TOPICS);
    letters(&connection);
    let stop = AtomicBool::new(false);
    let places = [1, 17].map(|offset| Place { partition: 0, offset });
    let selection = Selection { places: places.to_vec(), ..Selection::default() };
    let topic = topic(&connection, &stop);
    let done = dead_letters::replay(&topic, &selection, "transactions", false).unwrap();
    assert_eq!((done.selected, done.replayed), (1, 1));
    assert_eq!(done.not_found, places[1..]);
    let back = raw(&connection, "transactions");
    assert_eq!((back.len(), &back[0].2), (1, &None));
}

#[test]
fn header_names_that_are_no_text_are_kept() {
    let (_cluster, connection) = cluster(&[("transactions-dlq", 1), ("transactions", 1), ("t", 1)]);
    let source = "transactions";
    produce(&connection, "t", &numbers(0..1));
    let reader = open(&connection, "t", Start::Beginning);
    let strange = [
        header(b"\xFF\xFE", "a"),
        header(b"\xFF\xFE", "b"),
        (b"none".to_vec(), None),
        header(b"empty", ""),
        header(b"error.reason", "empty"),
        header(b"source.topic", source),
    ];
    let copier = Copier::new(&connection).unwrap();
    until("the record is copied", || {
        let mut records = Vec::new();
        reader.take(1, Duration::from_millis(5), &mut records).unwrap();
        let to = Destination { topic: "transactions-dlq", partition: Some(0) };
        let mut records = records.into_iter();
        let copied = records.next().map(|mut r| copier.send(&mut r, to, &strange, PATIENCE));
        copied.is_some_and(|copied| copied.is_ok())
    });
    assert_eq!(copier.finish(PATIENCE).unwrap(), 1);
    assert_eq!(raw(&connection, "transactions-dlq")[0].3, strange);

    let stop = AtomicBool::new(false);
    let topic = topic(&connection, &stop);
    let (listed, _) =
        dead_letters::find(&topic, Place { partition: 0, offset: 0 }).unwrap().unwrap();
    assert_eq!(listed.headers, strange);
    dead_letters::replay(&topic, &Selection::default(), source, false).unwrap();
    let mut expected = strange[..4].to_vec();
    expected.push(header(b"replayed.from", "0:0"));
    let back = raw(&connection, source);
    assert_eq!((back.len(), &back[0].3), (1, &expected));
}

#[test]
fn a_letter_whose_value_was_left_out_stays_where_it_is() {
    let (_cluster, connection) = cluster(&DEAD_LETTER_TOPICS);
    let producer = Producer::new(&connection, Duration::ZERO).unwrap();
    let from = ("transactions", 0, 1);
    letter(&producer, (Some(b"k"), None), "empty", from);
    let headers = Headers::default().with("error.reason", "too_large").with("error.value", "cut");
    let record = Outgoing {
        topic: "transactions-dlq",
        key: Some(b"k"),
        value: None,
        headers: Some(headers),
    };
    producer.send(record, 0, PATIENCE).unwrap();
    producer.flush(PATIENCE).unwrap();
    let stop = AtomicBool::new(false);
    let topic = topic(&connection, &stop);
    let done = dead_letters::replay(&topic, &Selection::default(), "transactions", false).unwrap();
    assert_eq!((done.selected, done.replayed, done.incomplete), (2, 1, 1));
    assert_eq!(raw(&connection, "transactions").len(), 1);
}

/// Runs the binary against the cluster.
fn synfinance(connection: &Connection, arguments: &[&str]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    Command::new(env!("CARGO_BIN_EXE_synfinance"))
        .args(arguments)
        .current_dir(&directory)
        .env_clear()
        .env("SYNFINANCE__STREAM__BROKERS", connection.brokers())
        .output()
        .unwrap()
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn commands_have_help_with_an_example() {
    let (_cluster, connection) = cluster(&[]);
    for command in [
        &["labels", "send"],
        &["dead-letters", "list"],
        &["dead-letters", "show"],
        &["dead-letters", "replay"],
    ] {
        let (stdout, _) = texts(&synfinance(&connection, &[&command[..], &["--help"]].concat()));
        assert!(stdout.contains("Example"), "{command:?}: {stdout}");
    }
}

#[test]
fn labels_are_sent_and_rows_that_cannot_be_are_named() {
    let (_cluster, connection) = cluster(&[("fraud-labels", 2)]);
    let directory = tempfile::tempdir().unwrap();
    let [file, rejected] = ["verdicts.csv", "rejected.csv"]
        .map(|name| directory.path().join(name).to_str().unwrap().to_owned());
    fs::write(
        &file,
        "transaction_id,customer_id,merchant_id,event_time,is_fraud,labeled_at,fraud_type\n\
         t-1,c,m,2026-01-01T00:00:00Z,1,2026-01-02T00:00:00Z,card testing\n\
         t-2,c,m,yesterday,1,,\n\
         t-3,c,m,1767225600000,false,,\n\
         ,c,m,1767225600000,0,,\n",
    )
    .unwrap();
    let before = now_millis();
    let output = synfinance(
        &connection,
        &["labels", "send", &file, "--rejected", &rejected, "--schema-id", "7", "--json"],
    );
    let (stdout, stderr) = texts(&output);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let summary: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(summary, serde_json::json!({"rows": 4, "sent": 2, "rejected": 2}));
    for part in ["row 3: invalid_field: event_time is \"yesterday\"", "row 5: missing_field"] {
        assert!(stderr.contains(part), "{part} is not in {stderr}");
    }
    let kept = fs::read_to_string(&rejected).unwrap();
    assert!(kept.contains("t-2,c,m,yesterday,1,,,3,invalid_field"), "{kept}");

    let mut decoder = Decoder::new();
    decoder.insert_schema(7, LABEL_SCHEMA).unwrap();
    let mut sent = raw(&connection, "fraud-labels");
    sent.sort_by(|a, b| a.1.cmp(&b.1));
    let label =
        |record: &Raw| match decoder.decode_label(record.2.as_deref().unwrap(), now_millis()) {
            DecodedLabel::Label(label) => {
                assert_eq!(record.1.as_deref(), Some(label.transaction_id.as_bytes()));
                (label.is_fraud, label.labeled_at.millis(), label.fraud_type.map(str::to_owned))
            }
            other => panic!("{other:?}"),
        };
    assert_eq!(sent.len(), 2);
    let kind = Some("card testing".to_owned());
    assert_eq!(label(&sent[0]), (true, 1_767_312_000_000, kind));
    let (is_fraud, labeled_at, fraud_type) = label(&sent[1]);
    assert_eq!((is_fraud, fraud_type), (false, None));
    assert!((before..=now_millis()).contains(&labeled_at), "{labeled_at}");
}

#[test]
fn labels_without_a_schema_id_say_their_fingerprint() {
    let (_cluster, connection) = cluster(&[("fraud-labels", 1)]);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("v.jsonl");
    let row = r#"{"transaction_id":1,"customer_id":"c","merchant_id":"m","is_fraud":true,
        "event_time":"2026-01-01T00:00:00Z"}"#;
    fs::write(&file, row.replace('\n', " ")).unwrap();
    let file = file.to_str().unwrap();
    let output = synfinance(&connection, &["labels", "send", file]);
    let (stdout, stderr) = texts(&output);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert_eq!(stdout, "1 rows: 1 sent to fraud-labels, 0 rejected\n");
    let sent = raw(&connection, "fraud-labels");
    let value = sent[0].2.as_deref().unwrap();
    let decoded = Decoder::new().decode_label(value, now_millis());
    assert!(matches!(decoded, DecodedLabel::Label(_)), "{decoded:?}");
}

#[test]
fn labels_that_cannot_be_sent_fail() {
    let (_cluster, connection) = cluster(&[("fraud-labels", 1)]);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("v.csv");
    let cases = [
        ("transaction_id,customer_id\nt,c\n", 2, "no column merchant_id"),
        (
            "transaction_id,customer_id,merchant_id,event_time,is_fraud\nt,c,m,2026-01-01,maybe\n",
            1,
            "none of the rows could be sent",
        ),
    ];
    for (text, code, words) in cases {
        fs::write(&file, text).unwrap();
        let output = synfinance(&connection, &["labels", "send", file.to_str().unwrap()]);
        let (_, stderr) = texts(&output);
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(stderr.contains(words), "{words} is not in {stderr}");
    }
    let (_cluster, connection) = cluster(&[("other", 1)]);
    let output = synfinance(&connection, &["labels", "send", file.to_str().unwrap()]);
    let (_, stderr) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("fraud-labels") && stderr.contains("create_topics"), "{stderr}");
}

#[test]
fn the_dead_letter_commands_say_what_they_found_and_did() {
    let (_cluster, connection) = cluster(&DEAD_LETTER_TOPICS);
    letters(&connection);
    let run = |arguments: &[&str]| {
        let mut all = vec!["dead-letters"];
        all.extend(arguments);
        let output = synfinance(&connection, &all);
        let (stdout, stderr) = texts(&output);
        (output.status.code().unwrap(), stdout, stderr)
    };
    let json = |arguments: &[&str]| -> serde_json::Value {
        let (code, stdout, stderr) = run(arguments);
        assert_eq!(code, 0, "{stderr}");
        serde_json::from_str(&stdout).unwrap()
    };
    let listed = json(&["list", "--json", "--limit", "2", "--reason", "unknown_framing"]);
    assert_eq!(listed["selected"], 2);
    assert_eq!(listed["letters"][0]["key"], "0x736f6d6520ff206b6579");
    assert_eq!(listed["letters"][1]["source"]["topic"], "elsewhere");
    let (_, stdout, _) = run(&["list"]);
    assert_eq!(stdout.lines().count(), 3, "{stdout}");

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("value");
    let (code, stdout, _) = run(&["show", "0:0", "--value", file.to_str().unwrap()]);
    assert!(code == 0 && stdout.contains("00 ff 01"), "{stdout}");
    assert_eq!(fs::read(&file).unwrap(), b"\x00\xFF\x01");
    assert_eq!(run(&["show", "0:99"]).0, 1);

    for (arguments, words) in [
        (&["replay"][..], "say what is to be replayed"),
        (&["replay", "--reason", "bad"], "unknown_framing"),
        (&["replay", "0"], "PARTITION:OFFSET"),
        (&["replay", "--all", "0:1"], "--all"),
        (&["list", "--since", "soon"], "--since"),
    ] {
        let (code, _, stderr) = run(arguments);
        assert!(code == 2 && stderr.contains(words), "{arguments:?}: {code} {stderr}");
    }
    let dry = json(&["replay", "--all", "--dry-run", "--json"]);
    assert_eq!((&dry["selected"], &dry["replayed"]), (&3.into(), &0.into()));
    let done = json(&["replay", "0:0", "0:1", "--json"]);
    assert_eq!((&done["selected"], &done["replayed"]), (&2.into(), &2.into()));
    assert_eq!(raw(&connection, "transactions").len(), 2);
    let (code, stdout, stderr) = run(&["replay", "0:2", "0:9"]);
    assert_eq!(code, 1, "{stderr}");
    assert!(stdout.contains("1 dead letters replayed") && stderr.contains("0:9"), "{stderr}");
}
