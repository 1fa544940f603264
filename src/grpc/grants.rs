//! GrantService: a few lines a method.

use tonic::{Request, Response, Status};

use super::answer::{answer, take_apart};
use super::status::status_of;
use super::watches::{BoxStream, OpenWatches, watch_stream};
use super::written_grants::WrittenGrants;
use super::{convert, pb};
use crate::app::App;

/// The service over the use cases.
pub(super) struct GrantService {
    pub(super) app: App,
    pub(super) watches: OpenWatches,
    pub(super) written: WrittenGrants,
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
                grant: Some(self.written.of(grant)),
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

    async fn approve_grant(
        &self,
        request: Request<pb::ApproveGrantRequest>,
    ) -> Result<Response<pb::ApproveGrantResponse>, Status> {
        answer(request, |context, message| async move {
            let grant = self
                .app
                .decide_grant(&context, &convert::approve(message)?)
                .await?;
            Ok(pb::ApproveGrantResponse {
                grant: Some(convert::grant(grant)),
            })
        })
        .await
    }

    async fn deny_grant(
        &self,
        request: Request<pb::DenyGrantRequest>,
    ) -> Result<Response<pb::DenyGrantResponse>, Status> {
        answer(request, |context, message| async move {
            let grant = self
                .app
                .decide_grant(&context, &convert::deny(message)?)
                .await?;
            Ok(pb::DenyGrantResponse {
                grant: Some(convert::grant(grant)),
            })
        })
        .await
    }

    async fn cancel_grant(
        &self,
        request: Request<pb::CancelGrantRequest>,
    ) -> Result<Response<pb::CancelGrantResponse>, Status> {
        answer(request, |context, message| async move {
            let grant = self
                .app
                .close_grant(&context, &convert::cancel(message)?)
                .await?;
            Ok(pb::CancelGrantResponse {
                grant: Some(convert::grant(grant)),
            })
        })
        .await
    }

    async fn review_grant(
        &self,
        request: Request<pb::ReviewGrantRequest>,
    ) -> Result<Response<pb::ReviewGrantResponse>, Status> {
        answer(request, |context, message| async move {
            let grant = self
                .app
                .close_grant(&context, &convert::review(message)?)
                .await?;
            Ok(pb::ReviewGrantResponse {
                grant: Some(convert::grant(grant)),
            })
        })
        .await
    }

    async fn extend_grant(
        &self,
        request: Request<pb::ExtendGrantRequest>,
    ) -> Result<Response<pb::ExtendGrantResponse>, Status> {
        answer(request, |context, message| async move {
            let request = convert::extend(message)?;
            let outcome = self.app.extend_grant(&context, &request).await?;
            Ok(convert::extend_response(outcome))
        })
        .await
    }

    async fn adopt_assignments(
        &self,
        request: Request<pb::AdoptAssignmentsRequest>,
    ) -> Result<Response<pb::AdoptAssignmentsResponse>, Status> {
        answer(request, |context, message| async move {
            let request = convert::adopt(message)?;
            let rows = self.app.adopt_assignments(&context, &request).await;
            Ok(convert::adopt_response(rows))
        })
        .await
    }

    async fn release_grants(
        &self,
        request: Request<pb::ReleaseGrantsRequest>,
    ) -> Result<Response<pb::ReleaseGrantsResponse>, Status> {
        answer(request, |context, message| async move {
            let (ids, reason) = convert::release(&message)?;
            let outcomes = self.app.release_grants(&context, &ids, &reason).await;
            Ok(convert::release_response(outcomes))
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
