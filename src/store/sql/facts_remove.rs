//! The statements that take facts away: of a collection that was not finished, of those that are too
//! old, and names that are to be forgotten. Each function expects to run inside one transaction.

use jiff::Timestamp;

use super::connection::{Connection, QueryBuilder, Sql, query};
use super::facts_read::{instance_number, key_from_row, kind_from_row};
use super::facts_write::{Place, key_behind, note_place, place, place_of, push_place};
use super::failure::invalid;
use super::rows::{count, count_to_column, microseconds};
use super::tables::for_update;
use crate::domain::InstanceArn;
use crate::domain::facts::{CollectionId, FactKey, FactKind, without_names};
use crate::store::{FACTS_PER_BATCH_MAX, Forgotten, StoreError};

/// Keys of an instance behind one place and up to another.
struct Stretch {
    instance: i64,
    after: Place,
    until: Place,
}

/// How long a stretch may be: in keys going back, in intervals going on.
fn batch() -> i64 {
    i64::try_from(FACTS_PER_BATCH_MAX).unwrap_or(i64::MAX)
}

/// `FactStore::undo_collection`.
pub(in crate::store) async fn undo(
    connection: &mut Connection<'_>,
    instance: &InstanceArn,
) -> Result<bool, StoreError> {
    undo_some(connection, instance).await?;
    Ok(unfinished(connection, instance).await?.is_none())
}

/// Undoes a part of the instance's unfinished collection, from its last key backwards. Answers whether
/// there was one.
pub(in crate::store) async fn undo_some(
    connection: &mut Connection<'_>,
    instance: &InstanceArn,
) -> Result<bool, StoreError> {
    let Some((id, instance, until)) = unfinished(connection, instance).await? else {
        return Ok(false);
    };
    let mut keys =
        QueryBuilder::new("SELECT DISTINCT kind, key, second_key FROM facts WHERE instance = ");
    keys.push_bind(instance);
    push_place(&mut keys, " AND (kind, key, second_key) <= ", &until);
    keys.push(" ORDER BY kind DESC, key DESC, second_key DESC LIMIT 1 OFFSET ")
        .push_bind(batch());
    let before = place(connection, keys).await?;
    let stretch = Stretch {
        instance,
        after: before.clone().unwrap_or_default(),
        until,
    };
    stretch
        .change(connection, "DELETE FROM facts WHERE from_collection = ", id)
        .await?;
    let reopen = "UPDATE facts SET to_collection = NULL WHERE to_collection = ";
    stretch.change(connection, reopen, id).await?;
    match before {
        Some(before) => note_place(connection, id, "UNDOING", before).await?,
        None => {
            query("DELETE FROM collections WHERE id = $1")
                .bind(count_to_column(id.0))
                .execute(connection)
                .await?;
        }
    }
    Ok(true)
}

/// The unfinished collection of an instance, with the number of the instance and up to where it was
/// taken.
async fn unfinished(
    connection: &mut Connection<'_>,
    instance: &InstanceArn,
) -> Result<Option<(CollectionId, i64, Place)>, StoreError> {
    let row = query(for_update!(
        "SELECT c.id, c.instance, c.taken_kind, c.taken_key, c.taken_second \
         FROM collected_instances AS i JOIN collections AS c ON c.instance = i.number \
         WHERE i.instance_arn = $1 AND c.state <> 'FINISHED'"
    ))
    .bind(instance.as_str().to_owned())
    .fetch_optional(connection)
    .await?;
    row.map(|row| {
        let place = (
            row.try_get("taken_kind")?,
            row.try_get("taken_key")?,
            row.try_get("taken_second")?,
        );
        Ok((
            CollectionId(count(&row, "id")?),
            row.try_get("instance")?,
            place,
        ))
    })
    .transpose()
}

/// `FactStore::forget_facts`.
pub(in crate::store) async fn forget(
    connection: &mut Connection<'_>,
    instance: &InstanceArn,
    before: Timestamp,
    after: Option<&FactKey>,
) -> Result<Forgotten, StoreError> {
    let nothing = Forgotten {
        intervals: 0,
        next: None,
    };
    let Some(instance) = instance_number(connection, instance).await? else {
        return Ok(nothing);
    };
    let Some(kept) = first_kept(connection, instance, before).await? else {
        return Ok(nothing);
    };
    // First, so that nobody reads a collection of which a part is gone.
    query("DELETE FROM collections WHERE instance = $1 AND state = 'FINISHED' AND id < $2")
        .bind(instance)
        .bind(count_to_column(kept.0))
        .execute(connection)
        .await?;
    let after = after.map(place_of).unwrap_or_default();
    let query = key_behind(instance, &after, None, batch());
    let row = query.build().fetch_optional(connection).await?;
    let next = row
        .map(|row| key_from_row(&row, kind_from_row(&row)?))
        .transpose()?;
    let stretch = Stretch {
        instance,
        after,
        until: next
            .as_ref()
            .map_or((i64::MAX, String::new(), String::new()), place_of),
    };
    let old = "DELETE FROM facts WHERE to_collection <= ";
    let intervals = stretch.change(connection, old, kept).await?;
    Ok(Forgotten { intervals, next })
}

/// The oldest collection that stays.
async fn first_kept(
    connection: &mut Connection<'_>,
    instance: i64,
    before: Timestamp,
) -> Result<Option<CollectionId>, StoreError> {
    let row = query(
        "SELECT COALESCE(MIN(id) FILTER (WHERE ended_at >= $2), MAX(id)) AS id FROM collections \
         WHERE instance = $1 AND state = 'FINISHED'",
    )
    .bind(instance)
    .bind(microseconds(before))
    .fetch_one(connection)
    .await?;
    let id: Option<i64> = row.try_get("id")?;
    id.map(|_| Ok(CollectionId(count(&row, "id")?))).transpose()
}

impl Stretch {
    /// Runs a statement that ends with a collection on the intervals of these keys. Answers how many
    /// it concerned.
    async fn change(
        &self,
        connection: &mut Connection<'_>,
        statement: &'static str,
        id: CollectionId,
    ) -> Result<u64, StoreError> {
        let mut query = QueryBuilder::new(statement);
        query.push_bind(count_to_column(id.0));
        query.push(" AND instance = ").push_bind(self.instance);
        push_place(&mut query, " AND (kind, key, second_key) > ", &self.after);
        push_place(&mut query, " AND (kind, key, second_key) <= ", &self.until);
        Ok(query.build().execute(connection).await?.rows_affected())
    }
}

/// Takes the names out of every fact about these ids, past and present. Answers how many held some.
pub(in crate::store) async fn erase_names(
    connection: &mut Connection<'_>,
    ids: &[String],
) -> Result<u64, StoreError> {
    // Whoever takes a collection has read facts with these names, and would write them again.
    query(for_update!(
        "SELECT id FROM collections WHERE state <> 'FINISHED' ORDER BY id"
    ))
    .fetch_all(connection)
    .await?;
    let mut erased = 0;
    for id in ids {
        for kind in FactKind::ALL {
            erased += erase_names_of(connection, kind, id).await?;
        }
    }
    Ok(erased)
}

macro_rules! of_id {
    ($join:literal) => {
        concat!(
            "SELECT f.instance, f.from_collection, f.value FROM collected_instances AS i ",
            $join,
            " facts AS f ON f.instance = i.number AND f.kind = $1 AND f.key = $2 \
             AND f.second_key = ''"
        )
    };
}

/// The facts about an id. SQLite, which keeps no statistics, is told the order of the tables.
const OF_ID: Sql = Sql::of(of_id!("CROSS JOIN"), of_id!("JOIN"));

async fn erase_names_of(
    connection: &mut Connection<'_>,
    kind: FactKind,
    id: &str,
) -> Result<u64, StoreError> {
    let rows = query(OF_ID)
        .bind(kind.number())
        .bind(id.to_owned())
        .fetch_all(connection)
        .await?;
    let mut erased = 0;
    for row in rows {
        let before: &str = row.try_get("value")?;
        let without = without_names(kind, before).map_err(invalid("value"))?;
        let Some(value) = without.filter(|value| value != before) else {
            continue;
        };
        query(
            "UPDATE facts SET value = $5 WHERE instance = $1 AND kind = $2 AND key = $3 \
             AND second_key = '' AND from_collection = $4",
        )
        .bind(row.try_get::<i64>("instance")?)
        .bind(kind.number())
        .bind(id.to_owned())
        .bind(row.try_get::<i64>("from_collection")?)
        .bind(value)
        .execute(connection)
        .await?;
        erased += 1;
    }
    Ok(erased)
}
