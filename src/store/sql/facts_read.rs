//! The statements that read collections and their facts. What belongs together is read from one state
//! of the database: those that say so expect to run inside one transaction.

use jiff::Timestamp;

use super::connection::{Connection, QueryBuilder, Row, Sql, query};
use super::failure::unreadable;
use super::rows::{count, count_to_column, microseconds, optional_time, time};
use crate::domain::facts::{CollectionId, CollectionRecord, Fact, FactKey, FactKind};
use crate::domain::{InstanceArn, Operation};
use crate::store::{FactRange, FinishedCollection, KeptFact, StoreError};

/// Finished collections of an instance.
const COLLECTIONS: &str = "SELECT c.* FROM collected_instances AS i \
     JOIN collections AS c ON c.instance = i.number AND c.state = 'FINISHED' WHERE i.instance_arn = ";

/// A page as one row, a JSON array of its rows: for each row of an answer the database's thread and the
/// task that reads wake each other, which costs many times what the row does.
macro_rules! one_row {
    ($columns:literal, $page:expr) => {
        one_row!($columns, $page, $page)
    };
    ($columns:literal, $page:expr, $of_postgres:expr) => {
        Sql::of(
            concat!(
                "SELECT json_group_array(json_array(",
                $columns,
                ")) AS page FROM (",
                $page,
                ")"
            ),
            concat!(
                "SELECT COALESCE(json_agg(json_build_array(",
                $columns,
                "))::text, '[]') AS page FROM (",
                $of_postgres,
                ") AS paged"
            ),
        )
    };
}

pub(in crate::store) use one_row;

/// The intervals that hold in a collection, of one instance and kind, from an index in the order of the answer: a
/// page ends the reading.
macro_rules! facts_where {
    ($table:literal, $condition:literal) => {
        one_row!(
            "key, second_key, value, from_collection",
            facts_where!(@page $table, $condition),
            facts_where!(@page "facts", $condition)
        )
    };
    (@page $table:literal, $condition:literal) => {
        concat!(
            "SELECT key, second_key, value, from_collection FROM ",
            $table,
            " WHERE from_collection <= $1 AND (to_collection IS NULL OR to_collection > $1) \
             AND instance = $2 AND kind = $3 AND ",
            $condition,
            " LIMIT $6"
        )
    };
}

/// Behind a first and a second key.
pub(in crate::store) const FACTS_OF_KIND: Sql = facts_where!(
    "facts",
    "(key, second_key) > ($4, $5) ORDER BY key, second_key"
);
/// With a first key, whether it has a second one or none.
pub(in crate::store) const FACTS_OF: Sql =
    facts_where!("facts", "key = $4 AND second_key >= $5 ORDER BY second_key");
/// With a first key, behind a second one.
pub(in crate::store) const FACTS_OF_BEHIND: Sql =
    facts_where!("facts", "key = $4 AND second_key > $5 ORDER BY second_key");
/// With a second key, behind a first one. Without statistics SQLite would take the primary key.
pub(in crate::store) const FACTS_WITH: Sql = facts_where!(
    "facts INDEXED BY facts_second",
    "second_key = $4 AND second_key <> '' AND key > $5 ORDER BY key"
);

/// The number of an instance, if it was ever collected.
pub(in crate::store) async fn instance_number(
    connection: &mut Connection<'_>,
    instance: &InstanceArn,
) -> Result<Option<i64>, StoreError> {
    let row = query("SELECT number FROM collected_instances WHERE instance_arn = $1")
        .bind(instance.as_str().to_owned())
        .fetch_optional(connection)
        .await?;
    Ok(row.map(|row| row.try_get("number")).transpose()?)
}

/// Reads the kind of a key.
pub(in crate::store) fn kind_from_row(row: &Row) -> Result<FactKind, StoreError> {
    let number: i64 = row.try_get("kind")?;
    FactKind::from_number(number).ok_or_else(|| unreadable("kind", number))
}

/// Reads a key of this kind.
pub(in crate::store) fn key_from_row(row: &Row, kind: FactKind) -> Result<FactKey, StoreError> {
    Ok(FactKey {
        kind,
        key: row.try_get("key")?,
        second: row.try_get("second_key")?,
    })
}

/// `FactStore::collection_at`.
pub(in crate::store) async fn collection_at(
    connection: &mut Connection<'_>,
    instance: &InstanceArn,
    at: Timestamp,
) -> Result<Option<FinishedCollection>, StoreError> {
    let mut query = QueryBuilder::new(COLLECTIONS);
    query.push_bind(instance.as_str().to_owned());
    query
        .push(" AND c.ended_at <= ")
        .push_bind(microseconds(at));
    query.push(" ORDER BY c.ended_at DESC, c.id DESC LIMIT 1");
    let row = query.build().fetch_optional(connection).await?;
    row.as_ref().map(collection_from_row).transpose()
}

/// `FactStore::collections`.
pub(in crate::store) async fn collections(
    connection: &mut Connection<'_>,
    instance: &InstanceArn,
    from: Timestamp,
    until: Timestamp,
    limit: usize,
) -> Result<Vec<FinishedCollection>, StoreError> {
    let mut query = QueryBuilder::new(COLLECTIONS);
    query.push_bind(instance.as_str().to_owned());
    query
        .push(" AND c.ended_at >= ")
        .push_bind(microseconds(from));
    query
        .push(" AND c.ended_at < ")
        .push_bind(microseconds(until));
    query
        .push(" ORDER BY c.ended_at, c.id LIMIT ")
        .push_bind(to_limit(limit));
    let rows = query.build().fetch_all(connection).await?;
    rows.iter().map(collection_from_row).collect()
}

/// `FactStore::first_whole_collection`.
pub(in crate::store) async fn first_whole(
    connection: &mut Connection<'_>,
    instance: &InstanceArn,
) -> Result<Option<CollectionId>, StoreError> {
    let row = query(
        "SELECT first_whole FROM collected_instances \
         WHERE instance_arn = $1 AND first_whole IS NOT NULL",
    )
    .bind(instance.as_str().to_owned())
    .fetch_optional(connection)
    .await?;
    let id = row.map(|row| count(&row, "first_whole")).transpose()?;
    Ok(id.map(CollectionId))
}

fn collection_from_row(row: &Row) -> Result<FinishedCollection, StoreError> {
    let observed = optional_time(row, "observed_from")?;
    let record = CollectionRecord {
        began_at: time("began_at", row.try_get("began_at")?)?,
        ended_at: time("ended_at", row.try_get("ended_at")?)?,
        observed: observed.zip(optional_time(row, "observed_until")?),
        missing: json(row, "missing")?,
        unread: json(row, "unread")?,
        operations: operations(row)?,
        counts: json(row, "counts")?,
    };
    Ok(FinishedCollection {
        id: CollectionId(count(row, "id")?),
        record,
    })
}

/// Reads a column that holds JSON.
pub(in crate::store) fn json<T: serde::de::DeserializeOwned>(
    row: &Row,
    column: &'static str,
) -> Result<T, StoreError> {
    let text: &str = row.try_get(column)?;
    serde_json::from_str(text).map_err(|problem| unreadable(column, problem))
}

fn operations(row: &Row) -> Result<Vec<(Operation, u64)>, StoreError> {
    let named: Vec<(String, u64)> = json(row, "operations")?;
    let operations = named.into_iter().map(|(name, count)| {
        let operation = Operation::from_name(&name);
        Ok((
            operation.ok_or_else(|| unreadable("operations", name))?,
            count,
        ))
    });
    operations.collect()
}

/// The number of the instance of a finished collection.
pub(in crate::store) async fn instance_of(
    connection: &mut Connection<'_>,
    id: CollectionId,
) -> Result<i64, StoreError> {
    let row = query("SELECT instance FROM collections WHERE id = $1 AND state = 'FINISHED'")
        .bind(count_to_column(id.0))
        .fetch_optional(connection)
        .await?;
    Ok(row.ok_or(StoreError::Stale)?.try_get("instance")?)
}

/// `FactStore::facts`, inside one transaction.
pub(in crate::store) async fn facts(
    connection: &mut Connection<'_>,
    id: CollectionId,
    range: &FactRange,
    after: Option<&FactKey>,
    limit: usize,
) -> Result<Vec<KeptFact>, StoreError> {
    let instance = instance_of(connection, id).await?;
    in_range(connection, (instance, id), range, after, limit).await
}

/// Facts of these kinds of a collection, of the instance that it is of.
pub(in crate::store) async fn facts_of_kinds(
    connection: &mut Connection<'_>,
    of: (i64, CollectionId),
    kinds: &[FactKind],
    after: Option<&FactKey>,
    limit: usize,
) -> Result<Vec<KeptFact>, StoreError> {
    let range = FactRange::Kinds(kinds.to_vec());
    in_range(connection, of, &range, after, limit).await
}

async fn in_range(
    connection: &mut Connection<'_>,
    (instance, id): (i64, CollectionId),
    range: &FactRange,
    after: Option<&FactKey>,
    limit: usize,
) -> Result<Vec<KeptFact>, StoreError> {
    let kinds = match range {
        FactRange::Kinds(kinds) => kinds_from(kinds, after),
        FactRange::Of(kind, _) | FactRange::With(kind, _) => vec![*kind],
    };
    let mut found = Vec::new();
    for kind in kinds {
        let behind = after.filter(|after| after.kind == kind);
        let behind = behind.map(|after| (after.key.clone(), after.second.clone()));
        let (sql, first, second) = match (range, behind) {
            (FactRange::Kinds(_), behind) => {
                let (key, second) = behind.unwrap_or_default();
                (FACTS_OF_KIND, key, second)
            }
            (FactRange::Of(_, key), Some((_, second))) => (FACTS_OF_BEHIND, key.clone(), second),
            (FactRange::Of(_, key), None) => (FACTS_OF, key.clone(), String::new()),
            (FactRange::With(_, second), behind) => {
                (FACTS_WITH, second.clone(), behind.unwrap_or_default().0)
            }
        };
        let row = query(sql)
            .bind(count_to_column(id.0))
            .bind(instance)
            .bind(kind.number())
            .bind(first)
            .bind(second)
            .bind(to_limit(limit - found.len()))
            .fetch_one(connection)
            .await?;
        let page: Vec<(String, String, String, u64)> = json(&row, "page")?;
        found.extend(
            page.into_iter()
                .map(|(key, second, value, since)| KeptFact {
                    fact: Fact {
                        key: FactKey { kind, key, second },
                        value,
                    },
                    since: CollectionId(since),
                }),
        );
        if found.len() >= limit {
            break;
        }
    }
    Ok(found)
}

/// Which kinds are left after a key, in order, each once.
pub(in crate::store) fn kinds_from(kinds: &[FactKind], after: Option<&FactKey>) -> Vec<FactKind> {
    let is_left = |kind: &FactKind| after.is_none_or(|after| after.kind <= *kind);
    let left = FactKind::ALL
        .into_iter()
        .filter(|kind| kinds.contains(kind));
    left.filter(is_left).collect()
}

pub(in crate::store) fn to_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
