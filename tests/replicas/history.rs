//! The replicas' database as the history checker reads it: the tables that it wants, row by row, in a SQLite file.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

/// What the checker reads.
const TABLES: [&str; 4] = ["grants", "assignments", "requests", "events"];

/// Copies them into a new file.
pub(crate) async fn export(database: &mut PgConnection, file: &Path) {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true);
    let mut copy = SqliteConnection::connect_with(&options)
        .await
        .expect("a file");
    for table in TABLES {
        let rows = rows(database, table).await;
        let mut transaction = copy.begin().await.expect("a transaction");
        let columns = columns(database, table).await;
        let list = columns.join(", ");
        let make = AssertSqlSafe(format!("CREATE TABLE {table} ({list})"));
        let made = sqlx::raw_sql(make).execute(&mut *transaction).await;
        made.expect("a table");
        for row in rows {
            insert(&mut transaction, table, &columns, &row).await;
        }
        transaction.commit().await.expect("a commit");
    }
    copy.close().await.expect("a file");
}

async fn columns(database: &mut PgConnection, table: &str) -> Vec<String> {
    let question = "SELECT column_name::text FROM information_schema.columns \
         WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position";
    let rows = sqlx::query(question).bind(table).fetch_all(database).await;
    let rows = rows.expect("the columns");
    rows.iter().map(|row| row.get(0)).collect()
}

async fn rows(database: &mut PgConnection, table: &str) -> Vec<Map<String, Value>> {
    let question = AssertSqlSafe(format!("SELECT row_to_json(it)::text FROM {table} AS it"));
    let rows = sqlx::query(question).fetch_all(database).await;
    let rows = rows.expect("rows");
    let rows = rows.iter().map(|row| serde_json::from_str(row.get(0)));
    rows.map(|row| row.expect("JSON")).collect()
}

async fn insert(
    copy: &mut SqliteConnection,
    table: &str,
    columns: &[String],
    row: &Map<String, Value>,
) {
    let places = vec!["?"; columns.len()].join(", ");
    let insert = AssertSqlSafe(format!("INSERT INTO {table} VALUES ({places})"));
    let mut query = sqlx::query::<sqlx::Sqlite>(insert);
    for column in columns {
        query = match &row[column.as_str()] {
            Value::Null => query.bind(None::<String>),
            Value::Number(number) => query.bind(number.as_i64().expect("a whole number")),
            Value::String(text) => query.bind(text.clone()),
            other => panic!("{table}.{column}: {other}"),
        };
    }
    query.execute(copy).await.expect("a row");
}

/// What is wrong with the chain of events: every event has its place, and no place is empty.
pub(crate) async fn chain_problems(database: &mut PgConnection) -> Vec<String> {
    let questions = BTreeMap::from([
        ("events that wait", "SELECT COUNT(*) FROM waiting_events"),
        (
            "events without a place",
            "SELECT COUNT(*) FROM events WHERE sequence NOT IN (SELECT sequence FROM chained_events)",
        ),
        (
            "empty places",
            "SELECT COALESCE(MAX(position) - MIN(position) + 1 - COUNT(*), 0) FROM chained_events",
        ),
        (
            "broken links",
            "SELECT COUNT(*) FROM chained_events AS it JOIN chained_events AS before \
             ON before.position = it.position - 1 WHERE it.previous_hash <> before.hash",
        ),
    ]);
    let mut problems = Vec::new();
    for (what, question) in questions {
        let row = sqlx::query(question).fetch_one(&mut *database).await;
        let count: i64 = row.expect("a row").get(0);
        if count != 0 {
            problems.push(format!("{count} {what}"));
        }
    }
    problems
}
