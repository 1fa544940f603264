//! OperationsService: a few lines a method.

use tonic::{Request, Response, Status};

use super::answer::answer;
use super::{convert, pb};
use crate::app::App;

/// The service over the use cases.
pub(super) struct OperationsService(pub(super) App);

#[tonic::async_trait]
impl pb::operations_service_server::OperationsService for OperationsService {
    async fn freeze(
        &self,
        request: Request<pb::FreezeRequest>,
    ) -> Result<Response<pb::FreezeResponse>, Status> {
        answer(request, |context, message| async move {
            let brake = self.0.freeze(&context, &convert::freeze(message)?).await?;
            Ok(pb::FreezeResponse {
                brake: Some(convert::brake_state(brake)),
            })
        })
        .await
    }

    async fn unfreeze(
        &self,
        request: Request<pb::UnfreezeRequest>,
    ) -> Result<Response<pb::UnfreezeResponse>, Status> {
        answer(request, |context, message| async move {
            let brake = self
                .0
                .unfreeze(&context, &convert::unfreeze(message)?)
                .await?;
            Ok(pb::UnfreezeResponse {
                brake: Some(convert::brake_state(brake)),
            })
        })
        .await
    }

    async fn retry_now(
        &self,
        request: Request<pb::RetryNowRequest>,
    ) -> Result<Response<pb::RetryNowResponse>, Status> {
        answer(request, |context, message| async move {
            let grant = self
                .0
                .retry_now(&context, &convert::retry_now(message)?)
                .await?;
            Ok(pb::RetryNowResponse {
                grant: Some(convert::grant(grant)),
            })
        })
        .await
    }

    async fn confirm_mass_change(
        &self,
        request: Request<pb::ConfirmMassChangeRequest>,
    ) -> Result<Response<pb::ConfirmMassChangeResponse>, Status> {
        answer(request, |context, message| async move {
            let change = self
                .0
                .confirm_mass_change(&context, &convert::confirm_mass_change(message)?)
                .await?;
            Ok(pb::ConfirmMassChangeResponse {
                mass_change: Some(convert::mass_change(&change)),
            })
        })
        .await
    }
}
