//! The reads of the decision log. They see what is chained and nothing else.

use jiff::Timestamp;

use super::connection::{Connection, QueryBuilder, Row, Sql, query};
use super::failure::unreadable;
use super::log_chain::head_from_row;
use super::rows::{count, count_to_column, microseconds};
use crate::domain::log::{Link, LogHash, LogRecord};
use crate::domain::log_head::{HeadKind, LogHead};
use crate::store::{LogRange, LogState, StoreError};

/// A statement on what is chained. In PostgreSQL rows of the log never change: the chain is a table beside
/// that of the events.
macro_rules! of_chained {
    ($before:literal, $after:literal) => {
        Sql::of(
            concat!($before, "events", $after),
            concat!($before, "chained_events", $after),
        )
    };
}
pub(in crate::store) use of_chained;

/// The last of the first records up to which everything happened before a time.
pub(in crate::store) const BEFORE: Sql = of_chained!(
    "SELECT position, hash FROM (SELECT position, hash, latest_at FROM ",
    " WHERE position IS NOT NULL ORDER BY position LIMIT $1) AS first \
     WHERE latest_at < $2 ORDER BY position DESC LIMIT 1"
);

/// Reads a hash.
pub(in crate::store) fn hash_from_column(
    row: &Row,
    column: &'static str,
) -> Result<LogHash, StoreError> {
    let bytes: &[u8] = row.try_get(column)?;
    LogHash::from_bytes(bytes).ok_or_else(|| unreadable(column, "it is not 32 bytes"))
}

/// Reads a record.
pub(in crate::store) fn record_from_row(row: &Row) -> Result<LogRecord, StoreError> {
    Ok(LogRecord {
        position: count(row, "position")?,
        previous_hash: hash_from_column(row, "previous_hash")?,
        hash: hash_from_column(row, "hash")?,
        body: row.try_get("body")?,
    })
}

/// The newest head of a kind.
pub(in crate::store) async fn newest_head(
    connection: &mut Connection<'_>,
    kind: HeadKind,
) -> Result<Option<LogHead>, StoreError> {
    let row = query("SELECT * FROM log_heads WHERE kind = $1 ORDER BY position DESC LIMIT 1")
        .bind(kind.as_str())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(head_from_row).transpose()
}

const END: Sql = Sql::of(
    "SELECT position, hash, EXISTS (SELECT 1 FROM events WHERE sequence > chained_sequence) \
     AS is_behind FROM log_chain WHERE id = 1",
    "SELECT position, hash, (SELECT COUNT(*) FROM (SELECT 1 FROM waiting_events LIMIT 1) AS first) \
     AS is_behind FROM log_chain WHERE id = 1",
);

/// The end of the chain, and whether events wait for it.
async fn end(connection: &mut Connection<'_>) -> Result<(Link, bool), StoreError> {
    let row = query(END).fetch_one(connection).await?;
    let end = Link {
        position: count(&row, "position")?,
        hash: hash_from_column(&row, "hash")?,
    };
    Ok((end, row.try_get("is_behind")?))
}

/// `LogStore::log_state`.
pub(in crate::store) async fn state(
    connection: &mut Connection<'_>,
) -> Result<LogState, StoreError> {
    let (end, is_behind) = end(connection).await?;
    let checkpoint = newest_head(connection, HeadKind::Checkpoint).await?;
    Ok(LogState {
        beginning: checkpoint.map_or(Link::BEGINNING, |checkpoint| checkpoint.link),
        end,
        is_behind,
        head: newest_head(connection, HeadKind::Head).await?,
    })
}

/// `LogStore::log_records`.
pub(in crate::store) async fn records(
    connection: &mut Connection<'_>,
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
pub(in crate::store) fn records_query(range: &LogRange, limit: usize) -> QueryBuilder {
    let mut query = QueryBuilder::new(Sql::of(
        "SELECT position, previous_hash, hash, body FROM events WHERE position > ",
        "SELECT position, previous_hash, hash, body FROM chained_events JOIN events USING (sequence) \
         WHERE position > ",
    ));
    query.push_bind(count_to_column(range.after));
    if let Some(id) = &range.grant_id {
        query
            .push(" AND about_grant_id = ")
            .push_bind(id.as_str().to_owned());
    }
    if let Some(from) = range.from {
        query
            .push_either(of_chained!(
                " AND position >= (SELECT position FROM ",
                " WHERE position IS NOT NULL AND latest_at >= "
            ))
            .push_bind(microseconds(from))
            .push(" ORDER BY latest_at, position LIMIT 1)");
    }
    query
        .push(" ORDER BY position LIMIT ")
        .push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
    query
}

/// `LogStore::log_before`.
pub(in crate::store) async fn before(
    connection: &mut Connection<'_>,
    before: Timestamp,
    limit: usize,
) -> Result<Option<Link>, StoreError> {
    let row = query(BEFORE)
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
