//! The reconciler's transactions: claims, their renewal, the steps written under them.
//!
//! Two things fence a holder: the lease says whose the assignment is, the version says whether
//! anything changed since it was read. A caller's write may change a claimed assignment: the
//! holder then gets `Stale`, reads again and plans again.

use jiff::{SignedDuration, Timestamp};

use super::connection::{Connection, Row, Sql, query};
use super::due::{Due, due_query, slots_of};
use super::locks::{Guarded, lock};
use super::log_chain;
use super::rows::{bind_key, microseconds, record_from_row, time};
use super::slots::full_instances;
use super::tables::{self, where_key, write_changes};
use super::ways::Written;
use crate::crash_points::{self, CrashPoint, StoreCommit};
use crate::domain::plan::Changes;
use crate::domain::{AssignmentKey, InstanceArn};
use crate::store::{Claim, ClaimLimit, Holder, StoreError, WorkKind};

/// How long an assignment that cannot be read rests: it costs nothing, and the log tells of it in time.
const UNREADABLE_PAUSE: SignedDuration = SignedDuration::from_mins(5);

/// Taking a lease away: a slot goes with it unless a change is pending; nothing more is sent under it.
macro_rules! let_go {
    () => {
        "UPDATE assignments SET lease_holder = NULL, lease_until = NULL, intended_write = NULL, \
         asynchronous_slot = \
         CASE WHEN pending_write IS NULL THEN 0 ELSE asynchronous_slot END"
    };
}

/// `Store::claim_due`.
pub(in crate::store) async fn claim_due(
    connection: &mut Connection<'_>,
    holder: &Holder,
    instances: &[InstanceArn],
    now: Timestamp,
    lease_until: Timestamp,
    limit: ClaimLimit,
) -> Result<Written<Vec<Claim>>, StoreError> {
    lock(connection, Guarded::Claims).await?;
    // A lease that is over is taken away before its target is given to another: from then on its
    // holder hears LeaseLost, and the unique index lets at most one claim on a target stand.
    query(concat!(
        let_go!(),
        ", version = version + 1 WHERE lease_holder IS NOT NULL AND lease_until <= $1"
    ))
    .bind(microseconds(now))
    .execute(connection)
    .await?;
    let mut claims = Vec::new();
    let mut unreadable_rows = false;
    for (kind, due) in ORDER {
        let places = limit.claims_max.of(kind);
        if places == 0 {
            continue;
        }
        let slots = slots_of(limit, kind, due);
        let full = full_instances(connection, instances, slots).await?;
        for instance in instances {
            let is_alike =
                |claim: &&Claim| claim.kind == kind && claim.record.key.instance_arn == *instance;
            let claimed = claims.iter().filter(is_alike).count();
            let room = places.saturating_sub(claimed);
            if room == 0 {
                continue;
            }
            let is_full = full.contains(instance);
            let query = due_query(instance, is_full, now, room, kind, due);
            for row in query.build().fetch_all(connection).await? {
                match claim_row(connection, &row, holder, lease_until, slots).await {
                    Ok(claim) => claims.extend(claim),
                    Err(StoreError::Corrupt(problem)) => {
                        put_off(connection, &row, &problem, now).await?;
                        unreadable_rows = true;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
    }
    Ok(Written {
        value: claims,
        // A row that was put off may have stood before others: they are due at once.
        makes_work: unreadable_rows,
        changed: Vec::new(),
    })
}

/// In what order work is looked for. What is made for an emergency is no end.
const ORDER: [(WorkKind, Due); 5] = [
    (WorkKind::BreakGlass, Due::All),
    (WorkKind::Asked, Due::Ends),
    (WorkKind::Asked, Due::All),
    (WorkKind::Rest, Due::Ends),
    (WorkKind::Rest, Due::All),
];

/// Reads a due row whole, and only then claims it; an asynchronous one with a slot, while there is
/// one.
async fn claim_row(
    connection: &mut Connection<'_>,
    row: &Row,
    holder: &Holder,
    lease_until: Timestamp,
    slots: usize,
) -> Result<Option<Claim>, StoreError> {
    let key = record_from_row(row)?.key;
    tables::open_grants_on(connection, &key).await?;
    let query = query(concat!(
        "UPDATE assignments SET lease_holder = $6, lease_until = $7, version = version + 1, \
         asynchronous_slot = $8",
        where_key!(),
        " AND ($8 = 0 OR asynchronous_slot = 1 OR $9 > (SELECT COUNT(*) FROM assignments \
         WHERE instance_arn = $1 AND asynchronous_slot = 1))"
    ));
    let done = bind_key(query, &key)
        .bind(holder.0.clone())
        .bind(microseconds(lease_until))
        .bind(i64::from(key.target.is_asynchronous()))
        .bind(i64::try_from(slots).unwrap_or(i64::MAX))
        .execute(connection)
        .await?;
    if done.rows_affected() == 0 {
        return Ok(None);
    }
    read_claim(connection, &key, holder).await.map(Some)
}

const PUT_OFF: Sql = Sql::of(
    "UPDATE assignments SET next_attempt_at = $2 WHERE rowid = $1",
    "UPDATE assignments SET next_attempt_at = $2 WHERE number = $1",
);

/// Makes an assignment that cannot be read due later, so that it does not stop the others and is
/// told of again. Its key may be what is unreadable: only the row's number names it safely.
async fn put_off(
    connection: &mut Connection<'_>,
    row: &Row,
    problem: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let row_number: i64 = row.try_get("row_number")?;
    tracing::error!(
        store.row = row_number,
        problem,
        "an assignment cannot be read and is not worked on; it is tried again in five minutes"
    );
    let later = now.checked_add(UNREADABLE_PAUSE).unwrap_or(Timestamp::MAX);
    query(PUT_OFF)
        .bind(row_number)
        .bind(microseconds(later))
        .execute(connection)
        .await?;
    Ok(())
}

/// `Store::renew_claim`.
pub(in crate::store) async fn renew_claim(
    connection: &mut Connection<'_>,
    claim: &Claim,
    lease_until: Timestamp,
) -> Result<Written<Claim>, StoreError> {
    let key = &claim.record.key;
    if !is_holder(connection, key, &claim.holder).await? {
        return Err(StoreError::LeaseLost);
    }
    // The version stays: a longer lease changes nothing that the holder has read, and only so can
    // it tell by the version whether a caller's write came between.
    let query = query(concat!(
        "UPDATE assignments SET lease_until = $6",
        where_key!()
    ));
    bind_key(query, key)
        .bind(microseconds(lease_until))
        .execute(connection)
        .await?;
    let claim = read_claim(connection, key, &claim.holder).await?;
    Ok(Written::unchanged(claim))
}

/// `Store::commit_step`.
pub(in crate::store) async fn commit_step(
    connection: &mut Connection<'_>,
    claim: &Claim,
    changes: Changes,
) -> Result<Written<Claim>, StoreError> {
    let frees_slot = claim.record.key.target.is_asynchronous() && changes.record.pending.is_none();
    let mut written = write_under_lease(connection, claim, changes).await?;
    // A change that ended gave its slot back: others may have waited for it.
    written.makes_work = frees_slot;
    let claim = read_claim(connection, &claim.record.key, &claim.holder).await?;
    Ok(written.map(|()| claim))
}

/// `Store::commit_and_release`.
pub(in crate::store) async fn commit_and_release(
    connection: &mut Connection<'_>,
    claim: &Claim,
    changes: Changes,
) -> Result<Written<()>, StoreError> {
    let mut written = write_under_lease(connection, claim, changes).await?;
    let query = query(concat!(let_go!(), where_key!()));
    bind_key(query, &claim.record.key)
        .execute(connection)
        .await?;
    // Others on the same target may have waited for this one.
    written.makes_work = true;
    Ok(written)
}

/// Takes every lease away. Only for the moment of opening, when the lock on the data directory
/// proves that no earlier holder lives.
pub(in crate::store) async fn clear_leases(
    connection: &mut Connection<'_>,
) -> Result<(), sqlx::Error> {
    crash_points::reach(CrashPoint::BeforeCommit(StoreCommit::ClearLeases));
    query(concat!(
        let_go!(),
        ", version = version + 1 WHERE lease_holder IS NOT NULL"
    ))
    .execute(connection)
    .await?;
    log_chain::clear_lease(connection).await?;
    crash_points::reach(CrashPoint::AfterCommit(StoreCommit::ClearLeases));
    Ok(())
}

async fn write_under_lease(
    connection: &mut Connection<'_>,
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
    if write_changes(connection, &changes).await?.is_none() {
        return Err(StoreError::Stale);
    }
    // A step of the holder's: the write before it is answered, and what was frozen is looked at.
    let query = query(concat!(
        "UPDATE assignments SET intended_write = NULL, frozen_write = NULL",
        where_key!(),
        " AND (intended_write IS NOT NULL OR frozen_write IS NOT NULL)"
    ));
    let query = bind_key(query, &claim.record.key);
    query.execute(connection).await?;
    Ok(Written {
        value: (),
        makes_work: false,
        changed: changes.grants.into_iter().map(|grant| grant.id).collect(),
    })
}

async fn is_holder(
    connection: &mut Connection<'_>,
    key: &AssignmentKey,
    holder: &Holder,
) -> Result<bool, StoreError> {
    let query = query(tables::for_update!(concat!(
        "SELECT 1 FROM assignments",
        where_key!(),
        " AND lease_holder = $6"
    )));
    let row = bind_key(query, key)
        .bind(holder.0.clone())
        .fetch_optional(connection)
        .await?;
    Ok(row.is_some())
}

async fn read_claim(
    connection: &mut Connection<'_>,
    key: &AssignmentKey,
    holder: &Holder,
) -> Result<Claim, StoreError> {
    let query = query(concat!("SELECT * FROM assignments", where_key!()));
    let row = bind_key(query, key).fetch_one(connection).await?;
    Ok(Claim {
        holder: holder.clone(),
        kind: work_kind(&row)?,
        lease_until: time("lease_until", row.try_get("lease_until")?)?,
        record: record_from_row(&row)?,
        grants: tables::open_grants_on(connection, key).await?,
    })
}

fn work_kind(row: &Row) -> Result<WorkKind, StoreError> {
    let number: i64 = row.try_get("work_kind")?;
    let mut kinds = WorkKind::ALL.into_iter();
    kinds
        .find(|kind| kind.number() == number)
        .ok_or_else(|| StoreError::Corrupt(format!("a kind of work {number}")))
}
