//! Demos that go on where the one before ended: their alerts are those of one run that was never
//! interrupted.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use synfinance::core::engine::{Engine, Memory, Place};
use synfinance::tools::demo::{self, Archive, Past, Summary};
use synfinance::tools::generate::{self, Generator};

use super::{engine_support, model};

const TRANSACTIONS: u64 = 3_000;

/// Low enough that there are many alerts.
const THRESHOLD: f64 = 0.3;

/// Scores of alerts by transaction.
type Alerts = BTreeMap<String, u64>;

fn world() -> generate::Settings {
    generate::Settings { transactions: TRANSACTIONS, customers: 60, ..Default::default() }
}

fn engine() -> Engine {
    engine_support::engine(engine_support::context("UTC"), Some(THRESHOLD))
}

/// A demo with the archive in `file`: what came before, its alerts, its summary. It is told to end
/// after so many transactions.
fn demonstrate(file: &Path, until: u64, is_fresh: bool) -> (Past, Alerts, Summary) {
    let archive = Archive::open(file, &world(), 1 << 26, is_fresh).unwrap();
    let past = archive.past();
    let rate = (until < TRANSACTIONS).then_some(2_000.0);
    let defaults = demo::Settings::new(world(), model());
    let settings = demo::Settings { archive: Some(archive), rate, ..defaults };
    let (stop, mut alerts) = (AtomicBool::new(false), Alerts::new());
    let summary = demo::run(
        &settings,
        &|| Ok(engine()),
        &stop,
        &mut |alert| {
            alerts.insert(alert.transaction_id.to_owned(), alert.score.to_bits());
        },
        &mut |progress| stop.store(progress.handled >= until, Ordering::SeqCst),
    );
    let summary = summary.unwrap();
    assert_eq!((summary.scored, summary.lost), (summary.transactions, 0), "{summary:?}");
    assert_eq!(summary.duplicates, 0);
    assert_eq!(alerts.len() as u64, summary.alerts);
    (past, alerts, summary)
}

/// What one engine says of so many payments, and when the last one was.
fn judge(memory: &mut Memory, generator: Generator, count: u64) -> (Alerts, i64) {
    let (mut engine, mut alerts, mut until_ms) = (engine(), Alerts::new(), 0);
    for payment in generator.take(count as usize) {
        let raw = payment.raw();
        let transaction = raw.validate(i64::MAX / 2).unwrap();
        let mut decisions = Vec::new();
        engine.score(memory, &[transaction], |_| Place::NOWHERE, &mut decisions).unwrap();
        let decision = decisions[0].as_ref().expect("no id comes twice");
        if decision.severity.is_some() {
            alerts.insert(raw.transaction_id.to_owned(), decision.score.to_bits());
        }
        until_ms = raw.event_time;
    }
    (alerts, until_ms)
}

fn part(past: u64, start_ms: i64) -> Generator {
    Generator::after(&generate::Settings { start_ms, ..world() }, past).unwrap()
}

#[test]
fn demos_one_after_the_other_alert_like_one_that_went_on() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("data/demo.db");
    let mut one = Memory::default();

    let (past, first, _) = demonstrate(&file, TRANSACTIONS, false);
    assert_eq!(past, Past::Nothing);
    let (expected, until_ms) = judge(&mut one, part(0, world().start_ms), TRANSACTIONS);
    assert!(first == expected && first.len() > 20, "{} alerts", first.len());

    // Told to end: what was generated is finished, and the next one goes on from there.
    let (past, second, summary) = demonstrate(&file, 500, false);
    assert_eq!(past, Past::Kept { transactions: TRANSACTIONS, until_ms });
    assert!((500..TRANSACTIONS).contains(&summary.transactions), "{summary:?}");
    let start_ms = until_ms + 1;
    let (expected, until_ms) = judge(&mut one, part(TRANSACTIONS, start_ms), summary.transactions);
    assert!(second == expected, "{} and {} alerts", second.len(), expected.len());

    let (past, third, _) = demonstrate(&file, TRANSACTIONS, false);
    let transactions = TRANSACTIONS + summary.transactions;
    assert_eq!(past, Past::Kept { transactions, until_ms });
    let start_ms = until_ms + 1;
    let (expected, _) = judge(&mut one, part(transactions, start_ms), TRANSACTIONS);
    assert!(third == expected, "{} and {} alerts", third.len(), expected.len());
    let (forgetful, _) = judge(&mut Memory::default(), part(transactions, start_ms), TRANSACTIONS);
    assert!(third != forgetful, "what was remembered made no difference");

    let (past, fresh, _) = demonstrate(&file, TRANSACTIONS, true);
    assert_eq!(past, Past::Nothing);
    assert!(fresh == first);
}
