//! A log file that is rotated, and whose old files are deleted.
//!
//! The appender could delete old files itself, but it deletes whatever begins with the log file's
//! name: with `telemetry.file: synfinance` that includes `synfinance.db`. So it only rotates, and
//! old files are found here: the name, a dot, a date of the rotation's form, and nothing else.

use std::error::Error;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tracing_appender::rolling::{InitError, RollingFileAppender, Rotation as Appenders};

use crate::base::clock::now_millis;
use crate::base::config::Rotation;

/// A file that rotates.
pub(super) struct LogFile {
    appender: RollingFileAppender,
    directory: PathBuf,
    name: String,
    rotation: Rotation,
    keep: usize,
    period: i64,
}

impl LogFile {
    /// Opens the file, creates its directory if missing, and deletes all but the newest `keep`
    /// files.
    pub(super) fn open(path: &Path, rotation: Rotation, keep: usize) -> io::Result<Self> {
        let no_name =
            || io::Error::new(io::ErrorKind::InvalidInput, "it has no file name in UTF-8");
        let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(no_name)?.to_owned();
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let appender = RollingFileAppender::builder()
            .rotation(appenders(rotation))
            .filename_prefix(name.clone())
            .build(&directory)
            .map_err(of_system)?;
        let period = period(rotation, now_millis());
        let file = Self { appender, directory, name, rotation, keep, period };
        file.prune();
        Ok(file)
    }

    /// Deletes all but the newest files. Failing to delete one must not stop logging.
    fn prune(&self) {
        let Ok(entries) = std::fs::read_dir(&self.directory) else { return };
        let names = entries.flatten().map(|entry| entry.file_name());
        for name in outdated(names, &self.name, self.rotation, self.keep) {
            if let Err(error) = std::fs::remove_file(self.directory.join(&name)) {
                tracing::warn!(file = name, %error, "an old log file cannot be deleted");
            }
        }
    }
}

impl Write for LogFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let written = self.appender.write(line)?;
        let period = period(self.rotation, now_millis());
        if period != self.period {
            self.period = period;
            self.prune();
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.appender.flush()
    }
}

/// The system's error, without the appender's repetition of it.
fn of_system(error: InitError) -> io::Error {
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    let code = source.and_then(io::Error::raw_os_error);
    code.map_or_else(|| io::Error::other(error), io::Error::from_raw_os_error)
}

fn appenders(rotation: Rotation) -> Appenders {
    match rotation {
        Rotation::Hourly => Appenders::HOURLY,
        Rotation::Daily => Appenders::DAILY,
        Rotation::Never => Appenders::NEVER,
    }
}

/// The number of the file's period; a new file begins when it changes.
fn period(rotation: Rotation, now_ms: i64) -> i64 {
    match rotation {
        Rotation::Hourly => now_ms.div_euclid(3_600_000),
        Rotation::Daily => now_ms.div_euclid(86_400_000),
        Rotation::Never => 0,
    }
}

/// The form of the date after the name; a 0 stands for any digit.
fn date_form(rotation: Rotation) -> Option<&'static str> {
    match rotation {
        Rotation::Hourly => Some("0000-00-00-00"),
        Rotation::Daily => Some("0000-00-00"),
        Rotation::Never => None,
    }
}

/// The log files of that name except the newest `keep`, oldest first.
fn outdated(
    names: impl Iterator<Item = OsString>,
    name: &str,
    rotation: Rotation,
    keep: usize,
) -> Vec<String> {
    let Some(form) = date_form(rotation) else { return Vec::new() };
    let is_log = |found: &String| {
        let date = found.strip_prefix(name).and_then(|rest| rest.strip_prefix('.'));
        date.is_some_and(|date| has_form(date, form))
    };
    let mut logs: Vec<String> =
        names.filter_map(|name| name.into_string().ok()).filter(is_log).collect();
    logs.sort_unstable();
    logs.truncate(logs.len().saturating_sub(keep));
    logs
}

fn has_form(text: &str, form: &str) -> bool {
    let fits = |(c, form): (char, char)| if form == '0' { c.is_ascii_digit() } else { c == form };
    text.len() == form.len() && text.chars().zip(form.chars()).all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dated_logs_beyond_the_newest_are_deleted() {
        let names = [
            "synfinance.2026-01-03",
            "synfinance.2026-01-01",
            "synfinance.2026-01-02",
            "synfinance.2026-01-02-10",
            "synfinance.2026-01-02.gz",
            "synfinance.db",
            "synfinance",
            "synfinance-2026-01-01",
            "other.2020-01-01",
        ];
        let outdated = |rotation, keep| {
            super::outdated(names.iter().map(OsString::from), "synfinance", rotation, keep)
        };
        assert_eq!(
            outdated(Rotation::Daily, 1),
            ["synfinance.2026-01-01", "synfinance.2026-01-02"]
        );
        assert_eq!(outdated(Rotation::Daily, 3), Vec::<String>::new());
        assert_eq!(outdated(Rotation::Hourly, 1), Vec::<String>::new());
        assert_eq!(outdated(Rotation::Never, 1), Vec::<String>::new());
    }

    #[test]
    fn opening_makes_the_directory_and_deletes_what_is_too_old() {
        let directory = tempfile::tempdir().unwrap();
        let logs = directory.path().join("logs");
        std::fs::create_dir(&logs).unwrap();
        for day in ["2020-01-01", "2020-01-02"] {
            std::fs::write(logs.join(format!("app.log.{day}")), "old").unwrap();
        }
        let mut file = LogFile::open(&logs.join("app.log"), Rotation::Daily, 2).unwrap();
        file.write_all(b"new\n").unwrap();
        file.flush().unwrap();
        let mut names: Vec<String> = std::fs::read_dir(&logs)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort_unstable();
        assert_eq!(names.len(), 2);
        assert_eq!(names[0], "app.log.2020-01-02");
        assert_eq!(std::fs::read_to_string(logs.join(&names[1])).unwrap(), "new\n");
        let elsewhere = directory.path().join("new").join("app.log");
        LogFile::open(&elsewhere, Rotation::Never, 1).unwrap();
        assert!(elsewhere.is_file());
    }
}
