//! Errors as people read them.
//!
//! An error's text does not repeat its source, so whoever shows one on a single line (a probe's
//! reason, a field of a log line) has to put the causes behind it.

/// An error with what it comes from, on one line. Libraries' errors do repeat theirs: what stands
/// at the end already is not said again.
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
