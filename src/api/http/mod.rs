//! The sidecar: what operations ask this process over HTTP.
//!
//! Probes are asked when things go badly, so what answers them must not share the fate of what it
//! tells about: the server has a thread and a runtime of its own, binds before the work begins,
//! reads boards that nobody waits for, and no client can keep it from answering others.
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

/// What the endpoints tell about.
#[derive(Debug)]
pub struct State {
    /// The board of the process's parts.
    pub health: Arc<Health>,
    /// All numbers.
    pub metrics: Arc<Metrics>,
    /// The model that scores.
    pub model: Model,
    /// The program's version.
    pub version: &'static str,
    /// How long a worker may be silent before the process is to be restarted.
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
        /// As configured.
        address: String,
        /// As configured.
        port: u16,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file for TLS cannot be read.
    #[error("cannot read {key} {}, check the path and its permissions", path.display())]
    TlsFile {
        /// The key of the configuration.
        key: &'static str,
        /// As configured.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file for TLS is not what it should be.
    #[error("{key} {} has {found}, {wanted}", path.display())]
    TlsContent {
        /// The key of the configuration.
        key: &'static str,
        /// As configured.
        path: PathBuf,
        /// What is in it.
        found: &'static str,
        /// What should be in it.
        wanted: &'static str,
    },
    /// Certificate and key do not work, or not together.
    #[error(
        "http.tls.certificate {} and http.tls.key {} cannot be used, check that they belong together",
        certificate.display(), key.display()
    )]
    Tls {
        /// As configured.
        certificate: PathBuf,
        /// As configured.
        key: PathBuf,
        /// What OpenSSL says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The system gives no thread or no event queue.
    #[error("the sidecar gets no thread from the system, check the limits of the process")]
    Thread {
        /// What the system says.
        source: std::io::Error,
    },
}

/// Makes sure that the files for TLS can be used, if any are named; listens nowhere.
///
/// # Errors
/// As for [`Server::start`], but for the address.
pub fn check(settings: &Http) -> Result<(), Error> {
    tls::configured(settings).map(drop)
}

impl Error {
    /// Whether the configuration has to be changed, as opposed to the world.
    pub fn is_configuration(&self) -> bool {
        matches!(self, Self::TlsFile { .. } | Self::TlsContent { .. } | Self::Tls { .. })
    }
}
