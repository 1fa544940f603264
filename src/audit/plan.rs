//! What a report will ask of AWS, by the arithmetic of aws-api.md §9: pure, told beforehand.
//!
//! The plan of a whole instance is always the one that §9 calls S2 (everything by listing pages,
//! each assigned group's members once): it is the minimum but for tiny questions, and those are
//! the scoped reports here. A plan never promises what it cannot know: its note says what is open.

use crate::domain::report::View;
use crate::domain::{ApplicationArn, Operation, PrincipalKind, PrincipalRef};

/// Rows on a page of ListApplications (aws-api.md §3a).
const APPLICATIONS_PER_PAGE: u64 = 50;
/// Rows on a page of every other list (aws-api.md §3).
const ROWS_PER_PAGE: u64 = 100;
/// So many principals of a scoped report are described one by one when nobody knows how many there
/// are to list: one second of AWS's quota, less than listing a store of 2,000.
const DESCRIBED_UNCOUNTED_MAX: u64 = 20;

/// The part of an instance that a report is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlanScope {
    /// Only this principal's rows.
    pub principal: Option<PrincipalRef>,
    /// Only this application's rows.
    pub application: Option<ApplicationArn>,
    /// Whether the application's facts are at hand already.
    pub application_is_known: bool,
}

impl PlanScope {
    /// Whether the report is about the whole instance.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.principal.is_none() && self.application.is_none()
    }

    fn principal_kind(&self) -> Option<PrincipalKind> {
        self.principal.as_ref().map(|principal| principal.kind)
    }
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

/// How the facts of principals are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// All pages of the list, then one Describe for each that the list lacks.
    List,
    /// One Describe each.
    Describe,
}

impl Plan {
    /// The plan of a report.
    #[must_use]
    pub fn new(view: View, scope: &PlanScope, known: &KnownCounts) -> Self {
        let mut draft = Draft::default();
        draft.applications(scope, known);
        draft.members(view, scope, known);
        draft.names(view, scope, known);
        draft.finish()
    }

    /// The sum of its operations.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.operations.iter().map(|(_, count)| count).sum()
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

#[derive(Default)]
struct Draft {
    operations: Vec<(Operation, u64)>,
    unknown: Vec<&'static str>,
}

impl Draft {
    fn add(&mut self, operation: Operation, count: u64) {
        if count > 0 {
            self.operations.push((operation, count));
        }
    }

    /// The count, or the least it can be and a remark.
    fn known_or(&mut self, count: Option<u64>, least: u64, what: &'static str) -> u64 {
        count.unwrap_or_else(|| {
            self.unknown.push(what);
            least
        })
    }

    fn applications(&mut self, scope: &PlanScope, known: &KnownCounts) {
        use Operation::{
            DescribeApplication, GetApplicationAssignmentConfiguration, ListApplicationAssignments,
            ListApplications,
        };
        if scope.application.is_some() {
            self.add(DescribeApplication, u64::from(!scope.application_is_known));
            self.add(GetApplicationAssignmentConfiguration, 1);
            self.add(ListApplicationAssignments, 1);
            self.unknown
                .push("how many pages of assignments the application has");
            return;
        }
        let count = self.known_or(known.applications, 0, "how many applications there are");
        self.add(ListApplications, pages(count, APPLICATIONS_PER_PAGE));
        self.add(GetApplicationAssignmentConfiguration, count);
        let assignment_pages = self.known_or(
            known.assignment_pages,
            count,
            "how many pages of assignments they have",
        );
        self.add(ListApplicationAssignments, assignment_pages.max(count));
    }

    fn members(&mut self, view: View, scope: &PlanScope, known: &KnownCounts) {
        if view == View::Assignments {
            return;
        }
        match scope.principal_kind() {
            Some(PrincipalKind::User) => self.add(Operation::ListGroupMembershipsForMember, 1),
            Some(PrincipalKind::Group) => self.add(Operation::ListGroupMemberships, 1),
            None if scope.application.is_some() => {
                self.unknown.push("how many groups are assigned to it");
            }
            None => {
                let member_pages = self.known_or(
                    known.member_pages,
                    0,
                    "how many groups are assigned and how many members they have",
                );
                self.add(Operation::ListGroupMemberships, member_pages);
            }
        }
    }

    fn names(&mut self, view: View, scope: &PlanScope, known: &KnownCounts) {
        match scope.principal_kind() {
            Some(PrincipalKind::User) => {
                self.add(Operation::DescribeUser, 1);
                if view == View::Access {
                    self.unknown.push("which assigned groups the user is in");
                }
            }
            Some(PrincipalKind::Group) => {
                self.add(Operation::DescribeGroup, 1);
                if view == View::Access {
                    self.unknown.push("how many members the group has");
                }
            }
            None if scope.application.is_some() => self
                .unknown
                .push("whether describing its users and groups or listing all is cheaper"),
            None => {
                let groups = self.known_or(known.groups, 0, "how many groups the store has");
                self.add(Operation::ListGroups, list_pages(groups));
                let users = self.known_or(known.users, 0, "how many users the store has");
                self.add(Operation::ListUsers, list_pages(users));
            }
        }
    }

    fn finish(mut self) -> Plan {
        self.operations.sort_unstable();
        let note = if self.unknown.is_empty() {
            "Counts of an earlier collection; beyond them one Describe for each principal that an \
             assignment or a membership names and no list has."
                .to_owned()
        } else {
            format!(
                "A lower bound: {} is known only after reading. Beyond that, one Describe for each \
                 principal that an assignment or a membership names and no list has.",
                self.unknown.join(", ")
            )
        };
        Plan {
            operations: self.operations,
            note,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::PrincipalId;

    const APPLICATION: &str =
        "arn:aws:sso::123456789012:application/ssoins-1234567890abcdef/apl-1234567890abcdef";

    fn known(applications: u64, groups: u64, users: u64, member_pages: u64) -> KnownCounts {
        KnownCounts {
            applications: Some(applications),
            assignment_pages: Some(applications),
            member_pages: Some(member_pages),
            users: Some(users),
            groups: Some(groups),
        }
    }

    /// The S2 lines of aws-api.md §9; ListInstances is asked before a report is planned.
    #[test]
    fn the_worked_numbers_of_the_facts_sheet() {
        for (applications, groups, users, member_pages, calls) in [
            (10, 50, 500, 50, 78),
            (200, 1_000, 10_000, 1_000, 1_515),
            (1_000, 10_000, 100_000, 10_000, 13_121),
            (1_000, 10_000, 100_000, 20_000, 23_121),
        ] {
            let known = known(applications, groups, users, member_pages);
            let plan = Plan::new(View::Access, &PlanScope::default(), &known);
            assert_eq!(plan.total() + 1, calls);
            assert!(!plan.note.contains("lower bound"), "{}", plan.note);
        }
    }

    #[test]
    fn without_counts_the_plan_is_a_lower_bound_and_says_so() {
        let plan = Plan::new(View::Access, &PlanScope::default(), &KnownCounts::default());
        assert_eq!(
            plan.operations,
            [
                (Operation::ListApplications, 1),
                (Operation::ListUsers, 1),
                (Operation::ListGroups, 1),
            ]
        );
        assert!(
            plan.note
                .starts_with("A lower bound: how many applications")
        );
    }

    #[test]
    fn what_was_not_looked_at_is_not_forgotten() {
        let seen = KnownCounts {
            member_pages: None,
            users: None,
            ..known(12, 50, 500, 0)
        };
        let merged = seen.or(known(10, 40, 400, 70));
        assert_eq!(merged.member_pages, Some(70));
        assert_eq!(merged.users, Some(400));
        assert_eq!(merged.applications, Some(12));
    }

    #[test]
    fn assignments_do_not_read_members() {
        let known = known(10, 50, 500, 50);
        let plan = Plan::new(View::Assignments, &PlanScope::default(), &known);
        assert_eq!(plan.total() + 1, 28);
    }

    #[test]
    fn scoped_reports_ask_little() {
        let principal = |kind| {
            Some(PrincipalRef {
                kind,
                id: PrincipalId::parse("04261254-0000-4a5a-9d53-3f2a5f0c1a11").unwrap(),
            })
        };
        let application = Some(ApplicationArn::parse(APPLICATION).unwrap());
        let one_application = PlanScope {
            application,
            ..PlanScope::default()
        };
        let total = |scope: &PlanScope| {
            Plan::new(View::Access, scope, &known(200, 1_000, 10_000, 1_000)).total()
        };
        assert_eq!(total(&one_application), 3);
        assert_eq!(
            total(&PlanScope {
                application_is_known: true,
                ..one_application.clone()
            }),
            2
        );
        assert_eq!(
            total(&PlanScope {
                principal: principal(PrincipalKind::User),
                ..one_application
            }),
            5
        );
        for kind in [PrincipalKind::User, PrincipalKind::Group] {
            let scope = PlanScope {
                principal: principal(kind),
                ..PlanScope::default()
            };
            assert_eq!(total(&scope), 4 + 200 + 200 + 2);
        }
    }

    #[test]
    fn describing_wins_only_while_it_is_cheaper() {
        for (wanted, population, is_whole, lookup) in [
            (5, Some(500), false, Lookup::Describe),
            (6, Some(500), false, Lookup::List),
            (6, Some(500), true, Lookup::List),
            (0, Some(0), true, Lookup::Describe),
            (20, None, false, Lookup::Describe),
            (21, None, false, Lookup::List),
            (1, None, true, Lookup::List),
        ] {
            assert_eq!(
                cheaper_lookup(wanted, population, is_whole),
                lookup,
                "{wanted} of {population:?}"
            );
        }
    }

    #[test]
    fn an_empty_list_is_one_page() {
        assert_eq!([0, 1, 100, 101].map(list_pages), [1, 1, 1, 2]);
        assert_eq!(pages(51, 50), 2);
    }
}
