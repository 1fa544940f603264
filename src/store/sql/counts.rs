//! How many grants there are, by state, and what waits for too long: from indexes alone, none of which
//! holds a grant that is over. A million grants that stand are a million entries of one index, some
//! tens of milliseconds.

use jiff::Timestamp;

use super::connection::{Connection, Sql, query};
use super::rows::{count, microseconds, optional_time};
use crate::store::{GrantCounts, StoreError};

/// A statement that SQLite, which keeps no statistics, is told the index of.
macro_rules! indexed {
    ($before:literal, $index:literal, $after:literal) => {
        Sql::of(
            concat!($before, " INDEXED BY ", $index, $after),
            concat!($before, $after),
        )
    };
}

/// Grants that have not begun, by state, with the oldest of each.
pub(in crate::store) const BEGINNING: &str = "SELECT state, COUNT(*) AS count, MIN(created_at) AS oldest \
     FROM grants WHERE state IN ('PENDING_APPROVAL', 'SCHEDULED', 'PROVISIONING') GROUP BY state";
/// Grants that stand.
pub(in crate::store) const ACTIVE: Sql = indexed!(
    "SELECT COUNT(*) AS count FROM grants",
    "grants_ends",
    " WHERE state = 'ACTIVE'"
);
/// Grants that go.
pub(in crate::store) const REVOKING: Sql = indexed!(
    "SELECT COUNT(*) AS count FROM grants",
    "grants_endings",
    " WHERE state = 'REVOKING'"
);
/// Grants that stand although their time was over before $1, and the first such end.
pub(in crate::store) const OVERDUE_ACTIVE: Sql = indexed!(
    "SELECT COUNT(*) AS count, MIN(end_at) AS oldest FROM grants",
    "grants_ends",
    " WHERE state = 'ACTIVE' AND end_at < $1"
);
/// Grants that have been going since before $1, and since when the first of them.
pub(in crate::store) const OVERDUE_REVOKING: Sql = indexed!(
    "SELECT COUNT(*) AS count, MIN(ending_at) AS oldest FROM grants",
    "grants_endings",
    " WHERE state = 'REVOKING' AND ending_at < $1"
);
/// What people can agree to, in the words of the list's condition.
pub(in crate::store) const WISHES: Sql = indexed!(
    "SELECT COUNT(*) AS count FROM grants",
    "grants_wishes",
    " WHERE look_at IS NOT NULL AND state <> 'SCHEDULED'"
);

/// `Store::count_grants`. All from one state of the database, if the connection is in a transaction.
pub(in crate::store) async fn count_grants(
    connection: &mut Connection<'_>,
    overdue_since: Timestamp,
) -> Result<GrantCounts, StoreError> {
    let mut counts = GrantCounts::default();
    let rows = query(BEGINNING).fetch_all(connection).await?;
    for row in &rows {
        let (state, number) = (row.try_get::<&str>("state")?, count(row, "count")?);
        match state {
            "PENDING_APPROVAL" => {
                counts.pending_approval = number;
                counts.oldest_pending_since = optional_time(row, "oldest")?;
            }
            "SCHEDULED" => counts.scheduled = number,
            _ => counts.provisioning = number,
        }
    }
    for (sql, number) in [
        (ACTIVE, &mut counts.active),
        (REVOKING, &mut counts.revoking),
        (WISHES, &mut counts.open_wishes),
    ] {
        let row = query(sql).fetch_one(connection).await?;
        *number = count(&row, "count")?;
    }
    for sql in [OVERDUE_ACTIVE, OVERDUE_REVOKING] {
        let query = query(sql).bind(microseconds(overdue_since));
        let row = query.fetch_one(connection).await?;
        counts.overdue_ends += count(&row, "count")?;
        let oldest = optional_time(&row, "oldest")?;
        counts.oldest_overdue_since = counts.oldest_overdue_since.into_iter().chain(oldest).min();
    }
    Ok(counts)
}
