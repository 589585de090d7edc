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
    /// A buffer over a stream; a UTF-8 byte order mark at its beginning is dropped.
    pub(super) fn new(input: Box<dyn Read + Send>, name: String) -> Result<Self, Error> {
        let mut buffer = Self { input, name, data: Vec::new(), start: 0, ended: false };
        while buffer.rest().len() < 3 && buffer.more()? {}
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
