//! What is asked of one instance, and what of the organization once for all of them.

use super::{
    KnownCounts, PlanPart, PlanScope, PlanTarget, is_cheaper_by_principal, list_pages, pages,
};
use crate::domain::report::View;
use crate::domain::{Operation, PrincipalKind};

/// Rows on a page of ListApplications (aws-api.md §3a).
const APPLICATIONS_PER_PAGE: u64 = 50;
/// Rows on a page of ListAccounts (aws-api.md §3e).
const ACCOUNTS_PER_PAGE: u64 = 20;

impl PlanPart {
    /// What is asked of one instance.
    pub(in crate::audit) fn of_instance(
        view: View,
        scope: &PlanScope,
        known: &KnownCounts,
    ) -> Self {
        let mut part = Self::default();
        match view {
            View::Access | View::Assignments | View::Findings => {
                part.applications(scope, known);
                part.account_access(scope, known);
                part.members(view, scope, known);
                part.names(view, scope, known);
            }
            View::Instances => {
                let count = part.known_or(known.applications, 0, "how many applications there are");
                part.add(
                    Operation::ListApplications,
                    pages(count, APPLICATIONS_PER_PAGE),
                );
                if scope.covers_accounts {
                    part.permission_sets(known);
                }
                part.principals(known);
            }
            // Made of what is kept.
            View::Changes => {}
            View::DuplicateUsers => {
                let users = part.known_or(known.users, 0, "how many users the store has");
                part.add(Operation::ListUsers, list_pages(users));
            }
        }
        part
    }

    /// What is asked of the organization once, whatever number of instances is read: the accounts,
    /// where their names are wanted.
    pub(in crate::audit) fn of_organization<'a>(
        view: View,
        instances: impl IntoIterator<Item = (&'a PlanScope, &'a KnownCounts)>,
    ) -> Self {
        let mut part = Self::default();
        let asking: Vec<&KnownCounts> = instances
            .into_iter()
            .filter(|(scope, known)| needs_accounts(view, scope, known))
            .map(|(_, known)| known)
            .collect();
        if asking.is_empty() {
            return part;
        }
        let known = asking.iter().find_map(|known| known.accounts);
        let count = part.known_or(known, 0, "how many accounts the organization has");
        part.add(Operation::ListAccounts, pages(count, ACCOUNTS_PER_PAGE));
        part
    }

    /// The same, where so much was read before and is young enough.
    pub(in crate::audit) fn sparing(mut self, spared: Vec<(Operation, u64)>) -> Self {
        self.spared = spared;
        self
    }

    /// What is asked all the same.
    pub(in crate::audit) fn asked(&self) -> Vec<(Operation, u64)> {
        let spared = |operation| {
            let mut spared = self.spared.iter().filter(|(other, _)| *other == operation);
            spared.next().map_or(0, |(_, count)| *count)
        };
        let operations = self.operations.iter();
        let asked = operations
            .map(|(operation, count)| (*operation, count.saturating_sub(spared(*operation))));
        asked.filter(|(_, count)| *count > 0).collect()
    }

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
        match scope.target {
            PlanTarget::AccountAccess { .. } => return,
            PlanTarget::Application { is_known } => {
                self.add(DescribeApplication, u64::from(!is_known));
                self.add(GetApplicationAssignmentConfiguration, 1);
                self.add(ListApplicationAssignments, 1);
                self.unknown
                    .push("how many pages of assignments the application has");
                return;
            }
            PlanTarget::Everything => {}
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

    fn permission_sets(&mut self, known: &KnownCounts) -> u64 {
        let what = "how many permission sets there are";
        let count = self.known_or(known.permission_sets, 0, what);
        self.add(Operation::ListPermissionSets, list_pages(count));
        count
    }

    fn account_access(&mut self, scope: &PlanScope, known: &KnownCounts) {
        match scope.target {
            PlanTarget::Application { .. } => return,
            PlanTarget::AccountAccess {
                permission_set_is_known,
                ..
            } => {
                let describes = u64::from(!permission_set_is_known);
                self.add(Operation::DescribePermissionSet, describes);
                self.add(Operation::ListAccountAssignments, 1);
                self.unknown
                    .push("how many pages of assignments the account has");
                return;
            }
            PlanTarget::Everything if !scope.covers_accounts => return,
            PlanTarget::Everything => {}
        }
        if scope.principal.is_some() && is_cheaper_by_principal(1, scope.lists_by_principal, known)
        {
            self.add(Operation::ListAccountAssignmentsForPrincipal, 1);
            self.unknown.push("which accounts the principal has");
            return;
        }
        let sets = self.permission_sets(known);
        if scope.principal.is_none() {
            self.add(Operation::DescribePermissionSet, sets);
        }
        if known.permission_sets == Some(0) {
            return;
        }
        let what = "how many accounts have which permission sets";
        let pages = self.known_or(known.account_pages, sets, what);
        self.add(Operation::ListAccountsForProvisionedPermissionSet, pages);
        let what = "how many pages of assignments they have";
        let assignments = self.known_or(known.account_assignment_pages, 0, what);
        self.add(Operation::ListAccountAssignments, assignments);
    }

    fn members(&mut self, view: View, scope: &PlanScope, known: &KnownCounts) {
        if view == View::Assignments {
            return;
        }
        match scope.principal {
            Some(PrincipalKind::User) => self.add(Operation::ListGroupMembershipsForMember, 1),
            Some(PrincipalKind::Group) => self.add(Operation::ListGroupMemberships, 1),
            None if scope.target != PlanTarget::Everything => {
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
        match scope.principal {
            Some(PrincipalKind::User) => {
                self.add(Operation::DescribeUser, 1);
                if view.expands_groups() {
                    self.unknown.push("which assigned groups the user is in");
                }
            }
            Some(PrincipalKind::Group) => {
                self.add(Operation::DescribeGroup, 1);
                if view.expands_groups() {
                    self.unknown.push("how many members the group has");
                }
            }
            None if scope.target != PlanTarget::Everything => self
                .unknown
                .push("whether describing its users and groups or listing all is cheaper"),
            None => self.principals(known),
        }
    }

    fn principals(&mut self, known: &KnownCounts) {
        let groups = self.known_or(known.groups, 0, "how many groups the store has");
        self.add(Operation::ListGroups, list_pages(groups));
        let users = self.known_or(known.users, 0, "how many users the store has");
        self.add(Operation::ListUsers, list_pages(users));
    }
}

/// Whether the names of accounts are wanted for certain.
fn needs_accounts(view: View, scope: &PlanScope, known: &KnownCounts) -> bool {
    match (view, scope.target) {
        (View::DuplicateUsers, _) | (_, PlanTarget::Application { .. }) => false,
        (View::Instances, _) => true,
        (
            _,
            PlanTarget::AccountAccess {
                account_is_known, ..
            },
        ) => !account_is_known,
        (_, PlanTarget::Everything) => {
            scope.covers_accounts
                && known.permission_sets != Some(0)
                && !(scope.principal.is_some()
                    && is_cheaper_by_principal(1, scope.lists_by_principal, known))
        }
    }
}
