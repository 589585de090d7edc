//! Tree ensembles through the whole [`Scorer::score`] call, by batch size.
//!
//! `cargo bench --bench trees` measures alone. `python benches/trees_onnxruntime.py` measures
//! against onnxruntime: it starts this program with `SYNFINANCE_BENCH_ROWS` set and asks for one
//! figure after the other, in turn with its own, so that both meet the same noise.

use std::hint::black_box;
use std::io::BufRead;
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use synfinance::core::model::{Model, Scorer};

const MODELS: [&str; 2] = ["lightgbm_200x31", "lightgbm_100x15"];
const BATCHES: [usize; 5] = [1, 16, 64, 256, 1024];
const WIDTH: usize = 69;

fn scorer(name: &str) -> Scorer {
    let file = format!("{name}.onnx");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/data").join(file);
    Model::load(&path, &|_| Ok(0.0..=1e6))
        .unwrap_or_else(|error| panic!("{name}: {error}"))
        .scorer()
}

/// Rows like those that the models were trained on: numbers around 0, then counts, then flags.
fn rows(count: usize) -> Vec<f32> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut uniform = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32
    };
    let mut normal = || (0..6).map(|_| uniform()).sum::<f32>() * 1.414 - 4.243;
    let value = |at: usize| match at % WIDTH {
        0..40 => normal(),
        40..55 => (normal().abs() * 3.0).round(),
        _ => f32::from(u8::from(normal() > 1.0)),
    };
    (0..count * WIDTH).map(value).collect()
}

fn bench(criterion: &mut Criterion) {
    let rows = rows(1024);
    for name in MODELS {
        let mut scorer = scorer(name);
        let mut scores = Vec::new();
        let mut group = criterion.benchmark_group(name);
        for batch in BATCHES {
            group.throughput(Throughput::Elements(batch as u64));
            group.bench_with_input(
                BenchmarkId::from_parameter(batch),
                &batch,
                |bencher, &batch| {
                    let mut parts = rows.chunks_exact(batch * WIDTH).cycle();
                    bencher.iter(|| scorer.score(black_box(parts.next().unwrap()), &mut scores));
                },
            );
        }
        group.finish();
    }
}

/// Answers lines `model batch milliseconds` with nanoseconds a call, and `scores model` with all
/// scores.
fn serve(rows: &[f32]) {
    let mut scorers: Vec<(&str, Scorer)> = MODELS.map(|name| (name, scorer(name))).into();
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let wanted = if words[0] == "scores" { words[1] } else { words[0] };
        let (_, scorer) = scorers.iter_mut().find(|(name, _)| *name == wanted).unwrap();
        if words[0] == "scores" {
            let mut scores = Vec::new();
            scorer.score(rows, &mut scores).unwrap();
            println!("{scores:?}");
            continue;
        }
        let (batch, span) = (words[1].parse().unwrap(), words[2].parse().unwrap());
        println!("{}", measure(scorer, rows, batch, Duration::from_millis(span)));
    }
}

fn measure(scorer: &mut Scorer, rows: &[f32], batch: usize, span: Duration) -> f64 {
    let mut scores = Vec::new();
    let (start, mut calls) = (Instant::now(), 0u32);
    while start.elapsed() < span {
        for part in rows.chunks_exact(batch * WIDTH) {
            scorer.score(black_box(part), &mut scores).unwrap();
            calls += 1;
        }
    }
    start.elapsed().as_nanos() as f64 / f64::from(calls)
}

fn main() {
    if let Ok(path) = std::env::var("SYNFINANCE_BENCH_ROWS") {
        let bytes = std::fs::read(path).unwrap();
        let (values, _) = bytes.as_chunks::<4>();
        let rows: Vec<f32> = values.iter().map(|&value| f32::from_le_bytes(value)).collect();
        return serve(&rows);
    }
    let mut criterion = Criterion::default().configure_from_args();
    bench(&mut criterion);
    criterion.final_summary();
}
