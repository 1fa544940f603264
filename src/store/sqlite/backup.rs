//! A copy of the database while a service uses it, a look at such a copy, and its way back into a data
//! directory. It must never write over a database, and never give a restored one its name before
//! everything is frozen in it.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{Connection as _, Row as _, SqliteConnection};

use super::directory::{APPLICATION_ID, DATABASE_FILE, DataDirectory, Held, unusable};
use super::schema::{
    connect_options, known_version, look_options, migrate, pragma, version_and_verdict,
};
use super::{LogCopy, SqliteStore};
use crate::crash_points::{self, CrashPoint, StoreCommit};
use crate::domain::log::Link;
use crate::store::StoreError;
use crate::store::sql::{Connection, freezes};

/// How long a statement waits for others. A reader waits for nobody while a service serves.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// What a copy of a database holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyFacts {
    /// The version of its schema.
    pub schema_version: usize,
    /// How many grants it has.
    pub grants: u64,
    /// How many events it has, chained or not.
    pub events: u64,
    /// Where its decision log ends, by its own word.
    pub log_end: Link,
}

impl SqliteStore {
    /// Copies the database of a data directory as it is at one moment, into a file that is there and empty.
    /// A service that has the directory goes on reading and writing meanwhile. The file is not synced.
    ///
    /// # Errors
    /// `Unusable` with a sentence: there is no database of usher's, or one of a later version, or the copy
    /// cannot be written. `Unavailable`, `Corrupt`: reading failed.
    pub async fn copy_database(directory: &Path, file: &Path) -> Result<(), StoreError> {
        let database = directory.join(DATABASE_FILE);
        if !database.exists() {
            return Err(unusable(format!(
                "there is no database {}; name the --data-dir of the service, or dump a PostgreSQL store by \
                 pg_dump (docs/backup.md)",
                database.display()
            )));
        }
        let held = DataDirectory::hold(directory)?;
        let database = std::fs::canonicalize(&database).unwrap_or(database);
        let options = match held {
            Held::Served => SqliteConnectOptions::new()
                .filename(&database)
                .busy_timeout(WAIT_MAX)
                .read_only(true),
            Held::Free(_) => look_options(&database, WAIT_MAX),
        };
        let mut connection = SqliteConnection::connect_with(&options).await?;
        check_mark(&mut connection, &database).await?;
        copy_into(&mut connection, file).await?;
        Ok(connection.close().await?)
    }

    /// Looks at a copy of a database: whether it is one of usher's that this version can read and that is
    /// whole, and what it holds. Nothing is changed. The decision log is not verified.
    ///
    /// # Errors
    /// `Unusable` with a sentence: it is none, or is damaged, or of a later version.
    pub async fn examine_copy(file: &Path) -> Result<CopyFacts, StoreError> {
        let name = file.display();
        if !LogCopy::is_database(file) {
            return Err(unusable(format!(
                "{name} is not there, or is no database; name a file that `usher backup` wrote"
            )));
        }
        let examined = examine(file).await;
        examined.map_err(|error| match error {
            StoreError::Corrupt(problem) => unusable(format!(
                "{name} is damaged ({problem}); take another backup"
            )),
            other => other,
        })
    }

    /// Puts a copy of a database into a data directory that has none, brought to the present version, with
    /// everything frozen on every instance. Answers where its log ends. Without an answer there is no
    /// database, or one that is frozen.
    ///
    /// # Errors
    /// `Unusable` with a sentence: the directory is in use, holds a database already, or cannot be written;
    /// it was left as it is. `Unavailable`, `Corrupt`: the copy cannot be read, or the disk fails.
    pub async fn restore_copy(
        file: &Path,
        directory: &Path,
        now: Timestamp,
    ) -> Result<Link, StoreError> {
        let directory = DataDirectory::lock(directory)?;
        if directory.has_database()? {
            return Err(unusable(format!(
                "{} is there already: nothing is restored over a database; move it away, or name \
                 another --data-dir; it was left as it is",
                directory.database().display()
            )));
        }
        let file = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
        let unfinished = directory.begin_database()?;
        let mut source = SqliteConnection::connect_with(&look_options(&file, WAIT_MAX)).await?;
        check_mark(&mut source, &file).await?;
        copy_into(&mut source, &unfinished).await?;
        source.close().await?;
        let options = connect_options(&unfinished, WAIT_MAX).journal_mode(SqliteJournalMode::Wal);
        let mut connection = SqliteConnection::connect_with(&options).await?;
        migrate(&mut connection).await?;
        let end = mark_restored(&mut connection, now).await?;
        // Closing the last connection moves the log into the file and syncs it; the copy before it was not.
        connection.close().await?;
        directory.sync_database(&unfinished)?;
        crash_points::reach(CrashPoint::BeforeCommit(StoreCommit::FinishDatabase));
        directory.finish_database(&unfinished)?;
        crash_points::reach(CrashPoint::AfterCommit(StoreCommit::FinishDatabase));
        Ok(end)
    }
}

async fn mark_restored(
    connection: &mut SqliteConnection,
    now: Timestamp,
) -> Result<Link, StoreError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let marked = freezes::mark_restored(&mut Connection::Sqlite(&mut transaction), now).await?;
    crash_points::reach(CrashPoint::BeforeCommit(StoreCommit::MarkRestored));
    transaction.commit().await?;
    crash_points::reach(CrashPoint::AfterCommit(StoreCommit::MarkRestored));
    Ok(marked.value)
}

/// Refuses what is no database of usher's, or of a version that this one cannot know.
async fn check_mark(connection: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    let name = path.display();
    let mark = pragma(connection, "application_id").await?;
    if mark != i64::from(APPLICATION_ID) {
        return Err(unusable(format!(
            "{name} is a database of another program; it was left as it is"
        )));
    }
    let version = pragma(connection, "user_version").await?;
    let is_known = usize::try_from(version).is_ok_and(|version| version <= known_version());
    if !is_known {
        return Err(unusable(format!(
            "{name} was written by a later version of usher (schema {version}, this one knows {}); \
             use the command of that version",
            known_version()
        )));
    }
    Ok(())
}

/// Everything that can be seen from one moment, into a file that is there and empty. The source is only
/// read, and nobody who writes to it waits.
async fn copy_into(connection: &mut SqliteConnection, file: &Path) -> Result<(), StoreError> {
    let name = file.display();
    let Some(path) = file.to_str() else {
        return Err(unusable(format!(
            "{name} has a name that is not UTF-8; choose another"
        )));
    };
    let copied = sqlx::query("VACUUM INTO $1")
        .bind(path.to_owned())
        .execute(connection)
        .await;
    copied.map_err(|error| {
        unusable(format!(
            "the copy {name} cannot be written ({error}); check its folder and the room on the disk"
        ))
    })?;
    Ok(())
}

async fn examine(file: &Path) -> Result<CopyFacts, StoreError> {
    let path = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let mut connection = SqliteConnection::connect_with(&look_options(&path, WAIT_MAX)).await?;
    check_mark(&mut connection, file).await?;
    let (schema_version, verdict) = version_and_verdict(&mut connection).await?;
    if verdict != "ok" {
        return Err(StoreError::Corrupt(verdict));
    }
    let grants = count(&mut connection, "SELECT COUNT(*) FROM grants").await?;
    let events = count(&mut connection, "SELECT COUNT(*) FROM events").await?;
    connection.close().await?;
    let mut log = LogCopy::open(file).await?;
    let log_end = log.end().await?;
    log.close().await?;
    Ok(CopyFacts {
        schema_version,
        grants,
        events,
        log_end,
    })
}

async fn count(
    connection: &mut SqliteConnection,
    question: &'static str,
) -> Result<u64, sqlx::Error> {
    let row = sqlx::query(question).fetch_one(connection).await?;
    Ok(u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0))
}
