//! Taking a wish back, and looking at break-glass access afterwards.

use super::record::{Tried, moved, until_recorded};
use super::reviewer::check_own_word;
use super::wish::Wish;
use crate::app::asker::{Asker, Purpose};
use crate::app::view::GrantView;
use crate::app::{App, AppError, CallContext};
use crate::domain::{
    EventKind, Grant, GrantId, Justification, RequestId, Review, ReviewDecision, Transition,
};
use crate::policy::Action;
use crate::store::{GrantDecision, RequestUse};

/// What is taken back, or what a look afterwards found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancel {
    /// Which grant.
    pub grant_id: GrantId,
    /// Why.
    pub reason: Justification,
    /// What a look afterwards found; none to take a wish back.
    pub finding: Option<ReviewDecision>,
    /// What makes the call safe to repeat.
    pub request_id: Option<RequestId>,
    /// A hash, in hex, of the method and of everything asked but the request id.
    pub content_hash: String,
}

impl App {
    /// Takes back a wish that is not carried out: a grant that has not begun, or more time for one
    /// that has. With a finding: records that somebody looked at break-glass access.
    ///
    /// # Errors
    /// Before the commit only: `GrantNotFound`, `PolicyDenied`, `SelfApproval`, `ApproverNotProven`, `StateForbids`, `RequestIdReused`, what
    /// AWS and the store fail with.
    pub async fn close_grant(
        &self,
        context: &CallContext,
        request: &Cancel,
    ) -> Result<GrantView, AppError> {
        let context = &context.for_a_change();
        let usage = request
            .request_id
            .as_ref()
            .map(|id| self.request_use(context, id, &request.content_hash));
        if let Some(grant) = self.answered_before(context, usage.as_ref()).await? {
            return Ok(self.grant_view_after_commit(grant).await);
        }
        let close = || self.try_closing(context, request, usage.as_ref());
        let grant = self.once(usage.as_ref(), until_recorded(close)).await?;
        Ok(self.grant_view_after_commit(grant).await)
    }

    async fn try_closing(
        &self,
        context: &CallContext,
        request: &Cancel,
        usage: Option<&RequestUse>,
    ) -> Result<Grant, Tried> {
        let id = &request.grant_id;
        let not_there = || AppError::GrantNotFound { id: id.to_string() };
        let grant = self.parts.store.grant(id).await.map_err(AppError::from)?;
        let grant = grant.ok_or_else(not_there)?;
        let instance = self.parts.instances.get(&grant.instance_arn);
        let purpose = match request.finding {
            // Taking back keeps nobody from it whom AWS does not answer for.
            None => Purpose::End,
            Some(_) => Purpose::Change,
        };
        let asker = self.asker(context, instance.as_deref(), purpose);
        let asker = asker.await.map_err(|error| error.hides(not_there))?;
        let decision = match request.finding {
            None => self.taking_back(&asker, &grant, request).await?,
            Some(finding) => {
                let instance = instance.ok_or_else(not_there)?;
                let reading = self.fresh(context);
                self.check_looking(&asker, &instance, &grant, reading)
                    .await?;
                self.looked_at(&asker, &grant, request, finding)?
            }
        };
        let Some(decision) = decision else {
            return Ok(grant);
        };
        self.record_decision(decision, usage).await
    }

    /// Who asked takes back without being asked; others as far as policy lets them end it.
    async fn taking_back(
        &self,
        asker: &Asker,
        grant: &Grant,
        request: &Cancel,
    ) -> Result<Option<GrantDecision>, AppError> {
        let wish = Wish::of(grant);
        let requester = wish.map_or(&grant.requester, |wish| wish.requester);
        let is_mine = requester.subject == asker.subject;
        if !is_mine {
            let not_there = || AppError::GrantNotFound {
                id: grant.id.to_string(),
            };
            let resource = self.grant_resource(asker, grant).await;
            self.check_ending(asker, &resource, Action::ReadGrants, not_there)?;
        }
        let Some(wish) = wish else {
            // Twice is the same as once; what stands in AWS is for `Revoke`.
            return match grant.state {
                crate::domain::GrantState::Cancelled => Ok(None),
                state => Err(AppError::StateForbids { state }),
            };
        };
        let (transition, kind) = if wish.round > 0 {
            (Transition::DropExtension, EventKind::ExtensionDenied)
        } else {
            let by = asker.subject.clone();
            let reason = request.reason.clone();
            (Transition::Revoke { by, reason }, EventKind::Cancelled)
        };
        let (actor, now) = (asker.actor(), self.parts.clock.now());
        moved(grant, transition, &[kind], &actor, &[], now).map(Some)
    }

    /// Refuses who may not look at break-glass access afterwards: whoever had a part in it, and whom
    /// policy does not let `Approve`.
    async fn check_looking(
        &self,
        asker: &Asker,
        instance: &crate::domain::Instance,
        grant: &Grant,
        reading: crate::app::subject::Reading,
    ) -> Result<(), AppError> {
        let not_there = || AppError::GrantNotFound {
            id: grant.id.to_string(),
        };
        let resource = self.grant_resource(asker, grant).await;
        let decision = asker
            .policy
            .decide(&asker.scene, Action::Approve, &resource);
        let is_seen = decision.is_allowed || self.may_see(asker, Action::ReadGrants, &resource);
        let permitted = self.permitted(asker, Action::Approve, &resource, decision);
        if !is_seen {
            return Err(not_there());
        }
        permitted?;
        check_own_word(asker, grant)?;
        let requesters = [&grant.requester];
        let interested = self.interested(instance, &grant.principal, &requesters, reading);
        let interested = interested.await?;
        let keys = self.keys_of_subject(asker, instance, reading).await?;
        if interested.has(&asker.subject, &keys) {
            return Err(AppError::SelfApproval);
        }
        Ok(())
    }

    fn looked_at(
        &self,
        asker: &Asker,
        grant: &Grant,
        request: &Cancel,
        finding: ReviewDecision,
    ) -> Result<Option<GrantDecision>, AppError> {
        let now = self.parts.clock.now();
        let kind = match finding {
            ReviewDecision::NotJustified => EventKind::BreakGlassNotJustified,
            _ => EventKind::BreakGlassJustified,
        };
        let review = Review {
            reviewer: asker.subject.clone(),
            caller: asker.caller.clone(),
            decision: finding,
            subject_proven: asker.scene.subject_proven,
            service: asker.scene.service.clone(),
            vouched_by: None,
            round: 0,
            digest: grant.digest(),
            reason: request.reason.clone(),
            at: now,
        };
        let (transition, actor) = (Transition::ReviewAfterwards, asker.actor());
        let mut decision = moved(grant, transition, &[kind], &actor, &[], now)?;
        decision.review = Some(review);
        Ok(Some(decision))
    }
}
