//! The brake: what waits for freezes, and the intents that meet them. What is frozen is in `freezes`, what
//! is held as a mass change in `mass_changes`.

use async_trait::async_trait;
use jiff::Timestamp;

use super::claims;
use super::connection::{Connection, query};
use super::event_rows::insert_service_event;
use super::failure::invalid;
use super::freezes::{freeze, freezes, is_frozen, mark_restored, unfreeze};
use super::locks::{Hold, lock_brake};
use super::mass_changes;
use super::rows::{bind_key, count, microseconds};
use super::tables::{self, where_key, write_changes};
use super::ways::{Ways, Written};
use crate::crash_points::StoreCommit;
use crate::domain::intent;
use crate::domain::log::Link;
use crate::domain::plan::{Changes, Write};
use crate::domain::{
    AssignmentRecord, Brake, BrakeFact, Freezes, Frozen, Grant, GrantId, InstanceArn, MassChange,
    MassChangeId, MassChangeState, Order, PrincipalRef, ServiceEvent, ServiceFact,
};
use crate::store::{BrakeStore, Claim, GoneBeneficiary, Intent, MassChangeFound, StoreError};

#[async_trait]
impl<W: Ways> BrakeStore for W {
    async fn commit_intent(
        &self,
        claim: &Claim,
        write: Write,
        changes: Changes,
        parked: Changes,
    ) -> Result<Intent, StoreError> {
        let claim = claim.clone();
        self.write(StoreCommit::CommitIntent, move |connection| {
            Box::pin(async move { commit_intent(connection, &claim, write, changes, parked).await })
        })
        .await
    }

    async fn freeze(
        &self,
        instance: &InstanceArn,
        what: &[Frozen],
        order: &Order,
    ) -> Result<Brake, StoreError> {
        let (instance, what, order) = (instance.clone(), what.to_vec(), order.clone());
        self.write(StoreCommit::Freeze, move |connection| {
            Box::pin(async move { freeze(connection, &instance, &what, &order).await })
        })
        .await
    }

    async fn unfreeze(
        &self,
        instance: &InstanceArn,
        what: &[Frozen],
        order: &Order,
    ) -> Result<Brake, StoreError> {
        let (instance, what, order) = (instance.clone(), what.to_vec(), order.clone());
        self.write(StoreCommit::Unfreeze, move |connection| {
            Box::pin(async move { unfreeze(connection, &instance, &what, &order).await })
        })
        .await
    }

    async fn mark_restored(&self, now: Timestamp) -> Result<Link, StoreError> {
        self.write(StoreCommit::MarkRestored, move |connection| {
            Box::pin(async move { mark_restored(connection, now).await })
        })
        .await
    }

    async fn freezes(&self, instance: &InstanceArn) -> Result<Freezes, StoreError> {
        freezes(&mut self.reader().await?.connection(), instance).await
    }

    async fn brake(&self, instance: &InstanceArn) -> Result<Brake, StoreError> {
        brake(&mut self.reader().await?.connection(), instance).await
    }

    async fn count_under_way(
        &self,
        instance: &InstanceArn,
        what: &[Frozen],
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut reader = self.reader().await?;
        let mut connection = reader.connection();
        let mut under_way = 0;
        for what in what {
            let query = query(UNDER_WAY)
                .bind(instance.as_str().to_owned())
                .bind(what.write().as_str())
                .bind(microseconds(now));
            under_way += count(&query.fetch_one(&mut connection).await?, "assignments")?;
        }
        Ok(under_way)
    }

    async fn retry_now(&self, id: &GrantId, order: &Order) -> Result<Option<Grant>, StoreError> {
        let (id, order) = (id.clone(), order.clone());
        self.write(StoreCommit::RetryNow, move |connection| {
            Box::pin(async move { retry_now(connection, &id, &order).await })
        })
        .await
    }

    async fn active_beneficiaries(
        &self,
        instance: &InstanceArn,
    ) -> Result<Vec<PrincipalRef>, StoreError> {
        mass_changes::active_beneficiaries(&mut self.reader().await?.connection(), instance).await
    }

    async fn end_for_beneficiary(&self, gone: &GoneBeneficiary) -> Result<Vec<Grant>, StoreError> {
        let gone = gone.clone();
        self.write(StoreCommit::EndForBeneficiary, move |connection| {
            Box::pin(async move { mass_changes::end_for_beneficiary(connection, &gone).await })
        })
        .await
    }

    async fn hold_mass_change(
        &self,
        found: &MassChangeFound,
    ) -> Result<(MassChange, bool), StoreError> {
        let found = found.clone();
        self.write(StoreCommit::HoldMassChange, move |connection| {
            Box::pin(async move { mass_changes::hold(connection, &found).await })
        })
        .await
    }

    async fn confirm_mass_change(
        &self,
        instance: &InstanceArn,
        id: &MassChangeId,
        order: &Order,
    ) -> Result<Option<MassChange>, StoreError> {
        let (instance, id, order) = (instance.clone(), id.clone(), order.clone());
        self.write(StoreCommit::ConfirmMassChange, move |connection| {
            Box::pin(async move { mass_changes::confirm(connection, &instance, &id, &order).await })
        })
        .await
    }

    async fn close_mass_change(
        &self,
        id: &MassChangeId,
        from: MassChangeState,
        to: MassChangeState,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let id = id.clone();
        self.write(StoreCommit::CloseMassChange, move |connection| {
            Box::pin(async move { mass_changes::close(connection, &id, (from, to), now).await })
        })
        .await
    }
}

/// Writes of a kind that may be on their way.
pub(in crate::store) const UNDER_WAY: &str = "SELECT COUNT(*) AS assignments FROM assignments \
     WHERE instance_arn = $1 AND intended_write IS NOT NULL AND intended_write = $2 \
     AND lease_until > $3";

/// Assignments on which a freeze stopped such a write.
pub(in crate::store) const WAITING: &str = "SELECT COUNT(*) AS assignments FROM assignments \
     WHERE instance_arn = $1 AND frozen_write IS NOT NULL AND frozen_write = $2";

async fn commit_intent(
    connection: &mut Connection<'_>,
    claim: &Claim,
    write: Write,
    changes: Changes,
    parked: Changes,
) -> Result<Written<Intent>, StoreError> {
    let key = &claim.record.key;
    lock_brake(connection, &key.instance_arn, Hold::Shared).await?;
    // Either mark goes with the next step on the assignment.
    if is_frozen(connection, &key.instance_arn, Frozen::of(write)).await? {
        let written = claims::commit_and_release(connection, claim, parked).await?;
        let query = query(concat!(
            "UPDATE assignments SET frozen_write = $6",
            where_key!()
        ));
        let query = bind_key(query, key).bind(write.as_str());
        query.execute(connection).await?;
        return Ok(written.map(|()| Intent::Frozen));
    }
    let written = claims::commit_step(connection, claim, changes).await?;
    let query = query(concat!(
        "UPDATE assignments SET intended_write = $6",
        where_key!()
    ));
    let query = bind_key(query, key).bind(write.as_str());
    query.execute(connection).await?;
    Ok(written.map(|claim| Intent::Recorded(Box::new(claim))))
}

/// Writes an event of the brake.
pub(in crate::store) async fn tell(
    connection: &mut Connection<'_>,
    fact: BrakeFact,
    at: Timestamp,
) -> Result<(), StoreError> {
    let what = ServiceFact::Brake(fact);
    insert_service_event(connection, &ServiceEvent { at, what }).await
}

/// `BrakeStore::brake`.
pub(in crate::store) async fn brake(
    connection: &mut Connection<'_>,
    instance: &InstanceArn,
) -> Result<Brake, StoreError> {
    let mut waiting = [0, 0];
    for (place, what) in waiting.iter_mut().zip(Frozen::ALL) {
        let query = query(WAITING)
            .bind(instance.as_str().to_owned())
            .bind(what.write().as_str());
        *place = count(&query.fetch_one(connection).await?, "assignments")?;
    }
    let [grants_waiting, revocations_waiting] = waiting;
    Ok(Brake {
        instance_arn: instance.clone(),
        freezes: freezes(connection, instance).await?,
        grants_waiting,
        revocations_waiting,
        mass_changes: mass_changes::open(connection, instance).await?,
    })
}

/// The brakes of every instance on which something is stopped.
pub(in crate::store) async fn brakes(
    connection: &mut Connection<'_>,
) -> Result<Vec<Brake>, StoreError> {
    let rows = query(
        "SELECT instance_arn FROM freezes WHERE instance_arn <> '*' UNION \
         SELECT instance_arn FROM mass_changes WHERE state IN ('HELD', 'CONFIRMED') UNION \
         SELECT instance_arn FROM assignments WHERE EXISTS \
         (SELECT 1 FROM freezes WHERE instance_arn = '*') ORDER BY instance_arn",
    )
    .fetch_all(connection)
    .await?;
    let mut brakes = Vec::with_capacity(rows.len());
    for row in &rows {
        let instance = InstanceArn::parse(row.try_get("instance_arn")?);
        let instance = instance.map_err(invalid("instance_arn"))?;
        let brake = brake(connection, &instance).await?;
        if brake.freezes != Freezes::default() || !brake.mass_changes.is_empty() {
            brakes.push(brake);
        }
    }
    Ok(brakes)
}

async fn retry_now(
    connection: &mut Connection<'_>,
    id: &GrantId,
    order: &Order,
) -> Result<Written<Option<Grant>>, StoreError> {
    let Some(grant) = tables::grant(connection, id).await? else {
        return Ok(Written::unchanged(None));
    };
    let key = grant.assignment_key();
    let record = tables::locked_record(connection, &key).await?;
    let record = record.unwrap_or_else(|| AssignmentRecord::new(key));
    let Some(grant) = tables::grant(connection, id).await? else {
        return Ok(Written::unchanged(None));
    };
    let Some(changes) = intent::retry_now(record, &grant, order) else {
        return Ok(Written::unchanged(Some(grant)));
    };
    if write_changes(connection, &changes).await?.is_none() {
        return Err(tables::overtaken());
    }
    Ok(Written {
        value: Some(grant),
        makes_work: true,
        changed: Vec::new(),
    })
}
