//! A producer's schema against a reader's table: the plan, and the report on every field.
//!
//! Avro's rules ("Schema Resolution", Avro 1.12 specification), and what is wider here because a
//! stream must not stop for it:
//!
//! | the producer has | it is read as |
//! | --- | --- |
//! | a field that the reader has not | skipped, whatever its type |
//! | a field in another place | by its name |
//! | no field, and the reader has a default | the default |
//! | no field, and the reader has none | every record is rejected: `missing_field` |
//! | `int`, `long`, `float`, `decimal` for a number | the nearest double |
//! | `int`, `long`, finer or local timestamps for a time | milliseconds, rounded down |
//! | `bytes`, `uuid` for a string | text |
//! | other symbols for the status | by name in any case; an unknown one is the default |
//! | a string for the status | by name in any case; another one is rejected: `invalid_field` |
//! | an `enum` for a string | its symbol |
//! | a union | by each record's branch; null is the default, or `missing_field` |
//! | another type | every record is rejected: `unknown_schema` |
//! | another record name or namespace | no matter |
//!
//! Wider than Avro are the logical types (Avro looks at the type beneath), null for a default, a
//! string for the status, an enum for a string and the record's name. Narrower: a `date` or a time
//! of day is no `long` here, and a timestamp is no amount. An integer is no string by either rule:
//! producers of numeric ids have to change their schema. [`schema_report`] tells all of it, also
//! what each symbol becomes.

use apache_avro::Schema;
use apache_avro::schema::{
    DecimalSchema, InnerDecimalSchema, RecordField, RecordSchema, UnionSchema, UuidSchema,
};

use super::cursor::Fault;
use super::plan::{Branch, Plan, Program, Read, Step};
use super::report::{FieldReport, Outcome, Report, Target};
use super::schema::{Parsed, SchemaError, parse, type_name};
use super::skip::Skipper;
use super::symbols;
use super::table::{Absence, Field, Kind, Table};
use super::{Reason, Rejected};
use crate::core::transaction::Status;

/// Would records of this producer schema be read as transactions? An error if it is no schema of
/// a record at all; everything else, fields that do not resolve included, is in the report.
pub fn schema_report(json: &str) -> Result<Report, SchemaError> {
    schema_report_for(Target::Transaction, json)
}

/// [`schema_report`] for transactions or labels.
pub fn schema_report_for(target: Target, json: &str) -> Result<Report, SchemaError> {
    compile(&parse(json)?.0, target).map(|(_, report)| report)
}

/// The program that reads the schema's data for the target, and the report on it. A union of
/// records is reported by the first branch that is read.
pub(super) fn compile(schema: &Schema, target: Target) -> Result<(Program, Report), SchemaError> {
    let parsed = Parsed::new(schema)?;
    let single = [schema];
    let (variants, is_union): (Vec<&Schema>, bool) = match schema {
        Schema::Union(union) => (union.variants().iter().collect(), true),
        _ => (single.to_vec(), false),
    };
    let mut report = None;
    let mut branches = Vec::with_capacity(variants.len());
    for variant in variants {
        branches.push(compile_branch(parsed.resolve(variant), target, &parsed, &mut report));
    }
    let report = report.ok_or_else(|| {
        SchemaError::Unreadable(format!(
            "a {} cannot be read as a {}: a record is needed",
            type_name(schema),
            target.table().name
        ))
    })?;
    Ok((Program { branches: branches.into_boxed_slice(), is_union }, report))
}

fn compile_branch(
    schema: &Schema,
    target: Target,
    parsed: &Parsed<'_>,
    best: &mut Option<Report>,
) -> Result<Plan, Rejected> {
    let Schema::Record(record) = schema else {
        let message = format!("a {} is no {}", type_name(schema), target.table().name);
        return Err(Rejected::new(Reason::UnknownSchema, message));
    };
    let (plan, report) = compile_record(record, target, parsed);
    let verdict = report.verdict();
    if best.as_ref().is_none_or(|best| !best.is_readable() && report.is_readable()) {
        *best = Some(report);
    }
    verdict.map(|()| plan)
}

fn compile_record(record: &RecordSchema, target: Target, parsed: &Parsed<'_>) -> (Plan, Report) {
    let table: &Table = target.table();
    let mut outcomes: Vec<Outcome> = table.fields.iter().map(when_absent).collect();
    let mut skipper = Skipper::default();
    let mut ignored = Vec::new();
    let mut steps = Vec::with_capacity(record.fields.len());
    for field in &record.fields {
        let slot = table.fields.iter().position(|wanted| wanted.name == field.name);
        let resolved = slot.map(|slot| (slot, resolve(field, &table.fields[slot], slot, parsed)));
        steps.push(match resolved {
            Some((slot, (step, outcome))) => {
                outcomes[slot] = outcome;
                step.unwrap_or_else(|| Step::Skip(skipper.add(&field.schema, parsed)))
            }
            None => {
                ignored.push(field.name.clone());
                Step::Skip(skipper.add(&field.schema, parsed))
            }
        });
    }
    let names = record.fields.iter().map(|field| field.name.as_str().into()).collect();
    let fields = table.fields.iter().zip(outcomes);
    let fields =
        fields.map(|(field, outcome)| FieldReport { field: field.name, outcome }).collect();
    let report = Report { record: record.name.fullname(None), target, fields, ignored };
    (Plan { steps: steps.into_boxed_slice(), names, skipper }, report)
}

fn when_absent(field: &Field) -> Outcome {
    match field.absence {
        Absence::Rejects => Outcome::Missing,
        Absence::Default(default) => Outcome::Default(default),
    }
}

/// The step for a field that both sides have, `None` if its value is of no use.
fn resolve(
    field: &RecordField,
    wanted: &Field,
    slot: usize,
    parsed: &Parsed<'_>,
) -> (Option<Step>, Outcome) {
    let slot = u8::try_from(slot).expect("invariant: tables have at most MAX_FIELDS fields");
    let schema = parsed.resolve(&field.schema);
    match schema {
        Schema::Union(union) => resolve_union(union, wanted, slot, parsed),
        Schema::Null => (None, when_absent(wanted)),
        _ => match read_of(schema, wanted.kind) {
            Ok(read) => {
                let outcome = outcome_of(schema, &read);
                (Some(Step::Read { slot, read }), outcome)
            }
            Err(needed) => (None, incompatible(schema, needed)),
        },
    }
}

fn incompatible(schema: &Schema, needed: &str) -> Outcome {
    Outcome::Incompatible(format!("{} cannot be read as {needed}", type_name(schema)))
}

fn outcome_of(schema: &Schema, read: &Read) -> Outcome {
    match read {
        Read::Text if matches!(schema, Schema::String) => Outcome::Same,
        Read::Double | Read::Flag => Outcome::Same,
        Read::Time { per_milli: 1 } if matches!(schema, Schema::TimestampMillis) => Outcome::Same,
        Read::Status(_) => symbols_outcome(schema).unwrap_or(Outcome::Same),
        _ => Outcome::Converted(type_name(schema)),
    }
}

/// What becomes of an enum's symbols as statuses; `None` if each is its own.
fn symbols_outcome(schema: &Schema) -> Option<Outcome> {
    let Schema::Enum(known) = schema else { return None };
    if known.symbols.iter().all(|symbol| Status::SYMBOLS.contains(&symbol.as_str())) {
        return None;
    }
    let words = known.symbols.iter().map(|symbol| match Status::from_text(symbol) {
        Some(status) => format!("{symbol} is {}", status.symbol()),
        None => format!("{symbol} is unknown and counts as {}", Status::default().symbol()),
    });
    let words: Vec<String> = words.collect();
    Some(Outcome::Converted(format!("{}: {}", type_name(schema), words.join(", "))))
}

fn resolve_union(
    union: &UnionSchema,
    wanted: &Field,
    slot: u8,
    parsed: &Parsed<'_>,
) -> (Option<Step>, Outcome) {
    let schema = Schema::Union(union.clone());
    let absent = match wanted.absence {
        Absence::Rejects => Err(Fault::Null),
        Absence::Default(_) => Ok(()),
    };
    let branches: Vec<Branch> = union
        .variants()
        .iter()
        .map(|variant| match (parsed.resolve(variant), absent) {
            (Schema::Null, Ok(())) => Branch::Null,
            (Schema::Null, Err(fault)) => Branch::Fault(fault),
            (variant, _) => read_of(variant, wanted.kind)
                .map_or(Branch::Fault(Fault::BranchMismatch), Branch::Read),
        })
        .collect();
    if branches.iter().all(|branch| matches!(branch, Branch::Fault(_))) {
        return (None, incompatible(&schema, needed(wanted.kind)));
    }
    let step = union_step(branches, slot, absent);
    let mut variants = union.variants().iter().map(|variant| parsed.resolve(variant));
    let symbols = variants.find_map(|variant| match wanted.kind {
        Kind::Status => symbols_outcome(variant),
        _ => None,
    });
    let outcome = match (&step, wanted.absence) {
        _ if symbols.is_some() => symbols.unwrap_or(Outcome::Same),
        (Step::Nullable { .. }, Absence::Default("null")) => Outcome::Same,
        _ => Outcome::Converted(type_name(&schema)),
    };
    (Some(step), outcome)
}

/// The short form for the union that nearly every optional field is.
fn union_step(mut branches: Vec<Branch>, slot: u8, absent: Result<(), Fault>) -> Step {
    let is_null = |branch: &Branch| matches!(branch, Branch::Null | Branch::Fault(Fault::Null));
    let null = match &branches[..] {
        [first, Branch::Read(_)] if is_null(first) => 0,
        [Branch::Read(_), second] if is_null(second) => 1,
        _ => return Step::Union { slot, branches: branches.into_boxed_slice() },
    };
    match branches.swap_remove(1 - null) {
        Branch::Read(read) => Step::Nullable { slot, null: null as i64, absent, read },
        _ => Step::Union { slot, branches: branches.into_boxed_slice() },
    }
}

fn needed(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "a string",
        Kind::Number => "a number",
        Kind::Time => "a timestamp",
        Kind::Flag => "a boolean",
        Kind::Status => "a status: APPROVED, DECLINED, REFUNDED",
    }
}

/// How values of a type become the kind of field that is wanted, or what is needed instead.
fn read_of(schema: &Schema, kind: Kind) -> Result<Read, &'static str> {
    let read = match kind {
        Kind::Text => text_of(schema),
        Kind::Number => number_of(schema),
        Kind::Time => time_of(schema),
        Kind::Flag => matches!(schema, Schema::Boolean).then_some(Read::Flag),
        Kind::Status => status_of(schema),
    };
    read.ok_or(needed(kind))
}

fn text_of(schema: &Schema) -> Option<Read> {
    match schema {
        Schema::String | Schema::Uuid(UuidSchema::String) => Some(Read::Text),
        Schema::Bytes => Some(Read::TextOfBytes),
        Schema::Enum(schema) => symbols::kept(&schema.symbols).map(Read::Symbol),
        _ => None,
    }
}

fn number_of(schema: &Schema) -> Option<Read> {
    Some(match schema {
        Schema::Double => Read::Double,
        Schema::Float => Read::Float,
        Schema::Int => Read::Int,
        Schema::Long => Read::Long,
        Schema::Decimal(DecimalSchema { scale, inner, .. }) => match inner {
            InnerDecimalSchema::Bytes => Read::DecimalBytes { scale: *scale },
            InnerDecimalSchema::Fixed(fixed) => {
                Read::DecimalFixed { scale: *scale, size: fixed.size }
            }
        },
        _ => return None,
    })
}

fn time_of(schema: &Schema) -> Option<Read> {
    Some(match schema {
        Schema::TimestampMillis | Schema::LocalTimestampMillis | Schema::Long => {
            Read::Time { per_milli: 1 }
        }
        Schema::TimestampMicros | Schema::LocalTimestampMicros => Read::Time { per_milli: 1_000 },
        Schema::TimestampNanos | Schema::LocalTimestampNanos => Read::Time { per_milli: 1_000_000 },
        Schema::Int => Read::TimeOfInt,
        _ => return None,
    })
}

fn status_of(schema: &Schema) -> Option<Read> {
    match schema {
        Schema::Enum(schema) => {
            let statuses = schema.symbols.iter().map(|symbol| Status::from_text(symbol));
            Some(Read::Status(statuses.map(Option::unwrap_or_default).collect()))
        }
        Schema::String => Some(Read::StatusOfText),
        _ => None,
    }
}
