//! What became of an asynchronous change, and what its slot allows.
//!
//! A pending change ends by AWS's word alone (done, FAILED, unknown). One whose id got lost is
//! looked for in AWS's lists; when it is too old to be missed there, reads decide as after any
//! lost answer.

use jiff::Timestamp;

use super::{Changes, Situation, Step, Write};
use crate::domain::assignment::{PendingChange, Standing};
use crate::domain::aws::{ErrorKind, FailedAttempt, Failure};

impl Situation<'_> {
    /// The pending change that a write of this target begins with; none where AWS's answer says
    /// everything.
    pub(super) fn pending_from_now(&self, write: Write) -> Option<PendingChange> {
        let is_asynchronous = self.record.key.target.is_asynchronous();
        is_asynchronous.then_some(PendingChange {
            write,
            request_id: None,
            since: self.now,
            own_before: self.record.standing == Standing::No && !self.was_confirmed_gone(),
        })
    }

    pub(super) fn step_of_pending(&self, pending: &PendingChange) -> Step {
        if self.run.has_unsaved_id() {
            // AWS works on it: the id is on record before anybody asks for it.
            let changes = self.changes_after_look(pending);
            return self.rest_pending(changes, self.request_reread_at());
        }
        if let Some(failure) = &self.run.request_failure {
            // What fails for this one change, whatever it is, fails no read of the assignment: an
            // outage does, and then nothing is let go.
            let is_hopeless = failure.kind.is_refusal() || failure.kind.outcome_is_unknown();
            return if is_hopeless && self.is_past_hearing_of(pending) {
                self.step_of_unfound(pending)
            } else {
                self.rest_after(failure.clone())
            };
        }
        match &pending.request_id {
            Some(_) if self.run.is_in_progress => self.rest_in_progress(pending),
            Some(id) => Step::ReadRequest(pending.write, id.clone()),
            None if self.run.was_sought => self.step_of_unfound(pending),
            None => Step::FindRequest(pending.write),
        }
    }

    /// The change is so old that it has ended, whatever AWS says of it: reads decide then, so that
    /// its slot is free again.
    fn is_past_hearing_of(&self, pending: &PendingChange) -> bool {
        self.now.duration_since(pending.since) >= self.bounds.asynchronous_max
            && self.bounds.request_shown_by(pending.since) <= self.now
    }

    /// The refusal to say what became of the Creates of a grant, when trying again cannot help.
    pub(super) fn refusal_to_tell_of_create(&self) -> Option<&Failure> {
        self.run.request_failure.as_ref().filter(|failure| {
            let is_of_create = failure.operation == Write::Create.request_operation().name()
                || failure.operation == Write::Create.list_operation().name();
            is_of_create && (failure.kind.is_final_refusal() || self.gives_up(failure))
        })
    }

    /// AWS shows no such change under way: it is done already, or not shown yet, or never was.
    fn step_of_unfound(&self, pending: &PendingChange) -> Step {
        let shown_by = self.bounds.request_shown_by(pending.since);
        let is_settled = match (pending.write, self.run.presence) {
            (_, None) => {
                return match &self.run.read_failure {
                    Some(failure)
                        if failure.kind.is_refusal() && self.is_past_hearing_of(pending) =>
                    {
                        self.let_slot_go()
                    }
                    Some(failure) => self.rest_after(failure.clone()),
                    None => Step::Read,
                };
            }
            // What is seen may be older than the last change in the other direction: then it proves
            // nothing.
            (Write::Create, Some(present)) => present && !self.own_delete_may_be_unseen(),
            (Write::Delete, Some(present)) => !present && !self.create_may_be_unseen(),
        };
        if is_settled || shown_by <= self.now {
            return self.let_slot_go();
        }
        let mut changes = self.changes();
        if let Some(Err(failure)) = self.run.outcome_of(pending.write) {
            changes.record.last_failure = Some(FailedAttempt {
                failure: failure.clone(),
                at: self.now,
            });
        }
        self.rest_pending(changes, Some(shown_by))
    }

    /// The change is over, or will not be heard of any more: what is there is for reads to tell.
    fn let_slot_go(&self) -> Step {
        let mut changes = self.changes();
        changes.record.pending = None;
        Step::Commit(changes)
    }

    /// AWS is still at it. However long that takes, nothing else is done meanwhile.
    fn rest_in_progress(&self, pending: &PendingChange) -> Step {
        let mut changes = self.changes_after_look(pending);
        if self.now.duration_since(pending.since) >= self.bounds.asynchronous_max {
            changes.record.last_failure = Some(FailedAttempt {
                failure: Failure::new(ErrorKind::NotVisible, pending.write.request_operation()),
                at: self.now,
            });
        }
        self.rest_pending(changes, self.request_reread_at())
    }

    /// AWS answers again: what stood in the way of asking is over. Left standing it would keep the
    /// poller from making the change due.
    fn changes_after_look(&self, pending: &PendingChange) -> Changes {
        let mut changes = self.changes();
        changes
            .record
            .last_failure
            .take_if(|last| last.at >= pending.since);
        changes
    }

    fn request_reread_at(&self) -> Option<Timestamp> {
        self.now.checked_add(self.bounds.request_reread).ok()
    }

    /// Gives the claim back while a change is pending: only an end of a grant comes earlier.
    fn rest_pending(&self, mut changes: Changes, again_at: Option<Timestamp>) -> Step {
        changes.record.next_attempt_at = self.ends().chain(again_at).min();
        Step::Rest(changes)
    }

    /// A change that ended gave its slot back, or is to do so before AWS is asked anything else;
    /// the next write takes another claim, which comes with a slot of its own.
    pub(super) fn within_slot(&self, step: Step) -> Step {
        match step {
            Step::Read if self.run.has_unsaved_end() => Step::Commit(self.changes()),
            Step::Write(..) if self.run.slot_is_spent => {
                let mut changes = self.changes();
                changes.record.next_attempt_at = Some(self.now);
                Step::Rest(changes)
            }
            step => step,
        }
    }
}
