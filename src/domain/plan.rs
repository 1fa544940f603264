//! What the reconciler does next about one assignment: a pure decision.
//!
//! ```text
//!   record + grants + what this run has seen + now  ->  Step
//!   Commit: write it down, then ask again      Read:  describe the assignment, then ask again
//!   Write:  write the intent down, then send   Rest:  write it down and let the lease go
//! ```
//! AWS has no fence: an effect of Usher's own may land late, at most `Bounds::settle_window` after
//! it was intended. Three rules follow, and `present` and `absent` keep them:
//! - a presence inside the window after Usher's own Delete proves nothing until a Create is
//!   acknowledged; it never makes an assignment standing;
//! - an absence inside the window after a Create that was never seen is not an end yet;
//! - every confirmed absence is read once more when the window is over.

mod absent;
mod present;
#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};

use super::assignment::{AssignmentRecord, Standing};
use super::aws::{ErrorKind, FailedAttempt, Failure};
use super::event::{Actor, Event, EventKind};
use super::grant::{Grant, GrantState, Transition};

/// The times a plan counts with. All come from the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// How long AWS's reads may lag behind its writes.
    pub visibility_horizon: SignedDuration,
    /// How long a claim lasts.
    pub lease: SignedDuration,
    /// How long one attempt may take.
    pub attempt_timeout: SignedDuration,
    /// How long AWS may refuse a grant until it has failed.
    pub give_up_after: SignedDuration,
    /// The pause after the first failure; it doubles from there.
    pub backoff_first: SignedDuration,
    /// The longest pause between attempts.
    pub backoff_max: SignedDuration,
}

impl Bounds {
    /// How long after its intent an effect of Usher's own may still appear: a paused holder of a
    /// lease may send until the lease is over, the attempt may take its time, and reads lag.
    #[must_use]
    pub fn settle_window(&self) -> SignedDuration {
        self.lease + self.attempt_timeout + self.visibility_horizon
    }

    fn backoff(&self, failed_attempts: u32) -> SignedDuration {
        // 2^20 times any first pause is past every cap.
        let factor = 1_i32 << failed_attempts.saturating_sub(1).min(20);
        self.backoff_first
            .checked_mul(factor)
            .map_or(self.backoff_max, |pause| pause.min(self.backoff_max))
    }
}

/// A change of AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// Create the assignment.
    Create,
    /// Delete the assignment.
    Delete,
}

/// What to write down: the whole new record, the grants that changed, and what happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// The record as it is to be.
    pub record: AssignmentRecord,
    /// The grants that changed, as they are to be.
    pub grants: Vec<Grant>,
    /// What happened, in order.
    pub events: Vec<Event>,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Commit, then ask again.
    Commit(Changes),
    /// Read whether the assignment is there, tell `observe`, then ask again.
    Read,
    /// Commit the intent, send the write, tell `observe_write`, then ask again.
    Write(Write, Changes),
    /// Commit and let the claim go; the record says when to come back.
    Rest(Changes),
}

/// What this run has seen since it claimed the assignment. Nothing of it outlives the run.
#[derive(Debug, Clone, Default)]
pub struct Run {
    presence: Option<bool>,
    write: Option<(Write, Result<(), Failure>)>,
    read_failure: Option<Failure>,
    creates: u32,
    /// The record before the last Create was intended, to go back to when it had no effect.
    before_create: Option<AssignmentRecord>,
}

impl Run {
    /// Takes in a read of the assignment.
    pub fn observe(
        &mut self,
        record: &mut AssignmentRecord,
        read: Result<bool, Failure>,
        now: Timestamp,
    ) {
        match read {
            Ok(present) => {
                self.presence = Some(present);
                self.read_failure = None;
                match record.standing {
                    Standing::No if present => record.create_seen = true,
                    Standing::Yes if present => record.standing_seen_at = Some(now),
                    Standing::Yes | Standing::No | Standing::Unknown => {}
                }
            }
            Err(failure) => self.read_failure = Some(failure),
        }
    }

    /// Keeps the record as it is before a write is intended.
    pub fn begin_write(&mut self, record: &AssignmentRecord, write: Write) {
        if write == Write::Create {
            self.before_create = Some(record.clone());
        }
    }

    /// Takes in the outcome of a write. What was read before it no longer counts.
    pub fn observe_write(
        &mut self,
        record: &mut AssignmentRecord,
        write: Write,
        outcome: Result<(), Failure>,
    ) {
        if write == Write::Create {
            self.creates += 1;
        }
        self.presence = None;
        self.write = Some((write, outcome));
        self.note_create(record);
    }

    /// Writes the outcome of this run's last Create on the record. A Create that certainly had no
    /// effect leaves it as it was before: nothing of it can land late, and what is there
    /// afterwards is not Usher's own.
    fn note_create(&self, record: &mut AssignmentRecord) {
        match (self.outcome_of(Write::Create), &self.before_create) {
            (None, _) => {}
            (Some(Err(failure)), Some(before)) if failure.kind.had_no_effect() => {
                // A standing assignment was read to be gone before the Create: that stays true.
                record.standing = match before.standing {
                    Standing::Yes => Standing::Unknown,
                    standing => standing,
                };
                record.last_create_at = before.last_create_at;
                record.create_acknowledged = before.create_acknowledged;
                record.create_seen = before.create_seen;
                record.recheck_at = before.recheck_at;
            }
            (Some(outcome), _) => record.create_acknowledged = outcome.is_ok(),
        }
    }

    /// What this run noted on its record has been committed: from here on the record tells it.
    pub fn saved(&mut self) {
        self.before_create = None;
    }

    /// Carries what this run has seen over to the record as it was read again, after a caller's
    /// write came between. What was done before a removal was asked for does not count for it.
    pub fn carry_over(&mut self, before: &AssignmentRecord, record: &mut AssignmentRecord) {
        self.note_create(record);
        if self.presence == Some(true) && record.standing == Standing::No {
            record.create_seen = true;
        }
        if record.removal != before.removal {
            self.presence = None;
            self.write = None;
        }
    }

    fn outcome_of(&self, wanted: Write) -> Option<&Result<(), Failure>> {
        self.write
            .as_ref()
            .filter(|(write, _)| *write == wanted)
            .map(|(_, outcome)| outcome)
    }
}

/// Failures of a row that are told one by one when their kind changes.
const FAILURES_TOLD_EACH: u32 = 8;

/// Everything a decision looks at.
struct Situation<'a> {
    record: &'a AssignmentRecord,
    /// The grants on the assignment that are not over.
    grants: &'a [Grant],
    run: &'a Run,
    now: Timestamp,
    bounds: &'a Bounds,
}

/// Decides the next step. `grants` are those on this assignment that are not over.
#[must_use]
pub fn next_step(
    record: &AssignmentRecord,
    grants: &[Grant],
    run: &Run,
    now: Timestamp,
    bounds: &Bounds,
) -> Step {
    let situation = Situation {
        record,
        grants,
        run,
        now,
        bounds,
    };
    if grants.iter().any(|grant| grant.is_due(now)) {
        return situation.end_due_grants();
    }
    if grants.iter().any(|grant| grant.state.is_live()) {
        situation.step_to_present()
    } else if record.removal.is_some()
        || grants
            .iter()
            .any(|grant| grant.state == GrantState::Revoking)
    {
        situation.step_to_absent()
    } else {
        situation.step_of_recheck()
    }
}

impl Situation<'_> {
    fn end_due_grants(&self) -> Step {
        let mut changes = self.changes();
        changes.move_grants(
            self.grants,
            |grant| grant.is_due(self.now),
            &Transition::TimeOver,
            EventKind::TimeOver,
            self.now,
        );
        Step::Commit(changes)
    }

    fn changes(&self) -> Changes {
        Changes {
            record: self.record.clone(),
            grants: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Gives the claim back until something is due.
    fn rest(&self, mut changes: Changes) -> Step {
        let ends = self
            .grants
            .iter()
            .filter(|grant| grant.state == GrantState::Active)
            .filter_map(|grant| grant.end_at);
        changes.record.next_attempt_at = ends.chain(changes.record.recheck_at).min();
        Step::Rest(changes)
    }

    /// Gives the claim back after a failure, and comes again after a pause.
    fn rest_after(&self, failure: Failure) -> Step {
        let mut changes = self.changes();
        let record = &mut changes.record;
        let is_new = record
            .last_failure
            .as_ref()
            .is_none_or(|last| last.failure.kind != failure.kind);
        record.failed_attempts = record.failed_attempts.saturating_add(1);
        // A long row is told now and then, so that kinds that alternate do not fill the log.
        let is_told = record.failed_attempts <= FAILURES_TOLD_EACH
            || record.failed_attempts.is_power_of_two();
        if failure.kind.is_refusal_in_the_long_run() {
            record.refusing_since.get_or_insert(self.now);
        } else if failure.kind.is_outage() {
            record.refusing_since = None;
        }
        let pause = failure
            .retry_after_milliseconds
            .and_then(|milliseconds| i64::try_from(milliseconds).ok())
            .map_or(SignedDuration::ZERO, SignedDuration::from_millis)
            .max(self.bounds.backoff(record.failed_attempts))
            .min(self.bounds.backoff_max);
        // A grant that ends meanwhile is not kept waiting by the pause.
        let ends = self
            .grants
            .iter()
            .filter(|grant| grant.state == GrantState::Active)
            .filter_map(|grant| grant.end_at);
        record.next_attempt_at = ends.chain(self.now.checked_add(pause).ok()).min();
        let kind = failure.kind;
        record.last_failure = Some(FailedAttempt {
            failure,
            at: self.now,
        });
        if is_new && is_told && kind != ErrorKind::BudgetExhausted {
            for grant in self
                .grants
                .iter()
                .filter(|grant| grant.state != GrantState::Active)
            {
                changes.events.push(Event {
                    error_kind: Some(kind),
                    ..changes.event(EventKind::AttemptFailed, Some(grant), self.now)
                });
            }
        }
        Step::Rest(changes)
    }

    fn not_visible(&self, operation: super::Operation) -> Step {
        self.rest_after(Failure::new(ErrorKind::NotVisible, operation))
    }

    fn is_within_window(&self, since: Option<Timestamp>) -> bool {
        since.is_some_and(|since| self.now.duration_since(since) < self.bounds.settle_window())
    }

    fn after_window(&self, since: Timestamp) -> Option<Timestamp> {
        Some(
            since
                .checked_add(self.bounds.settle_window())
                .unwrap_or(Timestamp::MAX),
        )
    }
}

impl Changes {
    fn event(&self, kind: EventKind, grant: Option<&Grant>, now: Timestamp) -> Event {
        Event {
            kind,
            at: now,
            actor: Actor::Usher,
            key: self.record.key.clone(),
            grant_id: grant.map(|grant| grant.id.clone()),
            error_kind: None,
        }
    }

    /// Moves every grant that fits by the same transition, each with its event.
    fn move_grants(
        &mut self,
        grants: &[Grant],
        fits: impl Fn(&Grant) -> bool,
        transition: &Transition,
        kind: EventKind,
        now: Timestamp,
    ) {
        for grant in grants.iter().filter(|grant| fits(grant)) {
            // INVARIANT: `fits` selects by state, so the transition always fits; a grant for which
            // it does not is left as it is rather than written wrongly.
            if let Ok(next) = grant.apply(transition.clone(), now) {
                self.events.push(self.event(kind, Some(grant), now));
                self.grants.push(next);
            }
        }
    }

    /// Ends a row of failures: the work they stood in the way of is done.
    fn clear_failures(&mut self) {
        self.record.failed_attempts = 0;
        self.record.refusing_since = None;
        self.record.last_failure = None;
    }
}
