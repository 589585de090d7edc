//! Log lines to stderr, as text or JSON.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// Writes log lines of `level` (error to trace, or off) and above from now on. A second call in the
/// same process changes nothing.
pub(super) fn start(level: &str, format: LogFormat) {
    let base = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(level))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let started = match format {
        LogFormat::Text => base.with_target(false).try_init(),
        LogFormat::Json => base.json().flatten_event(true).try_init(),
    };
    if let Err(error) = started {
        tracing::debug!(%error, "logging had been started before");
    }
}
