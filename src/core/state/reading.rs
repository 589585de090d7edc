//! Reads and writes the numbers of a snapshot. Every read checks that enough bytes are left.

use super::snapshot::{SnapshotError, damaged};

/// The bytes not read yet.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], SnapshotError> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(damaged("it ends too early"))?;
        self.rest = rest;
        Ok(*array)
    }

    /// The next byte.
    pub fn byte(&mut self) -> Result<u8, SnapshotError> {
        self.array().map(|[byte]| byte)
    }

    /// A finite IEEE 754 double.
    pub fn double(&mut self) -> Result<f64, SnapshotError> {
        let value = f64::from_le_bytes(self.array()?);
        if value.is_finite() { Ok(value) } else { Err(damaged("a number is not finite")) }
    }

    /// An unsigned LEB128 number.
    pub fn unsigned(&mut self) -> Result<u64, SnapshotError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(damaged("a number is too long"))
    }

    /// A zigzag LEB128 number.
    pub fn signed(&mut self) -> Result<i64, SnapshotError> {
        let value = self.unsigned()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// A count; an error if it exceeds `most`.
    pub fn count(&mut self, most: usize) -> Result<usize, SnapshotError> {
        let count = self.unsigned()?;
        if count > most as u64 {
            return Err(damaged("a count is larger than it can be"));
        }
        Ok(count as usize)
    }

    /// Succeeds if every byte has been read.
    pub fn finish(&self) -> Result<(), SnapshotError> {
        if self.rest.is_empty() { Ok(()) } else { Err(damaged("something follows its end")) }
    }
}

/// Appends an unsigned LEB128 number.
pub fn put_unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a zigzag LEB128 number.
pub fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_unsigned(out, (value as u64) << 1 ^ (value >> 63) as u64);
}
