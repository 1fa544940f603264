//! A key set's endpoint that does what it is told: well or badly.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// What the endpoint does.
#[derive(Clone, Debug)]
pub(crate) enum Manner {
    /// Answers a status and a body.
    Answers(u16, String),
    /// Sends the client elsewhere.
    Redirects(String),
    /// Hangs up.
    HangsUp,
    /// Says nothing.
    Silent,
    /// Begins an answer and goes on a byte at a time.
    Drips,
    /// Answers without end.
    Endless,
}

/// A running endpoint.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    manner: Arc<Mutex<Manner>>,
    asked: Arc<AtomicUsize>,
}

impl Endpoint {
    pub(crate) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let endpoint = Self {
            address: listener.local_addr().unwrap(),
            manner: Arc::new(Mutex::new(manner)),
            asked: Arc::default(),
        };
        let serving = endpoint.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let endpoint = serving.clone();
                tokio::spawn(async move { endpoint.answer(stream).await });
            }
        });
        endpoint
    }

    /// The same over TLS, with that certificate.
    pub(crate) async fn start_secure(manner: Manner, config: Arc<ServerConfig>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let endpoint = Self {
            address: listener.local_addr().unwrap(),
            manner: Arc::new(Mutex::new(manner)),
            asked: Arc::default(),
        };
        let (serving, acceptor) = (endpoint.clone(), TlsAcceptor::from(config));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (endpoint, acceptor) = (serving.clone(), acceptor.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        endpoint.answer(stream).await;
                    }
                });
            }
        });
        endpoint
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/keys", self.address)
    }

    pub(crate) fn set(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Waits until it has been asked so many times more.
    pub(crate) async fn asked_more(&self, times: usize) {
        let until = self.asked() + times;
        let waiting = async {
            while self.asked() < until {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(60), waiting).await;
        assert!(waited.is_ok(), "asked {} times of {until}", self.asked());
    }

    async fn answer(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => request.push(byte),
                Err(_) => return,
            }
        }
        self.asked.fetch_add(1, Ordering::SeqCst);
        let manner = self.manner.lock().unwrap().clone();
        let begun = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";
        // A client that goes away in the middle is what some manners are for.
        drop(match manner {
            Manner::HangsUp => Ok(()),
            Manner::Answers(status, body) => {
                let head = format!(
                    "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                stream.write_all((head + &body).as_bytes()).await
            }
            Manner::Redirects(to) => {
                let head = format!("HTTP/1.1 302 X\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(head.as_bytes()).await
            }
            Manner::Silent => stream.read_u8().await.map(drop),
            Manner::Drips => repeat(stream, begun, b" ", Duration::from_millis(20)).await,
            Manner::Endless => repeat(stream, begun, &[b' '; 65_536], Duration::ZERO).await,
        });
    }
}

async fn repeat(
    mut stream: impl AsyncWrite + Unpin,
    begun: &str,
    part: &[u8],
    pause: Duration,
) -> std::io::Result<()> {
    stream.write_all(begun.as_bytes()).await?;
    loop {
        stream.write_all(part).await?;
        tokio::time::sleep(pause).await;
    }
}
