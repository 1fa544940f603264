//! Kill -9 in the middle of a copy and right before its commit leaves PostgreSQL empty and SQLite as it was; right
//! after it, everything is there.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnectOptions;
use usher::store::{PostgresOptions, copy_to_postgres};

use crate::fill::filled;
use crate::postgresql::Database;
use crate::refusals::{ROWS, files};

/// Tells the test binary that it is a child: where it copies from, and where it dies.
const CHILD_DIRECTORY: &str = "USHER_TEST_COPY_DIRECTORY";
const CHILD_CRASH: &str = "USHER_TEST_COPY_CRASH";
/// How long anything here may take.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// Not a test by itself: copies, and dies where it was told to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_that_dies_in_a_copy() {
    let Some(directory) = std::env::var_os(CHILD_DIRECTORY) else {
        return;
    };
    usher::crash_points::arm(std::env::var(CHILD_CRASH).unwrap().parse().unwrap());
    let options = PostgresOptions::default();
    let copied = copy_to_postgres(directory.as_ref(), &options).await;
    panic!("it was not killed: {copied:?}");
}

/// Waits until nobody but the asker is connected to the database: the server has undone what was begun.
async fn alone(database: &Database) {
    let others = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() \
         AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
    wait_for(database, others, 0).await;
}

async fn wait_for(database: &Database, question: &'static str, wanted: i64) {
    let waiting = async {
        while database.count(question).await != wanted {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(WAIT_MAX, waiting).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_around_the_commit_of_a_copy_leaves_all_or_nothing() {
    let directory = filled().await;
    let before = files(directory.path());
    for (point, is_there) in [("before_commit", false), ("after_commit", true)] {
        let database = Database::new().await;
        let ended = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "killed::child_that_dies_in_a_copy",
                "--nocapture",
            ])
            .env(CHILD_DIRECTORY, directory.path())
            .env(CHILD_CRASH, format!("store.copy.{point}:1"))
            .env("USHER_POSTGRES_URL", &database.options.url)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(!ended.success());
        alone(&database).await;
        assert_eq!(database.count(ROWS).await > 0, is_there, "{point}");
        assert_eq!(files(directory.path()), before, "{point}");
        let again = copy_to_postgres(directory.path(), &database.options).await;
        assert_eq!(again.is_err(), is_there, "{point}: {again:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_kill_9_left_of_a_service_is_copied_with_its_last_commits() {
    let living = filled().await;
    let options = SqliteConnectOptions::new().filename(living.path().join("usher.sqlite3"));
    let mut open = sqlx::SqliteConnection::connect_with(&options)
        .await
        .unwrap();
    let last = "UPDATE names SET name = 'the last commit' WHERE name <> ''";
    sqlx::query(last).execute(&mut open).await.unwrap();
    for has_index in [true, false] {
        let (dead, database) = (tempfile::tempdir().unwrap(), Database::new().await);
        for (path, bytes) in files(living.path()) {
            let name = path.file_name().unwrap();
            if has_index || name != "usher.sqlite3-shm" {
                std::fs::write(dead.path().join(name), bytes).unwrap();
            }
        }
        let before = files(dead.path());
        assert!(!before[&dead.path().join("usher.sqlite3-wal")].is_empty());
        let copied = copy_to_postgres(dead.path(), &database.options);
        copied.await.unwrap();
        let names = "SELECT name FROM names WHERE name <> ''";
        assert_eq!(database.texts(names).await, ["the last commit"]);
        assert!(
            files(dead.path()) == before,
            "{has_index}: SQLite was changed"
        );
    }
    open.close().await.unwrap();
}

/// Has a copy wait in the middle of a table until the lock of this number is free.
const WAITER: &str = "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS \
     $$ BEGIN PERFORM pg_advisory_xact_lock(77); RETURN NULL; END $$; \
     CREATE TRIGGER wait AFTER INSERT ON events FOR EACH STATEMENT EXECUTE FUNCTION wait()";
const WAITING: &str = "SELECT COUNT(*) FROM pg_locks JOIN pg_database AS d ON d.oid = database \
     WHERE datname = current_database() AND locktype = 'advisory' AND objid = 77 AND NOT granted";

fn copy(directory: &std::path::Path, database: &Database) -> Child {
    let child = Command::new(env!("CARGO_BIN_EXE_usher"))
        .args(["copy", "--data-dir"])
        .arg(directory)
        .env_clear()
        .env("USHER_POSTGRES_URL", &database.options.url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    child.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_in_the_middle_of_a_copy_leaves_nothing() {
    let (directory, database) = (filled().await, Database::new().await);
    let before = files(directory.path());
    database.execute(WAITER).await;
    let mut holder = sqlx::PgConnection::connect(&database.options.url)
        .await
        .unwrap();
    let lock = "SELECT pg_advisory_lock(77)";
    sqlx::query(lock).execute(&mut holder).await.unwrap();
    let mut child = copy(directory.path(), &database);
    wait_for(&database, WAITING, 1).await;
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success());
    holder.close().await.unwrap();
    alone(&database).await;
    assert_eq!(database.count(ROWS).await, 0);
    assert_eq!(files(directory.path()), before);
    let copied = copy_to_postgres(directory.path(), &database.options);
    copied.await.unwrap();
}
