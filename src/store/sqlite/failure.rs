//! From the database's errors to the store's. Texts are for the log only.

use crate::domain::InvalidValue;
use crate::store::StoreError;

/// SQLite's primary codes for a file that is not what it should be: CORRUPT and NOTADB.
const CODES_OF_CORRUPTION: [i32; 2] = [11, 26];

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(inner) => {
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
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

/// A stored value that this version cannot read.
pub(super) fn unreadable(column: &str, problem: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("{column}: {problem}"))
}

/// A stored identifier or text that does not parse.
pub(super) fn invalid(column: &'static str) -> impl Fn(InvalidValue) -> StoreError {
    move |problem| unreadable(column, problem)
}

/// The store is closed or its writer has ended.
pub(super) fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".to_owned())
}
