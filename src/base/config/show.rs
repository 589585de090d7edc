//! The effective configuration, for people and for programs: every key, its value, where that came
//! from.
//!
//! Secrets are replaced here and nowhere else, on the way from checked values to JSON; both forms
//! are printed from that JSON.

use serde_json::{Map, Value, json};

use super::check::{Checked, Entry};
use super::keys::Kind;
use super::secret::{HIDDEN, is_secret_name, mask_url};
use super::units::{format_duration, format_size};

/// YAML that can be read back as a configuration file, except for secrets. Each line says where its
/// value came from.
pub(super) fn yaml(entries: &[Entry]) -> String {
    let mut text = String::new();
    let mut open: Vec<&str> = Vec::new();
    for entry in entries {
        let mut names: Vec<&str> = entry.key.path.split('.').collect();
        let name = names.pop().unwrap_or_default();
        let shared = open.iter().zip(&names).take_while(|(a, b)| a == b).count();
        for (depth, section) in names.iter().enumerate().skip(shared) {
            text.push_str(&format!("{:indent$}{section}:\n", "", indent = depth * 2));
        }
        push_entry(&mut text, entry, name, names.len() * 2);
        open = names;
    }
    text
}

/// `{"values": {section: {key: value}}, "sources": {"section.key": where}}`.
pub(super) fn json(entries: &[Entry]) -> Value {
    let mut values = Value::Object(Map::new());
    let mut sources = Map::new();
    for entry in entries {
        let place = entry.key.path.split('.').fold(&mut values, |place, name| &mut place[name]);
        *place = shown(entry);
        sources.insert(entry.key.path.to_owned(), json!(entry.origin));
        if let Checked::Entries(inner) = &entry.value {
            for (name, (_, origin)) in inner {
                sources.insert(format!("{}.{name}", entry.key.path), json!(origin));
            }
        }
    }
    json!({"values": values, "sources": sources})
}

fn push_entry(text: &mut String, entry: &Entry, name: &str, indent: usize) {
    let value = shown(entry);
    match (&entry.value, value.as_object().filter(|table| !table.is_empty())) {
        (Checked::Entries(inner), Some(table)) => {
            text.push_str(&format!("{:indent$}{name}:\n", ""));
            for (name, value) in table {
                let origin = inner.get(name).map_or("", |(_, origin)| origin);
                push_line(text, &flow(&json!(name)), value, origin, indent + 2);
            }
        }
        _ => push_line(text, name, &value, &entry.origin, indent),
    }
}

fn push_line(text: &mut String, name: &str, value: &Value, origin: &str, indent: usize) {
    let line = format!("{:indent$}{name}: {}", "", flow(value));
    text.push_str(&format!("{line:<50}  # {origin}\n"));
}

/// The value as it may be shown.
fn shown(entry: &Entry) -> Value {
    match &entry.value {
        Checked::Null => Value::Null,
        _ if entry.key.secret => json!(HIDDEN),
        Checked::Text(text) if matches!(entry.key.kind, Kind::Url(_)) => json!(mask_url(text)),
        Checked::Text(text) => json!(text),
        Checked::Flag(flag) => json!(flag),
        Checked::Integer(number) => json!(number),
        Checked::Number(number) => json!(number),
        Checked::Duration(duration) => json!(format_duration(*duration)),
        Checked::Size(bytes) => json!(format_size(*bytes)),
        Checked::Texts(texts) => json!(texts),
        Checked::SavePoints(points) => json!(points),
        Checked::Entries(entries) => entries
            .iter()
            .map(|(name, (text, _))| {
                let shown = if is_secret_name(name) { HIDDEN } else { text };
                (name.clone(), json!(shown))
            })
            .collect(),
    }
}

/// YAML on one line. JSON is YAML; quotes are left out if nothing can be misread.
fn flow(value: &Value) -> String {
    match value {
        Value::String(text) if is_plain(text) => text.clone(),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// Whether YAML reads the text without quotes as the same text.
fn is_plain(text: &str) -> bool {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    if unit.len() < text.len()
        && ["ms", "s", "m", "h", "d", "w", "KiB", "MiB", "GiB"].contains(&unit)
    {
        return true;
    }
    let first = text.chars().next();
    let starts_well = first.is_some_and(|c| c.is_ascii_alphabetic() || c == '/');
    let is_word = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
        .contains(&text.to_ascii_lowercase().as_str());
    let is_safe = |c: char| c.is_ascii_alphanumeric() || "_-./:@+".contains(c);
    starts_well && !is_word && text.chars().all(is_safe) && !text.ends_with(':')
}
