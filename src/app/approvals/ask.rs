//! The grant that a request becomes: open at once, waiting for people, or for its start.

use jiff::{SignedDuration, Timestamp};

use super::path::ChosenPath;
use super::shown::WhoMayAgree;
use crate::app::asker::Asker;
use crate::app::assign::Found;
use crate::app::subject::Reading;
use crate::app::{App, AppError, Assign, CallContext};
use crate::domain::{AssignmentKey, Grant, GrantId, GrantState, Instance, Requester, Transition};
use crate::policy::Subject;

/// How long ago a start may be that is asked for: clocks differ.
const START_SKEW: SignedDuration = SignedDuration::from_secs(60);

impl App {
    /// When access is to start, if not as soon as possible.
    ///
    /// # Errors
    /// `FieldsInvalid` for a time that is over, or too far ahead; break-glass is for now.
    pub(in crate::app) fn start_asked(
        &self,
        request: &Assign,
    ) -> Result<Option<Timestamp>, AppError> {
        let Some(start) = request.start_at else {
            return Ok(None);
        };
        let now = self.parts.clock.now();
        let days = self.parts.approvals.start_ahead_days_max;
        let ahead = SignedDuration::from_hours(24 * days);
        if request.break_glass {
            let problem = "is not for break-glass, which is taken at once; leave it out";
            return Err(AppError::field("start_time", problem));
        }
        if start < now.checked_sub(START_SKEW).unwrap_or(now) {
            let problem = "is over; leave it out to start at once";
            return Err(AppError::field("start_time", problem));
        }
        if start.duration_since(now) > ahead {
            let problem = format!("is more than {days} days ahead; ask again later");
            return Err(AppError::field("start_time", &problem));
        }
        Ok(Some(start).filter(|start| *start > now))
    }

    /// When Usher looks again at what waits for people.
    pub(super) fn look_again_at(&self, now: Timestamp) -> Timestamp {
        let again = SignedDuration::from_secs(self.parts.approvals.look_again_seconds);
        now.checked_add(again).unwrap_or(Timestamp::MAX)
    }

    /// Refuses new access, and more of it, while an operator has it frozen. After policy: why is for
    /// those to hear who may ask.
    ///
    /// # Errors
    /// `Frozen`, what the store fails with.
    pub(in crate::app) async fn check_not_frozen(
        &self,
        instance: &Instance,
    ) -> Result<(), AppError> {
        let freezes = self.parts.store.freezes(&instance.arn).await?;
        freezes
            .grants
            .map_or(Ok(()), |it| Err(AppError::Frozen(it)))
    }

    /// Who asks, as the grant keeps it: what policy is asked again with later.
    pub(in crate::app) fn requester_of(&self, context: &CallContext, asker: &Asker) -> Requester {
        Requester {
            caller: context.caller.clone(),
            subject: asker.subject.clone(),
            service: asker.scene.service.clone(),
            subject_proven: asker.scene.subject_proven,
            known_as: match &asker.scene.subject {
                Subject::Unmatched(name) => Some(name.clone()),
                Subject::User(_) | Subject::Service(_) => None,
            },
        }
    }

    /// The grant of a request that leads to this path.
    pub(in crate::app) fn new_grant(
        &self,
        context: &CallContext,
        request: &Assign,
        found: &Found,
        asker: &Asker,
        path: &ChosenPath,
    ) -> Result<Grant, AppError> {
        let now = self.parts.clock.now();
        let start_asked_at = self.start_asked(request)?;
        let key = AssignmentKey {
            instance_arn: found.instance.arn.clone(),
            principal: found.principal.reference(),
            target: found.target.target(),
        };
        let id = GrantId::from_uuid(uuid::Uuid::now_v7());
        let mut grant = Grant {
            people_count: found.people_count,
            justification: request.justification.clone(),
            ticket: request.ticket.clone(),
            paths: path.kept(),
            policies: path.policies.clone(),
            policy_version: path.policy_version.clone(),
            break_glass: request.break_glass,
            review_due: request.break_glass,
            adoption: request.adoption.clone(),
            start_asked_at,
            duration: request.duration,
            ..Grant::new(id, key, self.requester_of(context, asker), now)
        };
        if path.opens && grant.adoption.is_some() {
            grant.state = GrantState::PendingApproval;
            let adopt = Transition::Adopt {
                policies: path.policies.clone(),
                policy_version: path.policy_version.clone(),
            };
            let state = grant.state;
            let adopted = grant.apply(adopt, now);
            grant = adopted.map_err(|_| AppError::StateForbids { state })?;
            grant.version = 1;
        } else if !path.opens {
            let pending = SignedDuration::from_hours(self.parts.approvals.pending_hours_max);
            let lapses_at = now.checked_add(pending).unwrap_or(Timestamp::MAX);
            grant.state = GrantState::PendingApproval;
            grant.lapses_at = Some(lapses_at);
            grant.look_at = Some(self.look_again_at(now).min(lapses_at));
        } else if start_asked_at.is_some() {
            grant.state = GrantState::Scheduled;
            grant.look_at = start_asked_at;
        }
        Ok(grant)
    }

    /// Who can agree to a grant that waits for people; nobody where it does not.
    ///
    /// # Errors
    /// `NoEligibleApprover` where nobody could ever agree; what AWS fails with.
    pub(in crate::app) async fn who_can_agree(
        &self,
        context: &CallContext,
        found: &Found,
        grant: &Grant,
    ) -> Result<Vec<WhoMayAgree>, AppError> {
        if grant.state != GrantState::PendingApproval {
            return Ok(Vec::new());
        }
        let reading: Reading = self.fresh(context);
        self.check_somebody_can_agree(&found.instance, grant, reading)
            .await
    }
}
