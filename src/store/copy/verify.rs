//! Whether what lies in PostgreSQL is what lies in SQLite: asked there, before it is committed. Believes nothing
//! that was counted on the way. Writes nothing.

use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;

use super::ANSWER_MAX;
use super::failed;
use super::rows::{Sent, digest_of_copy};
use super::tables::Table;
use crate::domain::log::Link;
use crate::domain::log_head::LogHead;
use crate::domain::log_verify::Verifier;
use crate::store::sql::log_chain::head_from_row;
use crate::store::sql::{Connection, log_reads, query};
use crate::store::{LogRange, StoreError};

/// Records of the log that are read at once.
const RECORDS_AT_ONCE: usize = 1000;

/// A table has as many rows on both sides, and they are equal, byte by byte.
pub(super) async fn check_rows(
    table: &Table,
    sent: &Sent,
    source: &mut SqliteConnection,
    target: &mut PgConnection,
) -> Result<(), StoreError> {
    let count = format!("SELECT COUNT(*) FROM {}", table.source);
    let there: i64 = sqlx::query_scalar(AssertSqlSafe(count))
        .fetch_one(source)
        .await?;
    let count = format!("SELECT COUNT(*) FROM {}", table.name);
    let here: i64 = sqlx::query_scalar(AssertSqlSafe(count))
        .fetch_one(&mut *target)
        .await?;
    if there != here || u64::try_from(here) != Ok(sent.count) {
        let problem = format!("SQLite has {there} rows of it and PostgreSQL {here}");
        return Err(failed(table, &problem));
    }
    if digest_of_copy(table, target).await? != sent.digest {
        return Err(failed(
            table,
            &"what PostgreSQL gives back differs from what it was given; look for triggers and rules on it",
        ));
    }
    Ok(())
}

/// The decision log is whole in PostgreSQL, and ends there as in SQLite. Answers its end.
pub(super) async fn check_log(
    source: &mut SqliteConnection,
    target: &mut PgConnection,
) -> Result<Link, StoreError> {
    let ends = log_reads::state(&mut Connection::Sqlite(source)).await?;
    let mut connection = Connection::Postgres(target, ANSWER_MAX);
    let state = log_reads::state(&mut connection).await?;
    let mut anchors: Vec<Link> = heads(&mut connection).await?;
    anchors.extend([ends.end, state.end]);
    let begin = state.beginning;
    let mut verifier = Verifier::new(begin.position, Some(begin.hash), &anchors);
    let mut range = LogRange {
        after: begin.position,
        ..LogRange::default()
    };
    loop {
        let records = log_reads::records(&mut connection, &range, RECORDS_AT_ONCE).await?;
        let Some(last) = records.last() else { break };
        range.after = last.position;
        for record in &records {
            verifier.take(record);
        }
    }
    let whole = verifier.finish().map_err(|bad| {
        StoreError::Unusable(format!(
            "the decision log is not whole from position {} on; `usher log verify` on the data directory names what \
             was done to it; nothing was copied, and both databases are as they were",
            bad.position
        ))
    })?;
    if whole.end != ends.end || state != ends {
        return Err(StoreError::Unusable(format!(
            "the decision log ends at position {} and should end at {}; nothing was copied, and both databases are \
             as they were",
            whole.end.position, ends.end.position
        )));
    }
    Ok(whole.end)
}

/// Every place of the chain that was signed.
async fn heads(connection: &mut Connection<'_>) -> Result<Vec<Link>, StoreError> {
    let rows = query("SELECT * FROM log_heads ORDER BY position, kind")
        .fetch_all(connection)
        .await?;
    let heads: Result<Vec<LogHead>, StoreError> = rows.iter().map(head_from_row).collect();
    Ok(heads?.into_iter().map(|head| head.link).collect())
}
