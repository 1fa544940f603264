//! The store in one SQLite file: the default, for one process.
//! ```text
//!   a write -> bounded queue -> the writer task, several calls a commit -> answers
//!   a read  -> one of a few read-only connections, beside the writer (WAL)
//! ```
//! What has been answered is on the disk (synchronous=FULL). The data directory is locked: no other
//! process is there, so that opening may clear every lease, whose holder is dead.

mod approvals;
mod beside;
mod brake;
mod callers;
mod claims;
mod counts;
mod directory;
mod due;
mod events;
mod facts;
mod facts_compare;
mod facts_lookup;
mod facts_read;
mod facts_remove;
mod facts_write;
mod failure;
mod log;
mod log_chain;
mod log_copy;
mod log_reads;
mod mass_changes;
mod open;
mod options;
#[cfg(test)]
mod plan_tests;
mod policies;
mod readings;
mod readings_rows;
mod reads;
mod rows;
mod schema;
mod slots;
mod tables;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::Acquire as _;
use sqlx::sqlite::SqlitePool;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use log_copy::{LogCopy, Looked};
pub use options::SqliteOptions;

use self::writer::{Queued, Written};
use super::{
    Claim, ClaimLimit, GrantCounts, GrantDecision, GrantFilter, GrantRequest, GrantScope, Holder,
    NameEntry, NameKind, RequestOutcome, RequestUse, RevokeOutcome, Signals, Store, StoreError,
    StoredEvent, WorkKind,
};
use crate::crash_points::StoreCommit;
use crate::domain::intent::EndRequest;
use crate::domain::plan::Changes;
use crate::domain::{
    AssignmentKey, AssignmentRecord, Grant, GrantId, InstanceArn, PendingChange, PolicyLoad,
    PolicyRefusal, Review, ServiceEvent,
};

/// The store in one SQLite file.
pub struct SqliteStore {
    readers: SqlitePool,
    /// Into the writer's queue; none once the store is closed.
    queue: Mutex<Option<mpsc::Sender<Box<dyn Queued>>>>,
    /// The writer, awaited by `close`.
    writer: tokio::sync::Mutex<Option<JoinHandle<()>>>,
    signals: Signals,
    held_runs: readings::HeldRuns,
    wait: Duration,
}

#[async_trait]
impl Store for SqliteStore {
    async fn record_grant(
        &self,
        request: GrantRequest,
    ) -> Result<RequestOutcome<Grant>, StoreError> {
        self.write(StoreCommit::RecordGrant, move |connection| {
            Box::pin(callers::record_grant(connection, request))
        })
        .await
    }

    async fn decide_grant(
        &self,
        decision: GrantDecision,
        request: Option<&RequestUse>,
    ) -> Result<RequestOutcome<Grant>, StoreError> {
        let request = request.cloned();
        self.write(StoreCommit::DecideGrant, move |connection| {
            Box::pin(
                async move { callers::decide_grant(connection, decision, request.as_ref()).await },
            )
        })
        .await
    }

    async fn reviews(&self, ids: &[GrantId]) -> Result<Vec<(GrantId, Review)>, StoreError> {
        approvals::reviews(&mut *self.reader().await?, ids).await
    }

    async fn waiting_grants(
        &self,
        instance: &InstanceArn,
        scope: &GrantScope,
    ) -> Result<Vec<Grant>, StoreError> {
        approvals::waiting_grants(&mut *self.reader().await?, instance, scope).await
    }

    async fn grants_to_look_at(
        &self,
        instance: &InstanceArn,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Grant>, StoreError> {
        approvals::grants_to_look_at(&mut *self.reader().await?, instance, now, limit).await
    }

    async fn find_request(
        &self,
        request: &RequestUse,
    ) -> Result<Option<RequestOutcome<Vec<Grant>>>, StoreError> {
        let mut connection = self.reader().await?;
        // The request and its grants from one state of the database.
        let mut transaction = connection.begin().await?;
        callers::find_request(&mut transaction, request).await
    }

    async fn find_revocation(
        &self,
        request: &RequestUse,
    ) -> Result<Option<RevokeOutcome>, StoreError> {
        let mut connection = self.reader().await?;
        let mut transaction = connection.begin().await?;
        callers::find_revocation(&mut transaction, request).await
    }

    async fn remember_removal(
        &self,
        key: &AssignmentKey,
        request: &RequestUse,
    ) -> Result<RevokeOutcome, StoreError> {
        let (key, request) = (key.clone(), request.clone());
        self.write(StoreCommit::RememberRemoval, move |connection| {
            Box::pin(async move { callers::remember_removal(connection, &key, &request).await })
        })
        .await
    }

    async fn revoke_grant(
        &self,
        id: &GrantId,
        request: Option<&RequestUse>,
        end: &EndRequest,
    ) -> Result<RevokeOutcome, StoreError> {
        let (id, request, end) = (id.clone(), request.cloned(), end.clone());
        self.write(StoreCommit::RevokeGrant, move |connection| {
            Box::pin(
                async move { callers::revoke_grant(connection, &id, request.as_ref(), &end).await },
            )
        })
        .await
    }

    async fn remove_assignment(
        &self,
        key: &AssignmentKey,
        request: Option<&RequestUse>,
        end: &EndRequest,
    ) -> Result<RevokeOutcome, StoreError> {
        let (key, request, end) = (key.clone(), request.cloned(), end.clone());
        self.write(StoreCommit::RemoveAssignment, move |connection| {
            Box::pin(async move {
                callers::remove_assignment(connection, &key, request.as_ref(), &end).await
            })
        })
        .await
    }

    async fn grant(&self, id: &GrantId) -> Result<Option<Grant>, StoreError> {
        tables::grant(&mut *self.reader().await?, id).await
    }

    async fn grants(
        &self,
        filter: &GrantFilter,
        after: Option<&GrantId>,
        limit: usize,
    ) -> Result<Vec<Grant>, StoreError> {
        reads::grants(&mut *self.reader().await?, filter, after, limit).await
    }

    async fn open_grants(
        &self,
        instance: &InstanceArn,
        scope: &GrantScope,
    ) -> Result<Vec<Grant>, StoreError> {
        reads::open_grants(&mut *self.reader().await?, instance, scope).await
    }

    async fn assignment_records(
        &self,
        instance: &InstanceArn,
        scope: &GrantScope,
    ) -> Result<Vec<AssignmentRecord>, StoreError> {
        reads::assignment_records(&mut *self.reader().await?, instance, scope).await
    }

    async fn grant_events(
        &self,
        id: &GrantId,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        reads::grant_events(&mut *self.reader().await?, id, limit).await
    }

    async fn claim_due(
        &self,
        holder: &Holder,
        instances: &[InstanceArn],
        now: Timestamp,
        lease_until: Timestamp,
        limit: ClaimLimit,
    ) -> Result<Vec<Claim>, StoreError> {
        let (holder, instances) = (holder.clone(), instances.to_vec());
        self.write(StoreCommit::ClaimDue, move |connection| {
            Box::pin(async move {
                claims::claim_due(connection, &holder, &instances, now, lease_until, limit).await
            })
        })
        .await
    }

    async fn renew_claim(
        &self,
        claim: &Claim,
        lease_until: Timestamp,
    ) -> Result<Claim, StoreError> {
        let claim = claim.clone();
        self.write(StoreCommit::RenewClaim, move |connection| {
            Box::pin(async move { claims::renew_claim(connection, &claim, lease_until).await })
        })
        .await
    }

    async fn commit_step(&self, claim: &Claim, changes: Changes) -> Result<Claim, StoreError> {
        let claim = claim.clone();
        self.write(StoreCommit::CommitStep, move |connection| {
            Box::pin(async move { claims::commit_step(connection, &claim, changes).await })
        })
        .await
    }

    async fn commit_and_release(&self, claim: &Claim, changes: Changes) -> Result<(), StoreError> {
        let claim = claim.clone();
        self.write(StoreCommit::CommitAndRelease, move |connection| {
            Box::pin(async move { claims::commit_and_release(connection, &claim, changes).await })
        })
        .await
    }

    async fn next_due_at(
        &self,
        instances: &[InstanceArn],
        now: Timestamp,
        limit: ClaimLimit,
    ) -> Result<Option<Timestamp>, StoreError> {
        let mut connection = self.reader().await?;
        // Due work and leases from one state of the database.
        let mut transaction = connection.begin().await?;
        due::next_due_at(&mut transaction, instances, now, limit).await
    }

    async fn pending_requests(
        &self,
        instance: &InstanceArn,
    ) -> Result<Vec<(AssignmentKey, PendingChange)>, StoreError> {
        slots::pending_requests(&mut *self.reader().await?, instance).await
    }

    async fn make_due(&self, keys: &[AssignmentKey], now: Timestamp) -> Result<(), StoreError> {
        let keys = keys.to_vec();
        self.write(StoreCommit::MakeDue, move |connection| {
            Box::pin(async move { slots::make_due(connection, &keys, now).await })
        })
        .await
    }

    async fn count_due(
        &self,
        instance: &InstanceArn,
        kinds: &[WorkKind],
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        due::count_due(&mut *self.reader().await?, instance, kinds, now).await
    }

    async fn count_open_elsewhere(&self, instances: &[InstanceArn]) -> Result<u64, StoreError> {
        reads::count_open_elsewhere(&mut *self.reader().await?, instances).await
    }

    async fn count_grants(&self, overdue_since: Timestamp) -> Result<GrantCounts, StoreError> {
        counts::count_grants(&mut *self.reader().await?.begin().await?, overdue_since).await
    }

    async fn secret(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        if let Some(secret) = reads::secret(&mut *self.reader().await?, name).await? {
            return Ok(secret);
        }
        let value = reads::new_secret()?;
        let name = name.to_owned();
        self.write(StoreCommit::Secret, move |connection| {
            Box::pin(async move {
                let secret = reads::keep_secret(connection, &name, &value).await?;
                Ok(Written::unchanged(secret))
            })
        })
        .await
    }

    async fn remember_names(&self, names: &[NameEntry]) -> Result<(), StoreError> {
        let names = names.to_vec();
        self.write(StoreCommit::RememberNames, move |connection| {
            Box::pin(async move {
                reads::remember_names(connection, &names).await?;
                Ok(Written::unchanged(()))
            })
        })
        .await
    }

    async fn name(&self, kind: NameKind, id: &str) -> Result<Option<String>, StoreError> {
        reads::name(&mut *self.reader().await?, kind, id).await
    }

    async fn forget_requests(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.write(StoreCommit::ForgetRequests, move |connection| {
            Box::pin(async move {
                let forgotten = reads::forget_requests(connection, before).await?;
                Ok(Written::unchanged(forgotten))
            })
        })
        .await
    }

    async fn record_policy_load(&self, load: PolicyLoad) -> Result<(), StoreError> {
        self.write(StoreCommit::RecordPolicyLoad, move |connection| {
            Box::pin(async move { policies::record_load(connection, &load).await })
        })
        .await
    }

    async fn record_policy_refusal(&self, refusal: PolicyRefusal) -> Result<bool, StoreError> {
        self.write(StoreCommit::RecordPolicyRefusal, move |connection| {
            Box::pin(async move { policies::record_refusal(connection, &refusal).await })
        })
        .await
    }

    async fn last_policy_load(&self) -> Result<Option<PolicyLoad>, StoreError> {
        policies::last_load(&mut *self.reader().await?).await
    }

    async fn record_service_events(&self, events: Vec<ServiceEvent>) -> Result<(), StoreError> {
        self.write(StoreCommit::RecordServiceEvents, move |connection| {
            Box::pin(async move {
                for event in &events {
                    tables::insert_service_event(connection, event).await?;
                }
                Ok(Written::unchanged(()))
            })
        })
        .await
    }

    fn signals(&self) -> &Signals {
        &self.signals
    }

    fn commits(&self) -> Option<u64> {
        Some(self.signals.commits())
    }

    async fn close(&self) {
        self.end().await;
    }
}
