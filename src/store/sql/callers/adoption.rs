//! What keeps an assignment from being taken over, asked inside the very transaction that would take it
//! over. Nothing here writes.

use super::super::approvals::waiting_grants_on;
use super::super::connection::Connection;
use super::super::locks::{Hold, lock_brake};
use super::super::{freezes, tables};
use crate::domain::{AssignmentKey, AssignmentRecord, Grant, GrantState, intent};
use crate::store::StoreError;

/// Refuses an adoption of what is held or going by now, or, where somebody must agree to it, while
/// another one waits: people are asked once.
pub(super) async fn check_new_adoption(
    connection: &mut Connection<'_>,
    record: &AssignmentRecord,
    grant: &Grant,
) -> Result<(), StoreError> {
    check_adoptable(connection, record).await?;
    if grant.state == GrantState::Active {
        return Ok(());
    }
    let waiting = waiting_grants_on(connection, &record.key).await?;
    match waiting.iter().any(|it| it.adoption.is_some()) {
        true => Err(StoreError::Stale),
        false => Ok(()),
    }
}

/// Refuses what a freeze began to keep back since it was looked at: nothing changes in AWS by it, so
/// that nobody stops it later.
pub(super) async fn check_not_frozen(
    connection: &mut Connection<'_>,
    key: &AssignmentKey,
) -> Result<(), StoreError> {
    lock_brake(connection, &key.instance_arn, Hold::Shared).await?;
    match freezes::freezes(connection, &key.instance_arn)
        .await?
        .grants
    {
        None => Ok(()),
        Some(_) => Err(StoreError::Stale),
    }
}

/// Refuses what began to hold, or to end, an assignment since it was looked at to be taken over.
pub(super) async fn check_adoptable(
    connection: &mut Connection<'_>,
    record: &AssignmentRecord,
) -> Result<(), StoreError> {
    let open = tables::open_grants_on(connection, &record.key).await?;
    match intent::held_as(record, &open) {
        None => Ok(()),
        Some(_) => Err(StoreError::Stale),
    }
}
