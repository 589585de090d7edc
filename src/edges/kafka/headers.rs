//! Headers of a record that is to be produced.
//!
//! Those of a record that was read are copied as they are and never parsed: a name that is no text
//! must not stop what only passes it on.

use rdkafka::message::{Header, OwnedHeaders};

/// Names and values, in order; names may repeat.
#[derive(Debug, Clone, Default)]
pub struct Headers(OwnedHeaders);

impl Headers {
    pub(super) fn from_native(headers: OwnedHeaders) -> Self {
        Self(headers)
    }

    pub(super) fn into_native(self) -> OwnedHeaders {
        self.0
    }

    /// The same and one more at the end.
    #[must_use]
    pub fn with(self, name: &str, value: &str) -> Self {
        Self(self.0.insert(Header { key: name, value: Some(value) }))
    }
}
