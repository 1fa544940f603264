//! Asynchronous changes that may be under way: how many there may be, which there are, and what
//! the poller makes due.

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::rows::{bind_key, count, key_from_row, microseconds, pending_from_row};
use super::tables::where_key;
use super::writer::Written;
use crate::domain::{AssignmentKey, InstanceArn, PendingChange};
use crate::store::StoreError;

/// The kind of the targets whose changes are asynchronous, as `Target::kind` writes it.
pub(super) const ASYNCHRONOUS_KIND: &str = "ACCOUNT";

/// The slots that are taken on an instance.
pub(super) const SLOTS_TAKEN: &str = "SELECT COUNT(*) AS slots FROM assignments \
     WHERE instance_arn = $1 AND asynchronous_slot = 1";

/// What is pending on an instance; every such assignment has a slot.
pub(super) const PENDING: &str = "SELECT instance_arn, target_kind, target, principal_type, \
     principal_id, pending_write, pending_request_id, pending_since FROM assignments \
     WHERE instance_arn = $1 AND asynchronous_slot = 1 AND pending_write IS NOT NULL";

/// The instances all of whose slots are taken.
pub(super) async fn full_instances(
    connection: &mut SqliteConnection,
    instances: &[InstanceArn],
    outstanding_max: usize,
) -> Result<Vec<InstanceArn>, StoreError> {
    let mut full = Vec::new();
    for instance in instances {
        let row = sqlx::query(SLOTS_TAKEN)
            .bind(instance.as_str().to_owned())
            .fetch_one(&mut *connection)
            .await?;
        if count(&row, "slots")? >= u64::try_from(outstanding_max).unwrap_or(u64::MAX) {
            full.push(instance.clone());
        }
    }
    Ok(full)
}

/// `Store::pending_requests`.
pub(super) async fn pending_requests(
    connection: &mut SqliteConnection,
    instance: &InstanceArn,
) -> Result<Vec<(AssignmentKey, PendingChange)>, StoreError> {
    let rows = sqlx::query(PENDING)
        .bind(instance.as_str().to_owned())
        .fetch_all(connection)
        .await?;
    let mut pending = Vec::with_capacity(rows.len());
    for row in &rows {
        if let Some(change) = pending_from_row(row)? {
            pending.push((key_from_row(row)?, change));
        }
    }
    pending.sort_by(|left, right| left.0.cmp(&right.0));
    Ok(pending)
}

/// `Store::make_due`.
pub(super) async fn make_due(
    connection: &mut SqliteConnection,
    keys: &[AssignmentKey],
    now: Timestamp,
) -> Result<Written<()>, StoreError> {
    let mut made = 0;
    for key in keys {
        // The version stays: a holder of the claim has not read anything that is wrong now.
        let query = sqlx::query(concat!(
            "UPDATE assignments SET next_attempt_at = $6",
            where_key!(),
            " AND pending_write IS NOT NULL AND (next_attempt_at IS NULL OR next_attempt_at > $6)"
        ));
        let done = bind_key(query, key)
            .bind(microseconds(now))
            .execute(&mut *connection)
            .await?;
        made += done.rows_affected();
    }
    Ok(Written {
        value: (),
        makes_work: made > 0,
        changed: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AccountAccess, AccountId, PermissionSetArn, Target};

    #[test]
    fn the_kind_is_the_one_of_asynchronous_targets() {
        let set = "arn:aws:sso:::permissionSet/ssoins-1234567890abcdef/ps-1234567890abcdef";
        let target = Target::AccountAccess(AccountAccess {
            account: AccountId::parse("123456789012").unwrap(),
            permission_set: PermissionSetArn::parse(set).unwrap(),
        });
        assert!(target.is_asynchronous());
        assert_eq!(target.kind(), ASYNCHRONOUS_KIND);
    }
}
