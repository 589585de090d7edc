//! Dead letters for people and for programs.

use serde_json::{Value, json};

use crate::edges::kafka::RawHeader;
use crate::files::format_time;
use crate::stream::dead_letters::{Letter, printable};

/// How many bytes of a value are shown.
const MAX_SHOWN_BYTES: usize = 4_096;

/// How many bytes a line of a dump shows.
const LINE_BYTES: usize = 16;

/// A letter on one line.
pub(super) fn letter_line(letter: &Letter) -> String {
    let reason = letter.reason().unwrap_or("-");
    let size = letter.size.map_or("no value".to_owned(), |size| format!("{size} B"));
    let message = safe(letter.message().unwrap_or("-"));
    let (place, at, source, key) = (letter.place, at(letter), source(letter), key(letter));
    format!("{place:<10} {at}  {:<15} {source}  key {key}  {size}  {message}", safe(reason))
}

/// A whole letter, with the beginning of its value.
pub(super) fn letter_text(letter: &Letter, value: Option<&[u8]>) -> String {
    let size = letter.size.map_or("none".to_owned(), |size| format!("{size} bytes"));
    let produced = letter.timestamp_ms.map_or("-".to_owned(), format_time);
    let mut lines = vec![
        format!("letter     {}", letter.place),
        format!("failed     {}", at(letter)),
        format!("reason     {}", safe(letter.reason().unwrap_or("-"))),
        format!("message    {}", safe(letter.message().unwrap_or("-"))),
        format!("source     {}", source(letter)),
        format!("produced   {produced}"),
        format!("key        {}", key(letter)),
    ];
    for (name, value) in &letter.headers {
        let value = value.as_deref().map_or("(none)".to_owned(), printable);
        lines.push(format!("header     {} = {value}", printable(name)));
    }
    lines.push(format!("value      {size}"));
    lines.extend(value.map(dump).unwrap_or_default());
    lines.join("\n")
}

/// A letter as JSON, without headers and value.
pub(super) fn letter_json(letter: &Letter) -> Value {
    let source = letter.source();
    json!({
        "partition": letter.place.partition,
        "offset": letter.place.offset,
        "failed_at": letter.failed_at(),
        "reason": letter.reason(),
        "message": letter.message(),
        "source": {
            "topic": source.topic,
            "partition": source.partition,
            "offset": source.offset,
        },
        "key": letter.key.as_deref().map(printable),
        "size": letter.size,
    })
}

/// A whole letter as JSON, with the beginning of its value.
pub(super) fn shown_value_json(letter: &Letter, value: Option<&[u8]>) -> Value {
    let header = |(name, value): &RawHeader| {
        let (name, value) = (printable(name), value.as_deref().map(printable));
        json!({"name": name, "value": value})
    };
    let mut json = letter_json(letter);
    json["produced_at"] = json!(letter.timestamp_ms.map(format_time));
    json["headers"] = letter.headers.iter().map(header).collect();
    json["value_hex"] = json!(value.map(|value| hex(shown(value), "")));
    json["value_is_cut"] = json!(value.is_some_and(|value| value.len() > MAX_SHOWN_BYTES));
    json
}

fn at(letter: &Letter) -> String {
    let produced = || letter.timestamp_ms.map_or("-".to_owned(), format_time);
    letter.failed_at().map_or_else(produced, safe)
}

fn source(letter: &Letter) -> String {
    let source = letter.source();
    let number = |number: Option<i64>| number.map_or("?".to_owned(), |number| number.to_string());
    let topic = safe(source.topic.as_deref().unwrap_or("?"));
    format!("{topic} {}:{}", number(source.partition.map(i64::from)), number(source.offset))
}

fn key(letter: &Letter) -> String {
    letter.key.as_deref().map_or("(none)".to_owned(), printable)
}

/// The text without characters that control a terminal.
fn safe(text: &str) -> String {
    printable(text.as_bytes())
}

fn shown(value: &[u8]) -> &[u8] {
    &value[..value.len().min(MAX_SHOWN_BYTES)]
}

fn hex(bytes: &[u8], between: &str) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.join(between)
}

/// Lines of offset, bytes in hexadecimal, and bytes as ASCII.
fn dump(value: &[u8]) -> Vec<String> {
    let ascii = |byte: &u8| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '.' };
    let line = |(index, bytes): (usize, &[u8])| {
        let text: String = bytes.iter().map(ascii).collect();
        format!("{:08x}   {:<47}   {text}", index * LINE_BYTES, hex(bytes, " "))
    };
    let mut lines: Vec<String> = shown(value).chunks(LINE_BYTES).enumerate().map(line).collect();
    let rest = value.len() - shown(value).len();
    if rest > 0 {
        lines.push(format!("{rest} more bytes; --value FILE writes all of them"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::dead_letters::Place;

    fn letter() -> Letter {
        let header = |name: &[u8], value: &str| (name.to_vec(), Some(value.as_bytes().to_vec()));
        Letter {
            place: Place { partition: 1, offset: 42 },
            timestamp_ms: Some(1_767_225_600_000),
            key: Some(b"c\xFF".to_vec()),
            size: Some(5_000),
            headers: vec![
                header(b"\xFE", "v"),
                header(b"error.reason", "unknown_framing"),
                header(b"error.message", "the value starts with [1b, 5b]"),
                header(b"source.topic", "transactions"),
                header(b"source.partition", "3"),
                header(b"source.offset", "99"),
                header(b"failed.at", "2026-01-01T00:00:01Z"),
            ],
        }
    }

    #[test]
    fn a_line_says_where_when_why_and_what() {
        assert_eq!(
            letter_line(&letter()),
            "1:42       2026-01-01T00:00:01Z  unknown_framing transactions 3:99  key 0x63ff  \
             5000 B  the value starts with [1b, 5b]"
        );
        let bare = Letter { key: None, size: None, headers: Vec::new(), ..letter() };
        assert_eq!(
            letter_line(&bare),
            "1:42       2026-01-01T00:00:00.000Z  -               ? ?:?  key (none)  no value  -"
        );
    }

    #[test]
    fn all_of_a_letter_is_shown_and_the_value_up_to_a_bound() {
        let value = [b"\x00\x00ab".as_slice(), &[7; 4_996]].concat();
        let text = letter_text(&letter(), Some(&value));
        let expected = [
            "header     0xfe = v\n",
            "value      5000 bytes\n",
            "00000000   00 00 61 62 07 07 07 07 07 07 07 07 07 07 07 07   ..ab............\n",
            "904 more bytes; --value FILE writes all of them",
        ];
        for part in expected {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(!letter_text(&letter(), Some(&value[..4_096])).contains("more bytes"));
    }

    #[test]
    fn json_names_what_a_program_needs() {
        let json = shown_value_json(&letter(), Some(b"\x00a"));
        assert_eq!(json["partition"], 1);
        assert_eq!(json["source"], json!({"topic": "transactions", "partition": 3, "offset": 99}));
        assert_eq!(json["key"], "0x63ff");
        assert_eq!(json["headers"][0], json!({"name": "0xfe", "value": "v"}));
        assert_eq!((&json["value_hex"], &json["value_is_cut"]), (&json!("0061"), &json!(false)));
        let tombstone = shown_value_json(&letter(), None);
        assert_eq!(tombstone["value_hex"], Value::Null);
    }
}
