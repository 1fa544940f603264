//! What a revocation has reached: awaited, put together and told. After the commit nothing here
//! fails: what cannot be read in time is told as not known.

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::assign::Preview;
use super::cost::operations_of_removing;
use super::paths::RemainingPath;
use super::revoke::{AssignmentState, RevokeOutcome};
use super::wait::Waiter;
use super::{App, AppError, CallContext, TargetKind};
use crate::domain::intent::ending_keeps_assignment;
use crate::domain::{
    AssignmentKey, AssignmentRecord, DirectAssignment, ErrorKind, Grant, GrantId, GrantState,
    PrincipalKind, Standing, Target,
};
use crate::identity_center::Class;
use crate::store::{GrantScope, RevokeOutcome as StoreOutcome};

/// What the store says of an assignment.
struct Known {
    record: AssignmentRecord,
    /// The grants on it that are not over.
    open: Vec<Grant>,
}

impl App {
    /// Waits until the grants are over and an explicit removal is done, or the time is up. An
    /// absence counts only if it was read at `since` or later, and after the grants' ends.
    pub(super) async fn await_end(
        &self,
        waiter: &mut Waiter,
        outcome: StoreOutcome,
        since: Option<Timestamp>,
    ) -> Result<RevokeOutcome, AppError> {
        let (grants, record) = match outcome {
            StoreOutcome::Ended { grants, record } => (grants, Some(record)),
            StoreOutcome::Repeated { grants, record } => (grants, record),
            StoreOutcome::Reused => return Err(AppError::RequestIdReused),
            StoreOutcome::NotFound => {
                return Err(AppError::Internal(
                    "a grant vanished between two reads".to_owned(),
                ));
            }
        };
        let key = match (&record, grants.first()) {
            (Some(record), _) => record.key.clone(),
            (None, Some(grant)) => grant.assignment_key(),
            (None, None) => {
                return Err(AppError::Internal(
                    "a remembered Revoke names no assignment".to_owned(),
                ));
            }
        };
        let ids: Vec<GrantId> = grants.iter().map(|grant| grant.id.clone()).collect();
        waiter
            .until_some(&ids, || async {
                let record = self.record(&key).await.ok()?;
                let mut open = record.removal.is_some();
                for id in &ids {
                    open |= !self.parts.store.grant(id).await.ok()??.state.is_over();
                }
                (!open).then_some(())
            })
            .await;
        self.forget_cached_assignment(&key);
        let mut present = Vec::with_capacity(grants.len());
        for grant in grants {
            let now = self.parts.store.grant(&grant.id).await.ok().flatten();
            present.push(now.unwrap_or(grant));
        }
        let known = match self.known_of(&key).await {
            Ok(known) => Some(known),
            Err(error) => {
                // After the commit no error reaches the caller.
                tracing::error!(error = %error, "a recorded revocation is answered without its details");
                None
            }
        };
        let until = waiter.until();
        Ok(self
            .revoke_outcome(&key, known.as_ref(), present, since, until)
            .await)
    }

    /// What would happen, and how things are now.
    pub(super) async fn preview_revoke(
        &self,
        context: &CallContext,
        key: &AssignmentKey,
        grant: Option<&Grant>,
    ) -> Result<RevokeOutcome, AppError> {
        let known = self.known_of(key).await?;
        let is_asked = |id: &GrantId| grant.is_some_and(|grant| grant.id == *id);
        let others = known
            .open
            .iter()
            .filter(|other| other.state.is_live() && !is_asked(&other.id));
        // What waits has nothing in AWS that could go.
        let keeps = grant.is_some_and(|grant| {
            grant.state.is_waiting() || ending_keeps_assignment(&known.record, others.count())
        });
        let operations = match (keeps, grant) {
            (true, _) => Vec::new(),
            (false, Some(grant)) if grant.state.is_over() => Vec::new(),
            (false, _) => operations_of_removing(TargetKind::of(&key.target)),
        };
        let preview = Preview {
            people_count: self.people_of(context, key).await?,
            estimated_duration: (self.parts.port).estimate(
                &key.instance_arn,
                &operations,
                Class::Grant,
            ),
            operations,
            // Taking access away asks no policy.
            policies: Vec::new(),
            paths: Vec::new(),
            who_may_agree: Vec::new(),
            may_write: self.may_write(),
        };
        let ended: Vec<Grant> = match grant {
            Some(grant) => vec![grant.clone()],
            None => {
                let (store, scope) = (&self.parts.store, scope_of(key));
                let waiting = store.waiting_grants(&key.instance_arn, &scope).await?;
                known.open.iter().cloned().chain(waiting).collect()
            }
        };
        let until = self.answer_by(context);
        let mut outcome = self
            .revoke_outcome(key, Some(&known), ended, None, until)
            .await;
        if keeps {
            for path in &mut outcome.remaining_paths {
                if let RemainingPath::Direct(ids) = path {
                    ids.retain(|id| !is_asked(id));
                }
            }
        } else {
            outcome
                .remaining_paths
                .retain(|path| !matches!(path, RemainingPath::Direct(_)));
            let now = self.parts.clock.now();
            outcome.sessions_may_last_until = self.sessions_outlive(&key.target, now);
        }
        outcome.preview = Some(preview);
        Ok(outcome)
    }

    /// How many people lose the access: nobody, if the group is gone.
    async fn people_of(&self, context: &CallContext, key: &AssignmentKey) -> Result<u64, AppError> {
        if key.principal.kind == PrincipalKind::User {
            return Ok(1);
        }
        let instance = &*self.instance(key.instance_arn.as_str())?;
        let (call, max_age) = (self.call(context), self.default_max_age());
        let members = self
            .parts
            .directory
            .members_of_group(instance, &key.principal.id, max_age, call)
            .await;
        match members {
            Ok(members) => Ok(members.value.len() as u64),
            Err(failure) if failure.kind == ErrorKind::NotFound => Ok(0),
            Err(failure) => Err(failure.into()),
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

    async fn known_of(&self, key: &AssignmentKey) -> Result<Known, AppError> {
        let store = &self.parts.store;
        let open = store.open_grants(&key.instance_arn, &scope_of(key)).await?;
        let record = self.record(key).await?;
        Ok(Known { record, open })
    }

    fn forget_cached_assignment(&self, key: &AssignmentKey) {
        self.parts.directory.forget_assignments(&DirectAssignment {
            target: key.target.clone(),
            principal: key.principal.clone(),
        });
    }

    async fn revoke_outcome(
        &self,
        key: &AssignmentKey,
        known: Option<&Known>,
        grants: Vec<Grant>,
        since: Option<Timestamp>,
        until: Instant,
    ) -> RevokeOutcome {
        let ends = grants.iter().filter_map(|grant| grant.ending.as_ref());
        let since = ends.map(|ending| ending.at).chain(since).max();
        let state = known.map_or(AssignmentState::Unknown, |known| {
            assignment_state(known, since)
        });
        let mut remaining_paths = Vec::new();
        let live: Vec<GrantId> = known
            .iter()
            .flat_map(|known| &known.open)
            .filter(|grant| grant.state.is_live())
            .map(|grant| grant.id.clone())
            .collect();
        if state == AssignmentState::Present || !live.is_empty() {
            remaining_paths.push(RemainingPath::Direct(live));
        }
        let mut complete = state != AssignmentState::Unknown;
        match self.parts.instances.get(&key.instance_arn) {
            Some(instance) => {
                let (indirect, all) = self
                    .indirect_paths(&instance, &key.principal, &key.target, until)
                    .await;
                remaining_paths.extend(indirect);
                complete &= all;
            }
            None => complete = false,
        }
        let mut views = Vec::with_capacity(grants.len());
        for grant in grants {
            views.push(self.grant_view_after_commit(grant).await);
        }
        RevokeOutcome {
            grants: views,
            assignment_state: state,
            remaining_paths,
            remaining_paths_complete: complete,
            sessions_may_last_until: self.sessions_may_last_until(&key.target, known, state),
            application_note: self.application_note(&key.target),
            preview: None,
        }
    }

    /// Counted from the end of the access; from now while that is still to come.
    fn sessions_may_last_until(
        &self,
        target: &Target,
        known: Option<&Known>,
        state: AssignmentState,
    ) -> Option<Timestamp> {
        let ended_at = match state {
            AssignmentState::Present => return None,
            AssignmentState::Absent => known.and_then(|known| known.record.removed_at),
            AssignmentState::Removing | AssignmentState::Unknown => None,
        };
        self.sessions_outlive(target, ended_at.unwrap_or_else(|| self.parts.clock.now()))
    }

    fn sessions_outlive(&self, target: &Target, ended_at: Timestamp) -> Option<Timestamp> {
        let config = &self.parts.config;
        let seconds = match target {
            Target::Application(_) => config.session_outlives_revocation_seconds,
            Target::AccountAccess(_) => config.account_session_outlives_revocation_seconds,
        };
        let outlives = SignedDuration::from_secs(seconds);
        ended_at.checked_add(outlives).ok()
    }

    fn application_note(&self, target: &Target) -> String {
        let notes = &self.parts.config.application_notes;
        match target {
            Target::Application(arn) => notes.get(arn.as_str()).cloned().unwrap_or_default(),
            Target::AccountAccess(_) => String::new(),
        }
    }
}

pub(super) fn scope_of(key: &AssignmentKey) -> GrantScope {
    GrantScope::Assignment(key.principal.clone(), key.target.clone())
}

/// Never `Absent` on the word of an absence that was read before `since`, nor while a grant is
/// making the assignment.
fn assignment_state(known: &Known, since: Option<Timestamp>) -> AssignmentState {
    let (record, open) = (&known.record, &known.open);
    if open.iter().any(|grant| grant.state == GrantState::Active)
        || record.standing == Standing::Yes && record.removal.is_none()
    {
        AssignmentState::Present
    } else if open.iter().any(|grant| grant.state.is_live()) {
        AssignmentState::Unknown
    } else if record.removal.is_some() || !open.is_empty() {
        AssignmentState::Removing
    } else if record.removed_at.is_some() && record.removed_at >= since {
        AssignmentState::Absent
    } else {
        AssignmentState::Unknown
    }
}
