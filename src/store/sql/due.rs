//! What is due: found by kind of work and by instance, through the indexes. Claims nothing.

use jiff::Timestamp;

use super::connection::{Connection, QueryBuilder, Sql, query};
use super::rows::{count, microseconds, time};
use super::slots::ASYNCHRONOUS_KIND;
use crate::domain::InstanceArn;
use crate::store::{ClaimLimit, StoreError, WorkKind};

/// The first due time of a kind of work of an instance on a target that nobody has claimed; of an
/// asynchronous one only where a slot is its own or free.
pub(in crate::store) const NEXT_DUE: &str = "SELECT next_attempt_at FROM assignments AS a \
     WHERE instance_arn = $2 AND work_kind = $6 AND next_attempt_at IS NOT NULL AND NOT EXISTS (\
       SELECT 1 FROM assignments AS other \
       WHERE other.lease_holder IS NOT NULL AND other.lease_until > $1 \
       AND other.instance_arn = a.instance_arn AND other.target_kind = a.target_kind \
       AND other.target = a.target) \
     AND (target_kind <> $3 OR asynchronous_slot = 1 OR \
       CASE WHEN work_kind = 0 OR end_due_at <= next_attempt_at OR end_due_at <= $1 THEN $4 ELSE $5 END > \
       (SELECT COUNT(*) FROM assignments WHERE instance_arn = $2 AND asynchronous_slot = 1)) \
     ORDER BY next_attempt_at LIMIT 1";

/// The beginning of the question for due rows, with what names a row also where its key cannot be read.
const ROW_NUMBER: Sql = Sql::of(
    "SELECT * FROM (SELECT a.rowid AS row_number, a.*, ",
    "SELECT * FROM (SELECT a.number AS row_number, a.*, ",
);

/// How much of a kind of work is due on an instance.
pub(in crate::store) const DUE_COUNT: &str = "SELECT COUNT(*) AS assignments FROM assignments \
     WHERE instance_arn = $1 AND work_kind = $3 AND next_attempt_at <= $2";

/// Which due work to look for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Due {
    /// What has an end to act on.
    Ends,
    /// Everything.
    All,
}

/// How many of an instance's slots such work may find taken at most, its own included.
pub(in crate::store) fn slots_of(limit: ClaimLimit, kind: WorkKind, due: Due) -> usize {
    match (kind, due) {
        (WorkKind::BreakGlass, _) | (_, Due::Ends) => limit.outstanding_max,
        (_, Due::All) => limit.outstanding_max.saturating_sub(limit.kept_for_ends),
    }
}

/// Due assignments of an instance on targets that nobody has claimed, of one kind of work: the oldest of
/// each target, oldest first. On a full instance an asynchronous one needs a slot already.
pub(in crate::store) fn due_query(
    instance: &InstanceArn,
    is_full: bool,
    now: Timestamp,
    limit: usize,
    kind: WorkKind,
    due: Due,
) -> QueryBuilder {
    let mut query = QueryBuilder::new(ROW_NUMBER);
    query
        .push(
            "ROW_NUMBER() OVER (\
           PARTITION BY target_kind, target \
           ORDER BY next_attempt_at, principal_type, principal_id) AS place \
         FROM assignments AS a WHERE instance_arn = ",
        )
        .push_bind(instance.as_str().to_owned())
        .push(" AND work_kind = ")
        .push_bind(kind.number())
        .push(" AND next_attempt_at <= ")
        .push_bind(microseconds(now));
    if due == Due::Ends {
        // With the `+` their index is out of the question: what was asked for is seldom much, and
        // there may be thousands of ends.
        query
            .push_either(match kind {
                WorkKind::Rest => Sql::both(" AND end_due_at <= "),
                WorkKind::BreakGlass | WorkKind::Asked => {
                    Sql::of(" AND +end_due_at <= ", " AND end_due_at <= ")
                }
            })
            .push_bind(microseconds(now));
    }
    if is_full {
        query.push(" AND NOT (asynchronous_slot = 0 AND target_kind = ");
        query.push_bind(ASYNCHRONOUS_KIND).push(")");
    }
    query
        .push(
            " AND NOT EXISTS (\
               SELECT 1 FROM assignments AS other WHERE other.lease_holder IS NOT NULL \
               AND other.instance_arn = a.instance_arn AND other.target_kind = a.target_kind \
               AND other.target = a.target)) AS due \
             WHERE place = 1 ORDER BY next_attempt_at, target_kind, target LIMIT ",
        )
        .push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
    query
}

pub(in crate::store) fn push_instances(query: &mut QueryBuilder, instances: &[InstanceArn]) {
    if instances.is_empty() {
        // None is no list that PostgreSQL takes.
        query.push("1 = 0");
        return;
    }
    query
        .push("instance_arn IN (")
        .push_list(instances.iter().map(|it| it.as_str().to_owned()))
        .push(")");
}

/// `Store::next_due_at`.
pub(in crate::store) async fn next_due_at(
    connection: &mut Connection<'_>,
    instances: &[InstanceArn],
    now: Timestamp,
    limit: ClaimLimit,
) -> Result<Option<Timestamp>, StoreError> {
    let mut first: Option<i64> = None;
    let kinds = WorkKind::ALL.into_iter();
    let kinds: Vec<_> = kinds
        .filter(|kind| limit.claims_max.of(*kind) > 0)
        .collect();
    // One by one: within an instance and a kind the index gives the first without a sort.
    for instance in instances {
        for kind in &kinds {
            let due: Option<i64> = query(NEXT_DUE)
                .bind(microseconds(now))
                .bind(instance.as_str().to_owned())
                .bind(ASYNCHRONOUS_KIND)
                .bind(i64::try_from(slots_of(limit, *kind, Due::Ends)).unwrap_or(i64::MAX))
                .bind(i64::try_from(slots_of(limit, *kind, Due::All)).unwrap_or(i64::MAX))
                .bind(kind.number())
                .fetch_optional(connection)
                .await?
                .map(|row| row.try_get("next_attempt_at"))
                .transpose()?;
            first = first.into_iter().chain(due).min();
        }
    }
    let mut query =
        QueryBuilder::new("SELECT MIN(lease_until) AS lease_over FROM assignments WHERE ");
    push_instances(&mut query, instances);
    query
        .push(" AND lease_holder IS NOT NULL AND lease_until > ")
        .push_bind(microseconds(now));
    let row = query.build().fetch_one(connection).await?;
    let lease_over: Option<i64> = row.try_get("lease_over")?;
    first
        .into_iter()
        .chain(lease_over)
        .min()
        .map(|at| time("next_attempt_at", at))
        .transpose()
}

/// `Store::count_due`.
pub(in crate::store) async fn count_due(
    connection: &mut Connection<'_>,
    instance: &InstanceArn,
    kinds: &[WorkKind],
    now: Timestamp,
) -> Result<u64, StoreError> {
    let mut all = 0;
    for kind in kinds {
        let row = query(DUE_COUNT)
            .bind(instance.as_str().to_owned())
            .bind(microseconds(now))
            .bind(kind.number())
            .fetch_one(connection)
            .await?;
        all += count(&row, "assignments")?;
    }
    Ok(all)
}
