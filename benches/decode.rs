//! A record's value to a checked transaction: this codec beside apache-avro.
//!
//! `cargo bench --bench decode`; figures with machine and command are in `results/decode.md`.

use std::hint::black_box;
use std::time::Duration;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use synfinance::core::codec::{
    Decoded, Decoder, TRANSACTION_SCHEMA, encode_transaction, frame_confluent,
};
use synfinance::core::transaction::RawTransaction;

const ID: u32 = 1;
const HEADER_BYTES: usize = 5;
const NOW: i64 = 1_767_225_600_000;

/// What a card payment looks like: ids, the defaulted texts, a merchant's place.
fn typical() -> RawTransaction<'static> {
    RawTransaction {
        transaction_id: "TXN000000012345",
        customer_id: "CUST004711",
        merchant_id: "MER00815",
        event_time: 1_760_000_000_123,
        amount: 1234.56,
        currency: "INR",
        category: "Groceries",
        payment_mode: "Credit Card",
        channel: "Online",
        merchant_name: Some("Fresh Basket"),
        merchant_reputation: Some(0.93),
        city: Some("Mumbai"),
        country: Some("IN"),
        latitude: Some(19.076),
        longitude: Some(72.8777),
        ..RawTransaction::default()
    }
}

/// Every field, with longer ids.
fn full() -> RawTransaction<'static> {
    RawTransaction {
        transaction_id: "7c9e6679-7425-40de-944b-e07fc1f90ae7",
        home_latitude: Some(18.5204),
        home_longitude: Some(73.8567),
        device_id: Some("device-0a1b2c3d"),
        ip_address: Some("203.0.113.17"),
        ..typical()
    }
}

fn framed(raw: &RawTransaction<'_>) -> Vec<u8> {
    let mut value = Vec::new();
    frame_confluent(ID, &mut value);
    encode_transaction(raw, &mut value);
    value
}

fn producer_schema() -> String {
    // A producer one release ahead: another type for the time, and a field that nobody reads.
    TRANSACTION_SCHEMA.replacen("timestamp-millis", "timestamp-micros", 1).replacen(
        "\"fields\": [",
        "\"fields\": [{\"name\": \"terminal\", \"type\": \"long\"},",
        1,
    )
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    let mut decoder = Decoder::new();
    decoder.insert_schema(ID, TRANSACTION_SCHEMA).expect("the project's schema");
    for (name, raw) in [("typical", typical()), ("full", full())] {
        let value = framed(&raw);
        assert!(matches!(decoder.decode(&value, NOW), Decoded::Transaction(_)));
        group.throughput(Throughput::Elements(1));
        let name = format!("{name} ({} bytes)", value.len());
        group.bench_function(format!("synfinance/{name}"), |bencher| {
            bencher.iter(|| decoder.decode(black_box(&value), NOW));
        });
        let schema = Schema::parse_str(TRANSACTION_SCHEMA).expect("the project's schema");
        let reader = GenericDatumReader::builder(&schema).reader_schema(&schema).build();
        let reader = reader.expect("the project's schema");
        group.bench_function(format!("apache-avro/{name}"), |bencher| {
            bencher.iter(|| reader.read_value(&mut black_box(&value[HEADER_BYTES..])));
        });
    }

    let mut evolved = Decoder::new();
    evolved.insert_schema(ID, &producer_schema()).expect("a schema that resolves");
    let mut value = framed(&RawTransaction { event_time: 1_760_000_000_123_000, ..typical() });
    value.splice(HEADER_BYTES..HEADER_BYTES, [0xFE, 0x7F]);
    assert!(matches!(evolved.decode(&value, NOW), Decoded::Transaction(_)));
    group.bench_function("synfinance/an evolved schema", |bencher| {
        bencher.iter(|| evolved.decode(black_box(&value), NOW));
    });
    group.bench_function("synfinance/insert_schema", |bencher| {
        bencher.iter(|| evolved.insert_schema(ID, black_box(TRANSACTION_SCHEMA)));
    });
    group.finish();
}

fn encode(criterion: &mut Criterion) {
    let mut out = Vec::with_capacity(512);
    criterion.bench_function("encode/typical", |bencher| {
        bencher.iter(|| {
            out.clear();
            frame_confluent(ID, &mut out);
            encode_transaction(black_box(&typical()), &mut out);
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3));
    targets = decode, encode
}
criterion_main!(benches);
