//! The codec against two other implementations of Avro, and against bytes that are no Avro at all.
//!
//! apache-avro is the reference for schema resolution: random producer schemas, derived from the
//! reader's by what producers do to schemas, are read by both. fastavro (Python) wrote the fixtures
//! under `tests/fixtures/avro`. Damaged records must come out as values, without a panic and
//! without memory that the bytes ask for.

mod codec_support;

use apache_avro::Schema;
use apache_avro::types::Value;
use codec_support::producer::Producer;
use codec_support::reference;
use codec_support::{NOW, allocated_by, full, raw_of};
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use synfinance::base::limits::MAX_RECORD_BYTES;
use synfinance::core::codec::{
    ALERT_SCHEMA, Decoded, DecodedLabel, Decoder, LABEL_SCHEMA, MAX_SKIP_DEPTH, Outcome, Reason,
    SchemaError, TRANSACTION_SCHEMA, encode_alert, encode_label, encode_transaction, fingerprint,
    frame_confluent, frame_single_object, schema_report,
};
use synfinance::core::decision::{self, Alert, Severity, alert_id};
use synfinance::core::transaction::{EventTime, Label, RawTransaction, Status};

const ID: u32 = 7;

/// A rejected record may cost a message, not what its bytes claim.
const MAX_REJECTION_BYTES: usize = 4_096;

fn decoder(json: &str) -> Decoder {
    let mut decoder = Decoder::new();
    // An unreadable schema is a case of its own; its records are rejected.
    let _ = decoder.insert_schema(ID, json);
    decoder
}

fn framed(datum: &[u8]) -> Vec<u8> {
    let mut value = Vec::new();
    frame_confluent(ID, &mut value);
    value.extend_from_slice(datum);
    value
}

fn reason_of(decoded: Decoded<'_>) -> Result<String, Reason> {
    match decoded {
        Decoded::Rejected(rejected) => Err(rejected.reason),
        other => Ok(format!("{other:?}")),
    }
}

fn encoded(raw: &RawTransaction<'_>) -> Vec<u8> {
    let mut datum = Vec::new();
    encode_transaction(raw, &mut datum);
    datum
}

// --- resolution, against apache-avro ---------------------------------------------------------

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_evolved_schema_reads_as_apache_avro_resolves_it(seed in any::<u64>()) {
        let producer = Producer::new(seed);
        let schema = Schema::parse(&producer.schema).expect("the generator makes schemas");
        let decoder = decoder(&producer.schema.to_string());
        for _ in 0..4 {
            let value = producer.value();
            let datum = producer.datum(&schema, &value);
            let expected = reference::resolve(&schema, &datum);
            let read = decoder.decode_raw(ID, &datum);
            match (expected, read) {
                (Ok(expected), Ok(read)) => prop_assert_eq!(
                    raw_of(&expected), Ok(read), "{:#}\n{:?}", &producer.schema, value
                ),
                (Err(_), Err(rejected)) => prop_assert!(
                    matches!(rejected.reason, Reason::MissingField | Reason::InvalidField),
                    "{rejected} {:#}", producer.schema
                ),
                (expected, read) => prop_assert!(
                    false, "{:#}\n{value:?}\n{expected:?}\n{read:?}", producer.schema
                ),
            }
        }
    }

    #[test]
    fn what_is_damaged_is_a_value(seed in any::<u64>(), damage in any::<u64>()) {
        let producer = Producer::new(seed);
        let schema = Schema::parse(&producer.schema).expect("the generator makes schemas");
        let datum = producer.datum(&schema, &producer.value());
        let decoder = decoder(&producer.schema.to_string());
        for round in 0..16 {
            check_untrusted(&decoder, &codec_support::damaged(&framed(&datum), damage ^ round));
        }
    }
}

/// Never a panic (the test would fail), never much memory, and no text from anywhere but the value.
fn check_untrusted(decoder: &Decoder, value: &[u8]) {
    let (decoded, allocated) = allocated_by(|| decoder.decode(value, NOW));
    assert!(allocated <= MAX_REJECTION_BYTES, "{allocated} bytes for {decoded:?}");
    if let Decoded::Transaction(transaction) = decoded {
        assert_eq!(allocated, 0);
        let inside = value.as_ptr_range();
        let ids = [transaction.transaction_id, transaction.customer_id, transaction.merchant_id];
        for text in ids.into_iter().chain(transaction.city).chain(transaction.device_id) {
            assert!(text.is_empty() || inside.contains(&text.as_ptr()));
        }
    }
    let (_, allocated) = allocated_by(|| decoder.decode_label(value, NOW));
    assert!(allocated <= MAX_REJECTION_BYTES);
}

#[test]
fn a_record_cut_anywhere_is_malformed() {
    let value = framed(&encoded(&full()));
    let decoder = decoder(TRANSACTION_SCHEMA);
    assert!(reason_of(decoder.decode(&value, NOW)).is_ok());
    for length in 0..value.len() {
        let expected = match length {
            0 => Reason::Empty,
            1..5 => Reason::UnknownFraming,
            _ => Reason::MalformedAvro,
        };
        check_untrusted(&decoder, &value[..length]);
        assert_eq!(reason_of(decoder.decode(&value[..length], NOW)), Err(expected), "{length}");
    }
}

#[test]
fn claims_cost_nothing() {
    let huge: [u8; 9] = [0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F];
    let added = |name: &str, schema: Json| {
        let fields = json!([{"name": name, "type": schema}]);
        json!({"type": "record", "name": "T", "fields": fields})
    };
    let nulls = json!({"type": "array", "items": "null"});
    let big =
        json!({"type": "array", "items": {"type": "fixed", "name": "F", "size": 1_u64 << 32}});
    let good = encoded(&full())[..26].to_vec();
    let empty = json!({"type": "record", "name": "E", "fields": [{"name": "n", "type": "null"}]});
    let cases = [
        ("a text", added("city", json!("string")), huge.to_vec()),
        ("bytes", added("x", json!("bytes")), huge.to_vec()),
        ("items", added("x", json!({"type": "array", "items": "long"})), huge.to_vec()),
        ("entries", added("x", json!({"type": "map", "values": "null"})), huge.to_vec()),
        ("a fixed", added("x", json!({"type": "fixed", "name": "F", "size": 1_u64 << 60})), vec![]),
        ("nulls", added("x", nulls.clone()), [&huge[..], &huge[..], &[0][..]].concat()),
        ("empty records", added("x", json!({"type": "array", "items": empty})), huge.to_vec()),
        // 2^32 items of 2^32 bytes are 0 bytes to whoever multiplies in 64 bits; then a good
        // record.
        ("big items", added("x", big), [&[0x80, 0x80, 0x80, 0x80, 0x20, 0][..], &good].concat()),
        ("a block's size", added("x", nulls), [&[1][..], &huge[..]].concat()),
    ];
    for (what, mut schema, datum) in cases {
        let reader: Json = serde_json::from_str(TRANSACTION_SCHEMA).unwrap();
        let required = reader["fields"].as_array().unwrap()[..5].to_vec();
        schema["fields"].as_array_mut().unwrap().extend(required);
        let decoder = decoder(&schema.to_string());
        let value = framed(&datum);
        check_untrusted(&decoder, &value);
        assert_eq!(reason_of(decoder.decode(&value, NOW)), Err(Reason::MalformedAvro), "{what}");
    }
}

#[test]
fn nesting_is_bounded() {
    let schema = json!({"type": "record", "name": "T", "fields": [
        {"name": "deep", "type": {"type": "record", "name": "Node", "fields": [
            {"name": "next", "type": ["null", "Node"]}]}},
        {"name": "transaction_id", "type": "string"}, {"name": "customer_id", "type": "string"},
        {"name": "merchant_id", "type": "string"}, {"name": "amount", "type": "double"},
        {"name": "event_time", "type": "long"}]});
    let decoder = decoder(&schema.to_string());
    // A link is two levels, the record and the union in it; the last union holds null.
    let most = MAX_SKIP_DEPTH as usize / 2 - 1;
    for (links, malformed) in [(0, false), (most, false), (most + 1, true), (1 << 19, true)] {
        let mut datum = vec![2; links];
        datum.extend([0, 2, b't', 2, b'c', 2, b'm']);
        datum.extend(1.5_f64.to_le_bytes());
        datum.extend([0]);
        let read = decoder.decode_raw(ID, &datum);
        let reason = read.err().map(|rejected| rejected.reason);
        assert_eq!(reason, malformed.then_some(Reason::MalformedAvro), "{links}");
    }
}

// --- rejected records, by example ------------------------------------------------------------

#[test]
fn every_reason_has_an_example() {
    let good = encoded(&full());
    let mut trailing = good.clone();
    trailing.push(0);
    let bad = |change: fn(&mut RawTransaction<'_>)| {
        let mut raw = full();
        change(&mut raw);
        framed(&encoded(&raw))
    };
    let mut foreign = Vec::new();
    frame_single_object(1, &mut foreign);
    let mut unknown = Vec::new();
    frame_confluent(404, &mut unknown);
    let cases: Vec<(Vec<u8>, Reason, &str)> = vec![
        (vec![], Reason::Empty, "no value"),
        (vec![0; MAX_RECORD_BYTES + 1], Reason::TooLarge, "1048577"),
        (b"{\"amount\": 1}".to_vec(), Reason::UnknownFraming, "starts with"),
        (vec![0, 0, 0], Reason::UnknownFraming, "Confluent"),
        (unknown, Reason::UnknownSchema, "id 404"),
        (foreign, Reason::UnknownSchema, "fingerprint 0000000000000001"),
        (framed(&good[..20]), Reason::MalformedAvro, "field amount"),
        (framed(&trailing), Reason::MalformedAvro, "bytes follow"),
        (bad(|raw| raw.customer_id = ""), Reason::InvalidField, "customer_id is empty"),
        (bad(|raw| raw.amount = f64::NAN), Reason::InvalidField, "amount is NaN"),
        (bad(|raw| raw.amount = -1.0), Reason::InvalidField, "amount is -1"),
        (bad(|raw| raw.latitude = Some(91.0)), Reason::InvalidField, "latitude is 91"),
        (bad(|raw| raw.event_time = 1_760_000_000), Reason::InvalidField, "event_time"),
        (bad(|raw| raw.event_time = NOW + 86_400_001), Reason::InvalidField, "event_time"),
    ];
    let mut decoder = decoder(TRANSACTION_SCHEMA);
    decoder.mark_unknown(404);
    let mut seen: Vec<Reason> = Vec::new();
    for (value, reason, words) in cases {
        let Decoded::Rejected(rejected) = decoder.decode(&value, NOW) else {
            panic!("{reason}: {words}");
        };
        assert_eq!(rejected.reason, reason, "{rejected}");
        assert!(rejected.message.contains(words), "{rejected}");
        seen.push(reason);
    }
    let no_amount = r#"{"type": "record", "name": "T", "fields": []}"#;
    let outcome = codec_support::insert(&mut decoder, ID, no_amount);
    assert!(matches!(outcome, Err(SchemaError::Unreadable(_))), "{outcome:?}");
    let Decoded::Rejected(rejected) = decoder.decode(&framed(&[]), NOW) else { panic!() };
    assert!(rejected.message.contains("amount is missing"), "{rejected}");
    seen.push(rejected.reason);
    // A decoder does not score.
    for reason in Reason::ALL.into_iter().filter(|reason| *reason != Reason::NotScored) {
        assert!(seen.contains(&reason), "{reason}");
    }
}

#[test]
fn labels_are_checked_like_transactions() {
    let decoder = decoder(LABEL_SCHEMA);
    let day = EventTime::from_trusted_millis(NOW);
    let label = Label {
        transaction_id: "t",
        customer_id: "c",
        merchant_id: "m",
        event_time: day,
        is_fraud: true,
        labeled_at: day,
        fraud_type: None,
    };
    let long = "x".repeat(5_000);
    let late = EventTime::from_trusted_millis(NOW + 86_400_001);
    let cases = [
        (label, None),
        (Label { transaction_id: "", ..label }, Some("transaction_id is empty")),
        (Label { merchant_id: &long, ..label }, Some("merchant_id has 5000 bytes")),
        (Label { fraud_type: Some(&long), ..label }, Some("fraud_type has 5000 bytes")),
        (Label { event_time: late, ..label }, Some("event_time")),
        (Label { labeled_at: late, ..label }, Some("labeled_at")),
    ];
    for (label, words) in cases {
        let mut datum = Vec::new();
        encode_label(&label, &mut datum);
        match (decoder.decode_label(&framed(&datum), NOW), words) {
            (DecodedLabel::Label(read), None) => assert_eq!(read, label),
            (DecodedLabel::Rejected(rejected), Some(words)) => {
                assert_eq!(rejected.reason, Reason::InvalidField);
                assert!(rejected.message.contains(words), "{rejected}");
            }
            (other, _) => panic!("{other:?}"),
        }
    }
}

// --- schemas ---------------------------------------------------------------------------------

#[test]
fn an_unseen_schema_is_asked_for_once() {
    let value = framed(&encoded(&full()));
    let mut decoder = Decoder::new();
    assert_eq!(decoder.decode(&value, NOW), Decoded::NeedsSchema(ID));
    assert_eq!(decoder.decode_label(&value, NOW), DecodedLabel::NeedsSchema(ID));
    decoder.mark_unknown(ID);
    assert_eq!(reason_of(decoder.decode(&value, NOW)), Err(Reason::UnknownSchema));
    decoder.forget_unknown();
    assert_eq!(decoder.decode(&value, NOW), Decoded::NeedsSchema(ID));
    decoder.insert_schema(ID, "{}").unwrap_err();
    assert_eq!(reason_of(decoder.decode(&value, NOW)), Err(Reason::UnknownSchema));
    decoder.insert_schema(ID, TRANSACTION_SCHEMA).unwrap();
    assert!(reason_of(decoder.decode(&value, NOW)).is_ok());
}

#[test]
fn the_projects_own_schemas_are_known_by_fingerprint() {
    let decoder = Decoder::new();
    let mut value = Vec::new();
    frame_single_object(fingerprint(TRANSACTION_SCHEMA).unwrap(), &mut value);
    encode_transaction(&full(), &mut value);
    let expected = full().validate(NOW).unwrap();
    assert_eq!(decoder.decode(&value, NOW), Decoded::Transaction(expected));
    // Labels and alerts have known fingerprints too, but they are no transactions.
    for (json, reason) in
        [(LABEL_SCHEMA, Reason::MissingField), (ALERT_SCHEMA, Reason::UnknownSchema)]
    {
        value.clear();
        frame_single_object(fingerprint(json).unwrap(), &mut value);
        assert_eq!(reason_of(decoder.decode(&value, NOW)), Err(reason));
    }
}

#[test]
fn single_objects_of_apache_avro_are_read() {
    let schema = Schema::parse_str(TRANSACTION_SCHEMA).unwrap();
    let transaction = reference::read(&schema, &encoded(&full()));
    let mut writer =
        apache_avro::GenericSingleObjectWriter::new_with_capacity(&schema, 256).unwrap();
    let mut value = Vec::new();
    writer.write_value_ref(&transaction, &mut value).unwrap();
    let expected = full().validate(NOW).unwrap();
    assert_eq!(Decoder::new().decode(&value, NOW), Decoded::Transaction(expected));
}

#[test]
fn a_union_of_records_is_read_by_branch() {
    let transaction: Json = serde_json::from_str(TRANSACTION_SCHEMA).unwrap();
    let label: Json = serde_json::from_str(LABEL_SCHEMA).unwrap();
    let decoder = decoder(&json!(["null", label, transaction]).to_string());
    let branch = |number: u8, datum: &[u8]| framed(&[&[number * 2], datum].concat());
    let datum = encoded(&full());
    assert!(reason_of(decoder.decode(&branch(2, &datum), NOW)).is_ok());
    for (number, reason) in
        [(0, Reason::UnknownSchema), (1, Reason::MissingField), (3, Reason::MalformedAvro)]
    {
        assert_eq!(reason_of(decoder.decode(&branch(number, &datum), NOW)), Err(reason));
    }
}

#[test]
fn a_report_says_what_becomes_of_every_field() {
    let schema = json!({"type": "record", "name": "Payment", "namespace": "shop", "fields": [
        {"name": "transaction_id", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "customer_id", "type": "long"},
        {"name": "merchant_id", "type": "string"},
        {"name": "event_time", "type": {"type": "int", "logicalType": "date"}},
        {"name": "currency", "type": ["null", "string"]},
        {"name": "channel", "type": {"type": "enum", "name": "Channel", "symbols": ["POS"]}},
        {"name": "city", "type": ["null", "string"]},
        {"name": "latitude", "type": "float"},
        {"name": "basket", "type": {"type": "array", "items": "string"}}]});
    let report = schema_report(&schema.to_string()).unwrap();
    let outcome = |name: &str| {
        let line = report.fields.iter().find(|line| line.field == name);
        line.map(|line| line.outcome.clone()).unwrap()
    };
    let incompatible = |words: &str| Outcome::Incompatible(words.into());
    for (field, expected) in [
        ("transaction_id", Outcome::Converted("uuid string".into())),
        ("customer_id", incompatible("long cannot be read as a string")),
        ("merchant_id", Outcome::Same),
        ("event_time", incompatible("date cannot be read as a timestamp")),
        ("amount", Outcome::Missing),
        ("currency", Outcome::Converted("union [null, string]".into())),
        ("category", Outcome::Default("\"\"")),
        ("channel", Outcome::Converted("enum Channel".into())),
        ("city", Outcome::Same),
        ("latitude", Outcome::Converted("float".into())),
    ] {
        assert_eq!(outcome(field), expected, "{field}");
    }
    assert_eq!(report.record, "shop.Payment");
    assert_eq!(report.ignored, ["basket"]);
    assert!(!report.is_readable());
    assert!(report.to_string().contains("amount: missing"), "{report}");
    assert!(schema_report(TRANSACTION_SCHEMA).unwrap().is_readable());
    assert!(matches!(schema_report("\"string\""), Err(SchemaError::Unreadable(_))));
}

/// The project's schema with another type for one field.
fn with_type(field: &str, data_type: Json) -> Json {
    let mut schema: Json = serde_json::from_str(TRANSACTION_SCHEMA).unwrap();
    let fields = schema["fields"].as_array_mut().unwrap();
    let place = fields.iter().position(|other| other["name"] == field).unwrap();
    fields[place] = json!({"name": field, "type": data_type});
    schema
}

#[test]
fn a_report_says_what_becomes_of_every_symbol() {
    let symbols = json!({"type": "enum", "name": "State",
        "symbols": ["approved", "Declined", "REFUNDED", "FAILED"]});
    for data_type in [symbols.clone(), json!(["null", symbols])] {
        let report = schema_report(&with_type("status", data_type).to_string()).unwrap();
        let words = "status: read from enum State: approved is APPROVED, Declined is DECLINED, \
                     REFUNDED is REFUNDED, FAILED is unknown and counts as APPROVED\n";
        assert!(report.to_string().contains(words), "{report}");
        assert!(report.is_readable());
    }
    assert!(schema_report(TRANSACTION_SCHEMA).unwrap().to_string().contains("status: read\n"));
}

#[test]
fn statuses_in_texts_are_read_in_any_case_and_rejected_if_they_mean_nothing() {
    let decoder = decoder(&with_type("status", json!("string")).to_string());
    let schema = Schema::parse(&with_type("status", json!("string"))).unwrap();
    let own = Schema::parse_str(TRANSACTION_SCHEMA).unwrap();
    let Value::Record(fields) = reference::read(&own, &encoded(&full())) else { panic!() };
    for (text, expected) in [
        ("declined", Ok(Status::Declined)),
        (" Refunded ", Ok(Status::Refunded)),
        ("", Ok(Status::Approved)),
        ("NULL", Ok(Status::Approved)),
        ("FAILED", Err(Reason::InvalidField)),
        ("Refund", Err(Reason::InvalidField)),
    ] {
        let texted = fields.iter().map(|(name, value)| match name.as_str() {
            "status" => (name.clone(), Value::String(text.into())),
            _ => (name.clone(), value.clone()),
        });
        let datum = reference::write(&schema, &Value::Record(texted.collect()));
        let read = decoder.decode_raw(ID, &datum);
        assert_eq!(read.map(|raw| raw.status).map_err(|why| why.reason), expected, "{text}");
    }
}

// --- writing, against apache-avro ------------------------------------------------------------

#[test]
fn what_is_written_is_what_apache_avro_writes() {
    let transaction = full();
    let day = EventTime::from_trusted_millis(NOW);
    let schema = Schema::parse_str(TRANSACTION_SCHEMA).unwrap();
    for raw in [transaction, codec_support::short()] {
        let written = encoded(&raw);
        let value = reference::read(&schema, &written);
        assert_eq!(raw_of(&value), Ok(raw));
        assert_eq!(reference::write(&schema, &value), written);
    }

    let schema = Schema::parse_str(LABEL_SCHEMA).unwrap();
    let (transaction_id, customer_id, merchant_id) = ("t", "c", "m");
    for (is_fraud, fraud_type) in [(true, Some("account takeover")), (false, None)] {
        let (event_time, labeled_at) = (day, day);
        let label = Label {
            transaction_id,
            customer_id,
            merchant_id,
            event_time,
            is_fraud,
            labeled_at,
            fraud_type,
        };
        let mut written = Vec::new();
        encode_label(&label, &mut written);
        let value = reference::read(&schema, &written);
        assert_eq!(reference::field(&value, "is_fraud"), Value::Boolean(is_fraud));
        assert_eq!(reference::write(&schema, &value), written);
    }
}

#[test]
fn alerts_are_written_field_by_field() {
    let schema = Schema::parse_str(ALERT_SCHEMA).unwrap();
    let reason = |code| decision::Reason {
        code,
        feature: "tx_count_1h",
        value: 12.0,
        contribution: 0.25,
        message: "12 payments in an hour".into(),
    };
    let reasons = [reason("VELOCITY_1H"), reason("IMPOSSIBLE_TRAVEL")];
    let rules = ["night".to_owned()];
    let alert = |severity, reasons, rules| Alert {
        transaction: full().validate(NOW).unwrap(),
        scored_at: NOW + 5,
        score: 0.875,
        threshold: 0.5,
        severity,
        model_name: "fraud",
        model_version: "3",
        reasons,
        rules,
        source_partition: -1,
        source_offset: 1 << 40,
    };
    for alert in Severity::ALL
        .map(|severity| alert(severity, &reasons[..], &rules[..]))
        .into_iter()
        .chain([alert(Severity::Low, &[], &[])])
    {
        let mut written = Vec::new();
        encode_alert(&alert, &mut written);
        let value = reference::read(&schema, &written);
        assert_eq!(reference::write(&schema, &value), written);
        let text = |name: &str| match reference::field(&value, name) {
            Value::String(text) | Value::Enum(_, text) => text,
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(text("alert_id"), alert_id("t-1").to_string());
        assert_eq!(text("transaction_id"), "t-1");
        assert_eq!(text("customer_id"), "c-1");
        assert_eq!(text("merchant_id"), "m-1");
        assert_eq!(text("currency"), "EUR");
        assert_eq!(text("severity"), alert.severity.symbol());
        assert_eq!(text("recommendation"), alert.severity.recommendation().symbol());
        assert_eq!(text("model_name"), "fraud");
        assert_eq!(text("model_version"), "3");
        for (name, expected) in [
            ("event_time", Value::TimestampMillis(full().event_time)),
            ("scored_at", Value::TimestampMillis(NOW + 5)),
            ("amount", Value::Double(1234.56)),
            ("score", Value::Double(0.875)),
            ("threshold", Value::Double(0.5)),
            ("source_partition", Value::Int(-1)),
            ("source_offset", Value::Long(1 << 40)),
        ] {
            assert_eq!(reference::field(&value, name), expected);
        }
        let reasons: Vec<Value> = alert.reasons.iter().map(reference::reason).collect();
        assert_eq!(reference::field(&value, "reasons"), Value::Array(reasons));
        let rules = alert.rules.iter().cloned().map(Value::String).collect();
        assert_eq!(reference::field(&value, "rules"), Value::Array(rules));
    }
}

// --- fixtures from fastavro ------------------------------------------------------------------

#[test]
fn fixtures_of_fastavro_are_read() {
    let cases: Vec<Json> = serde_json::from_str(include_str!("fixtures/avro/cases.json")).unwrap();
    assert!(cases.len() > 30);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let decoder = decoder(&case["schema"].to_string());
        let value = framed(&codec_support::unhex(case["datum"].as_str().unwrap()));
        let (read, reason) = if case["target"] == "Label" {
            label_json(decoder.decode_label(&value, NOW))
        } else {
            transaction_json(decoder.decode(&value, NOW))
        };
        assert_eq!(read, case["expect"], "{name}: {reason:?}");
        let prints = fingerprint(&case["schema"].to_string()).unwrap().to_le_bytes();
        assert_eq!(json!(hex(&prints)), case["fingerprint"], "{name}");
        let reason = reason.map_or(Json::Null, |rejected| json!(rejected.reason.word()));
        assert_eq!(reason, case["reason"], "{name}");
    }
}

type Outcomes = (Json, Option<synfinance::core::codec::Rejected>);

fn transaction_json(decoded: Decoded<'_>) -> Outcomes {
    let transaction = match decoded {
        Decoded::Transaction(transaction) => transaction,
        Decoded::Rejected(rejected) => return (Json::Null, Some(rejected)),
        Decoded::NeedsSchema(id) => panic!("schema {id}"),
    };
    let read = json!({
        "transaction_id": transaction.transaction_id,
        "customer_id": transaction.customer_id,
        "merchant_id": transaction.merchant_id,
        "event_time": transaction.event_time.millis(),
        "amount": transaction.amount.major(),
        "currency": transaction.currency,
        "category": transaction.category,
        "payment_mode": transaction.payment_mode,
        "channel": transaction.channel,
        "status": transaction.status.symbol(),
        "merchant_name": transaction.merchant_name,
        "merchant_reputation": transaction.merchant_reputation,
        "city": transaction.city,
        "country": transaction.country,
        "latitude": transaction.position.map(|position| position.latitude()),
        "longitude": transaction.position.map(|position| position.longitude()),
        "home_latitude": transaction.home.map(|position| position.latitude()),
        "home_longitude": transaction.home.map(|position| position.longitude()),
        "device_id": transaction.device_id,
        "ip_address": transaction.ip_address,
    });
    (read, None)
}

fn label_json(decoded: DecodedLabel<'_>) -> Outcomes {
    let label = match decoded {
        DecodedLabel::Label(label) => label,
        DecodedLabel::Rejected(rejected) => return (Json::Null, Some(rejected)),
        DecodedLabel::NeedsSchema(id) => panic!("schema {id}"),
    };
    let read = json!({
        "transaction_id": label.transaction_id,
        "customer_id": label.customer_id,
        "merchant_id": label.merchant_id,
        "event_time": label.event_time.millis(),
        "is_fraud": label.is_fraud,
        "labeled_at": label.labeled_at.millis(),
        "fraud_type": label.fraud_type,
    });
    (read, None)
}

#[test]
fn fingerprints_are_those_of_fastavro() {
    let prints: Json =
        serde_json::from_str(include_str!("fixtures/avro/fingerprints.json")).unwrap();
    for (name, json) in
        [("transaction", TRANSACTION_SCHEMA), ("label", LABEL_SCHEMA), ("alert", ALERT_SCHEMA)]
    {
        // fastavro writes the fingerprint's bytes in the order of the single-object header.
        assert_eq!(prints[name], json!(hex(&fingerprint(json).unwrap().to_le_bytes())));
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn statuses_are_the_schemas() {
    let schema: Json = serde_json::from_str(TRANSACTION_SCHEMA).unwrap();
    let fields = schema["fields"].as_array().unwrap();
    let status = fields.iter().find(|field| field["name"] == "status").unwrap();
    assert_eq!(status["type"]["symbols"], json!(Status::SYMBOLS));
}
