//! Records that nobody can score: kept byte for byte, and the stream goes on.

use serde_json::{Value, json};

use crate::cluster;
use crate::oracle::{Verdict, text};
use crate::service::{Service, merge};
use crate::stage::{PARTITIONS, Sent, Stage};

fn poisoned(delivery: &str, isolation: &str) {
    let stage = Stage::new("poison");
    let over = json!({"stream": {"delivery": delivery}});
    let mut service = Service::start(&merge(stage.config(), &over));
    let told = stage.produce("poison", &["--seed", "21"]);
    // What a busy day brings after them, so that there is something to alert.
    let more = ["--seed", "21", "--skip", &told["good"].to_string(), "--count", "3000"];
    stage.produce("payments", &more);
    stage.wait_done(&mut [&mut service]);

    let letters = stage.consume_raw(&stage.dead_letters, isolation);
    let input = stage.consume_raw(&stage.transactions, "read_uncommitted");
    let poison = told["poison"].as_array().expect("a list");
    for sent in poison {
        let is_it =
            |letter: &&Value| letter["key"] == sent["key"] && letter["value"] == sent["value"];
        let found: Vec<_> = letters.iter().filter(is_it).collect();
        let reason = text(sent, "reason");
        assert!(!found.is_empty(), "no dead letter of {reason}, key {}", sent["key"]);
        let letter = found.iter().find(|letter| header(letter, "error.reason") == reason);
        let Some(letter) = letter else {
            let reasons: Vec<_> =
                found.iter().map(|letter| header(letter, "error.reason")).collect();
            panic!("a dead letter of {reason} says {reasons:?}");
        };
        check_headers(letter, &input, &stage.transactions);
    }
    assert_eq!(letters.len(), poison.len(), "one dead letter for each bad record");
    let alerts = stage.consume(&stage.alerts, isolation);
    Verdict::new(&Sent { seed: 21, count: 3_000 }.expected(), &alerts).assert_exact();
    for reason in poison.iter().map(|sent| text(sent, "reason")) {
        let sent = poison.iter().filter(|sent| sent["reason"] == reason.as_str()).count();
        let label = format!("reason=\"{reason}\"");
        let counted = service.metrics().sum("synfinance_dead_letters_total", &label);
        assert_eq!(counted, sent as f64, "{reason}");
    }
    service.stop();
}

/// The headers that it came with, in order, then those that say why and where from.
fn check_headers(letter: &Value, input: &[Value], topic: &str) {
    let all = letter["headers"].as_array().expect("headers");
    let number = |name: &str| header(letter, name).parse::<i64>().expect("a number");
    let (partition, offset) = (number("source.partition"), number("source.offset"));
    let source =
        input.iter().find(|record| record["partition"] == partition && record["offset"] == offset);
    let source = source.unwrap_or_else(|| panic!("no source at {partition}/{offset}"));
    let came = source["headers"].as_array().expect("headers");
    assert_eq!(came.len(), 3, "{source}");
    assert_eq!(&all[..3], &came[..], "headers are kept, repeated and empty ones too");
    assert_eq!(source["value"], letter["value"]);
    assert_eq!(source["key"], letter["key"]);
    assert_eq!(header(letter, "source.topic"), topic);
    assert!(!header(letter, "error.message").is_empty());
    let failed_at = header(letter, "failed.at");
    assert!(failed_at.starts_with("20") && failed_at.ends_with('Z'), "{failed_at}");
}

/// A header's text.
fn header(letter: &Value, name: &str) -> String {
    let headers = letter["headers"].as_array().expect("headers");
    let found = headers.iter().find(|header| header[0] == name);
    let hex = found.and_then(|header| header[1].as_str());
    let hex = hex.unwrap_or_else(|| panic!("no header {name}: {headers:?}"));
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
    String::from_utf8((0..hex.len()).step_by(2).map(byte).collect()).expect("UTF-8")
}

#[test]
fn poison_is_kept_byte_for_byte_and_the_stream_goes_on() {
    poisoned("at_least_once", "read_uncommitted");
}

#[test]
fn poison_is_kept_byte_for_byte_exactly_once() {
    poisoned("exactly_once", "read_committed");
}

fn refused(delivery: &str, isolation: &str) {
    let stage = Stage::bare("refused", crate::servers::kafka());
    let create = |topic: &str, bytes| {
        cluster::create_topic_for(&stage.brokers, topic, PARTITIONS, bytes);
    };
    for topic in [&stage.transactions, &stage.alerts, &stage.labels] {
        create(topic, 8_000_000);
    }
    create(&stage.dead_letters, 100_000);
    let over = json!({"stream": {"delivery": delivery}});
    let mut service = Service::start(&merge(stage.config(), &over));
    let told = stage.produce("poison", &["--seed", "23"]);
    stage.wait_done(&mut [&mut service]);
    let letters = stage.consume_raw(&stage.dead_letters, isolation);
    let poison = told["poison"].as_array().expect("a list");
    assert_eq!(letters.len(), poison.len(), "one dead letter for each bad record");
    let (large, small): (Vec<&Value>, Vec<&Value>) =
        letters.iter().partition(|letter| header(letter, "error.reason") == "too_large");
    assert_eq!(large.len(), 2);
    for letter in large {
        assert_eq!(letter["value"], Value::Null);
        assert!(header(letter, "error.value").contains("more than the topic takes"));
        header(letter, "source.offset").parse::<i64>().expect("its place");
    }
    for letter in small {
        let is_it =
            |sent: &&Value| sent["key"] == letter["key"] && sent["value"] == letter["value"];
        assert!(poison.iter().any(|sent| is_it(&sent)), "changed: {letter}");
    }
    service.stop();
}

#[test]
fn a_letter_that_its_topic_refuses_goes_without_its_value() {
    refused("at_least_once", "read_uncommitted");
}

#[test]
fn a_letter_that_its_topic_refuses_goes_without_its_value_exactly_once() {
    refused("exactly_once", "read_committed");
}
