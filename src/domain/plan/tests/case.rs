//! One claimed assignment at one instant, built by what was recorded, read and written.

use jiff::{SignedDuration, Timestamp};

use super::world::bounds;
use crate::domain::grant::tests::{at, grant, revoke};
use crate::domain::plan::{Answer, Changes, Run, Step, Write, next_step};
use crate::domain::{
    AssignmentRecord, CallerName, ErrorKind, EventKind, Failure, Grant, GrantState, Justification,
    Removal, Standing,
};

use GrantState::{Active, Provisioning, Revoking};

/// One claimed assignment at one instant.
#[derive(Clone)]
pub(super) struct Case {
    pub(super) record: AssignmentRecord,
    pub(super) grants: Vec<Grant>,
    pub(super) run: Run,
    pub(super) now: Timestamp,
}

impl Case {
    pub(super) fn new(states: &[GrantState]) -> Self {
        let mut grants: Vec<_> = (1..)
            .zip(states)
            .map(|(number, state)| match state {
                Revoking => grant(number, Active).apply(revoke(), at(0)).unwrap(),
                state => grant(number, *state),
            })
            .collect();
        // Asked for long ago: a test that needs a younger grant says so.
        for grant in &mut grants {
            grant.created_at = at(-100_000);
        }
        Self {
            record: AssignmentRecord::new(grant(1, Provisioning).assignment_key()),
            grants,
            run: Run::default(),
            now: at(1000),
        }
    }

    /// Usher's own: created so many seconds ago, and seen since or not.
    pub(super) fn created(mut self, seconds_ago: i64, seen: bool) -> Self {
        self.record.standing = Standing::No;
        self.record.last_create_at = Some(self.ago(seconds_ago));
        self.record.create_acknowledged = true;
        self.record.create_seen = seen;
        self
    }

    pub(super) fn removal(mut self) -> Self {
        self.record.removal = Some(Removal {
            by: CallerName::parse("alice").unwrap(),
            reason: Justification::default(),
            at: self.now,
        });
        self
    }

    pub(super) fn read(mut self, present: bool) -> Self {
        self.run.observe(&mut self.record, Ok(present), self.now);
        self
    }

    pub(super) fn wrote(mut self, write: Write, outcome: Result<(), ErrorKind>) -> Self {
        let outcome = match outcome {
            Ok(()) => Ok(Answer::Done),
            Err(kind) => Err(Failure::new(kind, write.operation(&self.record.key.target))),
        };
        self.run.observe_write(&mut self.record, write, outcome);
        self
    }

    pub(super) fn ago(&self, seconds: i64) -> Timestamp {
        self.now - SignedDuration::from_secs(seconds)
    }

    pub(super) fn step(&self) -> Step {
        next_step(&self.record, &self.grants, &self.run, self.now, &bounds())
    }

    pub(super) fn commits(&self) -> Changes {
        match self.step() {
            Step::Commit(changes) => changes,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn rests(&self) -> Changes {
        match self.step() {
            Step::Rest(changes) => changes,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn writes(&self, wanted: Write) -> Changes {
        match self.step() {
            Step::Write(write, changes) if write == wanted => changes,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn reads(&self) {
        assert_eq!(self.step(), Step::Read);
    }
}

pub(super) fn kinds(changes: &Changes) -> Vec<EventKind> {
    changes.events.iter().map(|event| event.kind).collect()
}
