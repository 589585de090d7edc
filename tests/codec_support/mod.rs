//! What the codec's tests share: sample values, damage, a counting allocator.

pub mod producer;
pub mod reference;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use apache_avro::types::Value;
use synfinance::core::codec::{Decoder, SchemaError};
use synfinance::core::transaction::{RawTransaction, Status};

/// The tests' clock: 2026-01-01T00:00:00Z.
pub const NOW: i64 = 1_767_225_600_000;

thread_local! {
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, which counts what each thread asks for.
struct Counting;

#[expect(unsafe_code, reason = "an allocator is unsafe to implement")]
// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATED.try_with(|bytes| bytes.set(bytes.get() + layout.size()));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The result of `work`, and how many bytes it asked for on this thread.
pub fn allocated_by<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = ALLOCATED.get();
    let result = work();
    (result, ALLOCATED.get() - before)
}

/// A transaction with every field.
pub fn full() -> RawTransaction<'static> {
    RawTransaction {
        transaction_id: "t-1",
        customer_id: "c-1",
        merchant_id: "m-1",
        event_time: 1_760_000_000_123,
        amount: 1234.56,
        currency: "EUR",
        category: "Groceries",
        payment_mode: "Credit Card",
        channel: "Online",
        status: Status::Refunded,
        merchant_name: Some("Käse & Söhne"),
        merchant_reputation: Some(0.25),
        city: Some("पुणे"),
        country: Some("IN"),
        latitude: Some(18.52),
        longitude: Some(73.86),
        home_latitude: Some(-0.5),
        home_longitude: Some(-179.75),
        device_id: Some("d-1"),
        ip_address: Some("2001:db8::1"),
    }
}

/// A transaction with what is required.
pub fn short() -> RawTransaction<'static> {
    RawTransaction {
        transaction_id: "t",
        customer_id: "c",
        merchant_id: "m",
        event_time: NOW,
        amount: 0.1,
        ..RawTransaction::default()
    }
}

/// [`Decoder::insert_schema`], for cases in which the error is what is tested.
pub fn insert(decoder: &mut Decoder, id: u32, json: &str) -> Result<(), SchemaError> {
    decoder.insert_schema(id, json)
}

/// The transaction in a value of the reader's schema, or the field that is not of its type.
pub fn raw_of(value: &Value) -> Result<RawTransaction<'_>, String> {
    let field = |name: &str| match value {
        Value::Record(fields) => {
            let found = fields.iter().find(|(field, _)| field == name).map(|(_, value)| value);
            match found.ok_or(name)? {
                Value::Union(_, inner) => Ok(&**inner),
                other => Ok(other),
            }
        }
        other => Err(format!("{other:?}")),
    };
    let optional_text = |name: &str| match field(name)? {
        Value::String(text) => Ok(Some(text.as_str())),
        Value::Null => Ok(None),
        other => Err(format!("{name}: {other:?}")),
    };
    let optional_number = |name: &str| match field(name)? {
        Value::Double(number) => Ok(Some(*number)),
        Value::Null => Ok(None),
        other => Err(format!("{name}: {other:?}")),
    };
    let text = |name: &str| optional_text(name)?.ok_or(name.to_owned());
    Ok(RawTransaction {
        transaction_id: text("transaction_id")?,
        customer_id: text("customer_id")?,
        merchant_id: text("merchant_id")?,
        event_time: match field("event_time")? {
            Value::TimestampMillis(millis) => *millis,
            other => return Err(format!("event_time: {other:?}")),
        },
        amount: optional_number("amount")?.ok_or("amount")?,
        currency: text("currency")?,
        category: text("category")?,
        payment_mode: text("payment_mode")?,
        channel: text("channel")?,
        status: match field("status")? {
            Value::Enum(_, symbol) => {
                Status::from_text(symbol).ok_or(format!("status: {symbol}"))?
            }
            other => return Err(format!("status: {other:?}")),
        },
        merchant_name: optional_text("merchant_name")?,
        merchant_reputation: optional_number("merchant_reputation")?,
        city: optional_text("city")?,
        country: optional_text("country")?,
        latitude: optional_number("latitude")?,
        longitude: optional_number("longitude")?,
        home_latitude: optional_number("home_latitude")?,
        home_longitude: optional_number("home_longitude")?,
        device_id: optional_text("device_id")?,
        ip_address: optional_text("ip_address")?,
    })
}

/// The bytes with one thing wrong: cut, flipped, replaced, inserted, repeated, or all of them
/// random.
pub fn damaged(value: &[u8], seed: u64) -> Vec<u8> {
    let mut dice = producer::Dice::new(seed);
    let mut bytes = value.to_vec();
    let at = dice.below(bytes.len());
    match dice.below(7) {
        0 => bytes.truncate(at),
        1 => bytes[at] ^= 1 << dice.below(8),
        2 => bytes[at] = dice.byte(),
        3 => bytes.insert(at, dice.byte()),
        4 => bytes.extend_from_within(at..),
        5 => bytes[at..].fill(0xFF),
        _ => bytes[5..].iter_mut().for_each(|byte| *byte = dice.byte()),
    }
    bytes
}

/// Bytes from hexadecimal digits.
pub fn unhex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}
