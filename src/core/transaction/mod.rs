//! Transactions and labels, valid by construction.
//!
//! Every front end (stream, API, files) fills a [`RawTransaction`] with whatever arrived and calls
//! [`RawTransaction::validate`] once. Nothing behind that call checks a field again: an [`Amount`]
//! is finite and not negative, an [`EventTime`] lies between the year 2000 and a day after the
//! caller's clock, a [`Position`] is on the globe, ids are neither empty nor too long.
//!
//! Strings are borrowed from the record that they came in; only what the state remembers is copied.

mod raw;

use crate::base::limits::MAX_AMOUNT_MAJOR;
#[cfg(test)]
use crate::base::limits::{MAX_ID_BYTES, MAX_TEXT_BYTES};

pub use raw::{RawTransaction, is_no_value};

/// Milliseconds in a second, minute, hour and day: event time counts in milliseconds.
pub const SECOND_MS: i64 = 1_000;
/// See [`SECOND_MS`].
pub const MINUTE_MS: i64 = 60 * SECOND_MS;
/// See [`SECOND_MS`].
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
/// See [`SECOND_MS`].
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// 2000-01-01T00:00:00Z: anything older is not a real payment.
const YEAR_2000_MS: i64 = 946_684_800_000;

/// When a payment happened: milliseconds since 1970-01-01T00:00:00Z, at least the year 2000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventTime(i64);

impl EventTime {
    /// The time at `millis` since the epoch, or why it is not valid. `now` is the caller's clock;
    /// times up to a day ahead of it are accepted, because clocks disagree.
    pub fn new(millis: i64, now: i64) -> Result<Self, InvalidField> {
        if millis < YEAR_2000_MS {
            return Err(InvalidField::TimeTooOld { millis });
        }
        if millis > now.saturating_add(DAY_MS) {
            return Err(InvalidField::TimeAhead { millis, now });
        }
        Ok(Self(millis))
    }

    /// A time that this process itself once validated (read back from a snapshot, or generated). It
    /// must be in the year 2000 or later; otherwise it is moved to its start.
    pub fn from_trusted_millis(millis: i64) -> Self {
        debug_assert!(millis >= YEAR_2000_MS, "trusted time {millis} is before 2000");
        Self(millis.max(YEAR_2000_MS))
    }

    /// Milliseconds since the epoch.
    pub fn millis(self) -> i64 {
        self.0
    }
}

/// An amount of money in ten-thousandths of the currency's major unit, so that sums are exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(i64);

impl Amount {
    /// Minor units in one major unit: four decimal places.
    pub const SCALE: i64 = 10_000;

    /// The amount nearest to `major` units, or why it is not valid.
    pub fn from_major(major: f64) -> Result<Self, InvalidField> {
        if !(0.0..=MAX_AMOUNT_MAJOR).contains(&major) {
            return Err(InvalidField::Amount { value: major });
        }
        Ok(Self((major * Self::SCALE as f64).round() as i64))
    }

    /// An amount from minor units that this process itself once produced; negative ones become 0.
    pub fn from_minor(minor: i64) -> Self {
        debug_assert!(minor >= 0, "negative amount {minor}");
        Self(minor.max(0))
    }

    /// Ten-thousandths of the major unit, never negative.
    pub fn minor(self) -> i64 {
        self.0
    }

    /// Major units: the double nearest to the exact decimal.
    pub fn major(self) -> f64 {
        self.0 as f64 / Self::SCALE as f64
    }
}

/// A point on the globe in WGS 84 degrees, latitude within ±90 and longitude within ±180.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Position {
    latitude: f64,
    longitude: f64,
}

impl Position {
    /// The point, or why it is not valid.
    pub fn new(latitude: f64, longitude: f64) -> Result<Self, InvalidField> {
        if !(-90.0..=90.0).contains(&latitude) {
            return Err(InvalidField::Latitude { value: latitude });
        }
        if !(-180.0..=180.0).contains(&longitude) {
            return Err(InvalidField::Longitude { value: longitude });
        }
        Ok(Self { latitude, longitude })
    }

    /// Degrees north.
    pub fn latitude(self) -> f64 {
        self.latitude
    }

    /// Degrees east.
    pub fn longitude(self) -> f64 {
        self.longitude
    }
}

/// How the payment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Status {
    /// Paid; also what no status counts as, as the schema's default says.
    #[default]
    Approved,
    /// Refused by the issuer or the merchant.
    Declined,
    /// Money that flowed back: counted, but not summed.
    Refunded,
}

impl Status {
    /// The Avro schema's symbols, in the schema's order.
    pub const SYMBOLS: [&'static str; 3] = ["APPROVED", "DECLINED", "REFUNDED"];

    /// The schema's symbol.
    pub fn symbol(self) -> &'static str {
        Self::SYMBOLS[self as usize]
    }

    /// The status that a text names, in any case. No text is the schema's default; `None` for one
    /// that means nothing here, which is not taken for another.
    pub fn from_text(text: &str) -> Option<Self> {
        let text = text.trim_ascii();
        let is_named = |status: &Self| text.eq_ignore_ascii_case(status.symbol());
        let named = [Self::Approved, Self::Declined, Self::Refunded].into_iter().find(is_named);
        named.or_else(|| is_no_value(text).then(Self::default))
    }
}

/// A checked transaction, ready to be scored. Only [`RawTransaction::validate`] makes one.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Transaction<'a> {
    /// Unique, not empty.
    pub transaction_id: &'a str,
    /// The owner of the velocity windows, not empty.
    pub customer_id: &'a str,
    /// Who was paid, not empty.
    pub merchant_id: &'a str,
    /// When the payment happened.
    pub event_time: EventTime,
    /// How much, in units of `currency`.
    pub amount: Amount,
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
    /// Where it was made, if both coordinates are known.
    pub position: Option<Position>,
    /// Where the customer lives, if both coordinates are known.
    pub home: Option<Position>,
    /// The device that was used.
    pub device_id: Option<&'a str>,
    /// The IP address that it came from.
    pub ip_address: Option<&'a str>,
}

/// An analyst's verdict on a transaction. Field for field the schema `Label`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label<'a> {
    /// The transaction that was judged.
    pub transaction_id: &'a str,
    /// The customer who made it.
    pub customer_id: &'a str,
    /// The merchant that was paid.
    pub merchant_id: &'a str,
    /// When the transaction happened, not when the verdict was given.
    pub event_time: EventTime,
    /// The verdict.
    pub is_fraud: bool,
    /// When the verdict was given: it may be used from then on, and never before.
    pub labeled_at: EventTime,
    /// What kind of fraud, for people to read.
    pub fraud_type: Option<&'a str>,
}

/// Why a field's value cannot be part of a [`Transaction`].
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum InvalidField {
    /// An id is empty.
    #[error("{field} is empty")]
    Empty {
        /// The schema's field name.
        field: &'static str,
    },
    /// A text is longer than any honest producer sends.
    #[error("{field} has {bytes} bytes, at most {allowed} are allowed")]
    TooLong {
        /// The schema's field name.
        field: &'static str,
        /// Its length in bytes.
        bytes: usize,
        /// The greatest length allowed, in bytes.
        allowed: usize,
    },
    /// The amount is not a number, negative, or larger than sums can hold.
    #[error("amount is {value}, it must be a number from 0 to {MAX_AMOUNT_MAJOR:e}")]
    Amount {
        /// What arrived.
        value: f64,
    },
    /// The latitude is not within ±90.
    #[error("latitude is {value}, it must be within -90 and 90")]
    Latitude {
        /// What arrived.
        value: f64,
    },
    /// The longitude is not within ±180.
    #[error("longitude is {value}, it must be within -180 and 180")]
    Longitude {
        /// What arrived.
        value: f64,
    },
    /// The time is before the year 2000.
    #[error("event_time {millis} ms is before 2000-01-01; seconds sent as milliseconds?")]
    TimeTooOld {
        /// What arrived.
        millis: i64,
    },
    /// The time is more than a day ahead of the caller's clock.
    #[error("event_time {millis} ms is more than a day ahead of the clock ({now} ms)")]
    TimeAhead {
        /// What arrived.
        millis: i64,
        /// The caller's clock, milliseconds since the epoch.
        now: i64,
    },
}

impl InvalidField {
    /// The schema's name of the wrong field.
    pub fn field(&self) -> &'static str {
        match self {
            Self::Empty { field } | Self::TooLong { field, .. } => field,
            Self::Amount { .. } => "amount",
            Self::Latitude { .. } => "latitude",
            Self::Longitude { .. } => "longitude",
            Self::TimeTooOld { .. } | Self::TimeAhead { .. } => "event_time",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_767_225_600_000;

    fn valid() -> RawTransaction<'static> {
        RawTransaction {
            transaction_id: "t",
            customer_id: "c",
            merchant_id: "m",
            event_time: NOW,
            amount: 12.5,
            ..RawTransaction::default()
        }
    }

    #[test]
    fn every_field_is_checked_and_named() {
        let long = "x".repeat(MAX_ID_BYTES.max(MAX_TEXT_BYTES) + 1);
        let long: &'static str = Box::leak(long.into_boxed_str());
        let cases: Vec<(&str, RawTransaction)> = vec![
            ("transaction_id", RawTransaction { transaction_id: "", ..valid() }),
            ("customer_id", RawTransaction { customer_id: "", ..valid() }),
            ("merchant_id", RawTransaction { merchant_id: long, ..valid() }),
            ("amount", RawTransaction { amount: -0.01, ..valid() }),
            ("amount", RawTransaction { amount: f64::NAN, ..valid() }),
            ("amount", RawTransaction { amount: f64::INFINITY, ..valid() }),
            ("amount", RawTransaction { amount: MAX_AMOUNT_MAJOR * 1.01, ..valid() }),
            ("event_time", RawTransaction { event_time: YEAR_2000_MS - 1, ..valid() }),
            ("event_time", RawTransaction { event_time: NOW + DAY_MS + 1, ..valid() }),
            ("city", RawTransaction { city: Some(long), ..valid() }),
            ("latitude", RawTransaction { latitude: Some(90.01), longitude: Some(0.0), ..valid() }),
            ("latitude", RawTransaction { latitude: Some(-91.0), ..valid() }),
            (
                "longitude",
                RawTransaction { latitude: Some(1.0), longitude: Some(f64::NAN), ..valid() },
            ),
        ];
        for (field, raw) in cases {
            let error = raw.validate(NOW).expect_err(field);
            assert_eq!(error.field(), field, "{error}");
        }
    }

    #[test]
    fn bounds_are_inside() {
        for raw in [
            RawTransaction { event_time: YEAR_2000_MS, ..valid() },
            RawTransaction { event_time: NOW + DAY_MS, ..valid() },
            RawTransaction { amount: 0.0, ..valid() },
            RawTransaction { amount: MAX_AMOUNT_MAJOR, ..valid() },
            RawTransaction { latitude: Some(-90.0), longitude: Some(180.0), ..valid() },
        ] {
            raw.validate(NOW).unwrap();
        }
    }

    #[test]
    fn cosmetic_fields_never_reject() {
        let reputation = |value| {
            let raw = RawTransaction { merchant_reputation: Some(value), ..valid() };
            raw.validate(NOW).unwrap().merchant_reputation
        };
        assert_eq!(reputation(85.0), Some(1.0));
        assert_eq!(reputation(-1.0), Some(0.0));
        assert_eq!(reputation(f64::NAN), None);
        let half = RawTransaction { latitude: Some(1.0), ..valid() };
        assert_eq!(half.validate(NOW).unwrap().position, None);
    }

    #[test]
    fn what_stands_for_nothing_is_nothing() {
        for nothing in ["NULL", "null", "\\N", "NaN", "nan", "NaT", "<NA>", "  ", "\t", " NULL "] {
            assert!(is_no_value(nothing), "{nothing:?}");
            let raw = RawTransaction { currency: nothing, city: Some(nothing), ..valid() };
            let transaction = raw.validate(NOW).unwrap();
            assert_eq!((transaction.currency, transaction.city), ("INR", None), "{nothing:?}");
            let raw = RawTransaction { customer_id: nothing, ..valid() };
            let error = raw.validate(NOW).unwrap_err();
            assert_eq!(error, InvalidField::Empty { field: "customer_id" }, "{nothing:?}");
            assert_eq!(Status::from_text(nothing), Some(Status::Approved), "{nothing:?}");
        }
        for something in ["NA", "Nullarbor", "N", "\\", "<", "Nan", "Nat", "None", "0", "-"] {
            assert!(!is_no_value(something), "{something:?}");
        }
    }

    #[test]
    fn a_status_that_means_nothing_is_none() {
        let cases = [
            ("declined", Some(Status::Declined)),
            (" Refunded ", Some(Status::Refunded)),
            ("approved", Some(Status::Approved)),
            ("FAILED", None),
            ("Refund", None),
            ("0", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Status::from_text(text), expected, "{text}");
        }
    }

    #[test]
    fn amounts_are_exact_decimals() {
        for (major, minor) in [(0.1, 1_000), (1234.5678, 12_345_678), (0.00004, 0), (0.00005, 1)] {
            let amount = Amount::from_major(major).unwrap();
            assert_eq!(amount.minor(), minor);
        }
        assert_eq!(Amount::from_minor(12_345_678).major(), 1234.5678);
    }
}
