//! The header in front of a datum, which names the schema that wrote it.
//!
//! Two framings are in use. Confluent's serializers write a zero byte and the schema registry's id
//! in four bytes, big-endian. Avro's own single-object encoding writes `C3 01` and the CRC-64-AVRO
//! fingerprint of the schema's canonical form in eight bytes, little-endian (Avro 1.12
//! specification, "Single-object encoding"). Their first bytes differ, so a topic may hold both.

use super::{Reason, Rejected};
use crate::base::limits::MAX_RECORD_BYTES;

const CONFLUENT_MAGIC: u8 = 0;
const SINGLE_OBJECT_MAGIC: [u8; 2] = [0xC3, 0x01];

/// How a record names the schema it was written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SchemaName {
    /// The registry's id.
    Id(u32),
    /// The CRC-64-AVRO fingerprint.
    Fingerprint(u64),
}

/// Splits a value into the schema's name and the datum after the header.
pub(super) fn split(value: &[u8]) -> Result<(SchemaName, &[u8]), Rejected> {
    if value.len() > MAX_RECORD_BYTES {
        return Err(too_large(value.len()));
    }
    match value {
        [CONFLUENT_MAGIC, a, b, c, d, datum @ ..] => {
            Ok((SchemaName::Id(u32::from_be_bytes([*a, *b, *c, *d])), datum))
        }
        [0xC3, 0x01, a, b, c, d, e, f, g, h, datum @ ..] => {
            let bytes = [*a, *b, *c, *d, *e, *f, *g, *h];
            Ok((SchemaName::Fingerprint(u64::from_le_bytes(bytes)), datum))
        }
        [] => Err(Rejected::new(Reason::Empty, "the record has no value")),
        _ => Err(unknown(value)),
    }
}

#[cold]
fn too_large(bytes: usize) -> Rejected {
    let message = format!("the value has {bytes} bytes, at most {MAX_RECORD_BYTES} are decoded");
    Rejected::new(Reason::TooLarge, message)
}

#[cold]
fn unknown(value: &[u8]) -> Rejected {
    let message = match value {
        [CONFLUENT_MAGIC, ..] => {
            format!("the value ends after {} bytes, inside the Confluent header of 5", value.len())
        }
        [0xC3, 0x01, ..] => {
            format!("the value ends after {} bytes, inside the Avro header of 10", value.len())
        }
        _ => {
            let start = &value[..value.len().min(2)];
            format!("the value starts with {start:02x?}, not with [00] and a schema id or [c3, 01]")
        }
    };
    Rejected::new(Reason::UnknownFraming, message)
}

/// The header to write in front of a datum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Confluent's header with the schema's id in the registry.
    Confluent(u32),
    /// The header of Avro's single-object encoding with the schema's [`super::fingerprint()`].
    SingleObject(u64),
}

impl Framing {
    /// Appends the header.
    #[inline]
    pub fn write(self, out: &mut Vec<u8>) {
        match self {
            Self::Confluent(id) => frame_confluent(id, out),
            Self::SingleObject(fingerprint) => frame_single_object(fingerprint, out),
        }
    }
}

/// Appends Confluent's header; a datum of schema `id` must follow.
pub fn frame_confluent(id: u32, out: &mut Vec<u8>) {
    out.push(CONFLUENT_MAGIC);
    out.extend_from_slice(&id.to_be_bytes());
}

/// Appends the header of Avro's single-object encoding; a datum of the schema with this
/// [`super::fingerprint()`] must follow.
pub fn frame_single_object(fingerprint: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(&SINGLE_OBJECT_MAGIC);
    out.extend_from_slice(&fingerprint.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_name_the_schema() {
        let mut value = Vec::new();
        frame_confluent(0x0102_0304, &mut value);
        value.push(9);
        assert_eq!(value, [0, 1, 2, 3, 4, 9]);
        assert_eq!(split(&value), Ok((SchemaName::Id(0x0102_0304), &[9][..])));

        value.clear();
        frame_single_object(0x0102_0304_0506_0708, &mut value);
        assert_eq!(value, [0xC3, 1, 8, 7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(split(&value), Ok((SchemaName::Fingerprint(0x0102_0304_0506_0708), &[][..])));
    }

    #[test]
    fn what_is_no_header_says_why() {
        let large = vec![0; MAX_RECORD_BYTES + 1];
        let cases: [(&[u8], Reason, &str); 7] = [
            (&[], Reason::Empty, "no value"),
            (&large, Reason::TooLarge, "1048577 bytes"),
            (&[0, 0, 0, 1], Reason::UnknownFraming, "after 4 bytes"),
            (&[0xC3, 1, 0, 0, 0, 0, 0, 0, 0], Reason::UnknownFraming, "after 9 bytes"),
            (&[0xC3], Reason::UnknownFraming, "[c3]"),
            (&[0xC3, 2, 0, 0, 0, 0, 0, 0, 0, 0], Reason::UnknownFraming, "[c3, 02]"),
            (b"{\"a\":1}", Reason::UnknownFraming, "[7b, 22]"),
        ];
        for (value, reason, words) in cases {
            let rejected = split(value).unwrap_err();
            assert_eq!(rejected.reason, reason);
            assert!(rejected.message.contains(words), "{}", rejected.message);
        }
        assert!(split(&large[1..]).is_ok());
    }
}
