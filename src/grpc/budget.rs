//! BudgetService: a few lines a method.

use tonic::{Request, Response, Status};

use super::answer::answer;
use super::{convert, pb};
use crate::app::App;

/// The service over the use case.
pub(super) struct BudgetService(pub(super) App);

#[tonic::async_trait]
impl pb::budget_service_server::BudgetService for BudgetService {
    async fn get_budget(
        &self,
        request: Request<pb::GetBudgetRequest>,
    ) -> Result<Response<pb::GetBudgetResponse>, Status> {
        answer(request, |context, message| async move {
            let asked = convert::instance_name(message.instance)?;
            let budget = self.0.budget(&context, &asked).await?;
            Ok(convert::budget(budget))
        })
        .await
    }
}
