//! From what went wrong to a `Failure`: AWS's codes, HTTP statuses and broken connections in
//! Usher's few words.
//!
//! No text of AWS leaves this file except into the log.

use std::time::Duration;

use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use serde::Deserialize;

use super::attempt::{Answer, Attempt, Progress, Refusal};
use crate::domain::{ErrorKind, Failure, Operation};

/// A failure with what only this adapter looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rejection {
    pub(super) failure: Failure,
    /// AWS's `ResourceType` of a ResourceNotFoundException, for example `IDENTITY_STORE`.
    resource_type: Option<String>,
    /// AWS's `Reason`, for example `KMS_NOT_FOUND`.
    reason: Option<String>,
    /// AWS has too many asynchronous changes under way: its rate is not what is spent.
    is_outstanding_limit: bool,
}

impl Rejection {
    pub(super) fn new(failure: Failure) -> Self {
        Self {
            failure,
            resource_type: None,
            reason: None,
            is_outstanding_limit: false,
        }
    }

    /// Whether the quota of the operation's rate is spent, so that nobody is to send for a while.
    pub(super) fn is_throttle_of_rate(&self) -> bool {
        self.failure.kind == ErrorKind::Throttled && !self.is_outstanding_limit
    }

    /// Whether AWS says that the very thing asked for is not there: not its identity store, and
    /// not the key that the data is encrypted with.
    pub(super) fn says_it_is_not_there(&self) -> bool {
        self.failure.kind == ErrorKind::NotFound
            && self.reason.is_none()
            && matches!(
                self.resource_type.as_deref(),
                None | Some("USER" | "GROUP" | "GROUP_MEMBERSHIP")
            )
    }

    /// Whether AWS says that the input can be nobody's: a name outside its patterns.
    pub(super) fn says_input_is_impossible(&self) -> bool {
        self.failure.kind == ErrorKind::Validation && self.reason.is_none()
    }
}

impl From<Failure> for Rejection {
    fn from(failure: Failure) -> Self {
        Self::new(failure)
    }
}

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Self {
        rejection.failure
    }
}

/// The members of an error body that decide something (aws-api.md §1, error shapes).
#[derive(Debug, Default, Deserialize)]
struct ErrorBody {
    #[serde(rename = "ResourceType")]
    resource_type: Option<String>,
    #[serde(rename = "Reason")]
    reason: Option<String>,
    #[serde(rename = "RetryAfterSeconds")]
    retry_after_seconds: Option<u64>,
}

/// Names the failure of an attempt. `service_error` is AWS's modelled or unmodelled error, if the
/// answer was one.
pub(super) fn rejection(
    attempt: &Attempt,
    service_error: Option<&dyn ProvideErrorMetadata>,
) -> Rejection {
    match attempt.progress() {
        Progress::Answered(answer) => {
            answered(attempt.operation, &answer, service_error.map(ErrorText::of))
        }
        Progress::RoleNotAssumed(failure) => Rejection::new(failure),
        progress => {
            let (kind, retry_after) = unanswered(&progress);
            let mut failure = Failure::new(kind, attempt.operation);
            failure.retry_after_milliseconds = retry_after.map(milliseconds);
            Rejection::new(failure)
        }
    }
}

/// The failure for an answer that lacks what must be in it.
pub(super) fn unusable(attempt: &Attempt, missing: &'static str) -> Failure {
    tracing::warn!(
        operation = attempt.operation.name(),
        missing,
        "AWS's answer lacks what must be in it"
    );
    let mut failure = Failure::new(ErrorKind::Unexpected, attempt.operation);
    failure.aws_request_id = attempt
        .answer()
        .map(|answer| answer.request_id)
        .unwrap_or_default();
    failure
}

/// AWS's own words, borrowed for the time of this mapping.
#[derive(Clone, Copy)]
struct ErrorText<'a> {
    code: &'a str,
    message: &'a str,
}

impl<'a> ErrorText<'a> {
    fn of(error: &'a dyn ProvideErrorMetadata) -> Self {
        Self {
            code: error.code().unwrap_or_default(),
            message: error.message().unwrap_or_default(),
        }
    }
}

fn unanswered(progress: &Progress) -> (ErrorKind, Option<Duration>) {
    match progress {
        // The SDK gave up before the connector was asked: that is how missing credentials look.
        Progress::NotSent => (ErrorKind::CredentialsInvalid, None),
        Progress::AssumingRole => (ErrorKind::RoleNotAssumed, None),
        Progress::Waiting => (ErrorKind::BudgetExhausted, None),
        Progress::Refused(Refusal::Budget { retry_after }) => {
            (ErrorKind::BudgetExhausted, Some(*retry_after))
        }
        Progress::Refused(Refusal::ReadOnly) => (ErrorKind::ReadOnly, None),
        Progress::Refused(Refusal::UnknownOperation) => (ErrorKind::Unexpected, None),
        Progress::NotReached => (ErrorKind::NotReached, None),
        Progress::Sent | Progress::TimedOut => (ErrorKind::Timeout, None),
        Progress::Lost => (ErrorKind::ConnectionLost, None),
        Progress::Answered(_) | Progress::RoleNotAssumed(_) => (ErrorKind::Unexpected, None),
    }
}

fn answered(operation: Operation, answer: &Answer, error: Option<ErrorText<'_>>) -> Rejection {
    let body: ErrorBody = serde_json::from_slice(&answer.body).unwrap_or_default();
    let kind = match (error, body.reason.as_deref()) {
        (_, Some(reason)) if reason.starts_with("KMS_") => kind_of_key_trouble(reason),
        (Some(error), _) => {
            kind_of_code(error.code).unwrap_or_else(|| kind_of_status(answer.status))
        }
        (None, _) => kind_of_status(answer.status),
    };
    let mut failure = Failure::new(kind, operation);
    failure.aws_request_id = answer.request_id.clone();
    failure.retry_after_milliseconds = body
        .retry_after_seconds
        .filter(|seconds| *seconds > 0)
        .map(Duration::from_secs)
        .or(answer.retry_after)
        .map(milliseconds);
    if kind == ErrorKind::AccessDenied
        && let Some(action) = error.and_then(|error| denied_action(error.message))
    {
        failure.missing_iam_action = action;
    }
    Rejection {
        failure,
        resource_type: body.resource_type,
        reason: body.reason,
        is_outstanding_limit: kind == ErrorKind::Throttled
            && error.is_some_and(|error| says_outstanding_limit(operation, error.message)),
    }
}

/// Whether a throttle is about the asynchronous changes under way: AWS says so by its words alone
/// (aws-api.md §1). Any other words are a throttle of the rate.
fn says_outstanding_limit(operation: Operation, message: &str) -> bool {
    matches!(
        operation,
        Operation::CreateAccountAssignment | Operation::DeleteAccountAssignment
    ) && message
        .to_ascii_lowercase()
        .contains("too many requests processing")
}

/// AWS's error codes, of the model and of the layers before it (aws-api.md §1).
fn kind_of_code(code: &str) -> Option<ErrorKind> {
    Some(match code {
        "ThrottlingException"
        | "Throttling"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequests"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "SlowDown" => ErrorKind::Throttled,
        "UnrecognizedClientException"
        | "UnrecognizedClient"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired"
        | "InvalidToken"
        | "InvalidSignature"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "AuthFailure" => ErrorKind::CredentialsInvalid,
        "ResourceNotFoundException" | "AWSOrganizationsNotInUseException" => ErrorKind::NotFound,
        "ConflictException" => ErrorKind::Conflict,
        "ValidationException" | "ValidationError" | "InvalidInputException" => {
            ErrorKind::Validation
        }
        "ServiceQuotaExceededException" => ErrorKind::QuotaExceeded,
        "InternalServerException"
        | "InternalServerError"
        | "InternalFailure"
        | "InternalError"
        | "ServiceException"
        | "ServiceUnavailable"
        | "ServiceUnavailableException" => ErrorKind::Unavailable,
        code if code.starts_with("AccessDenied") => ErrorKind::AccessDenied,
        _ => return None,
    })
}

/// For answers without a code that we know. A 503 may come from a proxy after the request went on
/// to AWS, so that it does not count as a throttle, which promises that nothing happened.
fn kind_of_status(status: u16) -> ErrorKind {
    match status {
        429 => ErrorKind::Throttled,
        500..=599 => ErrorKind::Unavailable,
        _ => ErrorKind::Unexpected,
    }
}

/// Trouble with the customer's own encryption key, which AWS reports under every error name.
fn kind_of_key_trouble(reason: &str) -> ErrorKind {
    if reason.starts_with("KMS_Throttling") || reason == "KMS_THROTTLING" {
        ErrorKind::Throttled
    } else if reason.starts_with("KMS_AccessDenied") || reason == "KMS_ACCESS_DENIED" {
        ErrorKind::AccessDenied
    } else {
        ErrorKind::Unavailable
    }
}

/// The action in "… is not authorized to perform: sso:X on resource: …" (aws-api.md §6).
fn denied_action(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("not authorized to perform: ")?;
    let action = rest
        .split(|letter: char| letter.is_whitespace() || letter == ',')
        .next()?;
    let (service, name) = action.split_once(':')?;
    let fits = (1..=64).contains(&service.len())
        && (1..=128).contains(&name.len())
        && service
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    fits.then(|| action.to_owned())
}

pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn rejected(status: u16, code: &str, message: &str, body: &str) -> Rejection {
        let answer = Answer {
            status,
            request_id: "r-1".to_owned(),
            retry_after: None,
            body: Bytes::from(body.to_owned()),
        };
        let error = (!code.is_empty()).then_some(ErrorText { code, message });
        answered(Operation::DescribeUser, &answer, error)
    }

    #[test]
    fn codes_win_over_statuses_and_statuses_over_nothing() {
        for (status, code, kind) in [
            (400, "ThrottlingException", ErrorKind::Throttled),
            (503, "ThrottlingException", ErrorKind::Throttled),
            (429, "", ErrorKind::Throttled),
            (503, "", ErrorKind::Unavailable),
            (502, "BadGateway", ErrorKind::Unavailable),
            (400, "AccessDeniedException", ErrorKind::AccessDenied),
            (403, "AccessDenied", ErrorKind::AccessDenied),
            (400, "ExpiredTokenException", ErrorKind::CredentialsInvalid),
            (403, "SignatureDoesNotMatch", ErrorKind::CredentialsInvalid),
            (400, "ResourceNotFoundException", ErrorKind::NotFound),
            (
                400,
                "AWSOrganizationsNotInUseException",
                ErrorKind::NotFound,
            ),
            (400, "TooManyRequestsException", ErrorKind::Throttled),
            (400, "ServiceException", ErrorKind::Unavailable),
            (400, "ConflictException", ErrorKind::Conflict),
            (400, "ValidationException", ErrorKind::Validation),
            (
                400,
                "ServiceQuotaExceededException",
                ErrorKind::QuotaExceeded,
            ),
            (500, "InternalServerException", ErrorKind::Unavailable),
            (400, "UnknownOperationException", ErrorKind::Unexpected),
            (200, "", ErrorKind::Unexpected),
        ] {
            let failure = rejected(status, code, "", "{}").failure;
            assert_eq!(failure.kind, kind, "{status} {code}");
            assert_eq!(failure.aws_request_id, "r-1");
        }
    }

    #[test]
    fn a_denial_names_the_action_and_nothing_else_of_the_text() {
        let message = "User: arn:aws:sts::1:assumed-role/x is not authorized to perform: \
                       sso-directory:DescribeUser on resource: arn";
        let failure = rejected(400, "AccessDeniedException", message, "{}").failure;
        assert_eq!(failure.missing_iam_action, "sso-directory:DescribeUser");
        for strange in ["", "is not authorized to perform: <b>:x", "perform: a:b"] {
            let failure = rejected(400, "AccessDeniedException", strange, "{}").failure;
            assert_eq!(failure.missing_iam_action, "identitystore:DescribeUser");
        }
    }

    #[test]
    fn a_missing_store_or_key_is_not_a_missing_user() {
        let not_found = |body| rejected(400, "ResourceNotFoundException", "", body);
        assert!(not_found("{}").says_it_is_not_there());
        assert!(not_found(r#"{"ResourceType":"USER"}"#).says_it_is_not_there());
        assert!(!not_found(r#"{"ResourceType":"IDENTITY_STORE"}"#).says_it_is_not_there());
        let key = not_found(r#"{"Reason":"KMS_NOT_FOUND"}"#);
        assert!(!key.says_it_is_not_there());
        assert_eq!(key.failure.kind, ErrorKind::Unavailable);
        let denied = rejected(
            400,
            "AccessDeniedException",
            "",
            r#"{"Reason":"KMS_ACCESS_DENIED"}"#,
        );
        assert_eq!(denied.failure.kind, ErrorKind::AccessDenied);
    }

    #[test]
    fn too_many_changes_under_way_are_no_throttle_of_the_rate() {
        let words = "There are too many requests processing. Please try again later.";
        for (operation, message, is_of_rate) in [
            (Operation::CreateAccountAssignment, words, false),
            (Operation::DeleteAccountAssignment, words, false),
            (Operation::CreateAccountAssignment, "Rate exceeded", true),
            (Operation::DescribeUser, words, true),
        ] {
            let answer = Answer {
                status: 400,
                request_id: "r-1".to_owned(),
                retry_after: None,
                body: Bytes::from("{}"),
            };
            let code = "ThrottlingException";
            let rejected = answered(operation, &answer, Some(ErrorText { code, message }));
            assert_eq!(rejected.failure.kind, ErrorKind::Throttled);
            assert_eq!(rejected.is_throttle_of_rate(), is_of_rate, "{message}");
        }
    }

    #[test]
    fn retry_after_seconds_count_when_they_are_there() {
        let with = |body| {
            rejected(400, "ThrottlingException", "", body)
                .failure
                .retry_after_milliseconds
        };
        assert_eq!(with(r#"{"RetryAfterSeconds":3}"#), Some(3000));
        assert_eq!(with(r#"{"RetryAfterSeconds":0}"#), None);
        assert_eq!(with("<html>"), None);
    }
}
