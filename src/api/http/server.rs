//! The sidecar's thread, from binding to the last response.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use axum_server::tls_openssl::{OpenSSLAcceptor, OpenSSLConfig};
use tokio::runtime::Runtime;

use super::connection::Bounded;
use super::{Error, State, routes, tls};
use crate::base::config::Http;
use crate::base::limits::{HTTP_HEADER_TIMEOUT, HTTP_IDLE_TIMEOUT, MAX_HTTP_CONNECTIONS};
use crate::edges::telemetry::{ErrorKind, Metrics, Rarely};

/// How many requests may run at once on one HTTP/2 connection, which TLS clients may choose.
const MAX_STREAMS: u32 = 32;

/// A server before its acceptor is set.
type Bare = axum_server::Server<SocketAddr>;

/// The sidecar, answering until it is stopped or dropped.
#[derive(Debug)]
pub struct Server {
    port: u16,
    handle: Handle<SocketAddr>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens as configured and answers from now on, on a thread of its own. Port 0 means any free
    /// port.
    ///
    /// # Errors
    /// [`Error`] if the address cannot be listened on, or the TLS files cannot be used.
    pub fn start(settings: &Http, state: Arc<State>) -> Result<Self, Error> {
        let tls = tls::configured(settings)?;
        let unheard = |source| Error::Listen {
            address: settings.address.clone(),
            port: settings.port,
            source,
        };
        let address = settings.address.trim_matches(['[', ']']);
        let listener = TcpListener::bind((address, settings.port)).map_err(unheard)?;
        let local = listener.local_addr().map_err(unheard)?;
        let threadless = |source| Error::Thread { source };
        let runtime = runtime().map_err(threadless)?;
        let handle = Handle::new();
        let server = {
            let _inside = runtime.enter();
            axum_server::from_tcp(listener).map_err(unheard)?.handle(handle.clone())
        };
        let metrics = Arc::clone(&state.metrics);
        let router = routes::router(state);
        let serve = move || run(runtime, server, tls, router, metrics);
        let thread = std::thread::Builder::new().name("http".to_owned());
        let thread = thread.spawn(serve).map_err(threadless)?;
        tracing::info!(address = %local, tls = settings.tls.is_some(), "sidecar is listening");
        Ok(Self { port: local.port(), handle, thread: Some(thread) })
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Accepts no more connections, finishes open requests within `deadline`, and ends.
    pub fn stop(mut self, deadline: Duration) {
        self.handle.graceful_shutdown(Some(deadline));
        self.join();
    }

    fn join(&mut self) {
        let ended = self.thread.take().map(JoinHandle::join);
        if let Some(Err(_)) = ended {
            tracing::error!("the sidecar ended with a panic, report this as a bug");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.handle.shutdown();
        self.join();
    }
}

fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()
}

/// The work of the server's thread.
fn run(
    runtime: Runtime,
    server: Bare,
    tls: Option<OpenSSLConfig>,
    router: Router,
    metrics: Arc<Metrics>,
) {
    let server = bounded(server, metrics);
    let acceptor = Bounded::new(MAX_HTTP_CONNECTIONS, HTTP_IDLE_TIMEOUT);
    let service = router.into_make_service();
    let served = match tls {
        None => runtime.block_on(server.http1_only().acceptor(acceptor).serve(service)),
        Some(config) => {
            let tls = OpenSSLAcceptor::new(config).handshake_timeout(HTTP_HEADER_TIMEOUT);
            runtime.block_on(server.acceptor(tls.acceptor(acceptor)).serve(service))
        }
    };
    if let Err(error) = served {
        tracing::error!(%error, "the sidecar has stopped answering");
    }
    runtime.shutdown_background();
}

/// Sets the server's time-outs, and counts and logs connections that fail.
fn bounded(mut server: Bare, metrics: Arc<Metrics>) -> Bare {
    let builder = server.http_builder();
    builder.http1().header_read_timeout(HTTP_HEADER_TIMEOUT);
    builder.http2().max_concurrent_streams(MAX_STREAMS);
    let warnings = Rarely::minutely();
    server.first_request_timeout(HTTP_HEADER_TIMEOUT).accept_error_handler(move |_, error| {
        metrics.error(ErrorKind::Http);
        if warnings.is_due() {
            tracing::warn!(
                %error,
                "a connection to the sidecar failed; further ones are not told for a minute"
            );
        }
    })
}
