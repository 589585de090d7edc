//! From a record's value to a checked transaction or label.
//!
//! The decoder keeps the schemas that it was told about: those of the static table or the registry
//! by id, the ids that the registry does not know, and the project's own schemas by fingerprint. It
//! never fetches. A schema that it has not seen is an outcome ([`Decoded::NeedsSchema`]), and the
//! caller decides when to ask, how often, and which records wait meanwhile.

use std::sync::Arc;

use super::compile::compile;
use super::framing::{SchemaName, split};
use super::plan::Program;
use super::report::Target;
use super::schema::{SchemaError, parse};
use super::table::Row;
use super::{ALERT_SCHEMA, LABEL_SCHEMA, MAX_SCHEMAS, Reason, Rejected, TRANSACTION_SCHEMA};
use crate::core::transaction::{Label, RawTransaction, Transaction};

/// What the value of a record on the transactions' topic turned out to be.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "the large variant is the one that always comes")]
pub enum Decoded<'a> {
    /// A transaction, its strings borrowed from the value.
    Transaction(Transaction<'a>),
    /// Not a transaction: the record becomes a dead letter.
    Rejected(Rejected),
    /// The decoder knows nothing about the schema with this id. Fetch it, tell the decoder with
    /// [`Decoder::insert_schema`] or [`Decoder::mark_unknown`], and decode again.
    NeedsSchema(u32),
}

/// What the value of a record on the labels' topic turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecodedLabel<'a> {
    /// A verdict, its strings borrowed from the value.
    Label(Label<'a>),
    /// Not a verdict.
    Rejected(Rejected),
    /// The same as [`Decoded::NeedsSchema`].
    NeedsSchema(u32),
}

/// What a source of schemas knows about one id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaAnswer {
    /// The schema, as JSON.
    Known(Arc<str>),
    /// There is no schema with this id.
    Unknown,
    /// Asked for, but not answered yet; nothing can be said about its records.
    Pending,
}

/// A producer's schema, resolved to everything that records are read as.
struct Schema {
    fingerprint: Option<u64>,
    transaction: Program,
    label: Program,
}

/// Decodes records of all schemas that it was told about. Keep one: it holds the resolved schemas.
pub struct Decoder {
    by_id: Recent<Schema>,
    /// Ids that the registry does not know; kept apart, so that they cannot push out schemas.
    unknown: Recent<()>,
    own: Vec<Schema>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// A decoder that knows the project's own schemas by fingerprint, and no ids.
    pub fn new() -> Self {
        let own = [TRANSACTION_SCHEMA, LABEL_SCHEMA, ALERT_SCHEMA].into_iter().flat_map(own_schema);
        Self { by_id: Recent::default(), unknown: Recent::default(), own: own.collect() }
    }

    /// Tells which schema the registry (or the static table) has under an id; replaces what was
    /// told before. Returns an error, for the log, if the schema can be read neither as a
    /// transaction nor as a label; records with this id are then rejected with the error's text.
    pub fn insert_schema(&mut self, id: u32, json: &str) -> Result<(), SchemaError> {
        let (schema, outcome) = resolve(json);
        self.unknown.remove(id);
        self.by_id.insert(id, schema);
        outcome
    }

    /// Tells that the registry has no schema under an id: its records are rejected as
    /// `unknown_schema` until [`Self::insert_schema`] or [`Self::forget_unknown`].
    pub fn mark_unknown(&mut self, id: u32) {
        self.by_id.remove(id);
        self.unknown.insert(id, ());
    }

    /// Forgets all ids marked unknown, so that callers ask for them again.
    pub fn forget_unknown(&mut self) {
        self.unknown = Recent::default();
    }

    /// Decodes the value of a record on the transactions' topic, header included. `now` is the
    /// caller's clock in milliseconds since the epoch.
    #[inline]
    pub fn decode<'a>(&self, value: &'a [u8], now: i64) -> Decoded<'a> {
        let (schema, datum) = match self.locate(value) {
            Located::Datum(schema, datum) => (schema, datum),
            Located::Needs(id) => return Decoded::NeedsSchema(id),
            Located::Rejected(rejected) => return Decoded::Rejected(rejected),
        };
        let mut row = Row::new();
        if let Err(rejected) = schema.transaction.read(datum, &mut row) {
            return Decoded::Rejected(rejected);
        }
        match row.transaction().validate(now) {
            Ok(transaction) => Decoded::Transaction(transaction),
            Err(error) => Decoded::Rejected(error.into()),
        }
    }

    /// Decodes the value of a record on the labels' topic; otherwise like [`Self::decode`].
    pub fn decode_label<'a>(&self, value: &'a [u8], now: i64) -> DecodedLabel<'a> {
        let (schema, datum) = match self.locate(value) {
            Located::Datum(schema, datum) => (schema, datum),
            Located::Needs(id) => return DecodedLabel::NeedsSchema(id),
            Located::Rejected(rejected) => return DecodedLabel::Rejected(rejected),
        };
        let mut row = Row::new();
        match schema.label.read(datum, &mut row).and_then(|()| row.label(now)) {
            Ok(label) => DecodedLabel::Label(label),
            Err(rejected) => DecodedLabel::Rejected(rejected),
        }
    }

    /// Reads a datum without a header, written with schema `id`, and does not check its values: for
    /// tools that have the datum apart from its header.
    pub fn decode_raw<'a>(&self, id: u32, datum: &'a [u8]) -> Result<RawTransaction<'a>, Rejected> {
        let schema = self.by_id.get(id).ok_or_else(|| unknown_id(id))?;
        let mut row = Row::new();
        schema.transaction.read(datum, &mut row)?;
        Ok(row.transaction())
    }

    fn locate<'s, 'a>(&'s self, value: &'a [u8]) -> Located<'s, 'a> {
        let (name, datum) = match split(value) {
            Ok(parts) => parts,
            Err(rejected) => return Located::Rejected(rejected),
        };
        match name {
            SchemaName::Id(id) => match self.by_id.get(id) {
                Some(schema) => Located::Datum(schema, datum),
                None if self.unknown.get(id).is_some() => Located::Rejected(unknown_id(id)),
                None => Located::Needs(id),
            },
            SchemaName::Fingerprint(fingerprint) => match self.by_fingerprint(fingerprint) {
                Some(schema) => Located::Datum(schema, datum),
                None => Located::Rejected(unknown_fingerprint(fingerprint)),
            },
        }
    }

    /// Looks among the project's own schemas first, then among those known by id.
    fn by_fingerprint(&self, fingerprint: u64) -> Option<&Schema> {
        let mut schemas = self.own.iter().chain(self.by_id.values());
        schemas.find(|schema| schema.fingerprint == Some(fingerprint))
    }
}

enum Located<'s, 'a> {
    Datum(&'s Schema, &'a [u8]),
    Needs(u32),
    Rejected(Rejected),
}

#[cold]
fn unknown_id(id: u32) -> Rejected {
    Rejected::new(Reason::UnknownSchema, format!("no schema is known under id {id}"))
}

#[cold]
fn unknown_fingerprint(fingerprint: u64) -> Rejected {
    let message = format!("no schema is known under fingerprint {fingerprint:016x}");
    Rejected::new(Reason::UnknownSchema, message)
}

/// One of the project's schemas under its fingerprint, and again under the one that apache-avro's
/// writer gives it, which differs if a primitive has a logical type.
fn own_schema(json: &str) -> [Schema; 2] {
    let apache = apache_avro::Schema::parse_str(json).map(|schema| {
        let bytes = schema.fingerprint::<apache_avro::rabin::Rabin>().bytes;
        bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
    });
    let mut schemas = [resolve(json).0, resolve(json).0];
    schemas[1].fingerprint = apache.ok();
    if json == ALERT_SCHEMA {
        // An alert has the fields of a transaction; our own alerts must not be scored nevertheless.
        for schema in &mut schemas {
            let message = "an alert is neither a transaction nor a label";
            let rejected = Rejected::new(Reason::UnknownSchema, message);
            schema.transaction = Program::rejecting(rejected.clone());
            schema.label = Program::rejecting(rejected);
        }
    }
    schemas
}

/// Resolves a schema to every target. A schema that cannot be read gets an entry as well, which
/// rejects its records.
fn resolve(json: &str) -> (Schema, Result<(), SchemaError>) {
    let (parsed, fingerprint) = match parse(json) {
        Ok(parsed) => parsed,
        Err(error) => {
            let schema = Schema {
                fingerprint: None,
                transaction: rejecting(&error),
                label: rejecting(&error),
            };
            return (schema, Err(error));
        }
    };
    let (transaction, as_transaction) = resolve_to(&parsed, Target::Transaction);
    let (label, as_label) = resolve_to(&parsed, Target::Label);
    (Schema { fingerprint: Some(fingerprint), transaction, label }, as_label.or(as_transaction))
}

fn resolve_to(schema: &apache_avro::Schema, target: Target) -> (Program, Result<(), SchemaError>) {
    match compile(schema, target) {
        Ok((program, report)) => {
            let verdict = report.verdict();
            (program, verdict.map_err(|rejected| SchemaError::Unreadable(rejected.message)))
        }
        Err(error) => (rejecting(&error), Err(error)),
    }
}

fn rejecting(error: &SchemaError) -> Program {
    Program::rejecting(Rejected::new(Reason::UnknownSchema, error.to_string()))
}

/// At most [`MAX_SCHEMAS`] values by id, found by binary search. The one that was added first
/// leaves first; callers ask again for a schema that is still in use.
struct Recent<T> {
    entries: Vec<Entry<T>>,
    arrivals: u64,
}

struct Entry<T> {
    id: u32,
    arrival: u64,
    value: T,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), arrivals: 0 }
    }
}

impl<T> Recent<T> {
    #[inline]
    fn get(&self, id: u32) -> Option<&T> {
        let place = self.place(id).ok()?;
        Some(&self.entries[place].value)
    }

    fn place(&self, id: u32) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&id, |entry| entry.id)
    }

    fn values(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().map(|entry| &entry.value)
    }

    fn insert(&mut self, id: u32, value: T) {
        self.remove(id);
        if self.entries.len() >= MAX_SCHEMAS {
            let oldest =
                self.entries.iter().min_by_key(|entry| entry.arrival).map(|entry| entry.id);
            oldest.into_iter().for_each(|id| self.remove(id));
        }
        self.arrivals += 1;
        let entry = Entry { id, arrival: self.arrivals, value };
        let place = self.place(id).unwrap_or_else(|place| place);
        self.entries.insert(place, entry);
    }

    fn remove(&mut self, id: u32) {
        if let Ok(place) = self.place(id) {
            self.entries.remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_leaves_when_there_are_too_many() {
        let mut recent = Recent::default();
        let most = u32::try_from(MAX_SCHEMAS).unwrap();
        for id in (0..most).rev() {
            recent.insert(id, id);
        }
        recent.insert(most - 1, 0);
        recent.insert(most, most);
        assert_eq!(recent.entries.len(), MAX_SCHEMAS);
        assert_eq!(recent.get(most - 2), None, "the oldest that was not renewed");
        assert_eq!(recent.get(most - 1), Some(&0));
        assert_eq!(recent.get(0), Some(&0));
        assert_eq!(recent.get(most), Some(&most));
    }
}
