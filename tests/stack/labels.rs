//! Verdicts of analysts: known before the first transaction is scored, and followed from then on.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::oracle::{Verdict, text};
use crate::process::eventually;
use crate::service::Service;
use crate::stage::{Sent, Stage};

const SOON: Duration = Duration::from_secs(60);

/// Two days ago in milliseconds: verdicts of then still count.
fn two_days_ago() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    (since.as_millis() - 2 * 86_400_000).to_string()
}

#[test]
fn verdicts_count_from_the_first_transaction_on_and_while_running() {
    let stage = Stage::new("labels");
    let start = two_days_ago();
    let start = ["--start", start.as_str()];
    let merchants = ["--merchants", "m-7,m-8", "--count", "20000"];
    let verdicts = [&merchants[..], &start].concat();
    stage.produce_to(&stage.labels, "labels", &verdicts);
    let payments = [&["--seed", "61", "--count", "3000"][..], &start].concat();
    stage.produce("payments", &payments);

    let mut service = Service::start(&stage.config());
    stage.wait_done(&mut [&mut service]);
    let expected = Sent { seed: 61, count: 3_000 };
    let expected = expected.expected_with(&[&["--frauds", "m-7,m-8"][..], &start].concat());
    let alerts = stage.consume(&stage.alerts, "read_uncommitted");
    Verdict::new(&expected, &alerts).assert_exact();
    let of_merchant = |alert: &&serde_json::Value| text(alert, "merchant_id") == "m-7";
    assert!(expected.iter().filter(of_merchant).count() > 5, "verdicts make alerts");

    let new = [&["--seed", "62", "--merchants", "m-9", "--count", "1"][..], &start].concat();
    stage.produce_to(&stage.labels, "labels", &new);
    let mut sent = 3_000;
    eventually("a verdict that comes later counts", SOON, || {
        let (skip, until) = (sent.to_string(), (sent + 300).to_string());
        let more = ["--seed", "61", "--skip", &skip, "--count", &until];
        stage.produce("payments", &[&more[..], &start].concat());
        stage.wait_done(&mut [&mut service]);
        sent += 300;
        let alerts = stage.consume(&stage.alerts, "read_uncommitted");
        let is_told = alerts.iter().any(|record| {
            let reasons = record["value"]["reasons"].to_string();
            text(&record["value"], "merchant_id") == "m-9"
                && reasons.contains("MERCHANT_FRAUDS_30D")
        });
        if is_told { Ok(()) } else { Err(format!("not in {sent} payments")) }
    });
    service.stop();
}
