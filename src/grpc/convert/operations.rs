//! The brake, between the wire and the use cases.

use super::answers::{count, timestamp};
use super::fields::Fields;
use crate::app::{AppError, BrakeView, ChangeFreeze, ConfirmMassChange, RetryNow};
use crate::domain::{
    EventKind, Freeze, Frozen, GrantId, Justification, MassChange, MassChangeId, MassChangeState,
};
use crate::grpc::pb;

/// Ids of a mass change that one answer lists.
const GONE_IDS_MAX: usize = 100;

pub(in crate::grpc) fn freeze(message: pb::FreezeRequest) -> Result<ChangeFreeze, AppError> {
    change_freeze(message.instance, message.scope, &message.reason)
}

pub(in crate::grpc) fn unfreeze(message: pb::UnfreezeRequest) -> Result<ChangeFreeze, AppError> {
    change_freeze(message.instance, message.scope, &message.reason)
}

fn change_freeze(instance: String, scope: i32, reason: &str) -> Result<ChangeFreeze, AppError> {
    let mut fields = Fields::default();
    fields.instance(&instance);
    let what = match pb::FreezeScope::try_from(scope) {
        Ok(pb::FreezeScope::Grants) => Some(vec![Frozen::Grants]),
        Ok(pb::FreezeScope::Revocations) => Some(vec![Frozen::Revocations]),
        Ok(pb::FreezeScope::All) => Some(Frozen::ALL.to_vec()),
        Ok(pb::FreezeScope::Unspecified) | Err(_) => {
            fields.refuse(
                "scope",
                "is required: FREEZE_SCOPE_GRANTS, FREEZE_SCOPE_REVOCATIONS or FREEZE_SCOPE_ALL",
            );
            None
        }
    };
    let reason = fields.take("reason", Justification::parse(reason));
    let change = what.zip(reason).map(|(what, reason)| ChangeFreeze {
        instance,
        what,
        reason,
    });
    fields.finish(change)
}

pub(in crate::grpc) fn retry_now(message: pb::RetryNowRequest) -> Result<RetryNow, AppError> {
    let mut fields = Fields::default();
    fields.instance(&message.instance);
    let grant_id = fields.take("grant_id", GrantId::parse(&message.grant_id));
    let reason = fields.take("reason", Justification::parse(&message.reason));
    let retry = grant_id.zip(reason).map(|(grant_id, reason)| RetryNow {
        instance: message.instance,
        grant_id,
        reason,
    });
    fields.finish(retry)
}

pub(in crate::grpc) fn confirm_mass_change(
    message: pb::ConfirmMassChangeRequest,
) -> Result<ConfirmMassChange, AppError> {
    let mut fields = Fields::default();
    fields.instance(&message.instance);
    let id = fields.take(
        "mass_change_id",
        MassChangeId::parse(&message.mass_change_id),
    );
    let reason = fields.take("reason", Justification::parse(&message.reason));
    let confirm = id.zip(reason).map(|(id, reason)| ConfirmMassChange {
        instance: message.instance,
        id,
        reason,
    });
    fields.finish(confirm)
}

/// The brake of an instance.
pub(in crate::grpc) fn brake_state(view: BrakeView) -> pb::BrakeState {
    let brake = view.brake;
    pb::BrakeState {
        instance_arn: brake.instance_arn.to_string(),
        grants: brake.freezes.grants.map(freeze_info),
        revocations: brake.freezes.revocations.map(freeze_info),
        grants_waiting_count: count(brake.grants_waiting),
        revocations_waiting_count: count(brake.revocations_waiting),
        under_way_count: count(view.under_way),
        mass_changes: brake.mass_changes.iter().map(mass_change).collect(),
    }
}

fn freeze_info(freeze: Freeze) -> pb::FreezeInfo {
    pb::FreezeInfo {
        time: Some(timestamp(freeze.since)),
        frozen_by: freeze.by.to_string(),
        reason: freeze.reason.to_string(),
    }
}

/// A mass change.
pub(in crate::grpc) fn mass_change(change: &MassChange) -> pb::MassChange {
    let state = match change.state {
        MassChangeState::Held => pb::MassChangeState::Held,
        MassChangeState::Confirmed => pb::MassChangeState::Confirmed,
        MassChangeState::CarriedOut => pb::MassChangeState::CarriedOut,
        MassChangeState::Dissolved => pb::MassChangeState::Dissolved,
    };
    let gone = change.gone.iter().take(GONE_IDS_MAX);
    pb::MassChange {
        id: change.id.to_string(),
        instance_arn: change.instance_arn.to_string(),
        state: state.into(),
        find_time: Some(timestamp(change.found_at)),
        gone_count: count(change.gone.len() as u64),
        watched_count: count(change.watched_count),
        gone_ids: gone.map(|principal| principal.id.to_string()).collect(),
        confirmed_by: change
            .confirmed_by
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
    }
}

/// What a grant's timeline says of the brake; none for every other event.
pub(super) fn event(kind: EventKind) -> Option<(pb::GrantEventType, &'static str)> {
    match kind {
        EventKind::RetryRequested => Some((
            pb::GrantEventType::RetryRequested,
            "an operator asked for the next attempt at once",
        )),
        EventKind::BeneficiaryDisabled => Some((
            pb::GrantEventType::BeneficiaryDisabled,
            "the user is disabled in the identity store: the grant ends",
        )),
        EventKind::BeneficiaryDeleted => Some((
            pb::GrantEventType::BeneficiaryDeleted,
            "the user or group is not in the identity store any more: the grant ends",
        )),
        _ => None,
    }
}
