//! Brokers that answer nothing any more.

use std::time::{Duration, Instant};

use synfinance::edges::kafka::{Assignment, Consumer, MockCluster, Outgoing, Producer};

const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(200);

/// They fall silent when records are there and offsets are to follow: librdkafka's call for that
/// does not heed its limit.
#[test]
fn a_coordinator_that_falls_silent_keeps_nobody() {
    let cluster = MockCluster::start(&[("read", 1), ("written", 1)]).unwrap();
    let connection = cluster.connection();
    let consumer = Consumer::join(&connection, "group", "read", Assignment::Eager).unwrap();
    let producer = Producer::transactional(&connection, Duration::ZERO, "id", LONG).unwrap();
    producer.begin().unwrap();
    let record = Outgoing { topic: "written", value: Some(b"v"), ..Outgoing::default() };
    producer.send(record, 0, LONG).unwrap();
    producer.flush(LONG).unwrap();
    cluster.delay_answers(Duration::from_secs(3_600)).unwrap();
    let waited = Instant::now();
    producer.commit(&consumer, &[(0, 1)], SHORT).unwrap_err();
    // Neither knows what became of its last call, and both have to go.
    let _ = producer.abort(SHORT);
    let _ = consumer.commit_now(&[(0, 1)], SHORT);
    drop(producer);
    drop(consumer);
    assert!(waited.elapsed() < LONG, "{:?}", waited.elapsed());
}
