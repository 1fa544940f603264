//! The statements that look up a few facts, and what holds a few assignments, by their keys. Each function expects
//! to run inside one transaction.

use sqlx::SqliteConnection;

use super::facts_read::{instance_of, json, one_row};
use super::rows::{count_to_column, grant_from_row, record_from_row, to_json};
use super::tables::is_open;
use crate::domain::facts::{CollectionId, Fact, FactKey, FactKind};
use crate::domain::{AssignmentKey, AssignmentRecord, Grant};
use crate::store::{KeptFact, StoreError};

/// The facts of these keys; the list leads, so that each is one step through an index.
pub(super) const FACTS_OF_KEYS: &str = one_row!(
    "kind, key, second_key, value, from_collection",
    "SELECT k.kind, k.key, k.second_key, f.value, f.from_collection FROM json_each($3) AS v \
     CROSS JOIN fact_keys AS k ON k.instance = $2 AND k.kind = v.value ->> 0 \
     AND k.key = v.value ->> 1 AND k.second_key = v.value ->> 2 \
     CROSS JOIN facts AS f ON f.number = k.number AND f.from_collection <= $1 \
     AND (f.to_collection IS NULL OR f.to_collection > $1)"
);

/// The assignments of these keys, as another table has them.
macro_rules! on_keys {
    ($table:literal, $condition:expr) => {
        concat!(
            "SELECT t.* FROM json_each($1) AS v CROSS JOIN ",
            $table,
            " AS t ON instance_arn = v.value ->> 0 AND target_kind = v.value ->> 1 \
             AND target = v.value ->> 2 AND principal_type = v.value ->> 3 \
             AND principal_id = v.value ->> 4",
            $condition
        )
    };
}

pub(super) const GRANTS_ON_KEYS: &str = on_keys!("grants", is_open!());
pub(super) const RECORDS_ON_KEYS: &str = on_keys!("assignments", "");

/// `FactStore::facts_of`.
pub(super) async fn facts_of(
    connection: &mut SqliteConnection,
    collection: CollectionId,
    keys: &[FactKey],
) -> Result<Vec<KeptFact>, StoreError> {
    let instance = instance_of(&mut *connection, collection).await?;
    let keys = keys.iter();
    let keys: Vec<(i64, &str, &str)> = keys
        .map(|key| (key.kind.number(), key.key.as_str(), key.second.as_str()))
        .collect();
    let row = sqlx::query(FACTS_OF_KEYS)
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

/// `FactStore::holding`.
pub(super) async fn holding(
    connection: &mut SqliteConnection,
    keys: &[AssignmentKey],
) -> Result<(Vec<Grant>, Vec<AssignmentRecord>), StoreError> {
    let words: Vec<[String; 5]> = (keys.iter())
        .map(|key| {
            [
                key.instance_arn.to_string(),
                key.target.kind().to_owned(),
                key.target.key().into_owned(),
                key.principal.kind.as_str().to_owned(),
                key.principal.id.to_string(),
            ]
        })
        .collect();
    let words = to_json(&words)?;
    let grants = sqlx::query(GRANTS_ON_KEYS)
        .bind(words.clone())
        .fetch_all(&mut *connection)
        .await?;
    let records = sqlx::query(RECORDS_ON_KEYS)
        .bind(words)
        .fetch_all(connection)
        .await?;
    let grants = grants.iter().map(grant_from_row);
    let records = records.iter().map(record_from_row);
    Ok((
        grants.collect::<Result<_, _>>()?,
        records.collect::<Result<_, _>>()?,
    ))
}
