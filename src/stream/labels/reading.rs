//! Decodes a record's value to a verdict, once its schema is known.

use std::time::Duration;

use super::{Lookup, OwnedLabel};
use crate::base::clock::Stopwatch;
use crate::core::codec::{DecodedLabel, Decoder, Rejected, SchemaAnswer};

/// How long an unknown id is not asked for again: somebody may register it.
const UNKNOWN_FOR: Duration = Duration::from_secs(60);

/// The outcome of decoding a value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// A verdict.
    Label(OwnedLabel),
    /// No verdict, for good.
    Rejected(Rejected),
    /// The schema with this id is being asked for: try again.
    Pending(u32),
}

/// Reads verdicts of all schemas that `lookup` knows. It keeps the schemas as long as it lives.
pub(super) struct Translator {
    decoder: Decoder,
    lookup: Lookup,
    since_forgetting: Stopwatch,
}

impl Translator {
    pub(super) fn new(lookup: Lookup) -> Self {
        Self { decoder: Decoder::new(), lookup, since_forgetting: Stopwatch::start() }
    }

    /// Decodes a value; `now` is in milliseconds since the epoch.
    pub(super) fn read(&mut self, value: &[u8], now: i64) -> Reading {
        if self.since_forgetting.elapsed() >= UNKNOWN_FOR {
            self.since_forgetting = Stopwatch::start();
            self.decoder.forget_unknown();
        }
        loop {
            match self.decoder.decode_label(value, now) {
                DecodedLabel::Label(label) => return Reading::Label(OwnedLabel::from(&label)),
                DecodedLabel::Rejected(rejected) => return Reading::Rejected(rejected),
                DecodedLabel::NeedsSchema(id) => match (self.lookup)(id) {
                    SchemaAnswer::Known(json) => self.insert(id, &json),
                    SchemaAnswer::Unknown => self.decoder.mark_unknown(id),
                    SchemaAnswer::Pending => return Reading::Pending(id),
                },
            }
        }
    }

    fn insert(&mut self, id: u32, json: &str) {
        if let Err(error) = self.decoder.insert_schema(id, json) {
            tracing::warn!(id, %error, "verdicts with this schema id cannot be read");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::Arc;

    use super::*;
    use crate::core::codec::{LABEL_SCHEMA, Reason, encode_label, frame_confluent};
    use crate::core::transaction::{EventTime, Label};

    const NOW: i64 = 1_767_225_600_000;

    fn value(schema: u32) -> (OwnedLabel, Vec<u8>) {
        let label = Label {
            transaction_id: "t",
            customer_id: "c",
            merchant_id: "m",
            event_time: EventTime::from_trusted_millis(NOW),
            is_fraud: true,
            labeled_at: EventTime::from_trusted_millis(NOW),
            fraud_type: None,
        };
        let mut value = Vec::new();
        frame_confluent(schema, &mut value);
        encode_label(&label, &mut value);
        (OwnedLabel::from(&label), value)
    }

    #[test]
    fn a_schema_is_asked_for_until_somebody_knows() {
        let asked = Cell::new(0);
        let lookup = move |id| {
            asked.set(asked.get() + 1);
            match (id, asked.get()) {
                (7, 1 | 2) => SchemaAnswer::Pending,
                (7, 3) => SchemaAnswer::Known(Arc::from(LABEL_SCHEMA)),
                (8, 4) => SchemaAnswer::Unknown,
                _ => panic!("{id} is asked for again"),
            }
        };
        let mut translator = Translator::new(Box::new(lookup));
        let (label, of_seven) = value(7);
        assert_eq!(translator.read(&of_seven, NOW), Reading::Pending(7));
        assert_eq!(translator.read(&of_seven, NOW), Reading::Pending(7));
        assert_eq!(translator.read(&of_seven, NOW), Reading::Label(label.clone()));
        assert_eq!(translator.read(&of_seven, NOW), Reading::Label(label));
        for _ in 0..2 {
            match translator.read(&value(8).1, NOW) {
                Reading::Rejected(rejected) => assert_eq!(rejected.reason, Reason::UnknownSchema),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn what_is_no_verdict_has_a_reason() {
        let mut translator =
            Translator::new(Box::new(|_| SchemaAnswer::Known(Arc::from(LABEL_SCHEMA))));
        let truncated = &value(1).1[..9];
        let cases: [(&[u8], Reason); 3] = [
            (b"", Reason::Empty),
            (b"{}", Reason::UnknownFraming),
            (truncated, Reason::MalformedAvro),
        ];
        for (value, reason) in cases {
            match translator.read(value, NOW) {
                Reading::Rejected(rejected) => assert_eq!(rejected.reason, reason),
                other => panic!("{other:?}"),
            }
        }
    }
}
