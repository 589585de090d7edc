//! Other programs' texts in our messages: on one line, and short.

/// How many characters of another program's message are repeated; registries may add whole schemas.
const MAX_CHARACTERS: usize = 300;

/// The text on one line: control characters and runs of blanks become one blank.
pub(super) fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The beginning of the text on one line; ` ...` marks a cut.
pub(super) fn cut(text: &str) -> String {
    let line = one_line(text);
    match line.char_indices().nth(MAX_CHARACTERS) {
        Some((end, _)) => format!("{} ...", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_on_one_line_and_short() {
        let long = "é".repeat(MAX_CHARACTERS);
        let cases = [
            ("", String::new()),
            (" a\r\n\tb\u{1b}[31m c ", "a b [31m c".to_owned()),
            (&long, long.clone()),
            (&format!("{long}x"), format!("{long} ...")),
        ];
        for (text, expected) in cases {
            assert_eq!(cut(text), expected);
        }
    }
}
