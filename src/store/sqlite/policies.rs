//! What is kept of policy sets: texts once by hash, every load, every set that did not load.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, Row as _, SqliteConnection};

use super::directory::DATABASE_FILE;
use super::failure::unreadable;
use super::rows::{microseconds, time};
use super::tables::insert_service_event;
use super::writer::Written;
use crate::domain::{LoadedBy, PolicyLoad, PolicyRefusal, PolicyTexts, ServiceEvent, ServiceFact};
use crate::store::StoreError;

/// How long a look beside a service waits for it.
const BESIDE_WAIT_MAX: Duration = Duration::from_secs(3);

/// `Store::record_policy_load`.
///
/// A load of the same set as the last one is a row and no event: what is in force did not change,
/// and a service that is started again and again fills no log.
pub(super) async fn record_load(
    connection: &mut SqliteConnection,
    load: &PolicyLoad,
) -> Result<Written<()>, StoreError> {
    let unwritable = |problem| unreadable("policies to write", problem);
    let texts = load.texts.to_canonical_json().map_err(unwritable)?;
    let content_hash = load.texts.content_hash().map_err(unwritable)?;
    let last = sqlx::query(
        "SELECT 1 FROM (SELECT content_hash, version FROM policy_loads \
         ORDER BY sequence DESC LIMIT 1) WHERE content_hash = $1 AND version = $2",
    )
    .bind(content_hash.clone())
    .bind(load.version.clone())
    .fetch_optional(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO policy_sets (content_hash, version, texts) VALUES ($1, $2, $3) \
         ON CONFLICT DO NOTHING",
    )
    .bind(content_hash.clone())
    .bind(load.version.clone())
    .bind(texts)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO policy_loads (content_hash, loaded_by, loaded_at, directory, version) \
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(content_hash.clone())
    .bind(load.loaded_by.as_str())
    .bind(microseconds(load.loaded_at))
    .bind(load.directory.clone())
    .bind(load.version.clone())
    .execute(&mut *connection)
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
pub(super) async fn record_refusal(
    connection: &mut SqliteConnection,
    refusal: &PolicyRefusal,
) -> Result<Written<bool>, StoreError> {
    let count = i64::try_from(refusal.problem_count).unwrap_or(i64::MAX);
    let done = sqlx::query(
        "INSERT INTO policy_refusals (last_load, content_hash, problem_count, refused_at) \
         VALUES ((SELECT COALESCE(MAX(sequence), 0) FROM policy_loads), $1, $2, $3) \
         ON CONFLICT DO NOTHING",
    )
    .bind(refusal.content_hash.clone())
    .bind(count)
    .bind(microseconds(refusal.refused_at))
    .execute(&mut *connection)
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
pub(super) async fn last_load(
    connection: &mut SqliteConnection,
) -> Result<Option<PolicyLoad>, StoreError> {
    let row = sqlx::query(
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
            .try_get::<Option<String>, _>("version")?
            .unwrap_or_default(),
        texts: PolicyTexts(texts),
        loaded_by: LoadedBy::from_word(&word).ok_or_else(|| unreadable("loaded_by", word))?,
        loaded_at: time("loaded_at", row.try_get("loaded_at")?)?,
        directory: row.try_get("directory")?,
    }))
}

/// The last load of a data directory that another process may be using: read as it is, changing
/// nothing.
pub(super) async fn last_load_beside(directory: &Path) -> Result<Option<PolicyLoad>, StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(directory.join(DATABASE_FILE))
        .busy_timeout(BESIDE_WAIT_MAX)
        .read_only(true);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let load = last_load(&mut connection).await;
    connection.close().await?;
    load
}
