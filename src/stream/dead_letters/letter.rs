//! One dead letter, taken apart.
//!
//! Workers write dead letters (`worker/step.rs`); the reasons are
//! [`Reason`](crate::core::codec::Reason).

use super::{
    ADDED, FAILED_AT, MESSAGE, Place, REASON, REPLAYED_FROM, SOURCE_OFFSET, SOURCE_PARTITION,
    SOURCE_TOPIC, VALUE_LEFT_OUT,
};
use crate::edges::kafka::{RawHeader, Record};

/// Where a record was before it was set aside; `None` where the headers do not say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// The topic.
    pub topic: Option<String>,
    /// The partition.
    pub partition: Option<i32>,
    /// The offset.
    pub offset: Option<i64>,
}

/// A dead letter without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Where it is.
    pub place: Place,
    /// When the letter was produced, in milliseconds since the epoch.
    pub timestamp_ms: Option<i64>,
    /// The record's key, unchanged.
    pub key: Option<Vec<u8>>,
    /// Bytes of the value; `None` for a tombstone.
    pub size: Option<usize>,
    /// All headers in order; the worker's are last.
    pub headers: Vec<RawHeader>,
}

impl Letter {
    /// Reads a record of the dead-letter topic.
    pub fn of(record: &Record<'_>) -> Self {
        Self {
            place: Place { partition: record.partition(), offset: record.offset() },
            timestamp_ms: record.timestamp_ms(),
            key: record.key().map(<[u8]>::to_vec),
            size: record.value().map(<[u8]>::len),
            headers: record.raw_headers(),
        }
    }

    /// Why it was set aside: the stable word of a reason.
    pub fn reason(&self) -> Option<&str> {
        self.text(REASON)
    }

    /// Why it was set aside, for people.
    pub fn message(&self) -> Option<&str> {
        self.text(MESSAGE)
    }

    /// When it was set aside, RFC 3339.
    pub fn failed_at(&self) -> Option<&str> {
        self.text(FAILED_AT)
    }

    /// Where the record was before.
    pub fn source(&self) -> Source {
        Source {
            topic: self.text(SOURCE_TOPIC).filter(|topic| !topic.is_empty()).map(str::to_owned),
            partition: self.text(SOURCE_PARTITION).and_then(|text| text.parse().ok()),
            offset: self.text(SOURCE_OFFSET).and_then(|text| text.parse().ok()),
        }
    }

    /// Whether it is the whole record. If not, its value was too large to be kept, and is only in
    /// the source topic.
    pub fn is_whole(&self) -> bool {
        let last = self.headers.last();
        self.size.is_some() || last.is_none_or(|(name, _)| name != VALUE_LEFT_OUT.as_bytes())
    }

    /// The headers of the replayed record: its own, unchanged, and the letter's place. Only the
    /// last header of each name in [`ADDED`] is the worker's; earlier ones are the producer's.
    pub fn replay_headers(&self) -> Vec<RawHeader> {
        let added: Vec<usize> = ADDED.iter().filter_map(|name| self.last(name)).collect();
        let is_own = |(index, header): &(usize, &RawHeader)| {
            !added.contains(index) && header.0 != REPLAYED_FROM.as_bytes()
        };
        let own = self.headers.iter().enumerate().filter(is_own).map(|(_, header)| header.clone());
        let mark = (REPLAYED_FROM.into(), Some(self.place.to_string().into_bytes()));
        own.chain([mark]).collect()
    }

    fn last(&self, name: &str) -> Option<usize> {
        self.headers.iter().rposition(|(found, _)| found == name.as_bytes())
    }

    fn text(&self, name: &str) -> Option<&str> {
        let (_, value) = &self.headers[self.last(name)?];
        str::from_utf8(value.as_deref()?).ok()
    }
}

/// Shows bytes to people: text as it is; other bytes, and text with control characters that could
/// move a cursor, in hexadecimal after `0x`.
pub fn printable(bytes: &[u8]) -> String {
    match str::from_utf8(bytes) {
        Ok(text) if !text.contains(char::is_control) => text.to_owned(),
        _ => bytes.iter().fold("0x".to_owned(), |text, byte| text + &format!("{byte:02x}")),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A letter with these headers.
    pub(in crate::stream::dead_letters) fn letter(headers: &[(&str, &str)]) -> Letter {
        let header = |(name, value): &(&str, &str)| {
            (name.as_bytes().to_vec(), Some(value.as_bytes().to_vec()))
        };
        Letter {
            place: Place { partition: 1, offset: 42 },
            timestamp_ms: Some(1_767_225_600_000),
            key: Some(b"c".to_vec()),
            size: Some(3),
            headers: headers.iter().map(header).collect(),
        }
    }

    const OURS: [(&str, &str); 6] = [
        ("error.reason", "empty"),
        ("error.message", "the record has no value"),
        ("source.topic", "transactions"),
        ("source.partition", "3"),
        ("source.offset", "99"),
        ("failed.at", "2026-01-01T00:00:00Z"),
    ];

    #[test]
    fn headers_say_why_and_where_from() {
        let letter = letter(&OURS);
        assert_eq!(letter.reason(), Some("empty"));
        assert_eq!(letter.message(), Some("the record has no value"));
        assert_eq!(letter.failed_at(), Some("2026-01-01T00:00:00Z"));
        let topic = Some("transactions".to_owned());
        let source = Source { topic, partition: Some(3), offset: Some(99) };
        assert_eq!(letter.source(), source);
    }

    #[test]
    fn a_letter_of_somebody_else_says_less() {
        let mut strange = letter(&[("source.topic", ""), ("source.partition", "x")]);
        strange.headers.push((b"error.reason".to_vec(), Some(b"\xFF".to_vec())));
        strange.headers.push((b"failed.at".to_vec(), None));
        assert_eq!(strange.source(), Source::default());
        assert_eq!((strange.reason(), strange.failed_at()), (None, None));
    }

    #[test]
    fn what_the_worker_added_is_taken_off_and_nothing_else() {
        let own = [("trace", "1"), ("source.topic", "upstream"), ("trace", "2")];
        let again = [("replayed.from", "0:7")];
        let headers: Vec<_> = own.into_iter().chain(again).chain(OURS).collect();
        let mut letter = letter(&headers);
        letter.headers.insert(1, (b"\xFF\xFE".to_vec(), None));
        let replayed = letter.replay_headers();
        let name = |index: usize| replayed[index].0.as_slice();
        let names: Vec<&[u8]> = (0..replayed.len()).map(name).collect();
        let expected: [&[u8]; 5] =
            [b"trace", b"\xFF\xFE", b"source.topic", b"trace", b"replayed.from"];
        assert_eq!(names, expected);
        assert_eq!(replayed[1].1, None);
        assert_eq!(replayed[2].1.as_deref(), Some(b"upstream".as_slice()));
        assert_eq!(replayed[4].1.as_deref(), Some(b"1:42".as_slice()));
    }

    #[test]
    fn a_letter_without_its_value_is_no_tombstone() {
        let tombstone = Letter { size: None, ..letter(&OURS) };
        assert!(tombstone.is_whole());
        let headers: Vec<_> = OURS.into_iter().chain([("error.value", "left out")]).collect();
        let cut = Letter { size: None, ..letter(&headers) };
        assert!(!cut.is_whole());
        assert!(letter(&headers).is_whole());
    }

    #[test]
    fn what_is_no_plain_text_is_hexadecimal() {
        let cases: [(&[u8], &str); 5] = [
            (b"c-1", "c-1"),
            ("Zo\u{eb}".as_bytes(), "Zo\u{eb}"),
            (b"", ""),
            (b"a\x1b[2J", "0x611b5b324a"),
            (b"\xFF\x00", "0xff00"),
        ];
        for (bytes, shown) in cases {
            assert_eq!(printable(bytes), shown);
        }
    }
}
