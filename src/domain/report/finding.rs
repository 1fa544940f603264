//! Findings: what a report points at, how grave it is, and what to do about it. One table of words for
//! rows, pages, events and docs. Pure; nothing here looks for them.

/// Something that somebody should look at. In the column of rows they stand in this order; those from
/// `GroupGrew` on are about no row of ACCESS and stand in FINDINGS alone.
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
    /// The assignment appeared beside Usher.
    OutOfBand,
    /// A grant is over, and its assignment is still there.
    OverdueRevocation,
    /// Access was taken in an emergency, and nobody has looked at it since.
    UnreviewedBreakGlass,
    /// The group has more members than when its access was agreed to.
    GroupGrew,
    /// A live grant whose assignment AWS does not have.
    GrantWithoutAssignment,
    /// The user has several ways to the same target.
    SeveralPaths,
    /// Nearly as many groups are assigned as AWS lets.
    NearGroupQuota,
    /// The person is in several identity stores.
    DuplicateUser,
    /// So many beneficiaries were gone at once that Usher waits for a word.
    MassChange,
}

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Somebody may have access who should not: look at it today.
    High,
    /// Something is not as it was agreed, or nobody can tell: look at it this week.
    Medium,
    /// Untidy: it hides other things.
    Low,
}

impl Severity {
    /// The word of the column `severity`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::High => "HIGH",
            Self::Medium => "MEDIUM",
            Self::Low => "LOW",
        }
    }
}

/// What is said of a finding.
struct Entry {
    word: &'static str,
    severity: Severity,
    title: &'static str,
    advice: &'static str,
}

impl Finding {
    /// Every finding, in the order of the column.
    pub const ALL: [Self; 20] = [
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
        Self::OutOfBand,
        Self::OverdueRevocation,
        Self::UnreviewedBreakGlass,
        Self::GroupGrew,
        Self::GrantWithoutAssignment,
        Self::SeveralPaths,
        Self::NearGroupQuota,
        Self::DuplicateUser,
        Self::MassChange,
    ];

    /// The word of the column `findings`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.entry().word
    }

    /// Reads what `as_str` wrote.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == word)
    }

    /// How grave it is.
    #[must_use]
    pub fn severity(self) -> Severity {
        self.entry().severity
    }

    /// Its name for people.
    #[must_use]
    pub fn title(self) -> &'static str {
        self.entry().title
    }

    /// What it means, and what to do.
    #[must_use]
    pub fn advice(self) -> &'static str {
        self.entry().advice
    }

    fn entry(self) -> Entry {
        match self {
            Self::OpenApplication
            | Self::AssignmentConfigurationUnknown
            | Self::ApplicationDisabled
            | Self::AccountInactive
            | Self::AccountNotInOrganization
            | Self::NearGroupQuota => self.of_targets(),
            Self::OutOfBand
            | Self::OverdueRevocation
            | Self::UnreviewedBreakGlass
            | Self::GroupGrew
            | Self::GrantWithoutAssignment
            | Self::MassChange => self.of_records(),
            _ => self.of_principals(),
        }
    }

    fn of_targets(self) -> Entry {
        use Severity::{High, Low, Medium};
        let (word, severity, title, advice) = match self {
            Self::OpenApplication => (
                "open_application",
                High,
                "Open application",
                "Everybody in the identity store may enter it; its assignments keep nobody out. Require assignments, or write down why it is open.",
            ),
            Self::AssignmentConfigurationUnknown => (
                "assignment_configuration_unknown",
                Medium,
                "Openness unknown",
                "Nobody could read whether the application is open to everyone. Look at its settings by hand.",
            ),
            Self::ApplicationDisabled => (
                "application_disabled",
                Low,
                "Application disabled",
                "Nobody enters it now; its assignments count again when it is switched on. Remove them if it stays off.",
            ),
            Self::AccountInactive => (
                "account_inactive",
                Low,
                "Account inactive",
                "The account is suspended, closed or not yet active: nobody enters it now. Remove what is no longer needed.",
            ),
            Self::NearGroupQuota => (
                "near_group_quota",
                Medium,
                "Near the quota of groups",
                "AWS lets 100 groups be assigned to one target, and does not raise it. Join groups before the next assignment is refused.",
            ),
            _ => (
                "account_not_in_organization",
                Medium,
                "Account not in the organization",
                "The organization does not list the account any more. Remove its assignments.",
            ),
        };
        Entry {
            word,
            severity,
            title,
            advice,
        }
    }

    fn of_principals(self) -> Entry {
        use Severity::{High, Low, Medium};
        let (word, severity, title, advice) = match self {
            Self::OrphanedAssignment => (
                "orphaned_assignment",
                Low,
                "Orphaned assignment",
                "Its user or group was deleted. It lets nobody in; revoke it, so that it hides nothing.",
            ),
            Self::EmptyGroup => (
                "empty_group",
                Low,
                "Empty group",
                "The group has no members. Whoever is added to it gets this access without anybody being asked.",
            ),
            Self::GroupMembersUnknown => (
                "group_members_unknown",
                Medium,
                "Members unknown",
                "The members of the group could not be read: people may be missing from this report. Mend the permission and report again.",
            ),
            Self::DisabledUser => (
                "disabled_user",
                High,
                "Disabled user",
                "The user cannot sign in, but open sessions may last for hours, and access is back when the user is enabled. Revoke it.",
            ),
            Self::DeletedMember => (
                "deleted_member",
                Low,
                "Deleted member",
                "AWS still lists a deleted user as a member of the group. Remove the membership.",
            ),
            Self::SeveralPaths => (
                "several_paths",
                Low,
                "Several ways to the same target",
                "Taking one way away does not take the access away. Leave the one that was meant.",
            ),
            Self::DuplicateUser => (
                "duplicate_user",
                Medium,
                "In several identity stores",
                "The same person has users in several identity stores. Who is disabled in one may enter by another; the view DUPLICATE_USERS has what they share.",
            ),
            _ => (
                "principal_unknown",
                Medium,
                "Principal unknown",
                "Nobody could read whether the user or group still exists. Mend the permission and report again.",
            ),
        };
        Entry {
            word,
            severity,
            title,
            advice,
        }
    }

    fn of_records(self) -> Entry {
        use Severity::{High, Medium};
        let (word, severity, title, advice) = match self {
            Self::OutOfBand => (
                "out_of_band",
                High,
                "Out of band",
                "Somebody assigned it in AWS without asking Usher. Ask who; then revoke it, adopt it, or name its owner under external_assignments.",
            ),
            Self::OverdueRevocation => (
                "overdue_revocation",
                High,
                "Overdue revocation",
                "The grant is over, and its access is still in AWS. Usher goes on trying; GetGrant says what it waits for, RetryNow tries at once.",
            ),
            Self::UnreviewedBreakGlass => (
                "unreviewed_break_glass",
                High,
                "Unreviewed break-glass",
                "Access was taken in an emergency, and nobody has looked at it since. Look at it and say so with ReviewGrant.",
            ),
            Self::GroupGrew => (
                "group_grew",
                Medium,
                "Group grew since it was agreed to",
                "More people have this access than were agreed to. Look at who joined; grant it anew, or take them out of the group.",
            ),
            Self::GrantWithoutAssignment => (
                "grant_without_assignment",
                Medium,
                "Grant without its assignment",
                "Somebody removed the assignment in AWS, and the grant still says that it stands. Revoke the grant, or ask for it anew.",
            ),
            _ => (
                "mass_change",
                High,
                "Mass change held",
                "So many beneficiaries were gone at once that Usher ends nothing of theirs until somebody says whether it is true: ConfirmMassChange.",
            ),
        };
        Entry {
            word,
            severity,
            title,
            advice,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::report::LIST_SEPARATOR;

    #[test]
    fn findings_are_different_words_without_the_separator() {
        let words: BTreeSet<&str> = Finding::ALL.iter().map(|it| it.as_str()).collect();
        assert_eq!(words.len(), Finding::ALL.len());
        assert!(words.iter().all(|word| !word.contains(LIST_SEPARATOR)));
        let titles: BTreeSet<&str> = Finding::ALL.iter().map(|it| it.title()).collect();
        assert_eq!(titles.len(), Finding::ALL.len());
        for finding in Finding::ALL {
            assert_eq!(Finding::from_word(finding.as_str()), Some(finding));
            assert!(finding.advice().ends_with('.'), "{finding:?}");
        }
        assert!(Finding::ALL.is_sorted());
    }

    #[test]
    fn every_finding_stands_in_the_docs() {
        let docs = include_str!("../../../docs/findings.md");
        for finding in Finding::ALL {
            let severity = finding.severity().as_str();
            let (word, title, advice) = (finding.as_str(), finding.title(), finding.advice());
            let row = format!("| `{word}` {title} | {severity} | {advice} |");
            assert!(docs.contains(&row), "{row}");
        }
    }
}
