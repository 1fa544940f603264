//! Beneficiaries that are gone: whose active grants end, and what is held because they are too many
//! at once. That nothing ends while it is held is checked in the very transaction that would end it.

use jiff::Timestamp;

use super::brake::tell;
use super::connection::{Connection, Row, Sql, query};
use super::failure::{invalid, unreadable};
use super::locks::{Hold, lock_brake};
use super::rows::{count, count_to_column, grant_from_row, microseconds, time};
use super::tables::{self, write_changes};
use super::ways::Written;
use crate::domain::{
    AssignmentKey, AssignmentRecord, BrakeFact, CallerName, Grant, InstanceArn, MassChange,
    MassChangeId, MassChangeState, Order, PrincipalId, PrincipalKind, PrincipalRef, intent,
};
use crate::store::{GoneBeneficiary, MassChangeFound, StoreError};

/// Who has active grants on an instance.
pub(in crate::store) const BENEFICIARIES: &str = "SELECT DISTINCT principal_type, principal_id FROM grants \
     WHERE instance_arn = $1 AND state = 'ACTIVE'";

/// `BrakeStore::active_beneficiaries`.
pub(in crate::store) async fn active_beneficiaries(
    connection: &mut Connection<'_>,
    instance: &InstanceArn,
) -> Result<Vec<PrincipalRef>, StoreError> {
    let rows = query(BENEFICIARIES)
        .bind(instance.as_str().to_owned())
        .fetch_all(connection)
        .await?;
    principals(&rows)
}

/// `BrakeStore::end_for_beneficiary`.
pub(in crate::store) async fn end_for_beneficiary(
    connection: &mut Connection<'_>,
    gone: &GoneBeneficiary,
) -> Result<Written<Vec<Grant>>, StoreError> {
    lock_brake(connection, &gone.instance_arn, Hold::Shared).await?;
    if !may_end(connection, gone).await? {
        return Ok(Written::unchanged(Vec::new()));
    }
    let mut ended = Vec::new();
    for key in active_assignments(connection, gone).await? {
        let record = tables::locked_record(connection, &key).await?;
        let open = tables::open_grants_on(connection, &key).await?;
        let record = record.unwrap_or_else(|| AssignmentRecord::new(key));
        let changes = intent::end_for_beneficiary(record, &open, gone.gone, gone.now);
        if let Some(changes) = changes {
            let written = write_changes(connection, &changes).await?;
            ended.extend(written.ok_or_else(tables::overtaken)?);
        }
    }
    Ok(Written {
        makes_work: !ended.is_empty(),
        changed: ended.iter().map(|grant| grant.id.clone()).collect(),
        value: ended,
    })
}

/// Whether the brake lets this beneficiary go.
async fn may_end(
    connection: &mut Connection<'_>,
    gone: &GoneBeneficiary,
) -> Result<bool, StoreError> {
    let Some(id) = &gone.confirmed_by else {
        let held = query("SELECT 1 FROM mass_changes WHERE instance_arn = $1 AND state = 'HELD'")
            .bind(gone.instance_arn.as_str().to_owned())
            .fetch_optional(connection)
            .await?;
        return Ok(held.is_none());
    };
    let confirmed = query(
        "SELECT 1 FROM mass_changes JOIN mass_change_principals ON mass_change_id = id \
         WHERE id = $1 AND instance_arn = $2 AND state = 'CONFIRMED' AND principal_type = $3 \
         AND principal_id = $4",
    )
    .bind(id.as_str().to_owned())
    .bind(gone.instance_arn.as_str().to_owned())
    .bind(gone.principal.kind.as_str())
    .bind(gone.principal.id.as_str().to_owned())
    .fetch_optional(connection)
    .await?;
    Ok(confirmed.is_some())
}

macro_rules! grants_of {
    ($state:literal) => {
        concat!(
            "SELECT * FROM grants WHERE instance_arn = $1 AND principal_type = $2 \
             AND principal_id = $3",
            tables::is_open!(),
            " AND ",
            $state,
            " = 'ACTIVE'"
        )
    };
}

/// The plus keeps SQLite from the index of all that is active.
const ACTIVE_GRANTS: Sql = Sql::of(grants_of!("+state"), grants_of!("state"));

/// The assignments that active grants of the beneficiary hold, each once.
async fn active_assignments(
    connection: &mut Connection<'_>,
    gone: &GoneBeneficiary,
) -> Result<Vec<AssignmentKey>, StoreError> {
    let rows = query(ACTIVE_GRANTS)
        .bind(gone.instance_arn.as_str().to_owned())
        .bind(gone.principal.kind.as_str())
        .bind(gone.principal.id.as_str().to_owned())
        .fetch_all(connection)
        .await?;
    let grants = rows.iter().map(grant_from_row);
    let keys = grants.map(|grant| grant.map(|grant| grant.assignment_key()));
    let mut keys = keys.collect::<Result<Vec<_>, _>>()?;
    keys.sort();
    keys.dedup();
    Ok(keys)
}

/// `BrakeStore::hold_mass_change`.
pub(in crate::store) async fn hold(
    connection: &mut Connection<'_>,
    found: &MassChangeFound,
) -> Result<Written<(MassChange, bool)>, StoreError> {
    lock_brake(connection, &found.instance_arn, Hold::Alone).await?;
    let done = query(
        "INSERT INTO mass_changes (id, instance_arn, state, found_at, watched_count) \
         VALUES ($1, $2, 'HELD', $3, $4) ON CONFLICT DO NOTHING",
    )
    .bind(found.id.as_str().to_owned())
    .bind(found.instance_arn.as_str().to_owned())
    .bind(microseconds(found.now))
    .bind(count_to_column(found.watched_count))
    .execute(connection)
    .await?;
    let is_new = done.rows_affected() == 1;
    let held = open(connection, &found.instance_arn).await?.into_iter();
    let mut held = held.filter(|change| change.state == MassChangeState::Held);
    let id = held.next().map(|change| change.id);
    let id = id.ok_or_else(|| unreadable("mass_changes", "what was just written is missing"))?;
    query("UPDATE mass_changes SET watched_count = $2 WHERE id = $1")
        .bind(id.as_str().to_owned())
        .bind(count_to_column(found.watched_count))
        .execute(connection)
        .await?;
    query("DELETE FROM mass_change_principals WHERE mass_change_id = $1")
        .bind(id.as_str().to_owned())
        .execute(connection)
        .await?;
    for principal in &found.gone {
        query(
            "INSERT INTO mass_change_principals (mass_change_id, principal_type, principal_id) \
             VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )
        .bind(id.as_str().to_owned())
        .bind(principal.kind.as_str())
        .bind(principal.id.as_str().to_owned())
        .execute(connection)
        .await?;
    }
    let change = mass_change(connection, &id).await?;
    let change = change.ok_or_else(|| unreadable("mass_changes", "what is held is missing"))?;
    if is_new {
        let fact = BrakeFact::MassChange {
            change: change.clone(),
            by: None,
        };
        tell(connection, fact, found.now).await?;
    }
    Ok(Written::unchanged((change, is_new)))
}

/// `BrakeStore::confirm_mass_change`.
pub(in crate::store) async fn confirm(
    connection: &mut Connection<'_>,
    instance: &InstanceArn,
    id: &MassChangeId,
    order: &Order,
) -> Result<Written<Option<MassChange>>, StoreError> {
    lock_brake(connection, instance, Hold::Alone).await?;
    let done = query(
        "UPDATE mass_changes SET state = 'CONFIRMED', confirmed_by = $3, reason = $4 \
         WHERE id = $1 AND instance_arn = $2 AND state = 'HELD'",
    )
    .bind(id.as_str().to_owned())
    .bind(instance.as_str().to_owned())
    .bind(order.subject.as_str().to_owned())
    .bind(order.reason.as_str().to_owned())
    .execute(connection)
    .await?;
    let change = mass_change(connection, id).await?;
    let change = change.filter(|change| change.instance_arn == *instance);
    if let (1, Some(change)) = (done.rows_affected(), &change) {
        let fact = BrakeFact::MassChange {
            change: change.clone(),
            by: Some((order.caller.clone(), order.subject.clone())),
        };
        tell(connection, fact, order.now).await?;
    }
    Ok(Written::unchanged(change))
}

/// `BrakeStore::close_mass_change`.
pub(in crate::store) async fn close(
    connection: &mut Connection<'_>,
    id: &MassChangeId,
    (from, to): (MassChangeState, MassChangeState),
    now: Timestamp,
) -> Result<Written<()>, StoreError> {
    let Some(known) = mass_change(connection, id).await? else {
        return Ok(Written::unchanged(()));
    };
    lock_brake(connection, &known.instance_arn, Hold::Alone).await?;
    let done = query("UPDATE mass_changes SET state = $3 WHERE id = $1 AND state = $2")
        .bind(id.as_str().to_owned())
        .bind(from.as_str())
        .bind(to.as_str())
        .execute(connection)
        .await?;
    let change = mass_change(connection, id).await?;
    if let (1, Some(change)) = (done.rows_affected(), change) {
        tell(connection, BrakeFact::MassChange { change, by: None }, now).await?;
    }
    Ok(Written::unchanged(()))
}

/// The mass changes of an instance that are held, or confirmed and not carried out; oldest first.
pub(in crate::store) async fn open(
    connection: &mut Connection<'_>,
    instance: &InstanceArn,
) -> Result<Vec<MassChange>, StoreError> {
    let rows = query(
        "SELECT id FROM mass_changes WHERE instance_arn = $1 \
         AND state IN ('HELD', 'CONFIRMED') ORDER BY id",
    )
    .bind(instance.as_str().to_owned())
    .fetch_all(connection)
    .await?;
    let mut changes = Vec::with_capacity(rows.len());
    for row in &rows {
        let id = MassChangeId::parse(row.try_get("id")?).map_err(invalid("id"))?;
        changes.extend(mass_change(connection, &id).await?);
    }
    Ok(changes)
}

async fn mass_change(
    connection: &mut Connection<'_>,
    id: &MassChangeId,
) -> Result<Option<MassChange>, StoreError> {
    let row = query("SELECT * FROM mass_changes WHERE id = $1")
        .bind(id.as_str().to_owned())
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let rows = query(
        "SELECT principal_type, principal_id FROM mass_change_principals \
         WHERE mass_change_id = $1",
    )
    .bind(id.as_str().to_owned())
    .fetch_all(connection)
    .await?;
    let word: &str = row.try_get("state")?;
    let confirmed_by: Option<&str> = row.try_get("confirmed_by")?;
    let instance = InstanceArn::parse(row.try_get("instance_arn")?);
    Ok(Some(MassChange {
        id: id.clone(),
        instance_arn: instance.map_err(invalid("instance_arn"))?,
        state: MassChangeState::from_word(word).ok_or_else(|| unreadable("state", word))?,
        found_at: time("found_at", row.try_get("found_at")?)?,
        gone: principals(&rows)?,
        watched_count: count(&row, "watched_count")?,
        confirmed_by: confirmed_by
            .map(CallerName::parse)
            .transpose()
            .map_err(invalid("confirmed_by"))?,
    }))
}

/// Principals, sorted as the domain sorts them.
fn principals(rows: &[Row]) -> Result<Vec<PrincipalRef>, StoreError> {
    let mut principals = Vec::with_capacity(rows.len());
    for row in rows {
        let word: &str = row.try_get("principal_type")?;
        principals.push(PrincipalRef {
            kind: PrincipalKind::from_aws(word)
                .ok_or_else(|| unreadable("principal_type", word))?,
            id: PrincipalId::parse(row.try_get("principal_id")?)
                .map_err(invalid("principal_id"))?,
        });
    }
    principals.sort();
    Ok(principals)
}
