//! Of what examples are named beside each finding on a page. The words are the domain's.

use crate::domain::report::{Finding, LIST_SEPARATOR};

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Example {
    Target,
    Principal,
    Both,
}

/// Of what examples of a finding are named.
pub(super) fn example(finding: Finding) -> Example {
    match finding {
        Finding::OpenApplication
        | Finding::AssignmentConfigurationUnknown
        | Finding::ApplicationDisabled
        | Finding::AccountInactive
        | Finding::AccountNotInOrganization
        | Finding::NearGroupQuota => Example::Target,
        Finding::DisabledUser | Finding::PrincipalUnknown | Finding::DuplicateUser => {
            Example::Principal
        }
        _ => Example::Both,
    }
}

/// The findings of a cell; words that are none are left out.
pub(super) fn of_cell(cell: &str) -> impl Iterator<Item = Finding> {
    cell.split(LIST_SEPARATOR).filter_map(Finding::from_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_come_back_from_their_cell() {
        let words: Vec<&str> = Finding::ALL.iter().map(|it| it.as_str()).collect();
        assert!(of_cell(&words.join(";")).eq(Finding::ALL));
        assert_eq!(of_cell("").count(), 0);
    }
}
