//! The values that statements take and rows give back: texts, whole numbers, yes or no, bytes. A yes is
//! the number 1 in both databases, so that every condition is written once.

use std::borrow::Cow;

use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

/// A value of a statement.
pub(in crate::store) enum Value {
    /// A text, or none.
    Text(Option<Cow<'static, str>>),
    /// A number, or none.
    Integer(Option<i64>),
    /// Yes or no.
    Flag(bool),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(Some(Cow::Borrowed(text)))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Some(Cow::Owned(text)))
    }
}

impl From<Option<&'static str>> for Value {
    fn from(text: Option<&'static str>) -> Self {
        Self::Text(text.map(Cow::Borrowed))
    }
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Self {
        Self::Text(text.map(Cow::Owned))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(Some(number))
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for Value {
    fn from(is_so: bool) -> Self {
        Self::Flag(is_so)
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

/// A value of a row.
pub(in crate::store) trait Column<'r>: Sized {
    /// From a row of SQLite's.
    fn of_sqlite(row: &'r SqliteRow, column: &str) -> Result<Self, sqlx::Error>;
    /// From a row of PostgreSQL's.
    fn of_postgres(row: &'r PgRow, column: &str) -> Result<Self, sqlx::Error>;
}

macro_rules! columns {
    ($($kind:ty),*) => {
        $(impl<'r> Column<'r> for $kind {
            fn of_sqlite(row: &'r SqliteRow, column: &str) -> Result<Self, sqlx::Error> {
                row.try_get(column)
            }

            fn of_postgres(row: &'r PgRow, column: &str) -> Result<Self, sqlx::Error> {
                row.try_get(column)
            }
        })*
    };
}

columns!(
    &'r str,
    Option<&'r str>,
    String,
    Option<String>,
    i64,
    Option<i64>,
    &'r [u8],
    Vec<u8>
);

impl<'r> Column<'r> for bool {
    fn of_sqlite(row: &'r SqliteRow, column: &str) -> Result<Self, sqlx::Error> {
        row.try_get(column)
    }

    fn of_postgres(row: &'r PgRow, column: &str) -> Result<Self, sqlx::Error> {
        Ok(row.try_get::<i64, _>(column)? != 0)
    }
}
