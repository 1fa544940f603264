//! Connections: how many there are, and how long one may take until it has said that it speaks HTTP/2.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Sleep;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;

/// Accepted connections that wait for the server to take them.
const ACCEPTED_MAX: usize = 16;
/// Bytes with which every HTTP/2 connection begins (RFC 9113 §3.4).
const PREFACE_BYTES: usize = 24;
/// The pause after a failed accept, such as when no file is free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A connection that is counted until it is closed.
pub(super) struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    /// Runs until the preface came: from then on the keepalive watches over the peer.
    silence: Option<Pin<Box<Sleep>>>,
    /// Bytes of the preface that are still to come.
    preface_left: usize,
    _permit: OwnedSemaphorePermit,
}

/// Accepts connections until stopped. One beyond `connections_max` is closed at once.
pub(super) fn accept(
    listener: TcpListener,
    connections_max: usize,
    preface_time_max: Duration,
    stop: CancellationToken,
) -> ReceiverStream<io::Result<Connection>> {
    let (sender, receiver) = mpsc::channel(ACCEPTED_MAX);
    let permits = Arc::new(Semaphore::new(connections_max));
    tokio::spawn(async move {
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(error = %error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Ok(permit) = permits.clone().try_acquire_owned() else {
                tracing::warn!(peer = %peer, "a connection was closed: there are as many as allowed");
                continue;
            };
            drop(stream.set_nodelay(true));
            let silence = Some(Box::pin(tokio::time::sleep(preface_time_max)));
            if sender
                .send(Ok(Connection {
                    stream,
                    peer,
                    silence,
                    preface_left: PREFACE_BYTES,
                    _permit: permit,
                }))
                .await
                .is_err()
            {
                return;
            }
        }
    });
    ReceiverStream::new(receiver)
}

impl Connected for Connection {
    type ConnectInfo = SocketAddr;

    fn connect_info(&self) -> SocketAddr {
        self.peer
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        let read = buffer.filled().len() - before;
        self.preface_left = self.preface_left.saturating_sub(read);
        if self.preface_left == 0 {
            self.silence = None;
        }
        if polled.is_pending()
            && let Some(silence) = &mut self.silence
            && silence.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the peer sent no preface",
            )));
        }
        polled
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
