//! Report rows and their words: what an audit says, in which columns and in which order.
//!
//! Pure text and small enumerations. Nothing here reads AWS or the store, and nothing here decides
//! who has access: `audit` does, and writes it down in these words.

mod duplicate_user_row;
mod guard;
mod instance_row;
mod row;

pub use duplicate_user_row::{DuplicateUserRow, MatchKind};
pub use guard::{guarded, unguarded};
pub use instance_row::{InstanceRow, Reach};
pub use row::{Batch, COLUMN_COUNT, COLUMNS, ReportRow, Row};

use super::{GrantState, Standing};

/// The question a report answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum View {
    /// Who can enter what, and which way: one row per instance, target, user and path.
    Access,
    /// The assignments as AWS has them, with names beside the ids.
    Assignments,
    /// The instances, with what is in them, and the accounts that could not be looked into.
    Instances,
    /// People who are in more than one identity store.
    DuplicateUsers,
}

impl View {
    /// The word of the command line and of logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Access => "ACCESS",
            Self::Assignments => "ASSIGNMENTS",
            Self::Instances => "INSTANCES",
            Self::DuplicateUsers => "DUPLICATE_USERS",
        }
    }

    /// Whether it can be about one principal or one target.
    #[must_use]
    pub fn is_about_access(self) -> bool {
        match self {
            Self::Access | Self::Assignments => true,
            Self::Instances | Self::DuplicateUsers => false,
        }
    }

    /// The columns of its rows, in order.
    #[must_use]
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Access | Self::Assignments => Row::COLUMNS,
            Self::Instances => InstanceRow::COLUMNS,
            Self::DuplicateUsers => DuplicateUserRow::COLUMNS,
        }
    }
}

/// The form in which rows travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Batches of `Row`.
    Rows,
    /// RFC 4180, header row first, dangerous cells guarded.
    Csv,
    /// One JSON object a line, the text as it is.
    JsonLines,
    /// One page for people, whole in itself.
    Html,
}

impl Format {
    /// The word of the command line and of logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rows => "ROWS",
            Self::Csv => "CSV",
            Self::JsonLines => "JSON_LINES",
            Self::Html => "HTML",
        }
    }
}

/// One way in. The order of the variants is the order of their words, so that rows sorted by this
/// are sorted by their text too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReportPath {
    /// The user is assigned itself.
    Direct,
    /// A group of the user is assigned.
    Group,
    /// The assignment lets nobody in: its group is empty, or its principal was deleted.
    None,
    /// The application is open to everybody in the identity store.
    OpenApplication,
}

impl ReportPath {
    /// The word of the column `path`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "DIRECT",
            Self::Group => "GROUP",
            Self::None => "NONE",
            Self::OpenApplication => "OPEN_APPLICATION",
        }
    }
}

/// Why an assignment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Provenance {
    /// A live grant holds it.
    Grant,
    /// It was there before Usher's first Create and outlives every grant.
    Standing,
    /// A rule of the configuration names who keeps it outside of Usher, and no grant holds it.
    External,
    /// Neither a grant nor a standing mark explains it.
    Unrecorded,
}

impl Provenance {
    /// Why an assignment stands that has this standing mark and grants in these states. A grant on
    /// its way out no longer holds a standing assignment, which outlives it; one that is over holds
    /// nothing.
    #[must_use]
    pub fn of(standing: Standing, grants: impl IntoIterator<Item = GrantState>) -> Self {
        let mut is_ending = false;
        for state in grants {
            if state.is_live() {
                return Self::Grant;
            }
            is_ending |= !state.is_over();
        }
        match standing {
            Standing::Yes => Self::Standing,
            Standing::No | Standing::Unknown if is_ending => Self::Grant,
            Standing::No | Standing::Unknown => Self::Unrecorded,
        }
    }

    /// The same where a rule names an owner outside of Usher: a grant that holds it still counts.
    #[must_use]
    pub fn or_external(self, is_external: bool) -> Self {
        match self {
            Self::Standing | Self::Unrecorded if is_external => Self::External,
            other => other,
        }
    }

    /// The word of the column `provenance`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "GRANT",
            Self::Standing => "STANDING",
            Self::External => "EXTERNAL",
            Self::Unrecorded => "UNRECORDED",
        }
    }
}

/// Something that a row points at. A finding about an application stands on each of its rows, one
/// about a principal on the rows of that principal. In the column they stand in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Finding {
    /// The application lets everybody in the identity store in; its assignments do not matter.
    OpenApplication,
    /// Whether the application is open could not be read.
    AssignmentConfigurationUnknown,
    /// The application is switched off. Its assignments stay and matter when it is switched on.
    ApplicationDisabled,
    /// The account is suspended, closed or not yet activated: nobody can enter it now.
    AccountInactive,
    /// The organization does not list the account.
    AccountNotInOrganization,
    /// The assigned user or group was deleted; the assignment lets nobody in.
    OrphanedAssignment,
    /// The assigned group has no members.
    EmptyGroup,
    /// The members of the assigned group could not be read, or not all of them.
    GroupMembersUnknown,
    /// The user is disabled and cannot sign in; open sessions may outlive that for hours.
    DisabledUser,
    /// AWS lists a member of the group who was deleted.
    DeletedMember,
    /// Whether the principal still exists could not be read.
    PrincipalUnknown,
}

impl Finding {
    /// Every finding, in the order of the column.
    pub const ALL: [Self; 11] = [
        Self::OpenApplication,
        Self::AssignmentConfigurationUnknown,
        Self::ApplicationDisabled,
        Self::AccountInactive,
        Self::AccountNotInOrganization,
        Self::OrphanedAssignment,
        Self::EmptyGroup,
        Self::GroupMembersUnknown,
        Self::DisabledUser,
        Self::DeletedMember,
        Self::PrincipalUnknown,
    ];

    /// The word of the column `findings`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenApplication => "open_application",
            Self::AssignmentConfigurationUnknown => "assignment_configuration_unknown",
            Self::ApplicationDisabled => "application_disabled",
            Self::AccountInactive => "account_inactive",
            Self::AccountNotInOrganization => "account_not_in_organization",
            Self::OrphanedAssignment => "orphaned_assignment",
            Self::EmptyGroup => "empty_group",
            Self::GroupMembersUnknown => "group_members_unknown",
            Self::DisabledUser => "disabled_user",
            Self::DeletedMember => "deleted_member",
            Self::PrincipalUnknown => "principal_unknown",
        }
    }
}

/// What joins several values in one cell: grant ids and findings hold none.
pub const LIST_SEPARATOR: &str = ";";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_sort_as_their_words_do() {
        let paths = [
            ReportPath::Direct,
            ReportPath::Group,
            ReportPath::None,
            ReportPath::OpenApplication,
        ];
        assert!(paths.is_sorted());
        assert!(paths.map(ReportPath::as_str).is_sorted());
    }

    #[test]
    fn findings_are_different_words_without_the_separator() {
        let words: std::collections::BTreeSet<&str> = Finding::ALL
            .iter()
            .map(|finding| finding.as_str())
            .collect();
        assert_eq!(words.len(), Finding::ALL.len());
        assert!(words.iter().all(|word| !word.contains(LIST_SEPARATOR)));
    }
}
