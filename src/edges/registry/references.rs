//! Joins a schema and the schemas that it refers to into one.
//!
//! A registered schema may use types that other subjects define, and lists those as its references.
//! Avro itself has no such concept: a schema defines every type where it is first used. So all
//! definitions of the referenced schemas are collected by full name, and the schema is rewritten
//! with each definition at its first use. All names become full names, because a definition that
//! moves leaves its namespace behind.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

/// The deepest nesting that is followed; JSON parsers stop at 128.
const MAX_DEPTH: u32 = 100;

/// Why the schemas cannot be joined, to be read after the schema's name.
const TOO_DEEP: &str = "has types nested more than 100 deep";

const PRIMITIVES: [&str; 8] =
    ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];

/// The schema `main` with the definitions that it uses from `parts`; all are JSON. The error says
/// what is wrong, to be read after the schema's name.
pub(super) fn inlined(main: &str, parts: &[String]) -> Result<String, String> {
    let parse = |json: &str| -> Result<Value, String> {
        serde_json::from_str(json).map_err(|error| format!("is not JSON in all its parts: {error}"))
    };
    let mut writer = Writer::default();
    for part in parts {
        gather(&parse(part)?, "", &mut writer.definitions);
    }
    let schema = writer.schema(&parse(main)?, "", 0)?;
    Ok(schema.to_string())
}

/// A named type's definition, and the namespace that surrounds it.
type Definitions = HashMap<String, (Value, String)>;

/// Collects all definitions in a schema, including nested ones.
fn gather(schema: &Value, namespace: &str, definitions: &mut Definitions) {
    match schema {
        Value::Array(branches) => {
            branches.iter().for_each(|branch| gather(branch, namespace, definitions));
        }
        Value::Object(object) if is_definition(object) => {
            let name = name_of(object, namespace);
            let inner = namespace_of(&name).to_owned();
            let fields = object.get("fields").and_then(Value::as_array);
            for field in fields.into_iter().flatten() {
                gather(&field["type"], &inner, definitions);
            }
            definitions.entry(name).or_insert_with(|| (schema.clone(), namespace.to_owned()));
        }
        Value::Object(object) => {
            for key in ["type", "items", "values"] {
                object.get(key).into_iter().for_each(|inner| gather(inner, namespace, definitions));
            }
        }
        _ => {}
    }
}

#[derive(Default)]
struct Writer {
    definitions: Definitions,
    /// Full names that are defined in what has been written so far.
    written: HashSet<String>,
}

impl Writer {
    /// Rewrites a schema with full names and all definitions.
    fn schema(&mut self, schema: &Value, namespace: &str, depth: u32) -> Result<Value, String> {
        if depth > MAX_DEPTH {
            return Err(TOO_DEEP.to_owned());
        }
        match schema {
            Value::String(name) => self.name(name, namespace, depth),
            Value::Array(branches) => {
                let branches = branches.iter().map(|b| self.schema(b, namespace, depth + 1));
                branches.collect::<Result<_, _>>().map(Value::Array)
            }
            Value::Object(object) if is_definition(object) => {
                self.definition(object, namespace, depth)
            }
            Value::Object(object) => {
                let mut object = object.clone();
                for key in ["type", "items", "values"] {
                    if let Some(inner) = object.get_mut(key) {
                        *inner = self.schema(inner, namespace, depth + 1)?;
                    }
                }
                Ok(Value::Object(object))
            }
            other => Ok(other.clone()),
        }
    }

    /// Rewrites the use of a type; the first use becomes its definition.
    fn name(&mut self, name: &str, namespace: &str, depth: u32) -> Result<Value, String> {
        if PRIMITIVES.contains(&name) || matches!(name, "array" | "map") {
            return Ok(name.into());
        }
        let name = full_name(name, namespace);
        if self.written.contains(&name) {
            return Ok(name.into());
        }
        match self.definitions.remove(&name) {
            Some((definition, around)) => self.schema(&definition, &around, depth + 1),
            None => Ok(name.into()),
        }
    }

    fn definition(
        &mut self,
        object: &Map<String, Value>,
        namespace: &str,
        depth: u32,
    ) -> Result<Value, String> {
        let name = name_of(object, namespace);
        if !self.written.insert(name.clone()) {
            return Ok(name.into());
        }
        let mut object = object.clone();
        let inner = namespace_of(&name).to_owned();
        object.insert("namespace".to_owned(), inner.as_str().into());
        object.insert("name".to_owned(), name.as_str().into());
        if let Some(Value::Array(fields)) = object.get_mut("fields") {
            for field in fields.iter_mut().filter_map(Value::as_object_mut) {
                if let Some(of_field) = field.get_mut("type") {
                    *of_field = self.schema(of_field, &inner, depth + 1)?;
                }
            }
        }
        Ok(Value::Object(object))
    }
}

fn is_definition(object: &Map<String, Value>) -> bool {
    let kind = object.get("type").and_then(Value::as_str);
    matches!(kind, Some("record" | "error" | "enum" | "fixed"))
}

fn name_of(object: &Map<String, Value>, namespace: &str) -> String {
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    full_name(text("name").unwrap_or_default(), text("namespace").unwrap_or(namespace))
}

fn full_name(name: &str, namespace: &str) -> String {
    match namespace {
        "" => name.to_owned(),
        _ if name.contains('.') => name.to_owned(),
        _ => format!("{namespace}.{name}"),
    }
}

fn namespace_of(full_name: &str) -> &str {
    full_name.rsplit_once('.').map_or("", |(namespace, _)| namespace)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::core::codec::fingerprint;

    const PLACE: &str = r#"{"type": "record", "name": "Place", "namespace": "geo", "fields": [
        {"name": "country", "type": {"type": "enum", "name": "Country", "symbols": ["IN", "DE"]}},
        {"name": "city", "type": ["null", "string"]}]}"#;

    /// Checks that the joined parts read the same bytes as the whole.
    fn check(main: &Value, parts: &[&str], whole: &Value) {
        let parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
        let inlined = inlined(&main.to_string(), &parts).unwrap();
        let expected = fingerprint(&whole.to_string()).unwrap();
        assert_eq!(fingerprint(&inlined), Ok(expected), "{inlined}");
    }

    #[test]
    fn definitions_stand_where_they_are_used_first() {
        let place: Value = serde_json::from_str(PLACE).unwrap();
        let record = |fields: Value| json!({"type": "record", "name": "a.P", "fields": fields});
        let main = record(json!([
            {"name": "id", "type": "string"},
            {"name": "from", "type": ["null", "geo.Place"]},
            {"name": "to", "type": {"type": "array", "items": "geo.Place"}},
            {"name": "country", "type": {"type": "geo.Country"}},
        ]));
        let whole = record(json!([
            {"name": "id", "type": "string"},
            {"name": "from", "type": ["null", place]},
            {"name": "to", "type": {"type": "array", "items": "geo.Place"}},
            {"name": "country", "type": "geo.Country"},
        ]));
        check(&main, &[PLACE], &whole);
    }

    #[test]
    fn a_type_inside_a_part_may_be_used_before_it() {
        let main = json!({"type": "record", "name": "geo.P", "fields": [
            {"name": "country", "type": "Country"}, {"name": "place", "type": "Place"}]});
        let whole = json!({"type": "record", "name": "geo.P", "fields": [
            {"name": "country", "type":
                {"type": "enum", "name": "Country", "symbols": ["IN", "DE"]}},
            {"name": "place", "type": {"type": "record", "name": "Place", "fields": [
                {"name": "country", "type": "Country"},
                {"name": "city", "type": ["null", "string"]}]}}]});
        check(&main, &[PLACE], &whole);
    }

    #[test]
    fn parts_may_use_parts_and_come_in_any_order() {
        let trip = r#"{"type": "record", "name": "x.Trip", "fields": [
            {"name": "stops", "type": {"type": "map", "values": "geo.Place"}}]}"#;
        let main = json!({"type": "record", "name": "R", "fields": [
            {"name": "t", "type": "x.Trip"}, {"name": "next", "type": ["null", "R"]}]});
        let place: Value = serde_json::from_str(PLACE).unwrap();
        let whole = json!({"type": "record", "name": "R", "fields": [
            {"name": "t", "type": {"type": "record", "name": "x.Trip", "fields": [
                {"name": "stops", "type": {"type": "map", "values": place}}]}},
            {"name": "next", "type": ["null", "R"]}]});
        check(&main, &[trip, PLACE], &whole);
        check(&main, &[PLACE, trip], &whole);
    }

    #[test]
    fn what_cannot_be_one_says_why() {
        let nested = |number: usize| {
            let field = json!({"name": "n", "type": format!("N{}", number + 1)});
            let name = format!("N{number}");
            json!({"type": "record", "name": name, "fields": [field]}).to_string()
        };
        let parts: Vec<String> = (1..200).map(nested).collect();
        assert_eq!(inlined(&nested(0), &parts), Err(TOO_DEEP.to_owned()));
        assert!(inlined("{", &[]).unwrap_err().starts_with("is not JSON"));
        assert!(inlined("\"int\"", &["x".to_owned()]).unwrap_err().starts_with("is not JSON"));
    }
}
