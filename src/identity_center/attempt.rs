//! What one attempt knows about itself, shared between the connector that sends it and the caller
//! that names its failure.
//!
//! The SDK gives its connector no place for a deadline, and folds what went wrong into error texts.
//! So each attempt runs inside a task-local value: the connector reads the deadline there and
//! writes down how far it came. A request outside such a value is never sent.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{Call, Demand};
use crate::domain::{Failure, Operation};

tokio::task_local! {
    /// The attempt that this task is making.
    pub(super) static ATTEMPT: Arc<Attempt>;
}

/// Why the connector did not send a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The budget, or the deadline, leaves no room for it.
    Budget {
        /// When it would.
        retry_after: Duration,
    },
    /// It would change AWS where that is not allowed.
    ReadOnly,
    /// It is not the operation that this attempt is for, or none that Usher makes.
    UnknownOperation,
}

/// How far an attempt came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Progress {
    /// The connector has not seen it: credentials or the endpoint are still being found.
    NotSent,
    /// The role that it is to be made with is being assumed, by an attempt of its own.
    AssumingRole,
    /// That role could not be assumed.
    RoleNotAssumed(Failure),
    /// It waits for its permit.
    Waiting,
    /// The connector refused it.
    Refused(Refusal),
    /// No connection could be made.
    NotReached,
    /// It is under way.
    Sent,
    /// It took longer than an attempt may.
    TimedOut,
    /// The connection broke after the request had, or may have, begun to leave.
    Lost,
    /// AWS answered.
    Answered(Answer),
}

/// AWS's answer, as far as the SDK's types do not show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// The HTTP status.
    pub(super) status: u16,
    /// AWS's id of the request; empty when the answer has none.
    pub(super) request_id: String,
    /// What the headers say about when to try again.
    pub(super) retry_after: Option<Duration>,
    /// The body.
    pub(super) body: Bytes,
}

/// One attempt.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) operation: Operation,
    pub(super) deadline: Instant,
    pub(super) demand: Demand,
    progress: Mutex<Progress>,
}

impl Attempt {
    pub(super) fn new(operation: Operation, call: Call) -> Arc<Self> {
        Arc::new(Self {
            operation,
            deadline: call.deadline,
            demand: call.demand,
            progress: Mutex::new(Progress::NotSent),
        })
    }

    pub(super) fn set(&self, progress: Progress) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = progress;
    }

    pub(super) fn progress(&self) -> Progress {
        self.progress
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The answer; none when AWS gave none.
    pub(super) fn answer(&self) -> Option<Answer> {
        match self.progress() {
            Progress::Answered(answer) => Some(answer),
            _ => None,
        }
    }
}
