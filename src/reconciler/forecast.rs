//! What the reconciler would do about an assignment, said before it does anything: the steps of the same
//! plan, on a copy of what the store has. It must never write, to the store or to AWS.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::ReconcilerConfig;
use super::requests::{end_of, search};
use crate::domain::plan::{Bounds, Changes, Run, Step, Write, next_step};
use crate::domain::{AssignmentRecord, AssignmentRequestId, Failure, Grant, GrantState};
use crate::identity_center::{Call, IdentityCenter};

/// Steps that a forecast may take, as many as the work on a claim may.
const STEPS_MAX: usize = 32;

/// What the reconciler would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreseen {
    /// It would send this.
    Send(Write),
    /// It would wait and look again: AWS is at work, or its reads may lag.
    Wait,
    /// It would change nothing in AWS.
    Nothing,
}

/// Says what the reconciler would do.
pub struct Forecast {
    bounds: Bounds,
    known: BTreeSet<AssignmentRequestId>,
}

impl Forecast {
    /// By these settings, and among these records. `attempt_timeout` is the port's.
    #[must_use]
    pub fn new(
        config: &ReconcilerConfig,
        attempt_timeout: Duration,
        records: &[AssignmentRecord],
    ) -> Self {
        let pending = records.iter().filter_map(|record| record.pending.as_ref());
        Self {
            bounds: config.bounds(attempt_timeout),
            known: pending.filter_map(|it| it.request_id.clone()).collect(),
        }
    }

    /// What it would do next about one assignment, which AWS has or has not. `grants` are those on it that
    /// are not over. Nothing is frozen to a forecast. AWS is asked only about a change that was under way.
    ///
    /// # Errors
    /// What that question fails with.
    pub async fn of(
        &self,
        record: &AssignmentRecord,
        grants: &[Grant],
        is_present: bool,
        now: Timestamp,
        (port, call): (&dyn IdentityCenter, Call),
    ) -> Result<Foreseen, Failure> {
        let (mut record, mut grants) = (record.clone(), grants.to_vec());
        let mut run = Run::default();
        for _ in 0..STEPS_MAX {
            match next_step(&record, &grants, &run, now, &self.bounds) {
                Step::Commit(changes) => {
                    take(changes, &mut record, &mut grants);
                    run.saved();
                }
                // The slot of a change that ended is given back; what comes next is another claim's.
                Step::Rest(changes) if changes.record.next_attempt_at == Some(now) => {
                    take(changes, &mut record, &mut grants);
                    run = Run::default();
                }
                Step::Rest(changes) => {
                    take(changes, &mut record, &mut grants);
                    return Ok(at_rest(&record, &grants));
                }
                Step::Read => run.observe(&mut record, Ok(is_present), now),
                Step::Write(write, _) => return Ok(Foreseen::Send(write)),
                Step::ReadRequest(write, id) => {
                    let instance = &record.key.instance_arn;
                    let read = port.assignment_request(instance, write, &id, call).await?;
                    let read = Ok(end_of(read));
                    run.observe_request(&mut record, write, read, now, &self.bounds);
                }
                Step::FindRequest(write) => {
                    let found = search(port, &record.key, write, &self.known, call).await?;
                    run.observe_search(&mut record, Ok(found));
                }
            }
        }
        Ok(Foreseen::Wait)
    }
}

fn take(changes: Changes, record: &mut AssignmentRecord, grants: &mut Vec<Grant>) {
    *record = changes.record;
    for changed in changes.grants {
        grants.retain(|grant| grant.id != changed.id);
        if !changed.state.is_over() {
            grants.push(changed);
        }
    }
}

fn at_rest(record: &AssignmentRecord, grants: &[Grant]) -> Foreseen {
    let is_on_its_way =
        |grant: &Grant| matches!(grant.state, GrantState::Provisioning | GrantState::Revoking);
    if record.pending.is_some() || record.removal.is_some() || grants.iter().any(is_on_its_way) {
        Foreseen::Wait
    } else {
        Foreseen::Nothing
    }
}
