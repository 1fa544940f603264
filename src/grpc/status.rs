//! The one table from refusals to gRPC codes, reasons and details.
//!
//! Every error carries `ErrorInfo{reason, domain: "usher", metadata}` and `RequestInfo` with the
//! call id; the rest of the details depends on the reason. Texts are written here for callers;
//! internal texts go to the log and nowhere else.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::pb::ErrorReason;
use crate::app::AppError;

/// Candidates and groups that one answer lists: with more it could outgrow the 8 KiB of headers
/// that some clients take, and would not arrive.
const LISTED_MAX: usize = 12;
/// Characters of a caller's own text that an answer repeats.
const REPEATED_CHARACTERS_MAX: usize = 200;
/// Characters of a name in such a list, or of a caller's text in a message.
const NAME_CHARACTERS_MAX: usize = 40;

/// The domain of every reason.
pub(super) const DOMAIN: &str = "usher";

/// One line of the error table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableRow {
    /// The reason.
    pub reason: ErrorReason,
    /// The code it travels with.
    pub code: Code,
    /// What helps.
    pub remedy: &'static str,
}

/// Every reason with its code: docs/errors.md shows the same lines.
pub const TABLE: [TableRow; 28] = [
    row(
        ErrorReason::CredentialMissing,
        Code::Unauthenticated,
        "send `authorization: Bearer <token>`; `usher token` prints one for development",
    ),
    row(
        ErrorReason::CredentialInvalid,
        Code::Unauthenticated,
        "use a token of this server's data directory",
    ),
    row(
        ErrorReason::CredentialExpired,
        Code::Unauthenticated,
        "get a new token",
    ),
    row(
        ErrorReason::PolicyDenied,
        Code::PermissionDenied,
        "ask for what policy allows",
    ),
    row(
        ErrorReason::FieldInvalid,
        Code::InvalidArgument,
        "correct the fields that BadRequest names",
    ),
    row(
        ErrorReason::PageTokenInvalid,
        Code::InvalidArgument,
        "start again without a page token, or repeat the other fields unchanged",
    ),
    row(
        ErrorReason::RequestIdReused,
        Code::InvalidArgument,
        "use a new request_id for new content",
    ),
    row(
        ErrorReason::MessageMalformed,
        Code::InvalidArgument,
        "send the method's request message as valid protobuf, with well-formed headers",
    ),
    row(
        ErrorReason::InstanceNotFound,
        Code::NotFound,
        "use an ARN or alias that ListInstances shows",
    ),
    row(
        ErrorReason::ApplicationNotFound,
        Code::NotFound,
        "use an ARN or a name that ListApplications shows",
    ),
    row(
        ErrorReason::PrincipalNotFound,
        Code::NotFound,
        "use an id or a name that ListPrincipals shows",
    ),
    row(
        ErrorReason::AssignmentNotFound,
        Code::NotFound,
        "look with ListAssignments",
    ),
    row(
        ErrorReason::GrantNotFound,
        Code::NotFound,
        "look with ListGrants",
    ),
    row(
        ErrorReason::NameAmbiguous,
        Code::FailedPrecondition,
        "use one of the ids or ARNs in the details",
    ),
    row(
        ErrorReason::PrincipalDisabled,
        Code::FailedPrecondition,
        "enable the user in the identity store first",
    ),
    row(
        ErrorReason::AccessViaGroup,
        Code::FailedPrecondition,
        "take the user out of the named groups, or revoke the groups' assignments",
    ),
    row(
        ErrorReason::ReadOnly,
        Code::FailedPrecondition,
        "use validate_only; writes to real AWS come with real authentication",
    ),
    row(
        ErrorReason::UsherRoleLacksPermission,
        Code::FailedPrecondition,
        "give Usher's role the IAM action in the metadata; see deploy/iam",
    ),
    row(
        ErrorReason::UsherCredentialsInvalid,
        Code::FailedPrecondition,
        "renew the AWS credentials that Usher runs under; `usher check` tells more",
    ),
    row(
        ErrorReason::CallerConcurrencyLimited,
        Code::ResourceExhausted,
        "wait for open calls to end, then try again",
    ),
    row(
        ErrorReason::AwsBudgetExhausted,
        Code::ResourceExhausted,
        "try again after RetryInfo, or with a longer deadline",
    ),
    row(
        ErrorReason::MessageTooLarge,
        Code::ResourceExhausted,
        "send a smaller message",
    ),
    row(
        ErrorReason::AwsUnavailable,
        Code::Unavailable,
        "try again; nothing was recorded",
    ),
    row(
        ErrorReason::StoreUnavailable,
        Code::Unavailable,
        "try again with the same request_id",
    ),
    row(
        ErrorReason::ShuttingDown,
        Code::Unavailable,
        "try again, on another replica where there is one",
    ),
    row(
        ErrorReason::DeadlineExceeded,
        Code::DeadlineExceeded,
        "allow more time; nothing was recorded, or a repeat with the same request_id tells",
    ),
    row(
        ErrorReason::NotImplemented,
        Code::Unimplemented,
        "use a service, method and encoding that reflection shows",
    ),
    row(ErrorReason::Internal, Code::Internal, "report the call id"),
];

const fn row(reason: ErrorReason, code: Code, remedy: &'static str) -> TableRow {
    TableRow {
        reason,
        code,
        remedy,
    }
}

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
        AppError::FieldsInvalid(violations) => {
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
        AppError::PageTokenInvalid => status(
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
        ),
        AppError::RequestIdReused => status(
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
        ),
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
        AppError::BudgetExhausted { retry_after } => status(
            ErrorReason::AwsBudgetExhausted,
            call_id,
            "the budget of AWS operations cannot serve this before the deadline",
            &[],
            |details| {
                details.set_retry_info(Some(*retry_after));
                details.add_quota_failure_violation(
                    "aws",
                    "AWS allows about 20 operations a second to everybody together",
                );
            },
        ),
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
        AppError::NameAmbiguous { query, candidates } => {
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
                        details.add_precondition_failure_violation(
                            "NAME_AMBIGUOUS",
                            &candidate.id,
                            format!(
                                "{} `{}`",
                                candidate.kind,
                                shorten(&candidate.name, NAME_CHARACTERS_MAX)
                            ),
                        );
                    }
                },
            )
        }
        AppError::PrincipalDisabled { user_id } => precondition(
            ErrorReason::PrincipalDisabled,
            call_id,
            "the user is disabled in the identity store",
            user_id,
            &[("userId", user_id)],
        ),
        AppError::AccessViaGroup { groups } => {
            let count = groups.len();
            let listed: Vec<(&str, String)> = groups
                .iter()
                .take(LISTED_MAX)
                .map(|(id, name)| (id.as_str(), shorten(name, NAME_CHARACTERS_MAX)))
                .collect();
            let ids: Vec<&str> = listed.iter().map(|(id, _)| *id).collect();
            let message = format!(
                "the user has this access only through groups: `{}`{}",
                listed.first().map_or("", |(_, name)| name),
                if count > 1 {
                    format!(" and {} more", count - 1)
                } else {
                    String::new()
                }
            );
            status(
                ErrorReason::AccessViaGroup,
                call_id,
                &message,
                &[
                    ("groupIds", &ids.join(",")),
                    ("groupCount", &count.to_string()),
                ],
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
    fn every_reason_has_one_row() {
        let mut value = 1;
        let mut rows = 0;
        while let Ok(reason) = ErrorReason::try_from(value) {
            assert_eq!(
                TABLE.iter().filter(|row| row.reason == reason).count(),
                1,
                "{reason:?}"
            );
            value += if value == 19 { 2 } else { 1 };
            rows += 1;
        }
        assert_eq!(rows, TABLE.len());
    }

    #[test]
    fn internal_text_does_not_leave() {
        let status = status_of(&AppError::Internal("SELECT secret".to_owned()), "call");
        assert_eq!(status.code(), Code::Internal);
        assert!(!status.message().contains("SELECT"));
        assert!(!String::from_utf8_lossy(status.details()).contains("SELECT"));
    }
}
