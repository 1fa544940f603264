//! Uses the brake over and over, so that each of its transactions is reached: somebody freezes and
//! unfreezes, retries, and somebody with access is disabled, which is a mass change here. The
//! process may die at any step; then the calls after it fail, and nothing more happens.

use std::time::{Duration, Instant};

use tonic::Status;
use usher::grpc::pb::grant_service_client::GrantServiceClient;
use usher::grpc::pb::operations_service_client::OperationsServiceClient;
use usher::grpc::pb::{
    BrakeState, ConfirmMassChangeRequest, FreezeRequest, FreezeScope, GetGrantRequest, GrantState,
    MassChangeState, RetryNowRequest, UnfreezeRequest,
};
use usher::simulator::Simulator;

use super::common::brake::set_enabled;
use super::common::{TokenChannel, within};

/// How long one call may take.
const CALL_MAX: Duration = Duration::from_secs(5);
/// How long one thing is awaited before the round goes on without it.
const AWAITED_MAX: Duration = Duration::from_secs(8);
/// The pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(30);

/// Whether a crash point is one of the brake's own transactions.
pub(crate) fn is_of_brake(point: &str) -> bool {
    let own = ["freeze", "retry_now", "beneficiary", "mass_change"];
    own.iter().any(|own| point.contains(own))
}

/// Uses everything once, with a grant of a user's who leaves.
///
/// # Errors
/// The process is gone, or refuses what it should not: whoever waits for its death tells that.
pub(crate) async fn use_brake(
    channel: &TokenChannel,
    (grant_id, user_id): (&str, &String),
    simulator: &Simulator,
) -> Result<(), Status> {
    let mut operations = OperationsServiceClient::new(channel.clone());
    // Only ends are frozen: what other calls ask for is still made.
    let scope = FreezeScope::Revocations.into();
    let freeze = FreezeRequest {
        scope,
        ..FreezeRequest::default()
    };
    operations.freeze(within(freeze, CALL_MAX)).await?;
    look_at_brake(&mut operations).await?;
    let retry = RetryNowRequest {
        grant_id: grant_id.to_owned(),
        ..RetryNowRequest::default()
    };
    operations.retry_now(within(retry, CALL_MAX)).await?;
    await_state(channel, grant_id, GrantState::Active).await?;
    set_enabled(simulator, std::slice::from_ref(user_id), false);
    let began = Instant::now();
    while began.elapsed() < AWAITED_MAX {
        let brake = look_at_brake(&mut operations).await?;
        let mut changes = brake.mass_changes.into_iter();
        let held = changes.find(|change| change.state() == MassChangeState::Held);
        if let Some(held) = held {
            let confirm = ConfirmMassChangeRequest {
                mass_change_id: held.id,
                ..ConfirmMassChangeRequest::default()
            };
            operations
                .confirm_mass_change(within(confirm, CALL_MAX))
                .await?;
            break;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    await_state(channel, grant_id, GrantState::Revoked).await
}

/// Lets everything go on, which also tells what is stopped.
pub(crate) async fn look_at_brake(
    operations: &mut OperationsServiceClient<TokenChannel>,
) -> Result<BrakeState, Status> {
    let unfreeze = UnfreezeRequest {
        scope: FreezeScope::All.into(),
        ..UnfreezeRequest::default()
    };
    let answer = operations.unfreeze(within(unfreeze, CALL_MAX)).await?;
    Ok(answer.into_inner().brake.unwrap_or_default())
}

/// Waits for a state, a while at most.
async fn await_state(
    channel: &TokenChannel,
    grant_id: &str,
    wanted: GrantState,
) -> Result<(), Status> {
    let mut grants = GrantServiceClient::new(channel.clone());
    let began = Instant::now();
    while began.elapsed() < AWAITED_MAX {
        let request = GetGrantRequest {
            grant_id: grant_id.to_owned(),
        };
        let answer = grants.get_grant(within(request, CALL_MAX)).await?;
        let grant = answer.into_inner().grant.unwrap_or_default();
        if grant.state() == wanted {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}
