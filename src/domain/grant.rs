//! The grant and its life: one pure state machine.
//!
//! `Grant::apply` is the only way from one state to the next. Taking access away never asks
//! anybody, and `REVOKING` never fails: it ends only in an end.

use jiff::{SignedDuration, Timestamp};

use super::aws::FailedAttempt;
use super::ids::{GrantId, PrincipalRef};
use super::target::Target;
use super::text::{CallerName, Justification, Ticket};
use super::{AssignmentKey, InstanceArn};

/// Where a grant is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GrantState {
    /// Recorded; the reconciler is making the assignment.
    Provisioning,
    /// The assignment stands and this grant holds it.
    Active,
    /// The access is being taken away.
    Revoking,
    /// Over, because somebody ended it.
    Revoked,
    /// Over, because its time was up.
    Expired,
    /// Over, because AWS refused; the absence of the assignment was read, or nothing of Usher's was
    /// ever sent.
    Failed,
}

impl GrantState {
    /// Every state.
    pub const ALL: [Self; 6] = [
        Self::Provisioning,
        Self::Active,
        Self::Revoking,
        Self::Revoked,
        Self::Expired,
        Self::Failed,
    ];

    /// The word of the store and of logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provisioning => "PROVISIONING",
            Self::Active => "ACTIVE",
            Self::Revoking => "REVOKING",
            Self::Revoked => "REVOKED",
            Self::Expired => "EXPIRED",
            Self::Failed => "FAILED",
        }
    }

    /// Reads the store's word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether the grant holds its assignment: it wants it to be there.
    #[must_use]
    pub fn is_live(self) -> bool {
        matches!(self, Self::Provisioning | Self::Active)
    }

    /// Whether nothing can follow.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Revoked | Self::Expired | Self::Failed)
    }
}

/// How a grant ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndingKind {
    /// Somebody ended it.
    Revoked,
    /// Its time was up.
    Expired,
}

/// That a grant is to end, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// How.
    pub kind: EndingKind,
    /// Who asked; none when its time was up.
    pub by: Option<CallerName>,
    /// The reason given; empty when its time was up.
    pub reason: Justification,
    /// When the end was due or asked for.
    pub at: Timestamp,
}

/// Usher's record that a principal shall have a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Its id.
    pub id: GrantId,
    /// The instance.
    pub instance_arn: InstanceArn,
    /// Who gets the access.
    pub principal: PrincipalRef,
    /// What it gives access to.
    pub target: Target,
    /// Where it is in its life.
    pub state: GrantState,
    /// How many people the principal was when asked for.
    pub people_count: u64,
    /// The authenticated caller.
    pub requested_by: CallerName,
    /// The person for whom the caller asked.
    pub subject: CallerName,
    /// Why.
    pub justification: Justification,
    /// The ticket.
    pub ticket: Ticket,
    /// Ids of the policies that allowed it.
    pub policies: Vec<String>,
    /// Version of the policy set that decided.
    pub policy_version: String,
    /// How long it lasts from `started_at`; none means no end.
    pub duration: Option<SignedDuration>,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// When it became active.
    pub started_at: Option<Timestamp>,
    /// When it is due to end; set with `started_at` if it has a duration.
    pub end_at: Option<Timestamp>,
    /// When it was over.
    pub ended_at: Option<Timestamp>,
    /// That and why it is to end.
    pub ending: Option<Ending>,
    /// Why it failed, once it did.
    pub failure: Option<FailedAttempt>,
    /// Counts the changes of this grant, from 1.
    pub version: u64,
}

/// What can happen to a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transition {
    /// The assignment was read to be there.
    Activate,
    /// AWS refused for good, and the assignment was read to be absent.
    Fail(FailedAttempt),
    /// Somebody ends it.
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
    /// The assignment that this grant holds or held.
    #[must_use]
    pub fn assignment_key(&self) -> AssignmentKey {
        AssignmentKey {
            instance_arn: self.instance_arn.clone(),
            principal: self.principal.clone(),
            target: self.target.clone(),
        }
    }

    /// Whether the grant is active and its time is up.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.state == GrantState::Active && self.end_at.is_some_and(|end_at| end_at <= now)
    }

    /// Takes the grant one step on. The grant itself is left as it is.
    ///
    /// # Errors
    /// `TransitionError` when the step does not fit the state; the caller has a stale grant or a
    /// fault, and reads again.
    pub fn apply(&self, transition: Transition, now: Timestamp) -> Result<Self, TransitionError> {
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
                next.state = Revoking;
                next.ending = Some(Ending {
                    kind: EndingKind::Revoked,
                    by: Some(by),
                    reason,
                    at: now,
                });
            }
            (Active, Transition::TimeOver) if self.is_due(now) => {
                next.state = Revoking;
                next.ending = Some(Ending {
                    kind: EndingKind::Expired,
                    by: None,
                    reason: Justification::default(),
                    at: self.end_at.unwrap_or(now),
                });
            }
            (Revoking, Transition::Finish) => {
                next.state = match self.ending.as_ref().map(|ending| ending.kind) {
                    Some(EndingKind::Expired) => Expired,
                    Some(EndingKind::Revoked) | None => Revoked,
                };
                next.ended_at = Some(now);
            }
            (state, transition) => {
                return Err(TransitionError {
                    state,
                    transition: transition.verb(),
                });
            }
        }
        next.version += 1;
        Ok(next)
    }
}

impl Transition {
    fn verb(&self) -> &'static str {
        match self {
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::domain::aws::{ErrorKind, Failure};
    use crate::domain::ids::{ApplicationArn, PrincipalId, PrincipalKind};
    use crate::domain::operation::Operation;

    pub(crate) fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    pub(crate) fn grant(number: u128, state: GrantState) -> Grant {
        Grant {
            id: GrantId::from_uuid(uuid::Uuid::from_u128(number)),
            instance_arn: InstanceArn::parse("arn:aws:sso:::instance/ssoins-1234567890abcdef").unwrap(),
            principal: PrincipalRef {
                kind: PrincipalKind::User,
                id: PrincipalId::parse("04261254-0000-4a5a-9d53-3f2a5f0c1a11").unwrap(),
            },
            target: Target::Application(
                ApplicationArn::parse("arn:aws:sso::123456789012:application/ssoins-1234567890abcdef/apl-1234567890abcdef").unwrap(),
            ),
            state,
            people_count: 1,
            requested_by: CallerName::parse("portal").unwrap(),
            subject: CallerName::parse("portal").unwrap(),
            justification: Justification::default(),
            ticket: Ticket::default(),
            policies: vec![],
            policy_version: String::new(),
            duration: Some(SignedDuration::from_secs(3600)),
            created_at: at(0),
            started_at: (state != GrantState::Provisioning).then(|| at(1)),
            end_at: (state != GrantState::Provisioning).then(|| at(3601)),
            ended_at: None,
            ending: None,
            failure: None,
            version: 1,
        }
    }

    pub(crate) fn revoke() -> Transition {
        Transition::Revoke {
            by: CallerName::parse("alice").unwrap(),
            reason: Justification::default(),
        }
    }

    fn failure() -> FailedAttempt {
        FailedAttempt {
            failure: Failure::new(
                ErrorKind::Validation,
                Operation::CreateApplicationAssignment,
            ),
            at: at(1),
        }
    }

    #[test]
    fn duration_counts_from_activation() {
        let active = grant(1, GrantState::Provisioning)
            .apply(Transition::Activate, at(100))
            .unwrap();
        assert_eq!(active.started_at, Some(at(100)));
        assert_eq!(active.end_at, Some(at(3700)));
    }

    #[test]
    fn time_over_before_its_time_is_refused() {
        let active = grant(1, GrantState::Active);
        assert!(active.apply(Transition::TimeOver, at(3600)).is_err());
        let revoking = active.apply(Transition::TimeOver, at(3601)).unwrap();
        assert_eq!(
            revoking.apply(Transition::Finish, at(3605)).unwrap().state,
            GrantState::Expired
        );
    }

    #[test]
    fn every_state_takes_exactly_its_own_transitions() {
        let all = || {
            [
                Transition::Activate,
                Transition::Fail(failure()),
                revoke(),
                Transition::TimeOver,
                Transition::Finish,
            ]
        };
        for state in GrantState::ALL {
            let allowed: Vec<&str> = all()
                .into_iter()
                .filter(|transition| grant(1, state).apply(transition.clone(), at(9999)).is_ok())
                .map(|transition| transition.verb())
                .collect();
            let expected: &[&str] = match state {
                GrantState::Provisioning => &["become active", "fail", "be revoked"],
                GrantState::Active => &["be revoked", "run out of time"],
                GrantState::Revoking => &["finish ending"],
                GrantState::Revoked | GrantState::Expired | GrantState::Failed => &[],
            };
            assert_eq!(allowed, expected, "{state:?}");
        }
    }

    #[test]
    fn an_end_beyond_time_is_the_last_instant() {
        let mut endless = grant(1, GrantState::Provisioning);
        endless.duration = Some(SignedDuration::MAX);
        assert_eq!(
            endless.apply(Transition::Activate, at(0)).unwrap().end_at,
            Some(Timestamp::MAX)
        );
    }
}
