//! Random producer schemas, derived from the reader's by what producers do to schemas, and random
//! values of them.

use std::cell::RefCell;
use std::collections::HashMap;

use apache_avro::types::Value;
use apache_avro::{Decimal, Schema};
use serde_json::{Value as Json, json};
use synfinance::core::codec::TRANSACTION_SCHEMA;

use super::reference;

/// Numbers that look random, from a seed (splitmix64; Steele, Lea and Flood, OOPSLA 2014).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    pub fn byte(&mut self) -> u8 {
        self.next() as u8
    }

    fn pick(&mut self, choices: &[Json]) -> Json {
        choices[self.below(choices.len())].clone()
    }

    fn text(&mut self) -> String {
        let letters = ['a', 'Z', '0', ' ', 'é', 'न', '😀', '\0'];
        let length = [0, 1, 5, 20, 200][self.below(5)];
        (0..length).map(|_| letters[self.below(letters.len())]).collect()
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.byte()).collect()
    }

    /// Numbers of every width.
    fn long(&mut self) -> i64 {
        let shift = self.below(64);
        self.next() as i64 >> shift
    }
}

/// A producer with a schema of its own.
pub struct Producer {
    /// Its schema.
    pub schema: Json,
    dice: RefCell<Dice>,
}

impl Producer {
    /// The producer of a seed.
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let reader: Json = serde_json::from_str(TRANSACTION_SCHEMA).expect("the project's schema");
        let mut fields = Vec::new();
        for field in reader["fields"].as_array().expect("fields") {
            if field.get("default").is_none() || dice.below(4) > 0 {
                let schema = changed(&field["type"], &mut dice);
                fields.push(json!({"name": field["name"], "type": schema}));
            }
        }
        let mut types = Types::default();
        for number in 0..dice.below(5) {
            let schema = types.any(&mut dice, 3);
            let place = dice.below(fields.len() + 1);
            fields.insert(place, json!({"name": format!("extra_{number}"), "type": schema}));
        }
        for place in 0..fields.len() {
            if dice.below(3) == 0 {
                let other = dice.below(fields.len());
                // A type is defined where it is first used, so what uses names stays in order.
                if [place, other].iter().all(|&at| !has_names(&fields[at])) {
                    fields.swap(place, other);
                }
            }
        }
        let name = ["Transaction", "Payment"][dice.below(2)];
        let schema = json!({"type": "record", "name": name, "namespace": "p.q", "fields": fields});
        Self { schema, dice: RefCell::new(dice) }
    }

    /// A random value of the schema.
    pub fn value(&self) -> Value {
        let mut names = HashMap::new();
        define(&self.schema, &mut names);
        value_of(&self.schema, &names, &mut self.dice.borrow_mut(), 0)
    }

    /// A datum of a value of the schema, as apache-avro writes it, or with every array and map in
    /// blocks of a few items that say their size (which apache-avro reads, but does not write).
    pub fn datum(&self, schema: &Schema, value: &Value) -> Vec<u8> {
        let block_items = self.dice.borrow_mut().below(4);
        if block_items == 0 {
            return reference::write(schema, value);
        }
        let mut names = HashMap::new();
        define(&self.schema, &mut names);
        let mut out = Vec::new();
        write_in_blocks(&self.schema, &names, value, block_items, &mut out);
        out
    }
}

fn write_in_blocks(
    schema: &Json,
    names: &HashMap<&str, &Json>,
    value: &Value,
    block_items: usize,
    out: &mut Vec<u8>,
) {
    let write = |schema: &Json, value: &Value, out: &mut Vec<u8>| {
        write_in_blocks(schema, names, value, block_items, out);
    };
    let schema = match schema.as_str().or(schema["type"].as_str()) {
        Some(name) if names.contains_key(name) => names[name],
        _ => schema,
    };
    match value {
        Value::Union(branch, inner) => {
            out.extend(long(i64::from(*branch)));
            write(&schema[*branch as usize], inner, out);
        }
        Value::Record(values) => {
            for (field, (_, value)) in
                schema["fields"].as_array().expect("fields").iter().zip(values)
            {
                write(&field["type"], value, out);
            }
        }
        Value::Array(items) => write_blocks(items, block_items, out, |item, out| {
            write(&schema["items"], item, out);
        }),
        Value::Map(entries) => {
            let entries: Vec<(&String, &Value)> = entries.iter().collect();
            write_blocks(&entries, block_items, out, |(key, value), out| {
                out.extend(long(key.len() as i64));
                out.extend(key.bytes());
                write(&schema["values"], value, out);
            });
        }
        leaf => out.extend(reference::write(&Schema::parse(schema).expect("a leaf"), leaf)),
    }
}

fn write_blocks<T>(
    items: &[T],
    block_items: usize,
    out: &mut Vec<u8>,
    write: impl Fn(&T, &mut Vec<u8>),
) {
    for block in items.chunks(block_items) {
        let mut bytes = Vec::new();
        block.iter().for_each(|item| write(item, &mut bytes));
        out.extend(long(-(block.len() as i64)));
        out.extend(long(bytes.len() as i64));
        out.extend(bytes);
    }
    out.push(0);
}

fn long(number: i64) -> Vec<u8> {
    reference::write(&Schema::Long, &Value::Long(number))
}

fn has_names(field: &Json) -> bool {
    field["name"].as_str().is_some_and(|name| name.starts_with("extra"))
}

/// Another type for a reader's field, from which its values can still be read.
fn changed(reader: &Json, dice: &mut Dice) -> Json {
    if dice.below(3) == 0 {
        return reader.clone();
    }
    let base = match reader {
        Json::Array(branches) => branches[1].clone(),
        other => other.clone(),
    };
    let fresh = dice.next();
    let single = match (base.as_str(), base["type"].as_str()) {
        (Some("string"), _) => dice.pick(&[
            json!("string"),
            json!("bytes"),
            json!({"type": "string", "logicalType": "uuid"}),
            json!({"type": "enum", "name": format!("Word{fresh}"), "symbols": ["POS", "Online"]}),
        ]),
        (Some("double"), _) => {
            let mut decimal = json!({"logicalType": "decimal", "precision": 20, "scale": 2});
            let mut fixed = decimal.clone();
            decimal["type"] = json!("bytes");
            fixed["type"] = json!("fixed");
            fixed["name"] = json!(format!("Money{fresh}"));
            fixed["size"] = json!(9);
            dice.pick(&[
                json!("double"),
                json!("float"),
                json!("int"),
                json!("long"),
                decimal,
                fixed,
            ])
        }
        (_, Some("long")) => {
            let logical = [
                "none",
                "timestamp-millis",
                "timestamp-micros",
                "timestamp-nanos",
                "local-timestamp-millis",
                "local-timestamp-micros",
                "local-timestamp-nanos",
            ];
            match dice.below(8) {
                7 => json!("int"),
                at => json!({"type": "long", "logicalType": logical[at]}),
            }
        }
        _ => {
            let symbols = [
                json!(["APPROVED", "DECLINED", "REFUNDED"]),
                json!(["PENDING", "REFUNDED", "APPROVED"]),
                json!(["declined"]),
            ];
            let symbols = dice.pick(&symbols);
            let schema =
                json!({"type": "enum", "name": format!("Status{fresh}"), "symbols": symbols});
            dice.pick(&[schema, json!("string")])
        }
    };
    match dice.below(8) {
        0 => json!(["null", single]),
        1 => json!([single, "null"]),
        2 => json!([single]),
        // A branch that never resolves: whoever writes it gets an answer, everyone else is read.
        3 => json!(["null", {"type": "array", "items": "string"}, single]),
        4 => json!([single, "boolean"]),
        _ => single,
    }
}

/// Makes types of every shape with fresh names.
#[derive(Default)]
struct Types {
    names: u32,
}

impl Types {
    fn fresh(&mut self) -> String {
        self.names += 1;
        format!("Type{}", self.names)
    }

    fn any(&mut self, dice: &mut Dice, depth: u32) -> Json {
        match dice.below(if depth == 0 { 9 } else { 14 }) {
            0 => json!("null"),
            1 => json!("boolean"),
            2 => json!("int"),
            3 => json!("long"),
            4 => json!("float"),
            5 => json!("double"),
            6 => json!("bytes"),
            7 => json!({"type": "fixed", "name": self.fresh(), "size": dice.below(20)}),
            8 => json!({"type": "enum", "name": self.fresh(), "symbols": ["A", "B"]}),
            9 => json!({"type": "array", "items": self.any(dice, depth - 1)}),
            10 => json!({"type": "map", "values": self.any(dice, depth - 1)}),
            11 => json!(["null", "string", {"type": "map", "values": self.any(dice, depth - 1)}]),
            12 => {
                let name = self.fresh();
                json!({"type": "record", "name": name, "fields": [
                    {"name": "value", "type": self.any(dice, depth - 1)},
                    {"name": "next", "type": ["null", name]},
                    {"name": "children", "type": {"type": "array", "items": name}}]})
            }
            _ => {
                let name = self.fresh();
                let fields = (0..dice.below(4)).map(|number| {
                    let schema = self.any(dice, depth - 1);
                    json!({"name": format!("f{number}"), "type": schema})
                });
                let fields: Vec<Json> = fields.collect();
                json!({"type": "record", "name": name, "fields": fields})
            }
        }
    }
}

fn define<'s>(schema: &'s Json, names: &mut HashMap<&'s str, &'s Json>) {
    match schema {
        Json::Array(items) => items.iter().for_each(|item| define(item, names)),
        Json::Object(object) => {
            if let (Some(name), Some(_)) = (schema["name"].as_str(), schema["type"].as_str()) {
                names.insert(name, schema);
            }
            object.values().for_each(|value| define(value, names));
        }
        _ => {}
    }
}

fn value_of(schema: &Json, names: &HashMap<&str, &Json>, dice: &mut Dice, depth: usize) -> Value {
    if let Json::Array(branches) = schema {
        // Deep down the first branch, which is null where a type contains itself.
        let branch = if depth > 6 { 0 } else { dice.below(branches.len()) };
        let value = value_of(&branches[branch], names, dice, depth + 1);
        return Value::Union(branch as u32, Box::new(value));
    }
    let name = schema.as_str().or(schema["type"].as_str()).expect("a type");
    match schema["logicalType"].as_str() {
        Some("uuid") => return Value::Uuid(apache_avro::Uuid::from_u128(dice.next().into())),
        Some("decimal") => {
            let bytes = dice.long().to_be_bytes();
            return Value::Decimal(Decimal::from(match name {
                "fixed" => [&[if bytes[0] < 0x80 { 0 } else { 0xFF }][..], &bytes[..]].concat(),
                _ => bytes.to_vec(),
            }));
        }
        Some("timestamp-millis") => return Value::TimestampMillis(dice.long()),
        Some("timestamp-micros") => return Value::TimestampMicros(dice.long()),
        Some("timestamp-nanos") => return Value::TimestampNanos(dice.long()),
        Some("local-timestamp-millis") => return Value::LocalTimestampMillis(dice.long()),
        Some("local-timestamp-micros") => return Value::LocalTimestampMicros(dice.long()),
        Some("local-timestamp-nanos") => return Value::LocalTimestampNanos(dice.long()),
        _ => {}
    }
    let items = if depth > 6 { 0 } else { dice.below(4) };
    match name {
        "null" => Value::Null,
        "boolean" => Value::Boolean(dice.below(2) == 1),
        "int" => Value::Int(dice.long() as i32),
        "long" => Value::Long(dice.long()),
        "float" => Value::Float(dice.long() as f32 / 8.0),
        "double" => Value::Double(dice.long() as f64 / 64.0),
        "string" => Value::String(dice.text()),
        "bytes" => Value::Bytes(dice.text().into_bytes()),
        "fixed" => {
            let size = schema["size"].as_u64().expect("a size") as usize;
            Value::Fixed(size, dice.bytes(size))
        }
        "enum" => {
            let symbols = schema["symbols"].as_array().expect("symbols");
            let index = dice.below(symbols.len());
            Value::Enum(index as u32, symbols[index].as_str().expect("a symbol").into())
        }
        "array" => {
            let item = |_| value_of(&schema["items"], names, dice, depth + 1);
            Value::Array((0..items).map(item).collect())
        }
        "map" => {
            let entry = |_| (dice.text(), value_of(&schema["values"], names, dice, depth + 1));
            Value::Map((0..items).map(entry).collect())
        }
        "record" => {
            let fields = schema["fields"].as_array().expect("fields").iter().map(|field| {
                let name = field["name"].as_str().expect("a name").to_owned();
                (name, value_of(&field["type"], names, dice, depth + 1))
            });
            Value::Record(fields.collect())
        }
        named => value_of(names[named], names, dice, depth + 1),
    }
}
