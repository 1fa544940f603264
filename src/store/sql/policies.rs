//! What is kept of policy sets: texts once by hash, every load, every set that did not load.

use super::connection::{Connection, query};
use super::event_rows::insert_service_event;
use super::failure::unreadable;
use super::locks::{Guarded, lock};
use super::rows::{microseconds, time};
use super::ways::Written;
use crate::domain::{LoadedBy, PolicyLoad, PolicyRefusal, PolicyTexts, ServiceEvent, ServiceFact};
use crate::store::StoreError;

/// `Store::record_policy_load`.
///
/// A load of the same set as the last one is a row and no event: what is in force did not change,
/// and a service that is started again and again fills no log.
pub(in crate::store) async fn record_load(
    connection: &mut Connection<'_>,
    load: &PolicyLoad,
) -> Result<Written<()>, StoreError> {
    let unwritable = |problem| unreadable("policies to write", problem);
    let texts = load.texts.to_canonical_json().map_err(unwritable)?;
    let content_hash = load.texts.content_hash().map_err(unwritable)?;
    lock(connection, Guarded::PolicyLoads).await?;
    let last = query(
        "SELECT 1 FROM (SELECT content_hash, version FROM policy_loads \
         ORDER BY sequence DESC LIMIT 1) AS last WHERE content_hash = $1 AND version = $2",
    )
    .bind(content_hash.clone())
    .bind(load.version.clone())
    .fetch_optional(connection)
    .await?;
    query(
        "INSERT INTO policy_sets (content_hash, version, texts) VALUES ($1, $2, $3) \
         ON CONFLICT DO NOTHING",
    )
    .bind(content_hash.clone())
    .bind(load.version.clone())
    .bind(texts)
    .execute(connection)
    .await?;
    query(
        "INSERT INTO policy_loads (content_hash, loaded_by, loaded_at, directory, version) \
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(content_hash.clone())
    .bind(load.loaded_by.as_str())
    .bind(microseconds(load.loaded_at))
    .bind(load.directory.clone())
    .bind(load.version.clone())
    .execute(connection)
    .await?;
    if last.is_none() {
        let event = ServiceEvent {
            at: load.loaded_at,
            what: ServiceFact::PolicyLoaded {
                version: load.version.clone(),
                content_hash,
            },
        };
        insert_service_event(connection, &event).await?;
    }
    Ok(Written::unchanged(()))
}

/// `Store::record_policy_refusal`.
pub(in crate::store) async fn record_refusal(
    connection: &mut Connection<'_>,
    refusal: &PolicyRefusal,
) -> Result<Written<bool>, StoreError> {
    let count = i64::try_from(refusal.problem_count).unwrap_or(i64::MAX);
    let done = query(
        "INSERT INTO policy_refusals (last_load, content_hash, problem_count, refused_at) \
         VALUES ((SELECT COALESCE(MAX(sequence), 0) FROM policy_loads), $1, $2, $3) \
         ON CONFLICT DO NOTHING",
    )
    .bind(refusal.content_hash.clone())
    .bind(count)
    .bind(microseconds(refusal.refused_at))
    .execute(connection)
    .await?;
    let is_first = done.rows_affected() == 1;
    if is_first {
        let event = ServiceEvent {
            at: refusal.refused_at,
            what: ServiceFact::PolicyRefused {
                content_hash: refusal.content_hash.clone(),
                problem_count: refusal.problem_count,
            },
        };
        insert_service_event(connection, &event).await?;
    }
    Ok(Written::unchanged(is_first))
}

/// `Store::last_policy_load`.
pub(in crate::store) async fn last_load(
    connection: &mut Connection<'_>,
) -> Result<Option<PolicyLoad>, StoreError> {
    let row = query(
        "SELECT policy_loads.version AS version, texts, loaded_by, loaded_at, directory \
         FROM policy_loads \
         JOIN policy_sets USING (content_hash) ORDER BY sequence DESC LIMIT 1",
    )
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let texts: String = row.try_get("texts")?;
    let texts = serde_json::from_str(&texts).map_err(|problem| unreadable("texts", problem))?;
    let word: String = row.try_get("loaded_by")?;
    Ok(Some(PolicyLoad {
        version: row
            .try_get::<Option<String>>("version")?
            .unwrap_or_default(),
        texts: PolicyTexts(texts),
        loaded_by: LoadedBy::from_word(&word).ok_or_else(|| unreadable("loaded_by", word))?,
        loaded_at: time("loaded_at", row.try_get("loaded_at")?)?,
        directory: row.try_get("directory")?,
    }))
}
