//! Why assignments stand: the grants and marks of the store, by assignment. Reads nothing itself,
//! and claims nothing where the store could not be read.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use crate::domain::external::{ExternalRules, NamedAssignment};
use crate::domain::report::{Finding, LIST_SEPARATOR, Provenance};
use crate::domain::{Grant, GrantId, PrincipalRef, Review, Standing, Target};

use super::findings::overdue_since;
use super::seen::Seen;
use super::store_facts::StoreFacts;

/// Why one assignment stands, as cells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Holding {
    /// None where the store could not be read.
    pub(super) provenance: Option<Provenance>,
    pub(super) grant_id: String,
    pub(super) requested_by: String,
    pub(super) approved_by: String,
    pub(super) approved_at: String,
    pub(super) justification: String,
    pub(super) ticket: String,
    pub(super) granted_at: String,
    pub(super) expires_at: String,
    /// What is said of the assignment because of its grants.
    pub(super) findings: Vec<Finding>,
}

/// Why the assignments stand.
#[derive(Debug, Default)]
pub struct Holdings {
    by_target: HashMap<Target, HashMap<PrincipalRef, Holding>>,
    /// What holds an assignment of which the store says nothing.
    otherwise: Option<Provenance>,
    /// Those that Usher read to be absent once, before it made them.
    once_absent: HashSet<(Target, PrincipalRef)>,
    /// Since when assignments have been there.
    seen: Seen,
    /// Who keeps assignments outside of Usher.
    external: ExternalRules,
}

impl Holdings {
    /// Nobody keeps a store here: nothing is recorded.
    #[must_use]
    pub fn without_store() -> Self {
        Self {
            by_target: HashMap::new(),
            otherwise: Some(Provenance::Unrecorded),
            ..Self::default()
        }
    }

    /// The same with what collections tell of since when assignments have been there.
    #[must_use]
    pub fn with_seen(self, seen: Seen) -> Self {
        Self { seen, ..self }
    }

    /// The same with rules of who keeps assignments outside of Usher.
    #[must_use]
    pub fn with_external(self, external: ExternalRules) -> Self {
        Self { external, ..self }
    }

    /// The store could not be read: why assignments stand is not told.
    #[must_use]
    pub fn unreadable() -> Self {
        Self::default()
    }

    /// What the store says, and what of it is overdue `now`.
    #[must_use]
    pub fn new(facts: StoreFacts, now: Timestamp) -> Self {
        let mut grants: HashMap<(Target, PrincipalRef), Vec<Grant>> = HashMap::new();
        for grant in facts.grants {
            if !grant.state.is_over() {
                let key = (grant.target.clone(), grant.principal.clone());
                grants.entry(key).or_default().push(grant);
            }
        }
        let mut approvals: HashMap<GrantId, Vec<Review>> = HashMap::new();
        for (id, review) in facts.reviews {
            if review.is_approval() && review.round == 0 {
                approvals.entry(id).or_default().push(review);
            }
        }
        let mut holdings = Self::without_store();
        for record in facts.records {
            let (target, principal) = (record.key.target, record.key.principal);
            match record.standing {
                Standing::Yes => {
                    let holding = holdings.entry(target, principal);
                    holding.provenance = Some(Provenance::Standing);
                }
                Standing::No => {
                    holdings.once_absent.insert((target, principal));
                }
                Standing::Unknown => {}
            }
        }
        for ((target, principal), grants) in grants {
            holdings
                .entry(target, principal)
                .explain(grants, &approvals, &facts.ended, now);
        }
        holdings
    }

    fn holding(&self, target: &Target, principal: &PrincipalRef) -> Holding {
        (self.by_target.get(target))
            .and_then(|holdings| holdings.get(principal))
            .cloned()
            .unwrap_or_else(|| Holding {
                provenance: self.otherwise,
                ..Holding::default()
            })
    }

    /// Why an assignment stands of which names are known.
    pub(super) fn of(&self, assignment: &NamedAssignment<'_>) -> Holding {
        let mut holding = self.holding(assignment.target, assignment.principal);
        let key = (assignment.target.clone(), assignment.principal.clone());
        let standing = if self.once_absent.contains(&key) {
            Standing::No
        } else {
            Standing::Unknown
        };
        let seen = self.seen.of(assignment.target, assignment.principal);
        holding.provenance = (holding.provenance).map(|it| it.first_seen(standing, seen));
        let is_external = self.external.owner(assignment).is_some();
        holding.provenance = (holding.provenance).map(|it| it.or_external(is_external));
        if holding.provenance == Some(Provenance::OutOfBand) {
            holding.findings.push(Finding::OutOfBand);
        }
        holding
    }

    fn entry(&mut self, target: Target, principal: PrincipalRef) -> &mut Holding {
        (self.by_target.entry(target).or_default())
            .entry(principal)
            .or_default()
    }
}

impl Holding {
    /// Fills in what open grants say; `self` carries the standing mark already.
    fn explain(
        &mut self,
        mut grants: Vec<Grant>,
        approvals: &HashMap<GrantId, Vec<Review>>,
        ended: &HashSet<GrantId>,
        now: Timestamp,
    ) {
        let is_overdue =
            |grant: &Grant| !ended.contains(&grant.id) && overdue_since(grant, now).is_some();
        if grants.iter().any(is_overdue) {
            self.findings.push(Finding::OverdueRevocation);
        }
        if grants.iter().any(|grant| grant.review_due) {
            self.findings.push(Finding::UnreviewedBreakGlass);
        }
        let standing = if self.provenance == Some(Provenance::Standing) {
            Standing::Yes
        } else {
            Standing::No
        };
        let states = grants.iter().map(|grant| grant.state);
        self.provenance = Some(Provenance::of(standing, states));
        grants.sort_unstable_by_key(|grant| (Reverse(end(grant)), Reverse(grant.id.clone())));
        let Some(last) = grants.first() else {
            return;
        };
        self.requested_by = last.requester.caller.to_string();
        self.justification = last.justification.to_string();
        self.ticket = last.ticket.to_string();
        self.granted_at = written(last.started_at);
        self.expires_at = written(last.end_at);
        let approvals = approvals.get(&last.id).map_or(&[][..], Vec::as_slice);
        let reviewers: BTreeSet<&str> = (approvals.iter())
            .map(|review| review.reviewer.as_str())
            .collect();
        self.approved_by = Vec::from_iter(reviewers).join(LIST_SEPARATOR);
        self.approved_at = written(approvals.iter().map(|review| review.at).max());
        let mut ids: Vec<&str> = grants.iter().map(|grant| grant.id.as_str()).collect();
        ids.sort_unstable();
        self.grant_id = ids.join(LIST_SEPARATOR);
    }
}

/// When a grant ends: one without duration never; one that has not begun, as if it had begun when
/// it was recorded.
fn end(grant: &Grant) -> Timestamp {
    let planned = |duration: SignedDuration| grant.created_at.checked_add(duration).ok();
    grant
        .end_at
        .or_else(|| grant.duration.and_then(planned))
        .unwrap_or(Timestamp::MAX)
}

/// RFC 3339 in UTC; empty for no time.
fn written(at: Option<Timestamp>) -> String {
    at.map(|at| at.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::grant::tests::{at, grant};
    use crate::domain::text::CallerName;
    use crate::domain::{AssignmentRecord, GrantState, ReviewDecision, Ticket};

    fn key(grant: &Grant) -> (Target, PrincipalRef) {
        (grant.target.clone(), grant.principal.clone())
    }

    fn holding(grants: Vec<Grant>, standing: Standing) -> Holding {
        let (target, principal) = key(&grant(1, GrantState::Active));
        let mut record = AssignmentRecord::new(grant(1, GrantState::Active).assignment_key());
        record.standing = standing;
        let records = vec![record];
        let facts = StoreFacts {
            grants,
            records,
            ..StoreFacts::default()
        };
        Holdings::new(facts, at(0)).holding(&target, &principal)
    }

    #[test]
    fn provenance_is_the_strongest_reason() {
        use GrantState::{Active, Expired, Provisioning, Revoking};
        for (states, standing, provenance) in [
            (vec![], Standing::Unknown, Provenance::Unrecorded),
            (vec![], Standing::No, Provenance::Unrecorded),
            (vec![], Standing::Yes, Provenance::Standing),
            (vec![Expired], Standing::Yes, Provenance::Standing),
            (vec![Expired], Standing::No, Provenance::Unrecorded),
            (vec![Active], Standing::Yes, Provenance::Grant),
            (vec![Provisioning], Standing::No, Provenance::Grant),
            (vec![Revoking], Standing::No, Provenance::Grant),
            (vec![Revoking], Standing::Yes, Provenance::Standing),
            (vec![Revoking, Active], Standing::Yes, Provenance::Grant),
        ] {
            let grants = (1..).zip(&states).map(|(n, state)| grant(n, *state));
            let found = holding(grants.collect(), standing).provenance;
            assert_eq!(found, Some(provenance), "{states:?} {standing:?}");
        }
    }

    #[test]
    fn several_grants_are_listed_and_the_last_to_end_is_told() {
        let mut long = grant(1, GrantState::Active);
        long.end_at = Some(at(9_000));
        long.ticket = Ticket::parse("LONG").unwrap();
        let short = grant(2, GrantState::Active);
        let found = holding(vec![short.clone(), long.clone()], Standing::No);
        assert_eq!(found.grant_id, format!("{};{}", long.id, short.id));
        assert_eq!(found.ticket, "LONG");
        assert_eq!(found.granted_at, "2027-01-15T08:00:01Z");
        assert_eq!(found.expires_at, "2027-01-15T10:30:00Z");

        let mut endless = grant(3, GrantState::Active);
        (endless.duration, endless.end_at) = (None, None);
        endless.ticket = Ticket::parse("ENDLESS").unwrap();
        let found = holding(vec![long, endless], Standing::No);
        assert_eq!(
            (found.ticket.as_str(), found.expires_at.as_str()),
            ("ENDLESS", "")
        );
    }

    #[test]
    fn who_agreed_is_told_and_what_is_over_or_unreviewed_is_found() {
        let mut held = grant(1, GrantState::Active);
        held.end_at = Some(at(900));
        held.review_due = true;
        let (target, principal) = key(&held);
        let review = |number: u32, decision, second| Review {
            reviewer: CallerName::parse(&format!("user:{number}")).unwrap(),
            caller: CallerName::parse("service:portal").unwrap(),
            service: None,
            decision,
            subject_proven: true,
            vouched_by: None,
            round: 0,
            digest: String::new(),
            reason: held.justification.clone(),
            at: at(second),
        };
        let approved = ReviewDecision::Approved;
        let mut of_more_time = review(3, approved, 70);
        of_more_time.round = 1;
        let reviews = [
            review(2, approved, 50),
            review(1, approved, 60),
            review(4, ReviewDecision::Justified, 80),
            of_more_time,
        ];
        let facts = StoreFacts {
            reviews: reviews.map(|it| (held.id.clone(), it)).into(),
            grants: vec![held],
            ..StoreFacts::default()
        };
        let found = Holdings::new(facts, at(1_000)).holding(&target, &principal);
        assert_eq!(found.approved_by, "user:1;user:2");
        assert_eq!(found.approved_at, "2027-01-15T08:01:00Z");
        let said = [Finding::OverdueRevocation, Finding::UnreviewedBreakGlass];
        assert_eq!(found.findings, said);
    }

    #[test]
    fn where_the_store_is_unreadable_nothing_is_claimed() {
        let (target, principal) = key(&grant(1, GrantState::Active));
        let provenance = |holdings: Holdings| holdings.holding(&target, &principal).provenance;
        assert_eq!(provenance(Holdings::unreadable()), None);
        assert_eq!(
            provenance(Holdings::without_store()),
            Some(Provenance::Unrecorded)
        );
    }
}
