//! What the readers answer: each from one state of the database.

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use jiff::Timestamp;

use super::approvals::push_people;
use super::connection::{Connection, QueryBuilder, Sql, query};
use super::events::event_from_json;
use super::failure::unreadable;
use super::rows::{count, grant_from_row, microseconds, record_from_row};
use super::tables::is_open;
use crate::domain::{AssignmentRecord, Grant, GrantId, GrantState, InstanceArn};
use crate::store::{GrantFilter, GrantScope, NameEntry, NameKind, StoreError, StoredEvent};

/// The length of a secret in bytes: the key of an HMAC-SHA256.
const SECRET_LENGTH: usize = 32;

/// The newest events of one grant, newest first.
pub(in crate::store) const EVENTS_OF_GRANT: &str =
    "SELECT sequence, body FROM events WHERE grant_id = $1 ORDER BY sequence DESC LIMIT $2";

/// `Store::grants`.
pub(in crate::store) async fn grants(
    connection: &mut Connection<'_>,
    filter: &GrantFilter,
    after: Option<&GrantId>,
    limit: usize,
) -> Result<Vec<Grant>, StoreError> {
    let query = grants_query(filter, after, limit);
    let rows = query.build().fetch_all(connection).await?;
    rows.iter().map(grant_from_row).collect()
}

/// Each state's newest by its own way through the index, the newest of all of them together.
pub(in crate::store) fn grants_query(
    filter: &GrantFilter,
    after: Option<&GrantId>,
    limit: usize,
) -> QueryBuilder {
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
        query.push(") AS in_state");
    }
    query
        .push(") AS listed ORDER BY id DESC LIMIT ")
        .push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
    query
}

fn push_grants_in_state(
    query: &mut QueryBuilder,
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
            .push_either(match is_narrow {
                true => Sql::of(" AND +state = ", " AND state = "),
                false => Sql::both(" AND state = "),
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
pub(in crate::store) async fn open_grants(
    connection: &mut Connection<'_>,
    instance: &InstanceArn,
    scope: &GrantScope,
) -> Result<Vec<Grant>, StoreError> {
    by_assignment(open_grants_query(instance, scope), connection).await
}

/// `FactStore::grants_standing`.
pub(in crate::store) async fn grants_standing(
    connection: &mut Connection<'_>,
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
    query: QueryBuilder,
    connection: &mut Connection<'_>,
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
pub(in crate::store) async fn assignment_records(
    connection: &mut Connection<'_>,
    instance: &InstanceArn,
    scope: &GrantScope,
) -> Result<Vec<AssignmentRecord>, StoreError> {
    let query = records_query(instance, scope);
    let rows = query.build().fetch_all(connection).await?;
    let mut records = rows
        .iter()
        .map(record_from_row)
        .collect::<Result<Vec<_>, _>>()?;
    records.sort_by(|left, right| left.key.cmp(&right.key));
    Ok(records)
}

/// Every grant that is not over, of every instance, and every record; in no order.
pub(in crate::store) async fn all_open(
    connection: &mut Connection<'_>,
) -> Result<(Vec<Grant>, Vec<AssignmentRecord>), StoreError> {
    let grants = query(OPEN).fetch_all(connection).await?;
    let records = query("SELECT * FROM assignments")
        .fetch_all(connection)
        .await?;
    let grants = grants.iter().map(grant_from_row);
    let records = records.iter().map(record_from_row);
    Ok((
        grants.collect::<Result<_, _>>()?,
        records.collect::<Result<_, _>>()?,
    ))
}

const OPEN: &str = concat!("SELECT * FROM grants WHERE 1 = 1", is_open!());

/// The open grants of a scope.
pub(in crate::store) fn open_grants_query(
    instance: &InstanceArn,
    scope: &GrantScope,
) -> QueryBuilder {
    // Without statistics SQLite takes the index of all grants of a principal for as good.
    let mut query = QueryBuilder::new(match scope {
        GrantScope::Principal(_) => Sql::of(
            concat!(
                "SELECT * FROM grants INDEXED BY grants_open_of_principal WHERE 1 = 1",
                is_open!()
            ),
            OPEN,
        ),
        _ => Sql::both(OPEN),
    });
    push_scope(&mut query, instance, scope);
    query
}

/// The records of a scope.
pub(in crate::store) fn records_query(instance: &InstanceArn, scope: &GrantScope) -> QueryBuilder {
    let mut query = QueryBuilder::new("SELECT * FROM assignments WHERE 1 = 1");
    push_scope(&mut query, instance, scope);
    query
}

pub(in crate::store) fn push_scope(
    query: &mut QueryBuilder,
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
pub(in crate::store) async fn grant_events(
    connection: &mut Connection<'_>,
    id: &GrantId,
    limit: usize,
) -> Result<Vec<StoredEvent>, StoreError> {
    let rows = query(EVENTS_OF_GRANT)
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
pub(in crate::store) async fn count_open_elsewhere(
    connection: &mut Connection<'_>,
    instances: &[InstanceArn],
) -> Result<u64, StoreError> {
    let mut query = QueryBuilder::new(concat!(
        "SELECT COUNT(*) AS count FROM grants WHERE 1 = 1",
        is_open!()
    ));
    if !instances.is_empty() {
        query.push(" AND instance_arn NOT IN (");
        query
            .push_list(instances.iter().map(|it| it.as_str().to_owned()))
            .push(")");
    }
    count(&query.build().fetch_one(connection).await?, "count")
}

/// `Store::name`.
pub(in crate::store) async fn name(
    connection: &mut Connection<'_>,
    kind: NameKind,
    id: &str,
) -> Result<Option<String>, StoreError> {
    let row = query("SELECT name FROM names WHERE kind = $1 AND id = $2")
        .bind(name_word(kind))
        .bind(id.to_owned())
        .fetch_optional(connection)
        .await?;
    Ok(row.map(|row| row.try_get("name")).transpose()?)
}

/// `Store::remember_names`: of two readings the later counts.
pub(in crate::store) async fn remember_names(
    connection: &mut Connection<'_>,
    names: &[NameEntry],
) -> Result<(), StoreError> {
    let mut names: Vec<&NameEntry> = names.iter().collect();
    // Of two that remember the same ones none waits for the other.
    names.sort_by_key(|entry| (name_word(entry.kind), entry.id.as_str()));
    for entry in names {
        query(
            "INSERT INTO names (kind, id, name, seen_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (kind, id) DO UPDATE SET name = excluded.name, \
             seen_at = excluded.seen_at WHERE excluded.seen_at >= names.seen_at",
        )
        .bind(name_word(entry.kind))
        .bind(entry.id.clone())
        .bind(entry.name.clone())
        .bind(microseconds(entry.seen_at))
        .execute(connection)
        .await?;
    }
    Ok(())
}

/// A secret, if it was made already.
pub(in crate::store) async fn secret(
    connection: &mut Connection<'_>,
    name: &str,
) -> Result<Option<Vec<u8>>, StoreError> {
    let row = query("SELECT value FROM secrets WHERE name = $1")
        .bind(name.to_owned())
        .fetch_optional(connection)
        .await?;
    Ok(row.map(|row| row.try_get("value")).transpose()?)
}

/// Random bytes for a new secret.
pub(in crate::store) fn new_secret() -> Result<[u8; SECRET_LENGTH], StoreError> {
    let mut value = [0_u8; SECRET_LENGTH];
    SystemRandom::new()
        .fill(&mut value)
        .map_err(|_| StoreError::Unavailable("the system gives no random bytes".to_owned()))?;
    Ok(value)
}

/// Keeps a new secret unless there is one by now; answers the one that counts.
pub(in crate::store) async fn keep_secret(
    connection: &mut Connection<'_>,
    name: &str,
    value: &[u8],
) -> Result<Vec<u8>, StoreError> {
    query("INSERT INTO secrets (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(name.to_owned())
        .bind(value.to_owned())
        .execute(connection)
        .await?;
    secret(connection, name)
        .await?
        .ok_or_else(|| unreadable("secrets", "what was just written is missing"))
}

/// `Store::forget_requests`.
pub(in crate::store) async fn forget_requests(
    connection: &mut Connection<'_>,
    before: Timestamp,
) -> Result<u64, StoreError> {
    let done = query("DELETE FROM requests WHERE used_at < $1")
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
