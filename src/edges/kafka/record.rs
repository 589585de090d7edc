//! A record as librdkafka has it.

use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};

use super::Headers;

/// A record, in librdkafka's memory as long as this value lives.
pub struct Record<'a>(pub(super) BorrowedMessage<'a>);

impl Record<'_> {
    /// The partition that it was read from.
    pub fn partition(&self) -> i32 {
        self.0.partition()
    }

    /// Its place in the partition.
    pub fn offset(&self) -> i64 {
        self.0.offset()
    }

    /// Its key.
    pub fn key(&self) -> Option<&[u8]> {
        self.0.key()
    }

    /// Its value; `None` for a tombstone.
    pub fn value(&self) -> Option<&[u8]> {
        self.0.payload()
    }

    /// When it was produced or appended, as the topic is configured; milliseconds since the epoch.
    pub fn timestamp_ms(&self) -> Option<i64> {
        self.0.timestamp().to_millis()
    }

    /// A copy of its headers.
    pub fn headers(&self) -> Headers {
        let headers = self.0.headers().map(|headers| Headers::from_native(headers.detach()));
        headers.unwrap_or_default()
    }

    /// The value of its last header of this name. For records of known producers: librdkafka's
    /// binding panics where a name is no UTF-8.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let headers = self.0.headers()?;
        headers.iter().filter(|header| header.key == name).last()?.value
    }
}
