//! The way to an assignment that is gone, and the second look after it.

use super::{Changes, Situation, Step, Write};
use crate::domain::ErrorKind;
use crate::domain::assignment::Standing;
use crate::domain::event::EventKind;
use crate::domain::grant::{Grant, GrantState, Transition};

fn is_revoking(grant: &Grant) -> bool {
    grant.state == GrantState::Revoking
}

impl Situation<'_> {
    pub(super) fn step_to_absent(&self) -> Step {
        let is_own = self.record.standing == Standing::No && !self.was_confirmed_gone();
        if self.record.removal.is_none() && !is_own {
            // Nothing of Usher's own is there: what stands, stood before, or others made it since.
            return self.end_grants_and_keep();
        }
        match (self.run.presence, self.run.outcome_of(Write::Delete)) {
            (None, _) if self.run.read_failure.is_some() => {
                self.rest_after_read_failure_in_ending()
            }
            // A Create that was acknowledged and not seen yet is looked for first: once seen, its
            // absence after the Delete is certain.
            (None, None) if self.create_may_be_unseen() && self.record.create_acknowledged => {
                Step::Read
            }
            (None, None) | (Some(true), None) => self.delete(),
            // A Delete that AWS forbids keeps no grant whose assignment is not there.
            (None, Some(Err(failure)))
                if failure.kind.did_nothing() && failure.kind != ErrorKind::AccessDenied =>
            {
                self.rest_after(failure.clone())
            }
            (None, Some(_)) => Step::Read,
            (Some(true), Some(Ok(()))) => self.write_not_visible(Write::Delete),
            (Some(true), Some(Err(failure))) => self.rest_after(failure.clone()),
            // The absence was read before the removal was asked for, or may be older than what is
            // there: only an absence after the Delete counts.
            (Some(false), None) if self.create_may_be_unseen() || self.record.removal.is_some() => {
                self.delete()
            }
            (Some(false), Some(_)) if self.create_may_be_unseen() => {
                self.write_not_visible(Write::Delete)
            }
            // What others made a moment ago may not be visible yet, and no second look would call
            // it Usher's: an explicit removal is done when AWS has taken a Delete.
            (Some(false), Some(Err(failure)))
                if self.record.removal.is_some()
                    && (failure.kind.leaves_delete_open() || self.removal_is_young()) =>
            {
                self.rest_after(failure.clone())
            }
            (Some(false), _) => self.end_grants_as_gone(),
        }
    }

    /// Nobody wants the assignment any more. When the window is over, it is read once more.
    pub(super) fn step_of_recheck(&self) -> Step {
        let Some(recheck_at) = self.record.recheck_at else {
            return self.rest(self.changes());
        };
        if recheck_at > self.now {
            return self.rest(self.changes());
        }
        match (self.run.presence, self.run.outcome_of(Write::Delete)) {
            (None, _) if self.run.read_failure.is_some() => {
                self.rest_after_read_failure_in_ending()
            }
            (None, Some(Err(failure))) if failure.kind.did_nothing() => {
                self.rest_after(failure.clone())
            }
            (None, _) => Step::Read,
            (Some(true), None) if self.presence_is_a_late_effect(recheck_at) => {
                let Step::Write(write, mut changes) = self.delete() else {
                    return Step::Read;
                };
                if self.record.failed_attempts == 0 {
                    let found = changes.event(EventKind::LateEffectFound, None, self.now);
                    changes.events.insert(0, found);
                }
                Step::Write(write, changes)
            }
            (Some(true), None) => self.close_recheck(Some(EventKind::FoundOutOfBand)),
            (Some(true), Some(Ok(()))) => self.write_not_visible(Write::Delete),
            (Some(true), Some(Err(failure))) => self.rest_after(failure.clone()),
            // A late effect was just undone: look once more.
            (Some(false), Some(_)) => {
                let mut changes = self.changes();
                changes.clear_failures();
                changes.record.recheck_at = self.after_window(self.now);
                self.rest(changes)
            }
            (Some(false), None) => self.close_recheck(None),
        }
    }

    fn close_recheck(&self, event: Option<EventKind>) -> Step {
        let mut changes = self.changes();
        changes.clear_failures();
        changes.record.recheck_at = None;
        // From here on the assignment is nobody's: the next grant reads before it writes.
        changes.record.standing = Standing::Unknown;
        match event {
            Some(kind) => {
                // It is there again, whoever made it.
                changes.record.removed_at = None;
                changes.events.push(changes.event(kind, None, self.now));
            }
            None => changes.record.gone_at = Some(self.now),
        }
        self.rest(changes)
    }

    fn delete(&self) -> Step {
        let mut changes = self.changes();
        changes.record.last_delete_at = Some(self.now);
        if changes.record.failed_attempts == 0 {
            for grant in self.grants.iter().filter(|grant| is_revoking(grant)) {
                changes.events.push(changes.event(
                    EventKind::DeleteIntended,
                    Some(grant),
                    self.now,
                ));
            }
            if changes.events.is_empty() {
                changes
                    .events
                    .push(changes.event(EventKind::DeleteIntended, None, self.now));
            }
        }
        changes.record.pending = self.pending_from_now(Write::Delete);
        Step::Write(Write::Delete, changes)
    }

    fn end_grants_and_keep(&self) -> Step {
        let mut changes = self.changes();
        changes.clear_failures();
        changes.move_grants(
            self.grants,
            is_revoking,
            &Transition::Finish,
            EventKind::EndedAssignmentKept,
            self.now,
        );
        Step::Commit(changes)
    }

    fn end_grants_as_gone(&self) -> Step {
        let mut changes = self.changes();
        changes.clear_failures();
        changes.move_grants(
            self.grants,
            is_revoking,
            &Transition::Finish,
            EventKind::EndedAssignmentGone,
            self.now,
        );
        self.close_removal(&mut changes);
        changes.record.removed_at = Some(self.now);
        changes.record.gone_at = Some(self.now);
        changes.record.recheck_at = self.after_window(self.now);
        Step::Commit(changes)
    }

    fn close_removal(&self, changes: &mut Changes) {
        if changes.record.removal.take().is_some() {
            // An explicit removal clears a standing mark; what Usher itself made stays its own
            // until the second look.
            if changes.record.standing != Standing::No {
                changes.record.standing = Standing::Unknown;
            }
            changes.record.standing_seen_at = None;
            changes
                .events
                .push(changes.event(EventKind::AssignmentRemoved, None, self.now));
        }
    }

    fn rest_after_read_failure_in_ending(&self) -> Step {
        match self.run.read_failure.clone() {
            Some(failure) => self.rest_after(failure),
            None => Step::Read,
        }
    }

    /// The removal was asked for so shortly ago that an absence read now may be from before it.
    fn removal_is_young(&self) -> bool {
        self.record.removal.as_ref().is_some_and(|removal| {
            self.now.duration_since(removal.at) < self.bounds.visibility_horizon
        })
    }

    /// A Create of Usher's own was never seen and may still appear.
    pub(super) fn create_may_be_unseen(&self) -> bool {
        self.record.standing == Standing::No
            && !self.record.create_seen
            && self.is_within_window(self.record.last_create_at)
    }

    /// The assignment was read to be gone when no Create of Usher's own could land any more, and a
    /// second look is still to come: what is there now, somebody else made.
    pub(super) fn was_confirmed_gone(&self) -> bool {
        self.record
            .recheck_at
            .is_some_and(|recheck_at| !self.presence_is_a_late_effect(recheck_at))
    }

    /// Whether a Create of Usher's own could have landed after the absence was confirmed, which
    /// was one window before `recheck_at`. Otherwise somebody else made the assignment.
    fn presence_is_a_late_effect(&self, recheck_at: jiff::Timestamp) -> bool {
        let window = self.window();
        self.record.standing == Standing::No
            && self
                .record
                .last_create_at
                .is_some_and(|created_at| recheck_at.duration_since(created_at) < window + window)
    }
}
