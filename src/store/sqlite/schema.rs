//! Opening the database: its checks, its birth, its migrations.
//!
//! Migrations go forward only, and each with its version number in one transaction: a database is
//! always of one version. SQLite keeps the number itself (`user_version`).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection};

use super::directory::{APPLICATION_ID, DataDirectory, unusable};
use crate::crash_points::{self, CrashPoint, StoreCommit};
use crate::store::StoreError;

/// The migrations in order. The first makes version 1, and so on; none is ever changed.
const MIGRATIONS: [&str; 19] = [
    include_str!("migrations/0001_grants.sql"),
    include_str!("migrations/0002_asynchronous_changes.sql"),
    include_str!("migrations/0003_own_before.sql"),
    include_str!("migrations/0004_policy_record.sql"),
    include_str!("migrations/0005_approvals.sql"),
    include_str!("migrations/0006_log.sql"),
    include_str!("migrations/0007_brake.sql"),
    include_str!("migrations/0008_review_service.sql"),
    include_str!("migrations/0009_policy_directory.sql"),
    include_str!("migrations/0010_words.sql"),
    include_str!("migrations/0011_load_version.sql"),
    include_str!("migrations/0012_work_kinds.sql"),
    include_str!("migrations/0013_counts.sql"),
    include_str!("migrations/0014_facts.sql"),
    include_str!("migrations/0015_first_whole_collection.sql"),
    include_str!("migrations/0016_readings.sql"),
    include_str!("migrations/0017_facts_by_key.sql"),
    include_str!("migrations/0018_gone_at.sql"),
    include_str!("migrations/0019_restored.sql"),
];

/// How a connection that writes is opened.
pub(super) fn connect_options(database: &Path, wait: Duration) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(database)
        .busy_timeout(wait)
        .foreign_keys(true)
        // FULL: in WAL mode the weaker settings lose the last commits at power loss.
        .synchronous(SqliteSynchronous::Full)
}

/// Makes the database if there is none, else checks it and brings it to the present version.
/// Answers a connection to write with.
pub(super) async fn open_database(
    directory: &DataDirectory,
    wait: Duration,
) -> Result<SqliteConnection, StoreError> {
    if directory.has_database()? {
        check_database(directory, wait).await?;
    } else {
        make_database(directory, wait).await?;
    }
    let options = connect_options(&directory.database(), wait);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    migrate(&mut connection).await?;
    Ok(connection)
}

/// A new database is made under another name: under its own name there is always a whole one, so
/// that a foreign file and an interrupted birth cannot be confused.
async fn make_database(directory: &DataDirectory, wait: Duration) -> Result<(), StoreError> {
    let unfinished = directory.begin_database()?;
    let options = connect_options(&unfinished, wait).journal_mode(SqliteJournalMode::Wal);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    sqlx::raw_sql(AssertSqlSafe(format!(
        "PRAGMA application_id = {APPLICATION_ID}"
    )))
    .execute(&mut connection)
    .await?;
    migrate(&mut connection).await?;
    // Closing the last connection moves the log into the file and syncs it.
    connection.close().await?;
    crash_points::reach(CrashPoint::BeforeCommit(StoreCommit::FinishDatabase));
    directory.finish_database(&unfinished)?;
    crash_points::reach(CrashPoint::AfterCommit(StoreCommit::FinishDatabase));
    Ok(())
}

/// How a database is looked at without changing a byte of any file. A connection that may write
/// would move the log into the database when it closes.
///
/// Without a log the file is all there is, and is read as one that nobody changes. With one (after
/// kill -9) the log is read too, and its index (`-shm`) is rebuilt in memory, not in its file.
/// Where that file is missing SQLite has to make one; it is taken away again.
pub(super) fn look_options(path: &Path, wait: Duration) -> SqliteConnectOptions {
    let companion = |suffix| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let has_log = fs::metadata(companion("-wal")).is_ok_and(|log| log.len() > 0);
    if !has_log {
        return connect_options(path, wait).read_only(true).immutable(true);
    }
    if !companion("-shm").exists() {
        return connect_options(path, wait).read_only(true);
    }
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"/.-_".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri.push_str("?readonly_shm=1");
    connect_options(Path::new(&uri), wait).read_only(true)
}

/// Reads the version and walks the database once, before anything may write to it.
pub(super) async fn check_database(
    directory: &DataDirectory,
    wait: Duration,
) -> Result<(), StoreError> {
    let path = directory.database();
    let name = path.display();
    let damaged = |problem: String| {
        unusable(format!(
            "the database {name} is damaged ({problem}); restore it from a backup, or name another \
             data directory; it was left as it is"
        ))
    };
    let options = look_options(&path, wait);
    let had_index = directory.companion("-shm").exists();
    let check = async {
        let mut connection = SqliteConnection::connect_with(&options).await?;
        let found = version_and_verdict(&mut connection).await?;
        connection.close().await?;
        Ok::<_, sqlx::Error>(found)
    };
    let checked = check.await;
    if !had_index {
        // At most an index that SQLite made for this look.
        drop(fs::remove_file(directory.companion("-shm")));
    }
    let (version, verdict) = checked.map_err(|error| match StoreError::from(error) {
        StoreError::Corrupt(problem) => damaged(problem),
        other => unusable(format!(
            "the database {name} cannot be opened ({other}); check that nothing else uses it and \
             that the disk is well; it was left as it is"
        )),
    })?;
    if verdict != "ok" {
        return Err(damaged(verdict));
    }
    if version > MIGRATIONS.len() {
        return Err(unusable(format!(
            "the database {name} was written by a later version of usher (schema {version}, this \
             one knows {known}); start that version; it was left as it is",
            known = MIGRATIONS.len()
        )));
    }
    Ok(())
}

/// The version of a database, and what a walk through it finds: `ok`, or what is damaged.
pub(super) async fn version_and_verdict(
    connection: &mut SqliteConnection,
) -> Result<(usize, String), sqlx::Error> {
    let version = user_version(&mut *connection).await?;
    // quick_check reads every page but not every index entry: it takes about a second for
    // each gigabyte, and finds what a torn or foreign write leaves.
    let verdict = sqlx::query("PRAGMA quick_check(1)")
        .fetch_one(connection)
        .await?
        .try_get(0)?;
    Ok((version, verdict))
}

/// The version that this program writes.
pub(super) const fn known_version() -> usize {
    MIGRATIONS.len()
}

/// Brings a database that is open to the present version.
pub(super) async fn migrate(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let present = user_version(connection).await?;
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(present) {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::raw_sql(*migration).execute(&mut *transaction).await?;
        sqlx::raw_sql(AssertSqlSafe(format!(
            "PRAGMA user_version = {}",
            index + 1
        )))
        .execute(&mut *transaction)
        .await?;
        crash_points::reach(CrashPoint::BeforeCommit(StoreCommit::Migrate));
        transaction.commit().await?;
        crash_points::reach(CrashPoint::AfterCommit(StoreCommit::Migrate));
    }
    Ok(())
}

/// Whether the database is as this version writes it.
pub(super) async fn is_of_this_version(
    connection: &mut SqliteConnection,
) -> Result<bool, sqlx::Error> {
    Ok(user_version(connection).await? == MIGRATIONS.len())
}

/// A number of SQLite's own about the database.
pub(super) async fn pragma(
    connection: &mut SqliteConnection,
    name: &str,
) -> Result<i64, sqlx::Error> {
    sqlx::query(AssertSqlSafe(format!("PRAGMA {name}")))
        .fetch_one(connection)
        .await?
        .try_get(0)
}

async fn user_version(connection: &mut SqliteConnection) -> Result<usize, sqlx::Error> {
    let version = pragma(connection, "user_version").await?;
    // A negative version is nobody's: read as later than every known one, it is refused.
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::facts::{CollectionId, FactKind};
    use crate::domain::plan::Write;
    use crate::domain::{GrantState, PendingChange};
    use crate::store::{
        ClaimLimit, FactRange, FactStore as _, Holder, LogStore as _, OfEachKind, SqliteOptions,
        SqliteStore, Store as _,
    };

    /// A database as the first version left it, with a grant that is due.
    const FIRST_VERSION: &str = "INSERT INTO assignments VALUES ('arn:aws:sso:::instance/ssoins-1234567890abcdef', \
        'ACCOUNT', '123456789012/arn:aws:sso:::permissionSet/ssoins-1234567890abcdef/ps-1234567890abcdef', \
        'USER', '04261254-0000-4a5a-9d53-000000000001', 'NO', NULL, 5000000, 1, 1, NULL, NULL, \
        NULL, NULL, NULL, NULL, 7000000, NULL, 2, NULL, NULL, 4, NULL, NULL); \
        INSERT INTO grants SELECT 'grant_00000000000000000000000000000001', instance_arn, \
        target_kind, target, principal_type, principal_id, 'ACTIVE', 1, 'portal', 'alice', 'why', \
        '', '[]', '1', 3600000000, 1000000, 2000000, 9000000, NULL, NULL, NULL, NULL, NULL, NULL, 2 \
        FROM assignments; \
        INSERT INTO events (grant_id, body) VALUES (NULL, '{\"kind\":\"old\"}');";

    /// Leaves a database as a version left it, with this in it.
    async fn leave(place: &Path, version: usize, content: &str) {
        let directory = DataDirectory::lock(place).unwrap();
        let options = connect_options(&directory.database(), Duration::from_secs(1))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal);
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        let head =
            format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version}");
        let migrations = MIGRATIONS.iter().take(version).copied();
        for sql in std::iter::once(head.as_str())
            .chain(migrations)
            .chain([content])
        {
            sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
                .execute(&mut connection)
                .await
                .unwrap();
        }
        connection.close().await.unwrap();
    }

    /// Two users of two collections, one of whom was renamed and one of whom went, and a group.
    const FACTS_UNDER_NUMBERS: &str = r#"
        INSERT INTO collected_instances VALUES (3, 'arn:aws:sso:::instance/ssoins-1234567890abcdef', 1);
        INSERT INTO collections SELECT id, 3, 'FINISHED', id, id, NULL, NULL, 1, '[]', '[]', '[]', '[]', 0, '', ''
            FROM (SELECT 1 AS id UNION SELECT 2);
        INSERT INTO fact_keys VALUES (3, 1, 'u1', '', 11), (3, 1, 'u2', '', 10), (3, 4, 'g', 'u1', 12);
        INSERT INTO facts VALUES (11, 1, 2, 'old'), (11, 2, NULL, 'new'), (10, 1, 2, 'gone'), (12, 2, NULL, '{}');
    "#;

    #[tokio::test]
    async fn facts_under_numbers_are_moved_under_their_keys() {
        let place = tempfile::tempdir().unwrap();
        leave(place.path(), 16, FACTS_UNDER_NUMBERS).await;
        let store = SqliteStore::open(place.path(), SqliteOptions::default());
        let store = store.await.unwrap();
        for (collection, expected) in [
            (1, [("u1", "old", 1), ("u2", "gone", 1)].as_slice()),
            (2, [("u1", "new", 2), ("g", "{}", 2)].as_slice()),
        ] {
            let range = FactRange::Kinds(FactKind::ALL.to_vec());
            let facts = store.facts(CollectionId(collection), &range, None, 9);
            let facts = facts.await.unwrap();
            let found = facts.iter().map(|kept| {
                (
                    kept.fact.key.key.as_str(),
                    kept.fact.value.as_str(),
                    kept.since.0,
                )
            });
            assert_eq!(found.collect::<Vec<_>>(), expected);
        }
        store.close().await;
    }

    #[tokio::test]
    async fn a_database_of_the_first_version_keeps_its_data_and_gains_the_new_columns() {
        let place = tempfile::tempdir().unwrap();
        leave(place.path(), 1, FIRST_VERSION).await;
        let store = SqliteStore::open(place.path(), SqliteOptions::default())
            .await
            .unwrap();
        let now = jiff::Timestamp::from_second(8).unwrap();
        let instance = "arn:aws:sso:::instance/ssoins-1234567890abcdef";
        let instance = crate::domain::InstanceArn::parse(instance).unwrap();
        let limit = ClaimLimit {
            claims_max: OfEachKind::all(1),
            outstanding_max: 1,
            kept_for_ends: 0,
        };
        let later = jiff::Timestamp::from_second(80).unwrap();
        let mut claims = store
            .claim_due(&Holder("a".to_owned()), &[instance], now, later, limit)
            .await
            .unwrap();
        let claim = claims.remove(0);
        assert_eq!(claim.grants[0].state, GrantState::Active);
        assert_eq!(claim.record.failed_attempts, 2);
        assert_eq!(claim.record.failed_operations, 0);
        assert_eq!(claim.record.pending, None);
        let mut changes = crate::domain::plan::Changes {
            record: claim.record.clone(),
            grants: Vec::new(),
            events: Vec::new(),
        };
        changes.record.pending = Some(PendingChange {
            write: Write::Delete,
            request_id: None,
            since: now,
            own_before: false,
        });
        let pending = changes.record.pending.clone();
        let claim = store.commit_step(&claim, changes).await.unwrap();
        assert_eq!(claim.record.pending, pending);
        // What an earlier version committed is chained as well.
        let lease = store.lease_log(&Holder("a".to_owned()), now, later).await;
        let lease = lease.unwrap().unwrap();
        let chained = store.chain_events(&lease, 10).await.unwrap();
        assert_eq!((chained.count, chained.end.position), (1, 1));
        store.close().await;
    }
}
