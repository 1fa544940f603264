//! The judgement: what clients were told, what Usher's store says, and what AWS holds must be one
//! story.

use std::collections::{BTreeMap, BTreeSet};

use usher::grpc::pb::{Grant, GrantState, Standing};
use usher::simulator::{AsynchronousStatus, Simulator};

use super::common::asked::{Asked, Key, Told, Wish};

/// How far the clocks of two processes of one machine may seem to differ, in seconds.
const CLOCK_SLACK_SECONDS: f64 = 0.002;

/// So many times AWS has to have failed at a change before a grant may fail.
const FAILED_OPERATIONS_MAX: usize = 3;

/// Everything that is judged together.
pub(crate) struct Evidence<'a> {
    pub(crate) asked: &'a [Asked],
    pub(crate) grants: Vec<Grant>,
    /// The assignments that stood before Usher.
    pub(crate) standing: &'a BTreeSet<Key>,
    pub(crate) simulator: &'a Simulator,
}

impl Evidence<'_> {
    /// What is not settled yet: work under way, or AWS apart from the store.
    pub(crate) fn unsettled(&self) -> Vec<String> {
        let now = jiff::Timestamp::now().as_second();
        let working = self.grants.iter().filter(|grant| match grant.state() {
            GrantState::Provisioning | GrantState::Revoking => true,
            GrantState::Active => grant.end_time.is_some_and(|end| end.seconds < now),
            _ => false,
        });
        let mut problems: Vec<String> = working.map(|grant| format!("{grant:?}")).collect();
        let expected = self.expected_assignments();
        let actual = self.actual_assignments();
        for key in expected.symmetric_difference(&actual) {
            let should = expected.contains(key);
            let grants: Vec<&Grant> = self
                .grants
                .iter()
                .filter(|grant| Key::of_grant(grant) == *key)
                .collect();
            problems.push(format!("{key:?} should stand: {should}; {grants:#?}"));
        }
        problems
    }

    fn actual_assignments(&self) -> BTreeSet<Key> {
        Key::all_of(&self.simulator.world()).into_iter().collect()
    }

    fn expected_assignments(&self) -> BTreeSet<Key> {
        let removed: BTreeSet<&Key> = self
            .asked
            .iter()
            .filter(|asked| {
                matches!(asked.wish, Wish::EndAssignment) && matches!(asked.told, Told::Ok { .. })
            })
            .map(|asked| &asked.goal.key)
            .collect();
        let held = self
            .grants
            .iter()
            .filter(|grant| grant.state() == GrantState::Active)
            .map(Key::of_grant);
        let standing = self.standing.iter().filter(|row| !removed.contains(row));
        held.chain(standing.cloned()).collect()
    }

    /// Checks everything that holds once all is settled.
    pub(crate) fn judge(&self) {
        self.judge_promises();
        self.judge_doubles();
        self.judge_ends();
        self.judge_marks();
        self.judge_creates();
    }

    fn grants_by_ticket(&self) -> BTreeMap<&str, Vec<&Grant>> {
        let mut by_ticket: BTreeMap<&str, Vec<&Grant>> = BTreeMap::new();
        for grant in &self.grants {
            by_ticket.entry(&grant.ticket).or_default().push(grant);
        }
        by_ticket
    }

    /// What was answered is kept.
    fn judge_promises(&self) {
        let by_ticket = self.grants_by_ticket();
        for asked in self.asked {
            let Told::Ok {
                grant_id: Some(grant_id),
            } = &asked.told
            else {
                continue;
            };
            let kept = by_ticket.get(asked.ticket().as_str());
            let kept = kept.and_then(|grants| grants.first());
            let kept = kept.unwrap_or_else(|| panic!("LOST: {asked:#?}"));
            assert_eq!(&kept.id, grant_id, "{asked:#?}");
            assert_eq!(Key::of_grant(kept), asked.goal.key, "{asked:#?}");
        }
    }

    /// One call is at most one grant, and every grant has its call.
    fn judge_doubles(&self) {
        for (ticket, grants) in self.grants_by_ticket() {
            assert_eq!(grants.len(), 1, "DOUBLED: {ticket}: {grants:#?}");
        }
        let tickets: BTreeSet<String> = self.asked.iter().map(Asked::ticket).collect();
        for grant in &self.grants {
            assert!(tickets.contains(&grant.ticket), "NOT ASKED FOR: {grant:#?}");
        }
    }

    /// Every grant is where what was asked of it leads.
    fn judge_ends(&self) {
        let by_ticket = self.grants_by_ticket();
        for given in self.asked {
            let Wish::Give { duration } = &given.wish else {
                continue;
            };
            let ticket = given.ticket();
            let Some(grant) = by_ticket.get(ticket.as_str()).and_then(|all| all.first()) else {
                continue;
            };
            let ends = self.asked.iter().filter(|end| match &end.wish {
                Wish::Give { .. } | Wish::GiveLater { .. } => false,
                Wish::EndGrant { grant_id } => *grant_id == grant.id,
                Wish::EndAssignment => end.goal.key == given.goal.key,
            });
            let ends: Vec<&Asked> = ends.filter(|end| end.told != Told::NothingThere).collect();
            let may_be_ended = ends.iter().any(|end| end.ended >= given.began);
            let must_be_ended = ends.iter().any(|end| {
                matches!(end.told, Told::Ok { .. })
                    && given.answered.is_some_and(|answered| answered < end.began)
            });
            match grant.state() {
                GrantState::Active => {
                    assert!(!must_be_ended, "NOT ENDED: {grant:#?} {ends:#?}");
                    assert!(duration.is_none(), "PAST ITS END: {grant:#?}");
                }
                GrantState::Revoked => assert!(may_be_ended, "NOBODY ASKED: {grant:#?}"),
                GrantState::Expired => assert!(duration.is_some(), "NO END: {grant:#?}"),
                GrantState::Failed => assert!(
                    self.failed_operations(&given.goal.key) >= FAILED_OPERATIONS_MAX,
                    "FAILED BY ITSELF: {grant:#?}"
                ),
                _ => panic!("NOT SETTLED OR FAILED: {grant:#?}"),
            }
        }
    }

    /// How many operations on an assignment AWS failed at.
    fn failed_operations(&self, key: &Key) -> usize {
        let calls = self.simulator.calls();
        let failed = calls.iter().filter(|call| {
            call.asynchronous
                .as_ref()
                .is_some_and(|told| told.status == AsynchronousStatus::Failed)
        });
        failed
            .filter(|call| Key::of_write(call).as_ref() == Some(key))
            .count()
    }

    /// Only what stood before Usher is standing.
    fn judge_marks(&self) {
        for grant in &self.grants {
            if grant.standing() == Standing::Yes {
                let key = Key::of_grant(grant);
                assert!(self.standing.contains(&key), "NOT STANDING: {grant:#?}");
            }
        }
    }

    /// No Create without an earlier durable grant.
    fn judge_creates(&self) {
        let mut first_grant: BTreeMap<Key, f64> = BTreeMap::new();
        for grant in &self.grants {
            let at = seconds(grant.create_time.as_ref().expect("a time"));
            let first = first_grant.entry(Key::of_grant(grant)).or_insert(at);
            *first = first.min(at);
        }
        for call in self.simulator.calls() {
            let key = Key::of_write(&call).filter(|_| call.operation.starts_with("Create"));
            let Some(key) = key else {
                continue;
            };
            let granted = first_grant.get(&key);
            let granted = granted.unwrap_or_else(|| panic!("NO GRANT: {call:#?}"));
            assert!(
                *granted <= call.time_seconds + CLOCK_SLACK_SECONDS,
                "CREATED BEFORE ITS GRANT: {call:#?}"
            );
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "microseconds of this century fit a double"
)]
fn seconds(time: &prost_types::Timestamp) -> f64 {
    time.seconds as f64 + f64::from(time.nanos) / 1e9
}
