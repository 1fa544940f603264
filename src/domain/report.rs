//! Report rows and their words: what an audit says, in which columns and in which order.
//!
//! Pure text and small enumerations. Nothing here reads AWS or the store, and nothing here decides
//! who has access: `audit` does, and writes it down in these words.

mod change_row;
mod duplicate_user_row;
mod finding;
mod finding_row;
mod guard;
mod instance_row;
mod row;

pub use change_row::{ChangeCause, ChangeRow};
pub use duplicate_user_row::{DuplicateUserRow, MatchKind};
pub use finding::{Finding, Severity};
pub use finding_row::FindingRow;
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
    /// What somebody should look at: each thing once, with since when and what to do.
    Findings,
    /// Everything that happened in a period.
    Changes,
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
            Self::Findings => "FINDINGS",
            Self::Changes => "CHANGES",
        }
    }

    /// Whether it is about who has access; only then facts that are kept can answer.
    #[must_use]
    pub fn tells_access(self) -> bool {
        self.is_about_access() || self == Self::Findings
    }

    /// Whether it needs the members of groups and everybody whom an open application lets in.
    #[must_use]
    pub fn expands_groups(self) -> bool {
        matches!(self, Self::Access | Self::Findings)
    }

    /// Whether it can be about one principal or one target.
    #[must_use]
    pub fn takes_scope(self) -> bool {
        self.is_about_access() || self == Self::Changes
    }

    /// Whether its rows are ways in or assignments.
    #[must_use]
    pub fn is_about_access(self) -> bool {
        match self {
            Self::Access | Self::Assignments => true,
            Self::Instances | Self::DuplicateUsers | Self::Findings | Self::Changes => false,
        }
    }

    /// The columns of its rows, in order.
    #[must_use]
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Access | Self::Assignments => Row::COLUMNS,
            Self::Instances => InstanceRow::COLUMNS,
            Self::DuplicateUsers => DuplicateUserRow::COLUMNS,
            Self::Findings => FindingRow::COLUMNS,
            Self::Changes => ChangeRow::COLUMNS,
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
    /// It appeared beside Usher, after the first whole collection.
    OutOfBand,
    /// Neither a grant nor a standing mark explains it, and there was no whole collection yet.
    Unrecorded,
}

/// When an assignment that is there was first seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FirstSeen {
    /// Nobody kept account of it: there was no whole collection yet.
    Unknown,
    /// The first whole collection saw it, and every one since.
    InFirstCollection,
    /// It was not there once, and came later.
    Later,
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

    /// The same where collections tell since when it has been there. One that was read to be absent once has
    /// come since, whatever they tell.
    #[must_use]
    pub fn first_seen(self, standing: Standing, seen: FirstSeen) -> Self {
        match (self, seen) {
            (Self::Unrecorded, FirstSeen::InFirstCollection) if standing != Standing::No => {
                Self::Standing
            }
            (Self::Unrecorded, FirstSeen::InFirstCollection | FirstSeen::Later) => Self::OutOfBand,
            (other, _) => other,
        }
    }

    /// The same where a rule names an owner outside of Usher: a grant that holds it still counts.
    #[must_use]
    pub fn or_external(self, is_external: bool) -> Self {
        match self {
            Self::Standing | Self::OutOfBand | Self::Unrecorded if is_external => Self::External,
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
            Self::OutOfBand => "OUT_OF_BAND",
            Self::Unrecorded => "UNRECORDED",
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
}
