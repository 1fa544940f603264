//! What can be looked up, and what can come of it.

use crate::domain::{ApplicationArn, Failure};

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

/// What was not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotFoundKind {
    /// A user or a group.
    Principal,
    /// An application.
    Application,
}

/// One of several things that a name fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// `user`, `group` or `application`.
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
