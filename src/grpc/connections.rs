//! Connections: how many there are, with TLS or without, and how long one may take until it has said
//! that it speaks HTTP/2. Handshakes run side by side; each holds one of the places for connections.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, Sleep};
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;

use super::tls::Tls;
use crate::authentication::PeerCertificate;

/// Accepted connections that wait for the server to take them.
const ACCEPTED_MAX: usize = 16;
/// Bytes with which every HTTP/2 connection begins (RFC 9113 §3.4).
const PREFACE_BYTES: usize = 24;
/// The pause after a failed accept, such as when no file is free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Who is at the other end of a connection; every request on it has this among its extensions.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    /// From where.
    pub(super) address: SocketAddr,
    /// The client's certificate, if it showed one.
    pub(super) certificate: Option<Arc<PeerCertificate>>,
}

/// A connection that is counted until it is closed.
pub(super) struct Connection {
    stream: Stream,
    peer: Peer,
    /// When it is closed: until the preface came soon, then as late as it may live. The keepalive
    /// watches over the peer meanwhile.
    end: Pin<Box<Sleep>>,
    ends_by: Instant,
    /// Bytes of the preface that are still to come.
    preface_left: usize,
    _permit: OwnedSemaphorePermit,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// When a connection is closed.
#[derive(Clone, Copy)]
struct Times {
    preface_by: Instant,
    ends_by: Instant,
}

/// What connections are accepted with.
pub(super) struct Acceptance {
    pub(super) connections_max: usize,
    pub(super) preface_time_max: Duration,
    /// The longest life of a connection, with the time that open calls have to end.
    pub(super) life_max: Duration,
    /// None: without TLS.
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) stop: CancellationToken,
}

/// Accepts connections until stopped. One beyond `connections_max` is closed at once.
pub(super) fn accept(
    listener: TcpListener,
    acceptance: Acceptance,
) -> ReceiverStream<io::Result<Connection>> {
    let (sender, receiver) = mpsc::channel(ACCEPTED_MAX);
    let permits = Arc::new(Semaphore::new(acceptance.connections_max));
    tokio::spawn(async move {
        loop {
            let accepted = tokio::select! {
                () = acceptance.stop.cancelled() => return,
                // The server has gone.
                () = sender.closed() => return,
                accepted = listener.accept() => accepted,
            };
            let (stream, address) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(error = %error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Ok(permit) = permits.clone().try_acquire_owned() else {
                tracing::warn!(peer = %address, "a connection was closed: there are as many as allowed");
                continue;
            };
            drop(stream.set_nodelay(true));
            let times = Times {
                preface_by: Instant::now() + acceptance.preface_time_max,
                ends_by: Instant::now() + acceptance.life_max,
            };
            match &acceptance.tls {
                None => {
                    let peer = Peer {
                        address,
                        certificate: None,
                    };
                    let connection = Connection::new(Stream::Plain(stream), peer, times, permit);
                    if sender.send(Ok(connection)).await.is_err() {
                        return;
                    }
                }
                Some(tls) => {
                    let (tls, sender) = (tls.clone(), sender.clone());
                    let stop = acceptance.stop.clone();
                    tokio::spawn(stop.run_until_cancelled_owned(async move {
                        match secure(&tls, stream, address).await {
                            Ok((stream, peer)) => {
                                let connection = Connection::new(stream, peer, times, permit);
                                drop(sender.send(Ok(connection)).await);
                            }
                            Err(problem) => {
                                tracing::info!(peer = %address, problem, "a TLS handshake failed");
                            }
                        }
                    }));
                }
            }
        }
    });
    ReceiverStream::new(receiver)
}

/// Makes the handshake and reads whom the client's certificate names.
async fn secure(
    tls: &Tls,
    stream: TcpStream,
    address: SocketAddr,
) -> Result<(Stream, Peer), String> {
    let stream = tls.handshake(stream).await?;
    let (_, session) = stream.get_ref();
    let shown = session.peer_certificates().and_then(<[_]>::first);
    let certificate = shown.map(PeerCertificate::read).transpose()?.map(Arc::new);
    let peer = Peer {
        address,
        certificate,
    };
    Ok((Stream::Tls(Box::new(stream)), peer))
}

impl Connection {
    fn new(stream: Stream, peer: Peer, times: Times, permit: OwnedSemaphorePermit) -> Self {
        Self {
            stream,
            peer,
            end: Box::pin(tokio::time::sleep_until(times.preface_by)),
            ends_by: times.ends_by,
            preface_left: PREFACE_BYTES,
            _permit: permit,
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        };
        let read = buffer.filled().len() - before;
        if self.preface_left > 0 {
            self.preface_left = self.preface_left.saturating_sub(read);
            if self.preface_left == 0 {
                let ends_by = self.ends_by;
                self.end.as_mut().reset(ends_by);
            }
        }
        if polled.is_pending() && self.end.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the peer sent no preface, or the connection has lived as long as it may",
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
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }
}
