//! The place that is copied into: it is ours, nobody else writes to it until the end, and it is empty. Writes no row.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row as _};

use super::tables::{CHAIN, TABLES};
use crate::store::StoreError;

/// Who may copy: only the owner may number on.
const IS_OWNER: &str = "SELECT pg_has_role(c.relowner, 'USAGE') AS is_owner FROM pg_class AS c \
     JOIN pg_namespace AS n ON n.oid = c.relnamespace \
     WHERE n.nspname = current_schema() AND c.relname = 'events'";

/// For how long others may keep a table before it counts as in use.
const LOCK_WAIT: &str = "SET LOCAL lock_timeout = '3s'";

/// As `lines` writes bytes.
const BYTES: &str = "SET LOCAL bytea_output = 'hex'";

/// The SQLSTATE of a lock that did not come in time.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// Locks every table and finds it empty.
pub(super) async fn hold(target: &mut PgConnection) -> Result<(), StoreError> {
    let owner = sqlx::query(IS_OWNER).fetch_optional(&mut *target).await?;
    let is_owner = owner.map(|row| row.try_get::<bool, _>("is_owner"));
    if !is_owner.transpose()?.unwrap_or(false) {
        return Err(StoreError::Unusable(
            "the user of postgres.url does not own usher's tables; copy as the user that ran `usher migrate`"
                .to_owned(),
        ));
    }
    for setting in [LOCK_WAIT, BYTES] {
        sqlx::query(setting).execute(&mut *target).await?;
    }
    let locked = sqlx::query(AssertSqlSafe(format!(
        "LOCK TABLE {} IN EXCLUSIVE MODE",
        names()
    )));
    locked.execute(&mut *target).await.map_err(|error| {
        let code = error.as_database_error().and_then(|error| error.code());
        if code.as_deref() != Some(LOCK_NOT_AVAILABLE) {
            return StoreError::from(error);
        }
        StoreError::Unusable(
            "somebody else works in the PostgreSQL database; stop every service and command on it, and copy then"
                .to_owned(),
        )
    })?;
    let mut filled = Vec::new();
    for table in &TABLES {
        let has_rows = match table.name {
            CHAIN => format!("SELECT EXISTS (SELECT 1 FROM {CHAIN} WHERE position > 0)"),
            name => format!("SELECT EXISTS (SELECT 1 FROM {name})"),
        };
        let has_rows = sqlx::query_scalar(AssertSqlSafe(has_rows));
        if has_rows.fetch_one(&mut *target).await? {
            filled.push(table.name);
        }
    }
    if !filled.is_empty() {
        return Err(StoreError::Unusable(format!(
            "the PostgreSQL database is not empty ({}); a store is copied into one that no service has used: name \
             another database, run `usher migrate` on it, and copy then",
            filled.join(", ")
        )));
    }
    // The end of a chain of nothing gives way to the one that comes.
    let end = sqlx::query(AssertSqlSafe(format!("DELETE FROM {CHAIN}")));
    end.execute(target).await?;
    Ok(())
}

/// Has the database know how much there is, so that it finds its ways from the first question on.
pub(super) async fn gather_statistics(target: &mut PgConnection) -> Result<(), StoreError> {
    let analyze = sqlx::query(AssertSqlSafe(format!("ANALYZE {}", names())));
    analyze.execute(target).await?;
    Ok(())
}

fn names() -> String {
    let names: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
    names.join(", ")
}
