//! Types for JSON fields: the narrowest one that holds all values, and columns of it.
//!
//! JSON has numbers, not integers, and lets a field be a number here and a text there. The order of
//! kinds is such that nothing is lost by widening: whole numbers fit doubles, scalars fit texts,
//! and whatever has an array or object in it is kept as JSON text.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{BooleanBuilder, Float64Builder, Int64Builder, StringBuilder};
use arrow_schema::{DataType, Field};

use super::json::Cell;
use crate::files::block::{BLOCK_ROWS, raw_json};

/// The narrowest type that holds all values of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only nulls so far.
    Null,
    Bool,
    Int,
    Float,
    Text,
    /// Arrays, objects, or a mixture with them: kept as JSON text.
    Json,
}

impl Kind {
    /// The column of a field of this kind.
    pub(super) fn field(self, name: &str) -> Field {
        match self {
            Self::Bool => Field::new(name, DataType::Boolean, true),
            Self::Int => Field::new(name, DataType::Int64, true),
            Self::Float => Field::new(name, DataType::Float64, true),
            Self::Null | Self::Text => Field::new(name, DataType::Utf8, true),
            Self::Json => raw_json(Field::new(name, DataType::Utf8, true)),
        }
    }

    /// The kind of one value.
    pub(super) fn of(cell: &Cell<'_>) -> Self {
        match cell {
            Cell::Null => Self::Null,
            Cell::Bool(_) => Self::Bool,
            Cell::Number(digits) if digits.parse::<i64>().is_ok() => Self::Int,
            Cell::Number(digits) if is_integer(digits) => Self::Text,
            Cell::Number(_) => Self::Float,
            Cell::Text(_) => Self::Text,
            Cell::Nested(_) => Self::Json,
        }
    }

    /// The narrowest kind that holds both.
    pub(super) fn with(self, other: Self) -> Self {
        match (self, other) {
            (same, also) if same == also => same,
            (Self::Null, kind) | (kind, Self::Null) => kind,
            (Self::Json, _) | (_, Self::Json) => Self::Json,
            (Self::Int, Self::Float) | (Self::Float, Self::Int) => Self::Float,
            _ => Self::Text,
        }
    }

    /// Whether a column of this kind takes the value.
    pub(super) fn holds(self, cell: &Cell<'_>) -> bool {
        match self {
            Self::Json => true,
            Self::Null | Self::Text => !matches!(cell, Cell::Nested(_)),
            Self::Float => matches!(cell, Cell::Null | Cell::Number(_)),
            _ => self.with(Self::of(cell)) == self,
        }
    }

    /// For messages.
    pub(super) fn described(self) -> &'static str {
        match self {
            Self::Bool => "true or false",
            Self::Int => "whole numbers",
            Self::Float => "numbers",
            Self::Null | Self::Text => "texts",
            Self::Json => "any JSON",
        }
    }
}

/// Whole, so a double might round it: an id of twenty digits must keep them all.
fn is_integer(digits: &str) -> bool {
    !digits.contains(['.', 'e', 'E'])
}

impl Cell<'_> {
    /// The value as JSON.
    pub(super) fn as_json(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Number(written) | Self::Nested(written) => (*written).to_owned(),
            Self::Text(text) => serde_json::Value::from(text.as_ref()).to_string(),
        }
    }

    fn into_text(self) -> Option<String> {
        match self {
            Self::Null => None,
            Self::Text(text) => Some(text.into_owned()),
            other => Some(other.as_json()),
        }
    }
}

/// A column being filled.
pub(super) enum Builder {
    Bool(BooleanBuilder),
    Int(Int64Builder),
    Float(Float64Builder),
    Text(StringBuilder),
    Json(StringBuilder),
}

impl Builder {
    /// An empty column for a block of rows.
    pub(super) fn new(kind: Kind) -> Self {
        let text = || StringBuilder::with_capacity(BLOCK_ROWS, BLOCK_ROWS * 12);
        match kind {
            Kind::Bool => Self::Bool(BooleanBuilder::with_capacity(BLOCK_ROWS)),
            Kind::Int => Self::Int(Int64Builder::with_capacity(BLOCK_ROWS)),
            Kind::Float => Self::Float(Float64Builder::with_capacity(BLOCK_ROWS)),
            Kind::Null | Kind::Text => Self::Text(text()),
            Kind::Json => Self::Json(text()),
        }
    }

    /// Appends a cell that the column's kind holds.
    pub(super) fn append(&mut self, cell: Cell<'_>) {
        match (self, cell) {
            (Self::Text(builder), Cell::Text(text)) => builder.append_value(text),
            (Self::Float(builder), Cell::Number(digits)) => {
                builder.append_option(digits.parse().ok())
            }
            (Self::Int(builder), Cell::Number(digits)) => {
                builder.append_option(digits.parse().ok())
            }
            (Self::Bool(builder), Cell::Bool(value)) => builder.append_value(value),
            (Self::Bool(builder), _) => builder.append_null(),
            (Self::Int(builder), _) => builder.append_null(),
            (Self::Float(builder), _) => builder.append_null(),
            (Self::Text(builder), cell) => builder.append_option(cell.into_text()),
            (Self::Json(builder), Cell::Null) => builder.append_null(),
            (Self::Json(builder), cell) => builder.append_value(cell.as_json()),
        }
    }

    /// The filled column.
    pub(super) fn finish(self) -> ArrayRef {
        match self {
            Self::Bool(mut builder) => Arc::new(builder.finish()),
            Self::Int(mut builder) => Arc::new(builder.finish()),
            Self::Float(mut builder) => Arc::new(builder.finish()),
            Self::Text(mut builder) | Self::Json(mut builder) => Arc::new(builder.finish()),
        }
    }
}
