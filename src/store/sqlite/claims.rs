//! The reconciler's transactions: claims, their renewal, the steps written under them.
//!
//! Two things fence a holder: the lease says whose the assignment is, the version says whether
//! anything changed since it was read. A caller's write may change a claimed assignment: the
//! holder then gets `Stale`, reads again and plans again.

use jiff::Timestamp;
use sqlx::{Row as _, SqliteConnection};

use super::rows::{bind_key, microseconds, record_from_row, time};
use super::tables::{self, where_key, write_changes};
use super::writer::Written;
use crate::domain::AssignmentKey;
use crate::domain::plan::Changes;
use crate::store::{Claim, Holder, StoreError};

/// `Store::claim_due`.
pub(super) async fn claim_due(
    connection: &mut SqliteConnection,
    holder: &Holder,
    now: Timestamp,
    lease_until: Timestamp,
    limit: usize,
) -> Result<Written<Vec<Claim>>, StoreError> {
    // A lease that is over is taken away before its target is given to another: from then on its
    // holder hears LeaseLost, and the unique index lets at most one claim on a target stand.
    sqlx::query(
        "UPDATE assignments SET lease_holder = NULL, lease_until = NULL, version = version + 1 \
         WHERE lease_holder IS NOT NULL AND lease_until <= $1",
    )
    .bind(microseconds(now))
    .execute(&mut *connection)
    .await?;
    let rows = sqlx::query(
        "SELECT * FROM (SELECT a.*, ROW_NUMBER() OVER (\
           PARTITION BY instance_arn, target_kind, target \
           ORDER BY next_attempt_at, principal_type, principal_id) AS place \
         FROM assignments AS a WHERE next_attempt_at <= $1 AND NOT EXISTS (\
           SELECT 1 FROM assignments AS other WHERE other.lease_holder IS NOT NULL \
           AND other.instance_arn = a.instance_arn AND other.target_kind = a.target_kind \
           AND other.target = a.target)) AS due \
         WHERE place = 1 ORDER BY next_attempt_at, instance_arn, target_kind, target LIMIT $2",
    )
    .bind(microseconds(now))
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(&mut *connection)
    .await?;
    let mut claims = Vec::with_capacity(rows.len());
    for row in &rows {
        let key = record_from_row(row)?.key;
        set_lease(connection, &key, holder, lease_until).await?;
        claims.push(read_claim(connection, &key, holder).await?);
    }
    Ok(Written::unchanged(claims))
}

/// `Store::renew_claim`.
pub(super) async fn renew_claim(
    connection: &mut SqliteConnection,
    claim: &Claim,
    lease_until: Timestamp,
) -> Result<Written<Claim>, StoreError> {
    let key = &claim.record.key;
    if !is_holder(connection, key, &claim.holder).await? {
        return Err(StoreError::LeaseLost);
    }
    // The version stays: a longer lease changes nothing that the holder has read, and only so can
    // it tell by the version whether a caller's write came between.
    let query = sqlx::query(concat!("UPDATE assignments SET lease_until = $6", where_key!()));
    bind_key(query, key)
        .bind(microseconds(lease_until))
        .execute(&mut *connection)
        .await?;
    let claim = read_claim(connection, key, &claim.holder).await?;
    Ok(Written::unchanged(claim))
}

/// `Store::commit_step`.
pub(super) async fn commit_step(
    connection: &mut SqliteConnection,
    claim: &Claim,
    changes: Changes,
) -> Result<Written<Claim>, StoreError> {
    let written = write_under_lease(connection, claim, changes).await?;
    let claim = read_claim(connection, &claim.record.key, &claim.holder).await?;
    Ok(written.map(|()| claim))
}

/// `Store::commit_and_release`.
pub(super) async fn commit_and_release(
    connection: &mut SqliteConnection,
    claim: &Claim,
    changes: Changes,
) -> Result<Written<()>, StoreError> {
    let mut written = write_under_lease(connection, claim, changes).await?;
    let query = sqlx::query(concat!(
        "UPDATE assignments SET lease_holder = NULL, lease_until = NULL",
        where_key!()
    ));
    bind_key(query, &claim.record.key)
        .execute(connection)
        .await?;
    // Others on the same target may have waited for this one.
    written.makes_work = true;
    Ok(written)
}

/// `Store::next_due_at`.
pub(super) async fn next_due_at(
    connection: &mut SqliteConnection,
    now: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    let due: Option<i64> = sqlx::query(
        "SELECT next_attempt_at FROM assignments AS a \
         WHERE next_attempt_at IS NOT NULL AND NOT EXISTS (\
           SELECT 1 FROM assignments AS other \
           WHERE other.lease_holder IS NOT NULL AND other.lease_until > $1 \
           AND other.instance_arn = a.instance_arn AND other.target_kind = a.target_kind \
           AND other.target = a.target) \
         ORDER BY next_attempt_at LIMIT 1",
    )
    .bind(microseconds(now))
    .fetch_optional(&mut *connection)
    .await?
    .map(|row| row.try_get(0))
    .transpose()?;
    let lease_over: Option<i64> = sqlx::query(
        "SELECT MIN(lease_until) FROM assignments \
         WHERE lease_holder IS NOT NULL AND lease_until > $1",
    )
    .bind(microseconds(now))
    .fetch_one(connection)
    .await?
    .try_get(0)?;
    due.into_iter()
        .chain(lease_over)
        .min()
        .map(|at| time("next_attempt_at", at))
        .transpose()
}

/// Takes every lease away. Only for the moment of opening, when the lock on the data directory
/// proves that no earlier holder lives.
pub(super) async fn clear_leases(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE assignments SET lease_holder = NULL, lease_until = NULL, version = version + 1 \
         WHERE lease_holder IS NOT NULL",
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn write_under_lease(
    connection: &mut SqliteConnection,
    claim: &Claim,
    mut changes: Changes,
) -> Result<Written<()>, StoreError> {
    if !is_holder(connection, &claim.record.key, &claim.holder).await? {
        return Err(StoreError::LeaseLost);
    }
    // The fence is the claim's: whatever the plan did to its copy of the record, it did to this
    // assignment and from this version.
    changes.record.key = claim.record.key.clone();
    changes.record.version = claim.record.version;
    if !write_changes(connection, &changes).await? {
        return Err(StoreError::Stale);
    }
    Ok(Written {
        value: (),
        makes_work: false,
        changed: changes.grants.into_iter().map(|grant| grant.id).collect(),
    })
}

async fn is_holder(
    connection: &mut SqliteConnection,
    key: &AssignmentKey,
    holder: &Holder,
) -> Result<bool, StoreError> {
    let query = sqlx::query(concat!(
        "SELECT 1 FROM assignments",
        where_key!(),
        " AND lease_holder = $6"
    ));
    let row = bind_key(query, key)
        .bind(holder.0.clone())
        .fetch_optional(connection)
        .await?;
    Ok(row.is_some())
}

async fn set_lease(
    connection: &mut SqliteConnection,
    key: &AssignmentKey,
    holder: &Holder,
    lease_until: Timestamp,
) -> Result<(), StoreError> {
    let query = sqlx::query(concat!(
        "UPDATE assignments SET lease_holder = $6, lease_until = $7, version = version + 1",
        where_key!()
    ));
    bind_key(query, key)
        .bind(holder.0.clone())
        .bind(microseconds(lease_until))
        .execute(connection)
        .await?;
    Ok(())
}

async fn read_claim(
    connection: &mut SqliteConnection,
    key: &AssignmentKey,
    holder: &Holder,
) -> Result<Claim, StoreError> {
    let query = sqlx::query(concat!("SELECT * FROM assignments", where_key!()));
    let row = bind_key(query, key).fetch_one(&mut *connection).await?;
    Ok(Claim {
        holder: holder.clone(),
        lease_until: time("lease_until", row.try_get("lease_until")?)?,
        record: record_from_row(&row)?,
        grants: tables::open_grants_on(connection, key).await?,
    })
}
