//! Somebody wants access from later on and takes the wish back: a decision that changes nothing in AWS.

use std::time::{Duration, SystemTime};

use tonic::Status;
use usher::grpc::pb::CancelGrantRequest;
use usher::grpc::pb::access_service_client::AccessServiceClient;
use usher::grpc::pb::grant_service_client::GrantServiceClient;

use super::common::{TokenChannel, Triple, within};

/// How long one call may take.
const CALL_MAX: Duration = Duration::from_secs(5);
/// When it would begin: never while a history lasts.
const BEGINS_IN: Duration = Duration::from_secs(3600);

/// Asks and takes it back.
///
/// # Errors
/// The process is gone, which is what is waited for.
pub(crate) async fn change_ones_mind(
    channel: &TokenChannel,
    triple: &Triple,
) -> Result<(), Status> {
    let mut request = triple.assign();
    request.start_time = Some((SystemTime::now() + BEGINS_IN).into());
    let mut access = AccessServiceClient::new(channel.clone());
    let asked = access.assign(within(request, CALL_MAX)).await?.into_inner();
    let cancel = CancelGrantRequest {
        grant_id: asked.grant.unwrap_or_default().id,
        ..CancelGrantRequest::default()
    };
    let mut grants = GrantServiceClient::new(channel.clone());
    grants.cancel_grant(within(cancel, CALL_MAX)).await?;
    Ok(())
}
