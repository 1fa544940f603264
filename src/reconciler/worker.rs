//! One claimed assignment, taken as far as it can go now.
//!
//! Before each send the lease is checked: what remains of it must hold a whole attempt, and the
//! port refuses to start one that could not end in time. A paused worker so never sends late.

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Reconciler;
use crate::domain::brake::wait_for_unfreeze;
use crate::domain::plan::{Answer, Changes, Run, Step, Write, next_step};
use crate::domain::{
    AssignmentKey, DirectAssignment, EndingKind, ErrorKind, Failure, Grant, GrantState,
};
use crate::identity_center::{Call, Class, Demand, Sent};
use crate::store::{Claim, Intent, StoreError};

/// Steps that one claim may take. The longest sensible way has about ten; a plan that exceeds this
/// has gone astray and comes back after a pause.
const STEPS_MAX: usize = 32;

/// How a pass over a claim goes on.
pub(super) enum Progress {
    /// Plan again with this claim.
    Again(Box<Claim>),
    /// The claim has been let go.
    Released,
}

impl Reconciler {
    /// Works on a claim until it rests. Errors are logged: the claim runs out and is taken again.
    pub(super) async fn work(&self, claim: Claim, stop: &CancellationToken) {
        let key = claim.record.key.clone();
        match self.work_steps(claim, stop).await {
            Ok(()) => {}
            Err(StoreError::LeaseLost) => {
                tracing::warn!(target.key = %key.target.key(), principal.id = %key.principal.id, "claim was taken by another holder");
            }
            Err(error) => {
                tracing::error!(error = %error, target.key = %key.target.key(), "work stopped; it is taken up again when the claim runs out");
            }
        }
    }

    async fn work_steps(
        &self,
        mut claim: Claim,
        stop: &CancellationToken,
    ) -> Result<(), StoreError> {
        let mut run = Run::default();
        for _ in 0..STEPS_MAX {
            if stop.is_cancelled() {
                return self.hand_back(claim, &mut run, SignedDuration::ZERO).await;
            }
            let now = self.clock.now();
            let step = next_step(&claim.record, &claim.grants, &run, now, &self.bounds);
            claim = match self.take_step(claim, &mut run, step).await? {
                Progress::Again(claim) => *claim,
                Progress::Released => return Ok(()),
            };
        }
        tracing::error!(
            target.key = %claim.record.key.target.key(),
            "an assignment took too many steps; it rests for a while"
        );
        self.hand_back(claim, &mut run, self.bounds.backoff_max)
            .await
    }

    async fn take_step(
        &self,
        claim: Claim,
        run: &mut Run,
        step: Step,
    ) -> Result<Progress, StoreError> {
        match step {
            Step::Commit(changes) => match self.store.commit_step(&claim, changes).await {
                Ok(claim) => {
                    run.saved();
                    Ok(Progress::Again(Box::new(claim)))
                }
                Err(StoreError::Stale) => self.read_again(&claim, run).await,
                Err(error) => Err(error),
            },
            Step::Rest(changes) => self.rest(claim, run, changes).await,
            Step::Read => {
                let mut claim = self.with_lease(claim, run).await?;
                let read = self
                    .port
                    .assignment_is_present(
                        &assignment_of(&claim.record.key),
                        self.call_within(&claim),
                    )
                    .await;
                log_failure(&claim, read.as_ref().err());
                run.observe(&mut claim.record, read, self.clock.now());
                Ok(Progress::Again(Box::new(claim)))
            }
            Step::Write(write, changes) => self.write(claim, run, write, changes).await,
            Step::ReadRequest(write, id) => self.read_request(claim, run, write, &id).await,
            Step::FindRequest(write) => self.find_request(claim, run, write).await,
        }
    }

    /// Writes the last step down and lets the claim go. A change that AWS works on is the poller's
    /// from then on.
    async fn rest(
        &self,
        claim: Claim,
        run: &mut Run,
        changes: Changes,
    ) -> Result<Progress, StoreError> {
        let pending = changes.record.pending.as_ref();
        let is_accepted = pending.is_some_and(|pending| pending.request_id.is_some());
        match self.store.commit_and_release(&claim, changes).await {
            Ok(()) => {
                if is_accepted {
                    self.request_accepted.notify_one();
                }
                Ok(Progress::Released)
            }
            Err(StoreError::Stale) => self.read_again(&claim, run).await,
            Err(error) => Err(error),
        }
    }

    /// Writes the intent down, then sends it; what is frozen is parked in the same transaction.
    async fn write(
        &self,
        claim: Claim,
        run: &mut Run,
        write: Write,
        changes: Changes,
    ) -> Result<Progress, StoreError> {
        run.begin_write(&claim.record, write);
        let parked = wait_for_unfreeze(&claim.record, &claim.grants, self.clock.now());
        let intent = self.store.commit_intent(&claim, write, changes, parked);
        let claim = match intent.await {
            Ok(Intent::Recorded(claim)) => *claim,
            Ok(Intent::Frozen) => {
                log_frozen(&claim, write);
                return Ok(Progress::Released);
            }
            Err(StoreError::Stale) => return self.read_again(&claim, run).await,
            Err(error) => return Err(error),
        };
        let intended = claim.record.version;
        let mut claim = self.with_lease(claim, run).await?;
        if claim.record.version != intended {
            // Somebody's wish came in while the lease was prolonged: plan again before sending.
            run.withdraw_write(&mut claim.record, write);
            return Ok(Progress::Again(Box::new(claim)));
        }
        let assignment = assignment_of(&claim.record.key);
        let call = self.call_within(&claim);
        let outcome = match write {
            Write::Create => self.port.create_assignment(&assignment, call).await,
            Write::Delete => self.port.delete_assignment(&assignment, call).await,
        };
        let outcome = outcome.and_then(|sent| answer(&claim, write, sent));
        log_failure(&claim, outcome.as_ref().err());
        run.observe_write(&mut claim.record, write, outcome);
        Ok(Progress::Again(Box::new(claim)))
    }

    async fn read_again(&self, claim: &Claim, run: &mut Run) -> Result<Progress, StoreError> {
        let before = &claim.record;
        let mut claim = self
            .store
            .renew_claim(claim, self.lease_until(self.clock.now()))
            .await?;
        run.carry_over(before, &mut claim.record);
        Ok(Progress::Again(Box::new(claim)))
    }

    /// The claim with a lease that holds a whole attempt; prolonged where it does not.
    pub(super) async fn with_lease(
        &self,
        claim: Claim,
        run: &mut Run,
    ) -> Result<Claim, StoreError> {
        let now = self.clock.now();
        // Whoever waits for what is under way has taken this for over: nothing is sent under it any more.
        if claim.lease_until <= now {
            return Err(StoreError::LeaseLost);
        }
        let enough =
            self.bounds.attempt_timeout + (self.bounds.lease - self.bounds.attempt_timeout) / 2;
        if claim.lease_until.duration_since(now) >= enough {
            return Ok(claim);
        }
        let before = claim.record.version;
        let mut renewed = self
            .store
            .renew_claim(&claim, self.lease_until(now))
            .await?;
        if renewed.record.version == before {
            // Nothing came between: what this run noted on its record and not yet committed stays.
            renewed.record = claim.record;
        } else {
            run.carry_over(&claim.record, &mut renewed.record);
        }
        Ok(renewed)
    }

    /// A call that ends before the lease does.
    pub(super) fn call_within(&self, claim: &Claim) -> Call {
        let remaining = claim.lease_until.duration_since(self.clock.now());
        Call {
            deadline: Instant::now() + std::time::Duration::try_from(remaining).unwrap_or_default(),
            demand: demand_of(claim),
        }
    }

    /// Lets a claim go as it is stored, due after a pause.
    async fn hand_back(
        &self,
        claim: Claim,
        run: &mut Run,
        pause: SignedDuration,
    ) -> Result<(), StoreError> {
        let mut record = claim.record.clone();
        let due_at = self
            .clock
            .now()
            .checked_add(pause)
            .unwrap_or(Timestamp::MAX);
        record.next_attempt_at = Some(due_at);
        let changes = Changes {
            record,
            grants: Vec::new(),
            events: Vec::new(),
        };
        match self.store.commit_and_release(&claim, changes).await {
            // Whoever wrote between has made it due; what this run learned is kept all the same.
            Err(StoreError::Stale) => {
                let lease_until = self.lease_until(self.clock.now());
                let mut renewed = self.store.renew_claim(&claim, lease_until).await?;
                run.carry_over(&claim.record, &mut renewed.record);
                let changes = Changes {
                    record: renewed.record.clone(),
                    grants: Vec::new(),
                    events: Vec::new(),
                };
                self.store.commit_and_release(&renewed, changes).await
            }
            result => result,
        }
    }
}

pub(super) fn assignment_of(key: &AssignmentKey) -> DirectAssignment {
    DirectAssignment {
        target: key.target.clone(),
        principal: key.principal.clone(),
    }
}

/// AWS's answer to a write in the words of the plan.
fn answer(claim: &Claim, write: Write, sent: Sent) -> Result<Answer, Failure> {
    match sent {
        Sent::Done => Ok(Answer::Done),
        Sent::Accepted(id) => Ok(Answer::Accepted(id)),
        Sent::Failed(reason) => Err(Failure {
            reason,
            ..Failure::new(
                ErrorKind::OperationFailed,
                write.operation(&claim.record.key.target),
            )
        }),
    }
}

/// What the work on an assignment is for, and for whom: somebody waits for a grant, and for an end that
/// somebody asked for; what is left is ends whose time has come, and second looks. Each is in turn with
/// what its own person asks for besides, so that many questions of others do not keep it waiting.
fn demand_of(claim: &Claim) -> Demand {
    let grants = claim.grants.iter();
    let making = grants.filter(|grant| grant.state == GrantState::Provisioning);
    let of = |class, grant: &Grant| Demand::of(class, grant.requester.caller.as_str());
    if let Some(grant) = making.clone().find(|grant| grant.break_glass) {
        return of(Class::BreakGlass, grant);
    }
    if let Some(grant) = making.clone().next() {
        return of(Class::Grant, grant);
    }
    let asked = claim
        .grants
        .iter()
        .filter_map(|grant| grant.ending.as_ref());
    let mut asked = asked.filter(|ending| ending.kind == EndingKind::Revoked);
    let by = asked.next().and_then(|ending| ending.by.as_ref());
    match by.or(claim.record.removal.as_ref().map(|removal| &removal.by)) {
        Some(by) => Demand::of(Class::Grant, by.as_str()),
        None => Demand::usher(Class::Expiry),
    }
}

fn log_frozen(claim: &Claim, write: Write) {
    tracing::info!(
        operation = write.operation(&claim.record.key.target).name(),
        target.key = %claim.record.key.target.key(),
        principal.id = %claim.record.key.principal.id,
        "an operation is frozen and waits for Unfreeze"
    );
}

pub(super) fn log_failure(claim: &Claim, failure: Option<&Failure>) {
    if let Some(failure) = failure {
        tracing::info!(
            operation = failure.operation,
            error.kind = failure.kind.as_str(),
            aws.request_id = failure.aws_request_id,
            target.key = %claim.record.key.target.key(),
            principal.id = %claim.record.key.principal.id,
            "an operation did not succeed"
        );
    }
}
