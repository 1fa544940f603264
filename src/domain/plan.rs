//! What the reconciler does next about one assignment: a pure decision.
//!
//! ```text
//!   record + grants + what this run has seen + now  ->  Step
//!   Commit: write it down, then ask again      Read:  describe the assignment, then ask again
//!   Write:  write the intent down, then send   Rest:  write it down and let the lease go
//!   ReadRequest, FindRequest:  ask AWS what became of an asynchronous change, then ask again
//! ```
//! A change of an asynchronous target is pending from its intent on until AWS has told its end or
//! nothing of it can be found any more (`pending`); meanwhile no other change starts.
//!
//! AWS has no fence: an effect of Usher's own may land late, at most `Bounds::settle_window` after
//! it was intended. Three rules follow, and `present` and `absent` keep them:
//! - a presence inside the window after Usher's own Delete proves nothing until a Create is
//!   acknowledged; it never makes an assignment standing;
//! - an absence inside the window after a Create that was never seen is not an end yet;
//! - every confirmed absence is read once more when the window is over.

mod absent;
mod pending;
mod present;
mod run;
#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};

use super::assignment::AssignmentRecord;
use super::aws::{ErrorKind, FailedAttempt, Failure};
use super::event::{Actor, Event, EventKind};
use super::grant::{Grant, GrantState, Transition};
use super::operation::Operation;
use super::target::{AssignmentRequestId, Target};

pub use run::{Answer, RequestEnd, Run};

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
    /// How long AWS may work on an asynchronous change that Usher lost sight of.
    pub asynchronous_max: SignedDuration,
    /// How long an asynchronous change of unknown outcome is looked for in AWS's lists.
    pub request_unseen: SignedDuration,
    /// How long an asynchronous change is left to the poller until its state is read all the same.
    pub request_reread: SignedDuration,
}

impl Bounds {
    /// How long after its intent an effect of Usher's own may still appear: a paused holder of a
    /// lease may send until the lease is over, the attempt may take its time, AWS may work on it
    /// where the target is asynchronous, and reads lag.
    #[must_use]
    pub fn settle_window(&self, target: &Target) -> SignedDuration {
        let window = self.lease + self.attempt_timeout + self.visibility_horizon;
        if target.is_asynchronous() {
            window + self.asynchronous_max
        } else {
            window
        }
    }

    /// When AWS shows an asynchronous change that was intended at this time, if it took it: its
    /// attempt waits for the budget and ends within the lease.
    fn request_shown_by(&self, since: Timestamp) -> Timestamp {
        since
            .checked_add(self.lease + self.request_unseen)
            .unwrap_or(Timestamp::MAX)
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

impl Write {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Create, Self::Delete];

    /// The word of the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Delete => "DELETE",
        }
    }

    /// Reads the store's word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|write| write.as_str() == word)
    }

    /// The operation that makes the change.
    #[must_use]
    pub fn operation(self, target: &Target) -> Operation {
        match (target, self) {
            (Target::Application(_), Self::Create) => Operation::CreateApplicationAssignment,
            (Target::Application(_), Self::Delete) => Operation::DeleteApplicationAssignment,
            (Target::AccountAccess(_), Self::Create) => Operation::CreateAccountAssignment,
            (Target::AccountAccess(_), Self::Delete) => Operation::DeleteAccountAssignment,
        }
    }

    /// The operation that tells where one asynchronous change is.
    #[must_use]
    pub fn request_operation(self) -> Operation {
        match self {
            Self::Create => Operation::DescribeAccountAssignmentCreationStatus,
            Self::Delete => Operation::DescribeAccountAssignmentDeletionStatus,
        }
    }

    /// The operation that lists the asynchronous changes.
    #[must_use]
    pub fn list_operation(self) -> Operation {
        match self {
            Self::Create => Operation::ListAccountAssignmentCreationStatus,
            Self::Delete => Operation::ListAccountAssignmentDeletionStatus,
        }
    }
}

/// The operation that reads whether an assignment of the target is there.
#[must_use]
pub fn presence_operation(target: &Target) -> Operation {
    match target {
        Target::Application(_) => Operation::DescribeApplicationAssignment,
        Target::AccountAccess(_) => Operation::ListAccountAssignments,
    }
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
    /// Read where the asynchronous change of this id is, tell `observe_request`, then ask again.
    ReadRequest(Write, AssignmentRequestId),
    /// Look for an asynchronous change of this kind whose id is not known among those that are
    /// under way, tell `observe_search`, then ask again.
    FindRequest(Write),
    /// Commit and let the claim go; the record says when to come back.
    Rest(Changes),
}

/// Failures of a row that are told one by one when their kind changes.
const FAILURES_TOLD_EACH: u32 = 8;

/// Failed operations after which the pauses between them grow beyond the longest one.
const FAILED_OPERATIONS_WITH_HOPE: u32 = 8;
/// How much longer than the longest pause they become: some five minutes.
const HOPELESSNESS_MAX: u32 = 12;

/// How many times longer the pause is after so many failed operations.
fn hopelessness(failed_operations: u32) -> i32 {
    let beyond = failed_operations.saturating_sub(FAILED_OPERATIONS_WITH_HOPE);
    i32::try_from(beyond.clamp(1, HOPELESSNESS_MAX)).unwrap_or(1)
}

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
    situation.within_slot(situation.step())
}
impl Situation<'_> {
    fn step(&self) -> Step {
        if self.grants.iter().any(|grant| grant.is_due(self.now)) {
            return self.end_due_grants();
        }
        if let Some(pending) = &self.record.pending {
            return self.step_of_pending(pending);
        }
        if self.grants.iter().any(|grant| grant.state.is_live()) {
            self.step_to_present()
        } else if self.record.removal.is_some()
            || self
                .grants
                .iter()
                .any(|grant| grant.state == GrantState::Revoking)
        {
            self.step_to_absent()
        } else {
            self.step_of_recheck()
        }
    }

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
        changes.record.next_attempt_at = self.ends().chain(changes.record.recheck_at).min();
        Step::Rest(changes)
    }

    /// The ends of the grants that are active.
    fn ends(&self) -> impl Iterator<Item = Timestamp> {
        self.grants
            .iter()
            .filter(|grant| grant.state == GrantState::Active)
            .filter_map(|grant| grant.end_at)
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
        if failure.kind == ErrorKind::OperationFailed {
            record.failed_operations = record.failed_operations.saturating_add(1);
        }
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
        // A change that AWS takes and fails again and again holds a slot each time, which others
        // with better hope wait for.
        let pause = if failure.kind == ErrorKind::OperationFailed {
            pause.saturating_mul(hopelessness(record.failed_operations))
        } else {
            pause
        };
        // A grant that ends meanwhile is not kept waiting by the pause.
        record.next_attempt_at = self.ends().chain(self.now.checked_add(pause).ok()).min();
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

    fn not_visible(&self, operation: Operation) -> Step {
        self.rest_after(Failure::new(ErrorKind::NotVisible, operation))
    }

    fn write_not_visible(&self, write: Write) -> Step {
        self.not_visible(write.operation(&self.record.key.target))
    }

    fn window(&self) -> SignedDuration {
        self.bounds.settle_window(&self.record.key.target)
    }

    fn is_within_window(&self, since: Option<Timestamp>) -> bool {
        since.is_some_and(|since| self.now.duration_since(since) < self.window())
    }

    fn after_window(&self, since: Timestamp) -> Option<Timestamp> {
        Some(since.checked_add(self.window()).unwrap_or(Timestamp::MAX))
    }
}

impl Changes {
    fn event(&self, kind: EventKind, grant: Option<&Grant>, now: Timestamp) -> Event {
        Event::new(
            kind,
            now,
            Actor::Usher,
            self.record.key.clone(),
            grant.map(|grant| grant.id.clone()),
        )
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
        self.record.failed_operations = 0;
        self.record.refusing_since = None;
        self.record.last_failure = None;
    }
}
