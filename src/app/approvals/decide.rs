//! Agreeing and objecting: one reviewer, one word on exactly what is shown.

use super::approvers::Interested;
use super::opening::Opening;
use super::record::{Tried, events, until_recorded};
use super::reviewer::{Reviewer, Said, said_before, said_beside};
use super::wish::Wish;
use crate::app::subject::Reading;
use crate::app::view::GrantView;
use crate::app::{App, AppError, CallContext};
use crate::domain::{
    Actor, EventKind, Grant, GrantId, GrantState, Instance, Justification, RequestId, Review,
    Transition,
};
use crate::store::{GrantDecision, RequestUse};

/// What a reviewer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecideKind {
    /// Agrees.
    Approve,
    /// Objects.
    Deny,
}

/// What a reviewer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decide {
    /// To agree or to object.
    pub kind: DecideKind,
    /// On what.
    pub grant_id: GrantId,
    /// The digest of what was looked at; empty only for an objection.
    pub digest: String,
    /// Why.
    pub reason: Justification,
    /// The person who said so to the calling service; empty when the reviewer calls itself.
    pub attested_approver: String,
    /// What makes the call safe to repeat.
    pub request_id: Option<RequestId>,
    /// A hash, in hex, of the method and of everything asked but the request id.
    pub content_hash: String,
}

impl App {
    /// Records what a reviewer says; the wish is carried out, or ended, where that decides it.
    ///
    /// # Errors
    /// Before the commit only: `GrantNotFound`, `SelfApproval`, `NotAnApprover`, `ApproverNotProven`, `DigestMismatch`,
    /// `StateForbids`, `PolicyDenied`, `ReadOnly`, `RequestIdReused`, lookups of the attested approver, what AWS and the
    /// store fail with.
    pub async fn decide_grant(
        &self,
        context: &CallContext,
        request: &Decide,
    ) -> Result<GrantView, AppError> {
        let context = &context.for_a_change();
        let usage = request
            .request_id
            .as_ref()
            .map(|id| self.request_use(context, id, &request.content_hash));
        if let Some(grant) = self.answered_before(context, usage.as_ref()).await? {
            return Ok(self.grant_view_after_commit(grant).await);
        }
        if request.kind == DecideKind::Approve && !self.may_write() {
            return Err(AppError::ReadOnly);
        }
        let decide = || self.try_deciding(context, request, usage.as_ref());
        let grant = self.once(usage.as_ref(), until_recorded(decide)).await?;
        Ok(self.grant_view_after_commit(grant).await)
    }

    async fn try_deciding(
        &self,
        context: &CallContext,
        request: &Decide,
        usage: Option<&RequestUse>,
    ) -> Result<Grant, Tried> {
        let id = &request.grant_id;
        let not_there = || AppError::GrantNotFound { id: id.to_string() };
        let (grant, instance, asker) = self.grant_to_change(context, id).await?;
        let reading = self.fresh(context);
        if !self
            .may_review_or_see(&asker, &instance, &grant, reading)
            .await?
        {
            return Err(not_there().into());
        }
        let reviewer = self
            .reviewer_of(&asker, &instance, request, &grant, reading)
            .await?;
        let reviews = self.reviews_of(&grant).await?;
        let said = said_before(&reviewer, &grant, request, &reviews)?;
        if said == Said::Same {
            return Ok(self.as_it_is(id).await?);
        }
        let reviews = said_beside(&reviewer, &grant, &reviews);
        let wish = Wish::of(&grant).filter(|_| grant.open_wish().is_some());
        let wish = wish.ok_or(AppError::StateForbids { state: grant.state })?;
        let interested = self.interested_in(&instance, &wish, reading).await?;
        let of = (reviews.as_slice(), &interested);
        let paths = self.paths_asked(&asker.policy, &instance, &wish, reading);
        let paths = paths.await?;
        let asked = wish.with_paths(&paths);
        let approver = self.check_reviewer(&reviewer, &instance, &asked, of, request.kind, reading);
        match approver.await {
            // Its earlier word stands: more proof of it helps nobody.
            Err(AppError::NotAnApprover) if said == Said::WithLessProof => {
                return Ok(self.as_it_is(id).await?);
            }
            checked => checked?,
        }
        if request.digest != wish.digest()
            && !(request.kind == DecideKind::Deny && request.digest.is_empty())
        {
            return Err(AppError::DigestMismatch {
                digest: wish.digest(),
            }
            .into());
        }
        let decision = self
            .decision(&reviewer, &instance, &wish, of, request, reading)
            .await?;
        self.record_decision(decision, usage).await
    }

    /// A grant by its id: a word may have been recorded after it was read.
    async fn as_it_is(&self, id: &GrantId) -> Result<Grant, AppError> {
        let grant = self.parts.store.grant(id).await?;
        grant.ok_or_else(|| AppError::GrantNotFound { id: id.to_string() })
    }

    /// Everybody who is out for a wish: who asked for it, and who asked for what it is about.
    pub(super) async fn interested_in(
        &self,
        instance: &Instance,
        wish: &Wish<'_>,
        reading: Reading,
    ) -> Result<Interested, AppError> {
        let requesters = [wish.requester, &wish.grant.requester];
        let beneficiary = &wish.grant.principal;
        self.interested(instance, beneficiary, &requesters, reading)
            .await
    }

    /// What the reviewer's word makes of the grant.
    async fn decision(
        &self,
        reviewer: &Reviewer,
        instance: &Instance,
        wish: &Wish<'_>,
        (reviews, interested): (&[Review], &Interested),
        request: &Decide,
        reading: Reading,
    ) -> Result<GrantDecision, AppError> {
        let now = self.parts.clock.now();
        let review = reviewer.says(request, wish.round, wish.digest(), now);
        let (transition, mut kinds, policies) = if request.kind == DecideKind::Deny {
            let (transition, kind) = objection(wish, &review);
            (transition, vec![kind], Vec::new())
        } else {
            let mut all = reviews.to_vec();
            all.push(review.clone());
            let policy = &reviewer.asker.policy;
            let of = (all.as_slice(), interested);
            match self.opening(policy, instance, wish, of, reading).await? {
                Opening::Shut(_) => (Transition::Review, vec![], Vec::new()),
                Opening::Opens {
                    policies,
                    policy_version,
                } => {
                    let (transition, kind) = carried_out(wish, policies.clone(), policy_version);
                    (transition, vec![kind], policies)
                }
            }
        };
        if review.is_approval() {
            kinds.insert(0, EventKind::Approved);
        }
        let state = wish.grant.state;
        let grant = wish.grant.apply(transition, now);
        let grant = grant.map_err(|_| AppError::StateForbids { state })?;
        let actor = Actor::Caller {
            caller: review.caller.clone(),
            subject: review.reviewer.clone(),
        };
        let digest = wish.digest();
        Ok(GrantDecision {
            events: events(&grant, &kinds, &actor, &digest, &policies, now),
            grant,
            review: Some(review),
            now,
        })
    }

    /// How facts behind a decision are read: as fresh as behind every change.
    pub(super) fn fresh(&self, context: &CallContext) -> Reading {
        Reading {
            max_age: self.default_max_age().min(crate::app::asker::FRESH),
            call: self.call(context),
        }
    }
}

/// What an objection does: it ends what has not begun, and leaves the end of what has.
fn objection(wish: &Wish<'_>, review: &Review) -> (Transition, EventKind) {
    if wish.round > 0 {
        return (Transition::DropExtension, EventKind::ExtensionDenied);
    }
    let deny = Transition::Deny {
        by: Some(review.reviewer.clone()),
        reason: review.reason.clone(),
    };
    (deny, EventKind::Denied)
}

/// What opens a wish.
pub(super) fn carried_out(
    wish: &Wish<'_>,
    policies: Vec<String>,
    policy_version: String,
) -> (Transition, EventKind) {
    if wish.round > 0 {
        let extend = Transition::Extend {
            policies,
            policy_version,
        };
        return (extend, EventKind::Extended);
    }
    if wish.grant.adoption.is_some() {
        let adopt = Transition::Adopt {
            policies,
            policy_version,
        };
        return (adopt, EventKind::Adopted);
    }
    if wish.grant.state == GrantState::Scheduled {
        let start = Transition::Start {
            policies,
            policy_version,
        };
        return (start, EventKind::Started);
    }
    let open = Transition::Open {
        policies,
        policy_version,
    };
    (open, EventKind::Opened)
}
