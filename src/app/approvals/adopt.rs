//! Adoption: an assignment that stands without a grant gets an owner, a reason and an end. Nothing
//! changes in AWS at that moment; a release undoes it in the same way.

use jiff::SignedDuration;

use super::path::denied_without_a_word;
use super::record::{Tried, events, until_recorded};
use crate::app::asker::Asker;
use crate::app::permission::instance_resource;
use crate::app::revoked::scope_of;
use crate::app::view::GrantView;
use crate::app::{App, AppError, Assign, CallContext};
use crate::directory::{PrincipalQuery, TargetQuery};
use crate::domain::{
    Adoption, AssignmentKey, DirectAssignment, EventKind, Grant, GrantId, GrantState,
    Justification, Path, PrincipalStatus, RequestId, Standing, Ticket, Transition, intent,
};
use crate::policy::{Action, Resource};
use crate::store::{GrantDecision, GrantRequest, RequestOutcome, StoreError};

/// What a caller wants to take over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopt {
    /// Instance ARN or alias; empty for the only one.
    pub instance: String,
    /// Each assignment.
    pub rows: Vec<AdoptRow>,
    /// Only tell what would happen.
    pub validate_only: bool,
}

/// One assignment to take over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdoptRow {
    /// Who has it.
    pub principal: PrincipalQuery,
    /// What it is of.
    pub target: TargetQuery,
    /// Who answers for it from now on: a user's name, email address or id; empty for nobody.
    pub owner: String,
    /// How long from now; none means no end.
    pub duration: Option<SignedDuration>,
    /// Why it stands.
    pub justification: Justification,
    /// The ticket.
    pub ticket: Ticket,
    /// What makes it safe to repeat: the call's own, with the row's place.
    pub request_id: Option<RequestId>,
    /// A hash, in hex, of the method and of everything the row says.
    pub content_hash: String,
}

/// What became of a row.
#[derive(Debug)]
pub enum AdoptedRow {
    /// A grant holds it, or waits for somebody to agree.
    Recorded(Box<GrantView>),
    /// What would be; with `validate_only`. Whether it would be taken over at once, and the paths.
    WouldBe(bool, Vec<Path>),
    /// It stays as it is.
    Refused(AppError),
}

impl App {
    /// Takes assignments over, each by itself: one that is refused keeps no other from it.
    pub async fn adopt_assignments(
        &self,
        context: &CallContext,
        request: &Adopt,
    ) -> Vec<AdoptedRow> {
        // A question is none, also about a change.
        let context = &match request.validate_only {
            true => context.clone(),
            false => context.for_a_change(),
        };
        let mut outcomes = Vec::with_capacity(request.rows.len());
        for row in &request.rows {
            let outcome = self.adopt_row(context, request, row).await;
            outcomes.push(outcome.unwrap_or_else(AdoptedRow::Refused));
        }
        outcomes
    }

    async fn adopt_row(
        &self,
        context: &CallContext,
        request: &Adopt,
        row: &AdoptRow,
    ) -> Result<AdoptedRow, AppError> {
        let usage = row
            .request_id
            .as_ref()
            .filter(|_| !request.validate_only)
            .map(|id| self.request_use(context, id, &row.content_hash));
        if let Some(grant) = self.answered_before(context, usage.as_ref()).await? {
            return Ok(self.adopted(grant).await);
        }
        if !request.validate_only && !self.may_write() {
            // Nothing would change in AWS now, but its end would.
            return Err(AppError::ReadOnly);
        }
        let mut wish = as_wish(request, row);
        let (found, asker, path) = self.way_for(context, &wish).await?;
        let key = AssignmentKey {
            instance_arn: found.instance.arn.clone(),
            principal: found.principal.reference(),
            target: found.target.target(),
        };
        self.check_taking_over(&asker, row, &key).await?;
        self.check_not_frozen(&found.instance).await?;
        let adoption = self.adoption(context, row, &found.instance).await;
        let adoption = adoption.map_err(|refusal| {
            self.veiled(&asker, &found.instance, refusal, || {
                denied_without_a_word(&asker)
            })
        });
        wish.adoption = Some(adoption?);
        let grant = self.new_grant(context, &wish, &found, &asker, &path)?;
        self.who_can_agree(context, &found, &grant).await?;
        let adoptable = self.check_adoptable(context, &key, path.opens);
        if let Err(refusal) = adoptable.await {
            // A twin of this call may hold it by now.
            let grant = self.twin_or(usage.as_ref(), refusal).await?;
            return Ok(self.adopted(grant).await);
        }
        let external = self.external_owner(&found.instance, &key.principal, &key.target);
        if let Some(owner) = external.await {
            return Err(AppError::ExternallyOwned { owner });
        }
        if request.validate_only {
            return Ok(AdoptedRow::WouldBe(path.opens, path.paths));
        }
        let recorded = GrantRequest {
            grant,
            request: usage,
        };
        let grant = match self.parts.store.record_grant(recorded).await {
            Ok(RequestOutcome::Recorded(grant) | RequestOutcome::Repeated(grant)) => grant,
            Ok(RequestOutcome::Reused) => return Err(AppError::RequestIdReused),
            Err(StoreError::Stale) => {
                // Somebody was faster: by now a look tells why.
                self.check_not_frozen(&found.instance).await?;
                self.check_adoptable(context, &key, path.opens).await?;
                let state = GrantState::Revoking;
                return Err(AppError::StateForbids { state });
            }
            Err(error) => return Err(error.into()),
        };
        Ok(self.adopted(grant).await)
    }

    async fn adopted(&self, grant: Grant) -> AdoptedRow {
        AdoptedRow::Recorded(Box::new(self.grant_view_after_commit(grant).await))
    }

    async fn adoption(
        &self,
        context: &CallContext,
        row: &AdoptRow,
        instance: &crate::domain::Instance,
    ) -> Result<Adoption, AppError> {
        let owner = if row.owner.is_empty() {
            None
        } else {
            let query = PrincipalQuery::User(row.owner.clone());
            let (max_age, call) = (self.default_max_age(), self.call(context));
            let directory = &self.parts.directory;
            let found = directory.find_principal(instance, &query, max_age, call);
            let owner = found.await?.value;
            if owner.status() == PrincipalStatus::Disabled {
                return Err(AppError::PrincipalDisabled {
                    user_id: owner.reference().id.to_string(),
                });
            }
            Some(owner.reference().id)
        };
        Ok(Adoption {
            standing_before: Standing::Unknown,
            owner,
        })
    }

    /// Refuses to give an end to what the subject may not end: who may ask for access may not by that
    /// take it from those who have it.
    async fn check_taking_over(
        &self,
        asker: &Asker,
        row: &AdoptRow,
        key: &AssignmentKey,
    ) -> Result<(), AppError> {
        let resource = self.resource_to_take_over(asker, key).await;
        let not_there = || AppError::AssignmentNotFound {
            principal: row.principal.to_string(),
            target: row.target.to_string(),
        };
        self.check_ending(asker, &resource, Action::ReadAssignments, not_there)
    }

    pub(super) async fn resource_to_take_over(
        &self,
        asker: &Asker,
        key: &AssignmentKey,
    ) -> Resource {
        let who = self
            .named_principal(&key.instance_arn, &key.principal)
            .await;
        let what = self.named_target(&key.target).await;
        self.assignment_resource(asker, &key.instance_arn, &who, &what)
    }

    /// Refuses what is not there, and what a grant holds already.
    async fn check_adoptable(
        &self,
        context: &CallContext,
        key: &AssignmentKey,
        opens: bool,
    ) -> Result<(), AppError> {
        if let Some(state) = self.held_as(key).await? {
            return Err(AppError::StateForbids { state });
        }
        if !opens {
            self.check_nobody_is_asked(key).await?;
        }
        if self.is_there(key, self.call(context)).await? {
            return Ok(());
        }
        Err(AppError::AssignmentNotFound {
            principal: key.principal.id.to_string(),
            target: key.target.key().into_owned(),
        })
    }

    /// Refuses to ask people for what they are asked for already.
    async fn check_nobody_is_asked(&self, key: &AssignmentKey) -> Result<(), AppError> {
        let scope = scope_of(key);
        let store = &self.parts.store;
        let waiting = store.waiting_grants(&key.instance_arn, &scope).await?;
        match waiting.iter().find(|grant| grant.adoption.is_some()) {
            Some(grant) => Err(AppError::StateForbids { state: grant.state }),
            None => Ok(()),
        }
    }

    /// What keeps an assignment from being taken over, by what is recorded now: a first look, which the
    /// store repeats where it records.
    pub(super) async fn held_as(
        &self,
        key: &AssignmentKey,
    ) -> Result<Option<GrantState>, AppError> {
        let record = self.record(key).await?;
        let scope = scope_of(key);
        let store = &self.parts.store;
        let open = store.open_grants(&key.instance_arn, &scope).await?;
        Ok(intent::held_as(&record, &open))
    }

    /// Whether an assignment is in AWS, read now.
    pub(super) async fn is_there(
        &self,
        key: &AssignmentKey,
        call: crate::identity_center::Call,
    ) -> Result<bool, AppError> {
        let assignment = DirectAssignment {
            target: key.target.clone(),
            principal: key.principal.clone(),
        };
        Ok(self
            .parts
            .port
            .assignment_is_present(&assignment, call)
            .await?)
    }

    /// Leaves adopted assignments to themselves again, for those who may `Operate`: what had an end
    /// has none then.
    pub async fn release_grants(
        &self,
        context: &CallContext,
        ids: &[GrantId],
        reason: &Justification,
    ) -> Vec<Result<GrantView, AppError>> {
        let mut outcomes = Vec::with_capacity(ids.len());
        for id in ids {
            outcomes.push(self.release_grant(context, id, reason).await);
        }
        outcomes
    }

    async fn release_grant(
        &self,
        context: &CallContext,
        id: &GrantId,
        reason: &Justification,
    ) -> Result<GrantView, AppError> {
        let grant = until_recorded(|| self.try_releasing(context, id, reason)).await?;
        Ok(self.grant_view_after_commit(grant).await)
    }

    async fn try_releasing(
        &self,
        context: &CallContext,
        id: &GrantId,
        reason: &Justification,
    ) -> Result<Grant, Tried> {
        let not_there = || AppError::GrantNotFound { id: id.to_string() };
        let (grant, instance, asker) = self.grant_to_change(context, id).await?;
        let resource = instance_resource(&instance);
        let decision = asker
            .policy
            .decide(&asker.scene, Action::Operate, &resource);
        let of = self.grant_resource(&asker, &grant).await;
        let is_seen = decision.is_allowed || self.may_see(&asker, Action::ReadGrants, &of);
        let permitted = self.permitted(&asker, Action::Operate, &resource, decision);
        if !is_seen {
            return Err(not_there().into());
        }
        permitted?;
        let (now, state) = (self.parts.clock.now(), grant.state);
        let release = Transition::Release {
            by: asker.subject.clone(),
            reason: reason.clone(),
        };
        let next = grant.apply(release, now);
        let next = next.map_err(|_| AppError::StateForbids { state })?;
        let actor = asker.actor();
        let decision = GrantDecision {
            events: events(
                &next,
                &[EventKind::Released],
                &actor,
                &grant.digest(),
                &[],
                now,
            ),
            grant: next,
            review: None,
            now,
        };
        self.record_decision(decision, None).await
    }
}

/// A row as a wish of its own.
fn as_wish(request: &Adopt, row: &AdoptRow) -> Assign {
    Assign {
        instance: request.instance.clone(),
        principal: row.principal.clone(),
        target: row.target.clone(),
        start_at: None,
        duration: row.duration,
        break_glass: false,
        adoption: Some(Adoption {
            standing_before: Standing::Unknown,
            owner: None,
        }),
        justification: row.justification.clone(),
        ticket: row.ticket.clone(),
        request_id: row.request_id.clone(),
        content_hash: row.content_hash.clone(),
        validate_only: request.validate_only,
    }
}
