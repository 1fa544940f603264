//! From refusals to gRPC statuses: reason, code and details. `reasons` holds the table,
//! `preconditions` makes the statuses of FAILED_PRECONDITION.
//!
//! Every error carries `ErrorInfo{reason, domain: "usher", metadata}` and `RequestInfo` with the
//! call id; the rest of the details depends on the reason. Texts are written here for callers;
//! internal texts go to the log and nowhere else.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::denials::denial_status;
use super::pb::ErrorReason;
use super::preconditions::{log_position_removed, precondition_status};
use super::reasons::TABLE;
use crate::app::{AppError, Violation};

/// Characters of a caller's own text that an answer repeats.
pub(super) const REPEATED_CHARACTERS_MAX: usize = 200;

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
        AppError::InstanceNotFound { .. }
        | AppError::ApplicationNotFound { .. }
        | AppError::AccountNotFound { .. }
        | AppError::PermissionSetNotFound { .. }
        | AppError::PrincipalNotFound { .. }
        | AppError::GrantNotFound { .. }
        | AppError::MassChangeNotFound { .. }
        | AppError::AssignmentNotFound { .. } => not_found_status(error, call_id),
        AppError::PolicyDenied { .. }
        | AppError::ActingDenied { .. }
        | AppError::PathsClosed(_)
        | AppError::SelfApproval
        | AppError::NotAnApprover
        | AppError::ApproverNotProven { .. }
        | AppError::DigestMismatch { .. }
        | AppError::StateForbids { .. }
        | AppError::ExternallyOwned { .. }
        | AppError::NoEligibleApprover { .. }
        | AppError::SubjectNotFound => denial_status(error, call_id),
        AppError::NameAmbiguous { .. }
        | AppError::PrincipalDisabled { .. }
        | AppError::AccessViaGroup { .. }
        | AppError::ReadOnly
        | AppError::Frozen(_)
        | AppError::FactsNotCollected { .. }
        | AppError::RoleLacksPermission { .. }
        | AppError::CredentialsInvalid
        | AppError::AccountInactive { .. }
        | AppError::AccountOutOfReach { .. }
        | AppError::AccountAccessNotOffered { .. }
        | AppError::NotListableByPrincipal { .. }
        | AppError::RoleNotAssumed => precondition_status(error, call_id),
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
        AppError::LogPositionRemoved { first } => log_position_removed(*first, call_id),
        AppError::WatcherTooSlow => watcher_too_slow(call_id),
        AppError::DeadlineExceeded => status(
            ErrorReason::DeadlineExceeded,
            call_id,
            "the deadline passed before anything was recorded",
            &[],
            |_| {},
        ),
        AppError::Internal(text) => internal(text, call_id),
    }
}

fn watcher_too_slow(call_id: &str) -> Status {
    status(
        ErrorReason::WatcherTooSlow,
        call_id,
        "the stream was not read for too long; resume it behind the last position that arrived",
        &[],
        |details| {
            details.set_retry_info(Some(Duration::ZERO));
            details.add_quota_failure_violation(
                "caller",
                "the number of messages that wait for one watcher",
            );
        },
    )
}

/// The reason and the text of a refusal that is told beside answers.
pub(super) fn reason_and_text(error: &AppError) -> (String, String) {
    let status = status_of(error, "");
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| info.reason.clone());
    (reason.unwrap_or_default(), status.message().to_owned())
}

/// Refusals of what is not there.
fn not_found_status(error: &AppError, call_id: &str) -> Status {
    let (reason, kind, query) = match error {
        AppError::ApplicationNotFound { query } => {
            (ErrorReason::ApplicationNotFound, "application", query)
        }
        AppError::AccountNotFound { query } => (ErrorReason::AccountNotFound, "account", query),
        AppError::PermissionSetNotFound { query } => {
            (ErrorReason::PermissionSetNotFound, "permission set", query)
        }
        AppError::PrincipalNotFound { query } => {
            (ErrorReason::PrincipalNotFound, "principal", query)
        }
        AppError::GrantNotFound { id } => (ErrorReason::GrantNotFound, "grant", id),
        AppError::MassChangeNotFound { id } => (ErrorReason::MassChangeNotFound, "mass change", id),
        AppError::AssignmentNotFound { principal, target } => {
            let query = format!("{principal} on {target}");
            return not_found(
                ErrorReason::AssignmentNotFound,
                call_id,
                "assignment",
                &query,
            );
        }
        AppError::InstanceNotFound { query } => (ErrorReason::InstanceNotFound, "instance", query),
        other => {
            let text = format!("`{other}` is not about what is missing");
            return internal(&text, call_id);
        }
    };
    not_found(reason, call_id, kind, query)
}

/// A fault of Usher: the text is for the log alone.
fn internal(text: &str, call_id: &str) -> Status {
    tracing::error!(call.id = call_id, error = text, "a call failed inside");
    status(
        ErrorReason::Internal,
        call_id,
        "an internal fault; the call id finds it in the log",
        &[],
        |_| {},
    )
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

fn not_found(reason: ErrorReason, call_id: &str, kind: &str, query: &str) -> Status {
    let message = format!("no such {kind}: `{}`", shorten(query, 100));
    let query = shorten(query, REPEATED_CHARACTERS_MAX);
    status(
        reason,
        call_id,
        &message,
        &[("resource", &query)],
        |details| {
            details.set_resource_info(
                kind,
                query.as_str(),
                "",
                "does not exist, or may not be seen",
            );
        },
    )
}

fn retry(reason: ErrorReason, call_id: &str, message: &str) -> Status {
    status(reason, call_id, message, &[], |details| {
        details.set_retry_info(Some(Duration::from_secs(1)));
    })
}

/// The text, or its beginning when it is longer.
pub(super) fn shorten(text: &str, characters_max: usize) -> String {
    if text.chars().nth(characters_max).is_none() {
        text.to_owned()
    } else {
        text.chars()
            .take(characters_max)
            .chain("...".chars())
            .collect()
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
