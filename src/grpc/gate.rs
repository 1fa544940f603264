//! What every call passes, whatever its service: a call id, strict headers, a deadline, an
//! identity, a place among the caller's open calls. On the way out, answers that tonic gave by
//! itself get the code, reason and details that Usher promises.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Code, Status};
use tower::Service;

use super::answer::CallScope;
use super::callers::identify;
use super::deadline::{CallTime, too_late};
use super::draining::until_draining;
use super::inbound::{Inbound, Method, Refusal};
use super::limits::LimitsConfig;
use super::pb::ErrorReason;
use super::status::{shorten, status};
use crate::app::RefusedCalls;
use crate::authentication::Authenticator;

/// The header that carries the call id.
const CALL_ID_HEADER: &str = "usher-call-id";
/// The method whose answer is a report: a long stream with an end.
const REPORT_METHOD: &str = "/usher.v1.AccessService/AuditReport";
/// The methods that go on for as long as somebody watches.
const WATCH_METHODS: [&str; 2] = [
    "/usher.v1.EventService/WatchEvents",
    "/usher.v1.GrantService/WatchGrants",
];
/// The services of others whose answers may be long streams: health and reflection.
const OPEN_STREAMS: [&str; 2] = ["/grpc.health.v1.", "/grpc.reflection.v1"];

/// Characters of a path that the log repeats: a caller may send 64 KiB of them.
const LOGGED_CHARACTERS_MAX: usize = 200;

/// What the gate decides with.
pub(super) struct GateRules {
    pub(super) authenticator: Arc<Authenticator>,
    pub(super) refused_calls: RefusedCalls,
    pub(super) limits: LimitsConfig,
    pub(super) inbound: Inbound,
    /// Set when the server is shutting down.
    pub(super) draining: CancellationToken,
}

/// A call that is not let in.
pub(super) struct NotAdmitted {
    status: Status,
    /// Whether the call has no line of its own in the log: it was counted instead.
    is_counted: bool,
}

impl From<Status> for NotAdmitted {
    fn from(status: Status) -> Self {
        Self {
            status,
            is_counted: false,
        }
    }
}

impl GateRules {
    /// Refuses a call by the inbound limits: counted, and without a line of its own, since anybody
    /// can make any number of such calls.
    pub(super) fn refuse(
        &self,
        refusal: Refusal,
        method: Method,
        who: &str,
        call_id: &str,
    ) -> NotAdmitted {
        self.inbound.count(refusal, method, who);
        NotAdmitted {
            status: refusal.status(call_id),
            is_counted: true,
        }
    }
}

/// The gate before the services.
#[derive(Clone)]
pub(super) struct Gate {
    rules: Arc<GateRules>,
    routes: Routes,
}

impl Gate {
    pub(super) fn new(rules: GateRules, routes: Routes) -> Self {
        Self {
            rules: Arc::new(rules),
            routes,
        }
    }
}

impl Service<Request<Body>> for Gate {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // The routes are always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (rules, routes) = (self.rules.clone(), self.routes.clone());
        Box::pin(async move {
            let call_id = call_id();
            let method = shorten(request.uri().path(), LOGGED_CHARACTERS_MAX);
            let started = Instant::now();
            let (mut response, is_counted) = if is_grpc(&request) {
                pass(&rules, routes, request, &call_id).await
            } else {
                (refuse_as_http(), false)
            };
            if let Ok(value) = HeaderValue::from_str(&call_id) {
                response.headers_mut().insert(CALL_ID_HEADER, value);
            }
            if is_counted {
                return Ok(response);
            }
            let code = response
                .headers()
                .get("grpc-status")
                .and_then(|value| value.to_str().ok())
                .unwrap_or("0");
            tracing::info!(
                call.id = call_id,
                grpc.method = method,
                grpc.code = code,
                duration_milliseconds =
                    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
                "call"
            );
            Ok(response)
        })
    }
}

/// The id that a call is found by: no secret, so that it need not ask the system for randomness.
fn call_id() -> String {
    let random = fastrand::u128(..).to_le_bytes();
    uuid::Builder::from_random_bytes(random)
        .into_uuid()
        .to_string()
}

/// The answer to a call, and whether the call was counted in the place of a line in the log.
async fn pass(
    rules: &GateRules,
    routes: Routes,
    request: Request<Body>,
    call_id: &str,
) -> (Response<Body>, bool) {
    match admit(rules, routes, request, call_id).await {
        Ok(response) => (dress(response, call_id), false),
        Err(refused) => (refused.status.into_http(), refused.is_counted),
    }
}

/// Checks a call and lets it through.
async fn admit(
    rules: &GateRules,
    routes: Routes,
    request: Request<Body>,
    call_id: &str,
) -> Result<Response<Body>, NotAdmitted> {
    check_metadata(request.headers(), rules.limits.metadata_bytes_max, call_id)?;
    let path = request.uri().path().to_owned();
    let is_report = path == REPORT_METHOD;
    let is_watch = WATCH_METHODS.contains(&path.as_str());
    let is_open_stream = OPEN_STREAMS.iter().any(|begin| path.starts_with(begin));
    let is_long_stream = is_report || is_watch || is_open_stream;
    let time_max = match (is_report, is_watch) {
        (true, _) => rules.limits.report_time_max(),
        (_, true) => rules.limits.watch_time_max(),
        _ => rules.limits.call_time_max(),
    };
    let CallTime {
        deadline,
        answer_by,
    } = CallTime::of(request.headers(), time_max, call_id)?;
    let (parts, body) = request.into_parts();
    // A token may name a key that is fetched first.
    let method = Method::of(&path);
    let identified = identify(rules, &parts, method, call_id);
    let identified = tokio::time::timeout_at(answer_by, identified).await;
    let caller = identified.map_err(|_| too_late(call_id))??;
    let mut request = Request::from_parts(parts, body);
    if rules.draining.is_cancelled() {
        return Err(shutting_down(call_id).into());
    }
    let _admitted = match &caller {
        None => None,
        Some((name, _)) => Some(
            (rules.inbound.admit(name, method, !is_open_stream))
                .map_err(|refusal| rules.refuse(refusal, method, name.as_str(), call_id))?,
        ),
    };
    request.extensions_mut().insert(CallScope {
        call_id: call_id.to_owned(),
        caller,
        deadline,
    });
    let served = serve(routes, request, call_id);
    let served = tokio::time::timeout_at(answer_by, served).await;
    let response = served.map_err(|_| too_late(call_id))??;
    if is_long_stream {
        let end = shutting_down(call_id);
        return Ok(until_draining(response, &rules.draining, end));
    }
    Ok(response)
}

/// Hands a call to its service; a panic there is an answer like any other.
async fn serve(
    mut routes: Routes,
    request: Request<Body>,
    call_id: &str,
) -> Result<Response<Body>, Status> {
    match AssertUnwindSafe(routes.call(request)).catch_unwind().await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(error)) => {
            tracing::error!(call.id = call_id, error = %error, "routing failed");
            Err(internal(call_id))
        }
        Err(_) => {
            tracing::error!(call.id = call_id, "a call panicked");
            Err(internal(call_id))
        }
    }
}

/// Refuses metadata that is larger than allowed, counted as HTTP/2 does (RFC 9113 §6.5.2).
fn check_metadata(headers: &HeaderMap, bytes_max: u32, call_id: &str) -> Result<(), Status> {
    const OVERHEAD: usize = 32;
    let size =
        |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + OVERHEAD;
    let bytes: usize = headers.iter().map(size).sum();
    if bytes <= usize::try_from(bytes_max).unwrap_or(usize::MAX) {
        return Ok(());
    }
    tracing::warn!(call.id = call_id, bytes, "a call's metadata is too large");
    let message = format!("the metadata has {bytes} bytes; at most {bytes_max} are read");
    Err(status(
        ErrorReason::MessageTooLarge,
        call_id,
        &message,
        &[],
        |_| {},
    ))
}

fn shutting_down(call_id: &str) -> Status {
    status(
        ErrorReason::ShuttingDown,
        call_id,
        "this server is shutting down",
        &[],
        |details| {
            details.set_retry_info(Some(Duration::from_secs(1)));
        },
    )
}

pub(super) fn too_many_calls(call_id: &str) -> Status {
    Refusal::CallerConcurrency.status(call_id)
}

pub(super) fn too_many_reports(call_id: &str) -> Status {
    status(
        ErrorReason::CallerConcurrencyLimited,
        call_id,
        "as many reports are open on this server as it makes at once; try again when one has ended",
        &[],
        |details| {
            details.set_retry_info(Some(Duration::from_secs(5)));
            details.add_quota_failure_violation(
                "server",
                "the number of reports that may be open at once",
            );
        },
    )
}

pub(super) fn too_many_watches(call_id: &str) -> Status {
    status(
        ErrorReason::CallerConcurrencyLimited,
        call_id,
        "as many streams of events and grants are open on this server as it has room for",
        &[],
        |details| {
            details.set_retry_info(Some(Duration::from_secs(5)));
            details.add_quota_failure_violation(
                "server",
                "the number of streams of events and grants that may be open at once",
            );
        },
    )
}

pub(super) fn internal(call_id: &str) -> Status {
    status(
        ErrorReason::Internal,
        call_id,
        "an internal fault; the call id finds it in the log",
        &[],
        |_| {},
    )
}

/// Gives an answer that tonic made by itself the code and details that Usher promises.
fn dress(response: Response<Body>, call_id: &str) -> Response<Body> {
    let headers = response.headers();
    let is_bare =
        headers.contains_key("grpc-status") && !headers.contains_key("grpc-status-details-bin");
    let code = headers
        .get("grpc-status")
        .map_or(Code::Ok, |value| Code::from_bytes(value.as_bytes()));
    if !is_bare || code == Code::Ok {
        return response;
    }
    let dressed = match code {
        Code::OutOfRange | Code::ResourceExhausted => status(
            ErrorReason::MessageTooLarge,
            call_id,
            "the message is larger than allowed",
            &[],
            |_| {},
        ),
        Code::Unimplemented => status(
            ErrorReason::NotImplemented,
            call_id,
            "there is no such service, method or message encoding",
            &[],
            |_| {},
        ),
        Code::Internal | Code::InvalidArgument | Code::Unknown => status(
            ErrorReason::MessageMalformed,
            call_id,
            "the message cannot be read as this method's request",
            &[],
            |_| {},
        ),
        Code::Cancelled | Code::DeadlineExceeded => status(
            ErrorReason::DeadlineExceeded,
            call_id,
            "the deadline passed",
            &[],
            |_| {},
        ),
        // Health answers NOT_FOUND for a service that it does not know, as its protocol says.
        _ => return response,
    };
    dressed.into_http()
}

/// Whether this is a gRPC request at all: POST, and a content type of gRPC with protobuf.
fn is_grpc(request: &Request<Body>) -> bool {
    let content_type = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    request.method() == http::Method::POST
        && matches!(
            content_type,
            Some("application/grpc" | "application/grpc+proto")
        )
}

fn refuse_as_http() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    response
}
