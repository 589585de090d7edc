//! `${NAME}` and `${NAME:-default}` in configuration files, and the file `.env`.
//!
//! Variables are filled in after the YAML is parsed, value by value: a password with a quote, a
//! colon or a line break in it stays one value and cannot add keys.

use std::collections::BTreeMap;

/// A text after filling in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filled {
    /// The text with every variable replaced.
    pub text: String,
    /// The names of the variables whose values were used, in order.
    pub names: Vec<String>,
}

/// Why a text cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum FillError {
    #[error(
        "needs the environment variable {0}, which is not set; set it or write ${{{0}:-default}}"
    )]
    Unset(String),
    #[error("has a ${{ without a closing }}; write $${{ for the characters themselves")]
    Unclosed,
    #[error("names {0:?} as an environment variable; letters, digits and _ are allowed")]
    BadName(String),
}

/// Replaces the variables in `text` by the values that `lookup` finds. As in a shell, a variable
/// that is set but empty counts as unset if there is a default.
pub(super) fn fill<'a>(
    text: &str,
    lookup: impl Fn(&str) -> Option<&'a str>,
) -> Result<Filled, FillError> {
    let mut filled = Filled { text: String::new(), names: Vec::new() };
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            filled.text.push_str(&rest[..at - 1]);
            filled.text.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        filled.text.push_str(&rest[..at]);
        let end = rest[at..].find('}').ok_or(FillError::Unclosed)? + at;
        filled.text.push_str(&replacement(&rest[at + 2..end], &mut filled.names, &lookup)?);
        rest = &rest[end + 1..];
    }
    filled.text.push_str(rest);
    Ok(filled)
}

fn replacement<'a>(
    inside: &str,
    names: &mut Vec<String>,
    lookup: impl Fn(&str) -> Option<&'a str>,
) -> Result<String, FillError> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    if !is_name(name) {
        return Err(FillError::BadName(name.to_owned()));
    }
    let text = match (lookup(name), default) {
        (Some(value), None) => value,
        (Some(value), Some(_)) if !value.is_empty() => value,
        (_, Some(default)) => return Ok(default.to_owned()),
        (None, None) => return Err(FillError::Unset(name.to_owned())),
    };
    names.push(name.to_owned());
    Ok(text.to_owned())
}

/// Parses a `.env` file: `NAME=value` lines, with an optional `export` in front; `#` comments;
/// single quotes for verbatim texts; double quotes with `\n`, `\"` and `\\`. The error is the
/// number of the first bad line; the line itself may be secret and is not repeated.
pub(super) fn parse_dotenv(text: &str) -> Result<BTreeMap<String, String>, usize> {
    let mut variables = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = dotenv_line(line).ok_or(index + 1)?;
        variables.insert(name, value);
    }
    Ok(variables)
}

fn dotenv_line(line: &str) -> Option<(String, String)> {
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    if !is_name(name) {
        return None;
    }
    let value = match value.chars().next() {
        Some('\'') => value[1..].split_once('\'').map(|(inside, _)| inside.to_owned())?,
        Some('"') => double_quoted(&value[1..])?,
        _ => value.split(" #").next().unwrap_or_default().trim_end().to_owned(),
    };
    Some((name.to_owned(), value))
}

fn double_quoted(text: &str) -> Option<String> {
    let mut value = String::new();
    let mut characters = text.chars();
    loop {
        match characters.next()? {
            '"' => return Some(value),
            '\\' => match characters.next()? {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
}

fn is_name(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && characters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> Result<String, FillError> {
        let lookup = |name: &str| match name {
            "HOST" => Some("db"),
            "EMPTY" => Some(""),
            "ODD" => Some("a: ${HOST}\n'\""),
            _ => None,
        };
        fill(text, lookup).map(|filled| filled.text)
    }

    #[test]
    fn variables() {
        let cases = [
            ("plain", Ok("plain")),
            ("${HOST}", Ok("db")),
            ("p://${HOST}:${PORT:-5432}/x", Ok("p://db:5432/x")),
            ("${HOST:-other}", Ok("db")),
            ("[${EMPTY}]", Ok("[]")),
            ("${EMPTY:-full}", Ok("full")),
            ("${NONE:-}", Ok("")),
            ("${NONE:-a:-b}", Ok("a:-b")),
            ("${ODD}", Ok("a: ${HOST}\n'\"")),
            ("$HOST $ {HOST} $", Ok("$HOST $ {HOST} $")),
            ("$${HOST} and ${HOST}", Ok("${HOST} and db")),
            ("${NONE}", Err(FillError::Unset("NONE".to_owned()))),
            ("${HOST", Err(FillError::Unclosed)),
            ("${}", Err(FillError::BadName(String::new()))),
            ("${1A}", Err(FillError::BadName("1A".to_owned()))),
        ];
        for (text, expected) in cases {
            assert_eq!(filled(text), expected.map(str::to_owned), "{text}");
        }
    }

    #[test]
    fn dotenv_files() {
        let text = "# comment\n\nA=1\nexport B = two words # note\nC='it''s'\nD=\"a\\n\\\"b\\\"\"\nE=\nF=a#b\n";
        let expected = [
            ("A", "1"),
            ("B", "two words"),
            ("C", "it"),
            ("D", "a\n\"b\""),
            ("E", ""),
            ("F", "a#b"),
        ];
        let variables = parse_dotenv(text).unwrap();
        let pairs: Vec<_> = variables.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(pairs, expected);
    }

    #[test]
    fn a_bad_dotenv_line_is_named_by_its_number() {
        for text in ["A=1\nnonsense", "A=1\n2B=x", "A=1\nB='open", "A=1\nB=\"open"] {
            assert_eq!(parse_dotenv(text), Err(2), "{text:?}");
        }
    }
}
