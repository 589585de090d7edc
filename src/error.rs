//! Errors as people read them.
//!
//! An error's text does not repeat its source, so whoever shows one on a single line (a probe's
//! reason, a field of a log line) has to put the causes behind it.

/// An error with what it comes from, on one line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}
