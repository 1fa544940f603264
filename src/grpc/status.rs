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

/// Candidates and groups that one answer lists: with more it could outgrow the 8 KiB of headers
/// that some clients take, and would not arrive.
const LISTED_MAX: usize = 12;
/// Characters of a caller's own text that an answer repeats.
const REPEATED_CHARACTERS_MAX: usize = 200;
/// Characters of a name in such a list, or of a caller's text in a message.
const NAME_CHARACTERS_MAX: usize = 40;

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

/// The text, or its beginning when it is longer.
fn shorten(text: &str, characters_max: usize) -> String {
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
