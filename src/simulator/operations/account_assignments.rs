//! sso-admin: account assignments are created and deleted (aws-api.md §3c). A call only begins an
//! operation; what it does to the world is done when it ends, by `account_effects`.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::account_assignments::AccountAssignment;
use super::super::account_effects::{is_in_store, nobody};
use super::super::account_state::AccountState;
use super::super::asynchronous::{
    AsynchronousKind, AsynchronousOperation, AsynchronousRecord, AsynchronousStatus, Intent,
};
use super::super::failure::Failure;
use super::super::input::Input;
use super::super::patterns;
use super::super::settings::{AccountRepeatDelete, AccountUnknownPrincipal, UnavailableAccount};
use super::super::world::PrincipalType;
use super::Context;
use super::account_assignment_status::status_reply;
use super::assignments::read_principal;

/// Groups that can have one permission set in one account (aws-api.md §4, not adjustable).
const GROUPS_PER_PLACE_AT_MOST: usize = 100;
/// Permission sets that can be provisioned in one account (aws-api.md §4).
const PERMISSION_SETS_PER_ACCOUNT_AT_MOST: usize = 500;

pub(super) fn create_account_assignment(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let (instance_arn, row) = read_assignment(input)?;
    context.permission_set(&instance_arn, &row.permission_set_arn)?;
    let known = is_in_store(context.store, &instance_arn, &row);
    let at_once = AccountUnknownPrincipal::ResourceNotFound;
    if !known && context.switches.account_unknown_principal == at_once {
        return Err(Failure::not_found(nobody(&row)));
    }
    let intent = match context.store.account_state(&row.account_id) {
        AccountState::Unlisted | AccountState::Active => Intent::Effect,
        AccountState::Suspended => unavailable(context, &row, "is suspended")?,
        AccountState::Missing => unavailable(context, &row, "is not in the organization")?,
    };
    refuse_overlap(context, &row)?;
    if !context.store.account_side.is_assigned(&row) {
        check_quotas(context, &row)?;
    }
    begin(
        context,
        AsynchronousKind::Creation,
        instance_arn,
        row,
        intent,
    )
}

pub(super) fn delete_account_assignment(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let (instance_arn, row) = read_assignment(input)?;
    context.permission_set(&instance_arn, &row.permission_set_arn)?;
    refuse_overlap(context, &row)?;
    let intent = if context.store.account_side.is_assigned(&row) {
        Intent::Effect
    } else {
        let message = format!(
            "Assignment of {} {} to {} in account {} is not found.",
            row.principal_type.as_str(),
            row.principal_id,
            row.permission_set_arn,
            row.account_id
        );
        match context.switches.account_repeat_delete {
            AccountRepeatDelete::ResourceNotFound => return Err(Failure::not_found(message)),
            AccountRepeatDelete::Succeeded => Intent::Effect,
            AccountRepeatDelete::Failed => Intent::Failure(Some(message)),
        }
    };
    begin(
        context,
        AsynchronousKind::Deletion,
        instance_arn,
        row,
        intent,
    )
}

fn read_assignment(input: &mut Input<'_>) -> Result<(String, AccountAssignment), Failure> {
    let instance_arn = input.required_text("InstanceArn", &patterns::INSTANCE_ARN);
    let account_id = input.required_text("TargetId", &patterns::ACCOUNT_ID);
    input.required_text("TargetType", &patterns::TARGET_TYPE);
    let permission_set_arn = input.required_text("PermissionSetArn", &patterns::PERMISSION_SET_ARN);
    let (principal_type, principal_id) = read_principal(input);
    input.finish()?;
    let row = AccountAssignment {
        account_id,
        permission_set_arn,
        principal_type,
        principal_id,
    };
    Ok((instance_arn, row))
}

/// How a creation ends in an account that cannot have assignments.
fn unavailable(
    context: &Context<'_>,
    row: &AccountAssignment,
    why: &str,
) -> Result<Intent, Failure> {
    let message = format!("Account {} {why}.", row.account_id);
    match context.switches.unavailable_account {
        UnavailableAccount::Silent => Ok(Intent::Nothing),
        UnavailableAccount::Failed => Ok(Intent::Failure(Some(message))),
        UnavailableAccount::Validation => Err(Failure::validation(message)),
    }
}

fn refuse_overlap(context: &Context<'_>, row: &AccountAssignment) -> Result<(), Failure> {
    let overlaps =
        (context.asynchronous.in_progress()).any(|(_, operation)| operation.assignment == *row);
    if overlaps && context.switches.account_overlap_conflicts {
        return Err(Failure::conflict(
            "Another operation on this account assignment is in progress.",
        ));
    }
    Ok(())
}

/// The quotas of the place, operations in progress counted.
fn check_quotas(context: &Context<'_>, row: &AccountAssignment) -> Result<(), Failure> {
    let exceeded = |message| Err(Failure::new("ServiceQuotaExceededException", message));
    let side = &context.store.account_side;
    let awaited: Vec<&AccountAssignment> = (context.asynchronous.in_progress())
        .filter(|(_, operation)| operation.kind == AsynchronousKind::Creation)
        .map(|(_, operation)| &operation.assignment)
        .filter(|each| each.account_id == row.account_id && !side.is_assigned(each))
        .collect();
    let same_set = |each: &AccountAssignment| each.permission_set_arn == row.permission_set_arn;
    let in_place = side.of_place(&row.account_id, &row.permission_set_arn);
    let groups = (in_place.chain(awaited.iter().copied().filter(|each| same_set(each))))
        .filter(|each| each.principal_type == PrincipalType::Group)
        .count();
    if row.principal_type == PrincipalType::Group && groups >= GROUPS_PER_PLACE_AT_MOST {
        return exceeded(format!(
            "At most {GROUPS_PER_PLACE_AT_MOST} groups can have one permission set in one account."
        ));
    }
    let rows = side.of_account(&row.account_id).chain(awaited);
    let sets: std::collections::BTreeSet<&str> =
        rows.map(|each| each.permission_set_arn.as_str()).collect();
    let is_new = !sets.contains(row.permission_set_arn.as_str());
    if is_new && sets.len() >= PERMISSION_SETS_PER_ACCOUNT_AT_MOST {
        return exceeded(format!(
            "At most {PERMISSION_SETS_PER_ACCOUNT_AT_MOST} permission sets can be provisioned in \
             one account."
        ));
    }
    Ok(())
}

fn begin(
    context: &mut Context<'_>,
    kind: AsynchronousKind,
    instance_arn: String,
    assignment: AccountAssignment,
    intent: Intent,
) -> Result<Value, Failure> {
    let outstanding = context.asynchronous.outstanding(&instance_arn);
    let most = context.settings.outstanding_assignments_max;
    if most.is_some_and(|most| outstanding >= most) {
        return Err(Failure::new(
            "ThrottlingException",
            "There are too many requests processing. Please try again later.",
        ));
    }
    let forced = context.beginning.failure.clone().map(Intent::Failure);
    let duration = Duration::from_millis(context.beginning.milliseconds);
    let operation = AsynchronousOperation {
        kind,
        instance_arn,
        assignment,
        created_at_seconds: context.now_seconds,
        ends_at_seconds: context.now_seconds + duration.as_secs_f64(),
        intent: forced.unwrap_or(intent),
        visibility_milliseconds: context.visibility_milliseconds,
        sequence: context.beginning.sequence,
        status: AsynchronousStatus::InProgress,
        failure_reason: None,
    };
    let request_id = context.asynchronous.begin(operation.clone());
    context.beginning.begun = Some(AsynchronousRecord {
        request_id: request_id.clone(),
        status: AsynchronousStatus::InProgress,
        failure_reason: None,
        started_at_seconds: context.now_seconds,
        finished_at_seconds: None,
    });
    // Also when it takes no time at all: AWS never says more in this reply.
    let reply = status_reply(&request_id, &operation, AsynchronousStatus::InProgress);
    Ok(match kind {
        AsynchronousKind::Creation => json!({ "AccountAssignmentCreationStatus": reply }),
        AsynchronousKind::Deletion => json!({ "AccountAssignmentDeletionStatus": reply }),
    })
}
