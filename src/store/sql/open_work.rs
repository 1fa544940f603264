//! What is open in a store, read at once: for who looks at it before it goes on. It must never write.

use jiff::Timestamp;

use super::connection::Connection;
use super::{brake, counts, freezes, reads};
use crate::store::{OpenWork, StoreError};

/// Reads it. All is from one state of the database, if the connection is in a transaction.
pub(in crate::store) async fn open_work(
    connection: &mut Connection<'_>,
) -> Result<OpenWork, StoreError> {
    let (grants, records) = reads::all_open(connection).await?;
    let counts = counts::count_grants(connection, Timestamp::MIN).await?;
    Ok(OpenWork {
        grants,
        records,
        waiting_count: counts.pending_approval + counts.scheduled,
        frozen_everywhere: freezes::everywhere(connection).await?,
        brakes: brake::brakes(connection).await?,
    })
}
