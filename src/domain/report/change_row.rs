//! The row of what changed: of the view CHANGES, and of any view that is compared with another time. The list
//! below is the only list of its columns.

use super::row::columns;

/// Why a fact of AWS changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChangeCause {
    /// Usher did it; `events` has the places in the log.
    Usher,
    /// A rule of the configuration names who keeps the assignment outside of Usher.
    External,
    /// Somebody did it beside Usher, to what is Usher's to do.
    OutOfBand,
    /// It was changed in AWS, where Usher changes nothing of the kind.
    Aws,
    /// The log of the time could not be read, or not all of it.
    Unknown,
}

impl ChangeCause {
    /// The word of the column `cause`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Usher => "USHER",
            Self::External => "EXTERNAL",
            Self::OutOfBand => "OUT_OF_BAND",
            Self::Aws => "AWS",
            Self::Unknown => "UNKNOWN",
        }
    }
}

columns! {
    /// Something that happened, or that is otherwise than it was; every cell is text, empty where it does not
    /// apply.
    ChangeRow[29], Changes;
    /// The instance.
    instance_arn,
    /// Its identity store.
    identity_store_id,
    /// The account that owns the instance.
    owner_account_id,
    /// EVENT, GRANT, or what kind of fact: ASSIGNMENT, MEMBERSHIP, USER, GROUP, APPLICATION, PERMISSION_SET,
    /// ACCOUNT, ACCOUNT_ACCESS, FINDING.
    what,
    /// Of facts ADDED, REMOVED or CHANGED; of an event its kind; of a grant its state now.
    change,
    /// When it happened; of facts, when a collection first saw it so. RFC 3339 UTC.
    at,
    /// Of facts: when a collection last saw it otherwise. It changed in between.
    not_before,
    /// Of a grant: when it ended, or is to end.
    until,
    /// USER or GROUP.
    principal_type,
    /// The user or group; of a membership, the user.
    principal_id,
    /// Its name.
    principal_name,
    /// Of a membership: the group.
    group_id,
    /// The group's name.
    group_name,
    /// APPLICATION or ACCOUNT.
    target_kind,
    /// The application.
    application_arn,
    /// The application's name; not unique.
    application_name,
    /// The account.
    account_id,
    /// The account's name.
    account_name,
    /// The permission set.
    permission_set_arn,
    /// The permission set's name.
    permission_set_name,
    /// What was the case, as JSON.
    before,
    /// What is the case, as JSON.
    after,
    /// Of facts: a `ChangeCause`.
    cause,
    /// Who did it: the caller of an event, who asked for a grant, who made a membership as AWS names it.
    by,
    /// The grants, joined by `;`.
    grant_id,
    /// Why the grant was asked for.
    justification,
    /// Its ticket.
    ticket,
    /// Of a grant: how many seconds after its time its access went, or has not gone yet; empty up to a minute.
    late_seconds,
    /// The places in the log, joined by `;`.
    events,
}
