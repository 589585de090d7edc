//! What a producer's schema is resolved to: the fields of [`RawTransaction`] and [`Label`] as
//! tables.
//!
//! A field's place in its table is its slot in a [`Row`], the scratch space that a record is read
//! into. Slots that no byte was read for keep [`Cell::Absent`] and become the field's default. The
//! tables are the files under `schemas/`, and a test holds the one to the other.

use super::Rejected;
use crate::base::limits::{MAX_ID_BYTES, MAX_TEXT_BYTES};
use crate::core::transaction::{
    EventTime, InvalidField, Label, RawTransaction, Status, is_no_value,
};

/// Most fields of a table.
pub(super) const MAX_FIELDS: usize = 20;

/// What a field holds; what it can be read from is in [`super::compile`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    /// Milliseconds since the epoch.
    Time,
    Flag,
    Status,
}

/// What happens when the producer does not send the field, or sends null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absence {
    /// The record is rejected.
    Rejects,
    /// The reader's default takes its place; here in words.
    Default(&'static str),
}

/// A field of the reader's schema.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) absence: Absence,
}

/// A reader's schema: a name and fields, whose places are their slots.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) fields: &'static [Field],
}

const fn required(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, absence: Absence::Rejects }
}

const fn text_or(name: &'static str, default: &'static str) -> Field {
    Field { name, kind: Kind::Text, absence: Absence::Default(default) }
}

const fn optional(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, absence: Absence::Default("null") }
}

/// `schemas/transaction.avsc`.
pub(super) static TRANSACTION: Table = Table {
    name: "Transaction",
    fields: &[
        required("transaction_id", Kind::Text),
        required("customer_id", Kind::Text),
        required("merchant_id", Kind::Text),
        required("event_time", Kind::Time),
        required("amount", Kind::Number),
        text_or("currency", "\"INR\""),
        text_or("category", "\"\""),
        text_or("payment_mode", "\"\""),
        text_or("channel", "\"\""),
        Field { name: "status", kind: Kind::Status, absence: Absence::Default("\"APPROVED\"") },
        optional("merchant_name", Kind::Text),
        optional("merchant_reputation", Kind::Number),
        optional("city", Kind::Text),
        optional("country", Kind::Text),
        optional("latitude", Kind::Number),
        optional("longitude", Kind::Number),
        optional("home_latitude", Kind::Number),
        optional("home_longitude", Kind::Number),
        optional("device_id", Kind::Text),
        optional("ip_address", Kind::Text),
    ],
};

/// `schemas/label.avsc`.
pub(super) static LABEL: Table = Table {
    name: "Label",
    fields: &[
        required("transaction_id", Kind::Text),
        required("customer_id", Kind::Text),
        required("merchant_id", Kind::Text),
        required("event_time", Kind::Time),
        required("is_fraud", Kind::Flag),
        required("labeled_at", Kind::Time),
        optional("fraud_type", Kind::Text),
    ],
};

const _: () = assert!(TRANSACTION.fields.len() <= MAX_FIELDS && LABEL.fields.len() <= MAX_FIELDS);

/// A field's value as read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cell<'a> {
    Absent,
    Text(&'a str),
    Number(f64),
    Time(i64),
    Flag(bool),
    Status(Status),
}

/// A record's fields by slot.
#[derive(Debug)]
pub(super) struct Row<'a> {
    cells: [Cell<'a>; MAX_FIELDS],
}

impl<'a> Row<'a> {
    /// A row of absent fields.
    #[inline]
    pub(super) fn new() -> Self {
        Self { cells: [Cell::Absent; MAX_FIELDS] }
    }

    /// The place for a slot's value.
    #[inline]
    pub(super) fn cell(&mut self, slot: u8) -> &mut Cell<'a> {
        &mut self.cells[usize::from(slot)]
    }

    #[inline]
    fn text(&self, slot: usize) -> Option<&'a str> {
        match self.cells[slot] {
            Cell::Text(text) => Some(text),
            _ => None,
        }
    }

    #[inline]
    fn number(&self, slot: usize) -> Option<f64> {
        match self.cells[slot] {
            Cell::Number(number) => Some(number),
            _ => None,
        }
    }

    #[inline]
    fn time(&self, slot: usize) -> i64 {
        match self.cells[slot] {
            Cell::Time(millis) => millis,
            _ => 0,
        }
    }

    /// The transaction in a row that was read for [`TRANSACTION`].
    #[inline]
    pub(super) fn transaction(&self) -> RawTransaction<'a> {
        RawTransaction {
            transaction_id: self.text(0).unwrap_or(""),
            customer_id: self.text(1).unwrap_or(""),
            merchant_id: self.text(2).unwrap_or(""),
            event_time: self.time(3),
            amount: self.number(4).unwrap_or(0.0),
            currency: self.text(5).unwrap_or("INR"),
            category: self.text(6).unwrap_or(""),
            payment_mode: self.text(7).unwrap_or(""),
            channel: self.text(8).unwrap_or(""),
            status: match self.cells[9] {
                Cell::Status(status) => status,
                _ => Status::Approved,
            },
            merchant_name: self.text(10),
            merchant_reputation: self.number(11),
            city: self.text(12),
            country: self.text(13),
            latitude: self.number(14),
            longitude: self.number(15),
            home_latitude: self.number(16),
            home_longitude: self.number(17),
            device_id: self.text(18),
            ip_address: self.text(19),
        }
    }

    /// The checked verdict in a row that was read for [`LABEL`]; `now` is the caller's clock.
    pub(super) fn label(&self, now: i64) -> Result<Label<'a>, Rejected> {
        let id = |slot: usize| check_text(slot, self.text(slot).unwrap_or(""), MAX_ID_BYTES);
        Ok(Label {
            transaction_id: id(0)?,
            customer_id: id(1)?,
            merchant_id: id(2)?,
            event_time: EventTime::new(self.time(3), now)?,
            is_fraud: self.cells[4] == Cell::Flag(true),
            labeled_at: EventTime::new(self.time(5), now).map_err(|error| {
                // The check only knows the one time that a transaction has.
                let mut rejected = Rejected::from(error);
                rejected.message = rejected.message.replacen("event_time", "labeled_at", 1);
                rejected
            })?,
            fraud_type: self.text(6).map(|text| check_text(6, text, MAX_TEXT_BYTES)).transpose()?,
        })
    }
}

fn check_text(slot: usize, text: &str, allowed: usize) -> Result<&str, InvalidField> {
    let Field { name: field, absence, .. } = LABEL.fields[slot];
    match text.len() {
        _ if absence == Absence::Rejects && is_no_value(text) => Err(InvalidField::Empty { field }),
        bytes if bytes > allowed => Err(InvalidField::TooLong { field, bytes, allowed }),
        _ => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::core::codec::{LABEL_SCHEMA, TRANSACTION_SCHEMA};

    fn type_of(field: &Field) -> Value {
        let single = match field.kind {
            Kind::Text => json!("string"),
            Kind::Number => json!("double"),
            Kind::Time => json!({"type": "long", "logicalType": "timestamp-millis"}),
            Kind::Flag => json!("boolean"),
            Kind::Status => json!({"type": "enum", "name": "Status",
                "symbols": Status::SYMBOLS, "default": Status::default().symbol()}),
        };
        match field.absence {
            Absence::Default("null") => json!(["null", single]),
            _ => single,
        }
    }

    #[test]
    fn tables_are_the_schemas() {
        for (table, json) in [(&TRANSACTION, TRANSACTION_SCHEMA), (&LABEL, LABEL_SCHEMA)] {
            let schema: Value = serde_json::from_str(json).unwrap();
            assert_eq!(schema["name"], table.name);
            let fields = schema["fields"].as_array().unwrap();
            assert_eq!(fields.len(), table.fields.len());
            for (field, wanted) in fields.iter().zip(table.fields) {
                assert_eq!(field["name"], wanted.name);
                assert_eq!(field["type"], type_of(wanted), "{}", wanted.name);
                let default = field.get("default").map(Value::to_string);
                match wanted.absence {
                    Absence::Rejects => assert_eq!(default, None),
                    Absence::Default(words) => assert_eq!(default.as_deref(), Some(words)),
                }
            }
        }
    }

    #[test]
    fn an_empty_row_has_the_defaults() {
        assert_eq!(Row::new().transaction(), RawTransaction::default());
    }
}
