//! The schemas of the two databases, column by column: what one has and the other lacks is named here or is forgotten.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, Row as _};
use usher::store::Store as _;

use crate::fill::open;
use crate::postgresql::Database;

/// Every column, as `table.column`, with what its values are and whether it may be empty.
type Columns = BTreeMap<String, String>;

/// What PostgreSQL alone has, each with a reason not to copy it.
const OF_POSTGRESQL: [(&str, &str); 9] = [
    // Names a row as SQLite's rowid does; the database numbers it.
    ("assignments.number", "BIGINT NOT NULL"),
    // Who holds a run: whoever did is dead.
    ("reading_runs.held_until", "BIGINT NOT NULL"),
    ("reading_runs.holder", "TEXT NOT NULL"),
    // Of one process in SQLite, in memory. Buckets begin empty.
    ("budget_buckets.full_at", "BIGINT NOT NULL"),
    ("budget_buckets.name", "TEXT NOT NULL"),
    ("budget_buckets.paused_until", "BIGINT NOT NULL"),
    // Which replica does what one alone has to do: none does yet.
    ("duties.held_until", "BIGINT NOT NULL"),
    ("duties.holder", "TEXT NOT NULL"),
    ("duties.name", "TEXT NOT NULL"),
];

/// Where PostgreSQL keeps what SQLite keeps with an event.
const OF_THE_CHAIN: [(&str, &str); 6] = [
    ("events.position", "chained_events.position"),
    ("events.previous_hash", "chained_events.previous_hash"),
    ("events.hash", "chained_events.hash"),
    ("events.latest_at", "chained_events.latest_at"),
    ("events.about_grant_id", "chained_events.about_grant_id"),
    ("events.sequence", "chained_events.sequence"),
];

async fn of_sqlite() -> Columns {
    let directory = tempfile::tempdir().unwrap();
    open(directory.path()).await.close().await;
    let options = SqliteConnectOptions::new().filename(directory.path().join("usher.sqlite3"));
    let mut connection = sqlx::SqliteConnection::connect_with(&options)
        .await
        .unwrap();
    let rows = sqlx::query(
        "SELECT t.name || '.' || c.name, c.type, c.\"notnull\" FROM sqlite_schema AS t \
         JOIN pragma_table_info(t.name) AS c WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'",
    );
    let rows = rows.fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let told = rows.iter().map(|row| {
        let (kind, is_full): (String, i64) = (row.get(1), row.get(2));
        let kind = match kind.as_str() {
            "INTEGER" => "BIGINT",
            "BLOB" => "BYTEA",
            other => other,
        };
        (row.get(0), with_null(kind, is_full == 1))
    });
    told.collect()
}

fn with_null(kind: &str, is_full: bool) -> String {
    let end = if is_full { " NOT NULL" } else { "" };
    format!("{kind}{end}")
}

async fn of_postgresql(database: &Database) -> Columns {
    let told = database
        .texts(
            "SELECT table_name || '.' || column_name || ' ' || upper(data_type) || \
             CASE is_nullable WHEN 'NO' THEN ' NOT NULL' ELSE '' END FROM information_schema.columns \
             WHERE table_schema = current_schema() AND table_name <> 'schema_versions'",
        )
        .await;
    let pairs = told.iter().map(|line| line.split_once(' ').unwrap());
    pairs
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .collect()
}

#[tokio::test]
async fn the_two_schemas_have_the_same_columns() {
    let database = Database::new().await;
    let (mut sqlite, mut postgresql) = (of_sqlite().await, of_postgresql(&database).await);
    for (name, kind) in OF_POSTGRESQL {
        let found = postgresql.remove(name);
        assert_eq!(found.as_deref(), Some(kind), "{name}");
    }
    for (there, here) in OF_THE_CHAIN {
        let (kind, found) = (sqlite.get(there), postgresql.remove(here));
        let kind = kind.map(|kind| kind.replace(" NOT NULL", ""));
        let found = found.map(|found| found.replace(" NOT NULL", ""));
        assert_eq!(found, kind, "{there}");
        if there != "events.sequence" {
            sqlite.remove(there);
        }
    }
    assert!(postgresql.remove("waiting_events.sequence").is_some());
    let names = |columns: &Columns| columns.keys().cloned().collect::<BTreeSet<_>>();
    let (there, here) = (names(&sqlite), names(&postgresql));
    let lost: Vec<_> = there.symmetric_difference(&here).collect();
    assert!(
        lost.is_empty(),
        "one database lacks {lost:?}: add the column to the other one's next migration and to src/store/copy/tables.rs, \
         or name it here with the reason not to copy it"
    );
    assert_eq!(postgresql, sqlite, "a column has another type");
}

#[tokio::test]
async fn every_text_is_ordered_byte_by_byte() {
    let database = Database::new().await;
    let others = database
        .texts(
            "SELECT table_name || '.' || column_name FROM information_schema.columns \
             WHERE table_schema = current_schema() AND data_type = 'text' \
             AND collation_name IS DISTINCT FROM 'C'",
        )
        .await;
    assert!(others.is_empty(), "write COLLATE \"C\" to {others:?}");
}
