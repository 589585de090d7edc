//! The header of an Avro container file, written anew so that the reading library takes it.
//!
//! Writers name types as the specification allows and the library does not: a full name without a
//! namespace, a type that is defined once and used by name. Some names break the rules (a hyphen),
//! and some logical types mean nothing (a scale above the precision), which the specification says
//! to pass over. Reading data needs none of these: so every named type gets a short name of its
//! own, and only logical types that mean something stay. UUIDs in strings stay strings, for they
//! are to come out letter for letter.

use std::collections::HashMap;
use std::io::{Error, ErrorKind, Read};

use serde_json::{Map, Value, json};

const MAGIC: &[u8; 4] = b"Obj\x01";

/// Longest value of a header, and most values: beyond, it is no header.
const MAX_BYTES: u64 = 16 << 20;
const MAX_VALUES: u64 = 4_096;

/// A key and a value of the header.
type Entry = (Vec<u8>, Vec<u8>);

/// The beginning of a container file.
pub(super) struct Header {
    /// The whole header, with the schema that the library reads by.
    pub(super) bytes: Vec<u8>,
    /// Some column holds bare bytes.
    pub(super) has_bytes: bool,
}

impl Header {
    /// Takes the header off the stream.
    pub(super) fn read(stream: &mut dyn Read) -> Result<Self, Error> {
        let mut magic = [0; 4];
        stream.read_exact(&mut magic).map_err(|_| no_container())?;
        if &magic != MAGIC {
            return Err(no_container());
        }
        let mut values = read_values(stream)?;
        let mut sync = [0; 16];
        stream.read_exact(&mut sync)?;
        let mut has_bytes = false;
        for (key, value) in &mut values {
            if key == b"avro.schema" {
                let written = serde_json::from_slice(value).map_err(|error| {
                    broken(&format!("the schema in its header is no JSON: {error}"))
                })?;
                let schema = Names::default().schema(&written, "").map_err(|why| broken(&why))?;
                has_bytes = has_bare_bytes(&schema);
                *value = schema.to_string().into_bytes();
            }
        }
        let mut bytes = MAGIC.to_vec();
        put_long(&mut bytes, values.len() as u64);
        for part in values.iter().flat_map(|(key, value)| [key, value]) {
            put_long(&mut bytes, part.len() as u64);
            bytes.extend_from_slice(part);
        }
        put_long(&mut bytes, 0);
        bytes.extend_from_slice(&sync);
        Ok(Self { bytes, has_bytes })
    }
}

fn no_container() -> Error {
    broken("it is no Avro container file")
}

fn broken(why: &str) -> Error {
    Error::new(ErrorKind::InvalidData, why)
}

fn read_values(stream: &mut dyn Read) -> Result<Vec<Entry>, Error> {
    let mut values = Vec::new();
    loop {
        let count = read_long(stream)?;
        if count == 0 {
            return Ok(values);
        }
        if count < 0 {
            read_long(stream)?;
        }
        if values.len() as u64 + count.unsigned_abs() > MAX_VALUES {
            return Err(broken("its header has no end"));
        }
        for _ in 0..count.unsigned_abs() {
            let key = read_bytes(stream)?;
            values.push((key, read_bytes(stream)?));
        }
    }
}

fn read_bytes(stream: &mut dyn Read) -> Result<Vec<u8>, Error> {
    let length = u64::try_from(read_long(stream)?).unwrap_or(u64::MAX);
    if length > MAX_BYTES {
        return Err(broken("its header has a value without an end"));
    }
    let mut bytes = Vec::new();
    stream.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length { Ok(bytes) } else { Err(broken("it ends within its header")) }
}

fn read_long(stream: &mut dyn Read) -> Result<i64, Error> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        number |= u64::from(byte[0] & 0x7F) << shift;
        if byte[0] < 0x80 {
            return Ok((number >> 1) as i64 ^ -((number & 1) as i64));
        }
    }
    Err(broken("its header has a number of more than 64 bits"))
}

fn put_long(bytes: &mut Vec<u8>, value: u64) {
    let mut rest = value << 1;
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

/// Whether a field of the record, or a branch of it, is plain bytes.
fn has_bare_bytes(schema: &Value) -> bool {
    let is_bytes = |schema: &Value| schema == "bytes" || schema["type"] == "fixed";
    let field = |field: &Value| match &field["type"] {
        Value::Array(branches) => branches.iter().any(is_bytes),
        single => is_bytes(single),
    };
    schema["fields"].as_array().is_some_and(|fields| fields.iter().any(field))
}

/// Named types by full name.
#[derive(Default)]
struct Names {
    short: HashMap<String, Named>,
    count: usize,
}

#[derive(Clone)]
enum Named {
    /// Its definition is still being read: a use of it is a type within itself.
    Open,
    Short(String),
}

impl Names {
    fn schema(&mut self, written: &Value, namespace: &str) -> Result<Value, String> {
        match written {
            Value::String(name) => self.used(name, namespace),
            Value::Array(branches) => {
                branches.iter().map(|branch| self.schema(branch, namespace)).collect()
            }
            Value::Object(object) => self.object(object, namespace),
            other => Err(format!("{other} is no type of the schema in its header")),
        }
    }

    fn used(&self, name: &str, namespace: &str) -> Result<Value, String> {
        const PRIMITIVES: [&str; 8] =
            ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];
        if PRIMITIVES.contains(&name) {
            return Ok(name.into());
        }
        let found = self.short.get(&full_name(name, namespace)).or_else(|| self.short.get(name));
        match found {
            Some(Named::Short(short)) => Ok(short.as_str().into()),
            Some(Named::Open) => {
                Err(format!("type {name} is within itself, which no column can hold"))
            }
            None => Err(format!("type {name} is used in its schema and not defined")),
        }
    }

    fn object(&mut self, object: &Map<String, Value>, namespace: &str) -> Result<Value, String> {
        let part = |key: &str| object.get(key).unwrap_or(&Value::Null);
        match part("type") {
            Value::String(kind) => match kind.as_str() {
                "array" => {
                    Ok(json!({"type": "array", "items": self.schema(part("items"), namespace)?}))
                }
                "map" => {
                    Ok(json!({"type": "map", "values": self.schema(part("values"), namespace)?}))
                }
                "record" | "error" | "enum" | "fixed" => self.named(kind, object, namespace),
                _ => Ok(with_logical_type(self.used(kind, namespace)?, object)),
            },
            inner => self.schema(inner, namespace),
        }
    }

    fn named(
        &mut self,
        kind: &str,
        object: &Map<String, Value>,
        namespace: &str,
    ) -> Result<Value, String> {
        let part = |key: &str| object.get(key).cloned().unwrap_or_default();
        let text = |key: &str| object.get(key).and_then(Value::as_str);
        let full = full_name(text("name").unwrap_or(""), text("namespace").unwrap_or(namespace));
        let inner = full.rsplit_once('.').map_or("", |(namespace, _)| namespace).to_owned();
        self.count += 1;
        let short = format!("type{}", self.count);
        let mut defined = match kind {
            "enum" => json!({"type": kind, "name": short, "symbols": part("symbols")}),
            "fixed" => {
                let fixed = json!({"type": kind, "name": short, "size": part("size")});
                with_logical_type(fixed, object)
            }
            _ => json!({"type": "record", "name": short}),
        };
        if let Some(fields) = object.get("fields").and_then(Value::as_array) {
            self.short.insert(full.clone(), Named::Open);
            let mut read = Vec::with_capacity(fields.len());
            for field in fields {
                let data_type = self.schema(&field["type"], &inner)?;
                read.push(json!({"name": field["name"], "type": data_type}));
            }
            defined["fields"] = read.into();
        }
        self.short.insert(full, Named::Short(short));
        Ok(defined)
    }
}

fn full_name(name: &str, namespace: &str) -> String {
    match namespace {
        "" => name.to_owned(),
        _ if name.contains('.') => name.to_owned(),
        _ => format!("{namespace}.{name}"),
    }
}

/// The type with its logical type, if that means something.
fn with_logical_type(schema: Value, object: &Map<String, Value>) -> Value {
    let Some(logical) = object.get("logicalType").and_then(Value::as_str) else { return schema };
    let kind = schema.as_str().or_else(|| schema["type"].as_str()).unwrap_or("").to_owned();
    let mut typed = match schema {
        Value::Object(object) => object,
        primitive => Map::from_iter([("type".to_owned(), primitive)]),
    };
    let size = typed.get("size").and_then(Value::as_u64);
    let means_something = match (kind.as_str(), logical) {
        ("bytes" | "fixed", "decimal") => {
            let number = |key: &str| object.get(key).and_then(Value::as_u64);
            let (precision, scale) = (number("precision").unwrap_or(0), number("scale"));
            let scale = if object.contains_key("scale") { scale } else { Some(0) };
            typed.insert("precision".to_owned(), precision.into());
            typed.insert("scale".to_owned(), scale.into());
            (1..=76).contains(&precision) && scale.is_some_and(|scale| scale <= precision)
        }
        ("fixed", "uuid") => size == Some(16),
        ("fixed", "duration") => size == Some(12),
        ("int", "date" | "time-millis") => true,
        ("long", "time-micros") => true,
        ("long", "timestamp-millis" | "timestamp-micros" | "timestamp-nanos") => true,
        ("long", "local-timestamp-millis" | "local-timestamp-micros" | "local-timestamp-nanos") => {
            true
        }
        _ => false,
    };
    if means_something {
        typed.insert("logicalType".to_owned(), logical.into());
        return typed.into();
    }
    typed.remove("precision");
    typed.remove("scale");
    if size.is_some() { typed.into() } else { kind.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(schema: Value) -> Result<Value, String> {
        Names::default().schema(&schema, "")
    }

    #[test]
    fn names_become_short_and_are_found_again() {
        let schema = json!({"type": "record", "name": "com.my-bank.Pay", "doc": "x", "fields": [
            {"name": "a", "type": {"type": "record", "name": "com.my-bank.Place", "fields": [
                {"name": "b", "type": "string", "default": "x"}]}},
            {"name": "c", "type": ["null", "com.my-bank.Place"]},
            {"name": "d", "type": {"type": "array", "items": "Place"}},
            {"name": "e", "type": {"type": {"type": "enum", "name": "E", "symbols": ["X"]}}}
        ]});
        let expected = json!({"type": "record", "name": "type1", "fields": [
            {"name": "a", "type": {"type": "record", "name": "type2", "fields": [
                {"name": "b", "type": "string"}]}},
            {"name": "c", "type": ["null", "type2"]},
            {"name": "d", "type": {"type": "array", "items": "type2"}},
            {"name": "e", "type": {"type": "enum", "name": "type3", "symbols": ["X"]}}
        ]});
        assert_eq!(rewritten(schema).unwrap(), expected);
    }

    #[test]
    fn logical_types_that_mean_nothing_go() {
        let decimal = |precision: i64, scale: i64| {
            json!({"type": "bytes", "logicalType": "decimal", "precision": precision,
                "scale": scale})
        };
        let cases = [
            (decimal(10, 2), decimal(10, 2)),
            (decimal(64, 127), json!("bytes")),
            (decimal(0, 0), json!("bytes")),
            (decimal(10, -2), json!("bytes")),
            (decimal(77, 2), json!("bytes")),
            (json!({"type": "string", "logicalType": "uuid"}), json!("string")),
            (json!({"type": "string", "avro.java.string": "String"}), json!("string")),
            (json!({"type": "int", "logicalType": "timestamp-millis"}), json!("int")),
            (
                json!({"type": "long", "logicalType": "timestamp-millis"}),
                json!({"type": "long", "logicalType": "timestamp-millis"}),
            ),
            (
                json!({"type": "fixed", "name": "u", "size": 16, "logicalType": "uuid"}),
                json!({"type": "fixed", "name": "type1", "size": 16, "logicalType": "uuid"}),
            ),
            (
                json!({"type": "fixed", "name": "u", "size": 15, "logicalType": "uuid"}),
                json!({"type": "fixed", "name": "type1", "size": 15}),
            ),
        ];
        for (written, expected) in cases {
            assert_eq!(rewritten(written.clone()).unwrap(), expected, "{written}");
        }
    }

    #[test]
    fn a_schema_that_no_column_can_hold_is_refused_by_name() {
        let tree = json!({"type": "record", "name": "Tree", "fields": [
            {"name": "left", "type": ["null", "Tree"]}]});
        assert!(rewritten(tree).unwrap_err().contains("Tree is within itself"));
        let unknown = json!({"type": "array", "items": "Nowhere"});
        assert!(rewritten(unknown).unwrap_err().contains("Nowhere"));
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for bytes in [
            &b""[..],
            b"Obj",
            b"PAR1....",
            b"Obj\x01\x02\xfe\xff\xff\xff\xff\x01",
            b"Obj\x01\x02\x08av",
        ] {
            assert!(Header::read(&mut &*bytes).is_err(), "{bytes:?}");
        }
    }
}
