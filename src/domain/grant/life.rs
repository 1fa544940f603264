//! The grant's life: one pure state machine, and the only way from one state to the next.
//!
//! ```text
//!   PENDING_APPROVAL -> DENIED | CANCELLED | LAPSED | SCHEDULED | PROVISIONING
//!   SCHEDULED        -> DENIED | CANCELLED | PROVISIONING
//!   PROVISIONING     -> ACTIVE | FAILED | REVOKING
//!   ACTIVE           -> REVOKING -> REVOKED | EXPIRED
//! ```
//! Taking access away never asks anybody, and `REVOKING` never fails: it ends only in an end.

use jiff::{SignedDuration, Timestamp};

use super::{Ending, EndingKind, Extension, Grant, GrantState};
use crate::domain::aws::FailedAttempt;
use crate::domain::text::{CallerName, Justification};

/// What can happen to a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transition {
    /// Somebody agreed, and more must; or break-glass was looked at. Only the version moves.
    Review,
    /// Everybody who must has agreed, and policy opens it.
    Open {
        /// The policies that opened it, the path that was paid first.
        policies: Vec<String>,
        /// The set that decided.
        policy_version: String,
    },
    /// The same for a grant that takes over an assignment that is there: nothing changes in AWS.
    Adopt {
        /// The policies that opened it, the path that was paid first.
        policies: Vec<String>,
        /// The set that decided.
        policy_version: String,
    },
    /// An assignment that was taken over is left to itself again: nothing changes in AWS.
    Release {
        /// Who.
        by: CallerName,
        /// Why.
        reason: Justification,
    },
    /// The start has come, and policy still opens it.
    Start {
        /// The policies that opened it.
        policies: Vec<String>,
        /// The set that decided.
        policy_version: String,
    },
    /// Somebody objected, or, by nobody, it may not begin.
    Deny {
        /// Who; none for Usher itself.
        by: Option<CallerName>,
        /// Why.
        reason: Justification,
    },
    /// Nobody agreed in time, or nobody could.
    Lapse {
        /// Why.
        reason: Justification,
    },
    /// It is looked at again later.
    LookAt(Timestamp),
    /// More time is asked for, and looked at again at that time.
    AskExtension(Box<Extension>, Timestamp),
    /// More time is given.
    Extend {
        /// The policies that gave it.
        policies: Vec<String>,
        /// The set that decided.
        policy_version: String,
    },
    /// More time is not given: the end stays.
    DropExtension,
    /// Break-glass was looked at.
    ReviewAfterwards,
    /// The assignment was read to be there.
    Activate,
    /// AWS refused for good, and the assignment was read to be absent.
    Fail(FailedAttempt),
    /// Somebody ends it; what has not begun is cancelled.
    Revoke {
        /// Who.
        by: CallerName,
        /// Why.
        reason: Justification,
    },
    /// Its time is up.
    TimeOver,
    /// The access is gone, or stays for a reason that is not this grant.
    Finish,
}

/// That a transition does not fit the grant's state. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a grant in state {state} cannot {transition}", state = .state.as_str())]
pub struct TransitionError {
    /// The state it is in.
    pub state: GrantState,
    /// What was tried.
    pub transition: &'static str,
}

impl Grant {
    /// Takes the grant one step on. The grant itself is left as it is.
    ///
    /// # Errors
    /// `TransitionError` when the step does not fit the state; the caller has a stale grant or a
    /// fault, and reads again.
    pub fn apply(&self, transition: Transition, now: Timestamp) -> Result<Self, TransitionError> {
        let verb = transition.verb();
        let next = match self.state {
            GrantState::PendingApproval => self.while_pending(transition, now),
            GrantState::Scheduled => self.while_scheduled(transition, now),
            GrantState::Provisioning | GrantState::Active | GrantState::Revoking => {
                self.while_open(transition, now)
            }
            _ => None,
        };
        let next = next.or_else(|| {
            // Whatever became of it since: break-glass is looked at.
            let is_due = verb == Transition::ReviewAfterwards.verb() && self.review_due;
            is_due.then(|| Self {
                review_due: false,
                ..self.clone()
            })
        });
        let mut next = next.ok_or(TransitionError {
            state: self.state,
            transition: verb,
        })?;
        next.version += 1;
        Ok(next)
    }

    fn while_pending(&self, transition: Transition, now: Timestamp) -> Option<Self> {
        let mut next = self.clone();
        // Too late is too late, also where it was not looked at since.
        let is_in_time = self.lapses_at.is_none_or(|at| at > now);
        match transition {
            Transition::Review | Transition::Open { .. } | Transition::Adopt { .. }
                if !is_in_time =>
            {
                return None;
            }
            Transition::Review => {}
            Transition::LookAt(at) => next.look_at = Some(at),
            Transition::Adopt {
                policies,
                policy_version,
            } if self.adoption.is_some() => {
                next.state = GrantState::Active;
                next.started_at = Some(now);
                next.end_at = self.duration.map(|duration| saturating_end(now, duration));
                next.look_at = None;
                next.policies = policies;
                next.policy_version = policy_version;
            }
            Transition::Open {
                policies,
                policy_version,
            } if self.adoption.is_none() => {
                let start = self.start_asked_at.filter(|start| *start > now);
                next.state = match start {
                    Some(_) => GrantState::Scheduled,
                    None => GrantState::Provisioning,
                };
                next.look_at = start;
                next.policies = policies;
                next.policy_version = policy_version;
            }
            Transition::Deny { by, reason } => next.close(EndingKind::Denied, by, reason, now),
            Transition::Revoke { by, reason } => {
                next.close(EndingKind::Cancelled, Some(by), reason, now);
            }
            Transition::Lapse { reason } => next.close(EndingKind::Lapsed, None, reason, now),
            _ => return None,
        }
        Some(next)
    }

    fn while_scheduled(&self, transition: Transition, now: Timestamp) -> Option<Self> {
        let mut next = self.clone();
        match transition {
            Transition::LookAt(at) => next.look_at = Some(at),
            Transition::Start {
                policies,
                policy_version,
            } if self.start_asked_at.is_none_or(|start| start <= now) => {
                next.state = GrantState::Provisioning;
                next.look_at = None;
                next.policies = policies;
                next.policy_version = policy_version;
            }
            Transition::Deny { by, reason } => next.close(EndingKind::Denied, by, reason, now),
            Transition::Revoke { by, reason } => {
                next.close(EndingKind::Cancelled, Some(by), reason, now);
            }
            _ => return None,
        }
        Some(next)
    }

    fn while_open(&self, transition: Transition, now: Timestamp) -> Option<Self> {
        use GrantState::{Active, Expired, Failed, Provisioning, Revoked, Revoking};
        let mut next = self.clone();
        match (self.state, transition) {
            (Provisioning, Transition::Activate) => {
                next.state = Active;
                next.started_at = Some(now);
                next.end_at = self.duration.map(|duration| saturating_end(now, duration));
            }
            (Provisioning, Transition::Fail(failure)) => {
                next.state = Failed;
                next.failure = Some(failure);
                next.ended_at = Some(now);
            }
            (Provisioning | Active, Transition::Revoke { by, reason }) => {
                next.begin_end(EndingKind::Revoked, Some(by), reason, now);
            }
            (Active, Transition::Release { by, reason }) if self.adoption.is_some() => {
                next.begin_end(EndingKind::Revoked, Some(by), reason, now);
                next.state = Revoked;
                next.ended_at = Some(now);
            }
            (Active, Transition::TimeOver) if self.is_due(now) => {
                let at = self.end_at.unwrap_or(now);
                next.begin_end(EndingKind::Expired, None, Justification::default(), at);
            }
            (Revoking, Transition::Finish) => {
                next.state = match self.ending.as_ref().map(|ending| ending.kind) {
                    Some(EndingKind::Expired) => Expired,
                    _ => Revoked,
                };
                next.ended_at = Some(now);
            }
            (Active, transition) => return self.while_extending(transition, now),
            _ => return None,
        }
        Some(next)
    }

    /// More time: asked for, agreed to, given or not. Never after the end.
    fn while_extending(&self, transition: Transition, now: Timestamp) -> Option<Self> {
        let end_at = self.end_at?;
        let mut next = self.clone();
        match (transition, &self.extension) {
            (Transition::AskExtension(wish, look_at), None)
                if end_at > now && wish.end_at > end_at =>
            {
                next.extension_count = wish.round;
                next.look_at = Some(look_at.min(wish.lapses_at));
                next.extension = Some(*wish);
            }
            (Transition::Review | Transition::Extend { .. }, Some(wish))
                if wish.lapses_at <= now =>
            {
                return None;
            }
            (Transition::Review, Some(_)) => {}
            (Transition::LookAt(at), Some(_)) => next.look_at = Some(at),
            (
                Transition::Extend {
                    policies,
                    policy_version,
                },
                Some(wish),
            ) if end_at > now => {
                next.end_at = Some(wish.end_at);
                next.duration = self
                    .started_at
                    .map(|start| wish.end_at.duration_since(start));
                next.policies = policies;
                next.policy_version = policy_version;
                next.extension = None;
                next.look_at = None;
            }
            (Transition::DropExtension, Some(_)) => {
                next.extension = None;
                next.look_at = None;
            }
            _ => return None,
        }
        Some(next)
    }

    /// Over before it began.
    fn close(
        &mut self,
        kind: EndingKind,
        by: Option<CallerName>,
        reason: Justification,
        now: Timestamp,
    ) {
        self.state = match kind {
            EndingKind::Denied => GrantState::Denied,
            EndingKind::Lapsed => GrantState::Lapsed,
            EndingKind::Cancelled | EndingKind::Revoked | EndingKind::Expired => {
                GrantState::Cancelled
            }
        };
        self.ending = Some(Ending {
            kind,
            by,
            reason,
            at: now,
        });
        self.ended_at = Some(now);
        self.look_at = None;
    }

    fn begin_end(
        &mut self,
        kind: EndingKind,
        by: Option<CallerName>,
        reason: Justification,
        at: Timestamp,
    ) {
        self.state = GrantState::Revoking;
        self.ending = Some(Ending {
            kind,
            by,
            reason,
            at,
        });
        self.extension = None;
        self.look_at = None;
    }
}

impl Transition {
    pub(super) fn verb(&self) -> &'static str {
        match self {
            Self::Review => "be agreed to",
            Self::Open { .. } => "open",
            Self::Adopt { .. } => "be adopted",
            Self::Release { .. } => "be released",
            Self::Start { .. } => "start",
            Self::Deny { .. } => "be denied",
            Self::Lapse { .. } => "lapse",
            Self::LookAt(_) => "be looked at later",
            Self::AskExtension(..) => "be asked more time for",
            Self::Extend { .. } => "get more time",
            Self::DropExtension => "be refused more time",
            Self::ReviewAfterwards => "be looked at afterwards",
            Self::Activate => "become active",
            Self::Fail(_) => "fail",
            Self::Revoke { .. } => "be revoked",
            Self::TimeOver => "run out of time",
            Self::Finish => "finish ending",
        }
    }
}

/// The end of a duration, at the latest the last instant that can be written.
fn saturating_end(start: Timestamp, duration: SignedDuration) -> Timestamp {
    start.checked_add(duration).unwrap_or(Timestamp::MAX)
}
