//! What the process reports about itself: metrics, log lines, spans.
//!
//! Telemetry that grows with the traffic, waits for a collector or writes to a slow disk brings
//! down what it should watch. So everything here is bounded beforehand: every metric stands in one
//! table ([`catalog`]) with the values that its labels may have, workers count with plain atomics
//! once per batch ([`Metrics`]), and lines and spans go through queues of fixed length that drop
//! rather than wait ([`Logging`]).

pub mod catalog;
mod family;
mod log_file;
mod logging;
mod metrics;
mod partitions;
mod rarely;
mod spans;
mod words;
mod workers;

pub use logging::Logging;
pub use metrics::{Metrics, ModelAlerts};
pub use partitions::Lag;
pub use rarely::Rarely;
pub use spans::BATCH_SPANS;
pub use words::{CacheEvent, CommitOutcome, ErrorKind, LabelOutcome, Lost, Outcome, Source};
pub use workers::Gauge;

use std::path::PathBuf;

/// Why telemetry cannot start as configured.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log file cannot be written.
    #[error("log file {} cannot be written, check telemetry.file and its directory", path.display())]
    LogFile {
        /// The path, as configured.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The log level is unknown.
    #[error(
        "log level {level} is unknown, telemetry.level is error, warn, info, debug, trace or off"
    )]
    Level {
        /// The level that was asked for.
        level: String,
    },
    /// The collector's address is not valid. It is not shown, as it may contain a password.
    #[error("spans cannot be sent as telemetry.otlp_endpoint says, check that {what}")]
    OtlpEndpoint {
        /// What must hold for the address.
        what: &'static str,
    },
}

#[cfg(test)]
mod tests;
