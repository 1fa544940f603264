//! The wire: connections in, HTTP/1.1 requests to calls, answers to bytes (aws-api.md §1). Raw hyper,
//! because a scripted fault must be able to end a connection without a reply.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Map, Value};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::call::{Answer, Call, Reply, serve};
use super::control;
use super::credentials::Signature;
use super::failure::{Failure, Service};
use super::query_protocol::{FORM_CONTENT_TYPE, read_form};
use super::state::Shared;

/// Bodies above it are refused.
const BODY_BYTES_AT_MOST: usize = 1024 * 1024;
/// Connections at one time; more wait to be accepted.
const CONNECTIONS_AT_MOST: usize = 1024;
/// For the head of a request, and so for an idle connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(120);
/// For the body of a request.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);
/// Before accepting again after the system refused, for example for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Ends a connection without a reply.
#[derive(Debug, thiserror::Error)]
#[error("the connection is dropped on purpose")]
struct Dropped;

type HttpReply = Response<Full<Bytes>>;

/// Accepts until the simulator ends.
pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_AT_MOST));
    loop {
        let ending = shared.ending.clone();
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            () = ending.cancelled() => return,
            next = next => next,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let of_connection = Arc::clone(&shared);
        shared.tasks.spawn(async move {
            tokio::select! {
                () = of_connection.ending.cancelled() => {}
                () = serve_connection(stream, Arc::clone(&of_connection)) => {}
            }
            drop(place);
        });
    }
}

async fn serve_connection(stream: TcpStream, shared: Arc<Shared>) {
    // Small replies must not wait for each other; a connection that refuses this works too.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(Arc::clone(&shared), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    // A connection ends well, by its client's fault, or because a fault dropped it: all the same.
    let _ = connection.await;
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<HttpReply, Dropped> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, BODY_BYTES_AT_MOST).collect();
    let body = match tokio::time::timeout(BODY_TIMEOUT, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Ok(too_large()),
        Ok(Err(_)) | Err(_) => return Err(Dropped),
    };
    if let Some(path) = head.uri.path().strip_prefix(control::PATH) {
        let query = head.uri.query().unwrap_or_default();
        let (status, reply) = control::answer(&shared, &head.method, path, query, &body);
        return Ok(json_reply(status, &reply));
    }
    let call = read_call(&head.method, &head.headers, &body);
    // In a task of its own: the effect comes even when the client hangs up.
    let ending = shared.ending.clone();
    let of_call = Arc::clone(&shared);
    let task = shared.tasks.spawn(async move {
        tokio::select! {
            () = ending.cancelled() => Answer::Drop,
            answer = serve(of_call, call) => answer,
        }
    });
    match task.await {
        Ok(Answer::Reply(reply)) => Ok(http_reply(reply)),
        Ok(Answer::Drop) | Err(_) => Err(Dropped),
    }
}

fn read_call(method: &Method, headers: &HeaderMap, body: &Bytes) -> Call {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let mut call = Call {
        service: None,
        operation: method.to_string(),
        input: None,
        attempt: text("amz-sdk-request").and_then(attempt_of),
        signature: text("authorization").and_then(Signature::read),
        session_token: text("x-amz-security-token").map(str::to_owned),
    };
    if *method != Method::POST {
        return call;
    }
    let form = text("content-type")
        .unwrap_or_default()
        .starts_with(FORM_CONTENT_TYPE);
    match text("x-amz-target") {
        Some(target) => {
            let (prefix, operation) = target.rsplit_once('.').unwrap_or(("", target));
            call.service = match prefix {
                "SWBExternalService" => Some(Service::SsoAdmin),
                "AWSIdentityStore" => Some(Service::IdentityStore),
                "AWSOrganizationsV20161128" => Some(Service::Organizations),
                _ => None,
            };
            call.operation = operation.to_owned();
            call.input = read_json(body);
        }
        None if form => {
            let members = read_form(body);
            let action = members
                .get("Action")
                .and_then(Value::as_str)
                .unwrap_or_default();
            call.service = Some(Service::Sts);
            call.operation = action.to_owned();
            call.input = Some(members);
        }
        None => call.input = read_json(body),
    }
    call
}

/// An empty body is an empty object.
fn read_json(body: &Bytes) -> Option<Map<String, Value>> {
    if body.is_empty() {
        return Some(Map::new());
    }
    serde_json::from_slice(body).ok()
}

/// N of `attempt=N; max=M`.
fn attempt_of(header: &str) -> Option<u32> {
    let mut parts = header.split(';').map(str::trim);
    parts.find_map(|part| part.strip_prefix("attempt=")?.parse().ok())
}

fn too_large() -> HttpReply {
    let message = format!("The request body is larger than {BODY_BYTES_AT_MOST} bytes.");
    let mut failure = Failure::new("RequestEntityTooLargeException", message);
    failure.http_status = StatusCode::PAYLOAD_TOO_LARGE.as_u16();
    let request_id = uuid::Uuid::new_v4().to_string();
    let (body, content_type) = failure.body(Service::SsoAdmin, &request_id);
    http_reply(Reply {
        http_status: failure.http_status,
        content_type,
        request_id,
        body,
    })
}

fn http_reply(reply: Reply) -> HttpReply {
    let mut response = Response::new(Full::new(Bytes::from(reply.body)));
    *response.status_mut() =
        StatusCode::from_u16(reply.http_status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        http::HeaderValue::from_static(reply.content_type),
    );
    if let Ok(request_id) = reply.request_id.parse() {
        headers.insert(HeaderName::from_static("x-amzn-requestid"), request_id);
    }
    response
}

fn json_reply(status: StatusCode, reply: &Value) -> HttpReply {
    let mut response = Response::new(Full::new(Bytes::from(reply.to_string())));
    *response.status_mut() = status;
    let content_type = http::HeaderValue::from_static("application/json");
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_the_sdks_write_them() {
        assert_eq!(attempt_of("attempt=2; max=3"), Some(2));
        assert_eq!(
            attempt_of("ttl=20260101T000000Z; attempt=1; max=1"),
            Some(1)
        );
        assert_eq!(attempt_of("max=3"), None);
    }
}
