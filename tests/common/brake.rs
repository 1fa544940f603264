//! The brake as operators use it: calls, and people in the simulated identity store who come and go.

use usher::grpc::pb::operations_service_client::OperationsServiceClient;
use usher::grpc::pb::{
    BrakeState, ConfirmMassChangeRequest, FreezeRequest, FreezeScope, Grant, MassChange,
    RetryNowRequest, UnfreezeRequest,
};
use usher::simulator::{EnabledStatus, Simulator};

use super::{TestService, TokenChannel, in_time};

/// Calls Freeze.
pub async fn freeze(
    mut client: OperationsServiceClient<TokenChannel>,
    scope: FreezeScope,
) -> BrakeState {
    let request = FreezeRequest {
        scope: scope.into(),
        reason: "a test of the brake".to_owned(),
        ..FreezeRequest::default()
    };
    let answer = client.freeze(in_time(request)).await;
    let answer = answer.expect("an answer to Freeze").into_inner();
    answer.brake.expect("the brake")
}

/// Calls Unfreeze.
pub async fn unfreeze(
    mut client: OperationsServiceClient<TokenChannel>,
    scope: FreezeScope,
) -> BrakeState {
    let request = UnfreezeRequest {
        scope: scope.into(),
        reason: "a test of the brake".to_owned(),
        ..UnfreezeRequest::default()
    };
    let answer = client.unfreeze(in_time(request)).await;
    let answer = answer.expect("an answer to Unfreeze").into_inner();
    answer.brake.expect("the brake")
}

/// Enables or disables users, by id.
pub fn set_enabled(simulator: &Simulator, user_ids: &[String], is_enabled: bool) {
    let status = match is_enabled {
        true => EnabledStatus::Enabled,
        false => EnabledStatus::Disabled,
    };
    simulator.edit_world(|world| {
        let users = world.users.iter_mut();
        for user in users.filter(|user| user_ids.contains(&user.user_id)) {
            user.user_status = Some(status);
        }
    });
}

impl TestService {
    /// Calls Freeze.
    pub async fn freeze(&self, scope: FreezeScope) -> BrakeState {
        freeze(self.operations(), scope).await
    }

    /// Calls Unfreeze.
    pub async fn unfreeze(&self, scope: FreezeScope) -> BrakeState {
        unfreeze(self.operations(), scope).await
    }

    /// Calls RetryNow.
    pub async fn retry_now(&self, grant_id: &str) -> Grant {
        let request = RetryNowRequest {
            grant_id: grant_id.to_owned(),
            ..RetryNowRequest::default()
        };
        let answer = self.operations().retry_now(in_time(request)).await;
        let answer = answer.expect("an answer to RetryNow").into_inner();
        answer.grant.expect("the answer holds the grant")
    }

    /// Calls ConfirmMassChange.
    pub async fn confirm_mass_change(&self, id: &str) -> MassChange {
        let request = ConfirmMassChangeRequest {
            mass_change_id: id.to_owned(),
            ..ConfirmMassChangeRequest::default()
        };
        let answer = self
            .operations()
            .confirm_mass_change(in_time(request))
            .await
            .expect("an answer to ConfirmMassChange");
        answer.into_inner().mass_change.expect("the mass change")
    }
}
