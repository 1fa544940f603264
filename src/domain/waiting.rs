//! What a grant waits for, told from what is recorded: pure.

use jiff::Timestamp;

use super::assignment::{AssignmentRecord, PendingChange};
use super::aws::{ErrorKind, FailedAttempt};
use super::brake::{Freeze, Freezes};
use super::grant::{Grant, GrantState};
use super::plan::Write;

/// The kind of thing a grant waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitingKind {
    /// Somebody agreeing.
    Approval,
    /// Its start.
    StartTime,
    /// Its turn within the budget of AWS operations.
    Budget,
    /// AWS showing what it accepted.
    AwsPropagation,
    /// AWS no longer refusing or failing.
    AwsRefusal,
    /// An operator's Unfreeze.
    Freeze,
}

/// What a grant waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The kind.
    pub kind: WaitingKind,
    /// The same in a sentence.
    pub description: String,
    /// When Usher tries next.
    pub next_attempt_at: Option<Timestamp>,
    /// About when it is done; only the use case knows, of what waits for the budget.
    pub expected_at: Option<Timestamp>,
    /// Failures in a row.
    pub failed_attempts: u32,
}

/// What a grant waits for; none when it is where it should be.
#[must_use]
pub fn waiting_for(grant: &Grant, record: &AssignmentRecord, freezes: &Freezes) -> Option<Waiting> {
    let (write, doing) = match grant.state {
        GrantState::Provisioning => (Write::Create, "make the assignment"),
        GrantState::Revoking => (Write::Delete, "remove the assignment"),
        GrantState::PendingApproval | GrantState::Scheduled => return waiting_for_begin(grant),
        GrantState::Active => return waiting_for_more(grant),
        _ => return None,
    };
    // What AWS works on already no freeze calls back.
    if let (None, Some(freeze)) = (&record.pending, freezes.stopping(write)) {
        return Some(frozen(record, freeze, doing));
    }
    let (kind, description) = match (&record.pending, &record.last_failure) {
        (Some(pending), last) if !is_refused(pending, last.as_ref()) => (
            WaitingKind::AwsPropagation,
            under_way(pending, last.as_ref().map(|last| last.failure.kind)),
        ),
        (_, None) => (WaitingKind::Budget, format!("Usher is about to {doing}")),
        (_, Some(failed)) => match failed.failure.kind {
            ErrorKind::BudgetExhausted => (
                WaitingKind::Budget,
                format!(
                    "Usher is about to {doing}; {}",
                    failed.failure.kind.explanation()
                ),
            ),
            ErrorKind::NotVisible | ErrorKind::Conflict => (
                WaitingKind::AwsPropagation,
                failed.failure.kind.explanation().to_owned(),
            ),
            kind => (
                WaitingKind::AwsRefusal,
                format!(
                    "{} did not succeed: {}",
                    failed.failure.operation,
                    kind.explanation()
                ),
            ),
        },
    };
    Some(Waiting {
        kind,
        description,
        next_attempt_at: record.next_attempt_at,
        expected_at: None,
        failed_attempts: record.failed_attempts,
    })
}

/// What an active grant waits for: somebody agreeing to more time, if that was asked for.
fn waiting_for_more(grant: &Grant) -> Option<Waiting> {
    let wish = grant.extension.as_ref()?;
    let (end, at) = (wish.end_at, wish.lapses_at);
    Some(Waiting {
        kind: WaitingKind::Approval,
        description: format!("somebody must agree to its end at {end}; the wish lapses at {at}"),
        next_attempt_at: None,
        expected_at: None,
        failed_attempts: 0,
    })
}

/// What a grant waits for of which nothing is in AWS yet. Who can agree, the use case adds.
fn waiting_for_begin(grant: &Grant) -> Option<Waiting> {
    let waiting = |kind, description, next_attempt_at| Waiting {
        kind,
        description,
        next_attempt_at,
        expected_at: None,
        failed_attempts: 0,
    };
    match (grant.state, grant.start_asked_at) {
        (GrantState::PendingApproval, _) => Some(waiting(
            WaitingKind::Approval,
            match grant.lapses_at {
                Some(at) => format!("somebody must agree; it lapses at {at}"),
                None => "somebody must agree".to_owned(),
            },
            None,
        )),
        (GrantState::Scheduled, Some(start)) => Some(waiting(
            WaitingKind::StartTime,
            format!("it starts at {start}"),
            grant.look_at,
        )),
        _ => None,
    }
}

/// That it waits for an Unfreeze. No next attempt is told: none is made before.
fn frozen(record: &AssignmentRecord, freeze: &Freeze, doing: &str) -> Waiting {
    let Freeze { by, reason, since } = freeze;
    let why = match reason.as_str() {
        "" => String::new(),
        reason => format!(": {reason}"),
    };
    Waiting {
        kind: WaitingKind::Freeze,
        description: format!(
            "Usher does not {doing} until Unfreeze; frozen since {since} by {by}{why}"
        ),
        next_attempt_at: None,
        expected_at: None,
        failed_attempts: record.failed_attempts,
    }
}

/// Whether AWS refuses to say what became of the change. A refusal from before it says nothing.
fn is_refused(pending: &PendingChange, last: Option<&FailedAttempt>) -> bool {
    last.is_some_and(|last| last.at >= pending.since && last.failure.kind.is_refusal())
}

fn under_way(pending: &PendingChange, last: Option<ErrorKind>) -> String {
    let doing = match pending.write {
        Write::Create => "making",
        Write::Delete => "removing",
    };
    let since = pending.since;
    match (&pending.request_id, last) {
        (Some(_), Some(ErrorKind::NotVisible)) => format!(
            "AWS is {doing} the assignment (since {since}), which is longer than it usually takes"
        ),
        (Some(_), _) => format!("AWS is {doing} the assignment (since {since})"),
        (None, _) => {
            format!("Usher finds out whether AWS is {doing} the assignment (asked for at {since})")
        }
    }
}
