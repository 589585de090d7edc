//! What the process tells about itself: numbers, log lines, spans.
//!
//! Telemetry that grows with the traffic, waits for a collector or writes to a slow disk brings
//! down what it should watch over. So everything here is bounded before it starts: every metric
//! stands in one table ([`catalog`]) with the values that its labels may have, workers count with
//! plain atomics once a batch ([`Metrics`]), and lines and spans go through queues of fixed length
//! that drop rather than wait ([`Logging`]).

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

/// Why telemetry cannot start as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log file.
    #[error("log file {} cannot be written, check telemetry.file and its directory", path.display())]
    LogFile {
        /// As configured.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The level.
    #[error(
        "log level {level} is unknown, telemetry.level is error, warn, info, debug, trace or off"
    )]
    Level {
        /// As asked for.
        level: String,
    },
    /// Where spans go. The address may hold a password and is not shown.
    #[error("spans cannot be sent as telemetry.otlp_endpoint says, check that {what}")]
    OtlpEndpoint {
        /// What has to be so.
        what: &'static str,
    },
}

#[cfg(test)]
mod tests;
