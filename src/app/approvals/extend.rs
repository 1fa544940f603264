//! More time for an active grant. Policy is asked about the whole of it, from its start to the end
//! that is asked for; the old end stands until everybody who must has agreed.

use jiff::{SignedDuration, Timestamp};

use super::decide::carried_out;
use super::opening::Opening;
use super::path::{ChosenPath, denied_without_a_word};
use super::record::{Tried, events, until_recorded};
use super::shown::WhoMayAgree;
use super::wish::Wish;
use crate::app::asker::Asker;
use crate::app::view::GrantView;
use crate::app::{App, AppError, CallContext};
use crate::domain::{
    EventKind, Extension, Grant, GrantId, GrantState, Instance, Justification, Path, RequestId,
    Ticket, Transition,
};
use crate::policy::{Action, GrantQuestion};
use crate::store::{GrantDecision, RequestUse};

/// What a caller asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extend {
    /// Which grant.
    pub grant_id: GrantId,
    /// How much longer than its present end.
    pub duration: SignedDuration,
    /// Why.
    pub justification: Justification,
    /// The ticket.
    pub ticket: Ticket,
    /// What makes the call safe to repeat.
    pub request_id: Option<RequestId>,
    /// A hash, in hex, of the method and of everything asked but the request id.
    pub content_hash: String,
    /// Only tell what would happen.
    pub validate_only: bool,
}

/// What a caller hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtendOutcome {
    /// The grant in its present state.
    pub grant: Box<GrantView>,
    /// The ways to pay for it, and the end it would have; only with `validate_only`.
    pub preview: Option<(Vec<Path>, Timestamp)>,
}

impl App {
    /// Asks for more time, or tells what asking would mean. Where nobody must agree it is given at
    /// once.
    ///
    /// # Errors
    /// Before the commit only: `GrantNotFound`, `StateForbids` (not active, without an end, or a wish is
    /// open), what policy refuses, `Frozen`, `NoEligibleApprover`, `ReadOnly`, `RequestIdReused`, what AWS and the
    /// store fail with.
    pub async fn extend_grant(
        &self,
        context: &CallContext,
        request: &Extend,
    ) -> Result<ExtendOutcome, AppError> {
        // A question is none, also about a change.
        let context = &match request.validate_only {
            true => context.clone(),
            false => context.for_a_change(),
        };
        let usage = request
            .request_id
            .as_ref()
            .filter(|_| !request.validate_only)
            .map(|id| self.request_use(context, id, &request.content_hash));
        if let Some(grant) = self.answered_before(context, usage.as_ref()).await? {
            return Ok(self.extended(grant).await);
        }
        if !request.validate_only && !self.may_write() {
            return Err(AppError::ReadOnly);
        }
        let extend = || self.try_extending(context, request, usage.as_ref());
        match until_recorded(extend).await {
            Ok(outcome) => Ok(outcome),
            Err(refusal) => {
                let grant = self.twin_or(usage.as_ref(), refusal).await?;
                Ok(self.extended(grant).await)
            }
        }
    }

    async fn extended(&self, grant: Grant) -> ExtendOutcome {
        ExtendOutcome {
            grant: Box::new(self.grant_view_after_commit(grant).await),
            preview: None,
        }
    }

    async fn try_extending(
        &self,
        context: &CallContext,
        request: &Extend,
        usage: Option<&RequestUse>,
    ) -> Result<ExtendOutcome, Tried> {
        let (grant, instance, asker) = self.grant_to_extend(context, &request.grant_id).await?;
        let now = self.parts.clock.now();
        let end_at = match (&grant.extension, grant.end_at) {
            (None, Some(end_at)) if grant.state == GrantState::Active && end_at > now => end_at,
            _ => return Err(AppError::StateForbids { state: grant.state }.into()),
        };
        if grant.break_glass {
            let problem = "was taken by break-glass, whose bounds no extension passes; ask for the access with Assign";
            return Err(AppError::field("grant_id", problem).into());
        }
        let end_at = end_at.checked_add(request.duration).map_err(|_| {
            AppError::field(
                "duration",
                "leads beyond the last instant that can be written",
            )
        })?;
        let reading = self.fresh(context);
        let people = self.people_now(&instance, &grant, reading).await?;
        let question = self
            .question_of_more(&asker, &grant, (end_at, people), request)
            .await;
        let path = self.path_to(&asker, &question)?;
        self.check_not_frozen(&instance).await?;
        let requester = self.requester_of(context, &asker);
        let round = grant.extension_count + 1;
        let pending = SignedDuration::from_hours(self.parts.approvals.pending_hours_max);
        let lapses_at = now.checked_add(pending).unwrap_or(Timestamp::MAX);
        let wish = Extension {
            round,
            requester,
            end_at,
            justification: request.justification.clone(),
            ticket: request.ticket.clone(),
            digest: grant.extension_digest(round, end_at),
            paths: path.kept(),
            // After the old end there is nothing to prolong.
            lapses_at: grant.end_at.map_or(lapses_at, |end| end.min(lapses_at)),
        };
        let asked = Transition::AskExtension(Box::new(wish), self.look_again_at(now));
        let asked = grant.apply(asked, now);
        let asked = asked.map_err(|_| AppError::StateForbids { state: grant.state })?;
        if !path.opens {
            self.check_somebody_can_agree(&instance, &asked, reading)
                .await?;
        }
        if request.validate_only {
            let view = self.grant_view_after_commit(grant).await;
            return Ok(ExtendOutcome {
                grant: Box::new(view),
                preview: Some((path.paths, end_at)),
            });
        }
        let decision = self
            .decision_on_more(context, &asker, &instance, asked, &path)
            .await?;
        let grant = self.record_decision(decision, usage).await?;
        Ok(self.extended(grant).await)
    }

    async fn grant_to_extend(
        &self,
        context: &CallContext,
        id: &GrantId,
    ) -> Result<(Grant, std::sync::Arc<Instance>, Asker), AppError> {
        let (grant, instance, asker) = self.grant_to_change(context, id).await?;
        let resource = self.grant_resource(&asker, &grant).await;
        if !self.may_see_alone(&asker, Action::ReadGrants, &resource) {
            return Err(AppError::GrantNotFound { id: id.to_string() });
        }
        Ok((grant, instance, asker))
    }

    async fn question_of_more(
        &self,
        asker: &Asker,
        grant: &Grant,
        (end_at, people_count): (Timestamp, u64),
        request: &Extend,
    ) -> GrantQuestion {
        let mut question = self.question_of_grant(asker, grant).await;
        question.people_count = people_count;
        question.duration = grant.started_at.map(|start| end_at.duration_since(start));
        question.justification = request.justification.as_str().to_owned();
        question.ticket = request.ticket.as_str().to_owned();
        question
    }

    /// The wish recorded, and carried out with it where nobody must agree: one version on either way.
    async fn decision_on_more(
        &self,
        context: &CallContext,
        asker: &Asker,
        instance: &Instance,
        asked: Grant,
        path: &ChosenPath,
    ) -> Result<GrantDecision, AppError> {
        let now = self.parts.clock.now();
        let mut kinds = vec![EventKind::ExtensionRequested];
        let mut policies = Vec::new();
        let mut grant = asked.clone();
        let digest = grant
            .open_wish()
            .map(|(_, digest)| digest)
            .unwrap_or_default();
        if let Some(wish) = Wish::of(&asked).filter(|_| path.opens) {
            let reading = self.fresh(context);
            let interested = self.interested_in(instance, &wish, reading).await?;
            let of = (&[][..], &interested);
            let opening = self
                .opening(&asker.policy, instance, &wish, of, reading)
                .await?;
            let (by, policy_version) = match opening {
                Opening::Opens {
                    policies,
                    policy_version,
                } => (policies, policy_version),
                // Nobody is to agree, so that nobody ever could open it.
                Opening::Shut(_) => return Err(denied_without_a_word(asker)),
            };
            let (transition, kind) = carried_out(&wish, by.clone(), policy_version);
            let state = asked.state;
            let next = asked.apply(transition, now);
            grant = next.map_err(|_| AppError::StateForbids { state })?;
            grant.version = asked.version;
            kinds.push(kind);
            policies = by;
        }
        let actor = asker.actor();
        Ok(GrantDecision {
            events: events(&grant, &kinds, &actor, &digest, &policies, now),
            grant,
            review: None,
            now,
        })
    }

    /// Refuses a wish that nobody could ever agree to.
    pub(in crate::app) async fn check_somebody_can_agree(
        &self,
        instance: &Instance,
        grant: &Grant,
        reading: crate::app::subject::Reading,
    ) -> Result<Vec<WhoMayAgree>, AppError> {
        let Some(wish) = Wish::of(grant) else {
            return Ok(Vec::new());
        };
        let interested = self.interested_in(instance, &wish, reading).await?;
        let found = self
            .candidates(instance, wish.paths, &interested, reading)
            .await?;
        let can_be =
            |path: &Path| crate::domain::approval::could_be_paid(&path.steps, &found.approvers);
        if !wish.paths.iter().any(can_be) {
            return Err(AppError::NoEligibleApprover {
                policies: wish.paths.iter().map(|path| path.policy.clone()).collect(),
                missing: found.missing,
            });
        }
        self.who_may_agree(instance, &found, &interested, reading)
            .await
    }
}
