//! The schema of the PostgreSQL store. Migrations go forward only, each with its number in one transaction,
//! and one process at a time carries them out.

use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Row as _};

use super::PostgresOptions;
use crate::crash_points::{self, CrashPoint, StoreCommit};
use crate::store::StoreError;

/// The migrations in order. The first makes version 1, and so on; none is ever changed.
const MIGRATIONS: [&str; 2] = [
    include_str!("migrations/0001_store.sql"),
    include_str!("migrations/0002_restored.sql"),
];

/// The number of the advisory lock under which migrations are carried out: the letters USHER.
const MIGRATION_LOCK: i64 = 0x55_53_48_45_52;

/// The tables of this database's that say nothing of a version: another program's.
const FOREIGN: &str = "SELECT COUNT(*) AS count FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace \
     WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') AND c.relname <> 'schema_versions'";

/// What a migration found and left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    /// The version that was there; 0 where there was none.
    pub from: usize,
    /// The version that is there.
    pub to: usize,
}

/// Brings a database to the version that this program knows. Of several at once one does it and the others
/// wait.
///
/// # Errors
/// `Unusable` with a sentence: it cannot be reached, belongs to something else, or was left by a later version.
pub async fn prepare(options: &PostgresOptions) -> Result<Migrated, StoreError> {
    let connect = options.connect().map_err(StoreError::Unusable)?;
    // A migration may take longer than a statement of the service may.
    let connect = connect.options([("statement_timeout", "0")]);
    let mut connection = PgConnection::connect_with(&connect)
        .await
        .map_err(unreachable)?;
    let migrated = migrate(&mut connection).await;
    connection.close().await?;
    migrated
}

async fn migrate(connection: &mut PgConnection) -> Result<Migrated, StoreError> {
    sqlx::query("SELECT pg_advisory_lock($1)")
        .bind(MIGRATION_LOCK)
        .execute(&mut *connection)
        .await?;
    let from = version(&mut *connection).await?;
    check_known(from)?;
    if from == 0 && count(&mut *connection, FOREIGN).await? > 0 {
        return Err(StoreError::Unusable(
            "the database holds tables of something else; name an empty database".to_owned(),
        ));
    }
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(from) {
        let mut transaction = connection.begin().await?;
        let problem = |error: sqlx::Error| {
            StoreError::Unusable(format!("migration {} failed: {error}", index + 1))
        };
        if index == 0 {
            let versions = "CREATE TABLE schema_versions (version BIGINT NOT NULL PRIMARY KEY, \
                 applied_at TIMESTAMPTZ NOT NULL DEFAULT now())";
            let made = sqlx::raw_sql(versions).execute(&mut *transaction).await;
            made.map_err(problem)?;
        }
        let done = sqlx::raw_sql(*migration).execute(&mut *transaction).await;
        done.map_err(problem)?;
        sqlx::query("INSERT INTO schema_versions (version) VALUES ($1)")
            .bind(i64::try_from(index + 1).unwrap_or(i64::MAX))
            .execute(&mut *transaction)
            .await?;
        crash_points::reach(CrashPoint::BeforeCommit(StoreCommit::Migrate));
        transaction.commit().await?;
        crash_points::reach(CrashPoint::AfterCommit(StoreCommit::Migrate));
    }
    Ok(Migrated {
        from,
        to: MIGRATIONS.len(),
    })
}

/// Refuses a database that is not of this version.
pub(super) async fn check(connection: &mut PgConnection) -> Result<(), StoreError> {
    let found = version(connection).await?;
    check_known(found)?;
    if found < MIGRATIONS.len() {
        return Err(StoreError::Unusable(format!(
            "the database has schema {found}, and this version of usher needs {}; run `usher migrate` as the owner of its tables",
            MIGRATIONS.len()
        )));
    }
    Ok(())
}

fn check_known(version: usize) -> Result<(), StoreError> {
    match version > MIGRATIONS.len() {
        true => Err(StoreError::Unusable(format!(
            "the database was written by a later version of usher (schema {version}, this one knows {}); start that version; it was left as it is",
            MIGRATIONS.len()
        ))),
        false => Ok(()),
    }
}

async fn version(connection: &mut PgConnection) -> Result<usize, StoreError> {
    let has_versions = "SELECT COUNT(*) AS count FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace \
         WHERE n.nspname = current_schema() AND c.relname = 'schema_versions'";
    if count(&mut *connection, has_versions).await? == 0 {
        return Ok(0);
    }
    let newest = "SELECT COALESCE(MAX(version), 0) AS count FROM schema_versions";
    let newest = count(connection, newest).await?;
    // A negative version is nobody's: read as later than every known one, it is refused.
    Ok(usize::try_from(newest).unwrap_or(usize::MAX))
}

async fn count(connection: &mut PgConnection, sql: &'static str) -> Result<i64, StoreError> {
    let row = sqlx::query(sql).fetch_one(connection).await;
    Ok(row.map_err(unreachable)?.try_get("count")?)
}

/// The sentence for a database that does not answer when it is first asked. Neither the URL nor the password is
/// in it.
pub(super) fn unreachable(error: sqlx::Error) -> StoreError {
    StoreError::Unusable(format!(
        "the PostgreSQL database does not answer as it should ({error}); check postgres.url, its user and its certificate"
    ))
}
