//! The writes of the decision log. Each is conditional on the one row of `log_chain`, which says who
//! may write, under which epoch, and where the chain ends; each expects to run inside a transaction.

use jiff::Timestamp;

use super::connection::{Connection, QueryBuilder, Row, Sql, query};
use super::failure::unreadable;
use super::log_reads::{hash_from_column, of_chained};
use super::rows::{count, count_to_column, microseconds};
use super::tables::for_update;
use crate::domain::log::{Link, LogRecord};
use crate::domain::log_event::LogEvent;
use crate::domain::log_head::{HeadKind, LogHead};
use crate::store::{Chained, Holder, LogLease, StoreError};

/// Names that one statement erases: below the number of values that SQLite takes.
const IDS_AT_ONCE: usize = 500;

/// Where the chain ends, for its holder.
struct End {
    link: Link,
    latest_at: i64,
    chained_sequence: i64,
}

/// What is not chained yet, in the order in which it is to be.
const UNCHAINED: Sql = Sql::of(
    "SELECT sequence, body FROM events WHERE sequence > $1 ORDER BY sequence LIMIT $2",
    // A transaction that took a lower number may commit later: what waits is told by a table, not by a place.
    "SELECT sequence, body FROM waiting_events JOIN events USING (sequence) \
     WHERE $1 >= 0 ORDER BY sequence LIMIT $2",
);

/// Chains one event.
const CHAIN: Sql = Sql::of(
    "UPDATE events SET position = $2, previous_hash = $3, hash = $4, latest_at = $5, \
     about_grant_id = $6 WHERE sequence = $1",
    "WITH waited AS (DELETE FROM waiting_events WHERE sequence = $1) \
     INSERT INTO chained_events (sequence, position, previous_hash, hash, latest_at, about_grant_id) \
     VALUES ($1, $2, $3, $4, $5, $6)",
);

/// `LogStore::lease_log`.
pub(in crate::store) async fn lease(
    connection: &mut Connection<'_>,
    holder: &Holder,
    now: Timestamp,
    lease_until: Timestamp,
) -> Result<Option<LogLease>, StoreError> {
    let row = query(
        "UPDATE log_chain SET epoch = CASE WHEN holder = $1 THEN epoch ELSE epoch + 1 END, \
         holder = $1, lease_until = $2 \
         WHERE id = 1 AND (holder IS NULL OR holder = $1 OR lease_until <= $3) RETURNING epoch",
    )
    .bind(holder.0.clone())
    .bind(microseconds(lease_until))
    .bind(microseconds(now))
    .fetch_optional(connection)
    .await?;
    row.map(|row| {
        Ok(LogLease {
            holder: holder.clone(),
            lease_until,
            epoch: count(&row, "epoch")?,
        })
    })
    .transpose()
}

/// The end of the chain as its holder has it.
async fn end_for(connection: &mut Connection<'_>, lease: &LogLease) -> Result<End, StoreError> {
    let row = query(for_update!(
        "SELECT position, hash, latest_at, chained_sequence FROM log_chain \
         WHERE id = 1 AND holder = $1 AND epoch = $2"
    ))
    .bind(lease.holder.0.clone())
    .bind(count_to_column(lease.epoch))
    .fetch_optional(connection)
    .await?;
    let row = row.ok_or(StoreError::LeaseLost)?;
    Ok(End {
        link: Link {
            position: count(&row, "position")?,
            hash: hash_from_column(&row, "hash")?,
        },
        latest_at: row.try_get("latest_at")?,
        chained_sequence: row.try_get("chained_sequence")?,
    })
}

/// `LogStore::chain_events`.
///
/// A number of `events` is never given twice and one writer gives them in the order of commits, so
/// that nothing is ever committed below the last one chained.
pub(in crate::store) async fn chain_events(
    connection: &mut Connection<'_>,
    lease: &LogLease,
    limit: usize,
) -> Result<Chained, StoreError> {
    let before = end_for(connection, lease).await?;
    let rows = query(UNCHAINED)
        .bind(before.chained_sequence)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await?;
    let count = rows.len();
    let (mut end, mut latest_at, mut sequence) =
        (before.link, before.latest_at, before.chained_sequence);
    for row in rows {
        sequence = row.try_get("sequence")?;
        let record = LogRecord::after(&end, row.try_get("body")?);
        let event = LogEvent::read(&record.body);
        latest_at =
            (event.as_ref()).map_or(latest_at, |event| latest_at.max(microseconds(event.at)));
        let grant_id = event.and_then(|event| event.grant_id);
        query(CHAIN)
            .bind(sequence)
            .bind(count_to_column(record.position))
            .bind(record.previous_hash.as_bytes().to_vec())
            .bind(record.hash.as_bytes().to_vec())
            .bind(latest_at)
            .bind(grant_id.map(|id| id.as_str().to_owned()))
            .execute(connection)
            .await?;
        end = record.link();
    }
    if count > 0 {
        let moved = query(
            "UPDATE log_chain SET position = $1, hash = $2, latest_at = $3, chained_sequence = $4 \
             WHERE id = 1 AND holder = $5 AND epoch = $6 AND position = $7",
        )
        .bind(count_to_column(end.position))
        .bind(end.hash.as_bytes().to_vec())
        .bind(latest_at)
        .bind(sequence)
        .bind(lease.holder.0.clone())
        .bind(count_to_column(lease.epoch))
        .bind(count_to_column(before.link.position))
        .execute(connection)
        .await?;
        // INVARIANT: nobody else can have moved the end or taken the lease since it was read in this
        // transaction; the comparison is what would hold with several writers.
        if moved.rows_affected() != 1 {
            return Err(StoreError::LeaseLost);
        }
    }
    Ok(Chained { count, end })
}

/// `LogStore::keep_log_head`.
pub(in crate::store) async fn keep_head(
    connection: &mut Connection<'_>,
    lease: &LogLease,
    head: &LogHead,
    kept_max: usize,
) -> Result<(), StoreError> {
    let end = end_for(connection, lease).await?;
    if head.link.position > end.link.position {
        return Err(StoreError::Stale);
    }
    insert_head(connection, head).await?;
    query(
        "DELETE FROM log_heads WHERE kind = $1 AND position < (SELECT MIN(position) FROM \
         (SELECT position FROM log_heads WHERE kind = $1 ORDER BY position DESC LIMIT $2) AS newest)",
    )
    .bind(HeadKind::Head.as_str())
    .bind(i64::try_from(kept_max).unwrap_or(i64::MAX))
    .execute(connection)
    .await?;
    Ok(())
}

/// `LogStore::forget_log`.
pub(in crate::store) async fn forget(
    connection: &mut Connection<'_>,
    lease: &LogLease,
    checkpoint: &LogHead,
) -> Result<u64, StoreError> {
    end_for(connection, lease).await?;
    let position = count_to_column(checkpoint.link.position);
    let is_there = query(of_chained!(
        "SELECT 1 FROM ",
        " WHERE position = $1 AND hash = $2"
    ))
    .bind(position)
    .bind(checkpoint.link.hash.as_bytes().to_vec())
    .fetch_optional(connection)
    .await?;
    if is_there.is_none() {
        return Err(StoreError::Stale);
    }
    insert_head(connection, checkpoint).await?;
    // Older checkpoints say nothing more, and heads of records that are gone prove nothing here.
    query("DELETE FROM log_heads WHERE position < $1")
        .bind(position)
        .execute(connection)
        .await?;
    if connection.is_shared() {
        // The service may not delete events itself: a function of the database's owner does, up to a checkpoint.
        let row = query("SELECT forget_events($1) AS removed").bind(position);
        return count(&row.fetch_one(connection).await?, "removed");
    }
    let removed = query("DELETE FROM events WHERE position <= $1").bind(position);
    Ok(removed.execute(connection).await?.rows_affected())
}

async fn insert_head(connection: &mut Connection<'_>, head: &LogHead) -> Result<(), StoreError> {
    query(
        "INSERT INTO log_heads (kind, position, hash, signed_at, key_id, signature) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (kind, position) DO NOTHING",
    )
    .bind(head.kind.as_str())
    .bind(count_to_column(head.link.position))
    .bind(head.link.hash.as_bytes().to_vec())
    .bind(microseconds(head.signed_at))
    .bind(head.key_id.clone())
    .bind(head.signature.clone())
    .execute(connection)
    .await?;
    Ok(())
}

/// `LogStore::erase_names`.
pub(in crate::store) async fn erase_names(
    connection: &mut Connection<'_>,
    ids: &[String],
) -> Result<u64, StoreError> {
    let mut erased = 0;
    for ids in ids.chunks(IDS_AT_ONCE) {
        let mut query = QueryBuilder::new("DELETE FROM names WHERE id IN (");
        query.push_list(ids.iter().cloned()).push(")");
        erased += query.build().execute(connection).await?.rows_affected();
    }
    Ok(erased)
}

/// At opening: the holder is dead, as that of every other lease.
pub(in crate::store) async fn clear_lease(
    connection: &mut Connection<'_>,
) -> Result<(), sqlx::Error> {
    query("UPDATE log_chain SET holder = NULL, lease_until = NULL WHERE holder IS NOT NULL")
        .execute(connection)
        .await?;
    Ok(())
}

/// A head of the table.
pub(in crate::store) fn head_from_row(row: &Row) -> Result<LogHead, StoreError> {
    let word: String = row.try_get("kind")?;
    Ok(LogHead {
        kind: HeadKind::from_word(&word).ok_or_else(|| unreadable("kind", word))?,
        link: Link {
            position: count(row, "position")?,
            hash: hash_from_column(row, "hash")?,
        },
        signed_at: super::rows::time("signed_at", row.try_get("signed_at")?)?,
        key_id: row.try_get("key_id")?,
        signature: row.try_get("signature")?,
    })
}
