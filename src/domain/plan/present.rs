//! The way to an assignment that is there: a live grant wants it.

use super::{Changes, Situation, Step, Write, presence_operation};
use crate::domain::assignment::Standing;
use crate::domain::aws::{ErrorKind, FailedAttempt, Failure};
use crate::domain::event::{Event, EventKind};
use crate::domain::grant::{Grant, GrantState, Transition};

/// AWS's FAILED may be passing (it is reported with an empty reason, and a repeat then succeeds), so
/// that one proves little; three in a row, each with the absence read after it, are AWS's answer.
const FAILED_OPERATIONS_MAX: u32 = 3;

/// Creates that one run may send: the second follows at once when a read shows that the first,
/// of unknown outcome, did nothing.
const CREATES_PER_RUN_MAX: u32 = 2;

fn is_provisioning(grant: &Grant) -> bool {
    grant.state == GrantState::Provisioning
}

fn is_revoking(grant: &Grant) -> bool {
    grant.state == GrantState::Revoking
}

impl Situation<'_> {
    pub(super) fn step_to_present(&self) -> Step {
        if self.record.removal.is_some() || self.grants.iter().any(is_revoking) {
            return self.let_others_go();
        }
        if !self.grants.iter().any(is_provisioning) {
            return self.step_of_active_recheck();
        }
        let outcome = self.run.outcome_of(Write::Create);
        match (self.run.presence, outcome) {
            (None, _) if self.run.read_failure.is_some() => self.rest_after_read_failure(),
            (None, Some(Err(failure))) if failure.kind.did_nothing() && !self.gives_up(failure) => {
                self.rest_after(failure.clone())
            }
            (None, _) => Step::Read,
            (Some(true), Some(Err(failure))) if self.own_delete_may_be_unseen() => {
                self.rest_after(failure.clone())
            }
            (Some(true), None) if self.own_delete_may_be_unseen() => self.create(),
            (Some(true), _) => self.activate(),
            (Some(false), None) if self.standing_may_be_unseen() => {
                self.not_visible(presence_operation(&self.record.key.target))
            }
            (Some(false), None) => match self.refusal_to_tell_of_create() {
                Some(failure) if failure.kind.is_final_refusal() => {
                    self.fail(failure, is_provisioning)
                }
                Some(failure) => self.fail(failure, |grant| self.is_given_up(grant)),
                None => self.create(),
            },
            (Some(false), Some(Ok(()))) => self.rest_or_fail(Failure::new(
                ErrorKind::NotVisible,
                Write::Create.operation(&self.record.key.target),
            )),
            (Some(false), Some(Err(failure))) if self.is_final(failure) => {
                self.fail(failure, is_provisioning)
            }
            (Some(false), Some(Err(failure)))
                if failure.kind.outcome_is_unknown() && self.run.creates < CREATES_PER_RUN_MAX =>
            {
                self.create()
            }
            (Some(false), Some(Err(failure))) => self.rest_or_fail(failure.clone()),
        }
    }

    /// A live grant holds the assignment: grants that are ending end without a change in AWS, and
    /// an older request to remove the assignment is overtaken. What stands from then on is the
    /// grant's: the explicit removal has cleared any standing mark.
    fn let_others_go(&self) -> Step {
        let mut changes = self.changes();
        changes.move_grants(
            self.grants,
            is_revoking,
            &Transition::Finish,
            EventKind::EndedAssignmentKept,
            self.now,
        );
        if changes.record.removal.take().is_some() {
            changes.record.standing = Standing::No;
            changes.record.standing_seen_at = None;
            changes.record.recheck_at = None;
            changes
                .events
                .push(changes.event(EventKind::RemovalSuperseded, None, self.now));
        }
        // The failures so far stood in the way of an end that nobody waits for any more.
        changes.clear_failures();
        Step::Commit(changes)
    }

    /// All live grants are active. When a Delete of Usher's own might still have landed after
    /// activation, the assignment is read once more, and made again if it did.
    fn step_of_active_recheck(&self) -> Step {
        let due = self.record.recheck_at.is_some_and(|at| at <= self.now);
        if !due {
            return self.rest(self.changes());
        }
        match (self.run.presence, self.run.outcome_of(Write::Create)) {
            (None, _) if self.run.read_failure.is_some() => self.rest_after_read_failure(),
            (None, Some(Err(failure))) if failure.kind.did_nothing() => {
                self.rest_after(failure.clone())
            }
            (None, _) => Step::Read,
            (Some(true), _) => {
                let mut changes = self.changes();
                changes.clear_failures();
                changes.record.recheck_at = None;
                self.rest(changes)
            }
            (Some(false), None) => {
                let Step::Write(write, mut changes) = self.create() else {
                    return Step::Read;
                };
                changes.record.recheck_at = self.record.recheck_at;
                if self.record.failed_attempts == 0 {
                    self.tell_live_grants(&mut changes, EventKind::LateEffectFound);
                }
                Step::Write(write, changes)
            }
            (Some(false), Some(Ok(()))) => self.write_not_visible(Write::Create),
            (Some(false), Some(Err(failure))) if self.is_final(failure) => {
                // AWS will not have it back: the grant's assignment is missing, which is reported.
                let mut changes = self.changes();
                changes.record.recheck_at = None;
                changes.clear_failures();
                self.tell_live_grants(&mut changes, EventKind::FoundMissing);
                self.rest(changes)
            }
            (Some(false), Some(Err(failure))) => self.rest_after(failure.clone()),
        }
    }

    fn create(&self) -> Step {
        let mut changes = self.changes();
        if changes.record.standing == Standing::Yes {
            changes
                .events
                .push(changes.event(EventKind::StandingGone, None, self.now));
        }
        let record = &mut changes.record;
        record.standing = Standing::No;
        record.standing_seen_at = None;
        record.last_create_at = Some(self.now);
        record.create_acknowledged = false;
        record.create_seen = false;
        record.recheck_at = None;
        record.removed_at = None;
        record.gone_at = None;
        record.pending = self.pending_from_now(Write::Create);
        // Attempts after the first are told by their failures: a row of them does not fill the log.
        if record.failed_attempts == 0 && self.run.creates == 0 {
            for grant in self.grants.iter().filter(|grant| is_provisioning(grant)) {
                changes.events.push(changes.event(
                    EventKind::CreateIntended,
                    Some(grant),
                    self.now,
                ));
            }
        }
        Step::Write(Write::Create, changes)
    }

    fn activate(&self) -> Step {
        let mut changes = self.changes();
        let standing = if self.was_confirmed_gone() {
            Standing::Unknown
        } else {
            changes.record.standing
        };
        match standing {
            Standing::Unknown => {
                changes.record.standing = Standing::Yes;
                changes.record.standing_seen_at = Some(self.now);
                for grant in self.grants.iter().filter(|grant| is_provisioning(grant)) {
                    changes.events.push(changes.event(
                        EventKind::StandingFound,
                        Some(grant),
                        self.now,
                    ));
                }
            }
            Standing::Yes => changes.record.standing_seen_at = Some(self.now),
            Standing::No => changes.record.create_seen = true,
        }
        changes.clear_failures();
        changes.record.removed_at = None;
        changes.record.gone_at = None;
        changes.record.recheck_at = self
            .record
            .last_delete_at
            .filter(|_| self.is_within_window(self.record.last_delete_at))
            .and_then(|deleted_at| self.after_window(deleted_at));
        changes.move_grants(
            self.grants,
            is_provisioning,
            &Transition::Activate,
            EventKind::Activated,
            self.now,
        );
        Step::Commit(changes)
    }

    /// Absence was read. A grant that AWS has refused for too long fails now: every attempt is a
    /// new intent, so that there is never a time at which none of them could still land; what does
    /// land is found by the second look.
    fn rest_or_fail(&self, failure: Failure) -> Step {
        if self.gives_up(&failure) {
            self.fail(&failure, |grant| self.is_given_up(grant))
        } else {
            self.rest_after(failure)
        }
    }

    /// Reading failed. A grant that Usher never sent a Create for may fail without a read: nothing
    /// of its own can be there. Not so where the assignment stood before: it most likely stands.
    fn rest_after_read_failure(&self) -> Step {
        match self.run.read_failure.clone() {
            Some(failure)
                if self.record.standing == Standing::Unknown && self.gives_up(&failure) =>
            {
                self.fail(&failure, |grant| self.is_given_up(grant))
            }
            Some(failure) => self.rest_after(failure),
            None => Step::Read,
        }
    }

    fn fail(&self, failure: &Failure, fails: impl Fn(&Grant) -> bool) -> Step {
        let mut changes = self.changes();
        let attempt = FailedAttempt {
            failure: failure.clone(),
            at: self.now,
        };
        changes.clear_failures();
        if changes.record.standing == Standing::No {
            changes.record.recheck_at = self.after_window(self.now);
        }
        changes.move_grants(
            self.grants,
            fails,
            &Transition::Fail(attempt),
            EventKind::Failed,
            self.now,
        );
        mark_error(&mut changes, failure);
        Step::Commit(changes)
    }

    /// Whether trying again cannot help, now that absence was read after it.
    fn is_final(&self, failure: &Failure) -> bool {
        failure.kind.is_final_refusal()
            || failure.kind == ErrorKind::OperationFailed
                && self.record.failed_operations.saturating_add(1) >= FAILED_OPERATIONS_MAX
    }

    /// Whether AWS has refused for so long that a grant has failed.
    pub(super) fn gives_up(&self, failure: &Failure) -> bool {
        failure.kind.is_refusal_in_the_long_run()
            && self.grants.iter().any(|grant| self.is_given_up(grant))
    }

    /// Whether AWS has refused this grant for so long: one that was asked for later has its own
    /// time.
    fn is_given_up(&self, grant: &Grant) -> bool {
        is_provisioning(grant)
            && self.record.refusing_since.is_some_and(|since| {
                let since = since.max(grant.created_at);
                self.now.duration_since(since) >= self.bounds.give_up_after
            })
    }

    /// One event for each live grant: it belongs to its timeline.
    fn tell_live_grants(&self, changes: &mut Changes, kind: EventKind) {
        for grant in self.grants.iter().filter(|grant| grant.state.is_live()) {
            changes
                .events
                .push(changes.event(kind, Some(grant), self.now));
        }
    }

    /// A Delete of Usher's own may not be visible yet, and no Create has been acknowledged since.
    pub(super) fn own_delete_may_be_unseen(&self) -> bool {
        let created_since = self.record.create_acknowledged
            && self.record.last_create_at > self.record.last_delete_at;
        self.is_within_window(self.record.last_delete_at) && !created_since
    }

    /// A standing assignment was seen so shortly ago that this absence may be the older truth.
    fn standing_may_be_unseen(&self) -> bool {
        self.record.standing == Standing::Yes
            && self.record.standing_seen_at.is_some_and(|seen_at| {
                self.now.duration_since(seen_at) < self.bounds.visibility_horizon
            })
    }
}

fn mark_error(changes: &mut Changes, failure: &Failure) {
    for event in changes
        .events
        .iter_mut()
        .filter(|event: &&mut Event| event.kind == EventKind::Failed)
    {
        event.error_kind = Some(failure.kind);
    }
}
