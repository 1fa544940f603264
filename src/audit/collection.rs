//! What a collection found: sorted, compact, and everything it lacks by name.
//!
//! Users and groups are referred to by their place, so that a million memberships are a million
//! small numbers. Nothing here reads anything; `gather` builds it and `report` writes it down.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::plan::{KnownCounts, list_pages};
use crate::domain::facts::Gap;
use crate::domain::report::View;
use crate::domain::{
    Account, Application, AssignmentRequired, Group, Instance, InstanceArn, Operation,
    PermissionSet, PrincipalKind, PrincipalRef, PrincipalStatus, User,
};

/// A user's place in `Collection::users`.
pub(super) type UserIndex = u32;
/// A group's place in `Collection::groups`.
pub(super) type GroupIndex = u32;

/// An account's place in `Collection::accounts`.
pub(super) type AccountIndex = u32;
/// A permission set's place in `Collection::permission_sets`.
pub(super) type PermissionSetIndex = u32;

/// The facts of one collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    /// The instance.
    pub instance: Instance,
    /// Its applications that were asked for, sorted by ARN.
    pub applications: Vec<ApplicationFacts>,
    /// The accounts that have a permission set, sorted by id.
    pub accounts: Vec<AccountFacts>,
    /// The permission sets that were asked for, sorted by ARN; one whose name could not be read has none.
    pub permission_sets: Vec<PermissionSet>,
    /// The accounts with their permission sets, sorted by account and permission set.
    pub account_access: Vec<AccessFacts>,
    /// The users that the report can name, sorted by id.
    pub users: Vec<UserFacts>,
    /// The groups that assignments name, sorted by id.
    pub groups: Vec<GroupFacts>,
    /// What its lists showed beside.
    pub beside: Beside,
    /// What could not be read, sorted.
    pub missing: Vec<Missing>,
    /// When the oldest fact was read; none when nothing was.
    pub observed_from: Option<Timestamp>,
    /// When the newest fact was read.
    pub observed_until: Option<Timestamp>,
    /// The operations that it asked for, sorted; retries are the port's.
    pub operations: Vec<(Operation, u64)>,
    /// How many there are, as far as this collection read it, for the next plan.
    pub counts: KnownCounts,
}

/// What the lists of a whole instance showed and nothing names: no report has it, but who looks for whom or what
/// to give.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Beside {
    /// Users, sorted by id.
    pub users: Vec<User>,
    /// Groups, sorted by id; nobody asked for their members.
    pub groups: Vec<Group>,
    /// Accounts, sorted by id.
    pub accounts: Vec<Account>,
}

/// An application with what stands on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplicationFacts {
    /// The application.
    pub application: Application,
    /// Whether only assigned principals may enter.
    pub required: AssignmentRequired,
    /// Who is assigned, sorted.
    pub assignees: Vec<Assignee>,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountFacts {
    /// Its facts; only the id when they could not be read.
    pub account: Account,
    /// Whether the organization lists it.
    pub listing: Listing,
}

/// Whether the organization lists an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// It does.
    Listed,
    /// It does not, although its list was read to the end.
    NotListed,
    /// Nobody could tell, or nobody asked.
    Unknown,
}

/// An account with a permission set, and what stands on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessFacts {
    pub(super) account: AccountIndex,
    pub(super) permission_set: PermissionSetIndex,
    /// Who is assigned, sorted.
    pub assignees: Vec<Assignee>,
}

/// Who is assigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Assignee {
    /// A user, by its place.
    User(UserIndex),
    /// A group, by its place.
    Group(GroupIndex),
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserFacts {
    /// Its facts; only the id when they could not be read or it was deleted.
    pub user: User,
    /// Whether AWS confirmed that it exists. Without that and without the status DELETED nobody
    /// knows.
    pub exists: bool,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupFacts {
    /// Its facts; only the id when they could not be read or it was deleted.
    pub group: Group,
    /// ENABLED when AWS confirmed that it exists, DELETED when it does not, else unknown.
    pub status: PrincipalStatus,
    /// Who is in it.
    pub members: Members,
    /// Since when and by whom they are in it, for those of whom AWS tells; sorted.
    pub joined: Vec<Joined>,
}

/// How a user came into a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    pub(super) user: UserIndex,
    /// Since when.
    pub since: Option<Timestamp>,
    /// By whom, as AWS writes it. Few people make most memberships: each text is there once.
    pub by: Option<Arc<str>>,
}

/// The members of a group, each once, sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Members {
    /// All of them, or those that the report's scope wants.
    Read(Vec<UserIndex>),
    /// Those that were read before it failed; at least one.
    Partly(Vec<UserIndex>),
    /// The question did not need them, nothing of them could be read, or the group was deleted.
    NotRead,
}

/// Something that a report lacks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Missing {
    /// Of which instance; none for what belongs to no instance that is served.
    pub instance_arn: Option<InstanceArn>,
    /// What, for example an application's ARN and which part of it.
    pub scope: String,
    /// Why, in words for everybody; never AWS's own text.
    pub reason: String,
    /// The facts that nobody could see for it, sorted; none where nothing could be seen there.
    pub gaps: Vec<Gap>,
}

impl Missing {
    /// Something of an instance, for which no facts are named.
    #[must_use]
    pub fn of(instance: &InstanceArn, scope: &str, reason: &str) -> Self {
        Self {
            instance_arn: Some(instance.clone()),
            scope: scope.to_owned(),
            reason: reason.to_owned(),
            gaps: Vec::new(),
        }
    }
}

impl Collection {
    /// Who is assigned, as AWS names it.
    pub(super) fn principal(&self, assignee: Assignee) -> Option<PrincipalRef> {
        let (kind, id) = match assignee {
            Assignee::User(user) => (PrincipalKind::User, &self.users.get(user as usize)?.user.id),
            Assignee::Group(group) => (
                PrincipalKind::Group,
                &self.groups.get(group as usize)?.group.id,
            ),
        };
        Some(PrincipalRef {
            kind,
            id: id.clone(),
        })
    }

    /// The name of who is assigned; empty where it is not known.
    pub(super) fn principal_name(&self, assignee: Assignee) -> Option<&str> {
        match assignee {
            Assignee::User(user) => Some(&self.users.get(user as usize)?.user.user_name),
            Assignee::Group(group) => Some(&self.groups.get(group as usize)?.group.display_name),
        }
    }

    /// How many targets it has.
    pub(super) fn target_count(&self) -> usize {
        self.account_access.len() + self.applications.len()
    }

    /// How many assignments were read.
    #[must_use]
    pub fn assignment_count(&self) -> u64 {
        let of_applications = self.applications.iter().map(|facts| facts.assignees.len());
        let of_accounts = self
            .account_access
            .iter()
            .map(|facts| facts.assignees.len());
        of_applications.chain(of_accounts).sum::<usize>() as u64
    }

    /// What a whole collection without a gap teaches the next plan, beside the lengths of lists.
    pub(super) fn learn_counts(&mut self, view: View) {
        let assignment_pages = (self.applications.iter())
            .map(|facts| list_pages(facts.assignees.len() as u64))
            .sum();
        let member_pages = (self.groups.iter())
            .filter_map(|facts| match &facts.members {
                Members::Read(members) => Some(list_pages(members.len() as u64)),
                Members::Partly(_) | Members::NotRead => None,
            })
            .sum();
        self.counts.assignment_pages = Some(assignment_pages);
        // Only ACCESS reads members: zero read is not zero there.
        self.counts.member_pages = view.expands_groups().then_some(member_pages);
        if self.counts.permission_sets.is_some() {
            self.learn_account_counts();
        }
    }

    fn learn_account_counts(&mut self) {
        let mut accounts_of_set: HashMap<PermissionSetIndex, u64> = HashMap::new();
        let mut assignment_pages = 0;
        for facts in &self.account_access {
            *accounts_of_set.entry(facts.permission_set).or_default() += 1;
            assignment_pages += list_pages(facts.assignees.len() as u64);
        }
        let count =
            |counts: &HashMap<u32, u64>, place: u32| counts.get(&place).copied().unwrap_or(0);
        let account_pages = (0..).zip(&self.permission_sets);
        let account_pages =
            account_pages.map(|(place, _)| list_pages(count(&accounts_of_set, place)));
        self.counts.account_pages = Some(account_pages.sum());
        self.counts.account_assignment_pages = Some(assignment_pages);
    }
}
