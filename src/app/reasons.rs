//! Why assignments stand, from the store.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::audit::{Seen, StoreFacts};
use crate::domain::report::Provenance;
use crate::domain::{AssignmentKey, Grant, PrincipalRef, Standing, Target};
use crate::store::GrantScope;

/// Grants and standing marks by assignment.
pub(super) struct Reasons {
    grants: BTreeMap<AssignmentKey, Vec<Grant>>,
    standing: BTreeMap<AssignmentKey, Standing>,
    seen: Seen,
}

impl Reasons {
    pub(super) fn new(facts: StoreFacts, seen: Seen) -> Self {
        let mut grants: BTreeMap<AssignmentKey, Vec<Grant>> = BTreeMap::new();
        for grant in facts.grants {
            grants
                .entry(grant.assignment_key())
                .or_default()
                .push(grant);
        }
        for grants in grants.values_mut() {
            grants.sort_by(|left, right| left.id.cmp(&right.id));
        }
        let records = facts.records.into_iter();
        Self {
            grants,
            standing: records
                .map(|record| (record.key, record.standing))
                .collect(),
            seen,
        }
    }

    /// Why an assignment stands, and the grants that hold it: the live ones, or where it stands
    /// only until grants on their way out are over, those.
    pub(super) fn of(&self, key: &AssignmentKey) -> (Provenance, Vec<&Grant>) {
        let grants: Vec<&Grant> = self.grants.get(key).into_iter().flatten().collect();
        let standing = self.standing.get(key).copied();
        let standing = standing.unwrap_or(Standing::Unknown);
        let provenance = Provenance::of(standing, grants.iter().map(|grant| grant.state));
        let seen = self.seen.of(&key.target, &key.principal);
        let provenance = provenance.first_seen(standing, seen);
        if provenance != Provenance::Grant {
            return (provenance, Vec::new());
        }
        let is_held = grants.iter().any(|grant| grant.state.is_live());
        let holding = grants.into_iter();
        let holding = holding.filter(|grant| !is_held || grant.state.is_live());
        (provenance, holding.collect())
    }
}

/// When the last of these grants ends; none where one has no end, or has not begun yet and so ends later than all
/// that have.
pub(super) fn last_end(grants: &[&Grant]) -> Option<Timestamp> {
    let ends: Option<Vec<Timestamp>> = grants.iter().map(|grant| grant.end_at).collect();
    ends.and_then(|ends| ends.into_iter().max())
}

/// The part of an instance that a question is about.
pub(super) fn scope(principal: Option<&PrincipalRef>, target: Option<&Target>) -> GrantScope {
    match (principal, target) {
        (Some(principal), Some(target)) => {
            GrantScope::Assignment(principal.clone(), target.clone())
        }
        (Some(principal), None) => GrantScope::Principal(principal.clone()),
        (None, Some(target)) => GrantScope::Target(target.clone()),
        (None, None) => GrantScope::All,
    }
}
