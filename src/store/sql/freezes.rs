//! What is frozen: on one instance, or on every instance since the store was restored from a backup. It
//! must never let a write pass that somebody was told is stopped.
//!
//! A freeze of everything stands under `*` and holds on each instance until it is unfrozen there, which
//! `lifted_freezes` remembers: so it holds on instances too that nobody knew when the store was restored.

use jiff::Timestamp;

use super::brake::{brake, tell};
use super::connection::{Connection, Row, query};
use super::failure::{invalid, unreadable};
use super::locks::{Hold, lock_brake};
use super::log_reads::hash_from_column;
use super::rows::{count, microseconds, time};
use super::ways::Written;
use crate::domain::log::Link;
use crate::domain::{
    Brake, BrakeFact, CallerName, Freeze, FreezeFact, Freezes, Frozen, InstanceArn, Justification,
    Order,
};
use crate::store::StoreError;

/// Who freezes what is restored.
const RESTORER: &str = "usher restore";

/// Whether something is frozen on an instance.
pub(in crate::store) async fn is_frozen(
    connection: &mut Connection<'_>,
    instance: &InstanceArn,
    what: Frozen,
) -> Result<bool, StoreError> {
    let row = query(
        "SELECT 1 FROM freezes WHERE what = $2 AND (instance_arn = $1 OR instance_arn = '*' \
         AND NOT EXISTS (SELECT 1 FROM lifted_freezes WHERE instance_arn = $1 AND what = $2))",
    )
    .bind(instance.as_str().to_owned())
    .bind(what.as_str())
    .fetch_optional(connection)
    .await?;
    Ok(row.is_some())
}

/// `BrakeStore::freezes`. Where the store was restored, that is told first.
pub(in crate::store) async fn freezes(
    connection: &mut Connection<'_>,
    instance: &InstanceArn,
) -> Result<Freezes, StoreError> {
    let rows = query(
        "SELECT * FROM freezes WHERE instance_arn = $1 OR instance_arn = '*' AND what NOT IN \
         (SELECT what FROM lifted_freezes WHERE instance_arn = $1)",
    )
    .bind(instance.as_str().to_owned())
    .fetch_all(connection)
    .await?;
    from_rows(&rows)
}

/// What was frozen everywhere when the store was restored.
pub(in crate::store) async fn everywhere(
    connection: &mut Connection<'_>,
) -> Result<Freezes, StoreError> {
    let rows = query("SELECT * FROM freezes WHERE instance_arn = '*'")
        .fetch_all(connection)
        .await?;
    from_rows(&rows)
}

fn from_rows(rows: &[Row]) -> Result<Freezes, StoreError> {
    let mut freezes = Freezes::default();
    for row in rows {
        let word: &str = row.try_get("what")?;
        let place = match Frozen::ALL.into_iter().find(|it| it.as_str() == word) {
            Some(Frozen::Grants) => &mut freezes.grants,
            Some(Frozen::Revocations) => &mut freezes.revocations,
            None => return Err(unreadable("what", word)),
        };
        if place.is_none() || row.try_get::<&str>("instance_arn")? == "*" {
            *place = Some(freeze_from_row(row)?);
        }
    }
    Ok(freezes)
}

fn freeze_from_row(row: &Row) -> Result<Freeze, StoreError> {
    Ok(Freeze {
        by: CallerName::parse(row.try_get("frozen_by")?).map_err(invalid("frozen_by"))?,
        reason: Justification::parse(row.try_get("reason")?).map_err(invalid("reason"))?,
        since: time("frozen_at", row.try_get("frozen_at")?)?,
    })
}

/// `BrakeStore::freeze`.
pub(in crate::store) async fn freeze(
    connection: &mut Connection<'_>,
    instance: &InstanceArn,
    what: &[Frozen],
    order: &Order,
) -> Result<Written<Brake>, StoreError> {
    lock_brake(connection, instance, Hold::Alone).await?;
    for what in what.iter().copied() {
        if is_frozen(connection, instance, what).await? {
            continue;
        }
        query(
            "INSERT INTO freezes (instance_arn, what, frozen_by, reason, frozen_at) \
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(instance.as_str().to_owned())
        .bind(what.as_str())
        .bind(order.subject.as_str().to_owned())
        .bind(order.reason.as_str().to_owned())
        .bind(microseconds(order.now))
        .execute(connection)
        .await?;
        let fact = BrakeFact::Frozen(fact(instance, what, order));
        tell(connection, fact, order.now).await?;
    }
    Ok(Written::unchanged(brake(connection, instance).await?))
}

/// `BrakeStore::unfreeze`.
pub(in crate::store) async fn unfreeze(
    connection: &mut Connection<'_>,
    instance: &InstanceArn,
    what: &[Frozen],
    order: &Order,
) -> Result<Written<Brake>, StoreError> {
    lock_brake(connection, instance, Hold::Alone).await?;
    for what in what.iter().copied() {
        if !let_go(connection, instance, what).await? {
            continue;
        }
        let fact = BrakeFact::Unfrozen(fact(instance, what, order));
        tell(connection, fact, order.now).await?;
        // The versions stay: nothing that a holder has read is wrong now.
        query(
            "UPDATE assignments SET frozen_write = NULL, next_attempt_at = \
             CASE WHEN next_attempt_at < $3 THEN next_attempt_at ELSE $3 END \
             WHERE instance_arn = $1 AND frozen_write IS NOT NULL AND frozen_write = $2",
        )
        .bind(instance.as_str().to_owned())
        .bind(what.write().as_str())
        .bind(microseconds(order.now))
        .execute(connection)
        .await?;
        if what == Frozen::Grants {
            wake_wishes(connection, instance, order.now).await?;
        }
    }
    Ok(Written {
        value: brake(connection, instance).await?,
        makes_work: true,
        changed: Vec::new(),
    })
}

/// Lets one thing go on an instance, whichever way it is frozen there. Answers whether it was.
async fn let_go(
    connection: &mut Connection<'_>,
    instance: &InstanceArn,
    what: Frozen,
) -> Result<bool, StoreError> {
    let mut was_frozen = false;
    for statement in [
        "DELETE FROM freezes WHERE instance_arn = $1 AND what = $2",
        "INSERT INTO lifted_freezes (instance_arn, what) SELECT $1, what FROM freezes \
         WHERE instance_arn = '*' AND what = $2 ON CONFLICT DO NOTHING",
    ] {
        let done = query(statement)
            .bind(instance.as_str().to_owned())
            .bind(what.as_str())
            .execute(connection)
            .await?;
        was_frozen |= done.rows_affected() > 0;
    }
    Ok(was_frozen)
}

/// Has what a freeze kept back, and nothing in AWS stands for, looked at now: it may lapse soon. Whoever
/// has read the freeze and decides by it now hears that the grant has changed.
async fn wake_wishes(
    connection: &mut Connection<'_>,
    instance: &InstanceArn,
    now: Timestamp,
) -> Result<(), StoreError> {
    query(
        "UPDATE grants SET look_at = $2, version = version + 1 WHERE instance_arn = $1 AND look_at > $2 \
         AND state <> 'SCHEDULED' AND (extension IS NOT NULL OR adopted_from IS NOT NULL)",
    )
    .bind(instance.as_str().to_owned())
    .bind(microseconds(now))
    .execute(connection)
    .await?;
    Ok(())
}

fn fact(instance: &InstanceArn, what: Frozen, order: &Order) -> FreezeFact {
    FreezeFact {
        caller: order.caller.clone(),
        subject: order.subject.clone(),
        instance_arn: instance.clone(),
        what,
    }
}

/// `BrakeStore::mark_restored`.
pub(in crate::store) async fn mark_restored(
    connection: &mut Connection<'_>,
    now: Timestamp,
) -> Result<Written<Link>, StoreError> {
    let row = query("SELECT position, hash FROM log_chain WHERE id = 1")
        .fetch_one(connection)
        .await?;
    let end = Link {
        position: count(&row, "position")?,
        hash: hash_from_column(&row, "hash")?,
    };
    for statement in [
        "DELETE FROM lifted_freezes",
        "DELETE FROM freezes WHERE instance_arn = '*'",
    ] {
        query(statement).execute(connection).await?;
    }
    let reason = format!(
        "the store was restored from a backup whose log ends at position {}; look at what `usher \
         restore --plan` tells, then Unfreeze",
        end.position
    );
    for what in Frozen::ALL {
        query(
            "INSERT INTO freezes (instance_arn, what, frozen_by, reason, frozen_at) \
             VALUES ('*', $1, $2, $3, $4)",
        )
        .bind(what.as_str())
        .bind(RESTORER)
        .bind(reason.clone())
        .bind(microseconds(now))
        .execute(connection)
        .await?;
    }
    tell(connection, BrakeFact::Restored(end), now).await?;
    Ok(Written::unchanged(end))
}
