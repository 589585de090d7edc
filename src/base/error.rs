//! Errors as text for people.
//!
//! An error's text does not repeat its source. So whoever shows an error on one line (a probe's
//! reason, a field of a log line) must append the causes.

/// An error and its causes on one line. Some libraries repeat the cause in the error's text; a
/// cause that already stands at the end is not repeated.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.ends_with(&said) {
            text.push_str(&format!(": {said}"));
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Link(&'static str, #[source] Option<Box<Link>>);

    #[test]
    fn causes_are_said_once() {
        let chain = |texts: [&'static str; 3]| {
            texts.into_iter().rev().fold(None, |cause, text| Some(Box::new(Link(text, cause))))
        };
        for (texts, said) in [
            (["cannot save", "disk full", "code 13"], "cannot save: disk full: code 13"),
            (["cannot save", "sqlx: disk full", "disk full"], "cannot save: sqlx: disk full"),
        ] {
            assert_eq!(with_causes(&chain(texts).unwrap()), said);
        }
    }
}
