//! From the database's errors to the store's. Texts are for the log only.

use sqlx::postgres::PgDatabaseError;

use crate::domain::InvalidValue;
use crate::store::StoreError;

/// SQLite's primary codes for a file that is not what it should be: CORRUPT and NOTADB.
const CODES_OF_CORRUPTION: [i32; 2] = [11, 26];

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(inner) => {
                if let Some(error) = inner.try_downcast_ref::<PgDatabaseError>() {
                    return of_postgres(error);
                }
                // The low byte of SQLite's extended code is the primary code.
                let code = inner
                    .code()
                    .and_then(|code| code.parse::<i32>().ok())
                    .map(|code| code & 0xff);
                if code.is_some_and(|code| CODES_OF_CORRUPTION.contains(&code)) {
                    Self::Corrupt(error.to_string())
                } else {
                    Self::Unavailable(error.to_string())
                }
            }
            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
            | sqlx::Error::TypeNotFound { .. }
            | sqlx::Error::Decode(_) => Self::Corrupt(error.to_string()),
            // Of SQLite none of these comes: its errors are all the database's own.
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => {
                Self::Raced(error.to_string())
            }
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

/// An error of PostgreSQL's (<https://www.postgresql.org/docs/15/errcodes-appendix.html>). Its classes that tell of a
/// transaction that may be carried out again: 40, rolled back for a collision; 57P, the server ends the connection;
/// 53300, it has no connection left; 08, the connection failed; 23505, somebody else wrote the same key first; 25P03, this side was stopped for too long in the middle of it; 25006, it is
/// a standby that does not write (any more).
fn of_postgres(error: &PgDatabaseError) -> StoreError {
    let code = error.code();
    let text = error.to_string();
    let is_passing = ["40", "57P", "08"]
        .iter()
        .any(|class| code.starts_with(class))
        || ["53300", "23505", "25006", "25P03"].contains(&code);
    match code {
        _ if is_passing => StoreError::Raced(text),
        "XX001" | "XX002" => StoreError::Corrupt(text),
        _ => StoreError::Unavailable(text),
    }
}

/// A stored value that this version cannot read.
pub(in crate::store) fn unreadable(column: &str, problem: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("{column}: {problem}"))
}

/// A stored identifier or text that does not parse.
pub(in crate::store) fn invalid(column: &'static str) -> impl Fn(InvalidValue) -> StoreError {
    move |problem| unreadable(column, problem)
}

/// The store is closed or its writer has ended.
pub(in crate::store) fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".to_owned())
}
