//! The single statements that the transactions are made of. Each expects to run inside one.
//!
//! Every change of a record is conditional on its version and raises it by one, so that whoever
//! holds an older reading of the record cannot write over it.

use sqlx::SqliteConnection;

use super::approvals::{extension_to_column, paths_to_column};
use super::failure::unreadable;
use super::rows::{
    Query, bind_key, count_to_column, duration_microseconds, grant_from_row, microseconds,
    microseconds_or_null, record_from_row, to_json,
};
use crate::domain::plan::Changes;
use crate::domain::{
    AssignmentKey, AssignmentRecord, Event, Grant, GrantId, GrantState, ServiceEvent,
};
use crate::store::{StoreError, WorkKind};

/// The condition on an assignment's key, for `bind_key`.
macro_rules! where_key {
    () => {
        " WHERE instance_arn = $1 AND target_kind = $2 AND target = $3 \
         AND principal_type = $4 AND principal_id = $5"
    };
}
pub(super) use where_key;

/// The states of grants that are not over, in the very words of the partial index.
macro_rules! is_open {
    () => {
        " AND state IN ('PROVISIONING', 'ACTIVE', 'REVOKING')"
    };
}
pub(super) use is_open;

/// The record of an assignment, if there is one.
pub(super) async fn record(
    connection: &mut SqliteConnection,
    key: &AssignmentKey,
) -> Result<Option<AssignmentRecord>, StoreError> {
    let query = sqlx::query(concat!("SELECT * FROM assignments", where_key!()));
    let row = bind_key(query, key).fetch_optional(connection).await?;
    row.as_ref().map(record_from_row).transpose()
}

/// One grant, if there is one.
pub(super) async fn grant(
    connection: &mut SqliteConnection,
    id: &GrantId,
) -> Result<Option<Grant>, StoreError> {
    let row = sqlx::query("SELECT * FROM grants WHERE id = $1")
        .bind(id.as_str().to_owned())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(grant_from_row).transpose()
}

/// The grants on an assignment that are not over, sorted by id.
pub(super) async fn open_grants_on(
    connection: &mut SqliteConnection,
    key: &AssignmentKey,
) -> Result<Vec<Grant>, StoreError> {
    let query = sqlx::query(concat!(
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
pub(super) async fn write_changes(
    connection: &mut SqliteConnection,
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

/// An event as its row holds it.
struct EventRow {
    grant_id: Option<String>,
    body: String,
}

impl EventRow {
    fn new(
        grant_id: Option<&GrantId>,
        body: Result<String, serde_json::Error>,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            grant_id: grant_id.map(|id| id.as_str().to_owned()),
            body: body.map_err(|problem| unreadable("an event to write", problem))?,
        })
    }

    fn of(event: &Event) -> Result<Self, StoreError> {
        Self::new(event.grant_id.as_ref(), event.to_canonical_json())
    }

    /// Binds the event, or what makes its statement write none.
    fn bind<'q>(event: Option<Self>, query: Query<'q>) -> Query<'q> {
        let (grant_id, body) = event.map_or((None, None), |it| (it.grant_id, Some(it.body)));
        query.bind(grant_id).bind(body)
    }
}

fn has_end(grant: &Grant) -> bool {
    matches!(grant.state, GrantState::Active | GrantState::Revoking)
}

/// Notes beside the record since when, or from when on, there is an end to act on, and whom the work is
/// for (`WorkKind::of`, in the words of the database).
async fn note_work(
    connection: &mut SqliteConnection,
    key: &AssignmentKey,
) -> Result<(), StoreError> {
    let query = sqlx::query(concat!(
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
        ")), work_kind = (SELECT CASE \
           WHEN MAX(state = 'PROVISIONING' AND break_glass = 1) THEN 0 \
           WHEN removal_at IS NOT NULL OR MAX(state = 'PROVISIONING' \
             OR (state = 'REVOKING' AND ending_kind = 'REVOKED')) THEN 1 ELSE 2 END \
           FROM grants",
        where_key!(),
        is_open!(),
        ")",
        where_key!()
    ));
    bind_key(query, key).execute(connection).await?;
    Ok(())
}

async fn insert_record(
    connection: &mut SqliteConnection,
    record: &AssignmentRecord,
    kind: WorkKind,
) -> Result<bool, StoreError> {
    let query = sqlx::query(
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
    connection: &mut SqliteConnection,
    record: &AssignmentRecord,
) -> Result<bool, StoreError> {
    let query = sqlx::query(concat!(
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
fn bind_record<'q>(query: Query<'q>, record: &AssignmentRecord) -> Result<Query<'q>, StoreError> {
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

async fn insert_grant(
    connection: &mut SqliteConnection,
    grant: &Grant,
    event: Option<EventRow>,
) -> Result<Grant, StoreError> {
    let query = sqlx::query(
        "INSERT INTO grants (instance_arn, target_kind, target, principal_type, principal_id, id, \
         state, people_count, requested_by, subject, justification, ticket, policies, \
         policy_version, duration_microseconds, created_at, started_at, end_at, ended_at, \
         ending_kind, ending_by, ending_reason, ending_at, failure, version, service, \
         subject_proven, paths, break_glass, review_due, start_asked_at, lapses_at, look_at, \
         extension, extension_count, known_as, adopted_from, owner) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, \
         $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38) RETURNING *; \
         INSERT INTO events (grant_id, body) SELECT $39, $40 WHERE $40 IS NOT NULL",
    );
    let ending = grant.ending.as_ref();
    let query = bind_key(query, &grant.assignment_key())
        .bind(grant.id.as_str().to_owned())
        .bind(grant.state.as_str())
        .bind(count_to_column(grant.people_count))
        .bind(grant.requester.caller.as_str().to_owned())
        .bind(grant.requester.subject.as_str().to_owned())
        .bind(grant.justification.as_str().to_owned())
        .bind(grant.ticket.as_str().to_owned())
        .bind(to_json(&grant.policies)?)
        .bind(grant.policy_version.clone())
        .bind(grant.duration.map(duration_microseconds))
        .bind(microseconds(grant.created_at))
        .bind(microseconds_or_null(grant.started_at))
        .bind(microseconds_or_null(grant.end_at))
        .bind(microseconds_or_null(grant.ended_at))
        .bind(ending.map(|ending| ending.kind.as_str()))
        .bind(ending.and_then(|ending| ending.by.as_ref().map(|by| by.as_str().to_owned())))
        .bind(ending.map(|ending| ending.reason.as_str().to_owned()))
        .bind(ending.map(|ending| microseconds(ending.at)))
        .bind(grant.failure.as_ref().map(to_json).transpose()?)
        .bind(count_to_column(grant.version))
        .bind(grant.requester.service.clone())
        .bind(grant.requester.subject_proven)
        .bind(paths_to_column(&grant.paths)?)
        .bind(grant.break_glass)
        .bind(grant.review_due)
        .bind(microseconds_or_null(grant.start_asked_at))
        .bind(microseconds_or_null(grant.lapses_at))
        .bind(microseconds_or_null(grant.look_at))
        .bind(extension_column(grant)?)
        .bind(i64::from(grant.extension_count))
        .bind(grant.requester.known_as.clone())
        .bind(adopted_from(grant))
        .bind(owner(grant));
    // All rows are asked for, or the second statement would not be carried out.
    let rows = EventRow::bind(event, query).fetch_all(connection).await?;
    let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    grant_from_row(row)
}

fn adopted_from(grant: &Grant) -> Option<&'static str> {
    let adoption = grant.adoption.as_ref();
    adoption.map(|adoption| adoption.standing_before.as_str())
}

fn owner(grant: &Grant) -> Option<String> {
    let owner = grant.adoption.as_ref()?.owner.as_ref();
    owner.map(ToString::to_string)
}

fn extension_column(grant: &Grant) -> Result<Option<String>, StoreError> {
    grant
        .extension
        .as_ref()
        .map(extension_to_column)
        .transpose()
}

/// Writes what can change in a grant's life; what was asked for never does.
async fn update_grant(
    connection: &mut SqliteConnection,
    grant: &Grant,
    event: Option<EventRow>,
) -> Result<Grant, StoreError> {
    let ending = grant.ending.as_ref();
    let query = sqlx::query(
        "UPDATE grants SET state = $2, started_at = $3, end_at = $4, ended_at = $5, \
         ending_kind = $6, ending_by = $7, ending_reason = $8, ending_at = $9, failure = $10, \
         version = $11, policies = $12, policy_version = $13, duration_microseconds = $14, \
         review_due = $15, look_at = $16, extension = $17, extension_count = $18, \
         adopted_from = $19 \
         WHERE id = $1 AND version = $11 - 1 RETURNING *; \
         INSERT INTO events (grant_id, body) SELECT $20, $21 WHERE $21 IS NOT NULL",
    )
    .bind(grant.id.as_str().to_owned())
    .bind(grant.state.as_str())
    .bind(microseconds_or_null(grant.started_at))
    .bind(microseconds_or_null(grant.end_at))
    .bind(microseconds_or_null(grant.ended_at))
    .bind(ending.map(|ending| ending.kind.as_str()))
    .bind(ending.and_then(|ending| ending.by.as_ref().map(|by| by.as_str().to_owned())))
    .bind(ending.map(|ending| ending.reason.as_str().to_owned()))
    .bind(ending.map(|ending| microseconds(ending.at)))
    .bind(grant.failure.as_ref().map(to_json).transpose()?)
    .bind(count_to_column(grant.version))
    .bind(to_json(&grant.policies)?)
    .bind(grant.policy_version.clone())
    .bind(grant.duration.map(duration_microseconds))
    .bind(grant.review_due)
    .bind(microseconds_or_null(grant.look_at))
    .bind(extension_column(grant)?)
    .bind(i64::from(grant.extension_count))
    .bind(adopted_from(grant));
    let rows = EventRow::bind(event, query).fetch_all(connection).await?;
    // INVARIANT: a grant changes only together with its record, whose version was just compared;
    // a second comparison costs nothing and keeps one grant from two terminal decisions.
    match rows.first() {
        Some(row) => grant_from_row(row),
        None => Err(StoreError::Stale),
    }
}

/// Writes an event that is about no assignment. It belongs to no grant's timeline, also where a
/// denial was about a grant.
pub(super) async fn insert_service_event(
    connection: &mut SqliteConnection,
    event: &ServiceEvent,
) -> Result<(), StoreError> {
    append(connection, EventRow::new(None, event.to_canonical_json())?).await
}

/// All events stand in one log, in one order.
async fn append(connection: &mut SqliteConnection, event: EventRow) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO events (grant_id, body) VALUES ($1, $2)")
        .bind(event.grant_id)
        .bind(event.body)
        .execute(connection)
        .await?;
    Ok(())
}
