//! A schema's fingerprint, by which the single-object encoding names it.
//!
//! Two schemas that read the same bytes in the same way should have the same name. So not the
//! schema's text is hashed but its *parsing canonical form*: only what matters for parsing, in a
//! fixed order, with full names and without blanks (Avro 1.12 specification, "Parsing Canonical
//! Form for Schemas" and "Schema Fingerprints"; the hash is CRC-64-AVRO, after M. O. Rabin).
//! apache-avro 0.22 has a canonical form as well, but writes a primitive with a logical type as
//! `{"type":"long"}` where the specification and the Java and Python implementations have `"long"`.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// The fingerprint of the empty text; it is also the polynomial.
const EMPTY: u64 = 0xC15D_213A_A4D7_A795;

const TABLE: [u64; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc >> 1) ^ (EMPTY & (crc & 1).wrapping_neg());
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

/// The CRC-64-AVRO fingerprint of the canonical form. `schema` must be valid Avro.
pub(super) fn of_schema(schema: &Value) -> u64 {
    let mut form = String::new();
    write_schema(schema, "", &mut form);
    of_bytes(form.as_bytes())
}

fn of_bytes(bytes: &[u8]) -> u64 {
    bytes.iter().fold(EMPTY, |crc, &byte| {
        let low = (crc as u8) ^ byte;
        (crc >> 8) ^ TABLE[usize::from(low)]
    })
}

fn write_schema(schema: &Value, namespace: &str, out: &mut String) {
    match schema {
        Value::String(name) => write_name(name, namespace, out),
        Value::Array(branches) => write_list(branches, out, |branch, out| {
            write_schema(branch, namespace, out);
        }),
        Value::Object(object) => write_object(object, namespace, out),
        _ => {}
    }
}

fn write_object(object: &Map<String, Value>, namespace: &str, out: &mut String) {
    let part = |key: &str| object.get(key).unwrap_or(&Value::Null);
    match part("type").as_str() {
        Some("array") => {
            out.push_str(r#"{"type":"array","items":"#);
            write_schema(part("items"), namespace, out);
            out.push('}');
        }
        Some("map") => {
            out.push_str(r#"{"type":"map","values":"#);
            write_schema(part("values"), namespace, out);
            out.push('}');
        }
        Some(kind @ ("record" | "error" | "enum" | "fixed")) => {
            write_named(kind, object, namespace, out);
        }
        // A primitive or a name with attributes, or a type inside "type".
        _ => write_schema(part("type"), namespace, out),
    }
}

fn write_named(kind: &str, object: &Map<String, Value>, namespace: &str, out: &mut String) {
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    let name = full_name(text("name").unwrap_or(""), text("namespace").unwrap_or(namespace));
    let list = |key: &str| object.get(key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let _ = write!(out, r#"{{"name":"{name}","type":"{kind}","#);
    match kind {
        "enum" => {
            out.push_str(r#""symbols":"#);
            write_list(list("symbols"), out, |symbol, out| out.push_str(&symbol.to_string()));
        }
        "fixed" => {
            let _ = write!(out, r#""size":{}"#, object.get("size").unwrap_or(&Value::Null));
        }
        _ => {
            let inner = name.rsplit_once('.').map_or("", |(namespace, _)| namespace);
            out.push_str(r#""fields":"#);
            write_list(list("fields"), out, |field, out| {
                let _ = write!(out, r#"{{"name":{},"type":"#, field["name"]);
                write_schema(&field["type"], inner, out);
                out.push('}');
            });
        }
    }
    out.push('}');
}

fn write_list(items: &[Value], out: &mut String, write: impl Fn(&Value, &mut String)) {
    out.push('[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(item, out);
    }
    out.push(']');
}

fn write_name(name: &str, namespace: &str, out: &mut String) {
    let primitives = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];
    let namespace = if primitives.contains(&name) { "" } else { namespace };
    let _ = write!(out, r#""{}""#, full_name(name, namespace));
}

fn full_name(name: &str, namespace: &str) -> String {
    match namespace {
        "" => name.to_owned(),
        _ if name.contains('.') => name.to_owned(),
        _ => format!("{namespace}.{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_forms_are_the_specifications() {
        let cases = [
            (r#""int""#, r#""int""#),
            (r#"{"type": {"type": "int", "doc": "x"}}"#, r#""int""#),
            (r#"{"type": "long", "logicalType": "timestamp-millis"}"#, r#""long""#),
            (
                r#"{"items": ["null", {"type": "map", "values": "bytes"}], "type": "array"}"#,
                r#"{"type":"array","items":["null",{"type":"map","values":"bytes"}]}"#,
            ),
            (
                r#"{"type": "fixed", "namespace": "a.b", "size": 3, "name": "F", "doc": ""}"#,
                r#"{"name":"a.b.F","type":"fixed","size":3}"#,
            ),
            (
                r#"{"type": "record", "name": "n.R", "doc": "d", "fields": [
                    {"type": {"symbols": ["A", "B"], "name": "E", "type": "enum"}, "name": "e"},
                    {"name": "f", "type": "E", "default": "A"},
                    {"name": "g", "type": ["null", "n.R", "other.T"], "order": "ignore"}]}"#,
                concat!(
                    r#"{"name":"n.R","type":"record","fields":["#,
                    r#"{"name":"e","type":{"name":"n.E","type":"enum","symbols":["A","B"]}},"#,
                    r#"{"name":"f","type":"n.E"},{"name":"g","type":["null","n.R","other.T"]}]}"#
                ),
            ),
        ];
        for (schema, expected) in cases {
            let mut form = String::new();
            write_schema(&serde_json::from_str(schema).unwrap(), "", &mut form);
            assert_eq!(form, expected);
        }
    }

    #[test]
    fn hashes_are_the_specifications() {
        // Avro's test data, share/test/data/schema-tests.txt.
        assert_eq!(of_bytes(br#""null""#) as i64, 7_195_948_357_588_979_594);
        assert_eq!(of_bytes(br#""int""#) as i64, 8_247_732_601_305_521_295);
        assert_eq!(of_bytes(b""), EMPTY);
    }
}
