//! What is not copied, with the sentence that helps; and that both databases are then as they were.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use usher::store::{PostgresOptions, PostgresStore, Store as _, copy_to_postgres};

use crate::fill::{filled, open};
use crate::postgresql::Database;

/// Rows of every table that a copy fills.
pub(crate) const ROWS: &str = "SELECT (SELECT COUNT(*) FROM assignments) + (SELECT COUNT(*) FROM grants) \
     + (SELECT COUNT(*) FROM reviews) + (SELECT COUNT(*) FROM requests) + (SELECT COUNT(*) FROM names) \
     + (SELECT COUNT(*) FROM secrets) + (SELECT COUNT(*) FROM policy_sets) + (SELECT COUNT(*) FROM policy_loads) \
     + (SELECT COUNT(*) FROM collections) + (SELECT COUNT(*) FROM facts) + (SELECT COUNT(*) FROM reading_pages) \
     + (SELECT COUNT(*) FROM events) + (SELECT COUNT(*) FROM chained_events) \
     + (SELECT COUNT(*) FROM waiting_events) + (SELECT COUNT(*) FROM log_heads) \
     + (SELECT position + epoch FROM log_chain)";

/// Every file of a directory.
pub(crate) fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = std::fs::read_dir(directory).unwrap().flatten();
    let paths = entries.map(|entry| entry.path());
    paths
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect()
}

/// The sentence with which a copy is refused, which leaves the directory as it is.
async fn refusal(directory: &Path, options: &PostgresOptions) -> String {
    let before = files(directory);
    let refused = copy_to_postgres(directory, options).await.unwrap_err();
    assert_eq!(files(directory), before);
    refused.to_string()
}

async fn with_sqlite(directory: &Path, sql: &'static str) {
    let options = SqliteConnectOptions::new().filename(directory.join("usher.sqlite3"));
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_in_use_is_not_copied() {
    let (directory, database) = (filled().await, Database::new().await);
    let store = open(directory.path()).await;
    let told = copy_to_postgres(directory.path(), &database.options).await;
    let told = told.unwrap_err().to_string();
    assert!(told.contains("in use by another usher; stop it"), "{told}");
    store.close().await;
    assert_eq!(database.count(ROWS).await, 0);
    let copied = copy_to_postgres(directory.path(), &database.options);
    copied.await.unwrap();
}

#[tokio::test]
async fn a_directory_without_a_database_is_not_copied_and_nothing_is_made_in_it() {
    let (parent, database) = (tempfile::tempdir().unwrap(), Database::new().await);
    let told = refusal(parent.path(), &database.options).await;
    assert!(told.contains("there is no database"), "{told}");
    let missing = parent.path().join("missing");
    let told = copy_to_postgres(&missing, &database.options).await;
    let told = told.unwrap_err().to_string();
    assert!(told.contains("there is no database"), "{told}");
    assert!(!missing.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_and_a_later_schema_are_not_copied() {
    for (version, wanted) in [
        ("PRAGMA user_version = 17", "start this version on it once"),
        ("PRAGMA user_version = 999", "later version of usher"),
    ] {
        let (directory, database) = (filled().await, Database::new().await);
        with_sqlite(directory.path(), version).await;
        let told = refusal(directory.path(), &database.options).await;
        assert!(told.contains(wanted), "{told}");
        assert_eq!(database.count(ROWS).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filled_database_is_not_copied_into() {
    let (directory, database) = (filled().await, Database::new().await);
    let copied = copy_to_postgres(directory.path(), &database.options);
    copied.await.unwrap();
    let rows = database.count(ROWS).await;
    let told = refusal(directory.path(), &database.options).await;
    assert!(told.contains("is not empty (assignments, grants"), "{told}");
    assert_eq!(database.count(ROWS).await, rows);
    // One that a service has used once is not empty either.
    let used = Database::new().await;
    let store = PostgresStore::open(&used.options).await.unwrap();
    store.secret("page tokens").await.unwrap();
    store.close().await;
    let told = refusal(directory.path(), &used.options).await;
    assert!(told.contains("is not empty (secrets)"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_missing_or_not_prepared_is_told() {
    let directory = filled().await;
    let empty = Database::empty().await;
    let told = refusal(directory.path(), &empty.options).await;
    assert!(told.contains("run `usher migrate`"), "{told}");
    let missing = PostgresOptions {
        url: empty.options.url.replace("test_", "missing_"),
        ..empty.options.clone()
    };
    let told = refusal(directory.path(), &missing).await;
    assert!(told.contains("does not exist"), "{told}");
    assert!(!told.contains("postgres://"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_somebody_works_in_is_not_copied_into() {
    let (directory, database) = (filled().await, Database::new().await);
    let mut other = sqlx::PgConnection::connect(&database.options.url)
        .await
        .unwrap();
    let mut begun = other.begin().await.unwrap();
    let write = "INSERT INTO names VALUES ('user', 'a', 'b', 0)";
    sqlx::query(write).execute(&mut *begun).await.unwrap();
    let told = refusal(directory.path(), &database.options).await;
    assert!(told.contains("somebody else works in"), "{told}");
    begun.rollback().await.unwrap();
    let copied = copy_to_postgres(directory.path(), &database.options);
    copied.await.unwrap();
}

/// Something in PostgreSQL that changes what is written, and the table that is then named.
const MEDDLERS: [(&str, &str); 3] = [
    (
        "CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN NEW.justification := 'because'; RETURN NEW; END $$; \
         CREATE TRIGGER meddle BEFORE INSERT ON grants FOR EACH ROW EXECUTE FUNCTION meddle()",
        "grants",
    ),
    (
        "CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN IF NEW.position = 7 THEN RETURN NULL; END IF; RETURN NEW; END $$; \
         CREATE TRIGGER meddle BEFORE INSERT ON chained_events FOR EACH ROW EXECUTE FUNCTION meddle()",
        "chained_events",
    ),
    (
        // Undoes it after the rows were counted.
        "CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN UPDATE facts SET value = '{}' WHERE kind = 1; RETURN NULL; END $$; \
         CREATE TRIGGER meddle AFTER INSERT ON log_chain FOR EACH STATEMENT EXECUTE FUNCTION meddle()",
        "facts",
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_back_otherwise_is_not_committed() {
    let directory = filled().await;
    for (meddler, table) in MEDDLERS {
        let database = Database::new().await;
        database.execute(meddler).await;
        let told = refusal(directory.path(), &database.options).await;
        let wanted = format!("the table {table} cannot be copied");
        assert!(told.contains(&wanted), "{told}");
        assert!(told.contains("nothing was copied"), "{told}");
        assert_eq!(database.count(ROWS).await, 0, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_was_tampered_with_is_not_copied() {
    for (tampering, wanted) in [
        (
            "UPDATE events SET body = replace(body, 'portal', 'nobody') WHERE position = 8",
            "not whole from position 8 on",
        ),
        (
            "DELETE FROM events WHERE position = 9",
            "not whole from position 9 on",
        ),
        (
            "DELETE FROM events WHERE position > 9",
            "not whole from position 10 on",
        ),
        (
            "UPDATE log_chain SET position = 9, hash = (SELECT hash FROM events WHERE position = 9); \
             DELETE FROM log_heads",
            "not whole",
        ),
    ] {
        let (directory, database) = (filled().await, Database::new().await);
        with_sqlite(directory.path(), tampering).await;
        let told = refusal(directory.path(), &database.options).await;
        assert!(told.contains("decision log"), "{told}");
        assert!(told.contains(wanted) || told.contains("ends at"), "{told}");
        assert_eq!(database.count(ROWS).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_postgresql_cannot_keep_is_named() {
    for (spoiled, wanted) in [
        ("UPDATE names SET name = char(97, 0, 98)", "the table names"),
        (
            "UPDATE grants SET people_count = 'many'",
            "column people_count",
        ),
        ("UPDATE secrets SET value = 5", "column value"),
    ] {
        let (directory, database) = (filled().await, Database::new().await);
        with_sqlite(directory.path(), spoiled).await;
        let told = refusal(directory.path(), &database.options).await;
        assert!(told.contains(wanted), "{told}");
        assert_eq!(database.count(ROWS).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_own_the_tables_does_not_copy() {
    let (directory, database) = (filled().await, Database::new().await);
    let name = format!("other_{}", uuid::Uuid::new_v4().simple());
    let mut connection = sqlx::PgConnection::connect(&database.options.url)
        .await
        .unwrap();
    for statement in [
        format!("CREATE ROLE {name} LOGIN"),
        format!("GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}"),
    ] {
        let statement = sqlx::raw_sql(sqlx::AssertSqlSafe(statement));
        statement.execute(&mut connection).await.unwrap();
    }
    let options = PostgresOptions {
        url: database.options.url.replace("usher@", &format!("{name}@")),
        ..database.options.clone()
    };
    let told = refusal(directory.path(), &options).await;
    assert!(told.contains("does not own usher's tables"), "{told}");
    for statement in [format!("DROP OWNED BY {name}"), format!("DROP ROLE {name}")] {
        let statement = sqlx::raw_sql(sqlx::AssertSqlSafe(statement));
        statement.execute(&mut connection).await.unwrap();
    }
}
