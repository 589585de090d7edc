//! The engine on one core: remembering alone, the 69 features, scoring, and scoring from Avro bytes.
//!
//! Every iteration plays the same generated stream into a fresh engine; figures are per transaction.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use synfinance::engine::{Context, Engine};
use synfinance::features::calendar::Calendar;
use synfinance::features::catalog::{CATALOG, FeatureId};
use synfinance::features::cities::Cities;
use synfinance::features::feature::STANDARD;
use synfinance::generate::{Generated, Generator, Settings};
use synfinance::state::Bounds;
use synfinance::transaction::Transaction;

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
        bounds: Bounds::default(),
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

fn play(mut engine: Engine, transactions: &[Transaction<'_>]) -> Engine {
    let (mut rows, mut seen) = (Vec::new(), Vec::new());
    for batch in transactions.chunks(BATCH) {
        engine.features(batch, &mut rows, &mut seen).expect("features need no model");
        black_box(&rows);
    }
    engine
}

criterion_group!(benches, features);
criterion_main!(benches);
