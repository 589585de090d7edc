//! Values to datums, by hand, in the field order of the files under `schemas/`.
//!
//! The schemas that this process writes are its own and do not change at run time, so there is
//! nothing to look up: each function follows its schema line by line. Tests compare the bytes with
//! apache-avro's. The caller puts a header from [`super::frame_confluent`] or
//! [`super::frame_single_object`] in front.

use crate::core::decision::{Alert, Reason, alert_id};
use crate::core::transaction::{Label, RawTransaction};

/// Appends an alert as a datum of `schemas/alert.avsc`.
pub fn encode_alert(alert: &Alert<'_>, out: &mut Vec<u8>) {
    let transaction = &alert.transaction;
    let id = alert_id(transaction.transaction_id);
    text(id.hyphenated().encode_lower(&mut [0; uuid::fmt::Hyphenated::LENGTH]), out);
    text(transaction.transaction_id, out);
    text(transaction.customer_id, out);
    text(transaction.merchant_id, out);
    long(transaction.event_time.millis(), out);
    long(alert.scored_at, out);
    double(transaction.amount.major(), out);
    text(transaction.currency, out);
    double(alert.score, out);
    double(alert.threshold, out);
    long(alert.severity as i64, out);
    long(alert.severity.recommendation() as i64, out);
    text(alert.model_name, out);
    text(alert.model_version, out);
    array(alert.reasons, reason, out);
    array(alert.rules, |rule, out| text(rule, out), out);
    long(i64::from(alert.source_partition), out);
    long(alert.source_offset, out);
}

fn reason(reason: &Reason, out: &mut Vec<u8>) {
    text(reason.code, out);
    text(reason.feature, out);
    double(reason.value, out);
    double(reason.contribution, out);
    text(&reason.message, out);
}

/// Appends a transaction as a datum of `schemas/transaction.avsc`.
pub fn encode_transaction(transaction: &RawTransaction<'_>, out: &mut Vec<u8>) {
    text(transaction.transaction_id, out);
    text(transaction.customer_id, out);
    text(transaction.merchant_id, out);
    long(transaction.event_time, out);
    double(transaction.amount, out);
    text(transaction.currency, out);
    text(transaction.category, out);
    text(transaction.payment_mode, out);
    text(transaction.channel, out);
    long(transaction.status as i64, out);
    optional(transaction.merchant_name, text, out);
    optional(transaction.merchant_reputation, double, out);
    optional(transaction.city, text, out);
    optional(transaction.country, text, out);
    optional(transaction.latitude, double, out);
    optional(transaction.longitude, double, out);
    optional(transaction.home_latitude, double, out);
    optional(transaction.home_longitude, double, out);
    optional(transaction.device_id, text, out);
    optional(transaction.ip_address, text, out);
}

/// Appends a verdict as a datum of `schemas/label.avsc`.
pub fn encode_label(label: &Label<'_>, out: &mut Vec<u8>) {
    text(label.transaction_id, out);
    text(label.customer_id, out);
    text(label.merchant_id, out);
    long(label.event_time.millis(), out);
    out.push(u8::from(label.is_fraud));
    long(label.labeled_at.millis(), out);
    optional(label.fraud_type, text, out);
}

fn long(number: i64, out: &mut Vec<u8>) {
    let mut rest = (number << 1 ^ number >> 63) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn double(number: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn text(text: &str, out: &mut Vec<u8>) {
    long(text.len() as i64, out);
    out.extend_from_slice(text.as_bytes());
}

/// Writes a union of null and one type.
fn optional<T>(value: Option<T>, write: impl FnOnce(T, &mut Vec<u8>), out: &mut Vec<u8>) {
    match value {
        None => long(0, out),
        Some(value) => {
            long(1, out);
            write(value, out);
        }
    }
}

/// Writes one block with all items, and the empty block that ends an array.
fn array<T>(items: &[T], write: impl Fn(&T, &mut Vec<u8>), out: &mut Vec<u8>) {
    if !items.is_empty() {
        long(items.len() as i64, out);
        items.iter().for_each(|item| write(item, out));
    }
    long(0, out);
}
