//! A transaction as it arrived, before anything about it is checked.

use super::{Amount, EventTime, InvalidField, Position, Status, Transaction};
use crate::base::limits::{MAX_ID_BYTES, MAX_TEXT_BYTES};

/// The schema's default.
const DEFAULT_CURRENCY: &str = "INR";

/// A transaction as it arrived, not yet checked. Field for field the schema `Transaction`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RawTransaction<'a> {
    /// Unique; a repeated id is a duplicate delivery.
    pub transaction_id: &'a str,
    /// The owner of the velocity windows.
    pub customer_id: &'a str,
    /// Who was paid.
    pub merchant_id: &'a str,
    /// Milliseconds since the epoch.
    pub event_time: i64,
    /// Major units of `currency`.
    pub amount: f64,
    /// ISO 4217.
    pub currency: &'a str,
    /// Merchant category; empty when unknown.
    pub category: &'a str,
    /// UPI, Credit Card, ...; empty when unknown.
    pub payment_mode: &'a str,
    /// POS, Online, ...; empty when unknown.
    pub channel: &'a str,
    /// How it ended.
    pub status: Status,
    /// For people to read.
    pub merchant_name: Option<&'a str>,
    /// 0 (worst) to 1 (best).
    pub merchant_reputation: Option<f64>,
    /// The city where it was made.
    pub city: Option<&'a str>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<&'a str>,
    /// Degrees north.
    pub latitude: Option<f64>,
    /// Degrees east.
    pub longitude: Option<f64>,
    /// Degrees north of the customer's home.
    pub home_latitude: Option<f64>,
    /// Degrees east of the customer's home.
    pub home_longitude: Option<f64>,
    /// The device that was used.
    pub device_id: Option<&'a str>,
    /// The IP address that it came from.
    pub ip_address: Option<&'a str>,
}

impl Default for RawTransaction<'_> {
    /// The schema's defaults. The ids are empty and the time is 0, so this does not validate as it
    /// is.
    fn default() -> Self {
        Self {
            transaction_id: "",
            customer_id: "",
            merchant_id: "",
            event_time: 0,
            amount: 0.0,
            currency: DEFAULT_CURRENCY,
            category: "",
            payment_mode: "",
            channel: "",
            status: Status::Approved,
            merchant_name: None,
            merchant_reputation: None,
            city: None,
            country: None,
            latitude: None,
            longitude: None,
            home_latitude: None,
            home_longitude: None,
            device_id: None,
            ip_address: None,
        }
    }
}

impl<'a> RawTransaction<'a> {
    /// The checked transaction, or the first error found: ids, then time, amount, texts,
    /// coordinates. `now` is the caller's clock in milliseconds since the epoch.
    ///
    /// A reputation outside 0..1 is moved to the nearer end and one that is no number counts as
    /// unknown: a cosmetic field is no reason to leave a payment unscored. One coordinate without
    /// the other is an unknown position. A text that stands for no value ([`is_no_value`]) is none:
    /// an id is empty, another field unknown.
    pub fn validate(self, now: i64) -> Result<Transaction<'a>, InvalidField> {
        check_id("transaction_id", self.transaction_id)?;
        check_id("customer_id", self.customer_id)?;
        check_id("merchant_id", self.merchant_id)?;
        let event_time = EventTime::new(self.event_time, now)?;
        let amount = Amount::from_major(self.amount)?;
        self.check_texts()?;
        Ok(Transaction {
            transaction_id: self.transaction_id,
            customer_id: self.customer_id,
            merchant_id: self.merchant_id,
            event_time,
            amount,
            currency: text_or(self.currency, DEFAULT_CURRENCY),
            category: text_or(self.category, ""),
            payment_mode: text_or(self.payment_mode, ""),
            channel: text_or(self.channel, ""),
            status: self.status,
            merchant_name: known(self.merchant_name),
            merchant_reputation: self
                .merchant_reputation
                .filter(|value| !value.is_nan())
                .map(|value| value.clamp(0.0, 1.0)),
            city: known(self.city),
            country: known(self.country),
            position: position(self.latitude, self.longitude)?,
            home: position(self.home_latitude, self.home_longitude)?,
            device_id: known(self.device_id),
            ip_address: known(self.ip_address),
        })
    }

    fn check_texts(&self) -> Result<(), InvalidField> {
        check_text("currency", self.currency)?;
        check_text("category", self.category)?;
        check_text("payment_mode", self.payment_mode)?;
        check_text("channel", self.channel)?;
        let optional = [
            ("merchant_name", self.merchant_name),
            ("city", self.city),
            ("country", self.country),
            ("device_id", self.device_id),
            ("ip_address", self.ip_address),
        ];
        for (field, text) in optional {
            check_text(field, text.unwrap_or(""))?;
        }
        Ok(())
    }
}

/// Whether a text stands for no value: blanks, or what tools write for nothing (`NULL`, `\N`,
/// `NaN`, `NaT`, `<NA>`).
#[inline]
pub fn is_no_value(text: &str) -> bool {
    match text.as_bytes() {
        [] => true,
        [b'N' | b'n' | b'\\' | b'<' | b' ' | b'\t'..=b'\r', ..] => stands_for_nothing(text),
        _ => false,
    }
}

#[inline(never)]
fn stands_for_nothing(text: &str) -> bool {
    let text = text.trim_ascii();
    // Not in any case: Nan is a city.
    matches!(text, "" | "NULL" | "Null" | "null" | "\\N" | "NaN" | "nan" | "NAN" | "NaT" | "<NA>")
}

/// A text that is there and stands for a value. An empty one stays: it is one already.
#[inline]
fn known(text: Option<&str>) -> Option<&str> {
    text.filter(|text| text.is_empty() || !is_no_value(text))
}

/// A text, or what stands for none in its place.
#[inline]
fn text_or<'a>(text: &'a str, none: &'a str) -> &'a str {
    if !text.is_empty() && is_no_value(text) { none } else { text }
}

fn check_id(field: &'static str, text: &str) -> Result<(), InvalidField> {
    match text.len() {
        _ if is_no_value(text) => Err(InvalidField::Empty { field }),
        bytes if bytes > MAX_ID_BYTES => {
            Err(InvalidField::TooLong { field, bytes, allowed: MAX_ID_BYTES })
        }
        _ => Ok(()),
    }
}

fn check_text(field: &'static str, text: &str) -> Result<(), InvalidField> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(InvalidField::TooLong { field, bytes: text.len(), allowed: MAX_TEXT_BYTES });
    }
    Ok(())
}

fn position(
    latitude: Option<f64>,
    longitude: Option<f64>,
) -> Result<Option<Position>, InvalidField> {
    match (latitude, longitude) {
        (Some(latitude), Some(longitude)) => Position::new(latitude, longitude).map(Some),
        (Some(value), None) if !(-90.0..=90.0).contains(&value) => {
            Err(InvalidField::Latitude { value })
        }
        _ => Ok(None),
    }
}
