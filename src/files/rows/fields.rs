//! From a block of columns to transactions, row by row.
//!
//! [`Fields`] holds one converted column per field and builds a [`RawTransaction`] that borrows
//! from them: no text is copied between the file and the engine. A row that cannot be one becomes a
//! [`Rejection`] that says which row, which column, which value and why, with the same reason words
//! as the stream's dead letters.

use arrow_array::RecordBatch;
use arrow_avro::schema::AVRO_ENUM_SYMBOLS_METADATA_KEY;
use arrow_cast::can_cast_types;
use arrow_schema::{DataType, Schema, SchemaRef};

use super::columns::{FieldName, Resolved};
use super::times::format_time;
use super::values::{self, Cells, Lookup, NumberColumn, TextColumn, TimeColumn};
use crate::core::transaction::{InvalidField, RawTransaction, Status, Transaction};
use crate::files::Error;
use crate::files::rejection::{INVALID_FIELD, MISSING_FIELD, Rejection};
use crate::files::texts::is_bytes;

/// One converted column per field that the file has.
#[derive(Debug)]
pub(in crate::files) struct Fields {
    schema: SchemaRef,
    resolved: Resolved,
    /// The status comes from an Avro enum.
    status_is_enum: bool,
    transaction_id: TextColumn,
    customer_id: TextColumn,
    merchant_id: TextColumn,
    event_time: TimeColumn,
    amount: NumberColumn,
    currency: Option<TextColumn>,
    category: Option<TextColumn>,
    payment_mode: Option<TextColumn>,
    channel: Option<TextColumn>,
    status: Option<TextColumn>,
    merchant_name: Option<TextColumn>,
    merchant_reputation: Option<NumberColumn>,
    city: Option<TextColumn>,
    country: Option<TextColumn>,
    latitude: Option<NumberColumn>,
    longitude: Option<NumberColumn>,
    home_latitude: Option<NumberColumn>,
    home_longitude: Option<NumberColumn>,
    device_id: Option<TextColumn>,
    ip_address: Option<TextColumn>,
}

/// Why a row has no transaction, before it is put into words.
enum Fault {
    Missing(FieldName),
    Broken(FieldName),
    Invalid(InvalidField),
}

impl Fields {
    /// Converts the mapped columns of a batch.
    pub(in crate::files) fn new(batch: &RecordBatch, resolved: &Resolved) -> Result<Self, Error> {
        use FieldName as F;
        let cells = |field| resolved.place(field).map(|place| Cells::of(batch, place));
        let text = |field| cells(field).as_ref().map(TextColumn::text).transpose();
        let number = |field| cells(field).as_ref().map(NumberColumn::number).transpose();
        let required = "invariant: a resolved map has a place for every required field";
        Ok(Self {
            schema: batch.schema(),
            resolved: resolved.clone(),
            status_is_enum: resolved.place(F::Status).is_some_and(|place| {
                let schema = batch.schema_ref();
                schema.field(place).metadata().contains_key(AVRO_ENUM_SYMBOLS_METADATA_KEY)
            }),
            transaction_id: text(F::TransactionId)?.expect(required),
            customer_id: text(F::CustomerId)?.expect(required),
            merchant_id: text(F::MerchantId)?.expect(required),
            event_time: TimeColumn::time(&cells(F::EventTime).expect(required))?,
            amount: number(F::Amount)?.expect(required),
            currency: text(F::Currency)?,
            category: text(F::Category)?,
            payment_mode: text(F::PaymentMode)?,
            channel: text(F::Channel)?,
            status: text(F::Status)?,
            merchant_name: text(F::MerchantName)?,
            merchant_reputation: number(F::MerchantReputation)?,
            city: text(F::City)?,
            country: text(F::Country)?,
            latitude: number(F::Latitude)?,
            longitude: number(F::Longitude)?,
            home_latitude: number(F::HomeLatitude)?,
            home_longitude: number(F::HomeLongitude)?,
            device_id: text(F::DeviceId)?,
            ip_address: text(F::IpAddress)?,
        })
    }

    /// Refuses files whose mapped columns have types that hold no value of their field.
    pub(in crate::files) fn check(schema: &Schema, resolved: &Resolved) -> Result<(), Error> {
        for field in FieldName::ALL {
            let Some(place) = resolved.place(field) else { continue };
            let column = schema.field(place);
            if !can_be(column.data_type(), field) {
                return Err(Error::Usage(format!(
                    "column {} holds {}, which cannot be {}",
                    column.name(),
                    column.data_type(),
                    field.name()
                )));
            }
        }
        Ok(())
    }

    /// The customer of a row for choosing a shard; empty when the row has none.
    #[inline]
    pub(in crate::files) fn customer(&self, row: usize) -> &str {
        value(self.customer_id.get(row)).unwrap_or("")
    }

    /// The ids of all rows: transaction, customer, merchant.
    pub(in crate::files) fn ids(&self) -> [&TextColumn; 3] {
        [&self.transaction_id, &self.customer_id, &self.merchant_id]
    }

    /// The times of all rows.
    pub(in crate::files) fn times(&self) -> &TimeColumn {
        &self.event_time
    }

    /// The checked transaction of a row, or why there is none.
    #[inline]
    pub(in crate::files) fn transaction(
        &self,
        row: usize,
        now: i64,
        number: u64,
    ) -> Result<Transaction<'_>, Rejection> {
        self.raw(row)
            .and_then(|raw| raw.validate(now).map_err(Fault::Invalid))
            .map_err(|fault| self.reject(&fault, row, number))
    }

    #[inline]
    fn raw(&self, row: usize) -> Result<RawTransaction<'_>, Fault> {
        use FieldName as F;
        let default = RawTransaction::default();
        Ok(RawTransaction {
            transaction_id: required(self.transaction_id.get(row), F::TransactionId)?,
            customer_id: required(self.customer_id.get(row), F::CustomerId)?,
            merchant_id: required(self.merchant_id.get(row), F::MerchantId)?,
            event_time: required(self.event_time.get(row), F::EventTime)?,
            amount: required(self.amount.get(row), F::Amount)?,
            currency: text_or(&self.currency, row, default.currency),
            category: text_or(&self.category, row, default.category),
            payment_mode: text_or(&self.payment_mode, row, default.payment_mode),
            channel: text_or(&self.channel, row, default.channel),
            status: self.status(row)?,
            merchant_name: optional_text(&self.merchant_name, row),
            merchant_reputation: optional_number(
                &self.merchant_reputation,
                row,
                F::MerchantReputation,
            )?,
            city: optional_text(&self.city, row),
            country: optional_text(&self.country, row),
            latitude: optional_number(&self.latitude, row, F::Latitude)?,
            longitude: optional_number(&self.longitude, row, F::Longitude)?,
            home_latitude: optional_number(&self.home_latitude, row, F::HomeLatitude)?,
            home_longitude: optional_number(&self.home_longitude, row, F::HomeLongitude)?,
            device_id: optional_text(&self.device_id, row),
            ip_address: optional_text(&self.ip_address, row),
        })
    }

    #[inline]
    fn status(&self, row: usize) -> Result<Status, Fault> {
        let Some(text) = optional_text(&self.status, row) else { return Ok(Status::default()) };
        match Status::from_text(text) {
            Some(status) => Ok(status),
            None if self.status_is_enum => Ok(Status::default()),
            None => Err(Fault::Broken(FieldName::Status)),
        }
    }

    /// How many rows have a symbol that is no status: by Avro's rules, in files as in the stream,
    /// it stands for the schema's default.
    pub(in crate::files) fn unknown_symbols(&self) -> u64 {
        let Some(status) = self.status.as_ref().filter(|_| self.status_is_enum) else { return 0 };
        let texts = status.values().iter().flatten();
        texts.filter(|text| Status::from_text(text).is_none()).count() as u64
    }

    #[cold]
    fn reject(&self, fault: &Fault, row: usize, number: u64) -> Rejection {
        let (reason, field, message) = match fault {
            Fault::Missing(field) => {
                (MISSING_FIELD, field.name(), format!("{} is empty", field.name()))
            }
            Fault::Broken(field) => (INVALID_FIELD, field.name(), self.broken(*field, row)),
            Fault::Invalid(invalid) => (INVALID_FIELD, invalid.field(), invalid_message(invalid)),
        };
        let message = message + &self.column_hint(field);
        Rejection { row: number, reason, message, place: Some(row) }
    }

    /// Which column the field was read from, where it is called otherwise.
    fn column_hint(&self, field: &str) -> String {
        let place = FieldName::from_name(field).and_then(|field| self.resolved.place(field));
        match place.map(|place| self.schema.field(place).name()) {
            Some(column) if column != field => format!(" (column {column})"),
            _ => String::new(),
        }
    }

    fn broken(&self, field: FieldName, row: usize) -> String {
        let number = |column: &Option<NumberColumn>| column.as_ref().map(|c| c.shown(row));
        let (shown, wanted) = match field {
            FieldName::EventTime => (
                Some(self.event_time.shown(row)),
                "a time: RFC 3339, YYYY-MM-DD HH:MM:SS, or epoch milliseconds",
            ),
            FieldName::Amount => (Some(self.amount.shown(row)), "a number"),
            FieldName::Status => (
                self.status.as_ref().map(|status| status.shown(row)),
                "APPROVED, DECLINED or REFUNDED",
            ),
            FieldName::MerchantReputation => (number(&self.merchant_reputation), "a number"),
            FieldName::Latitude => (number(&self.latitude), "a number"),
            FieldName::Longitude => (number(&self.longitude), "a number"),
            FieldName::HomeLatitude => (number(&self.home_latitude), "a number"),
            FieldName::HomeLongitude => (number(&self.home_longitude), "a number"),
            FieldName::TransactionId => (Some(self.transaction_id.shown(row)), "an id"),
            FieldName::CustomerId => (Some(self.customer_id.shown(row)), "an id"),
            _ => (Some(self.merchant_id.shown(row)), "an id"),
        };
        format!("{} is {:?}, it must be {wanted}", field.name(), shown.unwrap_or_default())
    }
}

/// Whether columns of a type can hold values of a field.
fn can_be(data_type: &DataType, field: FieldName) -> bool {
    let shape = match field {
        _ if field.is_text() => DataType::Utf8,
        FieldName::EventTime => DataType::Int64,
        _ => DataType::Float64,
    };
    // A time of day is no time, however many milliseconds it has.
    let is_no_time = matches!(
        data_type,
        DataType::Time32(_) | DataType::Time64(_) | DataType::Duration(_) | DataType::Boolean
    );
    values::is_scalar(data_type)
        && (field.is_text() || !is_bytes(data_type))
        && (field != FieldName::EventTime || !is_no_time)
        && (is_bytes(data_type) || can_cast_types(data_type, &shape))
}

/// An invalid field in words, with times that a person can read.
pub(in crate::files) fn invalid_message(invalid: &InvalidField) -> String {
    match invalid {
        InvalidField::TimeTooOld { millis } => format!(
            "event_time is {}, before 2000-01-01; seconds instead of milliseconds?",
            format_time(*millis)
        ),
        InvalidField::TimeAhead { millis, .. } => {
            format!("event_time is {}, more than a day ahead of the clock", format_time(*millis))
        }
        other => other.to_string(),
    }
}

fn value<T>(found: Lookup<T>) -> Option<T> {
    match found {
        Lookup::Value(value) => Some(value),
        Lookup::Missing | Lookup::Broken => None,
    }
}

#[inline]
fn required<T>(found: Lookup<T>, field: FieldName) -> Result<T, Fault> {
    match found {
        Lookup::Value(value) => Ok(value),
        Lookup::Missing => Err(Fault::Missing(field)),
        Lookup::Broken => Err(Fault::Broken(field)),
    }
}

#[inline]
fn text_or<'a>(column: &'a Option<TextColumn>, row: usize, default: &'a str) -> &'a str {
    optional_text(column, row).unwrap_or(default)
}

#[inline]
fn optional_text(column: &Option<TextColumn>, row: usize) -> Option<&str> {
    column.as_ref().and_then(|column| value(column.get(row)))
}

/// A number that may be unknown. Not-a-number is how tools without nulls write one that is.
#[inline]
fn optional_number(
    column: &Option<NumberColumn>,
    row: usize,
    field: FieldName,
) -> Result<Option<f64>, Fault> {
    let Some(column) = column else { return Ok(None) };
    match column.get(row) {
        Lookup::Value(value) => Ok((!value.is_nan()).then_some(value)),
        Lookup::Missing => Ok(None),
        Lookup::Broken => Err(Fault::Broken(field)),
    }
}
