//! From refusals to gRPC statuses: reason, code and details. `reasons` holds the table.
//!
//! Every error carries `ErrorInfo{reason, domain: "usher", metadata}` and `RequestInfo` with the
//! call id; the rest of the details depends on the reason. Texts are written here for callers;
//! internal texts go to the log and nowhere else.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::pb::ErrorReason;
use super::reasons::TABLE;
use crate::app::{AppError, Violation};
use crate::directory::Candidate;

/// The domain of every reason.
pub(super) const DOMAIN: &str = "usher";

/// The reason as it travels: the enum value without its prefix.
pub(super) fn wire_reason(reason: ErrorReason) -> &'static str {
    let name = reason.as_str_name();
    name.strip_prefix("ERROR_REASON_").unwrap_or(name)
}

/// Makes a status with the details that every error has; `more` adds to them.
pub(super) fn status(
    reason: ErrorReason,
    call_id: &str,
    message: &str,
    metadata: &[(&str, &str)],
    more: impl FnOnce(&mut ErrorDetails),
) -> Status {
    let code = TABLE
        .iter()
        .find(|row| row.reason == reason)
        .map_or(Code::Internal, |row| row.code);
    let metadata: HashMap<String, String> = metadata
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let mut details = ErrorDetails::with_error_info(wire_reason(reason), DOMAIN, metadata);
    details.set_request_info(call_id, "");
    more(&mut details);
    Status::with_error_details(code, message, details)
}

/// The status of a refusal.
pub(super) fn status_of(error: &AppError, call_id: &str) -> Status {
    match error {
        AppError::FieldsInvalid(violations) => fields_invalid(violations, call_id),
        AppError::PageTokenInvalid => page_token_invalid(call_id),
        AppError::RequestIdReused => request_id_reused(call_id),
        AppError::InstanceNotFound { query } => {
            not_found(ErrorReason::InstanceNotFound, call_id, "instance", query)
        }
        AppError::ApplicationNotFound { query } => not_found(
            ErrorReason::ApplicationNotFound,
            call_id,
            "application",
            query,
        ),
        AppError::PrincipalNotFound { query } => {
            not_found(ErrorReason::PrincipalNotFound, call_id, "principal", query)
        }
        AppError::GrantNotFound { id } => {
            not_found(ErrorReason::GrantNotFound, call_id, "grant", id)
        }
        AppError::AssignmentNotFound {
            principal_id,
            target,
        } => not_found(
            ErrorReason::AssignmentNotFound,
            call_id,
            "assignment",
            &format!("{principal_id} on {target}"),
        ),
        AppError::NameAmbiguous { .. }
        | AppError::PrincipalDisabled { .. }
        | AppError::AccessViaGroup { .. }
        | AppError::ReadOnly
        | AppError::RoleLacksPermission { .. }
        | AppError::CredentialsInvalid => precondition_status(error, call_id),
        AppError::BudgetExhausted { retry_after } => budget_exhausted(*retry_after, call_id),
        AppError::AwsUnavailable => retry(
            ErrorReason::AwsUnavailable,
            call_id,
            "AWS does not answer; nothing was recorded",
        ),
        AppError::StoreUnavailable => retry(
            ErrorReason::StoreUnavailable,
            call_id,
            "Usher's store does not answer",
        ),
        AppError::DeadlineExceeded => status(
            ErrorReason::DeadlineExceeded,
            call_id,
            "the deadline passed before anything was recorded",
            &[],
            |_| {},
        ),
        AppError::Internal(text) => {
            tracing::error!(call.id = call_id, error = text, "a call failed inside");
            status(
                ErrorReason::Internal,
                call_id,
                "an internal fault; the call id finds it in the log",
                &[],
                |_| {},
            )
        }
    }
}

/// Refusals that something outside the request must change first.
fn precondition_status(error: &AppError, call_id: &str) -> Status {
    match error {
        AppError::NameAmbiguous { query, candidates } => name_ambiguous(query, candidates, call_id),
        AppError::PrincipalDisabled { user_id } => precondition(
            ErrorReason::PrincipalDisabled,
            call_id,
            "the user is disabled in the identity store",
            user_id,
            &[("userId", user_id)],
        ),
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
        _ => precondition(
            ErrorReason::ReadOnly,
            call_id,
            "Usher may not change AWS where it runs now; validate_only and everything that reads works",
            "aws",
            &[],
        ),
    }
}

/// Every field at fault at once.
fn fields_invalid(violations: &[Violation], call_id: &str) -> Status {
    let fields: Vec<&str> = violations
        .iter()
        .map(|violation| violation.field.as_str())
        .collect();
    let first = violations.first().map_or_else(String::new, |first| {
        format!(": `{}` {}", first.field, first.problem)
    });
    let message = format!(
        "{} invalid{first}",
        if fields.len() == 1 {
            "a field is"
        } else {
            "fields are"
        }
    );
    status(
        ErrorReason::FieldInvalid,
        call_id,
        &message,
        &[("fields", &fields.join(","))],
        |details| {
            for violation in violations {
                details.add_bad_request_violation(&violation.field, &violation.problem);
            }
        },
    )
}

fn page_token_invalid(call_id: &str) -> Status {
    status(
        ErrorReason::PageTokenInvalid,
        call_id,
        "the page token is not one that this call gave; start again without it",
        &[],
        |details| {
            details.add_bad_request_violation(
                "page_token",
                "is not one that this call gave for these fields",
            );
        },
    )
}

fn request_id_reused(call_id: &str) -> Status {
    status(
        ErrorReason::RequestIdReused,
        call_id,
        "this request_id was used before with other content",
        &[],
        |details| {
            details.add_bad_request_violation(
                "request_id",
                "was used before with other content; use a new one",
            );
        },
    )
}

fn budget_exhausted(retry_after: Duration, call_id: &str) -> Status {
    status(
        ErrorReason::AwsBudgetExhausted,
        call_id,
        "the budget of AWS operations cannot serve this before the deadline",
        &[],
        |details| {
            details.set_retry_info(Some(retry_after));
            details.add_quota_failure_violation(
                "aws",
                "AWS allows about 20 operations a second to everybody together",
            );
        },
    )
}

/// All candidates, and no guess.
fn name_ambiguous(query: &str, candidates: &[Candidate], call_id: &str) -> Status {
    let ids: Vec<&str> = candidates
        .iter()
        .map(|candidate| candidate.id.as_str())
        .collect();
    let metadata = [("query", query), ("candidates", &ids.join(","))];
    status(
        ErrorReason::NameAmbiguous,
        call_id,
        "the name means more than one thing; use an id or ARN",
        &metadata,
        |details| {
            for candidate in candidates {
                details.add_precondition_failure_violation(
                    "NAME_AMBIGUOUS",
                    &candidate.id,
                    format!("{} `{}`", candidate.kind, candidate.name),
                );
            }
        },
    )
}

fn access_via_group(groups: &[(String, String)], call_id: &str) -> Status {
    let ids: Vec<&str> = groups.iter().map(|(id, _)| id.as_str()).collect();
    let names: Vec<&str> = groups.iter().map(|(_, name)| name.as_str()).collect();
    let message = format!(
        "the user has this access only through groups: {}",
        names.join(", ")
    );
    status(
        ErrorReason::AccessViaGroup,
        call_id,
        &message,
        &[("groupIds", &ids.join(","))],
        |details| {
            for (id, name) in groups {
                details.add_precondition_failure_violation(
                    "ACCESS_VIA_GROUP",
                    id,
                    format!("group `{name}`"),
                );
            }
        },
    )
}

fn not_found(reason: ErrorReason, call_id: &str, kind: &str, query: &str) -> Status {
    let message = format!("no such {kind}: `{}`", shorten(query));
    status(
        reason,
        call_id,
        &message,
        &[("resource", query)],
        |details| {
            details.set_resource_info(kind, query, "", "does not exist, or may not be seen");
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

fn retry(reason: ErrorReason, call_id: &str, message: &str) -> Status {
    status(reason, call_id, message, &[], |details| {
        details.set_retry_info(Some(Duration::from_secs(1)));
    })
}

/// At most 100 characters of what a caller sent, for a message; the metadata has it whole.
fn shorten(text: &str) -> String {
    if text.chars().count() <= 100 {
        text.to_owned()
    } else {
        text.chars().take(100).chain("...".chars()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_text_does_not_leave() {
        let status = status_of(&AppError::Internal("SELECT secret".to_owned()), "call");
        assert_eq!(status.code(), Code::Internal);
        assert!(!status.message().contains("SELECT"));
        assert!(!String::from_utf8_lossy(status.details()).contains("SELECT"));
    }
}
