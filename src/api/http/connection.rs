//! Connections within bounds.
//!
//! A client that connects and sends nothing costs a file descriptor, and a few thousand of them
//! would take those of the worker's sockets to the brokers. So the number of connections is bounded
//! and further ones are closed at once. A connection that moves no byte for too long is closed as
//! well, whether its client does not send or does not read.

use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready as ready_or_return};
use std::time::Duration;

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

/// Accepts a bounded number of connections.
#[derive(Debug, Clone)]
pub(super) struct Bounded {
    free: Arc<Semaphore>,
    idle: Duration,
}

impl Bounded {
    /// Accepts at most `connections` at a time, each silent for at most `idle`.
    pub(super) fn new(connections: usize, idle: Duration) -> Self {
        Self { free: Arc::new(Semaphore::new(connections)), idle }
    }
}

impl<S> Accept<TcpStream, S> for Bounded {
    type Stream = Connection;
    type Service = S;
    type Future = Ready<io::Result<(Connection, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let permit = Arc::clone(&self.free).try_acquire_owned();
        let full = |_| io::Error::new(io::ErrorKind::QuotaExceeded, "too many connections");
        ready(permit.map_err(full).and_then(|permit| {
            stream.set_nodelay(true)?;
            let silence = Box::pin(sleep(self.idle));
            Ok((Connection { stream, silence, idle: self.idle, _permit: permit }, service))
        }))
    }
}

/// A connection that fails if no byte moves on it for too long.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    silence: Pin<Box<Sleep>>,
    idle: Duration,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    /// Passes on the result of a read or write. Progress restarts the time of silence; too long a
    /// silence is an error.
    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        moved: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if moved.is_ready() {
            self.silence.as_mut().reset(Instant::now() + self.idle);
            return moved;
        }
        ready_or_return!(self.silence.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.watch(context, read)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A client, and the server's side of its connection.
    async fn pair(bounded: &Bounded) -> (TcpStream, io::Result<(Connection, ())>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        (client, bounded.accept(accepted, ()).await)
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    #[test]
    fn there_are_only_so_many_at_a_time() {
        block_on(async {
            let bounded = Bounded::new(1, Duration::from_secs(60));
            let (_client, first) = pair(&bounded).await;
            let (_client, second) = pair(&bounded).await;
            assert_eq!(second.unwrap_err().kind(), io::ErrorKind::QuotaExceeded);
            drop(first);
            let (_client, third) = pair(&bounded).await;
            assert!(third.is_ok());
        });
    }

    #[test]
    fn a_client_that_does_not_write_is_given_up() {
        block_on(async {
            let bounded = Bounded::new(1, Duration::from_millis(1));
            let (_client, accepted) = pair(&bounded).await;
            let error = accepted.unwrap().0.read_u8().await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        });
    }

    #[test]
    fn a_client_that_does_not_read_is_given_up() {
        block_on(async {
            let bounded = Bounded::new(1, Duration::from_millis(1));
            let (_client, accepted) = pair(&bounded).await;
            let (mut connection, ()) = accepted.unwrap();
            let error = loop {
                if let Err(error) = connection.write_all(&[0; 65_536]).await {
                    break error;
                }
            };
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        });
    }
}
