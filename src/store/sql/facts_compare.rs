//! The statements that compare collections: what differs between two of them, and what came and went in
//! between. Each function expects to run inside one transaction.

use super::connection::{Connection, Sql, query};
use super::facts_read::{instance_of, json, kinds_from, one_row, to_limit};
use super::rows::count_to_column;
use crate::domain::InstanceArn;
use crate::domain::facts::{CollectionId, Fact, FactKey, FactKind};
use crate::store::{FactChange, FactInterval, StoreError};

/// Keys of one instance and kind whose values in two collections differ. An interval that holds in both
/// is the same in both: most keys have that one alone and are not looked at further.
pub(in crate::store) const CHANGES: Sql = one_row!(
    "key, second_key, before, after",
    "SELECT key, second_key, \
     MAX(CASE WHEN from_collection <= $1 THEN value END) AS before, \
     MAX(CASE WHEN to_collection IS NULL OR to_collection > $2 THEN value END) AS after \
     FROM facts WHERE from_collection <= $2 AND (to_collection IS NULL OR to_collection > $1) \
     AND NOT (from_collection <= $1 AND (to_collection IS NULL OR to_collection > $2)) \
     AND instance = $3 AND kind = $4 AND (key, second_key) > ($5, $6) \
     GROUP BY key, second_key \
     HAVING MAX(CASE WHEN from_collection <= $1 THEN value END) IS DISTINCT FROM \
     MAX(CASE WHEN to_collection IS NULL OR to_collection > $2 THEN value END) ORDER BY key, second_key LIMIT $7"
);

/// Intervals of one instance and kind that began or ended in between.
pub(in crate::store) const INTERVALS: Sql = one_row!(
    "key, second_key, value, from_collection, to_collection",
    "SELECT key, second_key, value, from_collection, to_collection FROM facts \
     WHERE from_collection <= $2 \
     AND (from_collection > $1 OR (to_collection > $1 AND to_collection <= $2)) \
     AND instance = $3 AND kind = $4 AND (key, second_key, from_collection) > ($5, $6, $7) \
     ORDER BY key, second_key, from_collection LIMIT $8"
);

/// `FactStore::fact_changes`, inside one transaction.
pub(in crate::store) async fn changes(
    connection: &mut Connection<'_>,
    (earlier, later): (CollectionId, CollectionId),
    kinds: &[FactKind],
    after: Option<&FactKey>,
    limit: usize,
) -> Result<Vec<FactChange>, StoreError> {
    let instance = instance_of_both(connection, earlier, later).await?;
    let mut found = Vec::new();
    for kind in kinds_from(kinds, after) {
        let behind = after.filter(|after| after.kind == kind);
        let behind = behind.map(|after| (after.key.clone(), after.second.clone()));
        let (key, second) = behind.unwrap_or_default();
        let row = query(CHANGES)
            .bind(count_to_column(earlier.0))
            .bind(count_to_column(later.0))
            .bind(instance)
            .bind(kind.number())
            .bind(key)
            .bind(second)
            .bind(to_limit(limit - found.len()))
            .fetch_one(connection)
            .await?;
        let page: Vec<(String, String, Option<String>, Option<String>)> = json(&row, "page")?;
        found.extend(
            page.into_iter()
                .map(|(key, second, before, after)| FactChange {
                    key: FactKey { kind, key, second },
                    before,
                    after,
                }),
        );
        if found.len() >= limit {
            break;
        }
    }
    Ok(found)
}

async fn instance_of_both(
    connection: &mut Connection<'_>,
    earlier: CollectionId,
    later: CollectionId,
) -> Result<i64, StoreError> {
    let instance = instance_of(connection, earlier).await?;
    if instance_of(connection, later).await? != instance || earlier > later {
        return Err(StoreError::Stale);
    }
    Ok(instance)
}

/// `FactStore::fact_intervals`, inside one transaction.
pub(in crate::store) async fn intervals(
    connection: &mut Connection<'_>,
    (earlier, later): (CollectionId, CollectionId),
    after: Option<&(FactKey, CollectionId)>,
    limit: usize,
) -> Result<Vec<FactInterval>, StoreError> {
    let instance = instance_of_both(connection, earlier, later).await?;
    let mut found = Vec::new();
    for kind in kinds_from(&FactKind::ALL, after.map(|(key, _)| key)) {
        let behind = after.filter(|(key, _)| key.kind == kind);
        let (key, second, from) = behind
            .map_or((String::new(), String::new(), 0), |(key, from)| {
                (key.key.clone(), key.second.clone(), count_to_column(from.0))
            });
        let row = query(INTERVALS)
            .bind(count_to_column(earlier.0))
            .bind(count_to_column(later.0))
            .bind(instance)
            .bind(kind.number())
            .bind(key)
            .bind(second)
            .bind(from)
            .bind(to_limit(limit - found.len()))
            .fetch_one(connection)
            .await?;
        let page: Vec<(String, String, String, u64, Option<u64>)> = json(&row, "page")?;
        found.extend(page.into_iter().map(|(key, second, value, from, to)| {
            let key = FactKey { kind, key, second };
            FactInterval {
                fact: Fact { key, value },
                from: CollectionId(from),
                to: to.map(CollectionId),
            }
        }));
        if found.len() >= limit {
            break;
        }
    }
    Ok(found)
}

macro_rules! spans_of {
    ($table:literal) => {
        concat!(
            "SELECT from_collection, to_collection FROM ",
            $table,
            " WHERE instance = (SELECT number FROM collected_instances WHERE instance_arn = $1) \
             AND kind = $2 AND second_key = $3 AND second_key <> ''"
        )
    };
}

/// When there were facts of one instance and kind with a second key.
pub(in crate::store) const SPANS: Sql = one_row!(
    "from_collection, to_collection",
    spans_of!("facts INDEXED BY facts_second"),
    spans_of!("facts")
);

/// `FactStore::fact_spans`.
pub(in crate::store) async fn spans(
    connection: &mut Connection<'_>,
    instance: &InstanceArn,
    kind: FactKind,
    second: &str,
) -> Result<Vec<(CollectionId, Option<CollectionId>)>, StoreError> {
    let row = query(SPANS)
        .bind(instance.as_str().to_owned())
        .bind(kind.number())
        .bind(second.to_owned())
        .fetch_one(connection)
        .await?;
    let spans: Vec<(u64, Option<u64>)> = json(&row, "page")?;
    let spans = spans.into_iter();
    Ok(spans
        .map(|(from, to)| (CollectionId(from), to.map(CollectionId)))
        .collect())
}
