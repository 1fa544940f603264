//! Why a call was refused before anything was recorded. grpc/status.rs gives each its code, reason
//! and details. Nothing here carries text of AWS or of the store to a caller.

use std::time::Duration;

use jiff::Timestamp;

use crate::decision_log::LogKeeperError;
use crate::directory::{Candidate, LookupError, NotFoundKind};
use crate::domain::{ErrorKind, Failure, Freeze, GrantState};
use crate::store::StoreError;

/// A field at fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The field, with dots, for example `principal.user`.
    pub field: String,
    /// What is wrong and what helps; reads on from the field's name.
    pub problem: String,
}

/// A refusal.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Fields of the request are wrong: all of them at once.
    #[error("fields of the request are wrong")]
    FieldsInvalid(Vec<Violation>),
    /// The page token is not one of this call.
    #[error("the page token does not belong to this call")]
    PageTokenInvalid,
    /// The request id was used with other content.
    #[error("the request id was used with other content")]
    RequestIdReused,
    /// The instance is not configured.
    #[error("no such instance is configured")]
    InstanceNotFound {
        /// As asked.
        query: String,
    },
    /// No such application.
    #[error("no such application")]
    ApplicationNotFound {
        /// As asked.
        query: String,
    },
    /// No such account.
    #[error("no such account")]
    AccountNotFound {
        /// As asked.
        query: String,
    },
    /// No such permission set.
    #[error("no such permission set")]
    PermissionSetNotFound {
        /// As asked.
        query: String,
    },
    /// No such user or group.
    #[error("no such principal")]
    PrincipalNotFound {
        /// As asked.
        query: String,
    },
    /// No such grant.
    #[error("no such grant")]
    GrantNotFound {
        /// As asked.
        id: String,
    },
    /// No such mass change.
    #[error("no such mass change")]
    MassChangeNotFound {
        /// As asked.
        id: String,
    },
    /// The assignment is not there, and Usher has not removed it.
    #[error("no such assignment")]
    AssignmentNotFound {
        /// As asked, where the caller may not see it; else its id.
        principal: String,
        /// As asked, where the caller may not see it; else its key.
        target: String,
    },
    /// The name means more than one thing.
    #[error("the name means more than one thing")]
    NameAmbiguous {
        /// As asked.
        query: String,
        /// What it may mean.
        candidates: Vec<Candidate>,
    },
    /// Policy does not allow it.
    #[error("policy does not allow it")]
    PolicyDenied {
        /// The action of the schema that was denied.
        action: &'static str,
        /// The forbids that apply; none where nothing permits it.
        policies: Vec<String>,
        /// The version of the set that decided.
        policy_version: String,
    },
    /// The calling service may not act for its subject.
    #[error("the service may not act for its subject")]
    ActingDenied {
        /// Whether the subject's own token came along.
        subject_proven: bool,
        /// The forbids that apply; none where nothing permits it.
        policies: Vec<String>,
        /// The version of the set that decided.
        policy_version: String,
    },
    /// No path leads to what was asked.
    #[error("no path leads there")]
    PathsClosed(super::Refusal),
    /// Nobody agrees for themselves.
    #[error("the reviewer has a part in it")]
    SelfApproval,
    /// The reviewer is nobody whom the wish asks, or whose turn it is.
    #[error("the reviewer is not asked")]
    NotAnApprover,
    /// The service carried the wish, and does not prove for whom it agrees.
    #[error("the service does not prove the reviewer")]
    ApproverNotProven {
        /// Whether it names a person: then the person's own token is wanted.
        is_named: bool,
    },
    /// What was looked at is not what is open.
    #[error("the digest is another one")]
    DigestMismatch {
        /// What is open.
        digest: String,
    },
    /// The grant's state does not let it.
    #[error("the grant is {}", .state.as_str())]
    StateForbids {
        /// The state.
        state: GrantState,
    },
    /// A rule says that it is kept outside of Usher.
    #[error("it is kept outside of usher")]
    ExternallyOwned {
        /// By whom.
        owner: String,
    },
    /// Nobody could ever agree.
    #[error("nobody could agree")]
    NoEligibleApprover {
        /// The paths.
        policies: Vec<String>,
        /// Groups that are not there or have no members.
        missing: Vec<String>,
    },
    /// Nobody is who the caller says to act for, or proof and name disagree.
    #[error("the subject is not to be found")]
    SubjectNotFound,
    /// The user cannot sign in.
    #[error("the user is disabled")]
    PrincipalDisabled {
        /// The user's id.
        user_id: String,
    },
    /// The user has access only through groups.
    #[error("the access comes from groups")]
    AccessViaGroup {
        /// The groups: id and name.
        groups: Vec<(String, String)>,
    },
    /// The account cannot be used.
    #[error("the account is not active")]
    AccountInactive {
        /// The account's id.
        account_id: String,
    },
    /// AWS keeps the account from Usher, which works from a delegated administrator.
    #[error("the account is out of reach")]
    AccountOutOfReach {
        /// The account's id.
        account_id: String,
    },
    /// The instance gives access to applications only.
    #[error("the instance gives no access to accounts")]
    AccountAccessNotOffered {
        /// The instance.
        instance_arn: String,
    },
    /// AWS does not answer which accounts a principal has.
    #[error("accounts cannot be listed by principal")]
    NotListableByPrincipal {
        /// The instance.
        instance_arn: String,
    },
    /// The role for the instance cannot be assumed.
    #[error("the role of the instance cannot be assumed")]
    RoleNotAssumed,
    /// Usher may not change AWS here.
    #[error("usher is read-only here")]
    ReadOnly,
    /// An operator has frozen new access.
    #[error("new access is frozen")]
    Frozen(Freeze),
    /// Of that time there are no facts.
    #[error("no facts of that time were collected")]
    FactsNotCollected {
        /// Of which instance.
        instance_arn: String,
        /// When the first collection had ended; none where there is none.
        first_at: Option<Timestamp>,
        /// When there may be some; none where a repeat does not help.
        retry_after: Option<Duration>,
    },
    /// AWS refuses Usher's role.
    #[error("usher's role lacks a permission")]
    RoleLacksPermission {
        /// The IAM action.
        action: String,
    },
    /// Usher's own credentials do not work.
    #[error("usher's AWS credentials do not work")]
    CredentialsInvalid,
    /// The budget cannot serve this in time.
    #[error("the budget cannot serve this in time")]
    BudgetExhausted {
        /// When it could.
        retry_after: Duration,
    },
    /// AWS does not answer.
    #[error("AWS does not answer")]
    AwsUnavailable,
    /// The store does not answer.
    #[error("the store does not answer")]
    StoreUnavailable,
    /// The events behind a place were removed by their age.
    #[error("the events there were removed")]
    LogPositionRemoved {
        /// The first one that is kept.
        first: u64,
    },
    /// A watcher did not read for too long.
    #[error("the watcher does not read")]
    WatcherTooSlow,
    /// The caller's deadline passed before anything was recorded.
    #[error("the deadline passed before anything was recorded")]
    DeadlineExceeded,
    /// A fault of Usher. The text is for the log.
    #[error("internal: {0}")]
    Internal(String),
}

impl AppError {
    /// One field at fault.
    #[must_use]
    pub fn field(field: &str, problem: &str) -> Self {
        Self::FieldsInvalid(vec![Violation {
            field: field.to_owned(),
            problem: problem.to_owned(),
        }])
    }
}

impl AppError {
    /// What who may not act for its subject is told of a thing: the same as where it is not, so that
    /// a refusal never says that it is there. `WhoAmI` tells such a caller the reason.
    pub(super) fn hides(self, not_there: impl FnOnce() -> Self) -> Self {
        if self.is_about_the_subject() {
            not_there()
        } else {
            self
        }
    }
}

impl AppError {
    /// Whether it is refused for whom the call is made, and not for what it is about.
    pub(super) fn is_about_the_subject(&self) -> bool {
        matches!(
            self,
            Self::PolicyDenied { .. } | Self::ActingDenied { .. } | Self::SubjectNotFound
        )
    }

    /// Whether only AWS, or the budget for it, keeps Usher from the answer for now.
    pub(super) fn is_for_want_of_aws(&self) -> bool {
        matches!(
            self,
            Self::AwsUnavailable | Self::BudgetExhausted { .. } | Self::DeadlineExceeded
        )
    }
}

impl From<StoreError> for AppError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Corrupt(_) => Self::Internal(error.to_string()),
            StoreError::Stale
            | StoreError::LeaseLost
            | StoreError::Raced(_)
            | StoreError::Unavailable(_)
            | StoreError::Unusable(_) => {
                tracing::error!(error = %error, "the store failed a call");
                Self::StoreUnavailable
            }
        }
    }
}

impl From<LogKeeperError> for AppError {
    fn from(error: LogKeeperError) -> Self {
        match error {
            LogKeeperError::Store(error) => error.into(),
            LogKeeperError::Key => Self::Internal(error.to_string()),
        }
    }
}

impl From<Failure> for AppError {
    fn from(failure: Failure) -> Self {
        match failure.kind {
            ErrorKind::AccessDenied => Self::RoleLacksPermission {
                action: failure.missing_iam_action,
            },
            ErrorKind::CredentialsInvalid => Self::CredentialsInvalid,
            ErrorKind::RoleNotAssumed => Self::RoleNotAssumed,
            // The budget has room now: it is the time left that is too short for an operation.
            ErrorKind::BudgetExhausted if failure.retry_after_milliseconds == Some(0) => {
                Self::DeadlineExceeded
            }
            ErrorKind::BudgetExhausted => Self::BudgetExhausted {
                retry_after: Duration::from_millis(
                    failure.retry_after_milliseconds.unwrap_or(1000),
                ),
            },
            // AWS's throttle is never shown as such: reads have waited and tried again already.
            ErrorKind::Throttled => Self::BudgetExhausted {
                retry_after: Duration::from_millis(
                    failure.retry_after_milliseconds.unwrap_or(2000),
                ),
            },
            ErrorKind::Unavailable
            | ErrorKind::Timeout
            | ErrorKind::ConnectionLost
            | ErrorKind::NotReached => Self::AwsUnavailable,
            ErrorKind::ReadOnly => Self::ReadOnly,
            ErrorKind::NotFound
            | ErrorKind::Conflict
            | ErrorKind::Validation
            | ErrorKind::QuotaExceeded
            | ErrorKind::NotVisible
            | ErrorKind::OperationFailed
            | ErrorKind::Unexpected => Self::Internal(failure.to_string()),
        }
    }
}

impl From<LookupError> for AppError {
    fn from(error: LookupError) -> Self {
        match error {
            LookupError::NotFound {
                what: NotFoundKind::Principal,
                query,
            } => Self::PrincipalNotFound { query },
            LookupError::NotFound {
                what: NotFoundKind::Application,
                query,
            } => Self::ApplicationNotFound { query },
            LookupError::NotFound {
                what: NotFoundKind::Account,
                query,
            } => Self::AccountNotFound { query },
            LookupError::NotFound {
                what: NotFoundKind::PermissionSet,
                query,
            } => Self::PermissionSetNotFound { query },
            LookupError::Ambiguous { query, candidates } => {
                Self::NameAmbiguous { query, candidates }
            }
            LookupError::Aws(failure) => failure.into(),
        }
    }
}
