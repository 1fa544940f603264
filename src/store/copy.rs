//! Everything of a SQLite store into an empty PostgreSQL one, for those who grow: one transaction there, which
//! commits only what has been read back and found equal. It never changes a byte of the SQLite database.
//! ```text
//!   lock the data directory -> lock the empty tables -> copy each table -> number on behind the highest
//!     -> counts, digests, the log's chain -> nobody holds anything -> COMMIT
//! ```
//! Killed at any point before the commit, PostgreSQL is as empty as before.

mod lines;
mod place;
mod rows;
mod tables;
mod verify;

use std::path::Path;

use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection as _};

use self::tables::{TABLES, Table};
use super::postgres::connect_alone;
use super::sql::{Connection, claims};
use super::sqlite::HeldDatabase;
use super::{PostgresOptions, StoreError};
use crate::crash_points::{self, CrashPoint, StoreCommit};
use crate::domain::log::Link;

/// How long a statement of a copy may take: it passes whole tables.
const ANSWER_MAX: std::time::Duration = std::time::Duration::from_secs(3600);

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopiedStore {
    /// The rows of each table, as the tables are called in PostgreSQL.
    pub tables: Vec<(&'static str, u64)>,
    /// The end of the decision log, which verifies up to there.
    pub log_end: Link,
}

/// Copies the store in a data directory that nobody serves into a PostgreSQL database that is prepared and empty.
///
/// # Errors
/// `Unusable` with a sentence: the directory is in use or of another schema, the database is not there, not prepared,
/// not ours or not empty, or what came back from it is not what was sent; nothing was copied. `Unavailable` where the
/// connection was lost in the commit: a second call finds the database filled, or copies.
pub async fn copy_to_postgres(
    directory: &Path,
    options: &PostgresOptions,
) -> Result<CopiedStore, StoreError> {
    options.check().map_err(StoreError::Unusable)?;
    let mut source = HeldDatabase::open(directory).await?;
    let copied = async {
        let mut target = connect_alone(options).await?;
        let copied = copy(source.connection(), &mut target).await;
        // Whatever was not committed goes with the connection.
        drop(target.close().await);
        copied
    };
    let copied = copied.await;
    let closed = source.close().await;
    let copied = copied?;
    closed.map(|()| copied)
}

async fn copy(
    source: &mut SqliteConnection,
    target: &mut PgConnection,
) -> Result<CopiedStore, StoreError> {
    // Nobody writes to the file while it is locked; of one moment also where somebody does who knows no lock.
    let mut source = source.begin().await?;
    let mut transaction = target.begin().await?;
    place::hold(&mut transaction).await?;
    let mut sent = Vec::with_capacity(TABLES.len());
    for table in &TABLES {
        sent.push(rows::send(table, &mut source, &mut transaction).await?);
        number_on(table, &mut source, &mut transaction).await?;
    }
    for (table, sent) in TABLES.iter().zip(&sent) {
        verify::check_rows(table, sent, &mut source, &mut transaction).await?;
    }
    let log_end = verify::check_log(&mut source, &mut transaction).await?;
    // Whoever held something in SQLite is dead, as when that is opened.
    claims::clear_leases(&mut Connection::Postgres(&mut transaction, ANSWER_MAX)).await?;
    place::gather_statistics(&mut transaction).await?;
    crash_points::reach(CrashPoint::BeforeCommit(StoreCommit::Copy));
    transaction.commit().await.map_err(|error| {
        StoreError::Unavailable(format!(
            "the connection was lost in the commit ({error}); run the command again: it copies, or says that the \
             database is filled, which then holds everything"
        ))
    })?;
    crash_points::reach(CrashPoint::AfterCommit(StoreCommit::Copy));
    let tables = TABLES.iter().zip(sent);
    Ok(CopiedStore {
        tables: tables
            .map(|(table, sent)| (table.name, sent.count))
            .collect(),
        log_end,
    })
}

/// Has the database give numbers behind the highest that SQLite ever gave, whether or not its row is still there.
async fn number_on(
    table: &Table,
    source: &mut SqliteConnection,
    target: &mut PgConnection,
) -> Result<(), StoreError> {
    let Some(column) = table.numbered else {
        return Ok(());
    };
    let highest = format!(
        "SELECT MAX(COALESCE((SELECT MAX({column}) FROM {source}), 0), \
         COALESCE((SELECT seq FROM sqlite_sequence WHERE name = '{source}'), 0))",
        source = table.source
    );
    let highest: i64 = sqlx::query_scalar(AssertSqlSafe(highest))
        .fetch_one(source)
        .await?;
    let next = highest
        .checked_add(1)
        .ok_or_else(|| StoreError::Unusable(format!("{} has no number left", table.name)))?;
    // And not setval, which would stay where the transaction is undone.
    let restart = format!(
        "ALTER TABLE {} ALTER COLUMN {column} RESTART WITH {next}",
        table.name
    );
    let done = sqlx::query(AssertSqlSafe(restart)).execute(target).await;
    done.map_err(|error| failed(table, &error))?;
    Ok(())
}

/// The sentence for a table that PostgreSQL does not take, or give back.
fn failed(table: &Table, problem: &dyn std::fmt::Display) -> StoreError {
    StoreError::Unusable(format!(
        "the table {} cannot be copied: {problem}; nothing was copied, and both databases are as they were",
        table.name
    ))
}
