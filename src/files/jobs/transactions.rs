//! Writing transactions of our own making: what `generate` leaves in a file.
//!
//! Columns are the schema's fields in its order, then `is_fraud` and `fraud_type`. The same
//! transactions give the same bytes: no clock, no random marker, no dependence on how calls are
//! spaced.

use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, Float64Builder, StringBuilder, TimestampMillisecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::core::transaction::RawTransaction;
use crate::files::Error;
use crate::files::block::BLOCK_ROWS;
use crate::files::format::Target;
use crate::files::rows::FieldName;
use crate::files::write::Sink;

/// A file of transactions with what is known about them.
pub struct TransactionWriter {
    sink: Sink,
    schema: SchemaRef,
    rows: usize,
    texts: Vec<StringBuilder>,
    numbers: Vec<Float64Builder>,
    times: TimestampMillisecondBuilder,
    verdicts: BooleanBuilder,
}

/// The shape of a column.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Text,
    OptionalText,
    Number,
    OptionalNumber,
    Time,
}

impl TransactionWriter {
    /// A new file; it appears under its name with [`TransactionWriter::finish`].
    pub fn create(target: &Target) -> Result<Self, Error> {
        let schema = schema();
        Ok(Self {
            sink: Sink::create(target, &schema)?,
            schema: Arc::new(schema),
            rows: 0,
            texts: (0..TEXTS).map(|_| StringBuilder::new()).collect(),
            numbers: (0..NUMBERS).map(|_| Float64Builder::new()).collect(),
            times: TimestampMillisecondBuilder::new().with_timezone("UTC"),
            verdicts: BooleanBuilder::new(),
        })
    }

    /// Adds a transaction, whether it is fraud, and of what kind.
    pub fn write(
        &mut self,
        transaction: &RawTransaction<'_>,
        is_fraud: bool,
        fraud_type: Option<&str>,
    ) -> Result<(), Error> {
        let t = transaction;
        let texts = [
            Some(t.transaction_id),
            Some(t.customer_id),
            Some(t.merchant_id),
            Some(t.currency),
            Some(t.category),
            Some(t.payment_mode),
            Some(t.channel),
            Some(t.status.symbol()),
            t.merchant_name,
            t.city,
            t.country,
            t.device_id,
            t.ip_address,
            fraud_type,
        ];
        let numbers = [
            Some(t.amount),
            t.merchant_reputation,
            t.latitude,
            t.longitude,
            t.home_latitude,
            t.home_longitude,
        ];
        for (builder, text) in self.texts.iter_mut().zip(texts) {
            builder.append_option(text);
        }
        for (builder, number) in self.numbers.iter_mut().zip(numbers) {
            builder.append_option(number);
        }
        self.times.append_value(t.event_time);
        self.verdicts.append_value(is_fraud);
        self.rows += 1;
        if self.rows == BLOCK_ROWS { self.flush() } else { Ok(()) }
    }

    /// Writes the rest and gives the file its name.
    pub fn finish(mut self) -> Result<(), Error> {
        self.flush()?;
        self.sink.finish()
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.rows = 0;
        let mut texts = self.texts.iter_mut();
        let mut numbers = self.numbers.iter_mut();
        let order = "invariant: as many builders as columns";
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for field in FieldName::ALL {
            columns.push(match shape(field) {
                Shape::Time => Arc::new(self.times.finish()),
                Shape::Number | Shape::OptionalNumber => {
                    Arc::new(numbers.next().expect(order).finish())
                }
                Shape::Text | Shape::OptionalText => Arc::new(texts.next().expect(order).finish()),
            });
        }
        columns.push(Arc::new(self.verdicts.finish()));
        columns.push(Arc::new(texts.next().expect(order).finish()));
        self.sink.write(&RecordBatch::try_new(self.schema.clone(), columns)?)
    }
}

const TEXTS: usize = 14;
const NUMBERS: usize = 6;

fn shape(field: FieldName) -> Shape {
    use FieldName as F;
    match field {
        F::EventTime => Shape::Time,
        F::Amount => Shape::Number,
        F::MerchantReputation | F::Latitude | F::Longitude | F::HomeLatitude | F::HomeLongitude => {
            Shape::OptionalNumber
        }
        F::MerchantName | F::City | F::Country | F::DeviceId | F::IpAddress => Shape::OptionalText,
        _ => Shape::Text,
    }
}

fn schema() -> Schema {
    let field = |field: FieldName| {
        let (data_type, nullable) = match shape(field) {
            Shape::Text => (DataType::Utf8, false),
            Shape::OptionalText => (DataType::Utf8, true),
            Shape::Number => (DataType::Float64, false),
            Shape::OptionalNumber => (DataType::Float64, true),
            Shape::Time => (DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())), false),
        };
        Field::new(field.name(), data_type, nullable)
    };
    let mut fields: Vec<Field> = FieldName::ALL.into_iter().map(field).collect();
    fields.push(Field::new("is_fraud", DataType::Boolean, false));
    fields.push(Field::new("fraud_type", DataType::Utf8, true));
    Schema::new(fields)
}
