//! Records that are larger than their topic takes.

use super::flights::Flight;
use super::step::Kind;
use crate::core::codec::Reason;
use crate::edges::kafka::{Error, Headers, Outgoing, Oversized};

/// How often a record that is too large is tried again, smaller where it may be.
const MAX_REFUSALS: u8 = 4;

/// What is sent in the place of a record that its topic does not take for its size. Brokers judge
/// batches, so an alert may pass in another one; it is never changed. A dead letter goes without
/// its value, and if its key and headers are too large as well, with its place alone: it still says
/// where the record is.
pub(super) fn smaller<'a>(
    oversized: &'a Oversized,
    flight: &Flight,
) -> Result<Outgoing<'a>, Error> {
    let Oversized { topic, key, value, headers, .. } = oversized;
    if flight.refusals > MAX_REFUSALS {
        return Err(Error::Oversized { topic: topic.clone() });
    }
    let unchanged = Outgoing {
        topic,
        key: key.as_deref(),
        value: value.as_deref(),
        headers: Some(headers.clone()),
    };
    if flight.kind != Kind::DeadLetter {
        return Ok(unchanged);
    }
    let Flight { partition, offset, .. } = *flight;
    tracing::error!(
        topic,
        partition,
        offset,
        "a dead letter is larger than its topic takes, a part is left out; raise max.message.bytes \
         of the topic"
    );
    let bytes = value.as_ref().map_or(0, Vec::len);
    let left_out = format!("left out, {bytes} bytes are more than the topic takes");
    if flight.refusals == 1 {
        let headers = headers.clone().with("error.value", &left_out);
        return Ok(Outgoing { value: None, headers: Some(headers), ..unchanged });
    }
    let headers = Headers::default()
        .with("error.reason", Reason::TooLarge.word())
        .with("error.message", "key and headers are more than the topic takes")
        .with("source.partition", &partition.to_string())
        .with("source.offset", &offset.to_string());
    Ok(Outgoing { topic, key: None, value: None, headers: Some(headers) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(kind: Kind, refusals: u8) -> (Oversized, Flight) {
        let headers = Headers::default().with("trace", "1");
        let (key, value) = (Some(b"k".to_vec()), Some(b"value".to_vec()));
        let oversized = Oversized { sequence: 0, topic: "t".to_owned(), key, value, headers };
        let flight = Flight { partition: 3, offset: 7, timestamp_ms: None, kind, refusals };
        (oversized, flight)
    }

    #[test]
    fn an_alert_is_tried_again_unchanged_and_never_dropped() {
        for refusals in 1..=MAX_REFUSALS {
            let (oversized, flight) = refused(Kind::Alert, refusals);
            let record = smaller(&oversized, &flight).unwrap();
            assert_eq!((record.key, record.value), (Some(&b"k"[..]), Some(&b"value"[..])));
        }
        let (oversized, flight) = refused(Kind::Alert, MAX_REFUSALS + 1);
        assert!(smaller(&oversized, &flight).is_err());
    }

    #[test]
    fn a_dead_letter_loses_its_value_and_then_all_but_its_place() {
        let (oversized, flight) = refused(Kind::DeadLetter, 1);
        let record = smaller(&oversized, &flight).unwrap();
        assert_eq!((record.key, record.value), (Some(&b"k"[..]), None));
        let (oversized, flight) = refused(Kind::DeadLetter, 2);
        let record = smaller(&oversized, &flight).unwrap();
        assert_eq!((record.key, record.value), (None, None));
        let (oversized, flight) = refused(Kind::DeadLetter, MAX_REFUSALS + 1);
        assert!(smaller(&oversized, &flight).is_err());
    }
}
