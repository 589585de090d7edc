//! What a service needs in order to begin: topics, and brokers that let it in.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cluster;
use crate::oracle::Verdict;
use crate::process::eventually;
use crate::servers::{Kafka, USER, kafka};
use crate::service::{Service, merge};
use crate::stage::{Sent, Stage};

const SOON: Duration = Duration::from_secs(60);

#[test]
fn a_missing_topic_is_named() {
    let stage = Stage::bare("missing", kafka());
    let (status, stderr) = Service::spawn(&stage.config()).wait_end(SOON);
    assert!(matches!(status.code(), Some(1 | 2)), "{status}: {stderr}");
    assert!(stderr.contains(&stage.transactions), "{stderr}");
    cluster::create_topic(&stage.brokers, &stage.transactions, 1);
    let (status, stderr) = Service::spawn(&stage.config()).wait_end(SOON);
    assert!(matches!(status.code(), Some(1 | 2)), "{status}: {stderr}");
    assert!(stderr.contains(&stage.alerts), "{stderr}");
}

#[test]
fn nobody_is_ready_before_partitions_are_there() {
    let stage = Stage::new("not-ready");
    let mut service = Service::spawn(&stage.config());
    // Without a pause: a moment of readiness between two steps of the start is what is looked for.
    let started = Instant::now();
    while service.readyz().ok().is_none_or(|(status, _)| status != 200) {
        assert!(started.elapsed() < SOON, "{:?}", service.readyz());
    }
    let partitions = service.metrics().sum("synfinance_partitions_assigned", "");
    assert!(partitions > 0.0, "ready without any partition");
    service.stop();
}

#[test]
fn missing_topics_are_created_where_the_configuration_says_so() {
    let stage = Stage::bare("created", kafka());
    let over = json!({"stream": {"create_topics": true, "topic_partitions": 3}});
    let mut service = Service::start(&merge(stage.config(), &over));
    for topic in [&stage.transactions, &stage.alerts, &stage.labels, &stage.dead_letters] {
        assert_eq!(cluster::partitions(&stage.brokers, topic), Some(3), "{topic}");
    }
    stage.produce("payments", &["--seed", "71", "--count", "2000"]);
    stage.wait_done(&mut [&mut service]);
    let alerts = stage.consume(&stage.alerts, "read_uncommitted");
    Verdict::new(&Sent { seed: 71, count: 2_000 }.expected(), &alerts).assert_exact();
    service.stop();
}

/// A stage's configuration through the listener with TLS and passwords.
fn secured(stage: &Stage, kafka: &Kafka, password: &str) -> Value {
    let (brokers, certificate) = kafka.secure();
    let over = json!({"stream": {"brokers": [brokers], "kafka": {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "PLAIN",
        "sasl.username": USER.0,
        "sasl.password": password,
        "ssl.ca.location": certificate,
    }}});
    merge(stage.config(), &over)
}

#[test]
fn tls_and_passwords_pass_through() {
    let kafka = Kafka::start();
    let stage = Stage::on("secure", &kafka.brokers());
    let mut service = Service::start(&secured(&stage, &kafka, USER.1));
    stage.produce("payments", &["--seed", "72", "--count", "2000"]);
    stage.wait_done(&mut [&mut service]);
    let alerts = stage.consume(&stage.alerts, "read_uncommitted");
    Verdict::new(&Sent { seed: 72, count: 2_000 }.expected(), &alerts).assert_exact();
    service.stop();

    let wrong = "hunter2-is-wrong";
    let said = complaint(Service::spawn(&secured(&stage, &kafka, wrong)));
    assert!(said.to_lowercase().contains("authentication"), "{said}");
    assert!(!said.contains(wrong), "the password is told: {said}");
}

/// What a service says that cannot begin: on stderr when it ends, or on `/readyz` while it waits.
fn complaint(mut service: Service) -> String {
    let mut said = String::new();
    let has_ended = eventually("the service says what is wrong", SOON, || {
        if service.has_ended() {
            return Ok(true);
        }
        match service.get("/readyz") {
            Ok((503, text)) if text.to_lowercase().contains("authentication") => {
                said = text;
                Ok(false)
            }
            other => Err(format!("{other:?}")),
        }
    });
    let (status, stderr) = if has_ended { service.wait_end(SOON) } else { service.terminate() };
    assert!(!has_ended || matches!(status.code(), Some(1 | 2)), "{status}: {stderr}");
    said + &stderr
}
