//! The statements that look up a few facts, and what holds a few assignments, by their keys. Each function expects
//! to run inside one transaction.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::connection::{Connection, Sql, query};
use super::facts_read::{facts_of_kinds, instance_of, json, one_row};
use super::failure::{invalid, unreadable};
use super::rows::{count, count_to_column, grant_from_row, microseconds, record_from_row, to_json};
use super::tables::is_open;
use crate::domain::facts::{
    CollectionId, Fact, FactKey, FactKind, principal_of_second, target_of_key,
};
use crate::domain::{Grant, GrantId, InstanceArn};
use crate::store::{KeptFact, ListedAssignments, StoreError};

macro_rules! facts_of_keys {
    ($list:literal, $kind:literal) => {
        concat!(
            "SELECT f.kind, f.key, f.second_key, f.value, f.from_collection FROM ",
            $list,
            " JOIN facts AS f ON f.instance = $2 AND f.kind = ",
            $kind,
            " AND f.key = v.value ->> 1 AND f.second_key = v.value ->> 2 AND f.from_collection <= $1 \
             AND (f.to_collection IS NULL OR f.to_collection > $1)"
        )
    };
}

/// The facts of these keys; the list leads, so that each is one step through an index.
pub(in crate::store) const FACTS_OF_KEYS: Sql = one_row!(
    "kind, key, second_key, value, from_collection",
    facts_of_keys!("json_each($3) AS v CROSS", "v.value ->> 0"),
    facts_of_keys!(
        "json_array_elements($3::json) AS v",
        "(v.value ->> 0)::bigint"
    )
);

/// The assignments of these keys, as another table has them.
macro_rules! on_keys {
    ($table:literal, $condition:expr) => {
        Sql::of(
            on_keys!(@list "json_each($1) AS v CROSS", $table, $condition),
            on_keys!(@list "json_array_elements($1::json) AS v", $table, $condition),
        )
    };
    (@list $list:literal, $table:literal, $condition:expr) => {
        concat!(
            "SELECT t.* FROM ",
            $list,
            " JOIN ",
            $table,
            " AS t ON instance_arn = v.value ->> 0 AND target_kind = v.value ->> 1 \
             AND target = v.value ->> 2 AND principal_type = v.value ->> 3 \
             AND principal_id = v.value ->> 4",
            $condition
        )
    };
}

pub(in crate::store) const GRANTS_ON_KEYS: Sql = on_keys!("grants", is_open!());
/// Those that have ended since a time: they stood when the assignments were seen.
pub(in crate::store) const ENDED_ON_KEYS: Sql =
    on_keys!("grants", " AND started_at IS NOT NULL AND ended_at >= $2");
pub(in crate::store) const RECORDS_ON_KEYS: Sql = on_keys!("assignments", "");

/// The instance of a finished collection, with the first one of it that lacked nothing.
pub(in crate::store) const INSTANCE_WITH_FIRST: &str = "SELECT i.number, i.instance_arn, i.first_whole, c.began_at \
     FROM collections AS c JOIN collected_instances AS i ON i.number = c.instance \
     WHERE c.id = $1 AND c.state = 'FINISHED'";

/// `FactStore::facts_of`.
pub(in crate::store) async fn facts_of(
    connection: &mut Connection<'_>,
    collection: CollectionId,
    keys: &[FactKey],
) -> Result<Vec<KeptFact>, StoreError> {
    let instance = instance_of(connection, collection).await?;
    of_keys(connection, instance, collection, keys.iter()).await
}

async fn of_keys(
    connection: &mut Connection<'_>,
    instance: i64,
    collection: CollectionId,
    keys: impl Iterator<Item = &FactKey>,
) -> Result<Vec<KeptFact>, StoreError> {
    let keys: Vec<(i64, &str, &str)> = keys
        .map(|key| (key.kind.number(), key.key.as_str(), key.second.as_str()))
        .collect();
    let row = query(FACTS_OF_KEYS)
        .bind(count_to_column(collection.0))
        .bind(instance)
        .bind(to_json(&keys)?)
        .fetch_one(connection)
        .await?;
    let found: Vec<(i64, String, String, String, u64)> = json(&row, "page")?;
    let facts = found
        .into_iter()
        .filter_map(|(kind, key, second, value, since)| {
            let kind = FactKind::from_number(kind)?;
            Some(KeptFact {
                fact: Fact {
                    key: FactKey { kind, key, second },
                    value,
                },
                since: CollectionId(since),
            })
        });
    Ok(facts.collect())
}

/// `FactStore::listed_assignments`.
pub(in crate::store) async fn listed_assignments(
    connection: &mut Connection<'_>,
    collection: CollectionId,
    after: Option<&FactKey>,
    limit: usize,
) -> Result<ListedAssignments, StoreError> {
    let row = query(INSTANCE_WITH_FIRST)
        .bind(count_to_column(collection.0))
        .fetch_optional(connection)
        .await?
        .ok_or(StoreError::Stale)?;
    let instance: i64 = row.try_get("number")?;
    let arn: String = row.try_get("instance_arn")?;
    let first: Option<i64> = row.try_get("first_whole")?;
    let first_whole = first.map(|_| count(&row, "first_whole")).transpose()?;
    let of = (instance, collection);
    let kinds = [FactKind::Assignment];
    let assignments = facts_of_kinds(connection, of, &kinds, after, limit).await?;
    let named: BTreeSet<FactKey> = (assignments.iter())
        .flat_map(|kept| kept.fact.key.named_by_assignment())
        .collect();
    let named = of_keys(connection, instance, collection, named.iter()).await?;
    let words = (assignments.iter())
        .map(|kept| words_of(&arn, &kept.fact.key))
        .collect::<Result<Vec<_>, _>>()?;
    let words = to_json(&words)?;
    let grants = query(GRANTS_ON_KEYS)
        .bind(words.clone())
        .fetch_all(connection)
        .await?;
    let ended = query(ENDED_ON_KEYS)
        .bind(words.clone())
        .bind(row.try_get::<i64>("began_at")?)
        .fetch_all(connection)
        .await?;
    let records = query(RECORDS_ON_KEYS)
        .bind(words)
        .fetch_all(connection)
        .await?;
    Ok(ListedAssignments {
        assignments,
        named,
        grants: (grants.iter().map(grant_from_row)).collect::<Result<_, _>>()?,
        ended: (ended.iter().map(grant_from_row)).collect::<Result<_, _>>()?,
        records: (records.iter().map(record_from_row)).collect::<Result<_, _>>()?,
        first_whole: first_whole.map(CollectionId),
    })
}

/// The columns of an assignment's key in other tables.
fn words_of(arn: &str, key: &FactKey) -> Result<[String; 5], StoreError> {
    let target = target_of_key(&key.key).map_err(invalid("key"))?;
    let principal = principal_of_second(&key.second).map_err(invalid("second_key"))?;
    Ok([
        arn.to_owned(),
        target.kind().to_owned(),
        key.key.clone(),
        principal.kind.as_str().to_owned(),
        principal.id.to_string(),
    ])
}

/// The ids of grants of an instance that stood at some time of a period.
pub(in crate::store) const IDS_STANDING: Sql = one_row!(
    "id",
    "SELECT id FROM grants WHERE instance_arn = $1 AND started_at <= $3 \
     AND (ended_at IS NULL OR ended_at >= $2) ORDER BY id"
);
/// The grants with these ids; the list leads, in its order.
pub(in crate::store) const GRANTS_OF_IDS: Sql = Sql::of(
    "SELECT g.* FROM json_each($1) AS v CROSS JOIN grants AS g ON g.id = v.value",
    "SELECT g.* FROM json_array_elements_text($1::json) WITH ORDINALITY AS v (value, place) \
     JOIN grants AS g ON g.id = v.value ORDER BY v.place",
);

/// `FactStore::grant_ids_standing`.
pub(in crate::store) async fn grant_ids_standing(
    connection: &mut Connection<'_>,
    instance: &InstanceArn,
    from: Timestamp,
    until: Timestamp,
) -> Result<Vec<GrantId>, StoreError> {
    let row = query(IDS_STANDING)
        .bind(instance.as_str().to_owned())
        .bind(microseconds(from))
        .bind(microseconds(until))
        .fetch_one(connection)
        .await?;
    let ids: Vec<[String; 1]> = json(&row, "page")?;
    let ids = ids.into_iter();
    ids.map(|[id]| GrantId::parse(&id).map_err(|problem| unreadable("id", problem)))
        .collect()
}

/// `FactStore::grants_of_ids`.
pub(in crate::store) async fn grants_of_ids(
    connection: &mut Connection<'_>,
    ids: &[GrantId],
) -> Result<Vec<Grant>, StoreError> {
    let ids: Vec<&str> = ids.iter().map(GrantId::as_str).collect();
    let rows = query(GRANTS_OF_IDS)
        .bind(to_json(&ids)?)
        .fetch_all(connection)
        .await?;
    rows.iter().map(grant_from_row).collect()
}
