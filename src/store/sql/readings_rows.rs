//! The statements of readings. Each function that writes expects to run inside one transaction.

use jiff::Timestamp;

use super::connection::{Connection, QueryBuilder, Sql, query};
use super::failure::unreadable;
use super::rows::{count, count_to_column, microseconds, time, to_json};
use crate::domain::{InstanceArn, Operation};
use crate::store::{
    KeptPage, KeptReading, READING_PAGES_PER_BATCH_MAX, ReadBy, ReadPage, ReadingKey, StoreError,
    WantedReadings,
};

/// Which runs somebody holds.
#[derive(Debug, Clone)]
pub(in crate::store) struct Held {
    /// What names this process among those that share the database.
    pub(in crate::store) process: String,
    /// The runs that it holds.
    pub(in crate::store) runs: Vec<u64>,
}

/// How many rows one transaction forgets.
fn batch() -> i64 {
    i64::try_from(READING_PAGES_PER_BATCH_MAX).unwrap_or(i64::MAX)
}

/// One process alone has a SQLite file: whose run it is does not matter there.
const BEGIN: Sql = Sql::of(
    "INSERT INTO reading_runs (instance, began_at) \
     SELECT number, $2 FROM collected_instances WHERE instance_arn = $1 AND $3 <> '' RETURNING id",
    "INSERT INTO reading_runs (instance, began_at, holder, held_until) \
     SELECT number, $2, $3, now_microseconds() + 120000000 FROM collected_instances \
     WHERE instance_arn = $1 RETURNING id",
);
/// The run of pages that are to be kept. Others take it as held for two minutes more: between two pages lies a wait
/// for the budget, never so long.
const RUN: Sql = Sql::of(
    "SELECT instance FROM reading_runs WHERE id = $1 AND is_finished = 0",
    "UPDATE reading_runs SET held_until = now_microseconds() + 120000000 \
     WHERE id = $1 AND is_finished = 0 RETURNING instance",
);

/// `ReadingStore::begin_readings`.
pub(in crate::store) async fn begin(
    connection: &mut Connection<'_>,
    instance: &InstanceArn,
    began_at: Timestamp,
    process: &str,
) -> Result<u64, StoreError> {
    query("INSERT INTO collected_instances (instance_arn) VALUES ($1) ON CONFLICT DO NOTHING")
        .bind(instance.as_str().to_owned())
        .execute(connection)
        .await?;
    let row = query(BEGIN)
        .bind(instance.as_str().to_owned())
        .bind(microseconds(began_at))
        .bind(process.to_owned())
        .fetch_one(connection)
        .await?;
    count(&row, "id")
}

/// `ReadingStore::keep_readings`.
pub(in crate::store) async fn keep(
    connection: &mut Connection<'_>,
    run: u64,
    pages: Vec<ReadPage>,
) -> Result<(), StoreError> {
    let row = query(RUN)
        .bind(count_to_column(run))
        .fetch_optional(connection)
        .await?;
    let instance: i64 = row.ok_or(StoreError::Stale)?.try_get("instance")?;
    for page in pages {
        query(
            "INSERT INTO reading_pages (instance, operation, about, page, run, began_at, read_at, \
             is_last, content) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
             ON CONFLICT (instance, operation, about, page) DO UPDATE SET run = excluded.run, \
             began_at = excluded.began_at, read_at = excluded.read_at, is_last = excluded.is_last, \
             content = excluded.content WHERE excluded.began_at > reading_pages.began_at",
        )
        .bind(instance)
        .bind(page.key.operation.name())
        .bind(page.key.about)
        .bind(i64::from(page.number))
        .bind(count_to_column(run))
        .bind(microseconds(page.began_at))
        .bind(microseconds(page.read_at))
        .bind(page.is_last)
        .bind(page.content)
        .execute(connection)
        .await?;
    }
    Ok(())
}

macro_rules! finish {
    ($given_up:literal) => {
        concat!(
            "UPDATE reading_runs SET is_finished = 1 WHERE is_finished = 0 AND id <= $1 \
             AND instance = (SELECT instance FROM reading_runs WHERE id = $1) AND (id = $1 OR (",
            $given_up,
            "))"
        )
    };
}

/// Of this process it is known which runs are held, of others until when they may be.
const FINISH: Sql = Sql::of(
    finish!("id NOT IN (SELECT value FROM json_each($2)) AND $3 <> ''"),
    finish!(
        "id NOT IN (SELECT value::bigint FROM json_array_elements_text($2::json)) \
         AND (holder = $3 OR held_until <= now_microseconds())"
    ),
);

/// `ReadingStore::finish_readings`. Runs that others hold go on by themselves.
pub(in crate::store) async fn finish(
    connection: &mut Connection<'_>,
    run: u64,
    held: &Held,
) -> Result<(), StoreError> {
    query(FINISH)
        .bind(count_to_column(run))
        .bind(to_json(&held.runs)?)
        .bind(held.process.clone())
        .execute(connection)
        .await?;
    Ok(())
}

/// SQLite, which keeps no statistics, is told the order of the tables.
const TO_PAGES: Sql = Sql::of("CROSS JOIN", "JOIN");

/// The question for the whole readings of an instance.
pub(in crate::store) fn readings_query(
    instance: &InstanceArn,
    wanted: WantedReadings,
    held: &Held,
    after: Option<&ReadingKey>,
    limit: usize,
) -> Result<QueryBuilder, StoreError> {
    let mut query = QueryBuilder::new(
        "SELECT p.operation, p.about, p.began_at, COUNT(*) AS pages FROM collected_instances AS i ",
    );
    query
        .push_either(TO_PAGES)
        .push(" reading_pages AS p ON p.instance = i.number WHERE i.instance_arn = ")
        .push_bind(instance.as_str().to_owned())
        .push(" AND p.began_at >= ")
        .push_bind(microseconds(wanted.since));
    if let Some(after) = after {
        query
            .push(" AND (p.operation, p.about) > (")
            .push_bind(after.operation.name())
            .push(", ")
            .push_bind(after.about.clone())
            .push(")");
    }
    if wanted.by == ReadBy::Interrupted {
        query
            .push(
                " AND p.run IN (SELECT id FROM reading_runs WHERE instance = i.number \
                 AND is_finished = 0 AND id NOT IN ",
            )
            .push_either(Sql::of(
                "(SELECT value FROM json_each(",
                "(SELECT value::bigint FROM json_array_elements_text(",
            ))
            .push_bind(to_json(&held.runs)?)
            .push_either(Sql::of(")) AND '' <> ", "::json)) AND (holder = "))
            .push_bind(held.process.clone())
            .push_either(Sql::of(")", " OR held_until <= now_microseconds()))"));
    }
    query
        .push(
            " GROUP BY p.operation, p.about, p.began_at, p.run \
             HAVING MAX(p.is_last) = 1 AND COUNT(*) = MAX(p.page) + 1 \
             ORDER BY p.operation, p.about, p.began_at, p.run LIMIT ",
        )
        .push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
    Ok(query)
}

/// `ReadingStore::readings`.
pub(in crate::store) async fn readings(
    connection: &mut Connection<'_>,
    instance: &InstanceArn,
    (wanted, held): (WantedReadings, &Held),
    after: Option<&ReadingKey>,
    limit: usize,
) -> Result<Vec<KeptReading>, StoreError> {
    let query = readings_query(instance, wanted, held, after, limit)?;
    let rows = query.build().fetch_all(connection).await?;
    let readings = rows.iter().map(|row| {
        let name: &str = row.try_get("operation")?;
        let operation = Operation::from_name(name).ok_or_else(|| unknown(name))?;
        let about = row.try_get("about")?;
        Ok(KeptReading {
            key: ReadingKey { operation, about },
            began_at: time("began_at", row.try_get("began_at")?)?,
            pages: count(row, "pages")?,
        })
    });
    readings.collect()
}

fn unknown(operation: &str) -> StoreError {
    unreadable("operation", format!("`{operation}` is none"))
}

macro_rules! pages {
    ($join:literal) => {
        concat!(
            "SELECT p.page, p.is_last, p.read_at, p.content FROM collected_instances AS i ",
            $join,
            " reading_pages AS p ON p.instance = i.number AND p.operation = $2 \
             AND p.about = $3 WHERE i.instance_arn = $1 AND p.began_at = $4 ORDER BY p.page"
        )
    };
}

/// The pages of a reading.
const PAGES: Sql = Sql::of(pages!("CROSS JOIN"), pages!("JOIN"));

/// `ReadingStore::reading`.
pub(in crate::store) async fn reading(
    connection: &mut Connection<'_>,
    instance: &InstanceArn,
    key: &ReadingKey,
    began_at: Timestamp,
) -> Result<Option<Vec<KeptPage>>, StoreError> {
    let rows = query(PAGES)
        .bind(instance.as_str().to_owned())
        .bind(key.operation.name())
        .bind(key.about.clone())
        .bind(microseconds(began_at))
        .fetch_all(connection)
        .await?;
    let (mut pages, mut is_ended) = (Vec::with_capacity(rows.len()), false);
    for (place, row) in (0_u64..).zip(&rows) {
        if count(row, "page")? != place {
            return Ok(None);
        }
        is_ended = row.try_get("is_last")?;
        pages.push(KeptPage {
            read_at: time("read_at", row.try_get("read_at")?)?,
            content: row.try_get("content")?,
        });
    }
    Ok(is_ended.then_some(pages))
}

/// `ReadingStore::forget_readings`.
pub(in crate::store) async fn forget(
    connection: &mut Connection<'_>,
    before: Timestamp,
) -> Result<bool, StoreError> {
    let mut is_done = true;
    for statement in [
        "DELETE FROM reading_pages WHERE number IN \
         (SELECT number FROM reading_pages WHERE began_at < $1 LIMIT $2)",
        "DELETE FROM reading_runs WHERE id IN \
         (SELECT id FROM reading_runs WHERE began_at < $1 LIMIT $2)",
    ] {
        let forgotten = query(statement)
            .bind(microseconds(before))
            .bind(batch())
            .execute(connection)
            .await?;
        let is_full = forgotten.rows_affected() >= READING_PAGES_PER_BATCH_MAX as u64;
        is_done &= !is_full;
    }
    Ok(is_done)
}

/// Takes every reading away: most say something of people, and what is wanted is read again.
pub(in crate::store) async fn erase_names(
    connection: &mut Connection<'_>,
) -> Result<(), StoreError> {
    query("DELETE FROM reading_pages")
        .execute(connection)
        .await?;
    Ok(())
}
