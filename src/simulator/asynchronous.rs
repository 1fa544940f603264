//! The life of asynchronous account assignment operations (aws-api.md §3c): accepted, in progress,
//! ended. Takes the time as an argument and never waits: whoever looks at the state first ends what
//! is due by then. What an ending does to the world is decided in `account_effects`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::account_assignments::AccountAssignment;

/// Ended operations remembered; beyond it the longest ended are forgotten.
const ENDED_AT_MOST: usize = 100_000;

/// Which list an operation is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AsynchronousKind {
    Creation,
    Deletion,
}

/// `Status` of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AsynchronousStatus {
    /// Not ended yet.
    InProgress,
    /// It ended and changed nothing.
    Failed,
    /// It ended well.
    Succeeded,
}

/// How an operation is going to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Intent {
    /// As the world then allows.
    Effect,
    /// It says SUCCEEDED and changes nothing.
    Nothing,
    /// FAILED, with a reason or without.
    Failure(Option<String>),
}

/// One operation.
#[derive(Clone, Debug)]
pub(super) struct AsynchronousOperation {
    pub(super) kind: AsynchronousKind,
    pub(super) instance_arn: String,
    pub(super) assignment: AccountAssignment,
    pub(super) created_at_seconds: f64,
    pub(super) ends_at_seconds: f64,
    pub(super) intent: Intent,
    /// How long reads show the state before the effect.
    pub(super) visibility_milliseconds: u64,
    /// The call that began it, in the log.
    pub(super) sequence: u64,
    pub(super) status: AsynchronousStatus,
    pub(super) failure_reason: Option<String>,
}

impl AsynchronousOperation {
    /// The status as it stood at a time; `None` before the operation was accepted.
    pub(super) fn status_at(&self, time_seconds: f64) -> Option<AsynchronousStatus> {
        if time_seconds < self.created_at_seconds {
            return None;
        }
        if time_seconds < self.ends_at_seconds {
            return Some(AsynchronousStatus::InProgress);
        }
        Some(self.status)
    }
}

/// What the call log tells about an asynchronous operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AsynchronousRecord {
    /// `RequestId` of the operation, not of the call.
    pub request_id: String,
    /// As it is now, whatever status lists show.
    pub status: AsynchronousStatus,
    /// Of FAILED; AWS leaves it out at times.
    pub failure_reason: Option<String>,
    /// When it was accepted, epoch seconds.
    pub started_at_seconds: f64,
    /// When it ended, epoch seconds.
    pub finished_at_seconds: Option<f64>,
}

/// A moment that can be ordered.
type Microseconds = u64;

/// All operations of one simulator.
#[derive(Default)]
pub(super) struct AsynchronousOperations {
    operations: BTreeMap<String, AsynchronousOperation>,
    /// Operations in progress, in the order in which they end.
    due: BTreeSet<(Microseconds, u64, String)>,
    /// Ended operations, in the order in which they ended.
    ended: BTreeSet<(Microseconds, u64, String)>,
    /// Operations in progress, by instance.
    outstanding: BTreeMap<String, usize>,
    outstanding_max_seen: usize,
}

impl AsynchronousOperations {
    /// Takes an operation in, under a fresh request id.
    pub(super) fn begin(&mut self, operation: AsynchronousOperation) -> String {
        let request_id = uuid::Uuid::new_v4().to_string();
        let count = self
            .outstanding
            .entry(operation.instance_arn.clone())
            .or_default();
        *count += 1;
        self.outstanding_max_seen = self.outstanding_max_seen.max(*count);
        self.due.insert(key(&operation, &request_id));
        self.operations.insert(request_id.clone(), operation);
        request_id
    }

    /// The operation that ends first, if it ends by now.
    pub(super) fn next_due(&self, now_seconds: f64) -> Option<(String, AsynchronousOperation)> {
        let (_, _, request_id) = self.due.first()?;
        let operation = self.operations.get(request_id)?;
        (operation.ends_at_seconds <= now_seconds).then(|| (request_id.clone(), operation.clone()))
    }

    /// Ends an operation that is in progress.
    pub(super) fn end(
        &mut self,
        request_id: &str,
        status: AsynchronousStatus,
        failure_reason: Option<String>,
    ) {
        let Some(operation) = self.operations.get_mut(request_id) else {
            return;
        };
        let key = key(operation, request_id);
        if !self.due.remove(&key) {
            return;
        }
        operation.status = status;
        operation.failure_reason = failure_reason;
        if let Some(count) = self.outstanding.get_mut(&operation.instance_arn) {
            *count = count.saturating_sub(1);
        }
        self.ended.insert(key);
        if self.ended.len() > ENDED_AT_MOST
            && let Some((_, _, oldest)) = self.ended.pop_first()
        {
            self.operations.remove(&oldest);
        }
    }

    pub(super) fn get(&self, request_id: &str) -> Option<&AsynchronousOperation> {
        self.operations.get(request_id)
    }

    /// All operations that are remembered, in order of request ids.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &AsynchronousOperation)> {
        self.operations.iter()
    }

    /// Operations in progress, the next to end first.
    pub(super) fn in_progress(&self) -> impl Iterator<Item = (&String, &AsynchronousOperation)> {
        (self.due.iter()).filter_map(|(_, _, id)| self.operations.get_key_value(id))
    }

    /// Operations in progress on an instance.
    pub(super) fn outstanding(&self, instance_arn: &str) -> usize {
        self.outstanding
            .get(instance_arn)
            .copied()
            .unwrap_or_default()
    }

    /// The most operations that were ever in progress on one instance at one time.
    pub(super) fn outstanding_max_seen(&self) -> usize {
        self.outstanding_max_seen
    }
}

/// Microseconds part all but equal moments; those end in the order of the log.
fn key(operation: &AsynchronousOperation, request_id: &str) -> (Microseconds, u64, String) {
    let ends_at = std::time::Duration::try_from_secs_f64(operation.ends_at_seconds);
    let microseconds = u64::try_from(ends_at.unwrap_or_default().as_micros());
    (
        microseconds.unwrap_or(u64::MAX),
        operation.sequence,
        request_id.to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::super::world::PrincipalType;
    use super::*;

    fn operation(instance: &str, sequence: u64, ends_at_seconds: f64) -> AsynchronousOperation {
        AsynchronousOperation {
            kind: AsynchronousKind::Creation,
            instance_arn: instance.to_owned(),
            assignment: AccountAssignment {
                account_id: "1".to_owned(),
                permission_set_arn: "a".to_owned(),
                principal_type: PrincipalType::User,
                principal_id: "x".to_owned(),
            },
            created_at_seconds: 1.0,
            ends_at_seconds,
            intent: Intent::Effect,
            visibility_milliseconds: 0,
            sequence,
            status: AsynchronousStatus::InProgress,
            failure_reason: None,
        }
    }

    #[test]
    fn operations_end_in_order_of_their_time_and_are_counted_by_instance() {
        let mut all = AsynchronousOperations::default();
        let late = all.begin(operation("one", 1, 5.0));
        let early = all.begin(operation("one", 2, 3.0));
        let equal = all.begin(operation("one", 3, 3.0));
        let elsewhere = all.begin(operation("two", 4, 9.0));
        assert_eq!((all.outstanding("one"), all.outstanding("two")), (3, 1));
        assert_eq!(all.outstanding("three"), 0);
        assert!(all.next_due(2.9).is_none());
        let mut order = Vec::new();
        while let Some((id, _)) = all.next_due(5.0) {
            all.end(&id, AsynchronousStatus::Succeeded, None);
            order.push(id);
        }
        assert_eq!(order, [early.clone(), equal, late]);
        let left: Vec<_> = all.in_progress().map(|(id, _)| id.clone()).collect();
        assert_eq!(left, [elsewhere]);
        assert_eq!((all.outstanding("one"), all.outstanding_max_seen()), (0, 3));
        all.end(&early, AsynchronousStatus::Failed, None);
        let status = all.get(&early).map(|operation| operation.status);
        assert_eq!(status, Some(AsynchronousStatus::Succeeded), "it ends once");
    }

    #[test]
    fn a_status_can_be_read_as_it_was() {
        let mut ended = operation("one", 1, 3.0);
        ended.status = AsynchronousStatus::Failed;
        assert_eq!(ended.status_at(0.9), None);
        assert_eq!(ended.status_at(2.9), Some(AsynchronousStatus::InProgress));
        assert_eq!(ended.status_at(3.0), Some(AsynchronousStatus::Failed));
    }
}
