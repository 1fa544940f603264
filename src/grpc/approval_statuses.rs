//! Statuses of what people may not say of a grant. Nothing here decides.

use tonic::Status;

use super::denials::listed;
use super::pb::ErrorReason;
use super::status::status;
use crate::app::AppError;

/// Refusals of agreements, objections and wishes.
pub(super) fn approval_status(error: &AppError, call_id: &str) -> Status {
    match error {
        AppError::SelfApproval => status(
            ErrorReason::SelfApproval,
            call_id,
            "nobody agrees for themselves: whoever asked for it, or gets the access, is out",
            &[],
            |_| {},
        ),
        AppError::ApproverNotProven { is_named } => approver_not_proven(*is_named, call_id),
        AppError::DigestMismatch { digest } => status(
            ErrorReason::DigestMismatch,
            call_id,
            "this is not what is open; look at the grant and agree to its digest",
            &[("digest", digest)],
            |_| {},
        ),
        AppError::StateForbids { state } => status(
            ErrorReason::StateForbids,
            call_id,
            &format!("the grant is {}, which does not let it", state.as_str()),
            &[("state", state.as_str())],
            |details| {
                let description = format!("the grant is {}", state.as_str());
                details.add_precondition_failure_violation("STATE", "grant", description);
            },
        ),
        AppError::ExternallyOwned { owner } => status(
            ErrorReason::ExternallyOwned,
            call_id,
            &format!(
                "{owner} keeps the assignment outside of Usher, and would have it back after an end"
            ),
            &[("owner", owner)],
            |details| {
                let description = format!("the configuration says that {owner} keeps it");
                details.add_precondition_failure_violation("EXTERNALLY_OWNED", owner, description);
            },
        ),
        AppError::NoEligibleApprover { policies, missing } => {
            no_eligible_approver(policies, missing, call_id)
        }
        _ => status(
            ErrorReason::NotAnApprover,
            call_id,
            "no path asks you, or it is not your turn",
            &[],
            |_| {},
        ),
    }
}

fn approver_not_proven(is_named: bool, call_id: &str) -> Status {
    let (message, field) = if is_named {
        (
            "the service that carried the request agrees for a person only with the person's own \
             token as usher-subject-token",
            "usher-subject-token",
        )
    } else {
        (
            "the service that carried the request agrees only for a named person: attested_approver",
            "attested_approver",
        )
    };
    let reason = ErrorReason::ApproverNotProven;
    status(reason, call_id, message, &[("wanted", field)], |_| {})
}

fn no_eligible_approver(policies: &[String], missing: &[String], call_id: &str) -> Status {
    let groups = listed(missing);
    let message = if missing.is_empty() {
        "somebody must agree, and there are too few who may: those in it themselves are out"
            .to_owned()
    } else {
        format!("somebody must agree, and these groups are missing or empty: {groups}")
    };
    let metadata = [("policies", &*listed(policies)), ("groups", &*groups)];
    let reason = ErrorReason::NoEligibleApprover;
    status(reason, call_id, &message, &metadata, |details| {
        for policy in policies.iter().take(super::denials::LISTED_MAX) {
            let description = "nobody is left who could agree";
            details.add_precondition_failure_violation("NO_ELIGIBLE_APPROVER", policy, description);
        }
    })
}
