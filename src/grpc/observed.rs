//! Around the gate: counts every call, whatever becomes of it. The code is the one that the caller
//! gets, from the trailers, or from the headers of an answer without a body; it is counted when the
//! answer is at its end. Nothing of a call is changed here.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::Service;

use super::call_metrics::{CallMetrics, CallRecord};

/// A service whose calls are counted.
#[derive(Clone)]
pub(super) struct Observed<S> {
    inner: S,
    metrics: Arc<CallMetrics>,
}

impl<S> Observed<S> {
    pub(super) fn new(inner: S, metrics: Arc<CallMetrics>) -> Self {
        Self { inner, metrics }
    }
}

impl<S> Service<Request<Body>> for Observed<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Unpin,
{
    type Response = Response<ObservedBody>;
    type Error = Infallible;
    type Future = ObservedCall<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let record = self.metrics.begin(request.uri().path());
        ObservedCall {
            record: Some(record),
            inner: self.inner.call(request),
        }
    }
}

/// A call until its answer begins.
pub(super) struct ObservedCall<F> {
    /// Gone with the answer.
    record: Option<CallRecord>,
    inner: F,
}

impl<F> Future for ObservedCall<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>> + Unpin,
{
    type Output = Result<Response<ObservedBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Poll::Ready(Ok(response)) = Pin::new(&mut self.inner).poll(context) else {
            return Poll::Pending;
        };
        let mut record = self.record.take();
        let (head, inner) = response.into_parts();
        // No body follows: the transport does not ask for one.
        if inner.is_end_stream()
            && let Some(record) = &mut record
        {
            record.end(code_of_head(head.status, &head.headers));
        }
        let body = ObservedBody { inner, record };
        Poll::Ready(Ok(Response::from_parts(head, body)))
    }
}

/// An answer until its end.
pub(super) struct ObservedBody {
    inner: Body,
    record: Option<CallRecord>,
}

impl HttpBody for ObservedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        let code = match &polled {
            Poll::Pending => None,
            Poll::Ready(Some(Ok(frame))) => frame.trailers_ref().map(code_of_trailers),
            Poll::Ready(Some(Err(status))) => Some(status.code()),
            // Without trailers nobody knows how it went.
            Poll::Ready(None) => Some(Code::Unknown),
        };
        if let (Some(code), Some(record)) = (code, &mut self.record) {
            record.end(code);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

fn code_of_trailers(trailers: &HeaderMap) -> Code {
    let code = trailers.get("grpc-status");
    code.map_or(Code::Unknown, |code| Code::from_bytes(code.as_bytes()))
}

/// The code of an answer that is a head alone. One that is no gRPC counts as unknown, as clients
/// take it.
fn code_of_head(status: StatusCode, headers: &HeaderMap) -> Code {
    match status {
        StatusCode::OK => code_of_trailers(headers),
        _ => Code::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::{BodyExt as _, StreamBody};
    use tower::{ServiceExt as _, service_fn};

    use super::*;
    use crate::metrics::Metrics;

    const REPORT: &str = "/usher.v1.AccessService/AuditReport";

    /// How calls of the report ended by now.
    fn ended(metrics: &Arc<CallMetrics>) -> Vec<String> {
        let mut all = Metrics::default();
        all.add(metrics.clone());
        let page = all.page();
        let lines = page.lines().filter(|line| {
            line.starts_with("grpc_server_handled_total{") && line.contains("\"AuditReport\"")
        });
        let words = lines.filter_map(|line| line.split("grpc_code=\"").nth(1));
        words.map(|words| words.replace("\"}", "")).collect()
    }

    async fn answered(
        metrics: &Arc<CallMetrics>,
        response: impl Fn() -> Response<Body>,
    ) -> ObservedBody {
        let inner = service_fn(|_| std::future::ready(Ok::<_, Infallible>(response())));
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = REPORT.parse().unwrap();
        let observed = Observed::new(inner, metrics.clone());
        observed.oneshot(request).await.unwrap().into_body()
    }

    fn frames(frames: Vec<Result<Frame<Bytes>, Status>>) -> Response<Body> {
        Response::new(Body::new(StreamBody::new(stream::iter(frames))))
    }

    fn data() -> Result<Frame<Bytes>, Status> {
        Ok(Frame::data(Bytes::from_static(b"rows")))
    }

    #[tokio::test]
    async fn the_code_is_that_of_the_trailers_and_counted_with_them() {
        let metrics = Arc::new(CallMetrics::new());
        let mut trailers = HeaderMap::new();
        let unavailable = Status::unavailable("ends");
        unavailable.add_header(&mut trailers).unwrap();
        let mut body = answered(&metrics, || {
            frames(vec![data(), Ok(Frame::trailers(trailers.clone()))])
        })
        .await;
        body.frame().await.unwrap().unwrap();
        assert_eq!(ended(&metrics), Vec::<String>::new());
        body.frame().await.unwrap().unwrap();
        assert_eq!(ended(&metrics), ["Unavailable 1"]);
        drop(body);
        assert_eq!(ended(&metrics), ["Unavailable 1"]);
    }

    #[tokio::test]
    async fn an_answer_that_breaks_or_has_no_trailers_or_no_reader_has_its_code() {
        let metrics = Arc::new(CallMetrics::new());
        let broken = || frames(vec![data(), Err(Status::internal("broken"))]);
        let collected = answered(&metrics, broken).await.collect().await;
        assert!(collected.is_err());
        let bare = || frames(vec![data()]);
        let collected = answered(&metrics, bare).await.collect().await;
        assert!(collected.is_ok());
        drop(answered(&metrics, bare).await);
        assert_eq!(ended(&metrics), ["Canceled 1", "Unknown 1", "Internal 1"]);
    }

    #[tokio::test]
    async fn an_answer_of_a_head_alone_is_counted_with_it() {
        let metrics = Arc::new(CallMetrics::new());
        drop(answered(&metrics, || Status::not_found("none").into_http()).await);
        drop(
            answered(&metrics, || {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
                response
            })
            .await,
        );
        assert_eq!(ended(&metrics), ["Unknown 1", "NotFound 1"]);
    }
}
