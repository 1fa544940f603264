//! DirectoryService: a few lines a method.

use tonic::{Request, Response, Status};

use super::answer::answer;
use super::{convert, pb};
use crate::app::App;

/// The service over the use cases.
pub(super) struct DirectoryService(pub(super) App);

#[tonic::async_trait]
impl pb::directory_service_server::DirectoryService for DirectoryService {
    async fn list_instances(
        &self,
        request: Request<pb::ListInstancesRequest>,
    ) -> Result<Response<pb::ListInstancesResponse>, Status> {
        answer(request, |context, _| async move {
            let instances = self.0.list_instances(&context).await?;
            let instances = instances.iter();
            let instances = instances.map(|instance| convert::instance(instance));
            Ok(pb::ListInstancesResponse {
                instances: instances.collect(),
            })
        })
        .await
    }

    async fn who_am_i(
        &self,
        request: Request<pb::WhoAmIRequest>,
    ) -> Result<Response<pb::WhoAmIResponse>, Status> {
        answer(request, |context, message| async move {
            let known = self.0.who_am_i(&context, &message.instance).await?;
            Ok(convert::who_am_i(known))
        })
        .await
    }

    async fn explain_access(
        &self,
        request: Request<pb::ExplainAccessRequest>,
    ) -> Result<Response<pb::ExplainAccessResponse>, Status> {
        answer(request, |context, message| async move {
            let request = convert::explain_access(message)?;
            let explanation = self.0.explain_access(&context, &request).await?;
            Ok(convert::explanation(explanation))
        })
        .await
    }

    async fn list_applications(
        &self,
        request: Request<pb::ListApplicationsRequest>,
    ) -> Result<Response<pb::ListApplicationsResponse>, Status> {
        answer(request, |context, message| async move {
            let request = convert::list_applications(message)?;
            let listed = self.0.list_applications(&context, &request).await?;
            Ok(pb::ListApplicationsResponse {
                applications: listed.rows.into_iter().map(convert::application).collect(),
                next_page_token: listed.next_page_token,
                as_of: Some(convert::timestamp(listed.as_of)),
            })
        })
        .await
    }

    async fn list_accounts(
        &self,
        request: Request<pb::ListAccountsRequest>,
    ) -> Result<Response<pb::ListAccountsResponse>, Status> {
        answer(request, |context, message| async move {
            let request = convert::list_accounts(message)?;
            let listed = self.0.list_accounts(&context, &request).await?;
            Ok(pb::ListAccountsResponse {
                accounts: listed.rows.into_iter().map(convert::account).collect(),
                next_page_token: listed.next_page_token,
                as_of: Some(convert::timestamp(listed.as_of)),
            })
        })
        .await
    }

    async fn list_permission_sets(
        &self,
        request: Request<pb::ListPermissionSetsRequest>,
    ) -> Result<Response<pb::ListPermissionSetsResponse>, Status> {
        answer(request, |context, message| async move {
            let request = convert::list_permission_sets(message)?;
            let listed = self.0.list_permission_sets(&context, &request).await?;
            let permission_sets = listed.rows.into_iter();
            Ok(pb::ListPermissionSetsResponse {
                permission_sets: permission_sets.map(convert::permission_set).collect(),
                next_page_token: listed.next_page_token,
                as_of: Some(convert::timestamp(listed.as_of)),
            })
        })
        .await
    }

    async fn list_principals(
        &self,
        request: Request<pb::ListPrincipalsRequest>,
    ) -> Result<Response<pb::ListPrincipalsResponse>, Status> {
        answer(request, |context, message| async move {
            let listed = self
                .0
                .list_principals(&context, &convert::list_principals(message)?)
                .await?;
            Ok(pb::ListPrincipalsResponse {
                principals: listed
                    .rows
                    .into_iter()
                    .map(convert::principal_entry)
                    .collect(),
                next_page_token: listed.next_page_token,
                as_of: Some(convert::timestamp(listed.as_of)),
            })
        })
        .await
    }
}
