//! Others' words in our messages: on one line, and not too many.

/// Most characters of another's message that are repeated; registries may add whole schemas.
const MAX_CHARACTERS: usize = 300;

/// The text with every control character and run of blanks as one blank.
pub(super) fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The text's beginning on one line; what is left out is marked.
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
