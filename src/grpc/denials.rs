//! Statuses of what policy refuses: each names its policies, and every path that was near with the
//! limit that kept it closed. Nothing here decides.

use tonic::Status;

use super::approval_statuses::approval_status;
use super::pb::ErrorReason;
use super::status::{REPEATED_CHARACTERS_MAX, shorten, status};
use crate::app::{AppError, Refusal};

/// Policies and near misses that one answer lists: with more it could outgrow the 8 KiB of headers
/// that some clients take.
pub(super) const LISTED_MAX: usize = 12;

/// Refusals of policy.
pub(super) fn denial_status(error: &AppError, call_id: &str) -> Status {
    match error {
        AppError::PathsClosed(refusal) => paths_closed(refusal, call_id),
        AppError::SelfApproval
        | AppError::NotAnApprover
        | AppError::ApproverNotProven { .. }
        | AppError::DigestMismatch { .. }
        | AppError::StateForbids { .. }
        | AppError::ExternallyOwned { .. }
        | AppError::NoEligibleApprover { .. } => approval_status(error, call_id),
        AppError::SubjectNotFound => status(
            ErrorReason::SubjectNotFound,
            call_id,
            "nobody is to be found whom usher-on-behalf-of or usher-subject-token name, or they name two people",
            &[],
            |_| {},
        ),
        AppError::PolicyDenied {
            action,
            policies,
            policy_version,
        } => denied(action, policies, policy_version, call_id),
        AppError::ActingDenied {
            subject_proven,
            policies,
            policy_version,
        } => acting_denied(*subject_proven, policies, policy_version, call_id),
        other => {
            tracing::error!(call.id = call_id, error = %other, "no refusal of policy");
            denied("", &[], "", call_id)
        }
    }
}

fn denied(action: &str, policies: &[String], policy_version: &str, call_id: &str) -> Status {
    let message = if policies.is_empty() {
        format!("no policy permits {action} here")
    } else {
        format!("a policy forbids {action} here")
    };
    policy_denied(&message, action, policies, policy_version, None, call_id)
}

/// What a service is told that may not act for its subject: that it is that, and what may help.
fn acting_denied(
    subject_proven: bool,
    policies: &[String],
    policy_version: &str,
    call_id: &str,
) -> Status {
    let (message, header) = match (policies.is_empty(), subject_proven) {
        (false, _) => ("a policy forbids this service to act for that person", None),
        (true, true) => ("no policy lets this service act for that person", None),
        (true, false) => (
            "no policy lets this service act for that person without proof; \
             send the person's own token as usher-subject-token",
            Some("usher-subject-token"),
        ),
    };
    policy_denied(message, "ActFor", policies, policy_version, header, call_id)
}

fn policy_denied(
    message: &str,
    action: &str,
    policies: &[String],
    policy_version: &str,
    header: Option<&str>,
    call_id: &str,
) -> Status {
    let policies = listed(policies);
    let mut metadata = vec![
        ("action", action),
        ("policies", policies.as_str()),
        ("policyVersion", policy_version),
    ];
    metadata.extend(header.map(|header| ("header", header)));
    let reason = ErrorReason::PolicyDenied;
    status(reason, call_id, message, &metadata, |_| {})
}

fn paths_closed(refusal: &Refusal, call_id: &str) -> Status {
    if refusal.near_misses.is_empty() || !refusal.forbidden_by.is_empty() {
        let version = &refusal.policy_version;
        return denied("Request", &refusal.forbidden_by, version, call_id);
    }
    let told = |text: &str| shorten(text, REPEATED_CHARACTERS_MAX);
    let near: Vec<_> = refusal.near_misses.iter().take(LISTED_MAX).collect();
    let first = near.first().map_or_else(String::new, |near| {
        format!(
            ": {} allows {} {}, and {} was asked for",
            told(&near.policy),
            near.limit,
            told(&near.allowed),
            told(&near.asked)
        )
    });
    let paths: Vec<String> = near.iter().map(|near| near.policy.clone()).collect();
    status(
        ErrorReason::PathLimitsExceeded,
        call_id,
        &format!("no path is open for this{first}"),
        &[
            ("policies", &listed(&paths)),
            ("policyVersion", &refusal.policy_version),
        ],
        |details| {
            for near in &near {
                let (asked, allowed) = (told(&near.asked), told(&near.allowed));
                let description = format!("limit {}: asked {asked}, allowed {allowed}", near.limit);
                details.add_precondition_failure_violation("PATH_LIMIT", &near.policy, description);
            }
        },
    )
}

pub(super) fn listed(names: &[String]) -> String {
    let names: Vec<String> = (names.iter().take(LISTED_MAX))
        .map(|name| shorten(name, REPEATED_CHARACTERS_MAX))
        .collect();
    names.join(",")
}
