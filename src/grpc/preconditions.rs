//! Statuses of FAILED_PRECONDITION: what somebody must change outside the request, told with the
//! ids that help. No text of AWS or of the store is in them.

use std::time::Duration;

use jiff::Timestamp;
use tonic::Status;

use super::pb::ErrorReason;
use super::status::{REPEATED_CHARACTERS_MAX, shorten, status, wire_reason};
use crate::app::AppError;
use crate::directory::Candidate;
use crate::domain::{Freeze, Frozen};

/// Candidates and groups that one answer lists: with more it could outgrow the 8 KiB of headers
/// that some clients take, and would not arrive.
const LISTED_MAX: usize = 12;
/// Characters of a name in such a list, or of a caller's text in a message.
const NAME_CHARACTERS_MAX: usize = 40;

/// Refusals that something outside the request must change first.
pub(super) fn precondition_status(error: &AppError, call_id: &str) -> Status {
    match error {
        AppError::NameAmbiguous { query, candidates } => name_ambiguous(query, candidates, call_id),
        AppError::PrincipalDisabled { user_id } => precondition(
            ErrorReason::PrincipalDisabled,
            call_id,
            "the user is disabled in the identity store",
            user_id,
            &[("userId", user_id)],
        ),
        AppError::Frozen(freeze) => frozen(freeze, call_id),
        AppError::FactsNotCollected {
            instance_arn,
            first_at,
            retry_after,
        } => facts_not_collected(instance_arn, *first_at, *retry_after, call_id),
        AppError::AccessViaGroup { groups } => access_via_group(groups, call_id),
        AppError::RoleLacksPermission { action } => precondition(
            ErrorReason::UsherRoleLacksPermission,
            call_id,
            &format!("AWS refuses Usher's role the action {action}"),
            action,
            &[("iamAction", action)],
        ),
        AppError::CredentialsInvalid => precondition(
            ErrorReason::UsherCredentialsInvalid,
            call_id,
            "the AWS credentials that Usher runs under are missing or expired",
            "credentials",
            &[],
        ),
        AppError::AccountInactive { .. }
        | AppError::AccountOutOfReach { .. }
        | AppError::AccountAccessNotOffered { .. }
        | AppError::NotListableByPrincipal { .. }
        | AppError::RoleNotAssumed => account_status(error, call_id),
        _ => precondition(
            ErrorReason::ReadOnly,
            call_id,
            "Usher may not change AWS where it runs now; validate_only and everything that reads works",
            "aws",
            &[],
        ),
    }
}

/// The place that a watcher wants to go on from is not in the log any more.
pub(super) fn log_position_removed(first: u64, call_id: &str) -> Status {
    let first = first.to_string();
    precondition(
        ErrorReason::LogPositionRemoved,
        call_id,
        &format!(
            "events behind this position were removed by their age; the first one that is kept has {first}"
        ),
        "after_position",
        &[("firstPosition", &first)],
    )
}

/// There are no facts of the time that was asked for.
fn facts_not_collected(
    instance_arn: &str,
    first_at: Option<Timestamp>,
    retry_after: Option<Duration>,
    call_id: &str,
) -> Status {
    let first = first_at.map(|at| at.to_string()).unwrap_or_default();
    let message = match (first_at, retry_after) {
        (Some(_), _) => format!(
            "facts of this instance were collected from {first} on, and none of the time or age that is asked for"
        ),
        (None, None) => "no facts of this instance were collected yet".to_owned(),
        (None, Some(_)) => {
            "no facts of this instance were collected yet; they are being collected".to_owned()
        }
    };
    let reason = ErrorReason::FactsNotCollected;
    let metadata = [("firstCollectionTime", first.as_str())];
    status(reason, call_id, &message, &metadata, |details| {
        let word = reason.as_str_name();
        details.add_precondition_failure_violation(word, instance_arn, message.as_str());
        if retry_after.is_some() {
            details.set_retry_info(retry_after);
        }
    })
}

/// New access is frozen: since when, by whom and why.
fn frozen(freeze: &Freeze, call_id: &str) -> Status {
    let since = freeze.since.to_string();
    let by = shorten(freeze.by.as_str(), REPEATED_CHARACTERS_MAX);
    let reason = shorten(freeze.reason.as_str(), REPEATED_CHARACTERS_MAX);
    let scope = Frozen::Grants.as_str();
    precondition(
        ErrorReason::Frozen,
        call_id,
        &format!("an operator has frozen new access since {since}"),
        scope,
        &[
            ("scope", scope),
            ("since", &since),
            ("frozenBy", &by),
            ("freezeReason", &reason),
        ],
    )
}

/// Refusals around access to accounts.
fn account_status(error: &AppError, call_id: &str) -> Status {
    match error {
        AppError::AccountInactive { account_id } => precondition(
            ErrorReason::AccountInactive,
            call_id,
            "the account is suspended, closing, closed or not yet activated",
            account_id,
            &[("accountId", account_id)],
        ),
        AppError::AccountOutOfReach { account_id } => precondition(
            ErrorReason::AccountOutOfReach,
            call_id,
            "AWS lets only the management account change access to itself, and Usher works from a delegated administrator",
            account_id,
            &[("accountId", account_id)],
        ),
        AppError::AccountAccessNotOffered { instance_arn } => precondition(
            ErrorReason::AccountAccessNotOffered,
            call_id,
            "this instance belongs to one account and gives access to applications only",
            instance_arn,
            &[("instanceArn", instance_arn)],
        ),
        AppError::NotListableByPrincipal { instance_arn } => precondition(
            ErrorReason::NotListableByPrincipal,
            call_id,
            "AWS answers which accounts a principal has to the management account only; name a target, ask for applications only, or take AuditReport",
            instance_arn,
            &[("instanceArn", instance_arn)],
        ),
        _ => precondition(
            ErrorReason::RoleNotAssumed,
            call_id,
            "the role that is configured for this instance cannot be assumed",
            "role",
            &[],
        ),
    }
}

/// The candidates, and no guess.
fn name_ambiguous(query: &str, candidates: &[Candidate], call_id: &str) -> Status {
    let count = candidates.len().to_string();
    let candidates = &candidates[..candidates.len().min(LISTED_MAX)];
    let ids: Vec<&str> = candidates
        .iter()
        .map(|candidate| candidate.id.as_str())
        .collect();
    let query = shorten(query, REPEATED_CHARACTERS_MAX);
    let metadata = [
        ("query", query.as_str()),
        ("candidates", &ids.join(",")),
        ("candidateCount", &count),
    ];
    status(
        ErrorReason::NameAmbiguous,
        call_id,
        "the name means more than one thing; use an id or ARN",
        &metadata,
        |details| {
            for candidate in candidates {
                let name = shorten(&candidate.name, NAME_CHARACTERS_MAX);
                details.add_precondition_failure_violation(
                    "NAME_AMBIGUOUS",
                    &candidate.id,
                    format!("{} `{name}`", candidate.kind),
                );
            }
        },
    )
}

fn access_via_group(groups: &[(String, String)], call_id: &str) -> Status {
    let count = groups.len();
    let listed: Vec<(&str, String)> = groups
        .iter()
        .take(LISTED_MAX)
        .map(|(id, name)| (id.as_str(), shorten(name, NAME_CHARACTERS_MAX)))
        .collect();
    let ids: Vec<&str> = listed.iter().map(|(id, _)| *id).collect();
    let more = match count {
        0 | 1 => String::new(),
        _ => format!(" and {} more", count - 1),
    };
    let first = listed.first().map_or("", |(_, name)| name);
    let message = format!("the user has this access only through groups: `{first}`{more}");
    let metadata = [
        ("groupIds", ids.join(",")),
        ("groupCount", count.to_string()),
    ];
    let metadata = metadata
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    status(
        ErrorReason::AccessViaGroup,
        call_id,
        &message,
        &metadata,
        |details| {
            for (id, name) in &listed {
                details.add_precondition_failure_violation(
                    "ACCESS_VIA_GROUP",
                    *id,
                    format!("group `{name}`"),
                );
            }
        },
    )
}

fn precondition(
    reason: ErrorReason,
    call_id: &str,
    message: &str,
    subject: &str,
    metadata: &[(&str, &str)],
) -> Status {
    status(reason, call_id, message, metadata, |details| {
        details.add_precondition_failure_violation(wire_reason(reason), subject, message);
    })
}
