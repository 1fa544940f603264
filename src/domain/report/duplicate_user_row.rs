//! The row of the view DUPLICATE_USERS. The list below is the only list of its columns.

use super::row::columns;

/// What two users share, so that they are taken for one person. The order of the variants is the
/// order of their words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MatchKind {
    /// The email address, whatever the case of its letters.
    Email,
    /// The id that another system has for them.
    ExternalId,
}

impl MatchKind {
    /// The word of the column `match_kind`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Email => "EMAIL",
            Self::ExternalId => "EXTERNAL_ID",
        }
    }
}

columns! {
    /// A user of a person who is in several identity stores, once for each thing that it shares
    /// with another user of that person. Every cell is text.
    DuplicateUserRow[13], DuplicateUsers;
    /// A number that the users of one person have in common; it means nothing beyond this report.
    person,
    /// In how many identity stores the person is.
    store_count,
    /// EMAIL or EXTERNAL_ID.
    match_kind,
    /// The issuer of the external id; empty for EMAIL.
    match_issuer,
    /// What is shared: the email address in lower case, or the external id.
    match_value,
    /// The instance of the user's identity store.
    instance_arn,
    /// The user's identity store.
    identity_store_id,
    /// The account that owns the instance.
    owner_account_id,
    /// The user.
    user_id,
    /// The user name.
    user_name,
    /// The user's display name.
    display_name,
    /// The user's email address, as the store has it.
    email,
    /// ENABLED, DISABLED or unknown.
    user_status,
}
