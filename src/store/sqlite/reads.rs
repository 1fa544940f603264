//! What the readers answer: each from one state of the database.

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use jiff::Timestamp;
use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteConnection};

use super::approvals::push_people;
use super::events::event_from_json;
use super::failure::unreadable;
use super::rows::{count, grant_from_row, microseconds, record_from_row};
use super::tables::is_open;
use crate::domain::{AssignmentRecord, Grant, GrantId, GrantState, InstanceArn};
use crate::store::{GrantFilter, GrantScope, NameEntry, NameKind, StoreError, StoredEvent};

/// The length of a secret in bytes: the key of an HMAC-SHA256.
const SECRET_LENGTH: usize = 32;

/// The newest events of one grant, newest first.
pub(super) const EVENTS_OF_GRANT: &str =
    "SELECT sequence, body FROM events WHERE grant_id = $1 ORDER BY sequence DESC LIMIT $2";

/// `Store::grants`.
pub(super) async fn grants(
    connection: &mut SqliteConnection,
    filter: &GrantFilter,
    after: Option<&GrantId>,
    limit: usize,
) -> Result<Vec<Grant>, StoreError> {
    let mut query = grants_query(filter, after, limit);
    let rows = query.build().fetch_all(connection).await?;
    rows.iter().map(grant_from_row).collect()
}

/// Each state's newest by its own way through the index, the newest of all of them together.
pub(super) fn grants_query(
    filter: &GrantFilter,
    after: Option<&GrantId>,
    limit: usize,
) -> QueryBuilder<Sqlite> {
    let mut states = filter.states.clone();
    states.dedup();
    let states: Vec<Option<GrantState>> = match states.is_empty() {
        true => vec![None],
        false => states.into_iter().map(Some).collect(),
    };
    let mut query = QueryBuilder::new("SELECT * FROM (");
    for (number, state) in states.into_iter().enumerate() {
        if number > 0 {
            query.push(" UNION ALL ");
        }
        query.push("SELECT * FROM (");
        push_grants_in_state(&mut query, filter, state, after, limit);
        query.push(")");
    }
    query
        .push(") ORDER BY id DESC LIMIT ")
        .push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
    query
}

fn push_grants_in_state(
    query: &mut QueryBuilder<Sqlite>,
    filter: &GrantFilter,
    state: Option<GrantState>,
    after: Option<&GrantId>,
    limit: usize,
) {
    query.push("SELECT * FROM grants WHERE 1 = 1");
    if let Some(instance) = &filter.instance {
        query
            .push(" AND instance_arn = ")
            .push_bind(instance.as_str().to_owned());
    }
    if let Some(principal) = &filter.principal {
        query
            .push(" AND principal_type = ")
            .push_bind(principal.kind.as_str())
            .push(" AND principal_id = ")
            .push_bind(principal.id.as_str().to_owned());
    }
    if let Some(target) = &filter.target {
        query
            .push(" AND target_kind = ")
            .push_bind(target.kind())
            .push(" AND target = ")
            .push_bind(target.key().into_owned());
    }
    if let Some(ticket) = &filter.ticket {
        query
            .push(" AND ticket <> '' AND ticket = ")
            .push_bind(ticket.clone());
    }
    if let Some(requested_by) = &filter.requested_by {
        query
            .push(" AND requested_by = ")
            .push_bind(requested_by.clone());
    }
    push_people(query, filter);
    if let Some(state) = state {
        let is_narrow = filter.principal.is_some()
            || filter.target.is_some()
            || filter.ticket.is_some()
            || filter.requested_by.is_some()
            || filter.of_subject.is_some()
            || filter.open_wish
            || filter.reviewed_by.is_some()
            || filter.review_due;
        // The plus keeps the state's index from being taken where another one finds far fewer.
        query
            .push(if is_narrow {
                " AND +state = "
            } else {
                " AND state = "
            })
            .push_bind(state.as_str());
    }
    if let Some(after) = after {
        query
            .push(" AND id < ")
            .push_bind(after.as_str().to_owned());
    }
    query
        .push(" ORDER BY id DESC LIMIT ")
        .push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
}

/// `Store::open_grants`.
pub(super) async fn open_grants(
    connection: &mut SqliteConnection,
    instance: &InstanceArn,
    scope: &GrantScope,
) -> Result<Vec<Grant>, StoreError> {
    by_assignment(open_grants_query(instance, scope), connection).await
}

/// `FactStore::grants_standing`.
pub(super) async fn grants_standing(
    connection: &mut SqliteConnection,
    instance: &InstanceArn,
    scope: &GrantScope,
    (from, until): (Timestamp, Timestamp),
) -> Result<Vec<Grant>, StoreError> {
    let mut query = QueryBuilder::new("SELECT * FROM grants WHERE started_at <= ");
    query
        .push_bind(until.as_microsecond())
        .push(" AND (ended_at IS NULL OR ended_at >= ")
        .push_bind(from.as_microsecond())
        .push(")");
    push_scope(&mut query, instance, scope);
    by_assignment(query, connection).await
}

async fn by_assignment(
    mut query: QueryBuilder<Sqlite>,
    connection: &mut SqliteConnection,
) -> Result<Vec<Grant>, StoreError> {
    let rows = query.build().fetch_all(connection).await?;
    let mut grants = rows
        .iter()
        .map(grant_from_row)
        .collect::<Result<Vec<_>, _>>()?;
    // Sorted here: the order of keys is the domain's, not that of the columns' words.
    grants.sort_by_cached_key(|grant| (grant.assignment_key(), grant.id.clone()));
    Ok(grants)
}

/// `Store::assignment_records`.
pub(super) async fn assignment_records(
    connection: &mut SqliteConnection,
    instance: &InstanceArn,
    scope: &GrantScope,
) -> Result<Vec<AssignmentRecord>, StoreError> {
    let mut query = records_query(instance, scope);
    let rows = query.build().fetch_all(connection).await?;
    let mut records = rows
        .iter()
        .map(record_from_row)
        .collect::<Result<Vec<_>, _>>()?;
    records.sort_by(|left, right| left.key.cmp(&right.key));
    Ok(records)
}

/// Every grant that is not over, of every instance, and every record; in no order.
pub(super) async fn all_open(
    connection: &mut SqliteConnection,
) -> Result<(Vec<Grant>, Vec<AssignmentRecord>), StoreError> {
    let grants = sqlx::query(concat!("SELECT * FROM grants WHERE 1 = 1", is_open!()))
        .fetch_all(&mut *connection)
        .await?;
    let records = sqlx::query("SELECT * FROM assignments")
        .fetch_all(connection)
        .await?;
    let grants = grants.iter().map(grant_from_row);
    let records = records.iter().map(record_from_row);
    Ok((
        grants.collect::<Result<_, _>>()?,
        records.collect::<Result<_, _>>()?,
    ))
}

/// The open grants of a scope.
pub(super) fn open_grants_query(
    instance: &InstanceArn,
    scope: &GrantScope,
) -> QueryBuilder<Sqlite> {
    // Without statistics SQLite takes the index of all grants of a principal for as good.
    let mut query = QueryBuilder::new(match scope {
        GrantScope::Principal(_) => concat!(
            "SELECT * FROM grants INDEXED BY grants_open_of_principal WHERE 1 = 1",
            is_open!()
        ),
        _ => concat!("SELECT * FROM grants WHERE 1 = 1", is_open!()),
    });
    push_scope(&mut query, instance, scope);
    query
}

/// The records of a scope.
pub(super) fn records_query(instance: &InstanceArn, scope: &GrantScope) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new("SELECT * FROM assignments WHERE 1 = 1");
    push_scope(&mut query, instance, scope);
    query
}

pub(super) fn push_scope(
    query: &mut QueryBuilder<Sqlite>,
    instance: &InstanceArn,
    scope: &GrantScope,
) {
    query
        .push(" AND instance_arn = ")
        .push_bind(instance.as_str().to_owned());
    let (principal, target) = match scope {
        GrantScope::All => (None, None),
        GrantScope::Target(target) => (None, Some(target)),
        GrantScope::Principal(principal) => (Some(principal), None),
        GrantScope::Assignment(principal, target) => (Some(principal), Some(target)),
    };
    if let Some(target) = target {
        query
            .push(" AND target_kind = ")
            .push_bind(target.kind())
            .push(" AND target = ")
            .push_bind(target.key().into_owned());
    }
    if let Some(principal) = principal {
        query
            .push(" AND principal_type = ")
            .push_bind(principal.kind.as_str())
            .push(" AND principal_id = ")
            .push_bind(principal.id.as_str().to_owned());
    }
}

/// `Store::grant_events`.
pub(super) async fn grant_events(
    connection: &mut SqliteConnection,
    id: &GrantId,
    limit: usize,
) -> Result<Vec<StoredEvent>, StoreError> {
    let rows = sqlx::query(EVENTS_OF_GRANT)
        .bind(id.as_str().to_owned())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await?;
    rows.iter()
        .rev()
        .map(|row| {
            Ok(StoredEvent {
                sequence: row.try_get("sequence")?,
                event: event_from_json(row.try_get("body")?)?,
            })
        })
        .collect()
}

/// `Store::count_open_elsewhere`.
pub(super) async fn count_open_elsewhere(
    connection: &mut SqliteConnection,
    instances: &[InstanceArn],
) -> Result<u64, StoreError> {
    let mut query = QueryBuilder::<Sqlite>::new(concat!(
        "SELECT COUNT(*) AS count FROM grants WHERE 1 = 1",
        is_open!(),
        " AND instance_arn NOT IN ("
    ));
    let mut words = query.separated(", ");
    for instance in instances {
        words.push_bind(instance.as_str());
    }
    query.push(")");
    count(&query.build().fetch_one(connection).await?, "count")
}

/// `Store::name`.
pub(super) async fn name(
    connection: &mut SqliteConnection,
    kind: NameKind,
    id: &str,
) -> Result<Option<String>, StoreError> {
    let row = sqlx::query("SELECT name FROM names WHERE kind = $1 AND id = $2")
        .bind(name_word(kind))
        .bind(id.to_owned())
        .fetch_optional(connection)
        .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// `Store::remember_names`: of two readings the later counts.
pub(super) async fn remember_names(
    connection: &mut SqliteConnection,
    names: &[NameEntry],
) -> Result<(), StoreError> {
    for entry in names {
        sqlx::query(
            "INSERT INTO names (kind, id, name, seen_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (kind, id) DO UPDATE SET name = excluded.name, \
             seen_at = excluded.seen_at WHERE excluded.seen_at >= names.seen_at",
        )
        .bind(name_word(entry.kind))
        .bind(entry.id.clone())
        .bind(entry.name.clone())
        .bind(microseconds(entry.seen_at))
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// A secret, if it was made already.
pub(super) async fn secret(
    connection: &mut SqliteConnection,
    name: &str,
) -> Result<Option<Vec<u8>>, StoreError> {
    let row = sqlx::query("SELECT value FROM secrets WHERE name = $1")
        .bind(name.to_owned())
        .fetch_optional(connection)
        .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// Random bytes for a new secret.
pub(super) fn new_secret() -> Result<[u8; SECRET_LENGTH], StoreError> {
    let mut value = [0_u8; SECRET_LENGTH];
    SystemRandom::new()
        .fill(&mut value)
        .map_err(|_| StoreError::Unavailable("the system gives no random bytes".to_owned()))?;
    Ok(value)
}

/// Keeps a new secret unless there is one by now; answers the one that counts.
pub(super) async fn keep_secret(
    connection: &mut SqliteConnection,
    name: &str,
    value: &[u8],
) -> Result<Vec<u8>, StoreError> {
    sqlx::query("INSERT INTO secrets (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(name.to_owned())
        .bind(value.to_owned())
        .execute(&mut *connection)
        .await?;
    secret(connection, name)
        .await?
        .ok_or_else(|| unreadable("secrets", "what was just written is missing"))
}

/// `Store::forget_requests`.
pub(super) async fn forget_requests(
    connection: &mut SqliteConnection,
    before: Timestamp,
) -> Result<u64, StoreError> {
    let done = sqlx::query("DELETE FROM requests WHERE used_at < $1")
        .bind(microseconds(before))
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}

fn name_word(kind: NameKind) -> &'static str {
    match kind {
        NameKind::User => "USER",
        NameKind::Group => "GROUP",
        NameKind::Application => "APPLICATION",
        NameKind::Account => "ACCOUNT",
        NameKind::PermissionSet => "PERMISSION_SET",
    }
}
