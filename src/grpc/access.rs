//! AccessService: a few lines a method.

use tonic::{Request, Response, Status};

use super::answer::answer;
use super::limits::OpenCalls;
use super::{convert, pb};
use crate::app::App;

/// The service over the use cases.
pub(super) struct AccessService {
    app: App,
    reports: OpenCalls,
}

impl AccessService {
    pub(super) fn new(app: App, reports: OpenCalls) -> Self {
        Self { app, reports }
    }
}

#[tonic::async_trait]
impl pb::access_service_server::AccessService for AccessService {
    async fn list_assignments(
        &self,
        request: Request<pb::ListAssignmentsRequest>,
    ) -> Result<Response<pb::ListAssignmentsResponse>, Status> {
        answer(request, |context, message| async move {
            let page = self
                .app
                .list_assignments(&context, &convert::list_assignments(message)?)
                .await?;
            Ok(convert::list_assignments_response(page))
        })
        .await
    }

    async fn assign(
        &self,
        request: Request<pb::AssignRequest>,
    ) -> Result<Response<pb::AssignResponse>, Status> {
        answer(request, |context, message| async move {
            let outcome = self
                .app
                .assign(&context, &convert::assign(message)?)
                .await?;
            Ok(convert::assign_response(outcome))
        })
        .await
    }

    async fn revoke(
        &self,
        request: Request<pb::RevokeRequest>,
    ) -> Result<Response<pb::RevokeResponse>, Status> {
        answer(request, |context, message| async move {
            let outcome = self
                .app
                .revoke(&context, &convert::revoke(message)?)
                .await?;
            Ok(convert::revoke_response(outcome))
        })
        .await
    }

    type AuditReportStream =
        tokio_stream::wrappers::ReceiverStream<Result<pb::AuditReportResponse, Status>>;

    async fn audit_report(
        &self,
        _request: Request<pb::AuditReportRequest>,
    ) -> Result<Response<Self::AuditReportStream>, Status> {
        todo!()
    }
}
