//! Databases for tests, on the PostgreSQL server of the run (tests/postgresql/start.sh).

use std::path::PathBuf;

use sqlx::{AssertSqlSafe, Connection as _, Row as _};
use usher::store::{PostgresOptions, prepare_postgres};

/// A database of its own, with usher's tables in it.
pub(crate) struct Database {
    pub(crate) options: PostgresOptions,
}

impl Database {
    /// Makes one.
    pub(crate) async fn new() -> Self {
        let database = Self::empty().await;
        prepare_postgres(&database.options).await.unwrap();
        database
    }

    /// Makes one without any table.
    pub(crate) async fn empty() -> Self {
        let name = format!("test_{}", uuid::Uuid::new_v4().simple());
        let mut connection = sqlx::PgConnection::connect(&url("postgres")).await.unwrap();
        let make = AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::raw_sql(make).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let options = PostgresOptions {
            url: url(&name),
            connections_max: 8,
            ..PostgresOptions::default()
        };
        Self { options }
    }

    /// Carries statements out on it, beside the store.
    pub(crate) async fn execute(&self, sql: &'static str) {
        let mut connection = sqlx::PgConnection::connect(&self.options.url)
            .await
            .unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// The one number that a question answers.
    pub(crate) async fn count(&self, question: &'static str) -> i64 {
        let mut connection = sqlx::PgConnection::connect(&self.options.url)
            .await
            .unwrap();
        let row = sqlx::query(question)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        row.get(0)
    }

    /// The texts that a question answers.
    pub(crate) async fn texts(&self, question: &'static str) -> Vec<String> {
        let mut connection = sqlx::PgConnection::connect(&self.options.url)
            .await
            .unwrap();
        let rows = sqlx::query(question)
            .fetch_all(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}

fn url(database: &str) -> String {
    let place = std::env::var_os("USHER_TEST_POSTGRES").map(PathBuf::from);
    let place = place.unwrap_or_else(|| {
        panic!("there is no PostgreSQL server: run the tests with cargo nextest, which starts one")
    });
    format!(
        "postgres://usher@localhost/{database}?host={}",
        place.display()
    )
}
