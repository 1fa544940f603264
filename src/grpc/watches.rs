//! Streams of events and grants: their places, of each caller and of all together, and how a use case's
//! messages become the wire's. The drain ends them (`draining`), the deadline at the latest.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::Stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{Response, Status};

use super::gate::{too_many_calls, too_many_watches};
use super::limits::{LimitsConfig, OpenCall, OpenCalls};
use super::status::status_of;
use crate::app::{Watch, Watched};
use crate::domain::CallerName;

/// A stream of answers.
pub(super) type BoxStream<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Counts streams; every clone is the same.
#[derive(Clone)]
pub(super) struct OpenWatches {
    by_caller: OpenCalls,
    all: Arc<Semaphore>,
}

/// A stream's places, taken until dropped.
pub(super) struct OpenWatch {
    _own: OpenCall,
    _of_all: OwnedSemaphorePermit,
}

impl OpenWatches {
    pub(super) fn new(limits: &LimitsConfig) -> Self {
        Self {
            by_caller: OpenCalls::new(limits.watches_per_caller_max),
            all: Arc::new(Semaphore::new(limits.watches_max)),
        }
    }

    pub(super) fn try_open(&self, caller: &CallerName, call_id: &str) -> Result<OpenWatch, Status> {
        let own = (self.by_caller.try_open(caller)).ok_or_else(|| too_many_calls(call_id))?;
        let of_all = self.all.clone().try_acquire_owned();
        Ok(OpenWatch {
            _own: own,
            _of_all: of_all.map_err(|_| too_many_watches(call_id))?,
        })
    }
}

/// The messages of a watcher as an answer, which counts as open until it is dropped.
pub(super) fn watch_stream<T: Send + 'static, M: Send + 'static>(
    messages: Watch<T>,
    place: OpenWatch,
    call_id: String,
    convert: fn(Watched<T>) -> M,
) -> Response<BoxStream<M>> {
    let state = Some((messages, place, call_id));
    let stream = futures_util::stream::unfold(state, move |state| async move {
        let (mut messages, place, call_id) = state?;
        match messages.recv().await? {
            Ok(message) => Some((Ok(convert(message)), Some((messages, place, call_id)))),
            Err(error) => Some((Err(status_of(&error, &call_id)), None)),
        }
    });
    Response::new(Box::pin(stream))
}
