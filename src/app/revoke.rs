//! Revoke: a grant ends, or an assignment goes with every grant on it. Taking access away asks
//! nobody and needs no name that AWS still knows: ids of what is deleted there are taken as given.

use jiff::Timestamp;

use super::asker::{Asker, Purpose};
use super::assign::Preview;
use super::ending::Nothing;
use super::paths::RemainingPath;
use super::revoked::scope_of;
use super::view::GrantView;
use super::{App, AppError, CallContext};
use crate::directory::{PrincipalQuery, TargetQuery};
use crate::domain::intent::EndRequest;
use crate::domain::{AssignmentKey, Grant, GrantId, Justification, RequestId};
use crate::policy::Action;
use crate::store::{RequestUse, RevokeOutcome as StoreOutcome};

/// What to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revocation {
    /// One grant.
    Grant(GrantId),
    /// An assignment, whoever made it.
    Assignment {
        /// Who has it.
        principal: PrincipalQuery,
        /// What it is of.
        target: TargetQuery,
    },
}

/// What a caller asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoke {
    /// Instance ARN or alias; empty for the only one.
    pub instance: String,
    /// What to end.
    pub revocation: Revocation,
    /// Why.
    pub reason: Justification,
    /// What makes the call safe to repeat.
    pub request_id: Option<RequestId>,
    /// A hash, in hex, of the method and of everything asked but the request id.
    pub content_hash: String,
    /// Only tell what would happen.
    pub validate_only: bool,
}

/// Whether an assignment is in AWS, as far as Usher knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssignmentState {
    /// No read of this removal tells, or a grant that is not over yet is making it again.
    Unknown,
    /// It stands and stays.
    Present,
    /// It is being removed.
    Removing,
    /// It was read to be gone.
    Absent,
}

/// What a caller hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokeOutcome {
    /// The grants ended, in their present state.
    pub grants: Vec<GrantView>,
    /// Whether the assignment is still there.
    pub assignment_state: AssignmentState,
    /// Ways in that are left.
    pub remaining_paths: Vec<RemainingPath>,
    /// Whether these are all.
    pub remaining_paths_complete: bool,
    /// Until when sessions that were open may last.
    pub sessions_may_last_until: Option<Timestamp>,
    /// What is to be done inside the application.
    pub application_note: String,
    /// What would happen; only with `validate_only`.
    pub preview: Option<Preview>,
}

impl App {
    /// Ends a grant or removes an assignment, or tells what that would mean.
    ///
    /// # Errors
    /// Before the commit only: `PolicyDenied`, `GrantNotFound`, `AssignmentNotFound`, `AccessViaGroup`, lookups,
    /// `AccountAccessNotOffered`, `AccountOutOfReach`,
    /// `ReadOnly`, `RequestIdReused`, `StoreUnavailable`, and AWS errors where the assignment must
    /// be looked at first. After it, the answer is the state reached.
    ///
    /// # Cancellation
    /// As for `assign`.
    pub async fn revoke(
        &self,
        context: &CallContext,
        request: &Revoke,
    ) -> Result<RevokeOutcome, AppError> {
        if request.validate_only {
            return self.validate_revoke(context, request).await;
        }
        let context = &context.for_a_change();
        let usage = request
            .request_id
            .as_ref()
            .map(|id| self.request_use(context, id, &request.content_hash));
        // First of all: what is remembered needs no name that AWS still knows.
        if let Some(usage) = &usage
            && let Some(repeated) = self.repeated_revoke(context, request, usage).await?
        {
            return Ok(repeated);
        }
        match self.first_revoke(context, request, usage.as_ref()).await {
            Ok(outcome) => Ok(outcome),
            Err(refusal) => {
                // A twin of this call may have committed since: then its outcome is the answer.
                let twin = match &usage {
                    Some(usage) => self.repeated_revoke(context, request, usage).await,
                    None => Ok(None),
                };
                twin.ok().flatten().ok_or(refusal)
            }
        }
    }

    /// The answer to a request id that was used before, also while the first call is in flight.
    async fn repeated_revoke(
        &self,
        context: &CallContext,
        request: &Revoke,
        usage: &RequestUse,
    ) -> Result<Option<RevokeOutcome>, AppError> {
        let mut waiter = self.waiter(context);
        let (key, grants) = match self.parts.store.find_revocation(usage).await? {
            None => return Ok(None),
            Some(StoreOutcome::Repeated { grants, record }) => {
                let first = grants.first().map(Grant::assignment_key);
                (record.map(|record| record.key).or(first), grants)
            }
            Some(outcome) => {
                return self.await_end(&mut waiter, outcome, None).await.map(Some);
            }
        };
        let key = key.ok_or_else(|| {
            AppError::Internal("a remembered Revoke names no assignment".to_owned())
        })?;
        let asker = self.check_repeated_end(context, request, &key, &grants);
        let asker = asker.await?;
        let record = Some(self.record(&key).await?);
        let outcome = StoreOutcome::Repeated { grants, record };
        let outcome = self.await_end(&mut waiter, outcome, None).await?;
        Ok(Some(self.shown(&asker, request, outcome).await))
    }

    /// Refuses the answer of a repeat to who may neither end nor see any more what it ended.
    async fn check_repeated_end(
        &self,
        context: &CallContext,
        request: &Revoke,
        key: &AssignmentKey,
        grants: &[Grant],
    ) -> Result<Asker, AppError> {
        let served = self.parts.instances.get(&key.instance_arn);
        let asking = self.asker(context, served.as_deref(), Purpose::Read);
        let asker = asking.await?;
        let (resource, reading, not_there) = match &request.revocation {
            Revocation::Grant(id) => {
                let not_there = AppError::GrantNotFound { id: id.to_string() };
                let Some(grant) = grants.first() else {
                    return Err(not_there);
                };
                let resource = self.grant_resource(&asker, grant).await;
                (resource, Action::ReadGrants, not_there)
            }
            Revocation::Assignment { principal, target } => {
                let not_there = AppError::AssignmentNotFound {
                    principal: principal.to_string(),
                    target: target.to_string(),
                };
                let who = self.named_principal(&key.instance_arn, &key.principal);
                let (who, what) = (who.await, self.named_target(&key.target).await);
                let resource = self.assignment_resource(&asker, &key.instance_arn, &who, &what);
                (resource, Action::ReadAssignments, not_there)
            }
        };
        let may = |action| self.may_see(&asker, action, &resource);
        if may(Action::Revoke) || may(reading) {
            Ok(asker)
        } else {
            Err(not_there)
        }
    }

    /// What an assignment was revoked with, without those grants that the subject may not see. Of a
    /// grant that it named itself, it is told.
    async fn shown(
        &self,
        asker: &Asker,
        request: &Revoke,
        mut outcome: RevokeOutcome,
    ) -> RevokeOutcome {
        if matches!(request.revocation, Revocation::Grant(_)) {
            return outcome;
        }
        for view in std::mem::take(&mut outcome.grants) {
            let resource = self.grant_resource(asker, &view.grant).await;
            if self.may_see(asker, Action::ReadGrants, &resource) {
                outcome.grants.push(view);
            }
        }
        outcome
    }

    /// Refuses to end the grants on an assignment where policy keeps one of them.
    async fn check_ending_grants(
        &self,
        asker: &Asker,
        key: &AssignmentKey,
    ) -> Result<(), AppError> {
        let store = &self.parts.store;
        let scope = scope_of(key);
        let mut ending = store.open_grants(&key.instance_arn, &scope).await?;
        ending.retain(|grant| grant.state.is_live());
        // What waits on it goes with it.
        ending.extend(store.waiting_grants(&key.instance_arn, &scope).await?);
        for grant in &ending {
            let resource = self.grant_resource(asker, grant).await;
            let decision = asker.policy.decide(&asker.scene, Action::Revoke, &resource);
            self.permitted(asker, Action::Revoke, &resource, decision)?;
        }
        Ok(())
    }

    async fn first_revoke(
        &self,
        context: &CallContext,
        request: &Revoke,
        usage: Option<&RequestUse>,
    ) -> Result<RevokeOutcome, AppError> {
        let mut waiter = self.waiter(context);
        let end = |asker: &Asker| EndRequest {
            caller: context.caller.clone(),
            subject: asker.subject.clone(),
            reason: request.reason.clone(),
            now: self.parts.clock.now(),
        };
        let store = &self.parts.store;
        let (asker, (outcome, since)) = match &request.revocation {
            Revocation::Grant(id) => {
                let (grant, asker) = self.grant_to_end(context, request, id).await?;
                self.refuse_if_read_only()?;
                let end = end(&asker);
                let outcome = store.revoke_grant(&grant.id, usage, &end).await?;
                (asker, (outcome, None))
            }
            Revocation::Assignment { principal, target } => {
                let (key, asker) = self
                    .assignment_to_end(context, request, principal, target)
                    .await?;
                self.refuse_if_read_only()?;
                let end = end(&asker);
                let outcome = match self.check_something_to_remove(context, &key).await? {
                    Nothing::ToSay => {
                        let outcome = store.remove_assignment(&key, usage, &end).await?;
                        (outcome, Some(end.now))
                    }
                    // Read to be gone just now. The request id is remembered all the same: a
                    // repeat must not remove what somebody is given in between.
                    Nothing::AlreadyRemoved => match usage {
                        Some(usage) => (store.remember_removal(&key, usage).await?, None),
                        None => {
                            let record = self.record(&key).await?;
                            let grants = Vec::new();
                            (StoreOutcome::Ended { grants, record }, None)
                        }
                    },
                };
                (asker, outcome)
            }
        };
        let outcome = self.await_end(&mut waiter, outcome, since).await?;
        Ok(self.shown(&asker, request, outcome).await)
    }

    async fn validate_revoke(
        &self,
        context: &CallContext,
        request: &Revoke,
    ) -> Result<RevokeOutcome, AppError> {
        match &request.revocation {
            Revocation::Grant(id) => {
                let (grant, _) = self.grant_to_end(context, request, id).await?;
                self.preview_revoke(context, &grant.assignment_key(), Some(&grant))
                    .await
            }
            Revocation::Assignment { principal, target } => {
                let (key, asker) = self
                    .assignment_to_end(context, request, principal, target)
                    .await?;
                self.check_something_to_remove(context, &key).await?;
                let outcome = self.preview_revoke(context, &key, None).await?;
                Ok(self.shown(&asker, request, outcome).await)
            }
        }
    }

    /// The grant that a caller wants ended, and for whom; one of another instance than the request
    /// names is not there, and neither is one that may not be seen.
    async fn grant_to_end(
        &self,
        context: &CallContext,
        request: &Revoke,
        id: &GrantId,
    ) -> Result<(Grant, Asker), AppError> {
        let instance = match request.instance.as_str() {
            "" => None,
            wanted => Some(self.instance(wanted)?),
        };
        let grant = self.parts.store.grant(id).await?;
        let not_there = || AppError::GrantNotFound { id: id.to_string() };
        let grant = grant
            .filter(|grant| instance.is_none_or(|instance| instance.arn == grant.instance_arn))
            .ok_or_else(not_there)?;
        let served = self.parts.instances.get(&grant.instance_arn);
        let asker = self.asker(context, served.as_deref(), Purpose::End);
        let asker = asker.await.map_err(|error| error.hides(not_there))?;
        let resource = self.grant_resource(&asker, &grant).await;
        self.check_ending(&asker, &resource, Action::ReadGrants, not_there)?;
        Ok((grant, asker))
    }

    async fn assignment_to_end(
        &self,
        context: &CallContext,
        request: &Revoke,
        principal: &PrincipalQuery,
        target: &TargetQuery,
    ) -> Result<(AssignmentKey, Asker), AppError> {
        let instance = &*self.instance_for(&request.instance, Some(target))?;
        let asker = self.asker(context, Some(instance), Purpose::End).await?;
        let not_there = || AppError::AssignmentNotFound {
            principal: principal.to_string(),
            target: target.to_string(),
        };
        let key = self.key_for_ending(instance, principal, target, context);
        let key = key.await;
        let key = key.map_err(|refusal| self.veiled(&asker, instance, refusal, not_there))?;
        let who = self.named_principal(&instance.arn, &key.principal).await;
        let what = self.named_target(&key.target).await;
        let resource = self.assignment_resource(&asker, &instance.arn, &who, &what);
        self.check_ending(&asker, &resource, Action::ReadAssignments, not_there)?;
        self.check_ending_grants(&asker, &key).await?;
        Ok((key, asker))
    }

    fn refuse_if_read_only(&self) -> Result<(), AppError> {
        if self.may_write() {
            Ok(())
        } else {
            Err(AppError::ReadOnly)
        }
    }
}
