//! What only the store in a SQLite file can get wrong: its directory, its file, kill -9.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tempfile::TempDir;
use usher::domain::GrantId;
use usher::store::{SqliteOptions, SqliteStore, Store as _, StoreError, WorkKind};

use super::common::*;
use super::slots;

/// Tells the test binary that it is the child of the kill -9 test, and where to write.
const CHILD_DIRECTORY: &str = "USHER_TEST_STORE_CHILD";

fn database(directory: &Path) -> PathBuf {
    directory.join("usher.sqlite3")
}

async fn open(directory: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(directory, SqliteOptions::default()).await
}

/// The sentence with which the directory is refused.
async fn refusal(directory: &Path) -> String {
    match open(directory).await {
        Err(StoreError::Unusable(sentence)) => sentence,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was opened"),
    }
}

/// Runs statements on the file as another program would.
async fn with_sqlite(path: &Path, sql: &'static str) {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

async fn made(directory: &Path) {
    let store = open(directory).await.unwrap();
    record(&store, grant(1, &key(1, 1))).await;
    store.close().await;
}

#[tokio::test]
async fn a_directory_in_use_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await.unwrap();
    let sentence = refusal(directory.path()).await;
    assert!(sentence.contains("in use by another usher"), "{sentence}");
    store.close().await;
    open(directory.path()).await.unwrap().close().await;
}

#[tokio::test]
async fn a_file_in_place_of_the_directory_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("data");
    fs::write(&file, "not a directory").unwrap();
    for path in [file.clone(), file.join("below")] {
        let sentence = refusal(&path).await;
        assert!(sentence.contains("is a file"), "{sentence}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "not a directory");
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_is_refused() {
    // Root may write where modes forbid it, so something that nobody can write to stands in: a
    // directory in place of the lock file, and /proc, where no directory can be made.
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("usher.lock")).unwrap();
    let sentence = refusal(directory.path()).await;
    assert!(sentence.contains("cannot write"), "{sentence}");
    let sentence = refusal(Path::new("/proc/usher")).await;
    assert!(
        sentence.contains("cannot make the data directory"),
        "{sentence}"
    );
}

#[tokio::test]
async fn another_programs_database_is_refused_and_left() {
    let directory = tempfile::tempdir().unwrap();
    let path = database(directory.path());
    with_sqlite(
        &path,
        "CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)",
    )
    .await;
    let before = fs::read(&path).unwrap();
    let sentence = refusal(directory.path()).await;
    assert!(sentence.contains("another program"), "{sentence}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn what_is_no_database_is_refused_and_left() {
    for content in [&b""[..], b"short", &[7; 8192]] {
        let directory = tempfile::tempdir().unwrap();
        let path = database(directory.path());
        fs::write(&path, content).unwrap();
        let sentence = refusal(directory.path()).await;
        assert!(sentence.contains("is not a database"), "{sentence}");
        assert_eq!(fs::read(&path).unwrap(), content);
    }
}

#[tokio::test]
async fn a_damaged_database_is_refused_and_left() {
    let directory = tempfile::tempdir().unwrap();
    made(directory.path()).await;
    let path = database(directory.path());
    let mut bytes = fs::read(&path).unwrap();
    for byte in &mut bytes[4096..] {
        *byte ^= 0x5a;
    }
    fs::write(&path, &bytes).unwrap();
    let sentence = refusal(directory.path()).await;
    assert!(sentence.contains("is damaged"), "{sentence}");
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[tokio::test]
async fn a_cut_database_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    made(directory.path()).await;
    let path = database(directory.path());
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let sentence = refusal(directory.path()).await;
    assert!(sentence.contains("is damaged"), "{sentence}");
}

#[tokio::test]
async fn a_later_version_is_refused_and_left() {
    let directory = tempfile::tempdir().unwrap();
    made(directory.path()).await;
    let path = database(directory.path());
    with_sqlite(&path, "PRAGMA user_version = 99").await;
    let sentence = refusal(directory.path()).await;
    assert!(sentence.contains("later version"), "{sentence}");
    with_sqlite(&path, "PRAGMA user_version = 19").await;
    let store = open(directory.path()).await.unwrap();
    assert!(store.grant(&grant_id(1)).await.unwrap().is_some());
    store.close().await;
}

/// Every file of the directory with its bytes.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(&path).unwrap()))
        .collect()
}

/// A data directory as kill -9 leaves it: the last commits only in the log.
async fn killed(sql: &'static str) -> TempDir {
    let living = tempfile::tempdir().unwrap();
    made(living.path()).await;
    let options = SqliteConnectOptions::new().filename(database(living.path()));
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    let dead = tempfile::tempdir().unwrap();
    for (path, bytes) in files(living.path()) {
        fs::write(dead.path().join(path.file_name().unwrap()), bytes).unwrap();
    }
    connection.close().await.unwrap();
    dead
}

#[tokio::test]
async fn a_refused_database_keeps_its_log() {
    for without_index in [false, true] {
        let directory = killed("PRAGMA user_version = 99").await;
        let log = directory.path().join("usher.sqlite3-wal");
        let index = directory.path().join("usher.sqlite3-shm");
        assert!(fs::metadata(&log).unwrap().len() > 0);
        if without_index {
            fs::remove_file(index).unwrap();
        }
        let before = files(directory.path());
        let sentence = refusal(directory.path()).await;
        // The version stands in the log alone: it was read with it.
        assert!(sentence.contains("later version"), "{sentence}");
        let same = files(directory.path()) == before;
        assert!(same, "without index: {without_index}");
    }
}

#[tokio::test]
async fn a_refused_database_gets_no_new_files() {
    let directory = tempfile::tempdir().unwrap();
    made(directory.path()).await;
    with_sqlite(&database(directory.path()), "PRAGMA user_version = 99").await;
    let before = files(directory.path());
    refusal(directory.path()).await;
    assert!(files(directory.path()) == before);
}

#[tokio::test]
async fn a_log_without_its_database_is_refused_and_left() {
    for suffix in ["-wal", "-shm", "-journal"] {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("usher.lock"), "").unwrap();
        let orphan = directory.path().join(format!("usher.sqlite3{suffix}"));
        fs::write(&orphan, "the last commits").unwrap();
        let before = files(directory.path());
        let sentence = refusal(directory.path()).await;
        assert!(sentence.contains("is missing"), "{sentence}");
        assert!(sentence.contains(suffix), "{sentence}");
        assert!(files(directory.path()) == before);
    }
}

#[tokio::test]
async fn a_deep_directory_is_made_whole() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("var/lib/one % two?#/data");
    made(&directory).await;
    let store = open(&directory).await.unwrap();
    assert!(store.grant(&grant_id(1)).await.unwrap().is_some());
    store.close().await;
}

/// Runs a statement beside a store that is open.
async fn beside(directory: &Path, sql: &'static str) {
    let options = SqliteConnectOptions::new().filename(database(directory));
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let done = sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    assert!(done.rows_affected() > 0, "{sql}");
    connection.close().await.unwrap();
}

#[tokio::test]
async fn an_unreadable_row_is_put_off_and_stops_nobody() {
    for sql in [
        "UPDATE assignments SET standing = 'PERHAPS' WHERE principal_id LIKE '%1'",
        "UPDATE assignments SET failed_attempts = -1 WHERE principal_id LIKE '%1'",
        "UPDATE grants SET policies = '{' WHERE principal_id LIKE '%1'",
        "UPDATE grants SET state = 'REVOKING', ending_kind = 'LOST' WHERE principal_id LIKE '%1'",
    ] {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path()).await.unwrap();
        // The broken one is the oldest, and has one behind it on its own target.
        record(&store, grant(1, &key(1, 1))).await;
        record(&store, grant(2, &key(1, 2))).await;
        record(&store, grant(3, &key(2, 3))).await;
        beside(directory.path(), sql).await;
        let mut claimed = Vec::new();
        for _ in 0..2 {
            let claims = store
                .claim_due(&holder("a"), &[instance()], at(10), at(70), limit(10))
                .await
                .unwrap();
            claimed.extend(claims.into_iter().map(|claim| claim.record.key));
        }
        claimed.sort();
        let mut expected = [key(1, 2), key(2, 3)];
        expected.sort();
        assert_eq!(claimed, expected, "{sql}");
        // Told of again after five minutes, and until then in nobody's way.
        let before = store
            .count_due(&instance(), &WorkKind::ALL, at(309))
            .await
            .unwrap();
        let after = store
            .count_due(&instance(), &WorkKind::ALL, at(310))
            .await
            .unwrap();
        assert_eq!(after, before + 1, "{sql}");
        store.close().await;
    }
}

#[tokio::test]
async fn an_unreadable_pending_change_keeps_no_other_from_being_polled() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await.unwrap();
    let keys = [1, 2].map(|account| slots::account_key(account, 1));
    for (number, key) in (1..).zip(&keys) {
        record(&store, grant(number, key)).await;
    }
    let claims = store
        .claim_due(&holder("a"), &[instance()], at(10), at(70), limit(10))
        .await
        .unwrap();
    for (number, claim) in (1..).zip(&claims) {
        let change = slots::pending(claim, Some(slots::request_id(number)), 500);
        store.commit_and_release(claim, change).await.unwrap();
    }
    let unreadable =
        "UPDATE assignments SET pending_request_id = '?' WHERE target LIKE '%000000000001%'";
    beside(directory.path(), unreadable).await;
    let pending = store.pending_requests(&instance()).await.unwrap();
    let pending: Vec<_> = pending.into_iter().map(|(key, _)| key).collect();
    assert_eq!(pending, keys[1..]);
    store.close().await;
}

#[tokio::test]
async fn an_interrupted_birth_is_begun_again() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("usher.sqlite3.new"), "half").unwrap();
    fs::write(directory.path().join("usher.sqlite3.new-wal"), "half").unwrap();
    made(directory.path()).await;
    assert!(database(directory.path()).exists());
    assert!(!directory.path().join("usher.sqlite3.new").exists());
}

/// Not a test by itself: the child of `what_was_answered_survives_kill_9`. Writes grants for ever
/// and prints each id when its write has been answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_of_the_kill_9_test() {
    let Some(directory) = std::env::var_os(CHILD_DIRECTORY) else {
        return;
    };
    let store = std::sync::Arc::new(open(Path::new(&directory)).await.unwrap());
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8_u32 {
        let store = store.clone();
        writers.spawn(async move {
            for number in 0.. {
                let number = writer * 1_000_000 + number;
                let new = grant(number, &key(u64::from(number % 50), u64::from(writer)));
                let written = record(&*store, new).await;
                println!("\nwritten {}", written.id);
            }
        });
    }
    while writers.join_next().await.is_some() {}
}

#[tokio::test]
async fn what_was_answered_survives_kill_9() {
    let directory = tempfile::tempdir().unwrap();
    let mut ids = Vec::new();
    for round in 1..=3_usize {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "sqlite::child_of_the_kill_9_test", "--nocapture"])
            .env(CHILD_DIRECTORY, directory.path().join(round.to_string()))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut printed = Vec::new();
        for line in lines {
            // After the kill the pipe still holds what was printed before; a cut line counts not.
            let Ok(line) = line else { break };
            if let Some(id) = line.strip_prefix("written ") {
                printed.extend(GrantId::parse(id));
            }
            if printed.len() == round * 40 {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(printed.len() >= round * 40);
        let store = open(&directory.path().join(round.to_string()))
            .await
            .unwrap();
        for id in &printed {
            assert!(store.grant(id).await.unwrap().is_some(), "{id} is lost");
        }
        ids.append(&mut printed);
        store.close().await;
    }
    assert!(ids.len() >= 240);
}
