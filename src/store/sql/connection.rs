//! A connection to either database, the statements that are asked on it, and the rows that come back:
//! each statement is written once, and says it where the databases want other words.
//!
//! Nothing here begins or ends a transaction, and no value is ever put into a statement's text.

use std::borrow::Cow;
use std::time::Duration;

use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::values::{Column, Value};

/// A connection, lent for one transaction.
#[derive(Debug)]
pub(in crate::store) enum Connection<'c> {
    /// To a SQLite file.
    Sqlite(&'c mut SqliteConnection),
    /// To a PostgreSQL server, and how long it may take over one statement: a server that is gone without a word
    /// never answers.
    Postgres(&'c mut PgConnection, Duration),
}

impl Connection<'_> {
    /// Whether others may write at the same time: then what is read to be written must be locked.
    pub(in crate::store) fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(..))
    }
}

/// A statement, in the words of each database.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct Sql {
    /// For SQLite.
    pub(in crate::store) sqlite: &'static str,
    /// For PostgreSQL.
    pub(in crate::store) postgres: &'static str,
}

impl Sql {
    /// One that the databases want in different words.
    pub(in crate::store) const fn of(sqlite: &'static str, postgres: &'static str) -> Self {
        Self { sqlite, postgres }
    }

    /// One that both understand.
    pub(in crate::store) const fn both(text: &'static str) -> Self {
        Self::of(text, text)
    }
}

impl From<&'static str> for Sql {
    fn from(text: &'static str) -> Self {
        Self::both(text)
    }
}

/// A statement with its values, which it names `$1` and so on.
pub(in crate::store) struct Query {
    text: Text,
    values: Vec<Value>,
    is_prepared: bool,
}

enum Text {
    Written(Sql),
    Built(Vec<Part>),
}

enum Part {
    Words(Cow<'static, str>),
    Either(Sql),
    Value,
}

/// A statement that is written in the code.
pub(in crate::store) fn query(sql: impl Into<Sql>) -> Query {
    Query {
        text: Text::Written(sql.into()),
        values: Vec::new(),
        is_prepared: true,
    }
}

/// Runs a statement on either connection: the arms differ in their types alone.
macro_rules! on {
    ($query:ident, $connection:ident, $run:ident) => {{
        let Query {
            text,
            values,
            is_prepared,
        } = $query;
        let text = AssertSqlSafe(text.for_connection($connection));
        match $connection {
            Connection::Sqlite(connection) => {
                let mut query = sqlx::query::<sqlx::Sqlite>(text).persistent(is_prepared);
                for value in values {
                    query = match value {
                        Value::Text(value) => query.bind(value),
                        Value::Integer(value) => query.bind(value),
                        Value::Flag(value) => query.bind(value),
                        Value::Bytes(value) => query.bind(value),
                    };
                }
                Either::Sqlite(query.$run(&mut **connection).await?)
            }
            Connection::Postgres(connection, answer_max) => {
                let mut query = sqlx::query::<sqlx::Postgres>(text).persistent(is_prepared);
                for value in values {
                    query = match value {
                        Value::Text(value) => query.bind(value),
                        Value::Integer(value) => query.bind(value),
                        Value::Flag(value) => query.bind(i64::from(value)),
                        Value::Bytes(value) => query.bind(value),
                    };
                }
                let answer = answered(*answer_max, query.$run(&mut **connection));
                Either::Postgres(answer.await?)
            }
        }
    }};
}

/// Waits for a server's answer for so long. One that is gone without a word never answers.
///
/// # Errors
/// Those of the answer; `Io` where there is none in time. What was asked may have been done.
pub(in crate::store) async fn answered<T>(
    answer_max: Duration,
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let answer = tokio::time::timeout(answer_max, answer).await;
    answer.unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())))
}

enum Either<S, P> {
    Sqlite(S),
    Postgres(P),
}

impl Query {
    /// Gives the next value.
    #[must_use]
    pub(in crate::store) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Whether the connection keeps the prepared statement. It does unless it is told not to.
    #[must_use]
    pub(in crate::store) fn persistent(mut self, is_prepared: bool) -> Self {
        self.is_prepared = is_prepared;
        self
    }

    /// Carries it out. Answers what it concerned.
    pub(in crate::store) async fn execute(
        self,
        connection: &mut Connection<'_>,
    ) -> Result<Done, sqlx::Error> {
        Ok(Done(match on!(self, connection, execute) {
            Either::Sqlite(done) => done.rows_affected(),
            Either::Postgres(done) => done.rows_affected(),
        }))
    }

    /// All rows.
    pub(in crate::store) async fn fetch_all(
        self,
        connection: &mut Connection<'_>,
    ) -> Result<Vec<Row>, sqlx::Error> {
        Ok(match on!(self, connection, fetch_all) {
            Either::Sqlite(rows) => rows.into_iter().map(Row::Sqlite).collect(),
            Either::Postgres(rows) => rows.into_iter().map(Row::Postgres).collect(),
        })
    }

    /// The first row, if there is one.
    pub(in crate::store) async fn fetch_optional(
        self,
        connection: &mut Connection<'_>,
    ) -> Result<Option<Row>, sqlx::Error> {
        Ok(match on!(self, connection, fetch_optional) {
            Either::Sqlite(row) => row.map(Row::Sqlite),
            Either::Postgres(row) => row.map(Row::Postgres),
        })
    }

    /// The first row.
    ///
    /// # Errors
    /// `RowNotFound` where there is none.
    pub(in crate::store) async fn fetch_one(
        self,
        connection: &mut Connection<'_>,
    ) -> Result<Row, sqlx::Error> {
        let row = self.fetch_optional(connection).await?;
        row.ok_or(sqlx::Error::RowNotFound)
    }
}

impl Text {
    fn for_connection(self, connection: &Connection<'_>) -> Cow<'static, str> {
        let is_shared = connection.is_shared();
        match self {
            Self::Written(sql) => Cow::Borrowed(if is_shared { sql.postgres } else { sql.sqlite }),
            Self::Built(parts) => Cow::Owned(built(&parts, is_shared)),
        }
    }
}

/// SQLite finds a value by its name among all others, PostgreSQL knows no other than numbered ones.
fn built(parts: &[Part], is_shared: bool) -> String {
    let mut text = String::new();
    let mut number = 0;
    for part in parts {
        match part {
            Part::Words(words) => text.push_str(words),
            Part::Either(sql) if is_shared => text.push_str(sql.postgres),
            Part::Either(sql) => text.push_str(sql.sqlite),
            Part::Value if is_shared => {
                number += 1;
                text.push_str(&format!("${number}"));
            }
            Part::Value => text.push('?'),
        }
    }
    text
}

/// How many rows a statement concerned.
pub(in crate::store) struct Done(u64);

impl Done {
    /// How many rows.
    pub(in crate::store) fn rows_affected(&self) -> u64 {
        self.0
    }
}

/// A row of an answer.
pub(in crate::store) enum Row {
    /// Of SQLite's.
    Sqlite(SqliteRow),
    /// Of PostgreSQL's.
    Postgres(PgRow),
}

impl Row {
    /// A column of it.
    pub(in crate::store) fn try_get<'r, T: Column<'r>>(
        &'r self,
        column: &str,
    ) -> Result<T, sqlx::Error> {
        match self {
            Self::Sqlite(row) => T::of_sqlite(row, column),
            Self::Postgres(row) => T::of_postgres(row, column),
        }
    }
}

/// A statement that is put together of words and values.
#[derive(Default)]
pub(in crate::store) struct QueryBuilder {
    parts: Vec<Part>,
    values: Vec<Value>,
}

impl QueryBuilder {
    /// One that begins with these words.
    pub(in crate::store) fn new(words: impl Into<Sql>) -> Self {
        let mut builder = Self::default();
        builder.push_either(words);
        builder
    }

    /// Adds words.
    pub(in crate::store) fn push(&mut self, words: impl Into<Cow<'static, str>>) -> &mut Self {
        self.parts.push(Part::Words(words.into()));
        self
    }

    /// Adds words that the databases want differently.
    pub(in crate::store) fn push_either(&mut self, words: impl Into<Sql>) -> &mut Self {
        self.parts.push(Part::Either(words.into()));
        self
    }

    /// Adds a value.
    pub(in crate::store) fn push_bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.parts.push(Part::Value);
        self.values.push(value.into());
        self
    }

    /// Adds values with commas between them.
    pub(in crate::store) fn push_list<V: Into<Value>>(
        &mut self,
        values: impl IntoIterator<Item = V>,
    ) -> &mut Self {
        for (place, value) in values.into_iter().enumerate() {
            if place > 0 {
                self.push(", ");
            }
            self.push_bind(value);
        }
        self
    }

    /// The statement with its values.
    pub(in crate::store) fn build(self) -> Query {
        Query {
            text: Text::Built(self.parts),
            values: self.values,
            is_prepared: true,
        }
    }

    /// Its text for SQLite.
    #[cfg(test)]
    pub(in crate::store) fn sql(&self) -> String {
        built(&self.parts, false)
    }
}
