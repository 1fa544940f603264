//! GrantService: a few lines a method.

use tonic::{Request, Response, Status};

use super::answer::{answer, take_apart};
use super::status::status_of;
use super::watches::{BoxStream, OpenWatches, watch_stream};
use super::{convert, pb};
use crate::app::App;

/// The service over the use cases.
pub(super) struct GrantService {
    pub(super) app: App,
    pub(super) watches: OpenWatches,
}

#[tonic::async_trait]
impl pb::grant_service_server::GrantService for GrantService {
    async fn get_grant(
        &self,
        request: Request<pb::GetGrantRequest>,
    ) -> Result<Response<pb::GetGrantResponse>, Status> {
        answer(request, |context, message| async move {
            let id = convert::grant_id(&message.grant_id)?;
            let grant = self.app.get_grant(&context, &id).await?;
            Ok(pb::GetGrantResponse {
                grant: Some(convert::grant(grant)),
            })
        })
        .await
    }

    async fn list_grants(
        &self,
        request: Request<pb::ListGrantsRequest>,
    ) -> Result<Response<pb::ListGrantsResponse>, Status> {
        answer(request, |context, message| async move {
            let page = self
                .app
                .list_grants(&context, &convert::list_grants(message)?)
                .await?;
            Ok(pb::ListGrantsResponse {
                grants: page.grants.into_iter().map(convert::grant).collect(),
                next_page_token: page.next_page_token,
            })
        })
        .await
    }

    type WatchGrantsStream = BoxStream<pb::WatchGrantsResponse>;

    async fn watch_grants(
        &self,
        request: Request<pb::WatchGrantsRequest>,
    ) -> Result<Response<Self::WatchGrantsStream>, Status> {
        let (context, call_id, message) = take_apart(request)?;
        let place = self.watches.try_open(&context.counted_as(), &call_id)?;
        let started = async {
            let request = convert::watch_grants(message)?;
            self.app.watch_grants(&context, request).await
        };
        let messages = started.await.map_err(|error| status_of(&error, &call_id))?;
        Ok(watch_stream(
            messages,
            place,
            call_id,
            convert::watched_grant,
        ))
    }
}
