//! Stands beside the world, sees AWS's truth, and says which promise is broken.

use super::aws::Maker;
use super::world::World;
use crate::domain::plan::{Changes, Write};
use crate::domain::{EventKind, Grant, GrantState};

/// Nothing, or the broken promise.
pub(super) type Verdict = Result<(), String>;

impl World {
    /// Invariants 2 and 3 at the moment a write is decided.
    pub(super) fn audit_write(&self, write: Write) -> Verdict {
        if self.record.pending.is_some() {
            return Err("a write while a change is pending".to_owned());
        }
        if self.aws.target.is_asynchronous() && !self.has_slot {
            return Err("a write without a slot".to_owned());
        }
        match write {
            Write::Create if !self.has_live_grant() => {
                Err("a Create that no live grant wants".to_owned())
            }
            Write::Delete if self.has_live_grant() => {
                Err("a Delete while a live grant wants the assignment".to_owned())
            }
            Write::Delete if self.aws.truth() == Some(Maker::Other) => {
                Err("a Delete of what others made and nobody asked to remove".to_owned())
            }
            Write::Create | Write::Delete => Ok(()),
        }
    }

    pub(super) fn audit_rest(&self) -> Verdict {
        let open = self.open_grants();
        let work_is_left = self.record.removal.is_some()
            || self.record.recheck_at.is_some()
            || self.record.pending.is_some()
            || open
                .iter()
                .any(|grant| grant.state != GrantState::Active || grant.end_at.is_some());
        match self.record.next_attempt_at {
            None if work_is_left => Err("work is left and nobody will come back".to_owned()),
            // For the next write it takes another claim.
            Some(_) if !self.has_slot => Ok(()),
            Some(next) if next <= self.now && !open.iter().any(|grant| grant.is_due(self.now)) => {
                Err("a rest that is over at once".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// Each state change of a grant has exactly one event of its kind; no change, none.
pub(super) fn audit_events(old: Option<&Grant>, new: &Grant, changes: &Changes) -> Verdict {
    let fits = |kind: EventKind| match new.state {
        GrantState::Provisioning => kind == EventKind::Requested,
        GrantState::Active => kind == EventKind::Activated,
        GrantState::Revoking => {
            matches!(kind, EventKind::RevokeRequested | EventKind::TimeOver)
        }
        GrantState::Revoked | GrantState::Expired => matches!(
            kind,
            EventKind::EndedAssignmentKept | EventKind::EndedAssignmentGone
        ),
        GrantState::Failed => kind == EventKind::Failed,
        // The plan works on what has begun; how it came there is another's.
        GrantState::PendingApproval
        | GrantState::Scheduled
        | GrantState::Denied
        | GrantState::Cancelled
        | GrantState::Lapsed => false,
    };
    let told = changes
        .events
        .iter()
        .filter(|event| event.grant_id.as_ref() == Some(&new.id) && fits(event.kind))
        .count();
    let changed = old.is_none_or(|old| old.state != new.state);
    if told != usize::from(changed) || old.is_some_and(|old| new.version != old.version + 1) {
        return Err(format!("{} events tell of {:?}", told, new.state));
    }
    Ok(())
}
