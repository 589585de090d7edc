//! Any bytes: the decoder answers, and a transaction's texts lie in the bytes.
//!
//! The id in a Confluent header chooses the producer's schema, so the fuzzer finds them all.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use synfinance::core::codec::{Decoded, Decoder, LABEL_SCHEMA, TRANSACTION_SCHEMA};

const NOW: i64 = 1_767_225_600_000;

/// A schema with everything that is skipped or converted.
const EVOLVED: &str = r#"{"type": "record", "name": "Payment", "fields": [
    {"name": "tree", "type": {"type": "record", "name": "Tree", "fields": [
        {"name": "children", "type": {"type": "array", "items": "Tree"}},
        {"name": "next", "type": ["null", "Tree", {"type": "map", "values": "Tree"}]},
        {"name": "nothings", "type": {"type": "array", "items": "null"}}]}},
    {"name": "transaction_id", "type": "bytes"},
    {"name": "customer_id", "type": ["null", "int", "string"]},
    {"name": "merchant_id", "type": "string"},
    {"name": "status", "type": {"type": "enum", "name": "S", "symbols": ["X", "DECLINED"]}},
    {"name": "event_time", "type": {"type": "long", "logicalType": "timestamp-nanos"}},
    {"name": "amount", "type": ["null",
        {"type": "bytes", "logicalType": "decimal", "precision": 40, "scale": 9}, "float"]}]}"#;

static DECODER: LazyLock<Decoder> = LazyLock::new(|| {
    let mut decoder = Decoder::new();
    for (id, json) in [(0, TRANSACTION_SCHEMA), (1, LABEL_SCHEMA), (2, EVOLVED)] {
        decoder.insert_schema(id, json).expect("schemas that are read");
    }
    decoder
});

fuzz_target!(|value: &[u8]| {
    if let Decoded::Transaction(transaction) = DECODER.decode(value, NOW) {
        let inside = value.as_ptr_range();
        assert!(inside.contains(&transaction.customer_id.as_ptr()));
        assert!(transaction.amount.minor() >= 0);
    }
    let _ = DECODER.decode_label(value, NOW);
});
