//! The sidecar: the HTTP endpoints for operations.
//!
//! Probes are needed most when things go badly, so the server must not fail together with what it
//! reports about. It has a thread and a runtime of its own, listens before the work begins, and
//! reads boards without waiting for workers; no client can keep it from answering others.
//! Connections, headers, bodies, silence and time are all bounded ([`crate::base::limits`]).

mod connection;
mod probes;
mod problem;
mod routes;
mod server;
mod tls;

pub use server::Server;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::base::config::Http;
use crate::edges::telemetry::Metrics;
use crate::stream::health::Health;

/// What the endpoints report.
#[derive(Debug)]
pub struct State {
    /// The health of the process's parts.
    pub health: Arc<Health>,
    /// All metrics.
    pub metrics: Arc<Metrics>,
    /// The model that scores.
    pub model: Model,
    /// The program's version.
    pub version: &'static str,
    /// How long a worker may be silent before `/livez` asks for a restart of the process.
    pub liveness_limit: Duration,
}

/// A model, as `/health` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// Why the sidecar cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be listened on.
    #[error("cannot listen on {address} port {port}, check http.address and http.port")]
    Listen {
        /// The address, as configured.
        address: String,
        /// The port, as configured.
        port: u16,
        /// The system's error.
        source: std::io::Error,
    },
    /// A TLS file cannot be read.
    #[error("cannot read {key} {}, check the path and its permissions", path.display())]
    TlsFile {
        /// The configuration key that names it.
        key: &'static str,
        /// The path, as configured.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A TLS file does not contain what it should.
    #[error("{key} {} has {found}, {wanted}", path.display())]
    TlsContent {
        /// The configuration key that names it.
        key: &'static str,
        /// The path, as configured.
        path: PathBuf,
        /// What it contains.
        found: &'static str,
        /// What it should contain.
        wanted: &'static str,
    },
    /// Certificate and key cannot be used, or do not belong together.
    #[error(
        "http.tls.certificate {} and http.tls.key {} cannot be used, check that they belong together",
        certificate.display(), key.display()
    )]
    Tls {
        /// The certificate's path, as configured.
        certificate: PathBuf,
        /// The key's path, as configured.
        key: PathBuf,
        /// OpenSSL's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The system provides no thread or no event queue.
    #[error("the sidecar gets no thread from the system, check the limits of the process")]
    Thread {
        /// The system's error.
        source: std::io::Error,
    },
}

/// Checks that the TLS files, if any are configured, can be used. Does not listen.
///
/// # Errors
/// The same as [`Server::start`], except for the address.
pub fn check(settings: &Http) -> Result<(), Error> {
    tls::configured(settings).map(drop)
}

impl Error {
    /// Whether the configuration has to be changed, rather than the outside world.
    pub fn is_configuration(&self) -> bool {
        matches!(self, Self::TlsFile { .. } | Self::TlsContent { .. } | Self::Tls { .. })
    }
}
