//! The reads of the decision log. They see what is chained and nothing else.

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteConnection};

use super::failure::unreadable;
use super::log_chain::head_from_row;
use super::rows::{count, count_to_column, microseconds};
use crate::domain::log::{Link, LogHash, LogRecord};
use crate::domain::log_head::{HeadKind, LogHead};
use crate::store::{LogRange, LogState, StoreError};

/// The last of the first records up to which everything happened before a time.
pub(super) const BEFORE: &str = "SELECT position, hash FROM (SELECT position, hash, latest_at FROM events \
     WHERE position IS NOT NULL ORDER BY position LIMIT $1) \
     WHERE latest_at < $2 ORDER BY position DESC LIMIT 1";

/// Reads a hash.
pub(super) fn hash_from_column(
    row: &SqliteRow,
    column: &'static str,
) -> Result<LogHash, StoreError> {
    let bytes: &[u8] = row.try_get(column)?;
    LogHash::from_bytes(bytes).ok_or_else(|| unreadable(column, "it is not 32 bytes"))
}

/// Reads a record.
pub(super) fn record_from_row(row: &SqliteRow) -> Result<LogRecord, StoreError> {
    Ok(LogRecord {
        position: count(row, "position")?,
        previous_hash: hash_from_column(row, "previous_hash")?,
        hash: hash_from_column(row, "hash")?,
        body: row.try_get("body")?,
    })
}

/// The newest head of a kind.
pub(super) async fn newest_head(
    connection: &mut SqliteConnection,
    kind: HeadKind,
) -> Result<Option<LogHead>, StoreError> {
    let row = sqlx::query("SELECT * FROM log_heads WHERE kind = $1 ORDER BY position DESC LIMIT 1")
        .bind(kind.as_str())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(head_from_row).transpose()
}

/// The end of the chain, and whether events wait for it.
async fn end(connection: &mut SqliteConnection) -> Result<(Link, bool), StoreError> {
    let row = sqlx::query(
        "SELECT position, hash, EXISTS (SELECT 1 FROM events WHERE sequence > chained_sequence) \
         AS is_behind FROM log_chain WHERE id = 1",
    )
    .fetch_one(connection)
    .await?;
    let end = Link {
        position: count(&row, "position")?,
        hash: hash_from_column(&row, "hash")?,
    };
    Ok((end, row.try_get("is_behind")?))
}

/// `LogStore::log_state`.
pub(super) async fn state(connection: &mut SqliteConnection) -> Result<LogState, StoreError> {
    let (end, is_behind) = end(&mut *connection).await?;
    let checkpoint = newest_head(&mut *connection, HeadKind::Checkpoint).await?;
    Ok(LogState {
        beginning: checkpoint.map_or(Link::BEGINNING, |checkpoint| checkpoint.link),
        end,
        is_behind,
        head: newest_head(connection, HeadKind::Head).await?,
    })
}

/// `LogStore::log_records`.
pub(super) async fn records(
    connection: &mut SqliteConnection,
    range: &LogRange,
    limit: usize,
) -> Result<Vec<LogRecord>, StoreError> {
    let rows = records_query(range, limit)
        .build()
        .fetch_all(connection)
        .await?;
    rows.iter().map(record_from_row).collect()
}

/// The records of a range.
pub(super) fn records_query(range: &LogRange, limit: usize) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(
        "SELECT position, previous_hash, hash, body FROM events WHERE position > ",
    );
    query.push_bind(count_to_column(range.after));
    if let Some(id) = &range.grant_id {
        query
            .push(" AND about_grant_id = ")
            .push_bind(id.as_str().to_owned());
    }
    if let Some(from) = range.from {
        query
            .push(" AND position >= (SELECT position FROM events WHERE position IS NOT NULL AND latest_at >= ")
            .push_bind(microseconds(from))
            .push(" ORDER BY latest_at, position LIMIT 1)");
    }
    query
        .push(" ORDER BY position LIMIT ")
        .push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
    query
}

/// `LogStore::log_before`.
pub(super) async fn before(
    connection: &mut SqliteConnection,
    before: Timestamp,
    limit: usize,
) -> Result<Option<Link>, StoreError> {
    let row = sqlx::query(BEFORE)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .bind(microseconds(before))
        .fetch_optional(connection)
        .await?;
    row.map(|row| {
        Ok(Link {
            position: count(&row, "position")?,
            hash: hash_from_column(&row, "hash")?,
        })
    })
    .transpose()
}
