//! The statements that take a collection. Each function expects to run inside one transaction.
//!
//! A collection walks once through the keys of its instance, in their order: what it has and the store
//! has not is opened, what differs is closed and opened anew, what the store has and it has not is
//! closed, but for what lies in a gap.

use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteConnection};

use super::facts_read::{key_from_row, kind_from_row};
use super::failure::invalid;
use super::rows::{count, count_to_column, microseconds, microseconds_or_null, to_json};
use super::{facts_remove, tables};
use crate::domain::facts::{CollectionId, CollectionRecord, Fact, FactKey, Gaps, fill_unknown};
use crate::domain::{InstanceArn, ServiceEvent};
use crate::store::{FACTS_PER_BATCH_MAX, Finishing, StoreError, Taking};

/// A place between keys: kind, first and second key of the last one before it.
pub(super) type Place = (i64, String, String);

/// Where a collection that is being taken stands.
struct Progress {
    instance: i64,
    taken: Place,
}

/// A key that the store has, with its value if it is the case.
struct Known {
    key: FactKey,
    number: i64,
    value: Option<String>,
}

/// What a batch writes.
#[derive(Default)]
struct Step {
    closed: Vec<i64>,
    opened: Vec<(i64, String)>,
    new_keys: Vec<(FactKey, i64)>,
}

/// The place behind a key.
pub(super) fn place_of(key: &FactKey) -> Place {
    (key.kind.number(), key.key.clone(), key.second.clone())
}

/// `FactStore::begin_collection`.
pub(super) async fn begin(
    connection: &mut SqliteConnection,
    instance: &InstanceArn,
    record: &CollectionRecord,
) -> Result<Option<CollectionId>, StoreError> {
    sqlx::query(
        "INSERT INTO collected_instances (instance_arn) VALUES ($1) ON CONFLICT DO NOTHING",
    )
    .bind(instance.as_str().to_owned())
    .execute(&mut *connection)
    .await?;
    if facts_remove::undo_some(&mut *connection, instance).await? {
        return Ok(None);
    }
    if is_overtaken(&mut *connection, instance, record).await? {
        return Err(StoreError::Stale);
    }
    let (observed_from, observed_until) = record.observed.unzip();
    let row = sqlx::query(
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
    connection: &mut SqliteConnection,
    instance: &InstanceArn,
    record: &CollectionRecord,
) -> Result<bool, StoreError> {
    let later = sqlx::query(
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
    connection: &mut SqliteConnection,
    id: CollectionId,
) -> Result<Progress, StoreError> {
    let row = sqlx::query(
        "SELECT instance, taken_kind, taken_key, taken_second FROM collections \
         WHERE id = $1 AND state = 'TAKING'",
    )
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
pub(super) async fn note_place(
    connection: &mut SqliteConnection,
    id: CollectionId,
    state: &'static str,
    place: Place,
) -> Result<(), StoreError> {
    sqlx::query(
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
pub(super) async fn take(
    connection: &mut SqliteConnection,
    taking: &Taking,
    mut facts: Vec<Fact>,
) -> Result<usize, StoreError> {
    let progress = progress(&mut *connection, taking.id).await?;
    facts.truncate(FACTS_PER_BATCH_MAX);
    let (Some(first), Some(last)) = (facts.first(), facts.last()) else {
        return Ok(0);
    };
    let is_next = place_of(&first.key) > progress.taken;
    if !is_next || !facts.is_sorted_by(|left, right| left.key < right.key) {
        return Err(StoreError::Stale);
    }
    let until = place_of(&last.key);
    let mut known = known_keys(&mut *connection, &progress, Some(&until)).await?;
    let taken_to = cut(&mut known).unwrap_or(until);
    facts.truncate(facts.partition_point(|fact| place_of(&fact.key) <= taken_to));
    let count = facts.len();
    let numbers = next_number(&mut *connection).await?;
    let step = step(known, facts, &taking.gaps, numbers)?;
    write(&mut *connection, &progress, taking.id, step).await?;
    note_place(connection, taking.id, "TAKING", taken_to).await?;
    Ok(count)
}

/// `FactStore::finish_collection`.
pub(super) async fn finish(
    connection: &mut SqliteConnection,
    taking: &Taking,
    events: &[ServiceEvent],
) -> Result<Finishing, StoreError> {
    let progress = progress(&mut *connection, taking.id).await?;
    let mut known = known_keys(&mut *connection, &progress, None).await?;
    let more = cut(&mut known);
    let step = step(known, Vec::new(), &taking.gaps, 0)?;
    write(&mut *connection, &progress, taking.id, step).await?;
    let (state, place, finishing) = match more {
        Some(place) => ("TAKING", place, Finishing::GoesOn),
        None => ("FINISHED", Place::default(), Finishing::Finished),
    };
    note_place(&mut *connection, taking.id, state, place).await?;
    if finishing == Finishing::Finished {
        note_first_whole(&mut *connection, taking.id).await?;
        for event in events {
            tables::insert_service_event(&mut *connection, event).await?;
        }
    }
    Ok(finishing)
}

/// What the first collection that lacks nothing saw was there before.
async fn note_first_whole(
    connection: &mut SqliteConnection,
    id: CollectionId,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE collected_instances SET first_whole = $1 WHERE first_whole IS NULL \
         AND number = (SELECT instance FROM collections WHERE id = $1 AND is_whole = 1)",
    )
    .bind(count_to_column(id.0))
    .execute(connection)
    .await?;
    Ok(())
}

/// The keys of the instance after what was taken, one more than a batch may look at.
async fn known_keys(
    connection: &mut SqliteConnection,
    progress: &Progress,
    until: Option<&Place>,
) -> Result<Vec<Known>, StoreError> {
    let mut query = QueryBuilder::<Sqlite>::new(
        "SELECT k.kind, k.key, k.second_key, k.number, f.value FROM fact_keys AS k \
         LEFT JOIN facts AS f ON f.number = k.number AND f.to_collection IS NULL \
         WHERE k.instance = ",
    );
    query.push_bind(progress.instance);
    push_place(
        &mut query,
        " AND (k.kind, k.key, k.second_key) > ",
        &progress.taken,
    );
    if let Some(until) = until {
        push_place(&mut query, " AND (k.kind, k.key, k.second_key) <= ", until);
    }
    query
        .push(" ORDER BY k.kind, k.key, k.second_key LIMIT ")
        .push_bind(i64::try_from(FACTS_PER_BATCH_MAX + 1).unwrap_or(i64::MAX));
    let rows = query.build().fetch_all(connection).await?;
    let known = rows.iter().map(|row| {
        Ok(Known {
            key: key_from_row(row, kind_from_row(row)?)?,
            number: row.try_get("number")?,
            value: row.try_get("value")?,
        })
    });
    known.collect()
}

/// A comparison with a place.
pub(super) fn push_place(query: &mut QueryBuilder<Sqlite>, comparison: &str, place: &Place) {
    query.push(comparison).push("(");
    query.push_bind(place.0).push(", ");
    query.push_bind(place.1.clone()).push(", ");
    query.push_bind(place.2.clone()).push(")");
}

/// Leaves as many as a batch may look at. Answers the place behind them where there were more.
fn cut(known: &mut Vec<Known>) -> Option<Place> {
    let is_cut = known.len() > FACTS_PER_BATCH_MAX;
    known.truncate(FACTS_PER_BATCH_MAX);
    let last = known.last().filter(|_| is_cut)?;
    Some(place_of(&last.key))
}

/// A number that no key has. One that had it and is gone has left nothing.
async fn next_number(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
    let row = sqlx::query("SELECT COALESCE(MAX(number), 0) + 1 AS number FROM facts")
        .fetch_one(connection)
        .await?;
    Ok(row.try_get("number")?)
}

/// What is to be written of a stretch of keys: those that the store knows, and the facts that a
/// collection has there, both sorted.
fn step(
    known: Vec<Known>,
    facts: Vec<Fact>,
    gaps: &Gaps,
    mut next_number: i64,
) -> Result<Step, StoreError> {
    let mut step = Step::default();
    let mut known = known.into_iter().peekable();
    for fact in facts {
        while let Some(gone) = known.next_if(|known| known.key < fact.key) {
            step.close(gone, gaps);
        }
        match known.next_if(|known| known.key == fact.key) {
            Some(same) => step.renew(same, fact, gaps)?,
            None => {
                step.opened.push((next_number, fact.value));
                step.new_keys.push((fact.key, next_number));
                next_number += 1;
            }
        }
    }
    for gone in known {
        step.close(gone, gaps);
    }
    Ok(step)
}

impl Step {
    fn close(&mut self, gone: Known, gaps: &Gaps) {
        if gone.value.is_some() && !gaps.cover(&gone.key) {
            self.closed.push(gone.number);
        }
    }

    fn renew(&mut self, known: Known, fact: Fact, gaps: &Gaps) -> Result<(), StoreError> {
        let Some(before) = known.value else {
            self.opened.push((known.number, fact.value));
            return Ok(());
        };
        if before == fact.value {
            return Ok(());
        }
        let value = if gaps.cover(&fact.key) {
            fill_unknown(fact.key.kind, &fact.value, &before).map_err(invalid("value"))?
        } else {
            fact.value
        };
        if value != before {
            self.closed.push(known.number);
            self.opened.push((known.number, value));
        }
        Ok(())
    }
}

async fn write(
    connection: &mut SqliteConnection,
    progress: &Progress,
    id: CollectionId,
    step: Step,
) -> Result<(), StoreError> {
    if !step.closed.is_empty() {
        let mut query = QueryBuilder::<Sqlite>::new("UPDATE facts SET to_collection = ");
        query.push_bind(count_to_column(id.0));
        query.push(" WHERE to_collection IS NULL AND number IN (");
        let mut numbers = query.separated(", ");
        for number in step.closed {
            numbers.push_bind(number);
        }
        query.push(")");
        query
            .build()
            .persistent(false)
            .execute(&mut *connection)
            .await?;
    }
    if !step.new_keys.is_empty() {
        let mut query = QueryBuilder::<Sqlite>::new(
            "INSERT INTO fact_keys (instance, kind, key, second_key, number) ",
        );
        query.push_values(step.new_keys, |mut row, (key, number)| {
            row.push_bind(progress.instance)
                .push_bind(key.kind.number())
                .push_bind(key.key)
                .push_bind(key.second)
                .push_bind(number);
        });
        query
            .build()
            .persistent(false)
            .execute(&mut *connection)
            .await?;
    }
    if !step.opened.is_empty() {
        let mut query =
            QueryBuilder::<Sqlite>::new("INSERT INTO facts (number, from_collection, value) ");
        query.push_values(step.opened, |mut row, (number, value)| {
            row.push_bind(number)
                .push_bind(count_to_column(id.0))
                .push_bind(value);
        });
        query.build().persistent(false).execute(connection).await?;
    }
    Ok(())
}
