//! Asynchronous changes that may be under way: how many there may be, which there are, and what
//! the poller makes due.

use jiff::Timestamp;

use super::connection::{Connection, QueryBuilder, query};
use super::due::push_instances;
use super::rows::{bind_key, key_from_row, microseconds, optional_json, pending_from_row};
use super::tables::where_key;
use super::ways::Written;
use crate::domain::plan::Write;
use crate::domain::{AssignmentKey, ErrorKind, FailedAttempt, InstanceArn, PendingChange};
use crate::store::StoreError;

/// The kind of the targets whose changes are asynchronous, as `Target::kind` writes it.
pub(in crate::store) const ASYNCHRONOUS_KIND: &str = "ACCOUNT";

/// What is pending on an instance; every such assignment has a slot.
pub(in crate::store) const PENDING: &str = "SELECT instance_arn, target_kind, target, principal_type, \
     principal_id, pending_write, pending_request_id, pending_since, pending_own_before \
     FROM assignments \
     WHERE instance_arn = $1 AND asynchronous_slot = 1 AND pending_write IS NOT NULL";

/// The instances with so many slots taken or more.
pub(in crate::store) async fn full_instances(
    connection: &mut Connection<'_>,
    instances: &[InstanceArn],
    slots: usize,
) -> Result<Vec<InstanceArn>, StoreError> {
    let query = full_query(instances, slots);
    let rows = query.build().fetch_all(connection).await?;
    let arns = rows.iter().map(|row| row.try_get("instance_arn"));
    let full: Vec<String> = arns.collect::<Result<_, _>>()?;
    let is_full = |instance: &&InstanceArn| full.iter().any(|arn| arn == instance.as_str());
    Ok(instances.iter().filter(is_full).cloned().collect())
}

pub(in crate::store) fn full_query(instances: &[InstanceArn], slots: usize) -> QueryBuilder {
    let mut query = QueryBuilder::new("SELECT instance_arn FROM assignments WHERE ");
    push_instances(&mut query, instances);
    query
        .push(" AND asynchronous_slot = 1 GROUP BY instance_arn HAVING COUNT(*) >= ")
        .push_bind(i64::try_from(slots).unwrap_or(i64::MAX));
    query
}

/// `Store::pending_requests`.
pub(in crate::store) async fn pending_requests(
    connection: &mut Connection<'_>,
    instance: &InstanceArn,
) -> Result<Vec<(AssignmentKey, PendingChange)>, StoreError> {
    let rows = query(PENDING)
        .bind(instance.as_str().to_owned())
        .fetch_all(connection)
        .await?;
    let mut pending = Vec::with_capacity(rows.len());
    for row in &rows {
        match key_from_row(row).and_then(|key| Ok(pending_from_row(row)?.map(|it| (key, it)))) {
            Ok(change) => pending.extend(change),
            // One that cannot be read never keeps the others from being polled.
            Err(StoreError::Corrupt(problem)) => {
                tracing::error!(
                    problem,
                    "a pending change cannot be read and is not polled; the others are"
                );
            }
            Err(error) => return Err(error),
        }
    }
    pending.sort_by(|left, right| left.0.cmp(&right.0));
    Ok(pending)
}

/// `Store::make_due`.
pub(in crate::store) async fn make_due(
    connection: &mut Connection<'_>,
    keys: &[AssignmentKey],
    now: Timestamp,
) -> Result<Written<()>, StoreError> {
    let mut made = 0;
    for key in keys {
        if rests_after_failed_look(connection, key).await? {
            continue;
        }
        // The version stays: a holder of the claim has not read anything that is wrong now.
        let query = query(concat!(
            "UPDATE assignments SET next_attempt_at = $6",
            where_key!(),
            " AND pending_write IS NOT NULL AND (next_attempt_at IS NULL OR next_attempt_at > $6)"
        ));
        let done = bind_key(query, key)
            .bind(microseconds(now))
            .execute(connection)
            .await?;
        made += done.rows_affected();
    }
    Ok(Written {
        value: (),
        makes_work: made > 0,
        changed: Vec::new(),
    })
}

/// Whether AWS could not be asked about the pending change: then its own pause counts. A failure
/// from before the change says nothing about it, and neither does what cannot be read.
async fn rests_after_failed_look(
    connection: &mut Connection<'_>,
    key: &AssignmentKey,
) -> Result<bool, StoreError> {
    let query = query(concat!(
        "SELECT pending_write, pending_request_id, pending_since, pending_own_before, \
         last_failure FROM assignments",
        where_key!(),
        " AND failed_attempts > 0"
    ));
    let Some(row) = bind_key(query, key).fetch_optional(connection).await? else {
        return Ok(false);
    };
    let (Ok(Some(pending)), Ok(Some(last))) = (
        pending_from_row(&row),
        optional_json::<FailedAttempt>(&row, "last_failure"),
    ) else {
        return Ok(false);
    };
    let failure = &last.failure;
    let is_of_a_look = Write::ALL.iter().any(|write| {
        let asked = [write.request_operation(), write.list_operation()];
        asked.iter().any(|asked| asked.name() == failure.operation)
    });
    // That AWS still works on it, or has not shown it yet, is an answer.
    let is_failure = failure.kind != ErrorKind::NotVisible;
    Ok(last.at >= pending.since && is_of_a_look && is_failure)
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
