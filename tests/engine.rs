//! The engine as a whole, with the bundled models: the same input gives the same scores and the
//! same state bytes whatever the batch size; alerts say why; features agree between training and
//! scoring.

use std::sync::Arc;

use synfinance::core::engine::{Context, Decision, Engine, Memory, Place, Seen};
use synfinance::core::features::calendar::Calendar;
use synfinance::core::features::catalog::{CATALOG, FeatureId};
use synfinance::core::features::cities::Cities;
use synfinance::core::features::feature::{Feature, STANDARD};
use synfinance::core::model::Model;
use synfinance::core::state::memory::Counts;
use synfinance::core::state::{Bounds, snapshot};
use synfinance::core::transaction::{DAY_MS, EventTime, Label, RawTransaction, Transaction};
use synfinance::tools::generate::{Generated, Generator, Settings};

fn model(bytes: &[u8]) -> Arc<Model> {
    Arc::new(Model::from_bytes(bytes, &|name| Feature::named(name).map(Feature::bounds)).unwrap())
}

fn detector() -> Arc<Model> {
    model(include_bytes!("../models/fraud-detector.onnx"))
}

fn forest() -> Arc<Model> {
    model(include_bytes!("../models/isolation-forest.onnx"))
}

fn context() -> Arc<Context> {
    Arc::new(Context {
        calendar: Calendar::new("Asia/Kolkata", include_str!("../config/holidays.csv")).unwrap(),
        cities: Cities::new(include_str!("../config/cities.csv")).unwrap(),
    })
}

fn scoring() -> Engine {
    Engine::for_scoring(context(), detector(), Some(forest()), None).unwrap()
}

fn generated(transactions: u64, customers: u32) -> Vec<Generated> {
    let settings = Settings { transactions, customers, ..Settings::default() };
    Generator::new(&settings).unwrap().collect()
}

/// Generated transactions with some out of order, some twice.
fn disordered(generated: &[Generated]) -> Vec<Transaction<'_>> {
    let mut transactions: Vec<_> =
        generated.iter().map(|g| g.raw().validate(i64::MAX / 2).unwrap()).collect();
    for index in (10..transactions.len()).step_by(37) {
        transactions.swap(index - 10, index);
    }
    for index in (50..transactions.len()).step_by(101) {
        transactions[index] = transactions[index - 3];
    }
    transactions
}

type Outcome = (Vec<Option<Decision>>, Vec<Vec<u8>>, Counts);

fn play(transactions: &[Transaction<'_>], bounds: Bounds, batch: usize) -> Outcome {
    let (mut engine, mut memory) = (scoring(), Memory::new(bounds));
    let (mut decisions, mut all) = (Vec::new(), Vec::new());
    for batch in transactions.chunks(batch) {
        engine.score(&mut memory, batch, |_| Place::NOWHERE, &mut decisions).unwrap();
        all.append(&mut decisions);
    }
    let bytes = |customer: &synfinance::core::state::customers::Customer| {
        let mut bytes = customer.id().as_bytes().to_vec();
        snapshot::encode(&customer.state, &mut bytes);
        bytes
    };
    let states = memory.customers(Memory::WHOLE).unwrap().iter().map(bytes).collect();
    (all, states, memory.counts())
}

#[test]
fn batches_are_only_a_matter_of_speed() {
    let generated = generated(12_000, 60);
    let transactions = disordered(&generated);
    for bounds in [Bounds::default(), Bounds { max_transactions: 32, ..Bounds::default() }] {
        let one_by_one = play(&transactions, bounds, 1);
        assert!(one_by_one.0.iter().flatten().any(|decision| decision.severity.is_some()));
        assert!(one_by_one.2.duplicates > 50, "{:?}", one_by_one.2);
        assert_eq!(one_by_one.2.folded > 0, bounds.max_transactions == 32);
        for batch in [7, 256, 5_000] {
            assert!(play(&transactions, bounds, batch) == one_by_one, "batches of {batch}");
        }
    }
}

#[test]
fn alerts_say_why() {
    let generated = generated(12_000, 240);
    let transactions: Vec<_> =
        generated.iter().map(|g| g.raw().validate(i64::MAX / 2).unwrap()).collect();
    let (decisions, _, _) = play(&transactions, Bounds::default(), 256);
    let threshold = detector().manifest().threshold;
    for decision in decisions.iter().flatten() {
        assert_eq!(decision.severity.is_some(), decision.score >= threshold);
        assert_eq!(decision.reasons.is_empty(), decision.severity.is_none(), "{decision:?}");
        assert!(decision.reasons.len() <= 5);
        assert!(decision.reasons.is_sorted_by(|a, b| a.contribution >= b.contribution));
        for reason in &decision.reasons {
            let feature = Feature::named(reason.feature).unwrap();
            assert_eq!(feature.code, reason.code);
            assert!(reason.contribution > 0.0 && reason.message == feature.message(reason.value));
        }
    }
}

#[test]
fn a_model_gets_the_features_that_the_table_shows() {
    let generated = generated(3_000, 60);
    let transactions: Vec<_> =
        generated.iter().map(|g| g.raw().validate(i64::MAX / 2).unwrap()).collect();
    let columns: Vec<FeatureId> = CATALOG[..STANDARD].iter().map(|feature| feature.id).collect();
    let mut table = Engine::for_features(context(), columns, Some(forest())).unwrap();
    let (mut rows, mut seen) = (Vec::new(), Vec::new());
    table.features(&mut Memory::default(), &transactions, &mut rows, &mut seen).unwrap();
    let names: Vec<&str> = table.columns().iter().map(|&id| Feature::of(id).name).collect();
    assert_eq!(names, detector().manifest().features);

    let matrix: Vec<f32> = rows.iter().map(|&value| value as f32).collect();
    let mut scores = Vec::new();
    detector().scorer().score(&matrix, &mut scores).unwrap();
    let (decisions, _, _) = play(&transactions, Bounds::default(), 256);
    for (decision, score) in decisions.iter().zip(&scores) {
        assert_eq!(decision.as_ref().map(|decision| decision.score), Some(f64::from(*score)));
    }
    let probability = FeatureId::AnomalyProbability as usize;
    assert!(rows.chunks_exact(STANDARD).all(|row| (0.0..=1.0).contains(&row[probability])));
    assert!(rows.chunks_exact(STANDARD).any(|row| row[probability] > 0.6));
}

fn raw(transaction_id: &'static str, event_time: i64) -> RawTransaction<'static> {
    RawTransaction {
        transaction_id,
        customer_id: "c",
        merchant_id: "m",
        event_time,
        amount: 10.0,
        ..RawTransaction::default()
    }
}

#[test]
fn repeats_and_late_ones_are_told_apart() {
    const T0: i64 = 1_767_225_600_000;
    let cases = [
        (raw("a", T0), Seen::New),
        (raw("a", T0), Seen::Duplicate),
        (raw("b", T0 - DAY_MS), Seen::New),
        (raw("c", T0 - 31 * DAY_MS), Seen::Late),
        (raw("d", T0 - 31 * DAY_MS + 1), Seen::New),
        // The horizon for repeats has passed "a" by: it counts as another one.
        (raw("e", T0 + DAY_MS), Seen::New),
        (raw("a", T0), Seen::New),
    ];
    let columns = vec![FeatureId::MonthlyTxnCount];
    let mut engine = Engine::for_features(context(), columns, None).unwrap();
    let mut memory = Memory::default();
    let (mut rows, mut seen) = (Vec::new(), Vec::new());
    for (raw, expected) in cases {
        engine
            .features(&mut memory, &[raw.validate(T0 + DAY_MS).unwrap()], &mut rows, &mut seen)
            .unwrap();
        assert_eq!(seen, [expected], "{raw:?}");
        assert_eq!(rows[0].is_nan(), expected == Seen::Duplicate);
    }
    assert_eq!(memory.counts(), Counts { late: 1, duplicates: 1, ..Counts::default() });
}

#[test]
fn a_label_changes_features_from_when_it_was_given() {
    const T0: i64 = 1_767_225_600_000;
    let columns = vec![FeatureId::MerchantFraudCount7d, FeatureId::SharedMerchantCount];
    let mut engine = Engine::for_features(context(), columns, None).unwrap();
    let mut memory = Memory::default();
    memory.learn(&Label {
        transaction_id: "x",
        customer_id: "somebody else",
        merchant_id: "m",
        event_time: EventTime::from_trusted_millis(T0 - DAY_MS),
        is_fraud: true,
        labeled_at: EventTime::from_trusted_millis(T0),
        fraud_type: None,
    });
    let (mut rows, mut seen) = (Vec::new(), Vec::new());
    for (id, time, expected) in
        [("a", T0 - 1, [0.0, 0.0]), ("b", T0, [1.0, 1.0]), ("c", T0 + 7 * DAY_MS, [0.0, 1.0])]
    {
        let transaction = raw(id, time).validate(T0 + 8 * DAY_MS).unwrap();
        engine.features(&mut memory, &[transaction], &mut rows, &mut seen).unwrap();
        assert_eq!(rows, expected, "{id}");
    }
}
