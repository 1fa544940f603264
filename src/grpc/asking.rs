//! What commands ask a running server, besides adoptions. Nothing here decides.

use super::client::{ClientError, ServerConnection, refused};
use super::pb;
use super::pb::budget_service_client::BudgetServiceClient;

impl ServerConnection {
    /// How the budget of an instance is used; an empty name means the only instance.
    ///
    /// # Errors
    /// What the server refuses, as sentences.
    pub async fn budget(&self, instance: &str) -> Result<pb::GetBudgetResponse, ClientError> {
        let request = self.request(pb::GetBudgetRequest {
            instance: instance.to_owned(),
        });
        let mut client = BudgetServiceClient::new(self.channel());
        let answer = client.get_budget(request).await;
        answer
            .map(tonic::Response::into_inner)
            .map_err(|status| refused(&status))
    }
}

/// A duration of an answer, in seconds.
#[must_use]
pub fn seconds(duration: &prost_types::Duration) -> f64 {
    duration.seconds as f64 + f64::from(duration.nanos) / 1e9
}
