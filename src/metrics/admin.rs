//! The admin port: GET /metrics over plain HTTP/1.1, and nothing else.
//!
//! It asks nobody who they are and never touches the store, AWS or the budget. It is bounded by
//! itself, so that whoever reads it, or does not, takes nothing from the callers of the service.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{Metrics, MetricsConfig};

/// The one path.
const PATH: &str = "/metrics";
/// What Prometheus asks a text page to be called.
const CONTENT_TYPE: HeaderValue =
    HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
/// The most bytes of a request's head: a scraper's is below 1 KiB, and hyper takes no less.
const HEAD_BYTES_MAX: usize = 8 * 1024;
/// The pause after a failed accept, such as when no file is free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The port, listening.
pub struct AdminPort {
    listener: TcpListener,
    address: SocketAddr,
    config: MetricsConfig,
}

impl AdminPort {
    /// Takes the address. Connections wait in the backlog until `serve`.
    ///
    /// # Errors
    /// A sentence: the address cannot be had.
    pub async fn bind(address: SocketAddr, config: MetricsConfig) -> Result<Self, String> {
        let refuse =
            |error| format!("cannot listen on {address}, the address for metrics: {error}");
        let listener = TcpListener::bind(address).await.map_err(refuse)?;
        let address = listener.local_addr().map_err(refuse)?;
        Ok(Self {
            listener,
            address,
            config,
        })
    }

    /// The address it listens on, with the port that was chosen for port 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers for ever. Dropping it closes the port and every connection.
    pub async fn serve(self, metrics: Metrics) {
        let metrics = Arc::new(metrics);
        let places = Arc::new(Semaphore::new(self.config.connections_max));
        let mut open = JoinSet::new();
        loop {
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(error = %error, "a connection for metrics could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            // At most as many as there are places.
            while open.try_join_next().is_some() {}
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                tracing::debug!(
                    "a connection for metrics was closed: there are as many as allowed"
                );
                continue;
            };
            let (metrics, config) = (Arc::clone(&metrics), self.config);
            open.spawn(async move {
                let connection = serve_connection(stream, metrics, config);
                // Whoever is late is left, whatever it waits for.
                let _ = tokio::time::timeout(config.connection_time_max(), connection).await;
                drop(place);
            });
        }
    }
}

async fn serve_connection(stream: TcpStream, metrics: Arc<Metrics>, config: MetricsConfig) {
    let service = service_fn(move |request| {
        let response = answer(&metrics, &request);
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(config.head_time_max())
        .max_buf_size(HEAD_BYTES_MAX)
        // One request each, so that nobody keeps a place between two scrapes.
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // It ended well or by its client's fault: all the same to us.
    let _ = connection.await;
}

fn answer(metrics: &Metrics, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if request.method() != Method::GET || request.uri().path() != PATH {
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    }
    let mut response = Response::new(Full::new(Bytes::from(metrics.page())));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, CONTENT_TYPE);
    response
}
