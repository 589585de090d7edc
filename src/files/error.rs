//! What can go wrong with files, and whose move it is.
//!
//! A command ends with 2 when it was asked for something that cannot be (an unknown extension, a
//! column that is not there) and with 1 when the world failed under it (a disk, a damaged file). A
//! row that cannot be scored is neither: it is a [`Rejection`](super::Rejection), kept and counted.

use arrow_schema::ArrowError;

use crate::base::error::with_causes;

/// What the caller should do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Ask differently: the command ends with exit code 2.
    Usage,
    /// It failed while running: exit code 1.
    Failed,
}

/// Why a file could not be read, scored or written as a whole.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was asked for cannot be; the text says what would work.
    #[error("{0}")]
    Usage(String),
    /// A file or stream could not be read.
    #[error("reading {name}")]
    Read {
        /// Path, or `stdin`.
        name: String,
        /// What the system or the decoder said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file or stream could not be written.
    #[error("writing {name}")]
    Write {
        /// Path, or `stdout`.
        name: String,
        /// What the system or the encoder said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A column could not be brought into the shape that was needed.
    #[error("converting columns")]
    Convert(#[from] ArrowError),
    /// A model gave no usable score.
    #[error("scoring")]
    Engine(#[from] crate::core::engine::EngineError),
    /// The caller asked to stop before the end; no output file was left behind.
    #[error("interrupted after {rows} rows, no output was written")]
    Interrupted {
        /// Rows read until then.
        rows: u64,
    },
    /// A part of the pipeline ended before its input did.
    #[error("a {0} thread ended early, see its panic message above")]
    Broken(&'static str),
}

impl Error {
    /// Whose move it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Usage(_) => ErrorKind::Usage,
            _ => ErrorKind::Failed,
        }
    }

    pub(super) fn read(
        name: &str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Read { name: name.to_owned(), source: source.into() }
    }

    /// As [`Error::read`] for a file that could not even be opened: somebody named another one
    /// than there is.
    pub(super) fn opening(name: &str, error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::Usage(format!("there is no file {name}")),
            _ => Self::Usage(format!("cannot read {name}: {error}")),
        }
    }

    /// An error of reading with the row that it came after.
    pub(super) fn behind(self, row: u64) -> Self {
        match self {
            Self::Read { name, source } if row > 0 => {
                Self::Read { name, source: format!("behind row {row}: {source}").into() }
            }
            other => other,
        }
    }

    /// Libraries wrap what the system says in several ways at once; here it is said once.
    pub(super) fn write(
        name: &str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        let said = with_causes(source.into().as_ref());
        let mut parts: Vec<&str> = said.split(": ").collect();
        parts.dedup();
        Self::Write { name: name.to_owned(), source: parts.join(": ").into() }
    }
}
