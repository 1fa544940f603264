//! The door to AWS: every request of the service clients leaves through here, and nothing
//! else does. Credential providers have their own clients.
//!
//! Here an attempt pays its permit, is held to its time and its kind (an operation Usher knows; a
//! write only where writing is allowed), and is counted. Nothing here retries.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Builder, ConnectorBuilder, tls};
use aws_smithy_runtime_api::client::connection::CaptureSmithyConnection;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, timeout};

use super::attempt::{ATTEMPT, Answer, Attempt, Progress, Refusal};
use super::config::{AwsConfig, WriteMode};
use super::metrics::AwsMetrics;
use super::outgoing::{is_loopback, operation_of};
use crate::budget::Budget;
use crate::crash_points::{self, CrashPoint};
use crate::domain::Operation;

/// The longest answer that is read, in bytes. A page holds at most 100 rows, and the largest
/// object in one, a user with every attribute, is below 64 KiB (aws-api.md §2, §3).
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What the door enforces and counts; one for all service clients of an adapter.
#[derive(Debug)]
pub(super) struct Guard {
    budget: Budget,
    write_mode: WriteMode,
    attempt_timeout: Duration,
    read_time_min: Duration,
    /// Requests sent, in the order of `Operation::ALL`.
    sent: [AtomicU64; Operation::ALL.len()],
    /// Whether any request, of this guard or of a sibling, was for an endpoint that is not on this
    /// machine.
    went_elsewhere: Arc<AtomicBool>,
    /// What this guard and its siblings count together.
    metrics: Arc<AwsMetrics>,
}

impl Guard {
    pub(super) fn new(config: &AwsConfig, budget: Budget, write_mode: WriteMode) -> Arc<Self> {
        Arc::new(Self {
            budget,
            write_mode,
            attempt_timeout: config.attempt_timeout(),
            read_time_min: config.read_time_min(),
            sent: std::array::from_fn(|_| AtomicU64::new(0)),
            went_elsewhere: Arc::new(AtomicBool::new(false)),
            metrics: Arc::default(),
        })
    }

    /// A guard for another region or account: its own budget and counts, the same rules and metrics.
    pub(super) fn sibling(&self, budget: Budget) -> Arc<Self> {
        Arc::new(Self {
            budget,
            write_mode: self.write_mode,
            attempt_timeout: self.attempt_timeout,
            read_time_min: self.read_time_min,
            sent: std::array::from_fn(|_| AtomicU64::new(0)),
            went_elsewhere: Arc::clone(&self.went_elsewhere),
            metrics: Arc::clone(&self.metrics),
        })
    }

    pub(super) fn budget(&self) -> &Budget {
        &self.budget
    }

    pub(super) fn metrics(&self) -> &Arc<AwsMetrics> {
        &self.metrics
    }

    pub(super) fn may_write(&self) -> bool {
        match self.write_mode {
            WriteMode::Never => false,
            WriteMode::LoopbackOnly => !self.went_elsewhere.load(Ordering::SeqCst),
            WriteMode::Everywhere => true,
        }
    }

    pub(super) fn operations_sent(&self) -> Vec<(Operation, u64)> {
        Operation::ALL
            .iter()
            .copied()
            .zip(&self.sent)
            .map(|(operation, count)| (operation, count.load(Ordering::Relaxed)))
            .collect()
    }

    /// Whether this request may go out as this attempt, apart from the budget.
    fn admit(&self, request: &HttpRequest, attempt: &Attempt) -> Result<(), Refusal> {
        if !is_loopback(request.uri()) {
            self.went_elsewhere.store(true, Ordering::SeqCst);
        }
        let operation = operation_of(request);
        if operation != Some(attempt.operation) {
            return Err(Refusal::UnknownOperation);
        }
        if attempt.operation.is_write() && !self.may_write() {
            return Err(Refusal::ReadOnly);
        }
        Ok(())
    }

    /// Waits for the permit. Afterwards there is time enough for the attempt.
    async fn take_permit(&self, attempt: &Attempt) -> Result<(), Refusal> {
        let needed = if attempt.operation.is_write() {
            self.attempt_timeout
        } else {
            self.read_time_min.min(self.attempt_timeout)
        };
        let bucket = attempt.operation.quota_bucket();
        match attempt.deadline.checked_sub(needed) {
            Some(latest) if latest >= Instant::now() => self
                .budget
                .permit(bucket, attempt.demand, latest)
                .await
                .map_err(|exhausted| Refusal::Budget {
                    retry_after: exhausted.retry_after,
                }),
            _ => Err(Refusal::Budget {
                retry_after: self.budget.estimate(&[(bucket, 1)], attempt.demand.class),
            }),
        }
    }

    fn count(&self, operation: Operation) {
        let all = Operation::ALL.iter().zip(&self.sent);
        if let Some((_, count)) = all.into_iter().find(|(known, _)| **known == operation) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn send(
        self: Arc<Self>,
        mut request: HttpRequest,
        inner: SharedHttpConnector,
        attempt: Arc<Attempt>,
    ) -> Result<HttpResponse, ConnectorError> {
        if let Err(refusal) = self.admit(&request, &attempt) {
            return Err(refused(&attempt, refusal));
        }
        attempt.set(Progress::Waiting);
        if let Err(refusal) = self.take_permit(&attempt).await {
            return Err(refused(&attempt, refusal));
        }
        let connection = captured_connection(&mut request);
        let time = self
            .attempt_timeout
            .min(attempt.deadline.saturating_duration_since(Instant::now()));
        attempt.set(Progress::Sent);
        self.count(attempt.operation);
        let operation = attempt.operation;
        // Until the answer is whole, or nobody waits for it any more.
        let _timing = self.metrics.sent(operation);
        let exchange = async {
            reach(operation, CrashPoint::BeforeSend);
            let response = inner.call(request).await?;
            let answer = read_whole(response).await;
            answer.inspect(|_| reach(operation, CrashPoint::AfterAnswer))
        };
        match timeout(time, exchange).await {
            Ok(Ok((response, answer))) => {
                attempt.set(Progress::Answered(answer));
                Ok(response)
            }
            Ok(Err(error)) => {
                // Without a connection nothing can have left this machine.
                attempt.set(if connection.get().is_none() {
                    Progress::NotReached
                } else if error.is_timeout() {
                    Progress::TimedOut
                } else {
                    Progress::Lost
                });
                Err(error)
            }
            Err(elapsed) => {
                match connection.get() {
                    Some(connection) => {
                        connection.poison();
                        attempt.set(Progress::TimedOut);
                    }
                    None => attempt.set(Progress::NotReached),
                }
                Err(ConnectorError::timeout(elapsed.into()))
            }
        }
    }
}

/// The crash points of a write; reads have none.
fn reach(operation: Operation, point: fn(Operation) -> CrashPoint) {
    if operation.is_write() {
        crash_points::reach(point(operation));
    }
}

fn refused(attempt: &Attempt, refusal: Refusal) -> ConnectorError {
    attempt.set(Progress::Refused(refusal));
    ConnectorError::user("Usher did not send this request".into())
}

/// The SDK's own record of the connection, or a new one.
fn captured_connection(request: &mut HttpRequest) -> CaptureSmithyConnection {
    if let Some(connection) = request.extension::<CaptureSmithyConnection>() {
        return connection.clone();
    }
    let connection = CaptureSmithyConnection::new();
    request.add_extension(connection.clone());
    connection
}

/// Reads the body inside the attempt's time, so that a stalled answer is a timeout like others.
async fn read_whole(mut response: HttpResponse) -> Result<(HttpResponse, Answer), ConnectorError> {
    let mut stream = ByteStream::new(response.take_body());
    let mut body = BytesMut::new();
    while let Some(chunk) = stream.next().await {
        let chunk: Bytes = chunk.map_err(|error| ConnectorError::io(error.into()))?;
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(ConnectorError::other("the answer is too long".into(), None));
        }
        body.extend_from_slice(&chunk);
    }
    let body = body.freeze();
    *response.body_mut() = SdkBody::from(body.clone());
    let answer = Answer {
        status: response.status().as_u16(),
        request_id: header(&response, "x-amzn-requestid")
            .or_else(|| header(&response, "x-amz-request-id"))
            .unwrap_or_default()
            .to_owned(),
        retry_after: retry_after(&response),
        body,
    };
    Ok((response, answer))
}

fn header<'a>(response: &'a HttpResponse, name: &str) -> Option<&'a str> {
    response.headers().get(name)
}

/// `x-amz-retry-after` is in milliseconds (aws-api.md §1), HTTP's own header in seconds.
fn retry_after(response: &HttpResponse) -> Option<Duration> {
    let number = |name| header(response, name).and_then(|value| value.trim().parse().ok());
    number("x-amz-retry-after")
        .map(Duration::from_millis)
        .or_else(|| number("retry-after").map(Duration::from_secs))
}

/// The HTTP client of the service clients.
#[derive(Debug, Clone)]
pub(super) struct GuardedClient {
    guard: Arc<Guard>,
    /// For endpoints of this machine: never through a proxy, which would take the request off it.
    direct: SharedHttpClient,
    /// For all others: through the proxy of the environment, if there is one.
    outbound: SharedHttpClient,
}

impl GuardedClient {
    pub(super) fn new(guard: Arc<Guard>) -> Self {
        Self {
            guard,
            direct: https_client(ProxyConfig::disabled),
            outbound: https_client(ProxyConfig::from_env),
        }
    }

    /// The same connections behind another guard.
    pub(super) fn sibling(&self, guard: Arc<Guard>) -> Self {
        Self {
            guard,
            direct: self.direct.clone(),
            outbound: self.outbound.clone(),
        }
    }
}

/// The client that the SDK would make by default, with the given proxies.
fn https_client(proxies: fn() -> ProxyConfig) -> SharedHttpClient {
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut builder = ConnectorBuilder::default().tls_provider(tls::Provider::Rustls(
            tls::rustls_provider::CryptoMode::AwsLc,
        ));
        builder.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            builder.set_sleep_impl(components.sleep_impl());
        }
        builder.set_proxy_config(Some(proxies()));
        builder.build()
    })
}

impl HttpClient for GuardedClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(GuardedConnector {
            guard: Arc::clone(&self.guard),
            direct: self.direct.http_connector(settings, components),
            outbound: self.outbound.http_connector(settings, components),
        })
    }
}

#[derive(Debug)]
struct GuardedConnector {
    guard: Arc<Guard>,
    direct: SharedHttpConnector,
    outbound: SharedHttpConnector,
}

impl HttpConnector for GuardedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Ok(attempt) = ATTEMPT.try_with(Arc::clone) else {
            return HttpConnectorFuture::ready(Err(ConnectorError::user(
                "a request outside an attempt is not sent".into(),
            )));
        };
        let inner = if is_loopback(request.uri()) {
            self.direct.clone()
        } else {
            self.outbound.clone()
        };
        let guard = Arc::clone(&self.guard);
        HttpConnectorFuture::new(guard.send(request, inner, attempt))
    }
}
