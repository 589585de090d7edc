//! Bytes of a text file, buffered so that a whole record lies in one piece.
//!
//! Readers that hand out one line at a time cannot go back, yet a quote that is never closed is
//! only noticed lines later, and then reading must resume right after the line that opened it. So
//! readers look at [`Buffer::rest`], decide how much of it is a record, and only then consume it.

use std::io::{ErrorKind, Read};

use crate::base::limits::MAX_RECORD_BYTES;
use crate::files::Error;

/// How much is read at a time, in bytes.
const CHUNK: usize = 1 << 20;

/// Bytes that are searched at once: the library looks for one byte in a slice word by word, for a
/// position byte by byte.
const SEARCHED: usize = 64;

/// A growing view of a stream.
pub(super) struct Buffer {
    input: Box<dyn Read + Send>,
    name: String,
    data: Vec<u8>,
    start: usize,
    ended: bool,
}

impl Buffer {
    /// A buffer over a stream; a UTF-8 byte order mark at its beginning is dropped. A usage error
    /// when the bytes are of another kind than lines of UTF-8.
    pub(super) fn new(input: Box<dyn Read + Send>, name: String) -> Result<Self, Error> {
        let mut buffer = Self { input, name, data: Vec::new(), start: 0, ended: false };
        while buffer.rest().len() < LOOKED_AT && buffer.more()? {}
        if let Some(what) = seems(&buffer.rest()[..buffer.rest().len().min(LOOKED_AT)]) {
            return Err(Error::Usage(format!("{} seems to be {what}", buffer.name)));
        }
        if buffer.rest().starts_with(b"\xef\xbb\xbf") {
            buffer.consume(3);
        }
        Ok(buffer)
    }

    /// For messages: the path, or `stdin`.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What has been read and not consumed.
    pub(super) fn rest(&self) -> &[u8] {
        &self.data[self.start..]
    }

    /// Whether [`Buffer::rest`] is all that is left.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// Drops the first bytes of the rest.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.start = (self.start + bytes).min(self.data.len());
    }

    /// Reads until the rest holds a whole line, or more than a row may have, or all there is.
    pub(super) fn fill_line(&mut self) -> Result<(), Error> {
        while line_length(self.rest()).is_none() && self.rest().len() <= MAX_RECORD_BYTES {
            if !self.more()? {
                break;
            }
        }
        Ok(())
    }

    /// Drops the first line of the rest, however long it is.
    pub(super) fn skip_line(&mut self) -> Result<(), Error> {
        loop {
            let line = line_length(self.rest());
            self.consume(line.unwrap_or(self.rest().len()));
            if line.is_some() || !self.more()? {
                return Ok(());
            }
        }
    }

    /// Reads on; `false` at the end of the stream.
    pub(super) fn more(&mut self) -> Result<bool, Error> {
        if self.ended {
            return Ok(false);
        }
        self.data.drain(..self.start);
        self.start = 0;
        let held = self.data.len();
        self.data.resize(held + CHUNK, 0);
        let read = loop {
            match self.input.read(&mut self.data[held..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.data.truncate(held + read.as_ref().copied().unwrap_or(0));
        let read = read.map_err(|error| Error::read(&self.name, error))?;
        self.ended = read == 0;
        Ok(read > 0)
    }
}

/// Bytes at a file's beginning that tell what it is.
const LOOKED_AT: usize = 4_096;

/// What else than lines of UTF-8 a file seems to be by its beginning, and what to do about it.
fn seems(beginning: &[u8]) -> Option<&'static str> {
    const KINDS: [(&[u8], &str); 6] = [
        (b"\x1f\x8b", "gzip; unpack it first (gunzip -c FILE | synfinance ... -)"),
        (b"\x28\xb5\x2f\xfd", "zstd; unpack it first (zstd -dc FILE | synfinance ... -)"),
        (b"PK\x03\x04", "a zip or Excel file; unpack it, or save the sheet as CSV"),
        (b"PAR1", "Parquet; name it with --format parquet"),
        (b"Obj\x01", "an Avro container file; name it with --format avro"),
        (b"SQLite format 3", "a SQLite database; export the table as CSV"),
    ];
    let known = KINDS.iter().find(|(magic, _)| beginning.starts_with(magic));
    known.map(|(_, what)| *what).or_else(|| wide(beginning)).or_else(|| ended_by_cr(beginning))
}

/// Text of two or four bytes a character, with or without its mark.
fn wide(beginning: &[u8]) -> Option<&'static str> {
    const LITTLE: &str = "UTF-16 (little-endian); iconv -f UTF-16LE -t UTF-8 makes it readable";
    const BIG: &str = "UTF-16 (big-endian); iconv -f UTF-16BE -t UTF-8 makes it readable";
    const FOUR: &str = "UTF-32; iconv -f UTF-32 -t UTF-8 makes it readable";
    match beginning {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => return Some(FOUR),
        [0xff, 0xfe, ..] => return Some(LITTLE),
        [0xfe, 0xff, ..] => return Some(BIG),
        _ => {}
    }
    let zeros = |from: usize| beginning.iter().skip(from).step_by(2).filter(|b| **b == 0).count();
    let (even, odd, half) = (zeros(0), zeros(1), beginning.len() / 2);
    match (even * 4 > half, odd * 4 > half) {
        (true, true) => Some(FOUR),
        (true, false) if even > odd * 8 => Some(BIG),
        (false, true) if odd > even * 8 => Some(LITTLE),
        _ => None,
    }
}

/// Lines that end with a carriage return alone.
fn ended_by_cr(beginning: &[u8]) -> Option<&'static str> {
    let has_lines = beginning.contains(&b'\n');
    let ends = beginning.iter().filter(|byte| **byte == b'\r').count();
    let is_last = beginning.last() == Some(&b'\r');
    (!has_lines && ends > usize::from(is_last)).then_some(
        "text with lines that end with CR alone, as old Macs wrote; tr '\\r' '\\n' makes it readable",
    )
}

/// The length of the first line of `data` with its end, or `None` when it has no end.
pub(super) fn line_length(data: &[u8]) -> Option<usize> {
    let mut before = 0;
    for chunk in data.chunks(SEARCHED) {
        if chunk.contains(&b'\n') {
            let end = chunk.iter().position(|byte| *byte == b'\n');
            return end.map(|end| before + end + 1);
        }
        before += chunk.len();
    }
    None
}

/// The beginning of a broken row for a message.
pub(super) fn excerpt(row: &[u8]) -> String {
    const LONGEST: usize = 120;
    let line = &row[..line_length(row).unwrap_or(row.len())];
    let text = String::from_utf8_lossy(&line[..line.len().min(LONGEST)]);
    let more = if line.len() > LONGEST { "…" } else { "" };
    format!("{}{more}", text.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_seems_to_be_is_said() {
        let utf16 = |bytes: fn(u16) -> [u8; 2], text: &str| -> Vec<u8> {
            text.encode_utf16().flat_map(bytes).collect()
        };
        let text = "id,amount\n1,2.5\n";
        let cases: [(Vec<u8>, Option<&str>); 12] = [
            (text.into(), None),
            (b"".to_vec(), None),
            (b"\r".to_vec(), None),
            (b"id,amount\r\n1,2\r\n".to_vec(), None),
            (b"id,amount\r1,2\r".to_vec(), Some("CR alone")),
            ("\u{feff}id\n".into(), None),
            (utf16(u16::to_le_bytes, text), Some("UTF-16 (little-endian)")),
            (utf16(u16::to_be_bytes, text), Some("UTF-16 (big-endian)")),
            (utf16(u16::to_le_bytes, "\u{feff}id"), Some("UTF-16 (little-endian)")),
            (text.bytes().flat_map(|byte| [byte, 0, 0, 0]).collect(), Some("UTF-32")),
            (b"PAR1\x15".to_vec(), Some("--format parquet")),
            (b"\x1f\x8b\x08".to_vec(), Some("gzip")),
        ];
        for (bytes, expected) in cases {
            let found = seems(&bytes);
            assert_eq!(found.is_some(), expected.is_some(), "{bytes:?}: {found:?}");
            assert!(found.unwrap_or("").contains(expected.unwrap_or("")), "{bytes:?}: {found:?}");
        }
    }
}
