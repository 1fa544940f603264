//! Revoke: a grant ends, or an assignment goes with every grant on it. Taking access away asks
//! nobody and needs no name that AWS still knows: ids of what is deleted there are taken as given.

use jiff::Timestamp;

use super::assign::Preview;
use super::ending::Nothing;
use super::paths::RemainingPath;
use super::view::GrantView;
use super::wait::Waiter;
use super::{App, AppError, CallContext};
use crate::directory::{ApplicationQuery, PrincipalQuery};
use crate::domain::intent::{EndRequest, ending_keeps_assignment};
use crate::domain::{
    AssignmentKey, AssignmentRecord, DirectAssignment, Grant, GrantId, GrantState, Justification,
    Operation, PrincipalKind, RequestId, Standing, Target,
};
use crate::store::{GrantScope, RevokeOutcome as StoreOutcome};

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
        target: ApplicationQuery,
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
    /// Usher never touched it and has not read it.
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
    /// Before the commit only: `GrantNotFound`, `AssignmentNotFound`, `AccessViaGroup`, lookups,
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
        let mut waiter = self.waiter(context);
        let usage = request
            .request_id
            .as_ref()
            .map(|id| self.request_use(context, id, &request.content_hash));
        let end = EndRequest {
            caller: context.caller.clone(),
            subject: context.subject.clone(),
            reason: request.reason.clone(),
            now: self.parts.clock.now(),
        };
        match &request.revocation {
            Revocation::Grant(id) => {
                let grant = self.parts.store.grant(id).await?;
                let grant = grant.ok_or_else(|| AppError::GrantNotFound { id: id.to_string() })?;
                if request.validate_only {
                    return self
                        .preview_revoke(context, &grant.assignment_key(), Some(&grant))
                        .await;
                }
                self.refuse_if_read_only()?;
                let outcome = self
                    .parts
                    .store
                    .revoke_grant(id, usage.as_ref(), &end)
                    .await?;
                self.await_end(context, &mut waiter, &grant.assignment_key(), outcome)
                    .await
            }
            Revocation::Assignment { principal, target } => {
                let instance = self.instance(&request.instance)?;
                let key = self
                    .key_for_ending(instance, principal, target, context)
                    .await?;
                if request.validate_only {
                    self.check_something_to_remove(context, instance, &key)
                        .await?;
                    return self.preview_revoke(context, &key, None).await;
                }
                self.refuse_if_read_only()?;
                let repeated = match &usage {
                    Some(usage) => self.parts.store.find_request(usage).await?.is_some(),
                    None => false,
                };
                if !repeated
                    && self
                        .check_something_to_remove(context, instance, &key)
                        .await?
                        == Nothing::AlreadyRemoved
                {
                    return self.revoke_outcome(context, &key, Vec::new()).await;
                }
                let outcome = self
                    .parts
                    .store
                    .remove_assignment(&key, usage.as_ref(), &end)
                    .await?;
                self.await_end(context, &mut waiter, &key, outcome).await
            }
        }
    }

    fn refuse_if_read_only(&self) -> Result<(), AppError> {
        if self.may_write() {
            Ok(())
        } else {
            Err(AppError::ReadOnly)
        }
    }

    /// Waits until the grants are over and an explicit removal is done, or the time is up.
    async fn await_end(
        &self,
        context: &CallContext,
        waiter: &mut Waiter,
        key: &AssignmentKey,
        outcome: StoreOutcome,
    ) -> Result<RevokeOutcome, AppError> {
        let grants = match outcome {
            StoreOutcome::Ended { grants, .. } | StoreOutcome::Repeated { grants, .. } => grants,
            StoreOutcome::Reused => return Err(AppError::RequestIdReused),
            StoreOutcome::NotFound => {
                return Err(AppError::Internal(
                    "a grant vanished between two reads".to_owned(),
                ));
            }
        };
        let ids: Vec<GrantId> = grants.iter().map(|grant| grant.id.clone()).collect();
        waiter
            .until_some(&[], || async {
                let record = self.record(key).await.ok();
                let mut open = record.is_none_or(|record| record.removal.is_some());
                for id in &ids {
                    let grant = self.parts.store.grant(id).await.ok().flatten();
                    open |= grant.is_none_or(|grant| !grant.state.is_over());
                }
                Ok((!open).then_some(()))
            })
            .await?;
        let mut present = Vec::with_capacity(grants.len());
        for grant in grants {
            present.push(
                self.parts
                    .store
                    .grant(&grant.id)
                    .await
                    .ok()
                    .flatten()
                    .unwrap_or(grant),
            );
        }
        match self.revoke_outcome(context, key, present.clone()).await {
            Ok(outcome) => Ok(outcome),
            Err(error) => {
                // After the commit no error reaches the caller.
                tracing::error!(error = %error, "a recorded revocation is answered without its details");
                Ok(self.bare_outcome(key, present).await)
            }
        }
    }

    async fn bare_outcome(&self, key: &AssignmentKey, grants: Vec<Grant>) -> RevokeOutcome {
        let Target::Application(application) = &key.target;
        let mut views = Vec::with_capacity(grants.len());
        for grant in grants {
            views.push(self.grant_view_after_commit(grant).await);
        }
        RevokeOutcome {
            grants: views,
            assignment_state: AssignmentState::Unknown,
            remaining_paths: Vec::new(),
            remaining_paths_complete: false,
            sessions_may_last_until: self.sessions_outlive(self.parts.clock.now()),
            application_note: self.application_note(application),
            preview: None,
        }
    }

    pub(super) async fn record(&self, key: &AssignmentKey) -> Result<AssignmentRecord, AppError> {
        let records = self
            .parts
            .store
            .assignment_records(&key.instance_arn, &scope_of(key))
            .await?;
        Ok(records
            .into_iter()
            .next()
            .unwrap_or_else(|| AssignmentRecord::new(key.clone())))
    }

    async fn revoke_outcome(
        &self,
        context: &CallContext,
        key: &AssignmentKey,
        grants: Vec<Grant>,
    ) -> Result<RevokeOutcome, AppError> {
        let Target::Application(application) = &key.target;
        self.parts.directory.forget_assignments(&DirectAssignment {
            application: application.clone(),
            principal: key.principal.clone(),
        });
        let open = self
            .parts
            .store
            .open_grants(&key.instance_arn, &scope_of(key))
            .await?;
        let record = self.record(key).await?;
        let state = assignment_state(&record, &open);
        let (remaining_paths, complete) = self.remaining_paths(context, key, state, &open).await;
        let mut views = Vec::with_capacity(grants.len());
        for grant in grants {
            views.push(self.grant_view_after_commit(grant).await);
        }
        Ok(RevokeOutcome {
            grants: views,
            assignment_state: state,
            remaining_paths,
            remaining_paths_complete: complete,
            sessions_may_last_until: self.sessions_may_last_until(&record, state),
            application_note: self.application_note(application),
            preview: None,
        })
    }

    async fn remaining_paths(
        &self,
        context: &CallContext,
        key: &AssignmentKey,
        state: AssignmentState,
        open: &[Grant],
    ) -> (Vec<RemainingPath>, bool) {
        let Target::Application(application) = &key.target;
        let mut paths = Vec::new();
        if state == AssignmentState::Present {
            let live = open.iter().filter(|grant| grant.state.is_live());
            paths.push(RemainingPath::Direct(
                live.map(|grant| grant.id.clone()).collect(),
            ));
        }
        let instance = self
            .parts
            .instances
            .iter()
            .find(|instance| instance.arn == key.instance_arn);
        let Some(instance) = instance else {
            return (paths, false);
        };
        let (indirect, complete) = self
            .indirect_paths(instance, &key.principal, application, context)
            .await;
        paths.extend(indirect);
        (paths, complete && state != AssignmentState::Unknown)
    }

    async fn preview_revoke(
        &self,
        context: &CallContext,
        key: &AssignmentKey,
        grant: Option<&Grant>,
    ) -> Result<RevokeOutcome, AppError> {
        let open = self
            .parts
            .store
            .open_grants(&key.instance_arn, &scope_of(key))
            .await?;
        let record = self.record(key).await?;
        let others = open.iter().filter(|other| {
            other.state.is_live() && Some(&other.id) != grant.map(|grant| &grant.id)
        });
        let keeps = grant.is_some() && ending_keeps_assignment(&record, others.count());
        let operations = match (keeps, grant) {
            (true, _) => Vec::new(),
            (false, Some(grant)) if grant.state.is_over() => Vec::new(),
            (false, _) => vec![
                (Operation::DeleteApplicationAssignment, 1),
                (Operation::DescribeApplicationAssignment, 1),
            ],
        };
        let instance = self.instance(key.instance_arn.as_str())?;
        let people_count = match key.principal.kind {
            PrincipalKind::User => 1,
            PrincipalKind::Group => {
                let call = self.call(context);
                let members = self
                    .parts
                    .directory
                    .members_of_group(instance, &key.principal.id, self.default_max_age(), call)
                    .await;
                members.map_or(0, |members| members.value.len() as u64)
            }
        };
        let preview = Preview {
            people_count,
            estimated_duration: self.parts.port.estimate(&operations),
            operations,
            policies: self.parts.policy.decide_assign().policies,
            may_write: self.may_write(),
        };
        let ended: Vec<Grant> = match grant {
            Some(grant) => vec![grant.clone()],
            None => open.clone(),
        };
        let mut outcome = self.revoke_outcome(context, key, ended).await?;
        if !keeps {
            outcome
                .remaining_paths
                .retain(|path| !matches!(path, RemainingPath::Direct(_)));
            outcome.sessions_may_last_until = self.sessions_outlive(self.parts.clock.now());
        }
        outcome.preview = Some(preview);
        Ok(outcome)
    }
}

pub(super) fn scope_of(key: &AssignmentKey) -> GrantScope {
    let Target::Application(application) = &key.target;
    GrantScope::Assignment(key.principal.clone(), application.clone())
}

fn assignment_state(record: &AssignmentRecord, open: &[Grant]) -> AssignmentState {
    if open.iter().any(|grant| grant.state == GrantState::Active)
        || record.standing == Standing::Yes && record.removal.is_none()
    {
        AssignmentState::Present
    } else if record.removal.is_some()
        || open.iter().any(|grant| grant.state == GrantState::Revoking)
    {
        AssignmentState::Removing
    } else if record.removed_at.is_some() {
        AssignmentState::Absent
    } else {
        AssignmentState::Unknown
    }
}
