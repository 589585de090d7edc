//! The types that a format holds, for columns of any type.
//!
//! Nothing that the input had may be lost on the way: a type without a counterpart becomes one that
//! holds all of its values, in the end text, and never one that holds most of them.

use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Schema, TimeUnit};

use crate::files::Error;
use crate::files::block::is_raw_json;
use crate::files::format::Format;

/// The columns as the format can hold them, without the metadata of the schema they came from.
/// `name` is the file's, for the usage error about a column that cannot be held.
pub(super) fn shaped(schema: &Schema, format: Format, name: &str) -> Result<Schema, Error> {
    let shape = match format {
        Format::Csv => return shaped_csv(schema, name),
        Format::JsonLines => zone_as_offset,
        Format::Parquet => parquet_field,
        Format::Avro => avro_field,
    };
    Ok(Schema::new(schema.fields().iter().map(|field| shape(field)).collect::<Vec<_>>()))
}

fn shaped_csv(schema: &Schema, name: &str) -> Result<Schema, Error> {
    match schema.fields().iter().find(|field| field.data_type().is_nested()) {
        Some(field) => Err(Error::Usage(format!(
            "column {} holds {}, which csv cannot hold; write {name} as jsonl, parquet or avro",
            field.name(),
            field.data_type()
        ))),
        None => {
            let fields = schema.fields().iter().map(|field| zone_as_offset(field));
            Ok(Schema::new(fields.collect::<Vec<_>>()))
        }
    }
}

/// A time with a named zone is written in UTC: the instant is the same, and text needs an offset.
fn zone_as_offset(field: &Field) -> Field {
    let field = field.clone();
    match field.data_type().clone() {
        DataType::Timestamp(unit, Some(_)) => {
            field.with_data_type(DataType::Timestamp(unit, Some("+00:00".into())))
        }
        _ => field,
    }
}

/// The field as it is; JSON values become the texts that they hold.
fn parquet_field(field: &Field) -> Field {
    match is_raw_json(field) {
        true => Field::new(field.name(), DataType::Utf8, field.is_nullable()),
        false => field.clone(),
    }
}

/// A field without the metadata of the schema it came from, in a type that Avro has. A column of
/// nothing is a column of texts without one: Avro has no union of null and null.
fn avro_field(field: &Field) -> Field {
    let is_nothing = field.data_type() == &DataType::Null;
    Field::new(field.name(), avro_type(field.data_type()), field.is_nullable() || is_nothing)
}

fn avro_fields(field: &FieldRef) -> FieldRef {
    Arc::new(avro_field(field))
}

fn avro_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Null | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, values) => avro_type(values),
        DataType::RunEndEncoded(_, values) => avro_type(values.data_type()),
        DataType::Int8 | DataType::Int16 | DataType::UInt8 | DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        // Beyond a long, and ids as often as not.
        DataType::UInt64 => DataType::Utf8,
        DataType::Float16 => DataType::Float32,
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
            if is_avro_scale(*precision, *scale) =>
        {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::Decimal256(precision, scale) if is_avro_scale(*precision, *scale) => {
            data_type.clone()
        }
        DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => DataType::Utf8,
        DataType::Timestamp(TimeUnit::Second, zone) => {
            DataType::Timestamp(TimeUnit::Millisecond, zone.clone())
        }
        DataType::Date64 => DataType::Timestamp(TimeUnit::Millisecond, None),
        DataType::Time32(TimeUnit::Second) => DataType::Time32(TimeUnit::Millisecond),
        // Avro's times of day end at microseconds.
        DataType::Time64(TimeUnit::Nanosecond) => DataType::Utf8,
        DataType::List(item) => DataType::List(avro_fields(item)),
        DataType::LargeList(item) => DataType::LargeList(avro_fields(item)),
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(avro_fields(item), *size),
        DataType::Map(entries, sorted) => DataType::Map(avro_fields(entries), *sorted),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(avro_fields).collect()),
        other => other.clone(),
    }
}

/// Avro's decimals have digits behind the point, and not more than digits at all.
fn is_avro_scale(precision: u8, scale: i8) -> bool {
    u8::try_from(scale).is_ok_and(|scale| scale <= precision)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_a_place_in_avro() {
        let list = |item| DataType::List(Arc::new(Field::new("item", item, true)));
        let cases = [
            (DataType::Null, DataType::Utf8),
            (DataType::UInt64, DataType::Utf8),
            (DataType::UInt32, DataType::Int64),
            (DataType::Decimal32(9, 2), DataType::Decimal128(9, 2)),
            (DataType::Decimal128(38, -2), DataType::Utf8),
            (DataType::Decimal128(2, 4), DataType::Utf8),
            (DataType::Time64(TimeUnit::Nanosecond), DataType::Utf8),
            (list(DataType::Null), list(DataType::Utf8)),
            (list(DataType::UInt64), list(DataType::Utf8)),
        ];
        for (from, to) in cases {
            assert_eq!(avro_type(&from), to, "{from}");
        }
        assert!(avro_field(&Field::new("nothing", DataType::Null, false)).is_nullable());
    }
}
