//! What making and removing an assignment costs, and whether it can be had in time.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{App, AppError, CallContext, TargetKind};
use crate::domain::{Grant, GrantState, Instance, Operation};
use crate::identity_center::Class;
use crate::store::WorkKind;

/// Polls of a status list that a change of an account assignment usually takes: AWS works on it for
/// a few seconds, taken as five (aws-api.md §3c), and two polls a second, as
/// `reconciler.status_poll_seconds` is by default, serve all changes of an instance.
const STATUS_POLLS: u64 = 10;

/// The operations that making an assignment costs: read, create, read; to an account also the polls
/// while AWS works, and one that tells how it ended.
pub(super) fn operations_of_making(kind: TargetKind) -> Vec<(Operation, u64)> {
    match kind {
        TargetKind::Application => vec![
            (Operation::DescribeApplicationAssignment, 2),
            (Operation::CreateApplicationAssignment, 1),
        ],
        TargetKind::AccountAccess => vec![
            (Operation::ListAccountAssignments, 2),
            (Operation::CreateAccountAssignment, 1),
            (Operation::ListAccountAssignmentCreationStatus, STATUS_POLLS),
            (Operation::DescribeAccountAssignmentCreationStatus, 1),
        ],
    }
}

/// The operations that removing an assignment costs.
pub(super) fn operations_of_removing(kind: TargetKind) -> Vec<(Operation, u64)> {
    match kind {
        TargetKind::Application => vec![
            (Operation::DeleteApplicationAssignment, 1),
            (Operation::DescribeApplicationAssignment, 1),
        ],
        TargetKind::AccountAccess => vec![
            (Operation::DeleteAccountAssignment, 1),
            (Operation::ListAccountAssignmentDeletionStatus, STATUS_POLLS),
            (Operation::DescribeAccountAssignmentDeletionStatus, 1),
            (Operation::ListAccountAssignments, 1),
        ],
    }
}

/// The operations that a change costs beside those that all changes share: what many changes cost
/// is this, as often as there are changes.
fn of_its_own(operations: Vec<(Operation, u64)>) -> impl Iterator<Item = (Operation, u64)> {
    let is_shared = |operation| {
        matches!(
            operation,
            Operation::ListAccountAssignmentCreationStatus
                | Operation::ListAccountAssignmentDeletionStatus
        )
    };
    let all = operations.into_iter();
    all.filter(move |(operation, _)| !is_shared(*operation))
}

impl App {
    /// Refuses before the commit what the budget cannot serve in time, with the true wait: behind
    /// what others wait for already. AWS also works on a limited number of account assignments at
    /// once; how long those ahead keep a new one waiting is told roughly, by the rate at which AWS
    /// completes them (`AppConfig::account_changes_per_second`).
    pub(super) async fn refuse_if_late(
        &self,
        context: &CallContext,
        instance: &Instance,
        kind: TargetKind,
    ) -> Result<(), AppError> {
        let remaining = context
            .deadline
            .saturating_duration_since(tokio::time::Instant::now());
        if remaining.is_zero() {
            return Err(AppError::DeadlineExceeded);
        }
        let now = self.parts.clock.now();
        let ahead = WorkKind::Asked.and_before();
        let due = self.parts.store.count_due(&instance.arn, ahead, now);
        let due = due.await?;
        let operations: Vec<_> = of_its_own(operations_of_making(kind))
            .map(|(operation, count)| (operation, count.saturating_mul(due.saturating_add(1))))
            .collect();
        let budget = (self.parts.port).estimate(&instance.arn, &operations, Class::Grant);
        let wait = budget.max(self.wait_for_others(instance, kind, due).await?);
        let bound = Duration::try_from_secs_f64(self.parts.config.queue_wait_max_seconds)
            .unwrap_or_default();
        if wait > remaining.min(bound) {
            return Err(AppError::BudgetExhausted {
                retry_after: wait - remaining.min(bound),
            });
        }
        Ok(())
    }

    /// About when a grant that waits for the budget is where it should be: from its next attempt on, behind
    /// what is due already and goes before it. None where nobody can say.
    pub(super) async fn expected_at(
        &self,
        grant: &Grant,
        next_attempt_at: Option<Timestamp>,
    ) -> Option<Timestamp> {
        let kind = WorkKind::of(std::slice::from_ref(grant), false);
        let class = match kind {
            WorkKind::BreakGlass => Class::BreakGlass,
            WorkKind::Asked => Class::Grant,
            WorkKind::Rest => Class::Expiry,
        };
        let now = self.parts.clock.now();
        let ahead = kind.and_before();
        let due = self.parts.store.count_due(&grant.instance_arn, ahead, now);
        // It is one of them, unless a worker rests on it.
        let due = due.await.ok()?.max(1);
        let target = TargetKind::of(&grant.target);
        let each = if grant.state == GrantState::Revoking {
            operations_of_removing(target)
        } else {
            operations_of_making(target)
        };
        let operations = of_its_own(each).map(|(operation, count)| (operation, count * due));
        let operations: Vec<_> = operations.collect();
        let port = &self.parts.port;
        let wait = port.estimate(&grant.instance_arn, &operations, class);
        let instance = self.parts.instances.get(&grant.instance_arn)?;
        let others = self.wait_for_others(&instance, target, due).await;
        let wait = wait.max(others.ok()?);
        let begins_at = next_attempt_at.map_or(now, |at| at.max(now));
        begins_at
            .checked_add(SignedDuration::try_from(wait).ok()?)
            .ok()
    }

    /// How long AWS takes with the changes of account assignments ahead: those under way, and what
    /// is due, which may be of applications too.
    async fn wait_for_others(
        &self,
        instance: &Instance,
        kind: TargetKind,
        due: u64,
    ) -> Result<Duration, AppError> {
        // Of applications AWS changes any number at once.
        if kind == TargetKind::Application {
            return Ok(Duration::ZERO);
        }
        let under_way = self
            .parts
            .store
            .pending_requests(&instance.arn)
            .await?
            .len();
        let ahead = due.saturating_add(under_way as u64);
        let ahead = u32::try_from(ahead).unwrap_or(u32::MAX);
        let seconds = f64::from(ahead) / self.parts.config.account_changes_per_second;
        Ok(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
    }
}
