//! Errors at the end of a command: what is printed, and the exit code.

use std::io::ErrorKind;
use std::process::ExitCode;

use super::output;
use crate::api::http;
use crate::base::config::ConfigError;
use crate::base::error::with_causes;
use crate::edges::{kafka, registry, telemetry};
use crate::files;

/// The user asked for something impossible; the text names the flag and what is allowed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct UsageError(pub String);

/// Exit code of a command that failed while running.
const FAILED: u8 = 1;

/// Exit code of wrong usage or configuration.
const WRONG_USAGE: u8 = 2;

/// Prints the error with its causes and returns the exit code. If the reader of stdout has gone
/// away, it wanted no more: that is not a failure, and nothing is printed.
pub(super) fn report(error: &anyhow::Error) -> ExitCode {
    if is_closed_pipe(error) {
        return ExitCode::SUCCESS;
    }
    output::note(&format!("error: {}", with_causes(error.as_ref())));
    ExitCode::from(if is_usage(error) { WRONG_USAGE } else { FAILED })
}

fn is_usage(error: &anyhow::Error) -> bool {
    let of_batch = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<files::Error>().map(files::Error::kind)
    };
    error.chain().any(|cause| {
        cause.is::<ConfigError>()
            || cause.is::<UsageError>()
            || cause.is::<telemetry::Error>()
            || cause.downcast_ref().is_some_and(http::Error::is_configuration)
            || of_batch(cause) == Some(files::ErrorKind::Usage)
            || cause.downcast_ref().is_some_and(registry::Error::is_usage)
            || matches!(
                cause.downcast_ref(),
                Some(kafka::Error::Reserved { .. } | kafka::Error::Property { .. })
            )
    })
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let io = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind)
    };
    error.chain().any(|cause| io(cause) == Some(ErrorKind::BrokenPipe) || is_cut_short(cause))
}

/// The same for a file writer, which keeps an I/O error's text but not its kind.
fn is_cut_short(cause: &(dyn std::error::Error + 'static)) -> bool {
    match cause.downcast_ref::<files::Error>() {
        Some(files::Error::Write { name, source }) => {
            name == "stdout" && source.to_string().contains("Broken pipe")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn whose_move_it_is() {
        let usage = anyhow::Error::from(UsageError("--rate is 0".to_owned())).context("demo");
        assert!(is_usage(&usage));
        let failed = Err::<(), _>(std::io::Error::from(ErrorKind::NotFound)).context("reading x");
        assert!(!is_usage(&failed.unwrap_err()));
    }

    #[test]
    fn a_closed_pipe_is_found_below_its_context() {
        let error = |kind: ErrorKind| {
            Err::<(), _>(std::io::Error::from(kind)).context("writing stdout").unwrap_err()
        };
        assert!(is_closed_pipe(&error(ErrorKind::BrokenPipe)));
        assert!(!is_closed_pipe(&error(ErrorKind::WriteZero)));
        let written = |name: &str, text: &str| {
            let (name, source) = (name.to_owned(), text.into());
            anyhow::Error::from(files::Error::Write { name, source })
        };
        assert!(is_closed_pipe(&written("stdout", "Csv error: Broken pipe (os error 32)")));
        assert!(!is_closed_pipe(&written("stdout", "Csv error: disk full")));
        assert!(!is_closed_pipe(&written("fifo", "Csv error: Broken pipe (os error 32)")));
    }
}
