//! EventService: a few lines a method.

use tonic::{Request, Response, Status};

use super::answer::{answer, take_apart};
use super::status::status_of;
use super::watches::{BoxStream, OpenWatches, watch_stream};
use super::{convert, pb};
use crate::app::App;

/// The service over the use cases.
pub(super) struct EventService {
    pub(super) app: App,
    pub(super) watches: OpenWatches,
}

#[tonic::async_trait]
impl pb::event_service_server::EventService for EventService {
    async fn list_events(
        &self,
        request: Request<pb::ListEventsRequest>,
    ) -> Result<Response<pb::ListEventsResponse>, Status> {
        answer(request, |context, message| async move {
            let request = convert::list_events(message)?;
            let page = self.app.list_events(&context, &request).await?;
            Ok(pb::ListEventsResponse {
                events: page.events.into_iter().map(convert::event).collect(),
                next_page_token: page.next_page_token,
            })
        })
        .await
    }

    type WatchEventsStream = BoxStream<pb::WatchEventsResponse>;

    async fn watch_events(
        &self,
        request: Request<pb::WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        let (context, call_id, message) = take_apart(request)?;
        let place = self.watches.try_open(&context.counted_as(), &call_id)?;
        let started = async {
            let request = convert::watch_events(message)?;
            self.app.watch_events(&context, request).await
        };
        let messages = started.await.map_err(|error| status_of(&error, &call_id))?;
        Ok(watch_stream(
            messages,
            place,
            call_id,
            convert::watched_event,
        ))
    }

    async fn get_log_head(
        &self,
        request: Request<pb::GetLogHeadRequest>,
    ) -> Result<Response<pb::GetLogHeadResponse>, Status> {
        answer(request, |context, message| async move {
            let instance = convert::instance_name(message.instance)?;
            let (head, public_key) = self.app.log_head(&context, &instance).await?;
            Ok(pb::GetLogHeadResponse {
                head: head.map(convert::log_head).transpose()?,
                public_key,
            })
        })
        .await
    }
}
