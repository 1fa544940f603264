//! Findings about grants and about what waits for a word: from Usher's own records, held against what AWS
//! has.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::super::collection::{Assignee, Collection, Members};
use super::super::facts;
use super::super::report::TargetFacts;
use super::{Findings, Matters, counted};
use crate::domain::facts::{FactKey, Found};
use crate::domain::report::Finding;
use crate::domain::{Grant, GrantState, PrincipalKind};

/// A grant's end is acted on within a minute of its time (DESIGN.md §4.6): before that it is not overdue.
pub(in crate::audit) const OVERDUE_AFTER: SignedDuration = SignedDuration::from_secs(60);

/// When the end of a grant was due that is not there yet, if that is more than a minute ago.
pub(in crate::audit) fn overdue_since(grant: &Grant, now: Timestamp) -> Option<Timestamp> {
    let asked = grant.ending.as_ref().map(|ending| ending.at);
    let due = match grant.state {
        GrantState::Revoking => asked.into_iter().chain(grant.end_at).min()?,
        GrantState::Active => grant.end_at?,
        _ => return None,
    };
    (now.duration_since(due) > OVERDUE_AFTER).then_some(due)
}

/// Looks at the records.
pub(super) fn look_at(
    findings: &mut Findings,
    collection: &Collection,
    matters: &Matters,
    now: Timestamp,
) {
    for grant in &matters.grants {
        if let Some(due) = overdue_since(grant, now) {
            findings.add(about(Finding::OverdueRevocation, grant, Some(due)));
        }
        if let Some(detail) = growth(collection, grant) {
            findings.add(Found {
                detail,
                ..about(Finding::GroupGrew, grant, None)
            });
        }
    }
    for grant in &matters.unreviewed {
        let since = grant.started_at.unwrap_or(grant.created_at);
        findings.add(about(Finding::UnreviewedBreakGlass, grant, Some(since)));
    }
    for change in &matters.mass_changes {
        findings.add(Found {
            since: Some(change.found_at),
            detail: format!(
                "{} of {} beneficiaries",
                change.gone.len(),
                change.watched_count
            ),
            ..Found::new(Finding::MassChange)
        });
    }
    for grant in without_assignment(collection, &matters.grants) {
        findings.add(about(Finding::GrantWithoutAssignment, grant, None));
    }
}

fn about(finding: Finding, grant: &Grant, since: Option<Timestamp>) -> Found {
    Found {
        target: Some(grant.target.clone()),
        principal: Some(grant.principal.clone()),
        grant_id: Some(grant.id.clone()),
        since,
        ..Found::new(finding)
    }
}

/// How much a group has grown since its access was agreed to; none where it has not, or nobody could read
/// its members.
fn growth(collection: &Collection, grant: &Grant) -> Option<String> {
    if grant.principal.kind != PrincipalKind::Group || !grant.state.is_live() {
        return None;
    }
    let groups = &collection.groups;
    let place = groups.binary_search_by(|facts| facts.group.id.cmp(&grant.principal.id));
    let Members::Read(members) = &groups.get(place.ok()?)?.members else {
        return None;
    };
    // Nobody was asked how many there are where an assignment was adopted without counting.
    if grant.adoption.is_some() && grant.people_count == 0 {
        return None;
    }
    let (then, now) = (grant.people_count, members.len() as u64);
    let then = (now > then).then_some(then)?;
    Some(format!(
        "{} then, {now} now",
        counted(then, "person", "people")
    ))
}

/// The active grants whose assignments the collection would have seen, and did not.
fn without_assignment<'a>(collection: &Collection, grants: &'a [Grant]) -> Vec<&'a Grant> {
    let Some(began) = collection.observed_from else {
        return Vec::new();
    };
    let stood = |grant: &&Grant| {
        grant.state == GrantState::Active && grant.started_at.is_some_and(|at| at < began)
    };
    let standing = grants.iter().filter(stood);
    let mut unseen: HashMap<FactKey, Vec<&Grant>> = HashMap::new();
    for grant in standing {
        let key = FactKey::assignment(&grant.target, &grant.principal);
        unseen.entry(key).or_default().push(grant);
    }
    if unseen.is_empty() {
        return Vec::new();
    }
    for place in 0..collection.target_count() {
        let Some(target) = TargetFacts::at(collection, place) else {
            continue;
        };
        let key = target.target();
        let seen = |assignee: &Assignee| collection.principal(*assignee);
        for principal in target.assignees().iter().filter_map(seen) {
            unseen.remove(&FactKey::assignment(&key, &principal));
        }
    }
    let gaps = facts::gaps_of(collection);
    unseen.retain(|key, _| !gaps.cover(key));
    unseen.into_values().flatten().collect()
}
