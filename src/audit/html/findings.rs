//! What each finding means and what to do about it, in words for whoever reads the page.

use crate::domain::report::Finding;

/// A finding in words.
#[derive(Debug, Clone, Copy)]
pub(super) struct Guide {
    /// Its name.
    pub(super) title: &'static str,
    /// What it means, and what to do.
    pub(super) advice: &'static str,
    /// Of what examples are named.
    pub(super) example: Example,
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Example {
    Target,
    Principal,
    Both,
}

/// The words of a finding.
pub(super) fn guide(finding: Finding) -> Guide {
    let (title, advice, example) = match finding {
        Finding::OpenApplication => (
            "Open application",
            "Everybody in the identity store may enter it; its assignments keep nobody out. Require assignments, or write down why it is open.",
            Example::Target,
        ),
        Finding::AssignmentConfigurationUnknown => (
            "Openness unknown",
            "Nobody could read whether the application is open to everyone. Look at its settings by hand.",
            Example::Target,
        ),
        Finding::ApplicationDisabled => (
            "Application disabled",
            "Nobody enters it now; its assignments count again when it is switched on. Remove them if it stays off.",
            Example::Target,
        ),
        Finding::AccountInactive => (
            "Account inactive",
            "The account is suspended, closed or not yet active: nobody enters it now. Remove what is no longer needed.",
            Example::Target,
        ),
        Finding::AccountNotInOrganization => (
            "Account not in the organization",
            "The organization does not list the account any more. Remove its assignments.",
            Example::Target,
        ),
        Finding::OrphanedAssignment => (
            "Orphaned assignment",
            "Its user or group was deleted. It lets nobody in; revoke it, so that it hides nothing.",
            Example::Both,
        ),
        Finding::EmptyGroup => (
            "Empty group",
            "The group has no members. Whoever is added to it gets this access without anybody being asked.",
            Example::Both,
        ),
        Finding::GroupMembersUnknown => (
            "Members unknown",
            "The members of the group could not be read: people may be missing from this report. Mend the permission and report again.",
            Example::Both,
        ),
        Finding::DisabledUser => (
            "Disabled user",
            "The user cannot sign in, but open sessions may last for hours, and access is back when the user is enabled. Revoke it.",
            Example::Principal,
        ),
        Finding::DeletedMember => (
            "Deleted member",
            "AWS still lists a deleted user as a member of the group. Remove the membership.",
            Example::Both,
        ),
        Finding::PrincipalUnknown => (
            "Principal unknown",
            "Nobody could read whether the user or group still exists. Mend the permission and report again.",
            Example::Both,
        ),
    };
    Guide {
        title,
        advice,
        example,
    }
}

/// The findings of a cell; words that are none are left out.
pub(super) fn of_cell(cell: &str) -> impl Iterator<Item = Finding> {
    let words = cell.split(crate::domain::report::LIST_SEPARATOR);
    words.filter_map(|word| {
        Finding::ALL
            .into_iter()
            .find(|known| known.as_str() == word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_have_different_titles_and_come_back_from_their_cell() {
        let titles: std::collections::BTreeSet<&str> = Finding::ALL
            .iter()
            .map(|finding| guide(*finding).title)
            .collect();
        assert_eq!(titles.len(), Finding::ALL.len());
        let words: Vec<&str> = Finding::ALL
            .iter()
            .map(|finding| finding.as_str())
            .collect();
        assert!(of_cell(&words.join(";")).eq(Finding::ALL));
        assert_eq!(of_cell("").count(), 0);
    }
}
