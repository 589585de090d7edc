//! Reads alerts back from bytes, for subscribers inside the process.
//!
//! It reads only alerts that this program wrote, so there is one schema and nothing to resolve. The
//! reader follows `schemas/alert.avsc` line by line, like the writer in [`super::encode`].

use super::cursor::{Cursor, Fault};
use super::framing::{Framing, SchemaName, split};
use super::{Reason, Rejected};
use crate::core::decision::Severity;

/// An alert as it was published; its texts are borrowed from the record.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertView<'a> {
    /// UUIDv5 of the transaction's id.
    pub alert_id: &'a str,
    /// The transaction that the alert is about.
    pub transaction_id: &'a str,
    /// The customer who made it.
    pub customer_id: &'a str,
    /// The merchant that was paid.
    pub merchant_id: &'a str,
    /// When the transaction happened, in milliseconds since the epoch.
    pub event_time: i64,
    /// When it was scored, in milliseconds since the epoch.
    pub scored_at: i64,
    /// In major units of `currency`.
    pub amount: f64,
    /// ISO 4217.
    pub currency: &'a str,
    /// Fraud probability, 0 to 1.
    pub score: f64,
    /// The threshold of the model: scores from it on raise an alert.
    pub threshold: f64,
    /// How far the score lies above the threshold; the recommendation follows from it.
    pub severity: Severity,
    /// Name of the model that scored it.
    pub model_name: &'a str,
    /// Its version.
    pub model_version: &'a str,
    /// The strongest reasons first.
    pub reasons: Vec<ReasonView<'a>>,
    /// Names of the rules that fired.
    pub rules: Vec<&'a str>,
    /// The Kafka partition that the transaction came from; -1 outside Kafka.
    pub source_partition: i32,
    /// The Kafka offset that the transaction came from; -1 outside Kafka.
    pub source_offset: i64,
}

/// A reason of an alert.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReasonView<'a> {
    /// Stable and machine-readable, for example `VELOCITY_1H`.
    pub code: &'a str,
    /// The catalogue's name of the feature.
    pub feature: &'a str,
    /// The feature's value at scoring.
    pub value: f64,
    /// How much the score drops if this feature takes its typical value.
    pub contribution: f64,
    /// One sentence for an analyst.
    pub message: &'a str,
}

/// Reads an alert from a record's value: Confluent's header with this `schema` id, then the datum.
///
/// # Errors
/// [`Rejected`] if the value is not an alert with this schema id.
pub fn read_alert(value: &[u8], schema: u32) -> Result<AlertView<'_>, Rejected> {
    read_framed_alert(value, Framing::Confluent(schema))
}

/// Like [`read_alert`], for a value with either header.
///
/// # Errors
/// [`Rejected`] if the value is not an alert with this header.
pub fn read_framed_alert(value: &[u8], framing: Framing) -> Result<AlertView<'_>, Rejected> {
    let (name, datum) = split(value)?;
    let expected = match framing {
        Framing::Confluent(id) => SchemaName::Id(id),
        Framing::SingleObject(fingerprint) => SchemaName::Fingerprint(fingerprint),
    };
    if name != expected {
        let message = format!("the alert has {name:?}, {expected:?} was expected");
        return Err(Rejected::new(Reason::UnknownSchema, message));
    }
    let mut cursor = Cursor::new(datum);
    let alert = alert(&mut cursor).and_then(|alert| match cursor.left() {
        0 => Ok(alert),
        _ => Err(Fault::Trailing),
    });
    alert.map_err(|fault| Rejected::new(fault.reason(), format!("alert: {}", fault.words())))
}

fn alert<'a>(cursor: &mut Cursor<'a>) -> Result<AlertView<'a>, Fault> {
    Ok(AlertView {
        alert_id: cursor.text()?,
        transaction_id: cursor.text()?,
        customer_id: cursor.text()?,
        merchant_id: cursor.text()?,
        event_time: cursor.long()?,
        scored_at: cursor.long()?,
        amount: cursor.double()?,
        currency: cursor.text()?,
        score: cursor.double()?,
        threshold: cursor.double()?,
        severity: severity(cursor)?,
        model_name: cursor.text()?,
        model_version: cursor.text()?,
        reasons: array(cursor, reason)?,
        rules: array(cursor, Cursor::text)?,
        source_partition: cursor.int()?,
        source_offset: cursor.long()?,
    })
}

/// Reads the severity and the recommendation after it, which must follow from the severity.
fn severity(cursor: &mut Cursor<'_>) -> Result<Severity, Fault> {
    let symbol = cursor.index(Fault::UnknownSymbol)?;
    let severity = *Severity::ALL.get(symbol).ok_or(Fault::UnknownSymbol)?;
    match cursor.index(Fault::UnknownSymbol)? == severity.recommendation() as usize {
        true => Ok(severity),
        false => Err(Fault::UnknownSymbol),
    }
}

fn reason<'a>(cursor: &mut Cursor<'a>) -> Result<ReasonView<'a>, Fault> {
    Ok(ReasonView {
        code: cursor.text()?,
        feature: cursor.text()?,
        value: cursor.double()?,
        contribution: cursor.double()?,
        message: cursor.text()?,
    })
}

/// Reads blocks of items up to an empty one. This program writes blocks without sizes in bytes.
fn array<'a, T>(
    cursor: &mut Cursor<'a>,
    item: impl Fn(&mut Cursor<'a>) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let mut items = Vec::new();
    loop {
        let count = cursor.index(Fault::NegativeLength)?;
        if count == 0 {
            return Ok(items);
        }
        if count > cursor.left() {
            return Err(Fault::Truncated);
        }
        for _ in 0..count {
            items.push(item(cursor)?);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::codec::{encode_alert, frame_confluent};
    use crate::core::decision::{Alert, Reason as Why, alert_id};
    use crate::core::transaction::RawTransaction;

    fn value(reasons: &[Why]) -> Vec<u8> {
        let raw = RawTransaction {
            transaction_id: "t-1",
            customer_id: "c",
            merchant_id: "m",
            event_time: 1_767_225_600_000,
            amount: 12.5,
            currency: "EUR",
            ..RawTransaction::default()
        };
        let alert = Alert {
            transaction: raw.validate(1_767_225_600_000).unwrap(),
            scored_at: 1_767_225_600_007,
            score: 0.75,
            threshold: 0.5,
            severity: Severity::High,
            model_name: "m",
            model_version: "2",
            reasons,
            rules: &["blocklist".to_owned()],
            source_partition: 3,
            source_offset: 1 << 40,
        };
        let mut value = Vec::new();
        frame_confluent(2, &mut value);
        encode_alert(&alert, &mut value);
        value
    }

    #[test]
    fn what_was_written_is_read() {
        let why = Why {
            code: "VELOCITY_1H",
            feature: "count_1h",
            value: 9.0,
            contribution: 0.25,
            message: "9 payments in an hour".to_owned(),
        };
        let value = value(&[why.clone(), why]);
        let alert = read_alert(&value, 2).unwrap();
        assert_eq!(alert.alert_id, alert_id("t-1").to_string());
        assert_eq!((alert.amount, alert.currency), (12.5, "EUR"));
        assert_eq!((alert.score, alert.severity), (0.75, Severity::High));
        assert_eq!(alert.reasons.len(), 2);
        assert_eq!(alert.reasons[1].message, "9 payments in an hour");
        assert_eq!(alert.rules, ["blocklist"]);
        assert_eq!((alert.source_partition, alert.source_offset), (3, 1 << 40));
    }

    #[test]
    fn damage_is_a_reason() {
        let value = value(&[]);
        assert_eq!(read_alert(&value, 3).unwrap_err().reason, Reason::UnknownSchema);
        for end in 5..value.len() {
            assert_eq!(read_alert(&value[..end], 2).unwrap_err().reason, Reason::MalformedAvro);
        }
        let longer = [&value[..], &[0]].concat();
        assert_eq!(read_alert(&longer, 2).unwrap_err().reason, Reason::MalformedAvro);
    }
}
