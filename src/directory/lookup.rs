//! What can be looked up, and what can come of it.

use std::fmt;

use crate::domain::{AccountId, ApplicationArn, Failure, PermissionSetArn};

/// A user or a group as a caller names it. The text has passed `domain::text::check_lookup_name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrincipalQuery {
    /// A user's id, user name or email address. A text of the shape of an id is an id.
    User(String),
    /// A group's id or display name. A text of the shape of an id is an id.
    Group(String),
}

/// An application as a caller names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApplicationQuery {
    /// By ARN.
    Arn(ApplicationArn),
    /// By its exact name.
    Name(String),
}

/// An account as a caller names it. Its ARN is its id with more around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountQuery {
    /// By id.
    Id(AccountId),
    /// By its exact name.
    Name(String),
}

/// A permission set as a caller names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PermissionSetQuery {
    /// By ARN.
    Arn(PermissionSetArn),
    /// By its id in its instance, or by its exact name. A text of the shape of an id is an id.
    IdOrName(String),
}

/// A target as a caller names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetQuery {
    /// An application.
    Application(ApplicationQuery),
    /// An account with a permission set.
    AccountAccess {
        /// The account.
        account: AccountQuery,
        /// The permission set.
        permission_set: PermissionSetQuery,
    },
}

impl fmt::Display for PrincipalQuery {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(text) | Self::Group(text) => formatter.write_str(text),
        }
    }
}

impl fmt::Display for TargetQuery {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (account, permission_set) = match self {
            Self::Application(ApplicationQuery::Arn(arn)) => return write!(formatter, "{arn}"),
            Self::Application(ApplicationQuery::Name(name)) => return formatter.write_str(name),
            Self::AccountAccess {
                account,
                permission_set,
            } => (account, permission_set),
        };
        match account {
            AccountQuery::Id(id) => write!(formatter, "{id}/")?,
            AccountQuery::Name(name) => write!(formatter, "{name}/")?,
        }
        match permission_set {
            PermissionSetQuery::Arn(arn) => write!(formatter, "{arn}"),
            PermissionSetQuery::IdOrName(text) => formatter.write_str(text),
        }
    }
}

impl TargetQuery {
    /// The id of the instance that an ARN in the query names; none when no ARN does.
    #[must_use]
    pub fn instance_id(&self) -> Option<&str> {
        match self {
            Self::Application(ApplicationQuery::Arn(arn)) => Some(arn.instance_id()),
            Self::AccountAccess {
                permission_set: PermissionSetQuery::Arn(arn),
                ..
            } => Some(arn.instance_id()),
            Self::Application(ApplicationQuery::Name(_))
            | Self::AccountAccess {
                permission_set: PermissionSetQuery::IdOrName(_),
                ..
            } => None,
        }
    }
}

/// What was not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotFoundKind {
    /// A user or a group.
    Principal,
    /// An application.
    Application,
    /// An account.
    Account,
    /// A permission set.
    PermissionSet,
}

/// One of several things that a name fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// `user`, `group`, `application` or `account`.
    pub kind: &'static str,
    /// The id or ARN: with it the question is not ambiguous any more.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// Why a lookup has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// There is nothing of this id or name.
    #[error("`{query}` does not exist")]
    NotFound {
        /// What was looked for.
        what: NotFoundKind,
        /// The caller's text.
        query: String,
    },
    /// The name fits several things, and which one was meant is not Usher's to guess.
    #[error("`{query}` fits {} things", candidates.len())]
    Ambiguous {
        /// The caller's text.
        query: String,
        /// All that it fits.
        candidates: Vec<Candidate>,
    },
    /// AWS could not be asked.
    #[error(transparent)]
    Aws(#[from] Failure),
}
