//! Avro's primitive encodings, read from a slice without copying.
//!
//! Every length is checked against what is left before anything is done with it, so a record that
//! claims a string of four gigabytes costs one comparison. (Avro 1.12 specification, "Binary
//! Encoding".)

use super::Reason;

/// What is wrong with a datum; the reader adds the field and the position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The record ends inside the value, or the value claims more than is left.
    Truncated,
    /// A length below zero.
    NegativeLength,
    /// A number of more than 64 bits.
    LongVarint,
    /// A number beyond the 32 bits of its type.
    IntRange,
    /// A string whose bytes are no UTF-8.
    NotUtf8,
    /// A union branch that the schema does not have.
    UnknownBranch,
    /// An enum symbol that the schema does not have.
    UnknownSymbol,
    /// A text that names no status.
    NoStatus,
    /// A boolean that is neither 0 nor 1.
    NotBoolean,
    /// Values nested deeper than [`super::MAX_SKIP_DEPTH`].
    TooDeep,
    /// Bytes behind the end of the datum.
    Trailing,
    /// Null where a value is needed.
    Null,
    /// A union branch of a type that does not resolve to the reader's.
    BranchMismatch,
    /// Type `bytes` where a text is wanted, and the bytes are none.
    BytesNotText,
    /// A decimal without a byte.
    EmptyDecimal,
    /// A decimal that needs more than 128 bits.
    WideDecimal,
}

impl Fault {
    /// The reason that a record with this fault is counted under.
    pub(super) fn reason(self) -> Reason {
        match self {
            Self::Null => Reason::MissingField,
            Self::BranchMismatch
            | Self::BytesNotText
            | Self::EmptyDecimal
            | Self::WideDecimal
            | Self::NoStatus => Reason::InvalidField,
            _ => Reason::MalformedAvro,
        }
    }

    /// What happened, as the end of a message.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Truncated => "the record ends inside the value",
            Self::NegativeLength => "a length is negative",
            Self::LongVarint => "a number has more than 64 bits",
            Self::IntRange => "a number does not fit its 32-bit type",
            Self::NotUtf8 => "a string is not UTF-8",
            Self::UnknownBranch => "the union has no such branch",
            Self::UnknownSymbol => "the enum has no such symbol",
            Self::NoStatus => "the value is none of APPROVED, DECLINED, REFUNDED",
            Self::NotBoolean => "a boolean is neither 0 nor 1",
            Self::TooDeep => "values are nested too deeply",
            Self::Trailing => "bytes follow the end of the datum",
            Self::Null => "it is null and must not be",
            Self::BranchMismatch => "the union branch in this record has a type that is not read",
            Self::BytesNotText => "the bytes are not UTF-8 text",
            Self::EmptyDecimal => "the decimal has no bytes",
            Self::WideDecimal => "the decimal needs more than 128 bits",
        }
    }
}

/// The unread rest of a datum.
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// At the datum's first byte.
    pub(super) fn new(datum: &'a [u8]) -> Self {
        Self { rest: datum }
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next `count` bytes.
    #[inline]
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Fault::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Fault::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// A `long`: a zig-zag number in groups of seven bits, least significant first.
    #[inline]
    pub(super) fn long(&mut self) -> Result<i64, Fault> {
        match self.rest {
            [first @ 0..=0x7F, rest @ ..] => {
                self.rest = rest;
                Ok(unzigzag(u64::from(*first)))
            }
            _ => self.long_of_many_bytes(),
        }
    }

    fn long_of_many_bytes(&mut self) -> Result<i64, Fault> {
        let mut number = 0;
        for (index, &byte) in self.rest.iter().enumerate() {
            if index == 9 && byte > 1 {
                return Err(Fault::LongVarint);
            }
            number |= u64::from(byte & 0x7F) << (7 * index);
            if byte < 0x80 {
                self.rest = &self.rest[index + 1..];
                return Ok(unzigzag(number));
            }
        }
        Err(Fault::Truncated)
    }

    /// An `int`: written as a long, but within 32 bits.
    #[inline]
    pub(super) fn int(&mut self) -> Result<i32, Fault> {
        i32::try_from(self.long()?).map_err(|_| Fault::IntRange)
    }

    /// The number of a union branch or enum symbol.
    #[inline]
    pub(super) fn index(&mut self, otherwise: Fault) -> Result<usize, Fault> {
        usize::try_from(self.long()?).map_err(|_| otherwise)
    }

    /// `bytes` or the bytes of a `string`.
    #[inline]
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Fault> {
        let length = self.index(Fault::NegativeLength)?;
        self.take(length)
    }

    /// A `string`.
    #[inline]
    pub(super) fn text(&mut self) -> Result<&'a str, Fault> {
        str::from_utf8(self.bytes()?).map_err(|_| Fault::NotUtf8)
    }

    /// A `double`.
    #[inline]
    pub(super) fn double(&mut self) -> Result<f64, Fault> {
        self.array().map(f64::from_le_bytes)
    }

    /// A `float`.
    pub(super) fn float(&mut self) -> Result<f32, Fault> {
        self.array().map(f32::from_le_bytes)
    }

    /// A `boolean`.
    pub(super) fn boolean(&mut self) -> Result<bool, Fault> {
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(Fault::NotBoolean),
        }
    }
}

#[inline]
fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longs_are_zigzag_varints() {
        let cases: [(&[u8], Result<i64, Fault>); 9] = [
            (&[0], Ok(0)),
            (&[1], Ok(-1)),
            (&[0x7F], Ok(-64)),
            (&[0x80, 0x01], Ok(64)),
            (&[0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1], Ok(i64::MAX)),
            (&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1], Ok(i64::MIN)),
            (&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 2], Err(Fault::LongVarint)),
            (&[0xFF; 12], Err(Fault::LongVarint)),
            (&[0x80], Err(Fault::Truncated)),
        ];
        for (bytes, expected) in cases {
            assert_eq!(Cursor::new(bytes).long(), expected, "{bytes:02x?}");
        }
        assert_eq!(Cursor::new(&[]).long(), Err(Fault::Truncated));
    }

    #[test]
    fn lengths_are_checked_before_use() {
        let cases: [(&[u8], Fault); 4] = [
            (&[4, b'a'], Fault::Truncated),
            (&[0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1], Fault::Truncated),
            (&[1], Fault::NegativeLength),
            (&[2, 0xFF], Fault::NotUtf8),
        ];
        for (bytes, expected) in cases {
            assert_eq!(Cursor::new(bytes).text(), Err(expected), "{bytes:02x?}");
        }
    }

    #[test]
    fn narrow_types_have_their_bounds() {
        assert_eq!(Cursor::new(&[0xFE, 0xFF, 0xFF, 0xFF, 0x0F]).int(), Ok(i32::MAX));
        assert_eq!(Cursor::new(&[0x80, 0x80, 0x80, 0x80, 0x10]).int(), Err(Fault::IntRange));
        assert_eq!(Cursor::new(&[2]).boolean(), Err(Fault::NotBoolean));
    }
}
