//! What somebody should look at, found in a collection and in what the store says: each thing once, however
//! many rows it makes. Pure; it never claims anything of what was not read.

mod known;
mod people;
mod records;
mod row;

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::collection::{Assignee, Collection, Members, UserIndex};
use super::holdings::Holdings;
use super::report::TargetFacts;
use crate::domain::external::NamedAssignment;
use crate::domain::facts::{FactKey, Found};
use crate::domain::report::{Finding, Provenance};
use crate::domain::{Grant, MassChange, PrincipalKind, PrincipalRef, PrincipalStatus, Target};
use people::UsersElsewhere;

pub(super) use known::{Known, events};
pub(super) use people::{Together, elsewhere, keep_people, parted};
pub(super) use records::{OVERDUE_AFTER, overdue_since};
pub(super) use row::rows;

/// So many groups may be assigned to one application, or to one permission set on an account
/// (aws-api.md §4, not adjustable).
const GROUPS_MAX: usize = 100;
/// From so many on it is told: there is time to join groups before one is refused.
const GROUPS_NEAR: usize = 90;

/// What the store says beside why assignments stand.
#[derive(Debug, Default)]
pub(super) struct Matters {
    /// Grants that are not over.
    pub(super) grants: Vec<Grant>,
    /// Break-glass that nobody has looked at yet.
    pub(super) unreviewed: Vec<Grant>,
    /// Mass changes that wait for a word.
    pub(super) mass_changes: Vec<MassChange>,
    /// The users of other instances.
    pub(super) elsewhere: UsersElsewhere,
}

/// The findings so far, each once.
#[derive(Default)]
struct Findings(BTreeMap<FactKey, Found>);

/// How many ways in each user has.
struct Ways {
    /// For each user: the last target that let it in, and how many ways to that one.
    last: Vec<(usize, u32)>,
    /// For each user: all ways, and targets with several.
    all: Vec<(u64, u64)>,
}

/// What is found, sorted by key.
pub(super) fn find(
    collection: &Collection,
    holdings: &Holdings,
    matters: &Matters,
    now: Timestamp,
) -> Vec<Found> {
    let mut findings = Findings::default();
    let mut ways = Ways::of(collection.users.len());
    for place in 0..collection.target_count() {
        if let Some(facts) = TargetFacts::at(collection, place) {
            findings.look_at_target(collection, holdings, facts);
            ways.count(collection, place, facts.assignees());
        }
    }
    findings.look_at_groups(collection);
    findings.look_at_users(collection, &ways);
    records::look_at(&mut findings, collection, matters, now);
    people::look_at(&mut findings, collection, &matters.elsewhere);
    findings.0.into_values().collect()
}

impl Findings {
    fn add(&mut self, found: Found) {
        self.0.entry(found.key()).or_insert(found);
    }

    fn look_at_target(
        &mut self,
        collection: &Collection,
        holdings: &Holdings,
        facts: TargetFacts<'_>,
    ) {
        let target = facts.target();
        let assignees = facts.assignees();
        for finding in facts.findings() {
            let matters_unassigned = matches!(
                finding,
                Finding::OpenApplication | Finding::AssignmentConfigurationUnknown
            );
            if matters_unassigned || !assignees.is_empty() {
                self.add(about_target(finding, &target, String::new()));
            }
        }
        let groups = assignees
            .iter()
            .filter(|it| matches!(it, Assignee::Group(_)));
        let groups = groups.count();
        if groups >= GROUPS_NEAR {
            let detail = format!("{groups} of {GROUPS_MAX} groups");
            self.add(about_target(Finding::NearGroupQuota, &target, detail));
        }
        for assignee in assignees {
            let Some(principal) = collection.principal(*assignee) else {
                continue;
            };
            for finding in of_assignee(collection, *assignee) {
                self.add(about_assignment(finding, &target, &principal));
            }
            let holding = holdings.of(&NamedAssignment {
                instance: &collection.instance,
                principal: &principal,
                principal_name: collection.principal_name(*assignee).unwrap_or_default(),
                target: &target,
                target_name: facts.name(),
                account_name: facts.account_name(),
            });
            if holding.provenance == Some(Provenance::OutOfBand) {
                self.add(about_assignment(Finding::OutOfBand, &target, &principal));
            }
        }
    }

    fn look_at_groups(&mut self, collection: &Collection) {
        for (place, facts) in (0..).zip(&collection.groups) {
            let Some(principal) = collection.principal(Assignee::Group(place)) else {
                continue;
            };
            if facts.status == PrincipalStatus::Unknown {
                self.add(about_principal(
                    Finding::PrincipalUnknown,
                    principal.clone(),
                    String::new(),
                ));
            }
            let deleted = (members(&facts.members).iter())
                .filter_map(|user| collection.users.get(*user as usize))
                .filter(|facts| facts.user.status == PrincipalStatus::Deleted)
                .count();
            if deleted > 0 {
                let detail = counted(deleted as u64, "member", "members");
                self.add(about_principal(Finding::DeletedMember, principal, detail));
            }
        }
    }

    fn look_at_users(&mut self, collection: &Collection, ways: &Ways) {
        for (facts, (all, several)) in collection.users.iter().zip(&ways.all) {
            let about = |finding, detail| {
                let principal = PrincipalRef {
                    kind: PrincipalKind::User,
                    id: facts.user.id.clone(),
                };
                about_principal(finding, principal, detail)
            };
            if *all > 0 && facts.user.status == PrincipalStatus::Disabled {
                let detail = counted(*all, "way in", "ways in");
                self.add(about(Finding::DisabledUser, detail));
            }
            if *all > 0 && !facts.exists && facts.user.status == PrincipalStatus::Unknown {
                self.add(about(Finding::PrincipalUnknown, String::new()));
            }
            if *several > 0 {
                let detail = counted(*several, "target", "targets");
                self.add(about(Finding::SeveralPaths, detail));
            }
        }
    }
}

impl Ways {
    fn of(users: usize) -> Self {
        Self {
            last: vec![(usize::MAX, 0); users],
            all: vec![(0, 0); users],
        }
    }

    /// Counts the ways that the assignments of a target open.
    fn count(&mut self, collection: &Collection, target: usize, assignees: &[Assignee]) {
        for assignee in assignees {
            match assignee {
                Assignee::User(user) => self.one(target, *user),
                Assignee::Group(group) => {
                    let facts = collection.groups.get(*group as usize);
                    let members = facts.map_or(&[][..], |facts| members(&facts.members));
                    members.iter().for_each(|user| self.one(target, *user));
                }
            }
        }
    }

    fn one(&mut self, target: usize, user: UserIndex) {
        let place = user as usize;
        let (Some(last), Some(all)) = (self.last.get_mut(place), self.all.get_mut(place)) else {
            return;
        };
        if last.0 != target {
            *last = (target, 0);
        }
        last.1 += 1;
        all.0 += 1;
        if last.1 == 2 {
            all.1 += 1;
        }
    }
}

/// What is said of an assignment because of who is assigned.
fn of_assignee(collection: &Collection, assignee: Assignee) -> Vec<Finding> {
    let group = match assignee {
        Assignee::User(user) => {
            let facts = collection.users.get(user as usize);
            let is_deleted =
                facts.is_some_and(|facts| facts.user.status == PrincipalStatus::Deleted);
            return Vec::from_iter(is_deleted.then_some(Finding::OrphanedAssignment));
        }
        Assignee::Group(group) => collection.groups.get(group as usize),
    };
    match group {
        None => Vec::new(),
        Some(facts) if facts.status == PrincipalStatus::Deleted => {
            vec![Finding::OrphanedAssignment]
        }
        Some(facts) => match &facts.members {
            Members::Read(members) if members.is_empty() => vec![Finding::EmptyGroup],
            Members::Read(_) => Vec::new(),
            Members::Partly(_) | Members::NotRead => vec![Finding::GroupMembersUnknown],
        },
    }
}

fn members(members: &Members) -> &[UserIndex] {
    match members {
        Members::Read(members) | Members::Partly(members) => members,
        Members::NotRead => &[],
    }
}

fn about_target(finding: Finding, target: &Target, detail: String) -> Found {
    Found {
        target: Some(target.clone()),
        detail,
        ..Found::new(finding)
    }
}

fn about_principal(finding: Finding, principal: PrincipalRef, detail: String) -> Found {
    Found {
        principal: Some(principal),
        detail,
        ..Found::new(finding)
    }
}

fn about_assignment(finding: Finding, target: &Target, principal: &PrincipalRef) -> Found {
    Found {
        principal: Some(principal.clone()),
        ..about_target(finding, target, String::new())
    }
}

/// A number with its word.
fn counted(count: u64, one: &str, many: &str) -> String {
    let word = if count == 1 { one } else { many };
    format!("{count} {word}")
}

/// The findings of the same key in a map: when each was found first.
type Since = HashMap<FactKey, Option<Timestamp>>;

#[cfg(test)]
#[path = "findings/tests.rs"]
mod tests;
