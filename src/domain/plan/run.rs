//! What one run has seen since it claimed the assignment, and what it notes on the record until the
//! next commit. Nothing of it outlives the run, and nothing here decides.

use jiff::Timestamp;

use super::{Bounds, Write};
use crate::domain::assignment::{AssignmentRecord, Standing};
use crate::domain::aws::{ErrorKind, Failure};
use crate::domain::target::AssignmentRequestId;

/// What AWS says to a change that it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is done.
    Done,
    /// It is under way under this id.
    Accepted(AssignmentRequestId),
}

/// What AWS says of an asynchronous change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestEnd {
    /// It is under way.
    InProgress,
    /// It is done.
    Succeeded,
    /// It failed, for AWS's reason, which may be empty.
    Failed(String),
    /// AWS does not know it, or not any more.
    Unknown,
}

/// What this run has seen since it claimed the assignment. Nothing of it outlives the run.
#[derive(Debug, Clone, Default)]
pub struct Run {
    pub(super) presence: Option<bool>,
    pub(super) write: Option<(Write, Result<(), Failure>)>,
    pub(super) read_failure: Option<Failure>,
    pub(super) creates: u32,
    /// The asynchronous change was read to be under way.
    pub(super) is_in_progress: bool,
    /// The asynchronous change was looked for and not found.
    pub(super) was_sought: bool,
    /// Asking AWS for the asynchronous change failed.
    pub(super) request_failure: Option<Failure>,
    /// The run has learned what became of an asynchronous change: its slot is given back with the
    /// next commit, so that another write needs another claim.
    pub(super) slot_is_spent: bool,
    /// What became of the pending change, as long as it is not committed.
    unsaved: Option<Unsaved>,
    /// The record before the last Create was intended, to go back to when it had no effect.
    before_create: Option<AssignmentRecord>,
    /// That Create was not sent.
    create_is_withdrawn: bool,
}

/// What a run has learned of the pending change and not yet committed.
#[derive(Debug, Clone)]
enum Unsaved {
    /// Its id.
    Accepted(AssignmentRequestId),
    /// Its end; with the time at which its effect was there at the latest, if it had one.
    Ended(Write, Option<Timestamp>),
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
            self.create_is_withdrawn = false;
        }
    }

    /// The write whose intent is recorded was not sent after all.
    pub fn withdraw_write(&mut self, record: &mut AssignmentRecord, write: Write) {
        if record.pending.is_some() {
            self.slot_is_spent = true;
            self.unsaved = Some(Unsaved::Ended(write, None));
        }
        self.create_is_withdrawn = write == Write::Create;
        self.note(record);
    }

    /// Takes in the outcome of a write. What was read before it no longer counts.
    pub fn observe_write(
        &mut self,
        record: &mut AssignmentRecord,
        write: Write,
        outcome: Result<Answer, Failure>,
    ) {
        if write == Write::Create {
            self.creates += 1;
        }
        self.presence = None;
        self.slot_is_spent = record.pending.is_some();
        let outcome = match outcome {
            Ok(Answer::Accepted(id)) if record.pending.is_some() => {
                self.unsaved = Some(Unsaved::Accepted(id));
                self.write = None;
                self.note(record);
                return;
            }
            // INVARIANT: the port answers so for asynchronous targets alone, whose intent left a
            // pending change. Whatever it was, a read decides.
            Ok(Answer::Accepted(_)) => Err(Failure::new(
                ErrorKind::Unexpected,
                write.operation(&record.key.target),
            )),
            Ok(Answer::Done) => Ok(()),
            Err(failure) => Err(failure),
        };
        let is_known = match &outcome {
            Ok(()) => true,
            Err(failure) => !failure.kind.outcome_is_unknown(),
        };
        if record.pending.is_some() && is_known {
            self.unsaved = Some(Unsaved::Ended(write, None));
        }
        self.write = Some((write, outcome));
        self.note(record);
    }

    /// Takes in where the pending change is. Its end is like the answer to a write, sent now: AWS
    /// may have worked on it for any time. One that AWS does not know so shortly after it was asked
    /// for is not shown yet.
    pub fn observe_request(
        &mut self,
        record: &mut AssignmentRecord,
        write: Write,
        read: Result<RequestEnd, Failure>,
        now: Timestamp,
        bounds: &Bounds,
    ) {
        self.slot_is_spent = true;
        let is_young = record
            .pending
            .as_ref()
            .is_some_and(|pending| now < bounds.request_shown_by(pending.since));
        let (outcome, effect_at) = match read {
            Err(failure) => {
                self.request_failure = Some(failure);
                return;
            }
            Ok(RequestEnd::InProgress) => {
                self.is_in_progress = true;
                return;
            }
            Ok(RequestEnd::Succeeded) => (Ok(()), Some(now)),
            Ok(RequestEnd::Failed(reason)) => {
                let operation = write.operation(&record.key.target);
                let failure = Failure {
                    reason,
                    ..Failure::new(ErrorKind::OperationFailed, operation)
                };
                (Err(failure), None)
            }
            Ok(RequestEnd::Unknown) if is_young => {
                self.is_in_progress = true;
                return;
            }
            Ok(RequestEnd::Unknown) => {
                let failure = Failure::new(ErrorKind::NotVisible, write.request_operation());
                (Err(failure), Some(now))
            }
        };
        // What was sent before a removal was asked for does not count for it.
        let is_before_removal = write == Write::Delete
            && match (&record.pending, &record.removal) {
                (Some(pending), Some(removal)) => pending.since < removal.at,
                _ => false,
            };
        self.presence = None;
        self.unsaved = Some(Unsaved::Ended(write, effect_at));
        self.write = (!is_before_removal).then_some((write, outcome));
        self.note(record);
    }

    /// Takes in what a search among the changes under way found.
    pub fn observe_search(
        &mut self,
        record: &mut AssignmentRecord,
        found: Result<Option<AssignmentRequestId>, Failure>,
    ) {
        self.slot_is_spent = true;
        match found {
            Err(failure) => self.request_failure = Some(failure),
            Ok(None) => self.was_sought = true,
            Ok(Some(id)) => {
                self.unsaved = Some(Unsaved::Accepted(id));
                self.note(record);
            }
        }
    }

    /// Writes on the record what this run has learned and not committed yet. A Create that
    /// certainly had no effect leaves it as it was before: nothing of it can land late, and what is
    /// there afterwards is not Usher's own.
    fn note(&self, record: &mut AssignmentRecord) {
        let own_before = record.pending.as_ref().is_none_or(|it| it.own_before);
        match &self.unsaved {
            None => {}
            Some(Unsaved::Accepted(id)) => {
                if let Some(pending) = &mut record.pending {
                    pending.request_id = Some(id.clone());
                }
            }
            Some(Unsaved::Ended(write, effect_at)) => {
                record.pending = None;
                match write {
                    Write::Create => record.last_create_at = record.last_create_at.max(*effect_at),
                    Write::Delete => record.last_delete_at = record.last_delete_at.max(*effect_at),
                }
            }
        }
        if let (true, Some(before)) = (self.create_is_withdrawn, &self.before_create) {
            restore(record, before);
            return;
        }
        match (self.outcome_of(Write::Create), &self.before_create) {
            (None, _) => {}
            (Some(Err(failure)), Some(before)) if failure.kind.had_no_effect() => {
                restore(record, before);
            }
            // An earlier run began it; its pending change says whether anything was Usher's.
            (Some(Err(failure)), None) if failure.kind.had_no_effect() && !own_before => {
                record.standing = Standing::Unknown;
                record.create_acknowledged = false;
                record.create_seen = false;
            }
            (Some(outcome), _) => record.create_acknowledged = outcome.is_ok(),
        }
    }

    /// What this run noted on its record has been committed: from here on the record tells it.
    pub fn saved(&mut self) {
        self.before_create = None;
        self.create_is_withdrawn = false;
        self.unsaved = None;
    }

    /// Carries what this run has seen over to the record as it was read again, after a caller's
    /// write came between. What was done before a removal was asked for does not count for it.
    pub fn carry_over(&mut self, before: &AssignmentRecord, record: &mut AssignmentRecord) {
        self.note(record);
        if self.presence == Some(true) && record.standing == Standing::No {
            record.create_seen = true;
        }
        if record.removal != before.removal {
            self.presence = None;
            self.write = None;
        }
    }

    /// Whether the id of the pending change was learned and is not committed yet.
    pub(super) fn has_unsaved_id(&self) -> bool {
        matches!(self.unsaved, Some(Unsaved::Accepted(_)))
    }

    /// Whether the pending change ended and that is not committed yet.
    pub(super) fn has_unsaved_end(&self) -> bool {
        matches!(self.unsaved, Some(Unsaved::Ended(..)))
    }

    pub(super) fn outcome_of(&self, wanted: Write) -> Option<&Result<(), Failure>> {
        self.write
            .as_ref()
            .filter(|(write, _)| *write == wanted)
            .map(|(_, outcome)| outcome)
    }
}

/// Takes the marks of a Create that had no effect off the record.
fn restore(record: &mut AssignmentRecord, before: &AssignmentRecord) {
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
