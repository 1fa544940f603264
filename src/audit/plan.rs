//! What a report will ask of AWS, by the arithmetic of aws-api.md §9: pure, told beforehand.
//!
//! The plan of a whole instance is always the one that §9 calls S2 (everything by listing pages,
//! each assigned group's members once): it is the minimum but for tiny questions, and those are
//! the scoped reports here. Assignments to accounts are read pair by pair: asking by principal
//! would lose those of deleted principals, and by account those of accounts that left
//! (docs/decisions/0005). A plan never promises what it cannot know: its note says what is open.

mod accounts;
mod part;

use std::collections::BTreeMap;

pub(super) use accounts::is_cheaper_by_principal;

use crate::domain::report::View;
use crate::domain::{Operation, PrincipalKind};

/// Rows on a page of every other list (aws-api.md §3).
const ROWS_PER_PAGE: u64 = 100;
/// So many principals of a scoped report are described one by one when nobody knows how many there
/// are to list: one second of AWS's quota, less than listing a store of 2,000.
const DESCRIBED_UNCOUNTED_MAX: u64 = 20;

/// The part of an instance that a report is about, and what the instance offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PlanScope {
    /// Only rows of one principal of this kind.
    pub principal: Option<PrincipalKind>,
    /// Only rows of one target.
    pub target: PlanTarget,
    /// Whether the instance gives access to accounts.
    pub covers_accounts: bool,
    /// Whether AWS lets Usher ask for the account assignments of one principal.
    pub lists_by_principal: bool,
}

/// Which targets a report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PlanTarget {
    /// All of them.
    #[default]
    Everything,
    /// One application.
    Application {
        /// Whether its facts are at hand already.
        is_known: bool,
    },
    /// One account with a permission set.
    AccountAccess {
        /// Whether the account's facts are at hand already.
        account_is_known: bool,
        /// Whether the permission set's are.
        permission_set_is_known: bool,
    },
}

/// How many there are, as far as somebody knows, for example from an earlier collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KnownCounts {
    /// Applications of the instance.
    pub applications: Option<u64>,
    /// Pages of all applications' assignments.
    pub assignment_pages: Option<u64>,
    /// Pages of all distinct assigned groups' members.
    pub member_pages: Option<u64>,
    /// Users of the identity store.
    pub users: Option<u64>,
    /// Groups of the identity store.
    pub groups: Option<u64>,
    /// Permission sets of the instance.
    pub permission_sets: Option<u64>,
    /// Accounts of the organization.
    pub accounts: Option<u64>,
    /// Pages of all permission sets' accounts.
    pub account_pages: Option<u64>,
    /// Pages of the assignments of all accounts with their permission sets.
    pub account_assignment_pages: Option<u64>,
}

impl KnownCounts {
    /// These counts, and the older ones where these know nothing: a report that did not look does
    /// not make the next plan forget.
    #[must_use]
    pub fn or(self, older: Self) -> Self {
        Self {
            applications: self.applications.or(older.applications),
            assignment_pages: self.assignment_pages.or(older.assignment_pages),
            member_pages: self.member_pages.or(older.member_pages),
            users: self.users.or(older.users),
            groups: self.groups.or(older.groups),
            permission_sets: self.permission_sets.or(older.permission_sets),
            accounts: self.accounts.or(older.accounts),
            account_pages: self.account_pages.or(older.account_pages),
            account_assignment_pages: (self.account_assignment_pages)
                .or(older.account_assignment_pages),
        }
    }
}

/// What a report will ask of AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The operations, sorted; a lower bound where the note says so.
    pub operations: Vec<(Operation, u64)>,
    /// A sentence: that the plan is exact but for orphan candidates, or what it could not know.
    pub note: String,
}

/// What a report will ask of one instance, or of the organization once for all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlanPart {
    /// The operations.
    pub(super) operations: Vec<(Operation, u64)>,
    /// What of them is not asked again: it was read before, and is young enough.
    pub(super) spared: Vec<(Operation, u64)>,
    pub(super) unknown: Vec<&'static str>,
}

/// How the facts of principals are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// All pages of the list, then one Describe for each that the list lacks.
    List,
    /// One Describe each.
    Describe,
}

impl Plan {
    /// The sum of its parts.
    pub(super) fn joined<'a>(view: View, parts: impl IntoIterator<Item = &'a PlanPart>) -> Self {
        let mut operations: BTreeMap<Operation, u64> = BTreeMap::new();
        let mut unknown: Vec<&'static str> = Vec::new();
        let mut spared = 0;
        for part in parts {
            for (operation, count) in part.asked() {
                *operations.entry(operation).or_default() += count;
            }
            spared += part.spared.iter().map(|(_, count)| count).sum::<u64>();
            for what in &part.unknown {
                if !unknown.contains(what) {
                    unknown.push(what);
                }
            }
        }
        Self {
            note: note(view, &unknown, spared, operations.is_empty()),
            operations: operations.into_iter().collect(),
        }
    }

    /// The sum of its operations.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.operations.iter().map(|(_, count)| count).sum()
    }
}

fn note(view: View, unknown: &[&str], spared: u64, is_empty: bool) -> String {
    if is_empty && spared == 0 && (view.tells_access() || view == View::Changes) {
        return "Nothing is read of AWS: what the server keeps answers.".to_owned();
    }
    let beyond = match view {
        View::Access | View::Assignments | View::Findings => {
            " Beyond that, one Describe for each principal that an assignment or a membership \
             names and no list has."
        }
        View::Instances => "",
        View::DuplicateUsers if is_empty => {
            return "Nothing is read: nobody can be in several identity stores where one instance \
                    is asked."
                .to_owned();
        }
        View::DuplicateUsers | View::Changes => "",
    };
    let spared = match spared {
        0 => String::new(),
        count => format!(" {count} operations are spared: what they read before is young enough."),
    };
    if unknown.is_empty() {
        format!("Counts of an earlier collection.{spared}{beyond}")
    } else {
        let unknown = unknown.join(", ");
        format!("A lower bound: {unknown} is known only after reading.{spared}{beyond}")
    }
}

/// How many pages a list of so many rows has: an empty list is one page.
#[must_use]
pub(super) fn pages(rows: u64, rows_per_page: u64) -> u64 {
    rows.div_ceil(rows_per_page).max(1)
}

/// How many pages an identity store's list or an assignment list of so many rows has.
#[must_use]
pub(super) fn list_pages(rows: u64) -> u64 {
    pages(rows, ROWS_PER_PAGE)
}

/// The cheaper way to read the facts of `wanted` principals out of a population. Whole reports
/// list unless the population is known to be dearer; §9: listing wins once D > U/100.
#[must_use]
pub(super) fn cheaper_lookup(wanted: u64, population: Option<u64>, is_whole: bool) -> Lookup {
    let describe = match population {
        Some(population) => wanted <= list_pages(population),
        None => !is_whole && wanted <= DESCRIBED_UNCOUNTED_MAX,
    };
    if describe {
        Lookup::Describe
    } else {
        Lookup::List
    }
}

#[cfg(test)]
mod tests;
