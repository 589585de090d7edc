//! The four file formats, and where bytes come from and go to.
//!
//! A path tells its format by its extension, unless the format is named, which is what somebody
//! does whose files are called otherwise; `-` (stdin, stdout) has no extension, so there it must be
//! named. Both are settled before the first byte is read: a wrong extension is a wrong question
//! (exit code 2), not a failure half-way.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::Error;

/// A file format that rows can be read from and written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Comma-separated values with a header line (RFC 4180).
    Csv,
    /// One JSON object a line.
    JsonLines,
    /// Apache Parquet.
    Parquet,
    /// Avro object container file.
    Avro,
}

/// What `--format` takes and which extensions stand for what.
const ALLOWED: &str = "csv (.csv), jsonl (.jsonl, .ndjson, .json), parquet (.parquet, .pq), \
                       avro (.avro)";

impl Format {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Csv, Self::JsonLines, Self::Parquet, Self::Avro];

    /// The name that `--format` takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::JsonLines => "jsonl",
            Self::Parquet => "parquet",
            Self::Avro => "avro",
        }
    }

    /// The format that a path's extension names, in any case; a usage error when it names none.
    pub fn of_path(path: &Path) -> Result<Self, Error> {
        of_extension(path, "--format")
    }

    fn from_word(word: &str) -> Option<Self> {
        match word.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" | "json" => Some(Self::JsonLines),
            "parquet" | "pq" => Some(Self::Parquet),
            "avro" => Some(Self::Avro),
            _ => None,
        }
    }
}

impl FromStr for Format {
    type Err = Error;

    /// The format of a `--format` word; a usage error for an unknown one.
    fn from_str(word: &str) -> Result<Self, Error> {
        Self::from_word(word)
            .ok_or_else(|| Error::Usage(format!("unknown format {word}, use one of {ALLOWED}")))
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where rows come from.
pub struct Source {
    pub(super) format: Format,
    pub(super) bytes: Bytes,
}

pub(super) enum Bytes {
    File(PathBuf),
    Stream(Box<dyn Read + Send>),
}

impl Source {
    /// The file at `path`, or stdin for `-`. `format` overrides the extension and is required for
    /// `-`. A directory is a table of Parquet files.
    pub fn from_argument(argument: &Path, format: Option<Format>) -> Result<Self, Error> {
        if argument == Path::new("-") {
            let format = format.ok_or_else(|| nameless("stdin", "--format"))?;
            return Ok(Self::stream(Box::new(std::io::stdin()), format));
        }
        let format = match format {
            Some(format) => format,
            None if argument.is_dir() && Format::of_path(argument).is_err() => Format::Parquet,
            None => of_extension(argument, "--format")?,
        };
        Ok(Self { format, bytes: Bytes::File(argument.to_owned()) })
    }

    /// Any stream of bytes. Parquet, which is read from its end, is spooled to a temporary file.
    pub fn stream(bytes: Box<dyn Read + Send>, format: Format) -> Self {
        Self { format, bytes: Bytes::Stream(bytes) }
    }

    /// The format that will be read.
    pub fn format(&self) -> Format {
        self.format
    }

    /// A usage error when `target` would take the place of the file that is read.
    pub fn spare(&self, target: &Target, role: &str) -> Result<(), Error> {
        let (Bytes::File(input), Some(output)) = (&self.bytes, &target.path) else { return Ok(()) };
        let same = match (input.canonicalize(), output.canonicalize()) {
            (Ok(input), Ok(output)) => input == output && input.is_file(),
            _ => false,
        };
        if !same {
            return Ok(());
        }
        let name = target.name();
        Err(Error::Usage(format!("{name} is the input; {role} must go to another file")))
    }

    /// For messages: the path, or `stdin`.
    pub fn name(&self) -> String {
        match &self.bytes {
            Bytes::File(path) => path.display().to_string(),
            Bytes::Stream(_) => "stdin".to_owned(),
        }
    }
}

/// Where rows go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub(super) format: Format,
    pub(super) path: Option<PathBuf>,
}

impl Target {
    /// The file at `path`, or stdout for `-`. `format` overrides the extension and is required for
    /// `-`. A file appears under its name only when it is complete.
    pub fn from_argument(argument: &Path, format: Option<Format>) -> Result<Self, Error> {
        Self::from_option(argument, format, "--format")
    }

    /// As [`Target::from_argument`] where the format is named with another option than `--format`.
    pub fn from_option(
        argument: &Path,
        format: Option<Format>,
        option: &str,
    ) -> Result<Self, Error> {
        if argument == Path::new("-") {
            let format = format.ok_or_else(|| nameless("stdout", option))?;
            return Ok(Self { format, path: None });
        }
        let format = format.map_or_else(|| of_extension(argument, option), Ok)?;
        Ok(Self { format, path: Some(argument.to_owned()) })
    }

    /// The format that will be written.
    pub fn format(&self) -> Format {
        self.format
    }

    /// For messages: the path, or `stdout`.
    pub fn name(&self) -> String {
        self.path.as_ref().map_or_else(|| "stdout".to_owned(), |path| path.display().to_string())
    }
}

/// The format of a path's extension; `option` is what names it where the extension does not.
fn of_extension(path: &Path, option: &str) -> Result<Format, Error> {
    let extension = path.extension().and_then(|text| text.to_str()).unwrap_or("");
    Format::from_word(extension).ok_or_else(|| {
        Error::Usage(format!(
            "cannot tell the format of {} by its extension; use one of {ALLOWED} or name it with \
             {option}",
            path.display()
        ))
    })
}

fn nameless(stream: &str, option: &str) -> Error {
    Error::Usage(format!("{stream} has no extension; name its format with {option}: {ALLOWED}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_name_formats_in_any_case() {
        let cases = [
            ("a.csv", Format::Csv),
            ("a.b.CSV", Format::Csv),
            ("a.jsonl", Format::JsonLines),
            ("a.ndjson", Format::JsonLines),
            ("a.json", Format::JsonLines),
            ("dir.csv/a.parquet", Format::Parquet),
            ("a.avro", Format::Avro),
        ];
        for (path, expected) in cases {
            assert_eq!(Format::of_path(Path::new(path)).unwrap(), expected, "{path}");
        }
    }

    #[test]
    fn what_is_unknown_is_a_usage_error_that_says_what_works() {
        for path in ["a.xlsx", "a", "csv", "-"] {
            let error = Source::from_argument(Path::new(path), None).err().unwrap();
            assert_eq!(error.kind(), super::super::ErrorKind::Usage, "{path}");
            let text = error.to_string();
            assert!(text.contains("with --format") && text.contains("parquet"), "{text}");
            let text = Target::from_option(Path::new(path), None, "--output-format");
            let text = text.unwrap_err().to_string();
            assert!(text.contains("with --output-format"), "{text}");
        }
        assert!("xlsx".parse::<Format>().unwrap_err().to_string().contains("xlsx"));
    }

    #[test]
    fn a_named_format_beats_the_extension() {
        let target = Target::from_argument(Path::new("scored.out"), Some(Format::Avro)).unwrap();
        assert_eq!(target.format(), Format::Avro);
        let source =
            Source::from_argument(Path::new("wrong.csv"), Some(Format::JsonLines)).unwrap();
        assert_eq!(source.format(), Format::JsonLines);
        let target = Target::from_argument(Path::new("wrong.csv"), Some(Format::Avro)).unwrap();
        assert_eq!(target.format(), Format::Avro);
        let target = Target::from_argument(Path::new("-"), Some(Format::Csv)).unwrap();
        assert_eq!((target.format(), target.name().as_str()), (Format::Csv, "stdout"));
    }
}
