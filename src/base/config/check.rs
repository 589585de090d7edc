//! From the merged tree of values to checked ones: every key present, of its kind, within its
//! bounds.
//!
//! All keys are checked before anything is reported, so that one run shows everything that is
//! wrong. A message repeats the value, unless it may be a secret.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ::config::{FileFormat, Format, Map, Value, ValueKind};

use super::Problem;
use super::keys::{KEYS, Key, Kind};
use super::secret::is_secret_name;
use super::units::{parse_duration, parse_size};

/// A value that its key allows.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Checked {
    Null,
    Text(String),
    Flag(bool),
    Integer(i64),
    Number(f64),
    Duration(Duration),
    Size(u64),
    Texts(Vec<String>),
    /// Name → (value, where it came from).
    Entries(BTreeMap<String, (String, String)>),
    SavePoints(Vec<(u64, u64)>),
}

/// A key with its checked value and where that value came from.
pub(super) struct Entry {
    pub key: &'static Key,
    pub value: Checked,
    pub origin: String,
}

/// Checks every key of the table against the merged tree. Keys with a problem are left out of the
/// result and added to `problems`.
pub(super) fn check(root: &Value, problems: &mut Vec<Problem>) -> Vec<Entry> {
    let nothing = Value::new(None, ValueKind::Nil);
    let mut entries = Vec::with_capacity(KEYS.len());
    for key in KEYS {
        let value = find(root, key.path).unwrap_or(&nothing);
        let origin = value.origin().unwrap_or(super::COMPILED_IN).to_owned();
        let checked = match (key.is_map(), &value.kind) {
            (true, ValueKind::Table(table)) => map(key, table),
            _ => checked(key, value).map_err(|what| problem(key.path, what, value)),
        };
        match checked {
            Ok(value) => entries.push(Entry { key, value, origin }),
            Err(problem) => problems.push(problem),
        }
    }
    entries
}

/// Parses YAML in flow form, such as `{a: b}`; `None` if it is not YAML. Values get `origin`.
pub(super) fn parse_fragment(text: &str, origin: &str) -> Option<Value> {
    let text = format!("value: {text}");
    FileFormat::Yaml.parse(Some(&origin.to_owned()), &text).ok()?.remove("value")
}

fn problem(path: &str, what: String, value: &Value) -> Problem {
    let mut origins = BTreeSet::new();
    collect_origins(value, &mut origins);
    let origin = match origins.is_empty() {
        true => super::COMPILED_IN.to_owned(),
        false => origins.into_iter().collect::<Vec<_>>().join(", "),
    };
    Problem { path: path.to_owned(), what, origin }
}

/// Where a value came from. A merged table has no origin of its own, but its values have.
fn collect_origins<'a>(value: &'a Value, origins: &mut BTreeSet<&'a str>) {
    match (value.origin(), &value.kind) {
        (Some(origin), _) => {
            origins.insert(origin);
        }
        (None, ValueKind::Table(table)) => {
            table.values().for_each(|inner| collect_origins(inner, origins));
        }
        _ => {}
    }
}

fn find<'a>(root: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(root, |value, name| match &value.kind {
        ValueKind::Table(table) => table.get(name),
        _ => None,
    })
}

fn checked(key: &Key, value: &Value) -> Result<Checked, String> {
    let is_empty = match &value.kind {
        ValueKind::Nil => true,
        ValueKind::String(text) => text.trim().is_empty(),
        _ => false,
    };
    if is_empty && key.nullable {
        return Ok(Checked::Null);
    }
    if key.secret && !matches!(value.kind, ValueKind::String(_)) {
        return Err(format!("must be {}; put it in quotes", key.allowed()));
    }
    let not_allowed = || match description(&value.kind) {
        Some(shown) if !key.may_hide() => format!("is {shown}, it must be {}", key.allowed()),
        _ => format!("must be {}", key.allowed()),
    };
    match key.kind {
        Kind::Properties | Kind::Schemas if matches!(value.kind, ValueKind::Nil) => {
            Ok(Checked::Entries(BTreeMap::new()))
        }
        Kind::Texts(_) | Kind::SavePoints => list(key, value).ok_or_else(not_allowed),
        _ => scalar(key, &value.kind).ok_or_else(not_allowed),
    }
}

fn scalar(key: &Key, value: &ValueKind) -> Option<Checked> {
    match key.kind {
        Kind::Text => Some(Checked::Text(text(value)?)),
        Kind::LongText(length) => {
            text(value).filter(|text| text.chars().count() >= length).map(Checked::Text)
        }
        Kind::Url(starts) => {
            let text = text(value)?;
            starts.iter().any(|start| text.starts_with(start)).then_some(Checked::Text(text))
        }
        Kind::OneOf(words) => {
            text(value).filter(|text| words.contains(&text.as_str())).map(Checked::Text)
        }
        Kind::TimeZone => {
            let text = text(value)?;
            jiff::tz::TimeZone::get(&text).is_ok().then_some(Checked::Text(text))
        }
        Kind::Flag => flag(value).map(Checked::Flag),
        Kind::Integer(min, max) => {
            integer(value).filter(|number| (min..=max).contains(number)).map(Checked::Integer)
        }
        Kind::Number(min, max) => {
            number(value).filter(|number| (min..=max).contains(number)).map(Checked::Number)
        }
        Kind::Duration(min, max) => parse_duration(&text(value)?)
            .filter(|duration| (min..=max).contains(duration))
            .map(Checked::Duration),
        Kind::Size(min, max) => {
            parse_size(&text(value)?).filter(|size| (min..=max).contains(size)).map(Checked::Size)
        }
        Kind::Texts(_) | Kind::Properties | Kind::Schemas | Kind::SavePoints => None,
    }
}

fn text(value: &ValueKind) -> Option<String> {
    let text = match value {
        ValueKind::String(text) => text.trim().to_owned(),
        ValueKind::I64(number) => number.to_string(),
        ValueKind::U64(number) => number.to_string(),
        ValueKind::Float(number) => number.to_string(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

fn flag(value: &ValueKind) -> Option<bool> {
    match value {
        ValueKind::Boolean(flag) => Some(*flag),
        ValueKind::String(text) => text.trim().to_ascii_lowercase().parse().ok(),
        _ => None,
    }
}

fn integer(value: &ValueKind) -> Option<i64> {
    match value {
        ValueKind::I64(number) => Some(*number),
        ValueKind::U64(number) => i64::try_from(*number).ok(),
        ValueKind::String(text) => text.trim().replace('_', "").parse().ok(),
        _ => None,
    }
}

fn number(value: &ValueKind) -> Option<f64> {
    match value {
        ValueKind::Float(number) => Some(*number),
        ValueKind::String(text) => text.trim().parse().ok(),
        other => integer(other).map(|number| number as f64),
    }
}

fn list(key: &Key, value: &Value) -> Option<Checked> {
    let parsed;
    let items = match &value.kind {
        ValueKind::Nil => &Vec::new(),
        ValueKind::Array(items) => items,
        ValueKind::String(text) if text.trim_start().starts_with('[') => {
            parsed = parse_fragment(text, value.origin().unwrap_or_default())?;
            let ValueKind::Array(items) = &parsed.kind else { return None };
            items
        }
        ValueKind::String(text) if matches!(key.kind, Kind::Texts(_)) => {
            return texts(key, text.split(',').map(|part| part.trim().to_owned()).collect());
        }
        _ => return None,
    };
    if matches!(key.kind, Kind::SavePoints) {
        return items.iter().map(save_point).collect::<Option<_>>().map(Checked::SavePoints);
    }
    texts(key, items.iter().map(|item| text(&item.kind)).collect::<Option<_>>()?)
}

fn texts(key: &Key, mut texts: Vec<String>) -> Option<Checked> {
    texts.retain(|text| !text.is_empty());
    let is_short = texts.is_empty() && matches!(key.kind, Kind::Texts(true));
    (!is_short).then_some(Checked::Texts(texts))
}

fn save_point(value: &Value) -> Option<(u64, u64)> {
    let ValueKind::Array(pair) = &value.kind else { return None };
    let [seconds, changes] = pair.as_slice() else { return None };
    let positive =
        |value: &Value| integer(&value.kind).and_then(|n| u64::try_from(n).ok()).filter(|n| *n > 0);
    Some((positive(seconds)?, positive(changes)?))
}

fn map(key: &Key, table: &Map<String, Value>) -> Result<Checked, Problem> {
    let sorted: BTreeMap<&String, &Value> = table.iter().collect();
    let mut entries = BTreeMap::new();
    for (name, value) in sorted {
        let text = entry(key, name, value)
            .map_err(|what| problem(&format!("{}.{name}", key.path), what, value))?;
        let origin = value.origin().unwrap_or(super::COMPILED_IN).to_owned();
        entries.insert(name.clone(), (text, origin));
    }
    Ok(Checked::Entries(entries))
}

fn entry(key: &Key, name: &str, value: &Value) -> Result<String, String> {
    if matches!(key.kind, Kind::Schemas) && name.parse::<u32>().is_err() {
        return Err("is not a schema id; ids are whole numbers".to_owned());
    }
    // Without quotes 0123 would have become 123.
    if is_secret_name(name) && !matches!(value.kind, ValueKind::String(_)) {
        return Err("must be a text; put it in quotes".to_owned());
    }
    match &value.kind {
        ValueKind::Boolean(flag) => Ok(flag.to_string()),
        other => text(other).ok_or_else(|| "must be a text, a number, true or false".to_owned()),
    }
}

/// How a message shows a value; `None` for a text too long to repeat.
fn description(value: &ValueKind) -> Option<String> {
    match value {
        ValueKind::Nil => Some("null".to_owned()),
        ValueKind::Boolean(flag) => Some(flag.to_string()),
        ValueKind::I64(number) => Some(number.to_string()),
        ValueKind::U64(number) => Some(number.to_string()),
        ValueKind::Float(number) => Some(number.to_string()),
        ValueKind::String(text) if text.chars().count() <= 60 => Some(format!("{text:?}")),
        ValueKind::Table(_) => Some("a table".to_owned()),
        ValueKind::Array(_) => Some("a list".to_owned()),
        _ => None,
    }
}
