//! Looking into the store of a service that runs: what it still has to do. Read only.

#![expect(clippy::expect_used, reason = "a panic is how a test says no")]

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, Row as _};

/// Assignments of a store that somebody will look at again.
pub async fn due(store: &Path) -> Vec<String> {
    let due = "SELECT target, principal_id FROM assignments \
         WHERE next_attempt_at IS NOT NULL OR lease_holder IS NOT NULL OR pending_write IS NOT NULL";
    rows(store, due).await
}

/// Assignments of a store that somebody works on.
pub async fn claimed(store: &Path) -> Vec<String> {
    let claimed = "SELECT target, principal_id FROM assignments WHERE lease_holder IS NOT NULL";
    rows(store, claimed).await
}

async fn open(store: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(store).read_only(true);
    let opened = SqliteConnection::connect_with(&options).await;
    opened.expect("the store")
}

async fn rows(store: &Path, question: &'static str) -> Vec<String> {
    let mut store = open(store).await;
    let rows = sqlx::query(question).fetch_all(&mut store).await;
    let rows = rows.expect("rows");
    let rows = rows.iter().map(|row| {
        let (target, principal): (String, String) = (row.get(0), row.get(1));
        format!("{principal} on {target}")
    });
    rows.collect()
}

/// The bodies of all events, oldest first.
pub async fn bodies(store: &Path) -> Vec<serde_json::Value> {
    let mut store = open(store).await;
    let rows = sqlx::query("SELECT body FROM events ORDER BY sequence")
        .fetch_all(&mut store)
        .await;
    let rows = rows.expect("rows");
    let bodies = rows
        .iter()
        .map(|row| serde_json::from_str(row.get(0)).expect("JSON"));
    bodies.collect()
}

/// The one number that a question answers.
pub async fn count(store: &Path, question: &'static str) -> i64 {
    let mut store = open(store).await;
    let row = sqlx::query(question).fetch_one(&mut store).await;
    row.expect("a row").get(0)
}
