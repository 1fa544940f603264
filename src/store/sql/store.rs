//! `Store` over either database: which transaction each method is. The statements are in the modules
//! beside.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::ways::{Ways, Written};
use super::{approvals, callers, claims, counts, due, event_rows, policies, reads, slots, tables};
use crate::crash_points::StoreCommit;
use crate::domain::intent::EndRequest;
use crate::domain::plan::Changes;
use crate::domain::{
    AssignmentKey, AssignmentRecord, Grant, GrantId, InstanceArn, PendingChange, PolicyLoad,
    PolicyRefusal, Review, ServiceEvent,
};
use crate::store::{
    Claim, ClaimLimit, Duty, GrantCounts, GrantDecision, GrantFilter, GrantRequest, GrantScope,
    Holder, NameEntry, NameKind, RequestOutcome, RequestUse, RevokeOutcome, Signals, Store,
    StoreError, StoredEvent, WorkKind,
};

#[async_trait]
impl<W: Ways> Store for W {
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
        approvals::reviews(&mut self.reader().await?.connection(), ids).await
    }

    async fn waiting_grants(
        &self,
        instance: &InstanceArn,
        scope: &GrantScope,
    ) -> Result<Vec<Grant>, StoreError> {
        approvals::waiting_grants(&mut self.reader().await?.connection(), instance, scope).await
    }

    async fn grants_to_look_at(
        &self,
        instance: &InstanceArn,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Grant>, StoreError> {
        approvals::grants_to_look_at(&mut self.reader().await?.connection(), instance, now, limit)
            .await
    }

    async fn find_request(
        &self,
        request: &RequestUse,
    ) -> Result<Option<RequestOutcome<Vec<Grant>>>, StoreError> {
        let mut reader = self.reader().await?;
        // The request and its grants from one state of the database.
        let mut snapshot = reader.begin().await?;
        callers::find_request(&mut snapshot.connection(), request).await
    }

    async fn find_revocation(
        &self,
        request: &RequestUse,
    ) -> Result<Option<RevokeOutcome>, StoreError> {
        let mut reader = self.reader().await?;
        let mut snapshot = reader.begin().await?;
        callers::find_revocation(&mut snapshot.connection(), request).await
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
        tables::grant(&mut self.reader().await?.connection(), id).await
    }

    async fn grants(
        &self,
        filter: &GrantFilter,
        after: Option<&GrantId>,
        limit: usize,
    ) -> Result<Vec<Grant>, StoreError> {
        reads::grants(&mut self.reader().await?.connection(), filter, after, limit).await
    }

    async fn open_grants(
        &self,
        instance: &InstanceArn,
        scope: &GrantScope,
    ) -> Result<Vec<Grant>, StoreError> {
        reads::open_grants(&mut self.reader().await?.connection(), instance, scope).await
    }

    async fn assignment_records(
        &self,
        instance: &InstanceArn,
        scope: &GrantScope,
    ) -> Result<Vec<AssignmentRecord>, StoreError> {
        reads::assignment_records(&mut self.reader().await?.connection(), instance, scope).await
    }

    async fn grant_events(
        &self,
        id: &GrantId,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        reads::grant_events(&mut self.reader().await?.connection(), id, limit).await
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
        let mut reader = self.reader().await?;
        // Due work and leases from one state of the database.
        let mut snapshot = reader.begin().await?;
        due::next_due_at(&mut snapshot.connection(), instances, now, limit).await
    }

    async fn pending_requests(
        &self,
        instance: &InstanceArn,
    ) -> Result<Vec<(AssignmentKey, PendingChange)>, StoreError> {
        slots::pending_requests(&mut self.reader().await?.connection(), instance).await
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
        due::count_due(&mut self.reader().await?.connection(), instance, kinds, now).await
    }

    async fn count_open_elsewhere(&self, instances: &[InstanceArn]) -> Result<u64, StoreError> {
        reads::count_open_elsewhere(&mut self.reader().await?.connection(), instances).await
    }

    async fn count_grants(&self, overdue_since: Timestamp) -> Result<GrantCounts, StoreError> {
        counts::count_grants(
            &mut self.reader().await?.begin().await?.connection(),
            overdue_since,
        )
        .await
    }

    async fn secret(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        if let Some(secret) = reads::secret(&mut self.reader().await?.connection(), name).await? {
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
        reads::name(&mut self.reader().await?.connection(), kind, id).await
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
        policies::last_load(&mut self.reader().await?.connection()).await
    }

    async fn record_service_events(&self, events: Vec<ServiceEvent>) -> Result<(), StoreError> {
        self.write(StoreCommit::RecordServiceEvents, move |connection| {
            Box::pin(async move {
                for event in &events {
                    event_rows::insert_service_event(connection, event).await?;
                }
                Ok(Written::unchanged(()))
            })
        })
        .await
    }

    async fn hold_duty(
        &self,
        duty: Duty,
        holder: &Holder,
        lease: Duration,
    ) -> Result<bool, StoreError> {
        self.hold_duty_of(duty, holder, lease).await
    }

    fn signals(&self) -> &Signals {
        self.wakes()
    }

    fn commits(&self) -> Option<u64> {
        self.counted_commits()
    }

    async fn close(&self) {
        self.end().await;
    }
}
