//! apache-avro as the reference: decode into a tree of values, then resolve the tree.
//!
//! Where the stream accepts more than Avro's rules (the contract's list: finer timestamps,
//! decimals, null for a default), the tree is first brought into what the reader's schema has,
//! value by value and naively.

use std::sync::LazyLock;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use synfinance::core::codec::TRANSACTION_SCHEMA;
use synfinance::core::decision::Reason;

static READER: LazyLock<Schema> =
    LazyLock::new(|| Schema::parse_str(TRANSACTION_SCHEMA).expect("the project's schema"));

/// Fields of the reader that have another default than null.
const DEFAULTED: [&str; 5] = ["currency", "category", "payment_mode", "channel", "status"];

/// The datum of a value.
pub fn write(schema: &Schema, value: &Value) -> Vec<u8> {
    let writer = GenericDatumWriter::builder(schema).validate(false).build();
    let writer = writer.expect("a schema without open names");
    let mut datum = Vec::new();
    writer.write_value_ref(&mut datum, value).expect("a value of the schema");
    datum
}

/// The value of a datum in its own schema; all of its bytes must be used.
pub fn read(schema: &Schema, mut datum: &[u8]) -> Value {
    let reader = GenericDatumReader::builder(schema).build().expect("a schema without open names");
    let value = reader.read_value(&mut datum).expect("a datum of the schema");
    assert_eq!(datum, [0; 0], "the datum is used up");
    value
}

/// The datum resolved to the reader's schema.
pub fn resolve(schema: &Schema, datum: &[u8]) -> Result<Value, String> {
    let Value::Record(fields) = read(schema, datum) else { return Err("no record".into()) };
    let fields = fields.into_iter().filter_map(|(name, value)| {
        let value = if name == "status" { status(normal(value)) } else { texted(normal(value)) };
        let dropped = value == Value::Null && DEFAULTED.contains(&name.as_str());
        (!dropped).then_some((name, value))
    });
    Value::Record(fields.collect()).resolve(&READER).map_err(|error| error.to_string())
}

/// A record's field.
pub fn field(value: &Value, name: &str) -> Value {
    let Value::Record(fields) = value else { panic!("{value:?}") };
    fields.iter().find(|(field, _)| field == name).expect(name).1.clone()
}

/// A reason as the alert's schema has it.
pub fn reason(reason: &Reason) -> Value {
    Value::Record(vec![
        ("code".into(), Value::String(reason.code.into())),
        ("feature".into(), Value::String(reason.feature.into())),
        ("value".into(), Value::Double(reason.value)),
        ("contribution".into(), Value::Double(reason.contribution)),
        ("message".into(), Value::String(reason.message.clone())),
    ])
}

/// A status in the case that the reader's schema has. A text that is none resolves to nothing,
/// where an unknown symbol resolves to the reader's default.
fn status(value: Value) -> Value {
    let known = |text: &str| {
        ["APPROVED", "DECLINED", "REFUNDED"].into_iter().find(|s| s.eq_ignore_ascii_case(text))
    };
    match value {
        Value::Enum(place, symbol) => {
            Value::Enum(place, known(&symbol).map_or(symbol, str::to_owned))
        }
        Value::String(text) if text.trim().is_empty() => Value::Null,
        Value::String(text) => {
            known(text.trim()).map_or(Value::Int(0), |s| Value::String(s.into()))
        }
        other => other,
    }
}

/// A symbol as the text that it is.
fn texted(value: Value) -> Value {
    match value {
        Value::Enum(_, symbol) => Value::String(symbol),
        other => other,
    }
}

fn normal(value: Value) -> Value {
    match value {
        Value::Union(_, inner) => normal(*inner),
        Value::TimestampMicros(micros) | Value::LocalTimestampMicros(micros) => {
            Value::TimestampMillis(micros.div_euclid(1_000))
        }
        Value::TimestampNanos(nanos) | Value::LocalTimestampNanos(nanos) => {
            Value::TimestampMillis(nanos.div_euclid(1_000_000))
        }
        Value::LocalTimestampMillis(millis) => Value::TimestampMillis(millis),
        Value::Uuid(id) => Value::String(id.to_string()),
        Value::Decimal(decimal) => Value::Double(decimal_of(&decimal)),
        other => other,
    }
}

/// The generator writes decimals of two places: their digits with a point, parsed.
fn decimal_of(decimal: &apache_avro::Decimal) -> f64 {
    let bytes: Vec<u8> = decimal.try_into().expect("bytes");
    let negative = bytes[0] >= 0x80;
    let mut unscaled: i128 = if negative { -1 } else { 0 };
    for byte in bytes {
        unscaled = unscaled * 256 + i128::from(byte);
    }
    let sign = if negative { "-" } else { "" };
    let digits = format!("{:03}", unscaled.unsigned_abs());
    let (major, minor) = digits.split_at(digits.len() - 2);
    format!("{sign}{major}.{minor}").parse().expect("a number")
}
