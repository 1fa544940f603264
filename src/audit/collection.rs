//! What a collection found: sorted, compact, and everything it lacks by name.
//!
//! Users and groups are referred to by their place, so that a million memberships are a million
//! small numbers. Nothing here reads anything; `gather` builds it and `report` writes it down.

use jiff::Timestamp;

use super::plan::{KnownCounts, list_pages};
use crate::domain::report::View;
use crate::domain::{
    Application, AssignmentRequired, Group, Instance, Operation, PrincipalStatus, User,
};

/// A user's place in `Collection::users`.
pub(super) type UserIndex = u32;
/// A group's place in `Collection::groups`.
pub(super) type GroupIndex = u32;

/// The facts of one collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    /// The instance.
    pub instance: Instance,
    /// Its applications that were asked for, sorted by ARN.
    pub applications: Vec<ApplicationFacts>,
    /// The users that the report can name, sorted by id.
    pub users: Vec<UserFacts>,
    /// The groups that assignments name, sorted by id.
    pub groups: Vec<GroupFacts>,
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
}

/// The members of a group, each once, sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Members {
    /// All of them, or those that the report's scope wants.
    Read(Vec<UserIndex>),
    /// Those that were read before it failed.
    Partly(Vec<UserIndex>),
    /// The question did not need them, or the group was deleted.
    NotRead,
}

/// Something that a report lacks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Missing {
    /// What, for example an application's ARN and which part of it.
    pub scope: String,
    /// Why, in words for everybody; never AWS's own text.
    pub reason: String,
}

impl Collection {
    /// How many assignments were read.
    #[must_use]
    pub fn assignment_count(&self) -> u64 {
        let count: usize = (self.applications.iter())
            .map(|facts| facts.assignees.len())
            .sum();
        count as u64
    }

    /// What a whole collection teaches the next plan.
    pub(super) fn learn_counts(&mut self, view: View, users: Option<u64>, groups: Option<u64>) {
        let assignment_pages = (self.applications.iter())
            .map(|facts| list_pages(facts.assignees.len() as u64))
            .sum();
        let member_pages = (self.groups.iter())
            .filter_map(|facts| match &facts.members {
                Members::Read(members) => Some(list_pages(members.len() as u64)),
                Members::Partly(_) | Members::NotRead => None,
            })
            .sum();
        self.counts = KnownCounts {
            applications: Some(self.applications.len() as u64),
            assignment_pages: Some(assignment_pages),
            // Only ACCESS reads members: zero read is not zero there.
            member_pages: (view == View::Access).then_some(member_pages),
            users,
            groups,
        };
    }
}
