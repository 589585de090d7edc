//! A producer's schema: JSON to a tree whose names are resolved.
//!
//! apache-avro checks a schema as strictly for the one who writes with it as for the one who reads.
//! What only the writing side needs, defaults and aliases, takes no part in reading the producer's
//! data, but a default that is wrong would make the schema unusable. So both are
//! dropped before the schema is parsed; the fingerprint does not contain them either.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::schema::{
    DecimalSchema, EnumSchema, FixedSchema, InnerDecimalSchema, Name, UuidSchema,
};
use serde_json::Value;

use super::MAX_SCHEMA_BYTES;
use super::fingerprint::of_schema;

/// Why records of a producer's schema cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// Longer than [`MAX_SCHEMA_BYTES`].
    #[error("the schema has {bytes} bytes, at most {MAX_SCHEMA_BYTES} are parsed")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// A schema of another kind than Avro, which a registry has as well.
    #[error("the schema is {0}; only records of Avro schemas are read")]
    Foreign(&'static str),
    /// Not JSON, or JSON that is no Avro schema.
    #[error("not an Avro schema: {0}")]
    Invalid(String),
    /// A schema that resolves neither to a transaction nor to a label, field by field.
    #[error("{0}")]
    Unreadable(String),
}

/// The CRC-64-AVRO fingerprint of a schema's canonical form, as the single-object encoding names
/// it.
pub fn fingerprint(json: &str) -> Result<u64, SchemaError> {
    parse(json).map(|(_, fingerprint)| fingerprint)
}

/// The schema without what only writers need, and its fingerprint.
pub(super) fn parse(json: &str) -> Result<(Schema, u64), SchemaError> {
    if json.len() > MAX_SCHEMA_BYTES {
        return Err(SchemaError::TooLong { bytes: json.len() });
    }
    let invalid = |error: &dyn std::fmt::Display| SchemaError::Invalid(error.to_string());
    let mut value: Value = match serde_json::from_str(json) {
        Ok(value) => value,
        Err(_) if is_protobuf(json) => return Err(SchemaError::Foreign("Protobuf")),
        Err(error) => return Err(invalid(&error)),
    };
    strip(&mut value);
    let fingerprint = of_schema(&value);
    let schema = match Schema::parse(&value) {
        Ok(schema) => schema,
        Err(_) if is_json_schema(&value) => return Err(SchemaError::Foreign("a JSON schema")),
        Err(error) => {
            // Java takes names that the specification does not, and reading needs none of them.
            tame(&mut value);
            Schema::parse(&value).map_err(|_| invalid(&error))?
        }
    };
    Ok((schema, fingerprint))
}

/// Whether a text looks like a Protobuf schema file.
fn is_protobuf(text: &str) -> bool {
    let begins = |word: &str| text.lines().any(|line| line.trim_start().starts_with(word));
    begins("syntax") || begins("message ") || begins("edition")
}

/// Whether this describes JSON documents.
fn is_json_schema(value: &Value) -> bool {
    value["type"] == "object"
        || ["$schema", "$ref", "$defs", "properties", "oneOf", "anyOf", "allOf"]
            .iter()
            .any(|key| value.get(key).is_some())
}

/// Puts `_` for every character that no name may have, in the names of types, in namespaces and
/// where types are used.
fn tame(schema: &mut Value) {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '_' };
    let tame_name = |name: &mut String| *name = name.chars().map(allowed).collect();
    match schema {
        Value::String(name) => tame_name(name),
        Value::Array(branches) => branches.iter_mut().for_each(tame),
        Value::Object(object) => {
            for (key, value) in object {
                match (key.as_str(), value) {
                    ("name" | "namespace", Value::String(name)) => tame_name(name),
                    ("type" | "items" | "values", inner) => tame(inner),
                    ("fields", Value::Array(fields)) => {
                        fields.iter_mut().filter_map(|field| field.get_mut("type")).for_each(tame);
                    }
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

fn strip(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(strip),
        Value::Object(object) => {
            if object.contains_key("symbols") {
                object.shift_remove("default");
            }
            if object.contains_key("name") {
                object.shift_remove("aliases");
            }
            if let Some(Value::Array(fields)) = object.get_mut("fields") {
                fields.iter_mut().filter_map(Value::as_object_mut).for_each(|field| {
                    field.shift_remove("default");
                });
            }
            object.values_mut().for_each(strip);
        }
        _ => {}
    }
}

/// A schema with its named types at hand.
pub(super) struct Parsed<'s> {
    names: HashMap<Name, &'s Schema>,
}

impl<'s> Parsed<'s> {
    /// The names in `schema`; an error if one is used and not defined.
    pub(super) fn new(schema: &'s Schema) -> Result<Self, SchemaError> {
        let mut names = HashMap::new();
        let mut references = Vec::new();
        collect(schema, &mut names, &mut references);
        match references.into_iter().find(|name| !names.contains_key(*name)) {
            Some(name) => {
                Err(SchemaError::Invalid(format!("type {} is not defined", name.fullname(None))))
            }
            None => Ok(Self { names }),
        }
    }

    /// The definition behind a name that the schema uses.
    pub(super) fn named(&self, name: &Name) -> &'s Schema {
        self.names.get(name).expect("invariant: new() found every name that is used")
    }

    /// The schema itself, or the definition it refers to.
    pub(super) fn resolve(&self, schema: &'s Schema) -> &'s Schema {
        match schema {
            Schema::Ref { name } => self.named(name),
            other => other,
        }
    }
}

fn collect<'s>(
    schema: &'s Schema,
    names: &mut HashMap<Name, &'s Schema>,
    references: &mut Vec<&'s Name>,
) {
    match schema {
        Schema::Array(array) => collect(&array.items, names, references),
        Schema::Map(map) => collect(&map.types, names, references),
        Schema::Union(union) => {
            union.variants().iter().for_each(|variant| collect(variant, names, references));
        }
        Schema::Record(record) => {
            names.insert(record.name.clone(), schema);
            record.fields.iter().for_each(|field| collect(&field.schema, names, references));
        }
        Schema::Enum(EnumSchema { name, .. })
        | Schema::Fixed(FixedSchema { name, .. })
        | Schema::Duration(FixedSchema { name, .. })
        | Schema::Uuid(UuidSchema::Fixed(FixedSchema { name, .. }))
        | Schema::Decimal(DecimalSchema {
            inner: InnerDecimalSchema::Fixed(FixedSchema { name, .. }),
            ..
        }) => {
            names.insert(name.clone(), schema);
        }
        Schema::Ref { name } => references.push(name),
        _ => {}
    }
}

/// What a person calls the type.
pub(super) fn type_name(schema: &Schema) -> String {
    match schema {
        Schema::Record(record) => format!("record {}", record.name.name()),
        Schema::Enum(schema) => format!("enum {}", schema.name.name()),
        Schema::Fixed(fixed) => format!("fixed({})", fixed.size),
        Schema::Decimal(decimal) => format!("decimal({}, {})", decimal.precision, decimal.scale),
        Schema::Union(union) => {
            let names: Vec<String> = union.variants().iter().map(type_name).collect();
            format!("union [{}]", names.join(", "))
        }
        Schema::Array(array) => format!("array of {}", type_name(&array.items)),
        Schema::Map(map) => format!("map of {}", type_name(&map.types)),
        Schema::Ref { name } => name.fullname(None),
        Schema::Uuid(UuidSchema::String) => "uuid string".into(),
        Schema::Uuid(_) => "uuid of bytes".into(),
        other => kind_name(other).into(),
    }
}

fn kind_name(schema: &Schema) -> &'static str {
    match schema {
        Schema::Null => "null",
        Schema::Boolean => "boolean",
        Schema::Int => "int",
        Schema::Long => "long",
        Schema::Float => "float",
        Schema::Double => "double",
        Schema::Bytes => "bytes",
        Schema::String => "string",
        Schema::BigDecimal => "big-decimal",
        Schema::Date => "date",
        Schema::TimeMillis => "time-millis",
        Schema::TimeMicros => "time-micros",
        Schema::TimestampMillis => "timestamp-millis",
        Schema::TimestampMicros => "timestamp-micros",
        Schema::TimestampNanos => "timestamp-nanos",
        Schema::LocalTimestampMillis => "local-timestamp-millis",
        Schema::LocalTimestampMicros => "local-timestamp-micros",
        Schema::LocalTimestampNanos => "local-timestamp-nanos",
        Schema::Duration(_) => "duration",
        _ => "complex type",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_writers_need_is_not_checked() {
        let schema = parse(
            r#"{"type": "record", "name": "R", "aliases": ["1"], "fields": [
                {"name": "a", "type": "int", "default": "no number", "aliases": ["-"]},
                {"name": "b", "type":
                    {"type": "enum", "name": "E", "symbols": ["X"], "default": "Y"}}
            ]}"#,
        );
        assert!(schema.is_ok(), "{schema:?}");
    }

    #[test]
    fn what_is_no_schema_says_why() {
        let long = " ".repeat(MAX_SCHEMA_BYTES + 1);
        for (json, words) in [
            ("", "not an Avro schema"),
            ("{", "not an Avro schema"),
            ("\"unheard_of\"", "not an Avro schema"),
            (r#"{"type": "record", "name": "R"}"#, "not an Avro schema"),
            (r#"{"type": "record", "name": "R", "fields": [{"name": "a", "type": "T"}]}"#, "T"),
            (long.as_str(), "1048577 bytes"),
            (
                "// x\nsyntax = \"proto3\";\nmessage Pay { string id = 1; }",
                "the schema is Protobuf",
            ),
            (r#"{"type": "object", "properties": {"id": {}}}"#, "the schema is a JSON schema"),
            (r#"{"$schema": "x", "oneOf": []}"#, "only records of Avro schemas"),
        ] {
            let error = parse(json).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn names_that_java_takes_are_read_and_named_as_they_are() {
        let schema = |namespace: &str| {
            format!(
                r#"{{"type": "record", "name": "P", "namespace": "{namespace}", "fields": [
                    {{"name": "a", "type": {{"type": "fixed", "name": "F", "size": 2}}}},
                    {{"name": "b", "type": ["null", "{namespace}.F"]}}]}}"#
            )
        };
        let (hyphened, fingerprint) = parse(&schema("com.my-bank.pay")).unwrap();
        assert!(Parsed::new(&hyphened).is_ok());
        let (_, other) = parse(&schema("com.my_bank.pay")).unwrap();
        assert_ne!(fingerprint, other, "a fingerprint is that of the schema as it is");
    }

    #[test]
    fn names_of_the_null_namespace_resolve_inside_another() {
        let schema = parse(
            r#"{"type": "record", "name": "R", "namespace": "n", "fields": [
                {"name": "a", "type": {"type": "fixed", "name": "F", "namespace": "", "size": 2}},
                {"name": "b", "type": {"type": "fixed", "name": "F", "size": 3}},
                {"name": "c", "type": "F"}
            ]}"#,
        );
        assert!(Parsed::new(&schema.unwrap().0).is_ok());
    }
}
