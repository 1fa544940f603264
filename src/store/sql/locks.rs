//! Locks that a transaction holds to its end where others write at the same time; where nobody does they cost
//! nothing. Rows are locked by the statements that read them; these are for what is no row.

use super::connection::{Connection, query};
use crate::domain::InstanceArn;
use crate::store::StoreError;

/// Whether one holds it alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Hold {
    /// With others that only look at what it guards.
    Shared,
    /// Alone, to change it.
    Alone,
}

/// What is guarded by number, each number once.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) enum Guarded {
    /// Claims: of one target never two, of an instance never more than its slots.
    Claims = 1,
    /// The loads of policy sets, each of which is compared with the one before.
    PolicyLoads = 2,
}

/// The seed of the hash that makes a lock's number of an instance's brake.
const BRAKE_SEED: i64 = 0x5553;

/// Locks the brake of an instance: its freezes, and the mass changes that are held on it. What was answered to be
/// frozen is seen by whoever asks after that.
pub(in crate::store) async fn lock_brake(
    connection: &mut Connection<'_>,
    instance: &InstanceArn,
    hold: Hold,
) -> Result<(), StoreError> {
    if !connection.is_shared() {
        return Ok(());
    }
    let statement = match hold {
        Hold::Shared => "SELECT pg_advisory_xact_lock_shared(hashtextextended($1, $2))",
        Hold::Alone => "SELECT pg_advisory_xact_lock(hashtextextended($1, $2))",
    };
    query(statement)
        .bind(instance.as_str().to_owned())
        .bind(BRAKE_SEED)
        .execute(connection)
        .await?;
    Ok(())
}

/// Locks what is guarded by a number.
pub(in crate::store) async fn lock(
    connection: &mut Connection<'_>,
    guarded: Guarded,
) -> Result<(), StoreError> {
    if connection.is_shared() {
        query("SELECT pg_advisory_xact_lock($1)")
            .bind(guarded as i64)
            .execute(connection)
            .await?;
    }
    Ok(())
}
