//! How account assignment operations end: the truth changes, the log hears of it, reads follow when
//! `Visibility` lets them. Judges by the world at the end, not at the call.

use std::time::Duration;

use super::account_assignments::AccountAssignment;
use super::asynchronous::{AsynchronousKind, AsynchronousOperation, AsynchronousStatus, Intent};
use super::call_log::CallEffect;
use super::state::State;
use super::store::Store;
use super::world::PrincipalType;

/// What an ended operation says, and whether the world was changed.
type End = (AsynchronousStatus, Option<String>, bool);

impl State {
    /// Ends every operation that is due, in the order of their times.
    pub(super) fn end_due_operations(&mut self, now_seconds: f64) {
        while let Some((request_id, operation)) = self.asynchronous.next_due(now_seconds) {
            let (status, reason, changed) = self.carry_out(&operation);
            self.asynchronous.end(&request_id, status, reason.clone());
            let ended_at_seconds = operation.ends_at_seconds;
            self.log.update(operation.sequence, |record| {
                record.effect = if changed {
                    CallEffect::Applied
                } else {
                    CallEffect::None
                };
                record.effect_time_seconds = changed.then_some(ended_at_seconds);
                if let Some(told) = &mut record.asynchronous {
                    told.status = status;
                    told.failure_reason = reason;
                    told.finished_at_seconds = Some(ended_at_seconds);
                }
            });
        }
    }

    fn carry_out(&mut self, operation: &AsynchronousOperation) -> End {
        let failed = |reason| (AsynchronousStatus::Failed, reason, false);
        match &operation.intent {
            Intent::Nothing => return (AsynchronousStatus::Succeeded, None, false),
            Intent::Failure(reason) => return failed(reason.clone()),
            Intent::Effect => {}
        }
        let row = &operation.assignment;
        if operation.kind == AsynchronousKind::Deletion {
            let changed = self.store.account_side.remove(row);
            self.hide(operation, changed, true);
            return (AsynchronousStatus::Succeeded, None, changed);
        }
        let sets = &self.store.account_side.permission_sets;
        if !sets.contains_key(&row.permission_set_arn) {
            let arn = &row.permission_set_arn;
            return failed(Some(format!(
                "Could not find PermissionSet with ARN {arn}."
            )));
        }
        if !is_in_store(&self.store, &operation.instance_arn, row) {
            return failed(Some(nobody(row)));
        }
        let changed = self.store.account_side.add(row.clone());
        self.hide(operation, changed, false);
        (AsynchronousStatus::Succeeded, None, changed)
    }

    fn hide(&mut self, operation: &AsynchronousOperation, changed: bool, was_present: bool) {
        if changed && operation.visibility_milliseconds > 0 {
            let lag = Duration::from_millis(operation.visibility_milliseconds);
            let until_seconds = operation.ends_at_seconds + lag.as_secs_f64();
            self.account_visibility
                .hide(operation.assignment.clone(), was_present, until_seconds);
        }
    }
}

/// Whether the principal is in the instance's identity store.
pub(super) fn is_in_store(store: &Store, instance_arn: &str, row: &AccountAssignment) -> bool {
    let Some(instance) = store.instances.get(instance_arn) else {
        return false;
    };
    let (place, id) = (&instance.identity_store_id, &row.principal_id);
    match row.principal_type {
        PrincipalType::User => store.user(place, id).is_some(),
        PrincipalType::Group => store.group(place, id).is_some(),
    }
}

/// Why nothing was assigned to somebody who is not there.
pub(super) fn nobody(row: &AccountAssignment) -> String {
    format!(
        "{} {} is not found.",
        row.principal_type.as_str(),
        row.principal_id
    )
}
