//! A collection as rows, in their total order, one target at a time.
//!
//! Decides who can enter what, and by which way: the rules of aws-api.md §5. Only one target's
//! entries (a few numbers each) are held at once, however many people it lets in. Nothing here is
//! read from anywhere, and no row is ever left out because a fact about it is unknown.

mod cells;

use std::collections::BTreeMap;

use super::collection::{Assignee, Collection, GroupFacts, GroupIndex, Members, UserIndex};
use super::holdings::{Holding, Holdings};
use crate::domain::external::NamedAssignment;
use crate::domain::report::{Finding, LIST_SEPARATOR, ReportPath, Row, View};
use crate::domain::{PrincipalKind, PrincipalRef, PrincipalStatus};
pub(super) use cells::TargetFacts;
use cells::holding_cells;

/// The rows of a report, sorted; counts what it hands out.
pub struct Rows<'a> {
    collection: &'a Collection,
    holdings: &'a Holdings,
    view: View,
    principal: Option<&'a PrincipalRef>,
    next_target: usize,
    current: Option<OneTarget<'a>>,
    tally: Tally,
}

/// What the rows handed out so far amount to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// Rows.
    pub rows: u64,
    /// Rows that carry each finding.
    pub findings: BTreeMap<Finding, u64>,
    entrants: Vec<bool>,
}

struct OneTarget<'a> {
    facts: TargetFacts<'a>,
    /// One for each assignee.
    holdings: Vec<Holding>,
    entries: std::vec::IntoIter<Entry>,
}

/// A row to be. The order is that of `Row::sort_key` within one target: places of users and
/// groups are in the order of their ids, and no user or group sorts first, as an empty id does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    user: Option<UserIndex>,
    path: ReportPath,
    group: Option<GroupIndex>,
    /// The assignment's place among the target's; none for everybody's way in.
    assignment: Option<usize>,
    /// Said of the assignment as a whole, beside what is said of the user.
    finding: Option<Finding>,
}

impl Tally {
    /// How many different users the rows let in. Disabled users cannot sign in and do not count;
    /// users of unknown status and users of disabled applications do. The view ASSIGNMENTS does
    /// not expand groups, and so counts directly assigned users only.
    #[must_use]
    pub fn user_count(&self) -> u64 {
        self.entrants.iter().filter(|enters| **enters).count() as u64
    }
}

impl<'a> Rows<'a> {
    /// The rows of a view; of one principal, if one is asked for.
    #[must_use]
    pub fn new(
        collection: &'a Collection,
        holdings: &'a Holdings,
        view: View,
        principal: Option<&'a PrincipalRef>,
    ) -> Self {
        Self {
            collection,
            holdings,
            view,
            principal,
            next_target: 0,
            current: None,
            tally: Tally {
                entrants: vec![false; collection.users.len()],
                ..Tally::default()
            },
        }
    }

    /// What was handed out.
    #[must_use]
    pub fn into_tally(self) -> Tally {
        self.tally
    }

    fn open(&self, facts: TargetFacts<'a>) -> OneTarget<'a> {
        let mut entries = Vec::new();
        for (place, assignee) in facts.assignees().iter().enumerate() {
            match self.view {
                View::Access => self.expand(place, *assignee, &mut entries),
                // The other views have no rows of this kind and are never written by this.
                _ => {
                    entries.push(self.as_assigned(place, *assignee));
                }
            }
        }
        if self.view == View::Access && facts.is_open() {
            entries.extend(self.everybody());
        }
        entries.retain(|entry| self.is_wanted(entry));
        entries.sort_unstable();
        let target = facts.target();
        let holdings = (facts.assignees().iter())
            .filter_map(|assignee| {
                Some((
                    self.collection.principal(*assignee)?,
                    self.collection.principal_name(*assignee)?,
                ))
            })
            .map(|(principal, principal_name)| {
                self.holdings.of(&NamedAssignment {
                    instance: &self.collection.instance,
                    principal: &principal,
                    principal_name,
                    target: &target,
                    target_name: facts.name(),
                    account_name: facts.account_name(),
                })
            })
            .collect();
        OneTarget {
            facts,
            holdings,
            entries: entries.into_iter(),
        }
    }

    fn group(&self, group: GroupIndex) -> Option<&'a GroupFacts> {
        self.collection.groups.get(group as usize)
    }

    fn user_status(&self, user: UserIndex) -> PrincipalStatus {
        (self.collection.users.get(user as usize))
            .map_or(PrincipalStatus::Unknown, |facts| facts.user.status)
    }

    /// An assignment as AWS has it.
    fn as_assigned(&self, place: usize, assignee: Assignee) -> Entry {
        let (user, group, path, status) = match assignee {
            Assignee::User(user) => (Some(user), None, ReportPath::Direct, self.user_status(user)),
            Assignee::Group(group) => {
                let status = self.group(group).map(|facts| facts.status);
                let status = status.unwrap_or(PrincipalStatus::Unknown);
                (None, Some(group), ReportPath::Group, status)
            }
        };
        let is_deleted = status == PrincipalStatus::Deleted;
        let is_unknown_group = group.is_some() && status == PrincipalStatus::Unknown;
        Entry {
            user,
            group,
            path: if is_deleted { ReportPath::None } else { path },
            assignment: Some(place),
            finding: if is_deleted {
                Some(Finding::OrphanedAssignment)
            } else {
                is_unknown_group.then_some(Finding::PrincipalUnknown)
            },
        }
    }

    /// The ways in that an assignment opens.
    fn expand(&self, place: usize, assignee: Assignee, entries: &mut Vec<Entry>) {
        let whole = self.as_assigned(place, assignee);
        let facts = match assignee {
            Assignee::Group(group) if whole.path != ReportPath::None => self.group(group),
            _ => None,
        };
        let Some(facts) = facts else {
            entries.push(whole);
            return;
        };
        let unread = Entry {
            finding: Some(Finding::GroupMembersUnknown),
            ..whole
        };
        let members = match &facts.members {
            Members::NotRead => {
                entries.push(unread);
                return;
            }
            Members::Partly(members) => {
                entries.push(unread);
                members
            }
            Members::Read(members) => members,
        };
        if matches!(&facts.members, Members::Read(members) if members.is_empty()) {
            entries.push(Entry {
                path: ReportPath::None,
                finding: Some(Finding::EmptyGroup),
                ..whole
            });
        }
        entries.extend(members.iter().map(|user| Entry {
            user: Some(*user),
            finding: None,
            ..whole
        }));
    }

    /// The way in for everybody who is confirmed to exist.
    fn everybody(&self) -> impl Iterator<Item = Entry> + use<'a> {
        (0..)
            .zip(&self.collection.users)
            .filter(|(_, facts)| facts.exists)
            .map(|(user, _)| Entry {
                user: Some(user),
                path: ReportPath::OpenApplication,
                group: None,
                assignment: None,
                finding: None,
            })
    }

    fn is_wanted(&self, entry: &Entry) -> bool {
        let Some(principal) = self.principal else {
            return true;
        };
        let id = match principal.kind {
            PrincipalKind::User => entry
                .user
                .and_then(|user| self.collection.users.get(user as usize))
                .map(|facts| &facts.user.id),
            PrincipalKind::Group => entry
                .group
                .and_then(|group| self.group(group))
                .map(|facts| &facts.group.id),
        };
        id == Some(&principal.id)
    }

    fn write(&mut self, target: &OneTarget<'_>, entry: Entry) -> Row {
        let mut row = target.facts.cells(&self.collection.instance);
        let mut findings = target.facts.findings();
        findings.extend(entry.finding);
        row.path = entry.path.as_str().to_owned();
        if let Some(facts) = (entry.user).and_then(|user| self.collection.users.get(user as usize))
        {
            let user = &facts.user;
            row.user_id = user.id.to_string();
            row.user_name.clone_from(&user.user_name);
            row.display_name.clone_from(&user.display_name);
            row.email.clone_from(&user.email);
            row.user_status = user.status.as_str().to_owned();
            match user.status {
                PrincipalStatus::Disabled => findings.push(Finding::DisabledUser),
                PrincipalStatus::Deleted if entry.path == ReportPath::Group => {
                    findings.push(Finding::DeletedMember);
                }
                PrincipalStatus::Unknown if !facts.exists => {
                    findings.push(Finding::PrincipalUnknown);
                }
                _ => {}
            }
        }
        if let Some(facts) = entry.group.and_then(|group| self.group(group)) {
            row.group_id = facts.group.id.to_string();
            row.group_name.clone_from(&facts.group.display_name);
        }
        let holding = (entry.assignment).and_then(|place| target.holdings.get(place));
        if let Some(holding) = holding {
            holding_cells(&mut row, holding);
            findings.extend(&holding.findings);
        }
        findings.sort_unstable();
        self.count(entry, &findings);
        let words: Vec<&str> = findings.iter().map(|finding| finding.as_str()).collect();
        row.findings = words.join(LIST_SEPARATOR);
        row
    }

    fn count(&mut self, entry: Entry, findings: &[Finding]) {
        self.tally.rows += 1;
        for finding in findings {
            *self.tally.findings.entry(*finding).or_default() += 1;
        }
        let Some(user) = entry.user else {
            return;
        };
        let may_sign_in = !matches!(
            self.user_status(user),
            PrincipalStatus::Disabled | PrincipalStatus::Deleted
        );
        if let Some(enters) = self.tally.entrants.get_mut(user as usize) {
            *enters |= may_sign_in && entry.path != ReportPath::None;
        }
    }
}

impl Iterator for Rows<'_> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        loop {
            if let Some(mut current) = self.current.take()
                && let Some(entry) = current.entries.next()
            {
                let row = self.write(&current, entry);
                self.current = Some(current);
                return Some(row);
            }
            let facts = TargetFacts::at(self.collection, self.next_target)?;
            self.next_target += 1;
            self.current = Some(self.open(facts));
        }
    }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
