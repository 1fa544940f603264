//! What Usher knows about the failures of AWS's operations, apart from any SDK.

use jiff::Timestamp;

use super::operation::Operation;

/// The kind of a failed operation: what the caller of the port tells apart, and nothing finer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// AWS's quota is spent; nothing happened. Try again later.
    Throttled,
    /// AWS failed (5xx). A write may have taken effect.
    Unavailable,
    /// No answer within the attempt's time. A write may have taken effect.
    Timeout,
    /// The connection broke. A write may have taken effect.
    ConnectionLost,
    /// The endpoint could not be reached: nothing was sent.
    NotReached,
    /// What the operation names does not exist.
    NotFound,
    /// sso-admin: an earlier write has not spread yet. Read, then try again.
    Conflict,
    /// AWS refuses the input for good.
    Validation,
    /// A quota of AWS that waiting does not refill, such as 100 groups an application.
    QuotaExceeded,
    /// Usher's role lacks an IAM permission.
    AccessDenied,
    /// Usher has no valid AWS credentials.
    CredentialsInvalid,
    /// The role that Usher is to assume for this instance cannot be assumed; nothing was sent.
    RoleNotAssumed,
    /// AWS took an asynchronous change and says that it FAILED.
    OperationFailed,
    /// The budget cannot serve it before its deadline; nothing was sent.
    BudgetExhausted,
    /// Usher may not write here; nothing was sent.
    ReadOnly,
    /// AWS accepted the change, or an earlier one of Usher's may still land, and reads do not show
    /// it as settled yet.
    NotVisible,
    /// AWS answered what this version does not understand. A write may have taken effect.
    Unexpected,
}

impl ErrorKind {
    /// Every kind, in the order of the declaration.
    pub const ALL: [Self; 17] = [
        Self::Throttled,
        Self::Unavailable,
        Self::Timeout,
        Self::ConnectionLost,
        Self::NotReached,
        Self::NotFound,
        Self::Conflict,
        Self::Validation,
        Self::QuotaExceeded,
        Self::AccessDenied,
        Self::CredentialsInvalid,
        Self::RoleNotAssumed,
        Self::OperationFailed,
        Self::BudgetExhausted,
        Self::ReadOnly,
        Self::NotVisible,
        Self::Unexpected,
    ];

    /// The word of answers, logs and the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::ConnectionLost => "connection_lost",
            Self::NotReached => "not_reached",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Validation => "validation",
            Self::QuotaExceeded => "quota_exceeded",
            Self::AccessDenied => "access_denied",
            Self::CredentialsInvalid => "credentials_invalid",
            Self::RoleNotAssumed => "role_not_assumed",
            Self::OperationFailed => "operation_failed",
            Self::BudgetExhausted => "budget_exhausted",
            Self::ReadOnly => "read_only",
            Self::NotVisible => "not_visible",
            Self::Unexpected => "unexpected",
        }
    }

    /// Whether a write that ended so may have happened all the same.
    #[must_use]
    pub fn outcome_is_unknown(self) -> bool {
        matches!(
            self,
            Self::Unavailable | Self::Timeout | Self::ConnectionLost | Self::Unexpected
        )
    }

    /// Whether AWS refuses this for good: trying again unchanged cannot help.
    #[must_use]
    pub fn is_final_refusal(self) -> bool {
        matches!(
            self,
            Self::NotFound | Self::Validation | Self::QuotaExceeded
        )
    }

    /// Whether a write that ended so certainly did nothing, so that no read is needed.
    #[must_use]
    pub fn did_nothing(self) -> bool {
        matches!(
            self,
            Self::Throttled
                | Self::NotReached
                | Self::AccessDenied
                | Self::CredentialsInvalid
                | Self::RoleNotAssumed
                | Self::BudgetExhausted
                | Self::ReadOnly
        )
    }

    /// Whether a write that ended so certainly had no effect, although what is there may have to be
    /// read: AWS refused, reported it as FAILED, or nothing reached it.
    #[must_use]
    pub fn had_no_effect(self) -> bool {
        self.did_nothing()
            || self.is_final_refusal()
            || matches!(self, Self::Conflict | Self::OperationFailed)
    }

    /// Whether AWS refuses to answer, for good or until somebody changes what Usher may do.
    #[must_use]
    pub fn is_refusal(self) -> bool {
        self.is_final_refusal() || self == Self::AccessDenied
    }

    /// Whether a Delete that ended so has to be sent again although reads show nothing: AWS did not
    /// say yes, and may say yes next time.
    #[must_use]
    pub fn leaves_delete_open(self) -> bool {
        matches!(self, Self::Conflict | Self::NotVisible) || self.outcome_is_unknown()
    }

    /// Whether AWS, asked for an hour, still saying this is a refusal. Outages and spent quotas
    /// are not: the grant waits for them, and whoever asked may revoke it.
    #[must_use]
    pub fn is_refusal_in_the_long_run(self) -> bool {
        matches!(
            self,
            Self::AccessDenied
                | Self::Conflict
                | Self::NotVisible
                | Self::OperationFailed
                | Self::Unexpected
        )
    }

    /// Whether AWS was not to be had: nobody refused anything.
    #[must_use]
    pub fn is_outage(self) -> bool {
        matches!(
            self,
            Self::Unavailable | Self::Timeout | Self::ConnectionLost | Self::NotReached
        )
    }

    /// What it means and what helps, for people. Never AWS's own text.
    #[must_use]
    pub fn explanation(self) -> &'static str {
        match self {
            Self::Throttled => "AWS's quota was spent by others; Usher waits and tries again",
            Self::Unavailable => "AWS failed inside; Usher tries again",
            Self::Timeout => {
                "AWS did not answer in time; Usher reads what happened and tries again"
            }
            Self::ConnectionLost => {
                "the connection to AWS broke; Usher reads what happened and tries again"
            }
            Self::NotReached => "the AWS endpoint cannot be reached from here",
            Self::NotFound => "AWS says that the target or the principal does not exist",
            Self::Conflict => "an earlier change has not spread inside AWS yet; Usher tries again",
            Self::Validation => "AWS refuses this combination of target and principal",
            Self::QuotaExceeded => {
                "an AWS quota is full, for example 100 groups on one application"
            }
            Self::RoleNotAssumed => {
                "the role that is configured for this instance or account cannot be assumed"
            }
            Self::OperationFailed => "AWS took the change and then reported that it failed",
            Self::AccessDenied => {
                "the IAM role that Usher runs under lacks a permission; see deploy/iam"
            }
            Self::CredentialsInvalid => "Usher's AWS credentials are missing or expired",
            Self::BudgetExhausted => "the budget of AWS operations cannot serve this in time",
            Self::ReadOnly => "Usher may not change AWS where it runs now",
            Self::NotVisible => {
                "AWS accepted the change and does not show it yet; Usher reads again"
            }
            Self::Unexpected => "AWS answered something that this version does not understand",
        }
    }
}

/// A failed operation, in Usher's words; of AWS's own text it holds `reason` alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize)]
#[error("{operation} failed: {kind_word}", kind_word = .kind.as_str())]
pub struct Failure {
    /// The kind.
    pub kind: ErrorKind,
    /// AWS's name of the operation.
    pub operation: String,
    /// AWS's id of the request; empty when no answer came.
    pub aws_request_id: String,
    /// For `AccessDenied`: the IAM action that is missing.
    pub missing_iam_action: String,
    /// When trying again makes sense at the earliest, if that is known.
    pub retry_after_milliseconds: Option<u64>,
    /// For `OperationFailed`: the reason that AWS keeps with the change, cleaned and cut for people
    /// (`domain::text::foreign_reason`); empty when AWS gave none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

impl Failure {
    /// A failure with nothing known but its kind.
    #[must_use]
    pub fn new(kind: ErrorKind, operation: Operation) -> Self {
        Self {
            kind,
            operation: operation.name().to_owned(),
            aws_request_id: String::new(),
            missing_iam_action: if kind == ErrorKind::AccessDenied {
                operation.iam_action()
            } else {
                String::new()
            },
            retry_after_milliseconds: None,
            reason: String::new(),
        }
    }
}

/// A failure and when it happened, as a grant keeps it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FailedAttempt {
    /// What failed.
    pub failure: Failure,
    /// When.
    pub at: Timestamp,
}
