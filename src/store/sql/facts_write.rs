//! The statements that take a collection. Each function expects to run inside one transaction.
//!
//! A collection walks once through the keys of its instance, in their order: what it has and the store
//! has not is opened, what differs is closed and opened anew, what the store has and it has not is
//! closed, but for what lies in a gap.

use super::connection::{Connection, QueryBuilder, Sql, query};
use super::event_rows;
use super::facts_read::{key_from_row, kind_from_row};
use super::facts_remove;
use super::failure::invalid;
use super::rows::{count, count_to_column, microseconds, microseconds_or_null, to_json};
use super::tables::for_update;
use super::values::Value;
use crate::domain::facts::{CollectionId, CollectionRecord, Fact, FactKey, Gaps, fill_unknown};
use crate::domain::{InstanceArn, ServiceEvent};
use crate::store::{FACTS_PER_BATCH_MAX, Finishing, StoreError, Taking};

/// A place between keys: kind, first and second key of the last one before it.
pub(in crate::store) type Place = (i64, String, String);

/// Where a collection that is being taken stands.
struct Progress {
    instance: i64,
    taken: Place,
}

/// Intervals that one transaction of a collection passes, but for further ones of the last key. Most are of the past:
/// a year in which one in a hundred changes daily leaves five times as many as there are now. To pass so many takes
/// a millisecond.
const INTERVALS_PASSED_MAX: i64 = 2_000;

/// What the store has that is the case.
struct Known {
    fact: Fact,
    from: i64,
}

/// What a batch writes: the intervals that it ends, and those that it begins.
#[derive(Default)]
struct Step {
    closed: Vec<Known>,
    opened: Vec<Fact>,
}

/// The place behind a key.
pub(in crate::store) fn place_of(key: &FactKey) -> Place {
    (key.kind.number(), key.key.clone(), key.second.clone())
}

/// `FactStore::begin_collection`.
pub(in crate::store) async fn begin(
    connection: &mut Connection<'_>,
    instance: &InstanceArn,
    record: &CollectionRecord,
) -> Result<Option<CollectionId>, StoreError> {
    query("INSERT INTO collected_instances (instance_arn) VALUES ($1) ON CONFLICT DO NOTHING")
        .bind(instance.as_str().to_owned())
        .execute(connection)
        .await?;
    if facts_remove::undo_some(connection, instance).await? {
        return Ok(None);
    }
    if is_overtaken(connection, instance, record).await? {
        return Err(StoreError::Stale);
    }
    let (observed_from, observed_until) = record.observed.unzip();
    let row = query(
        "INSERT INTO collections (instance, state, began_at, ended_at, observed_from, \
         observed_until, is_whole, missing, unread, operations, counts) \
         SELECT number, 'TAKING', $2, $3, $4, $5, $6, $7, $8, $9, $10 \
         FROM collected_instances WHERE instance_arn = $1 RETURNING id",
    )
    .bind(instance.as_str().to_owned())
    .bind(microseconds(record.began_at))
    .bind(microseconds(record.ended_at))
    .bind(microseconds_or_null(observed_from))
    .bind(microseconds_or_null(observed_until))
    .bind(record.is_whole())
    .bind(to_json(&record.missing)?)
    .bind(to_json(&record.unread)?)
    .bind(to_json(&operations(record))?)
    .bind(to_json(&record.counts)?)
    .fetch_one(connection)
    .await?;
    Ok(Some(CollectionId(count(&row, "id")?)))
}

/// Whether one that began later is finished by now: it saw what came since, which would be closed again. One
/// that claims to have begun in the future is of a clock that was wrong, and does not count.
async fn is_overtaken(
    connection: &mut Connection<'_>,
    instance: &InstanceArn,
    record: &CollectionRecord,
) -> Result<bool, StoreError> {
    let later = query(
        "SELECT 1 FROM collections JOIN collected_instances ON number = instance \
         WHERE instance_arn = $1 AND state = 'FINISHED' AND began_at > $2 AND began_at <= $3 LIMIT 1",
    )
    .bind(instance.as_str().to_owned())
    .bind(microseconds(record.began_at))
    .bind(microseconds(record.ended_at))
    .fetch_optional(connection)
    .await?;
    Ok(later.is_some())
}

fn operations(record: &CollectionRecord) -> Vec<(&'static str, u64)> {
    let operations = record.operations.iter();
    operations
        .map(|(operation, count)| (operation.name(), *count))
        .collect()
}

async fn progress(
    connection: &mut Connection<'_>,
    id: CollectionId,
) -> Result<Progress, StoreError> {
    let row = query(for_update!(
        "SELECT instance, taken_kind, taken_key, taken_second FROM collections \
         WHERE id = $1 AND state = 'TAKING'"
    ))
    .bind(count_to_column(id.0))
    .fetch_optional(connection)
    .await?;
    let row = row.ok_or(StoreError::Stale)?;
    Ok(Progress {
        instance: row.try_get("instance")?,
        taken: (
            row.try_get("taken_kind")?,
            row.try_get("taken_key")?,
            row.try_get("taken_second")?,
        ),
    })
}

/// Notes up to where a collection was taken, or is not undone yet.
pub(in crate::store) async fn note_place(
    connection: &mut Connection<'_>,
    id: CollectionId,
    state: &'static str,
    place: Place,
) -> Result<(), StoreError> {
    query(
        "UPDATE collections SET state = $2, taken_kind = $3, taken_key = $4, taken_second = $5 \
         WHERE id = $1",
    )
    .bind(count_to_column(id.0))
    .bind(state)
    .bind(place.0)
    .bind(place.1)
    .bind(place.2)
    .execute(connection)
    .await?;
    Ok(())
}

/// `FactStore::take_facts`.
pub(in crate::store) async fn take(
    connection: &mut Connection<'_>,
    taking: &Taking,
    mut facts: Vec<Fact>,
) -> Result<usize, StoreError> {
    let progress = progress(connection, taking.id).await?;
    facts.truncate(FACTS_PER_BATCH_MAX);
    let (Some(first), Some(last)) = (facts.first(), facts.last()) else {
        return Ok(0);
    };
    let is_next = place_of(&first.key) > progress.taken;
    if !is_next || !facts.is_sorted_by(|left, right| left.key < right.key) {
        return Err(StoreError::Stale);
    }
    let until = place_of(&last.key);
    let (known, more) = known(connection, &progress, Some(&until)).await?;
    let taken_to = more.unwrap_or(until);
    facts.truncate(facts.partition_point(|fact| place_of(&fact.key) <= taken_to));
    let count = facts.len();
    let step = step(known, facts, &taking.gaps)?;
    write(connection, &progress, taking.id, step).await?;
    note_place(connection, taking.id, "TAKING", taken_to).await?;
    Ok(count)
}

/// `FactStore::finish_collection`.
pub(in crate::store) async fn finish(
    connection: &mut Connection<'_>,
    taking: &Taking,
    events: &[ServiceEvent],
) -> Result<Finishing, StoreError> {
    let progress = progress(connection, taking.id).await?;
    let (known, more) = known(connection, &progress, None).await?;
    let step = step(known, Vec::new(), &taking.gaps)?;
    write(connection, &progress, taking.id, step).await?;
    let (state, place, finishing) = match more {
        Some(place) => ("TAKING", place, Finishing::GoesOn),
        None => ("FINISHED", Place::default(), Finishing::Finished),
    };
    note_place(connection, taking.id, state, place).await?;
    if finishing == Finishing::Finished {
        note_first_whole(connection, taking.id).await?;
        for event in events {
            event_rows::insert_service_event(connection, event).await?;
        }
    }
    Ok(finishing)
}

/// What the first collection that lacks nothing saw was there before.
async fn note_first_whole(
    connection: &mut Connection<'_>,
    id: CollectionId,
) -> Result<(), StoreError> {
    query(
        "UPDATE collected_instances SET first_whole = $1 WHERE first_whole IS NULL \
         AND number = (SELECT instance FROM collections WHERE id = $1 AND is_whole = 1)",
    )
    .bind(count_to_column(id.0))
    .execute(connection)
    .await?;
    Ok(())
}

/// What is the case in the instance after what was taken, as far as one transaction looks; and up to where that is,
/// if there is more.
async fn known(
    connection: &mut Connection<'_>,
    progress: &Progress,
    until: Option<&Place>,
) -> Result<(Vec<Known>, Option<Place>), StoreError> {
    let (instance, after) = (progress.instance, &progress.taken);
    let passed = key_behind(instance, after, until, INTERVALS_PASSED_MAX);
    let passed = place(connection, passed).await?;
    let mut query = QueryBuilder::new(
        "SELECT kind, key, second_key, from_collection, value FROM facts \
         WHERE to_collection IS NULL AND instance = ",
    );
    push_stretch(&mut query, instance, after, passed.as_ref().or(until));
    query
        .push(" ORDER BY kind, key, second_key LIMIT ")
        .push_bind(i64::try_from(FACTS_PER_BATCH_MAX + 1).unwrap_or(i64::MAX));
    let rows = query.build().fetch_all(connection).await?;
    let known = rows.iter().map(|row| {
        let fact = Fact {
            key: key_from_row(row, kind_from_row(row)?)?,
            value: row.try_get("value")?,
        };
        let from = row.try_get("from_collection")?;
        Ok(Known { fact, from })
    });
    let mut known = known.collect::<Result<Vec<_>, StoreError>>()?;
    if known.len() <= FACTS_PER_BATCH_MAX {
        return Ok((known, passed));
    }
    known.truncate(FACTS_PER_BATCH_MAX);
    let last = known.last().map(|last| place_of(&last.fact.key));
    Ok((known, last))
}

/// The place behind the key that a query answers.
pub(in crate::store) async fn place(
    connection: &mut Connection<'_>,
    query: QueryBuilder,
) -> Result<Option<Place>, StoreError> {
    let row = query.build().fetch_optional(connection).await?;
    row.map(|row| {
        Ok((
            row.try_get("kind")?,
            row.try_get("key")?,
            row.try_get("second_key")?,
        ))
    })
    .transpose()
}

/// Asks for the key of the interval that is so many behind a place, up to another.
pub(in crate::store) fn key_behind(
    instance: i64,
    after: &Place,
    until: Option<&Place>,
    intervals: i64,
) -> QueryBuilder {
    let mut query = QueryBuilder::new("SELECT kind, key, second_key FROM facts WHERE instance = ");
    push_stretch(&mut query, instance, after, until);
    query
        .push(" ORDER BY kind, key, second_key LIMIT 1 OFFSET ")
        .push_bind(intervals - 1);
    query
}

fn push_stretch(query: &mut QueryBuilder, instance: i64, after: &Place, until: Option<&Place>) {
    query.push_bind(instance);
    push_place(query, " AND (kind, key, second_key) > ", after);
    if let Some(until) = until {
        push_place(query, " AND (kind, key, second_key) <= ", until);
    }
}

/// A comparison with a place.
pub(in crate::store) fn push_place(
    query: &mut QueryBuilder,
    comparison: &'static str,
    place: &Place,
) {
    query.push(comparison).push("(");
    query.push_bind(place.0).push(", ");
    query.push_bind(place.1.clone()).push(", ");
    query.push_bind(place.2.clone()).push(")");
}

/// What is to be written of a stretch of keys: what is the case by the store, and the facts that a collection has
/// there, both sorted.
fn step(known: Vec<Known>, facts: Vec<Fact>, gaps: &Gaps) -> Result<Step, StoreError> {
    let mut step = Step::default();
    let mut known = known.into_iter().peekable();
    for fact in facts {
        while let Some(gone) = known.next_if(|known| known.fact.key < fact.key) {
            step.close(gone, gaps);
        }
        match known.next_if(|known| known.fact.key == fact.key) {
            Some(same) => step.renew(same, fact, gaps)?,
            None => step.opened.push(fact),
        }
    }
    for gone in known {
        step.close(gone, gaps);
    }
    Ok(step)
}

impl Step {
    fn close(&mut self, gone: Known, gaps: &Gaps) {
        if !gaps.keep(&gone.fact) {
            self.closed.push(gone);
        }
    }

    fn renew(&mut self, known: Known, mut fact: Fact, gaps: &Gaps) -> Result<(), StoreError> {
        let before = &known.fact.value;
        if fact.value != *before && gaps.cover(&fact.key) {
            fact.value =
                fill_unknown(fact.key.kind, &fact.value, before).map_err(invalid("value"))?;
        }
        if fact.value != *before {
            self.closed.push(known);
            self.opened.push(fact);
        }
        Ok(())
    }
}

/// One statement: a row that is there already is one that ends.
async fn write(
    connection: &mut Connection<'_>,
    progress: &Progress,
    id: CollectionId,
    step: Step,
) -> Result<(), StoreError> {
    let id = count_to_column(id.0);
    let closed = (step.closed.into_iter()).map(|known| (known.fact, known.from, Some(id)));
    let opened = step.opened.into_iter().map(|fact| (fact, id, None));
    let mut rows = closed.chain(opened).peekable();
    if rows.peek().is_none() {
        return Ok(());
    }
    let mut query = QueryBuilder::new(
        "INSERT INTO facts (instance, kind, key, second_key, from_collection, to_collection, value) ",
    );
    for (place, (fact, from, to)) in rows.enumerate() {
        query.push(if place == 0 { "VALUES (" } else { ", (" });
        let Fact { key, value } = fact;
        query.push_list::<Value>([
            progress.instance.into(),
            key.kind.number().into(),
            key.key.into(),
            key.second.into(),
            from.into(),
            to.into(),
            value.into(),
        ]);
        query.push(")");
    }
    query.push(
        " ON CONFLICT (instance, kind, key, second_key, from_collection) \
         DO UPDATE SET to_collection = excluded.to_collection",
    );
    query.build().persistent(false).execute(connection).await?;
    Ok(())
}
