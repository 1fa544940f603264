//! What has to be right about a call before its operation is asked: the signature's scope and the
//! quota. Decides nothing about the operation itself.

use super::call::Call;
use super::credentials::Identity;
use super::failure::{Failure, Service};
use super::operations::{self, Operation};
use super::quota::Question;
use super::state::State;

/// Whether the quota lets the call in: it spends from the bucket of what it names, if that exists.
pub(super) fn may_pass(
    state: &mut State,
    call: &Call,
    operation: &Operation,
    identity: &Identity,
    now_seconds: f64,
) -> bool {
    let text = |member: &str| call.input.as_ref()?.get(member)?.as_str();
    let world = &state.store;
    let store = text("IdentityStoreId").map(operations::bare_id);
    let application = text("ApplicationArn").and_then(|arn| world.applications.get(arn));
    let instance = application.map(|row| row.instance_arn.as_str());
    let instance = instance.or_else(|| text("InstanceArn"));
    let instance = instance.and_then(|arn| world.instances.get(arn));
    let account = match operation.service {
        Service::Organizations => identity.caller.account_id.clone(),
        _ => world.quota_account(&identity.caller, instance),
    };
    let question = Question {
        service: operation.service,
        operation: operation.name,
        store: store.filter(|store| world.instance_of_store(store).is_some()),
        region: identity.region.as_deref(),
        account: &account,
    };
    state
        .quotas
        .admit(&state.settings, &state.switches, &question, now_seconds)
}

/// The signature itself is not checked: aws-api.md §1.
pub(super) fn check_signature(service: Service, signed_for: Option<&str>) -> Result<(), Failure> {
    let wanted = service.signing_name();
    match signed_for {
        Some(name) if name == wanted => Ok(()),
        Some(_) => Err(Failure::new(
            "InvalidSignatureException",
            format!("Credential should be scoped to correct service: '{wanted}'."),
        )),
        None => Err(Failure::new(
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
        )),
    }
}
