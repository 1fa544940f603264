//! What Usher knows about AWS's operations and their failures, apart from any SDK.
//!
//! `Operation` is the whole list of what Usher can ask of AWS: the connector refuses everything
//! else, and the IAM policies in deploy/iam are tested against it.

use jiff::Timestamp;

/// An operation that Usher's code can make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the variants are AWS's own operation names")]
pub enum Operation {
    ListInstances,
    ListApplications,
    DescribeApplication,
    GetApplicationAssignmentConfiguration,
    ListApplicationAssignments,
    ListApplicationAssignmentsForPrincipal,
    DescribeApplicationAssignment,
    CreateApplicationAssignment,
    DeleteApplicationAssignment,
    ListUsers,
    ListGroups,
    DescribeUser,
    DescribeGroup,
    GetUserId,
    GetGroupId,
    ListGroupMemberships,
    ListGroupMembershipsForMember,
    GetCallerIdentity,
}

/// A quota of AWS that operations count against (aws-api.md §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QuotaBucket {
    /// All sso-admin operations together.
    SsoAdmin,
    /// One identitystore operation. AWS's current text counts each by itself; a setting folds
    /// them into one (`IdentityStoreQuota`).
    IdentityStore(Operation),
    /// Every identitystore operation together, the older and stricter reading.
    IdentityStoreCollective,
    /// sts, whose quota (600 a second) Usher cannot reach.
    Sts,
}

impl Operation {
    /// Every operation, in the order of AWS's services.
    pub const ALL: [Self; 18] = [
        Self::ListInstances,
        Self::ListApplications,
        Self::DescribeApplication,
        Self::GetApplicationAssignmentConfiguration,
        Self::ListApplicationAssignments,
        Self::ListApplicationAssignmentsForPrincipal,
        Self::DescribeApplicationAssignment,
        Self::CreateApplicationAssignment,
        Self::DeleteApplicationAssignment,
        Self::ListUsers,
        Self::ListGroups,
        Self::DescribeUser,
        Self::DescribeGroup,
        Self::GetUserId,
        Self::GetGroupId,
        Self::ListGroupMemberships,
        Self::ListGroupMembershipsForMember,
        Self::GetCallerIdentity,
    ];

    /// AWS's name of the operation.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ListInstances => "ListInstances",
            Self::ListApplications => "ListApplications",
            Self::DescribeApplication => "DescribeApplication",
            Self::GetApplicationAssignmentConfiguration => "GetApplicationAssignmentConfiguration",
            Self::ListApplicationAssignments => "ListApplicationAssignments",
            Self::ListApplicationAssignmentsForPrincipal => {
                "ListApplicationAssignmentsForPrincipal"
            }
            Self::DescribeApplicationAssignment => "DescribeApplicationAssignment",
            Self::CreateApplicationAssignment => "CreateApplicationAssignment",
            Self::DeleteApplicationAssignment => "DeleteApplicationAssignment",
            Self::ListUsers => "ListUsers",
            Self::ListGroups => "ListGroups",
            Self::DescribeUser => "DescribeUser",
            Self::DescribeGroup => "DescribeGroup",
            Self::GetUserId => "GetUserId",
            Self::GetGroupId => "GetGroupId",
            Self::ListGroupMemberships => "ListGroupMemberships",
            Self::ListGroupMembershipsForMember => "ListGroupMembershipsForMember",
            Self::GetCallerIdentity => "GetCallerIdentity",
        }
    }

    /// Finds an operation by AWS's name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|operation| operation.name() == name)
    }

    /// Whether it changes AWS. The reconciler alone makes these.
    #[must_use]
    pub fn is_write(self) -> bool {
        matches!(
            self,
            Self::CreateApplicationAssignment | Self::DeleteApplicationAssignment
        )
    }

    /// The service prefix of the IAM action.
    #[must_use]
    pub fn service(self) -> &'static str {
        match self {
            Self::GetCallerIdentity => "sts",
            Self::ListUsers
            | Self::ListGroups
            | Self::DescribeUser
            | Self::DescribeGroup
            | Self::GetUserId
            | Self::GetGroupId
            | Self::ListGroupMemberships
            | Self::ListGroupMembershipsForMember => "identitystore",
            _ => "sso",
        }
    }

    /// The IAM action that allows it (aws-api.md §6), for example `sso:ListApplications`.
    #[must_use]
    pub fn iam_action(self) -> String {
        format!("{}:{}", self.service(), self.name())
    }

    /// The quota it counts against, when each identitystore operation has its own.
    #[must_use]
    pub fn quota_bucket(self) -> QuotaBucket {
        match self.service() {
            "sts" => QuotaBucket::Sts,
            "identitystore" => QuotaBucket::IdentityStore(self),
            _ => QuotaBucket::SsoAdmin,
        }
    }
}

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
                | Self::BudgetExhausted
                | Self::ReadOnly
        )
    }

    /// Whether a write that ended so certainly had no effect, although what is there may have to be
    /// read: AWS refused, or nothing reached it.
    #[must_use]
    pub fn had_no_effect(self) -> bool {
        self.did_nothing() || self.is_final_refusal() || self == Self::Conflict
    }

    /// Whether a Delete that ended so has to be sent again although reads show nothing: AWS did not
    /// say yes, and may say yes next time.
    #[must_use]
    pub fn leaves_delete_open(self) -> bool {
        self == Self::Conflict || self.outcome_is_unknown()
    }

    /// Whether AWS, asked for an hour, still saying this is a refusal. Outages and spent quotas
    /// are not: the grant waits for them, and whoever asked may revoke it.
    #[must_use]
    pub fn is_refusal_in_the_long_run(self) -> bool {
        matches!(
            self,
            Self::AccessDenied | Self::Conflict | Self::NotVisible | Self::Unexpected
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
            Self::NotFound => "AWS says that the application or the principal does not exist",
            Self::Conflict => "an earlier change has not spread inside AWS yet; Usher tries again",
            Self::Validation => "AWS refuses this combination of application and principal",
            Self::QuotaExceeded => {
                "an AWS quota is full, for example 100 groups on one application"
            }
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

/// A failed operation, in Usher's words. Holds no text of AWS.
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
