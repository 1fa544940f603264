//! The single statements that the transactions are made of. Each expects to run inside one.
//!
//! Every change of a record is conditional on its version and raises it by one, so that whoever
//! holds an older reading of the record cannot write over it.

use super::connection::{Connection, Query, Sql, query};
use super::event_rows::{EventRow, append};
use super::grant_rows::{insert_grant, update_grant};
use super::rows::{
    bind_key, count_to_column, grant_from_row, microseconds, microseconds_or_null, record_from_row,
    to_json,
};
use crate::domain::plan::Changes;
use crate::domain::{AssignmentKey, AssignmentRecord, Grant, GrantId, GrantState};
use crate::store::{StoreError, WorkKind};

/// The condition on an assignment's key, for `bind_key`.
macro_rules! where_key {
    () => {
        " WHERE instance_arn = $1 AND target_kind = $2 AND target = $3 \
         AND principal_type = $4 AND principal_id = $5"
    };
}
pub(in crate::store) use where_key;

/// The states of grants that are not over, in the very words of the partial index.
macro_rules! is_open {
    () => {
        " AND state IN ('PROVISIONING', 'ACTIVE', 'REVOKING')"
    };
}
pub(in crate::store) use is_open;

/// A statement that reads rows of which something is written later in the same transaction.
macro_rules! for_update {
    ($statement:expr) => {
        Sql::of($statement, concat!($statement, " FOR UPDATE"))
    };
}
pub(in crate::store) use for_update;

/// The record of an assignment, if there is one, to look at.
pub(in crate::store) async fn record(
    connection: &mut Connection<'_>,
    key: &AssignmentKey,
) -> Result<Option<AssignmentRecord>, StoreError> {
    let query = query(concat!("SELECT * FROM assignments", where_key!()));
    let row = bind_key(query, key).fetch_optional(connection).await?;
    row.as_ref().map(record_from_row).transpose()
}

/// The record of an assignment, if there is one, with all that is on it: nobody else writes it, or a grant on it,
/// before this transaction ends. What is on it is read after this.
pub(in crate::store) async fn locked_record(
    connection: &mut Connection<'_>,
    key: &AssignmentKey,
) -> Result<Option<AssignmentRecord>, StoreError> {
    let query = query(for_update!(concat!(
        "SELECT * FROM assignments",
        where_key!()
    )));
    let row = bind_key(query, key).fetch_optional(connection).await?;
    row.as_ref().map(record_from_row).transpose()
}

/// What was read in this very transaction is not so any more: somebody made the record that was not there.
pub(in crate::store) fn overtaken() -> StoreError {
    StoreError::Raced("the record was made meanwhile".to_owned())
}

/// One grant, if there is one.
pub(in crate::store) async fn grant(
    connection: &mut Connection<'_>,
    id: &GrantId,
) -> Result<Option<Grant>, StoreError> {
    let row = query("SELECT * FROM grants WHERE id = $1")
        .bind(id.as_str().to_owned())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(grant_from_row).transpose()
}

/// The grants on an assignment that are not over, sorted by id.
pub(in crate::store) async fn open_grants_on(
    connection: &mut Connection<'_>,
    key: &AssignmentKey,
) -> Result<Vec<Grant>, StoreError> {
    let query = query(concat!(
        "SELECT * FROM grants",
        where_key!(),
        is_open!(),
        " ORDER BY id"
    ));
    let rows = bind_key(query, key).fetch_all(connection).await?;
    rows.iter().map(grant_from_row).collect()
}

/// Writes changes down: the record first, because new grants refer to it. Answers the grants as they
/// are stored now (times cut to what the store keeps), or none where the record no longer had the
/// version that the changes were made from: then nothing was written.
///
/// A grant of version 1 is a new one; every other is written over the version before its own.
pub(in crate::store) async fn write_changes(
    connection: &mut Connection<'_>,
    changes: &Changes,
) -> Result<Option<Vec<Grant>>, StoreError> {
    let is_new = changes.record.version == 0;
    let written = if is_new {
        let kind = WorkKind::of(&changes.grants, changes.record.removal.is_some());
        insert_record(connection, &changes.record, kind).await?
    } else {
        update_record(connection, &changes.record).await?
    };
    if !written {
        return Ok(None);
    }
    let mut grants = Vec::with_capacity(changes.grants.len());
    let mut events = changes.events.iter();
    for grant in &changes.grants {
        // One question less to the database for the most common change: a grant and its event.
        let event = events.next().map(EventRow::of).transpose()?;
        grants.push(if grant.version == 1 {
            insert_grant(connection, grant, event).await?
        } else {
            update_grant(connection, grant, event).await?
        });
    }
    for event in events {
        append(connection, EventRow::of(event)?).await?;
    }
    // A new record under grants that have no end yet has none either.
    if !is_new || changes.record.removal.is_some() || grants.iter().any(has_end) {
        note_work(connection, &changes.record.key).await?;
    }
    Ok(Some(grants))
}

fn has_end(grant: &Grant) -> bool {
    matches!(grant.state, GrantState::Active | GrantState::Revoking)
}

/// Notes beside the record since when, or from when on, there is an end to act on, and whom the work is
/// for (`WorkKind::of`, in the words of the database).
async fn note_work(connection: &mut Connection<'_>, key: &AssignmentKey) -> Result<(), StoreError> {
    let query = query(concat!(
        "UPDATE assignments SET end_due_at = (SELECT MIN(at) FROM (\
           SELECT removal_at AS at FROM assignments",
        where_key!(),
        " UNION ALL SELECT CASE state WHEN 'REVOKING' THEN ending_at WHEN 'ACTIVE' THEN end_at END \
           FROM grants",
        where_key!(),
        is_open!(),
        // A late effect that a second look finds is access to end too, unless somebody wants it.
        " UNION ALL SELECT recheck_at FROM assignments",
        where_key!(),
        " AND NOT EXISTS (SELECT 1 FROM grants",
        where_key!(),
        " AND state IN ('PROVISIONING', 'ACTIVE'))",
        ") AS ends), work_kind = (SELECT COALESCE(MIN(CASE \
           WHEN state = 'PROVISIONING' AND break_glass = 1 THEN 0 \
           WHEN removal_at IS NOT NULL OR state = 'PROVISIONING' \
             OR (state = 'REVOKING' AND ending_kind = 'REVOKED') THEN 1 ELSE 2 END), \
           CASE WHEN removal_at IS NOT NULL THEN 1 ELSE 2 END) FROM grants",
        where_key!(),
        is_open!(),
        ")",
        where_key!()
    ));
    bind_key(query, key).execute(connection).await?;
    Ok(())
}

async fn insert_record(
    connection: &mut Connection<'_>,
    record: &AssignmentRecord,
    kind: WorkKind,
) -> Result<bool, StoreError> {
    let query = query(
        "INSERT INTO assignments (instance_arn, target_kind, target, principal_type, principal_id, \
         standing, standing_seen_at, last_create_at, create_acknowledged, create_seen, \
         last_delete_at, removal_by, removal_reason, removal_at, removed_at, recheck_at, \
         next_attempt_at, failed_attempts, refusing_since, last_failure, version, \
         failed_operations, pending_write, pending_request_id, pending_since, pending_own_before, gone_at, work_kind) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, \
         $19, $20, $21 + 1, $22, $23, $24, $25, $26, $27, $28) ON CONFLICT DO NOTHING",
    );
    let query = bind_record(query, record)?.bind(kind.number());
    let done = query.execute(connection).await?;
    Ok(done.rows_affected() == 1)
}

/// Writes a record. A change that is no longer pending gives its slot back.
async fn update_record(
    connection: &mut Connection<'_>,
    record: &AssignmentRecord,
) -> Result<bool, StoreError> {
    let query = query(concat!(
        "UPDATE assignments SET standing = $6, standing_seen_at = $7, last_create_at = $8, \
         create_acknowledged = $9, create_seen = $10, last_delete_at = $11, removal_by = $12, \
         removal_reason = $13, removal_at = $14, removed_at = $15, recheck_at = $16, \
         next_attempt_at = $17, failed_attempts = $18, refusing_since = $19, last_failure = $20, \
         failed_operations = $22, pending_write = $23, pending_request_id = $24, \
         pending_since = $25, pending_own_before = $26, gone_at = $27, asynchronous_slot = \
         CASE WHEN pending_write IS NOT NULL AND $23 IS NULL THEN 0 ELSE asynchronous_slot END, \
         version = version + 1",
        where_key!(),
        " AND version = $21"
    ));
    let done = bind_record(query, record)?.execute(connection).await?;
    Ok(done.rows_affected() == 1)
}

/// Binds what is kept of a record, the version that it was read with among it.
fn bind_record(query: Query, record: &AssignmentRecord) -> Result<Query, StoreError> {
    let pending = record.pending.as_ref();
    let request_id = pending.and_then(|pending| pending.request_id.as_ref());
    let removal = record.removal.as_ref();
    let last_failure = record.last_failure.as_ref().map(to_json).transpose()?;
    Ok(bind_key(query, &record.key)
        .bind(record.standing.as_str())
        .bind(microseconds_or_null(record.standing_seen_at))
        .bind(microseconds_or_null(record.last_create_at))
        .bind(record.create_acknowledged)
        .bind(record.create_seen)
        .bind(microseconds_or_null(record.last_delete_at))
        .bind(removal.map(|removal| removal.by.as_str().to_owned()))
        .bind(removal.map(|removal| removal.reason.as_str().to_owned()))
        .bind(removal.map(|removal| microseconds(removal.at)))
        .bind(microseconds_or_null(record.removed_at))
        .bind(microseconds_or_null(record.recheck_at))
        .bind(microseconds_or_null(record.next_attempt_at))
        .bind(i64::from(record.failed_attempts))
        .bind(microseconds_or_null(record.refusing_since))
        .bind(last_failure)
        .bind(count_to_column(record.version))
        .bind(i64::from(record.failed_operations))
        .bind(pending.map(|pending| pending.write.as_str()))
        .bind(request_id.map(|id| id.as_str().to_owned()))
        .bind(pending.map(|pending| microseconds(pending.since)))
        .bind(pending.is_none_or(|pending| pending.own_before))
        .bind(microseconds_or_null(record.gone_at)))
}
