//! The engine on one core: remembering alone, the 69 features, scoring, and scoring from Avro
//! bytes.
//!
//! Every iteration plays the same generated stream into a fresh engine; figures are per
//! transaction.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use synfinance::core::codec::{
    Decoded, Decoder, TRANSACTION_SCHEMA, encode_transaction, frame_confluent,
};
use synfinance::core::engine::{Context, Engine, Memory, Place};
use synfinance::core::features::calendar::Calendar;
use synfinance::core::features::catalog::{CATALOG, FeatureId};
use synfinance::core::features::cities::Cities;
use synfinance::core::features::feature::{Feature, STANDARD};
use synfinance::core::model::Model;
use synfinance::core::transaction::{RawTransaction, Transaction};
use synfinance::tools::generate::{Generated, Generator, Settings};

/// The binary's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TRANSACTIONS: u64 = 200_000;
const BATCH: usize = 256;

fn generated() -> Vec<Generated> {
    let settings =
        Settings { transactions: TRANSACTIONS, customers: 5_000, seed: 7, ..Settings::default() };
    Generator::new(&settings).expect("the settings are within their ranges").collect()
}

fn validated(generated: &[Generated]) -> Vec<Transaction<'_>> {
    let valid = |g| Generated::raw(g).validate(i64::MAX / 2);
    generated.iter().map(|g| valid(g).expect("generated transactions are valid")).collect()
}

fn context() -> Arc<Context> {
    let calendar = Calendar::new("Asia/Kolkata", include_str!("../config/holidays.csv"));
    let cities = Cities::new(include_str!("../config/cities.csv"));
    Arc::new(Context {
        calendar: calendar.expect("the bundled holidays are dates"),
        cities: cities.expect("the bundled cities have positions"),
    })
}

fn columns(count: usize) -> Vec<FeatureId> {
    CATALOG.iter().take(count).map(|feature| feature.id).collect()
}

fn features(criterion: &mut Criterion) {
    let generated = generated();
    let transactions = validated(&generated);
    let context = context();
    let mut group = criterion.benchmark_group("engine");
    group.throughput(Throughput::Elements(TRANSACTIONS)).sample_size(10);
    for (name, count) in [("windows", 1), ("features_69", STANDARD), ("features_92", CATALOG.len())]
    {
        let engine = || {
            let engine = Engine::for_features(context.clone(), columns(count), None);
            engine.expect("the catalogue's own features are known")
        };
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                engine,
                |engine| play(engine, &transactions),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn play(mut engine: Engine, transactions: &[Transaction<'_>]) -> (Engine, Memory) {
    let mut memory = Memory::default();
    let (mut rows, mut seen) = (Vec::new(), Vec::new());
    for batch in transactions.chunks(BATCH) {
        engine.features(&mut memory, batch, &mut rows, &mut seen).expect("features need no model");
        black_box(&rows);
    }
    (engine, memory)
}

/// All 69 features, the bundled forest and the bundled detector (100 trees of 31 leaves).
fn scoring_engine(context: &Arc<Context>) -> Engine {
    let known = |name: &str| Feature::named(name).map(Feature::bounds);
    let load =
        |bytes: &[u8]| Arc::new(Model::from_bytes(bytes, &known).expect("the bundled models load"));
    let detector = load(include_bytes!("../models/fraud-detector.onnx"));
    let forest = load(include_bytes!("../models/isolation-forest.onnx"));
    Engine::for_scoring(context.clone(), detector, Some(forest), None)
        .expect("the bundled models name features of the catalogue")
}

fn scoring(criterion: &mut Criterion) {
    let generated = generated();
    let transactions = validated(&generated);
    let records = records(&generated);
    let context = context();
    let mut group = criterion.benchmark_group("engine");
    group.throughput(Throughput::Elements(TRANSACTIONS)).sample_size(10);
    group.bench_function("score_decoded", |bencher| {
        bencher.iter_batched(
            || scoring_engine(&context),
            |mut engine| {
                let (mut memory, mut decisions) = (Memory::default(), Vec::new());
                for batch in transactions.chunks(BATCH) {
                    engine
                        .score(&mut memory, batch, |_| Place::NOWHERE, &mut decisions)
                        .expect("the model scores");
                    black_box(&decisions);
                }
                (engine, memory)
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("score_avro", |bencher| {
        bencher.iter_batched(
            || scoring_engine(&context),
            |engine| play_records(engine, &records),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// Record values in Confluent framing, schema id 1.
fn records(generated: &[Generated]) -> Vec<Vec<u8>> {
    let encode = |transaction: &Generated| {
        let mut value = Vec::new();
        frame_confluent(1, &mut value);
        encode_transaction(&transaction.raw(), &mut value);
        value
    };
    generated.iter().map(encode).collect()
}

fn play_records(mut engine: Engine, records: &[Vec<u8>]) -> (Engine, Memory) {
    let mut decoder = Decoder::new();
    decoder.insert_schema(1, TRANSACTION_SCHEMA).expect("the schema is our own");
    let (mut memory, mut decisions) = (Memory::default(), Vec::new());
    for values in records.chunks(BATCH) {
        let mut batch = Vec::with_capacity(BATCH);
        for value in values {
            if let Decoded::Transaction(transaction) = decoder.decode(value, i64::MAX / 2) {
                batch.push(transaction);
            }
        }
        assert_eq!(batch.len(), values.len(), "generated records are valid");
        engine
            .score(&mut memory, &batch, |_| Place::NOWHERE, &mut decisions)
            .expect("the model scores");
        black_box(&decisions);
    }
    (engine, memory)
}

/// A prediction beside the scoring of one row, for a customer with so many remembered payments.
fn predictions(criterion: &mut Criterion) {
    let context = context();
    let mut group = criterion.benchmark_group("engine");
    for remembered in [30, 1_024] {
        let ids: Vec<String> = (0..=remembered).map(|number| format!("T{number:05}")).collect();
        let payments: Vec<Transaction<'_>> =
            ids.iter().enumerate().map(|(number, id)| payment(id, number as i64)).collect();
        let (last, history) = payments.split_last().expect("there is one at least");
        let mut engine = scoring_engine(&context);
        let (mut memory, mut decisions) = (Memory::default(), Vec::new());
        engine
            .score(&mut memory, history, |_| Place::NOWHERE, &mut decisions)
            .expect("the model scores");
        group.bench_function(format!("predict_{remembered}"), |bencher| {
            bencher.iter(|| engine.predict(&memory, Memory::WHOLE, last).expect("it scores"));
        });
        // One row of a customer whom nobody knows: what a prediction costs without a history.
        let unknown = Memory::default();
        group.bench_function(format!("predict_unknown_{remembered}"), |bencher| {
            bencher.iter(|| engine.predict(&unknown, Memory::WHOLE, last).expect("it scores"));
        });
    }
    group.finish();
}

/// An ordinary payment of one customer, half an hour after the one before: all within memory.
fn payment(id: &str, number: i64) -> Transaction<'_> {
    let raw = RawTransaction {
        transaction_id: id,
        customer_id: "C1",
        merchant_id: ["M1", "M2", "M3"][number as usize % 3],
        event_time: 1_767_225_600_000 + number * 30 * 60_000,
        amount: 100.0 + (number % 7) as f64,
        category: "Groceries",
        city: Some("Mumbai"),
        latitude: Some(19.0),
        longitude: Some(73.0),
        home_latitude: Some(19.1),
        home_longitude: Some(73.0),
        device_id: Some("D1"),
        ..RawTransaction::default()
    };
    raw.validate(i64::MAX / 2).expect("the payment is valid")
}

criterion_group!(benches, features, scoring, predictions);
criterion_main!(benches);
