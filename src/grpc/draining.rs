//! Long streams at shutdown: Health/Watch, reflection and reports have no end of their own that a
//! drain could wait for, so they end with SHUTTING_DOWN when it begins.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Response};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;
use tonic::body::Body;

/// A body that ends with a status of its own when the server begins to drain.
struct UntilDraining {
    inner: Body,
    draining: Pin<Box<WaitForCancellationFutureOwned>>,
    /// The status of the end; gone once it is sent.
    end: Option<Status>,
}

/// Lets the answer's stream go on until `draining`, then ends it with `end`. What the stream has
/// ready is sent first, so that a watcher hears NOT_SERVING.
pub(super) fn until_draining(
    response: Response<Body>,
    draining: &CancellationToken,
    end: Status,
) -> Response<Body> {
    response.map(|inner| {
        Body::new(UntilDraining {
            inner,
            draining: Box::pin(draining.clone().cancelled_owned()),
            end: Some(end),
        })
    })
}

impl HttpBody for UntilDraining {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.end.is_none() {
            return Poll::Ready(None);
        }
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(context) {
            return Poll::Ready(frame);
        }
        if self.draining.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        let mut trailers = HeaderMap::new();
        match self.end.take() {
            None => Poll::Ready(None),
            Some(end) => match end.add_header(&mut trailers) {
                Ok(()) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
                Err(status) => Poll::Ready(Some(Err(status))),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.end.is_none() || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_stream_that_never_ends_ends_with_the_drain() {
        let silent = http_body_util::StreamBody::new(futures_util::stream::pending::<
            Result<Frame<Bytes>, Status>,
        >());
        let draining = CancellationToken::new();
        let response = Response::new(Body::new(silent));
        let response = until_draining(response, &draining, Status::unavailable("ends"));
        draining.cancel();
        let whole = response.into_body().collect().await.unwrap();
        assert_eq!(whole.trailers().unwrap().get("grpc-status").unwrap(), "14");
    }

    #[tokio::test]
    async fn what_is_ready_is_sent_first() {
        let draining = CancellationToken::new();
        draining.cancel();
        let ready = http_body_util::Full::new(Bytes::from_static(b"NOT_SERVING"));
        let response = Response::new(Body::new(ready));
        let response = until_draining(response, &draining, Status::unavailable("ends"));
        let whole = response.into_body().collect().await.unwrap();
        assert!(whole.trailers().is_none());
        assert_eq!(whole.to_bytes(), "NOT_SERVING");
    }
}
