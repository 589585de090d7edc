//! One line of JSON Lines: an object's fields as they are written.
//!
//! A general JSON parser builds a tree and forgets how numbers were written. Here a line is only
//! cut into its top-level fields, which stay slices of the line: numbers keep every digit until a
//! column's type is known, nested values pass through as they are, and nothing is allocated but for
//! texts with escapes.

use std::borrow::Cow;

use serde::de::IgnoredAny;

/// The value of one field, as it is written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell<'l> {
    /// `null`, `NaN`, or no such field.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number's digits.
    Number(&'l str),
    /// A text without its quotes and escapes.
    Text(Cow<'l, str>),
    /// An array or object.
    Nested(&'l str),
}

/// Cuts the object on `line` into fields, or says what is wrong with it. `take` gets every field,
/// in the order of the line.
pub(super) fn scan_object<'l>(
    line: &'l str,
    mut take: impl FnMut(Cow<'l, str>, Cell<'l>),
) -> Result<(), String> {
    let mut cursor = Cursor { line, at: 0 };
    cursor.expect(b'{')?;
    if cursor.peek() == Some(b'}') {
        cursor.at += 1;
        return cursor.end();
    }
    loop {
        let name = cursor.text()?;
        cursor.expect(b':')?;
        let cell = cursor.value()?;
        take(name, cell);
        match cursor.peek() {
            Some(b',') => cursor.at += 1,
            Some(b'}') => {
                cursor.at += 1;
                return cursor.end();
            }
            _ => return Err(cursor.wanted("`,` or `}`")),
        }
    }
}

struct Cursor<'l> {
    line: &'l str,
    at: usize,
}

impl<'l> Cursor<'l> {
    /// The next byte that is not a blank.
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.line.as_bytes();
        while matches!(bytes.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Result<(), String> {
        if self.peek() != Some(byte) {
            return Err(self.wanted(&format!("`{}`", byte as char)));
        }
        self.at += 1;
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        if self.peek().is_some() { Err(self.wanted("the end of the line")) } else { Ok(()) }
    }

    fn wanted(&self, what: &str) -> String {
        format!("no {what} at column {}", self.at + 1)
    }

    fn value(&mut self) -> Result<Cell<'l>, String> {
        match self.peek() {
            Some(b'"') => self.text().map(Cell::Text),
            Some(b'{' | b'[') => self.nested().map(Cell::Nested),
            Some(b'-' | b'0'..=b'9') => self.number().map(Cell::Number),
            Some(b't') => self.word("true", Cell::Bool(true)),
            Some(b'f') => self.word("false", Cell::Bool(false)),
            Some(b'n') => self.word("null", Cell::Null),
            // No JSON, but what Python writes for a number that is missing.
            Some(b'N') => self.word("NaN", Cell::Null),
            _ => Err(self.wanted("value")),
        }
    }

    fn word(&mut self, word: &str, cell: Cell<'l>) -> Result<Cell<'l>, String> {
        if !self.line[self.at..].starts_with(word) {
            return Err(self.wanted("value"));
        }
        self.at += word.len();
        Ok(cell)
    }

    fn number(&mut self) -> Result<&'l str, String> {
        let rest = &self.line[self.at..];
        let end = rest
            .bytes()
            .position(|byte| !matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9'))
            .unwrap_or(rest.len());
        let digits = &rest[..end];
        let whole = digits.strip_prefix('-').unwrap_or(digits);
        let leading_zero =
            whole.len() > 1 && whole.starts_with('0') && whole.as_bytes()[1].is_ascii_digit();
        if leading_zero || whole.ends_with('.') || digits.parse::<f64>().is_err() {
            return Err(self.wanted("number"));
        }
        self.at += end;
        Ok(digits)
    }

    fn text(&mut self) -> Result<Cow<'l, str>, String> {
        if self.peek() != Some(b'"') {
            return Err(self.wanted("`\"`"));
        }
        let (end, escaped) = self.text_end()?;
        let quoted = &self.line[self.at..end];
        let text = if escaped {
            let unescaped = serde_json::from_str::<String>(quoted);
            Cow::Owned(unescaped.map_err(|error| format!("a broken text: {error}"))?)
        } else {
            Cow::Borrowed(&quoted[1..quoted.len() - 1])
        };
        self.at = end;
        Ok(text)
    }

    /// The place behind the text that begins here, and whether it has escapes.
    fn text_end(&self) -> Result<(usize, bool), String> {
        let bytes = self.line.as_bytes();
        let mut at = self.at + 1;
        let mut escaped = false;
        loop {
            match bytes.get(at) {
                Some(b'"') => return Ok((at + 1, escaped)),
                Some(b'\\') => {
                    escaped = true;
                    at += 2;
                }
                Some(0..0x20) => return Err(format!("a control character at column {}", at + 1)),
                Some(_) => at += 1,
                None => return Err(format!("a text without an end at column {}", self.at + 1)),
            }
        }
    }

    /// The array or object that begins here. Its brackets are counted, then a real parser judges
    /// it.
    fn nested(&mut self) -> Result<&'l str, String> {
        let bytes = self.line.as_bytes();
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match bytes.get(self.at) {
                Some(b'"') => self.at = self.text_end()?.0,
                Some(b'{' | b'[') => {
                    depth += 1;
                    self.at += 1;
                }
                Some(b'}' | b']') => {
                    depth -= 1;
                    self.at += 1;
                    if depth == 0 {
                        break;
                    }
                }
                Some(_) => self.at += 1,
                None => return Err(format!("a bracket without an end at column {}", start + 1)),
            }
        }
        let nested = &self.line[start..self.at];
        serde_json::from_str::<IgnoredAny>(nested).map_err(|error| {
            format!("a broken value at column {}: {error}{}", start + 1, hint(nested))
        })?;
        Ok(nested)
    }
}

/// What is no JSON and written all the same.
fn hint(nested: &str) -> &'static str {
    let has = |word: &str| nested.contains(word);
    if has("NaN") || has("Infinity") { " (NaN and Infinity are no JSON)" } else { "" }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scanned(line: &str) -> Result<Vec<(String, Cell<'_>)>, String> {
        let mut fields = Vec::new();
        scan_object(line, |name, cell| fields.push((name.into_owned(), cell)))?;
        Ok(fields)
    }

    #[test]
    fn fields_stay_as_they_are_written() {
        let line = r#" {"a" : 1.50, "b":"x\"\u00e4", "c":{"d":["}",2]} ,"e":null,"f":true} "#;
        let expected = vec![
            ("a".to_owned(), Cell::Number("1.50")),
            ("b".to_owned(), Cell::Text("x\"ä".into())),
            ("c".to_owned(), Cell::Nested(r#"{"d":["}",2]}"#)),
            ("e".to_owned(), Cell::Null),
            ("f".to_owned(), Cell::Bool(true)),
        ];
        assert_eq!(scanned(line).unwrap(), expected);
        assert_eq!(scanned("{}").unwrap(), vec![]);
        assert_eq!(scanned(r#"{"a": NaN}"#).unwrap(), vec![("a".to_owned(), Cell::Null)]);
    }

    #[test]
    fn broken_lines_are_refused() {
        let lines = [
            "",
            "1",
            "[]",
            "{",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1"#,
            r#"{"a":1}}"#,
            r#"{"a":1,}"#,
            r#"{"a":01}"#,
            r#"{"a":1.}"#,
            r#"{"a":--1}"#,
            r#"{"a":nul}"#,
            r#"{"a":"x}"#,
            r#"{"a":"x\q"}"#,
            r#"{"a":[1}"#,
            r#"{"a":[1,]}"#,
            r#"{"a":Nan}"#,
            r#"{"a":Infinity}"#,
            r#"{"a":-Infinity}"#,
            r#"{"a":[NaN]}"#,
            "{\"a\":\"x\u{1}\"}",
            r#"{"a":"\"#,
        ];
        for line in lines {
            assert!(scanned(line).is_err(), "{line}");
        }
    }

    proptest! {
        /// Whatever serde_json writes is read with the same values.
        #[test]
        fn agrees_with_serde_json(
            texts in prop::collection::vec((any::<String>(), any::<f64>()), 0..5),
        ) {
            let mut object = serde_json::Map::new();
            for (text, number) in &texts {
                object.insert(format!("t{text}"), text.clone().into());
                object.insert(format!("n{text}"), serde_json::json!(number));
                object.insert(format!("o{text}"), serde_json::json!({"k": [text]}));
            }
            let line = serde_json::to_string(&object).unwrap();
            let fields = scanned(&line).unwrap();
            prop_assert_eq!(fields.len(), object.len());
            for ((name, cell), (key, value)) in fields.iter().zip(&object) {
                prop_assert_eq!(name, key);
                match cell {
                    Cell::Text(text) => prop_assert_eq!(value.as_str(), Some(text.as_ref())),
                    Cell::Number(digits) => {
                        let Some(number) = value.as_f64() else { panic!("{value} is no number") };
                        prop_assert_eq!(digits.parse::<f64>().unwrap(), number);
                    }
                    Cell::Nested(nested) => prop_assert_eq!(*nested, &value.to_string()),
                    Cell::Null => prop_assert!(value.is_null()),
                    Cell::Bool(_) => prop_assert!(false, "none was written"),
                }
            }
        }

        #[test]
        fn never_panics(line in any::<String>(), tail in r#"[{}\[\]",:\\0-9a-z.-]{0,30}"#) {
            let _ = scanned(&line);
            let _ = scanned(&format!("{{\"a\":{tail}"));
        }
    }
}
