//! The rows of one table on their way: read one by one from SQLite, sent by COPY in pieces. Never holds more than a
//! piece.

use aws_lc_rs::digest::{Context, SHA256};
use futures_util::TryStreamExt as _;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;

use super::failed;
use super::lines::push_row;
use super::tables::Table;
use crate::store::StoreError;

/// How many bytes are sent at once.
const PIECE: usize = 64 * 1024;

/// What was sent of a table.
#[derive(Debug)]
pub(super) struct Sent {
    /// How many rows.
    pub(super) count: u64,
    /// The sha256 of their lines, in the order of their key.
    pub(super) digest: Vec<u8>,
}

/// Sends every row of a table.
pub(super) async fn send(
    table: &Table,
    source: &mut SqliteConnection,
    target: &mut PgConnection,
) -> Result<Sent, StoreError> {
    let select = format!(
        "SELECT {} FROM {} ORDER BY {}",
        table.columns, table.source, table.key
    );
    let mut rows = sqlx::query(AssertSqlSafe(select)).fetch(source);
    // COPY writes the numbers that it is given, also where the database gives them otherwise.
    let begin = format!("COPY {} ({}) FROM STDIN", table.name, table.all_columns());
    let mut copy = target.copy_in_raw(&begin).await?;
    let (mut lines, mut count, mut digest) = (Vec::new(), 0, Context::new(&SHA256));
    while let Some(row) = rows.try_next().await? {
        push_row(&mut lines, &row, table.constants).map_err(|fault| failed(table, &fault))?;
        count += 1;
        if lines.len() >= PIECE {
            digest.update(&lines);
            let sent = copy.send(lines.as_slice()).await;
            sent.map_err(|error| failed(table, &error))?;
            lines.clear();
        }
    }
    digest.update(&lines);
    let sent = copy.send(lines.as_slice()).await;
    sent.map_err(|error| failed(table, &error))?;
    let taken = copy.finish().await;
    let taken = taken.map_err(|error| failed(table, &error))?;
    if taken != count {
        let problem = format!("of {count} rows it took {taken}");
        return Err(failed(table, &problem));
    }
    Ok(Sent {
        count,
        digest: digest.finish().as_ref().to_vec(),
    })
}

/// The sha256 of the lines that come back, in the order of their key.
pub(super) async fn digest_of_copy(
    table: &Table,
    target: &mut PgConnection,
) -> Result<Vec<u8>, StoreError> {
    let select = format!(
        "COPY (SELECT {} FROM {} ORDER BY {}) TO STDOUT",
        table.all_columns(),
        table.name,
        table.key
    );
    let mut pieces = target.copy_out_raw(&select).await?;
    let mut digest = Context::new(&SHA256);
    while let Some(piece) = pieces.try_next().await? {
        digest.update(&piece);
    }
    Ok(digest.finish().as_ref().to_vec())
}
