//! What is left to end when Usher is switched off: every assignment that a grant with an end holds,
//! and every one that is on its way out. Pure; it reads what is recorded and changes nothing.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::assignment::{AssignmentKey, AssignmentRecord, Standing};
use super::grant::{Grant, GrantState};
use super::ids::GrantId;

/// One assignment with something that ends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingEnd {
    /// The assignment.
    pub key: AssignmentKey,
    /// When it is to be removed, or is to be left alone and why.
    pub fate: Fate,
    /// What ends on it: the grants, each with the time at which it does; those that are ending
    /// already with the time at which that was due.
    pub grants: Vec<(GrantId, Option<Timestamp>)>,
}

/// What is to become of an assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Remove it at this time.
    Remove(Timestamp),
    /// Leave it: a grant without an end holds it.
    HeldWithoutEnd(GrantId),
    /// Leave it: it was there before Usher, or is nobody's by now.
    Standing,
}

/// Everything that is left to end: what is to be removed by its time, then what is left alone.
#[must_use]
pub fn pending_ends(grants: &[Grant], records: &[AssignmentRecord]) -> Vec<PendingEnd> {
    let mut by_key: BTreeMap<AssignmentKey, Vec<&Grant>> = BTreeMap::new();
    for grant in grants.iter().filter(|grant| !grant.state.is_over()) {
        by_key
            .entry(grant.assignment_key())
            .or_default()
            .push(grant);
    }
    let of_key: BTreeMap<&AssignmentKey, &AssignmentRecord> =
        records.iter().map(|record| (&record.key, record)).collect();
    for record in records.iter().filter(|record| record.removal.is_some()) {
        by_key.entry(record.key.clone()).or_default();
    }
    let mut ends: Vec<PendingEnd> = by_key
        .into_iter()
        .filter_map(|(key, mut grants)| {
            grants.sort_by(|left, right| left.id.cmp(&right.id));
            let record = of_key.get(&key).copied();
            pending_end(key, &grants, record)
        })
        .collect();
    ends.sort_by_key(|end| (order(&end.fate), end.key.clone()));
    ends
}

fn order(fate: &Fate) -> (bool, Timestamp) {
    match fate {
        Fate::Remove(at) => (false, *at),
        Fate::HeldWithoutEnd(_) | Fate::Standing => (true, Timestamp::MAX),
    }
}

/// When a grant ends; none where it has no end.
fn end_of(grant: &Grant) -> Option<Timestamp> {
    match grant.state {
        GrantState::Revoking => grant.ending.as_ref().map(|ending| ending.at),
        // What is being made ends at the earliest as if it had begun at once.
        GrantState::Provisioning => grant
            .duration
            .map(|duration| grant.created_at.checked_add(duration))
            .map(|end| end.unwrap_or(Timestamp::MAX)),
        _ => grant.end_at,
    }
}

/// What ends on one assignment; none where nothing does.
fn pending_end(
    key: AssignmentKey,
    grants: &[&Grant],
    record: Option<&AssignmentRecord>,
) -> Option<PendingEnd> {
    let removal = record.and_then(|record| record.removal.as_ref());
    let ends: Vec<(GrantId, Option<Timestamp>)> = grants
        .iter()
        .map(|grant| (grant.id.clone(), end_of(grant)))
        .collect();
    let live = grants.iter().filter(|grant| grant.state.is_live());
    let endless = live.clone().find(|grant| end_of(grant).is_none());
    let ends_at_all = ends.iter().any(|(_, end)| end.is_some()) || removal.is_some();
    if !ends_at_all {
        return None;
    }
    // What is held by a grant goes with the last one; nothing older takes it away before.
    let last = live.filter_map(|grant| end_of(grant)).max();
    let begun = ends.iter().filter_map(|(_, end)| *end).min();
    let fate = match (endless, last, removal) {
        (Some(grant), _, _) => Fate::HeldWithoutEnd(grant.id.clone()),
        (None, None, Some(removal)) => Fate::Remove(removal.at),
        _ if record.is_none_or(|record| record.standing != Standing::No) => Fate::Standing,
        (None, last, _) => Fate::Remove(last.or(begun).unwrap_or(Timestamp::MAX)),
    };
    Some(PendingEnd {
        key,
        fate,
        grants: ends,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::grant::tests::{at, grant, revoke};
    use crate::domain::{CallerName, Justification, Removal};

    fn record(standing: Standing) -> AssignmentRecord {
        let key = grant(1, GrantState::Active).assignment_key();
        AssignmentRecord {
            standing,
            ..AssignmentRecord::new(key)
        }
    }

    fn fate(grants: &[Grant], record: AssignmentRecord) -> Option<Fate> {
        let mut ends = pending_ends(grants, &[record]);
        assert!(ends.len() <= 1);
        ends.pop().map(|end| end.fate)
    }

    #[test]
    fn an_assignment_goes_with_the_last_grant_that_holds_it() {
        let first = grant(1, GrantState::Active);
        let mut last = grant(2, GrantState::Active);
        last.end_at = Some(at(9000));
        let both = [first.clone(), last.clone()];
        assert_eq!(
            fate(&both, record(Standing::No)),
            Some(Fate::Remove(at(9000)))
        );
        assert_eq!(fate(&both, record(Standing::Yes)), Some(Fate::Standing));
        last.end_at = None;
        let held = Fate::HeldWithoutEnd(last.id.clone());
        assert_eq!(fate(&[first, last], record(Standing::No)), Some(held));
    }

    #[test]
    fn what_is_on_its_way_out_is_due_since_it_was_asked_for() {
        let revoking = grant(1, GrantState::Active).apply(revoke(), at(7)).unwrap();
        let due = Some(Fate::Remove(at(7)));
        assert_eq!(
            fate(std::slice::from_ref(&revoking), record(Standing::No)),
            due
        );
        let mut removed = record(Standing::Yes);
        removed.removal = Some(Removal {
            by: CallerName::parse("alice").unwrap(),
            reason: Justification::default(),
            at: at(5),
        });
        // An explicit removal takes what is standing too.
        assert_eq!(
            fate(&[revoking], removed.clone()),
            Some(Fate::Remove(at(5)))
        );
        assert_eq!(fate(&[], removed), Some(Fate::Remove(at(5))));
    }

    #[test]
    fn what_has_no_end_is_left_out_and_what_is_being_made_is_not() {
        let mut endless = grant(1, GrantState::Active);
        endless.end_at = None;
        assert_eq!(fate(&[endless], record(Standing::No)), None);
        let making = grant(1, GrantState::Provisioning);
        assert_eq!(
            fate(std::slice::from_ref(&making), record(Standing::No)),
            Some(Fate::Remove(at(3600)))
        );
        // Nothing was sent for it yet.
        assert_eq!(
            fate(&[making], record(Standing::Unknown)),
            Some(Fate::Standing)
        );
    }
}
