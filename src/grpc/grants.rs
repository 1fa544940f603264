//! GrantService: a few lines a method.

use tonic::{Request, Response, Status};

use super::answer::answer;
use super::{convert, pb};
use crate::app::App;

/// The service over the use cases.
pub(super) struct GrantService(pub(super) App);

#[tonic::async_trait]
impl pb::grant_service_server::GrantService for GrantService {
    async fn get_grant(
        &self,
        request: Request<pb::GetGrantRequest>,
    ) -> Result<Response<pb::GetGrantResponse>, Status> {
        answer(request, |context, message| async move {
            let id = convert::grant_id(&message.grant_id)?;
            let grant = self.0.get_grant(&context, &id).await?;
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
                .0
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
                .0
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
                .0
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
                .0
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
                .0
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
            let outcome = self.0.extend_grant(&context, &request).await?;
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
            let rows = self.0.adopt_assignments(&context, &request).await;
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
            let outcomes = self.0.release_grants(&context, &ids, &reason).await;
            Ok(convert::release_response(outcomes))
        })
        .await
    }
}
