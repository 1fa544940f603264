//! What grants cost and what reviewers said, as columns and rows. Nothing here decides.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::connection::{Connection, QueryBuilder, Row, query};
use super::failure::{invalid, unreadable};
use super::rows::{grant_from_row, microseconds, time, to_json};
use crate::domain::{
    ApprovalStep, AssignmentKey, CallerName, Extension, Grant, GrantId, InstanceArn, Justification,
    Path, Requester, Review, ReviewDecision, Ticket,
};
use crate::store::{GrantFilter, GrantScope, StoreError};

/// A path as its column holds it.
#[derive(Serialize, Deserialize)]
struct PathColumn {
    policy: String,
    steps: Vec<StepColumn>,
    duration_max_seconds: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct StepColumn {
    count: u32,
    approvers: Vec<String>,
}

/// A wish for more time as its column holds it.
#[derive(Serialize, Deserialize)]
struct ExtensionColumn {
    round: u32,
    caller: String,
    subject: String,
    service: Option<String>,
    subject_proven: bool,
    known_as: Option<String>,
    end_at: i64,
    justification: String,
    ticket: String,
    paths: Vec<PathColumn>,
    digest: String,
    lapses_at: i64,
}

/// Writes paths.
pub(in crate::store) fn paths_to_column(paths: &[Path]) -> Result<String, StoreError> {
    to_json(&path_columns(paths))
}

/// Reads paths.
pub(in crate::store) fn paths_from_column(text: &str) -> Result<Vec<Path>, StoreError> {
    let columns: Vec<PathColumn> =
        serde_json::from_str(text).map_err(|problem| unreadable("paths", problem))?;
    paths(columns)
}

/// Writes a wish for more time.
pub(in crate::store) fn extension_to_column(extension: &Extension) -> Result<String, StoreError> {
    to_json(&ExtensionColumn {
        round: extension.round,
        caller: extension.requester.caller.to_string(),
        subject: extension.requester.subject.to_string(),
        service: extension.requester.service.clone(),
        subject_proven: extension.requester.subject_proven,
        known_as: extension.requester.known_as.clone(),
        end_at: microseconds(extension.end_at),
        justification: extension.justification.to_string(),
        ticket: extension.ticket.to_string(),
        paths: path_columns(&extension.paths),
        digest: extension.digest.clone(),
        lapses_at: microseconds(extension.lapses_at),
    })
}

/// Reads a wish for more time.
pub(in crate::store) fn extension_from_column(text: &str) -> Result<Extension, StoreError> {
    let column: ExtensionColumn =
        serde_json::from_str(text).map_err(|problem| unreadable("extension", problem))?;
    let name = |text: &str| CallerName::parse(text).map_err(invalid("extension"));
    Ok(Extension {
        round: column.round,
        requester: Requester {
            caller: name(&column.caller)?,
            subject: name(&column.subject)?,
            service: column.service,
            subject_proven: column.subject_proven,
            known_as: column.known_as,
        },
        end_at: time("extension", column.end_at)?,
        justification: Justification::parse(&column.justification).map_err(invalid("extension"))?,
        ticket: Ticket::parse(&column.ticket).map_err(invalid("extension"))?,
        paths: paths(column.paths)?,
        digest: column.digest,
        lapses_at: time("extension", column.lapses_at)?,
    })
}

fn path_columns(paths: &[Path]) -> Vec<PathColumn> {
    let column = |path: &Path| PathColumn {
        policy: path.policy.clone(),
        steps: (path.steps.iter())
            .map(|step| StepColumn {
                count: step.count,
                approvers: step.approvers.iter().map(ToString::to_string).collect(),
            })
            .collect(),
        duration_max_seconds: path.duration_max.map(|it| it.as_secs()),
    };
    paths.iter().map(column).collect()
}

fn paths(columns: Vec<PathColumn>) -> Result<Vec<Path>, StoreError> {
    let step = |column: StepColumn| {
        let approvers = column.approvers.iter().map(|text| text.parse());
        Ok(ApprovalStep {
            count: column.count,
            approvers: approvers
                .collect::<Result<_, _>>()
                .map_err(invalid("paths"))?,
        })
    };
    let path = |column: PathColumn| {
        let steps = column.steps.into_iter().map(step);
        Ok(Path {
            policy: column.policy,
            steps: steps.collect::<Result<_, StoreError>>()?,
            duration_max: column.duration_max_seconds.map(SignedDuration::from_secs),
        })
    };
    columns.into_iter().map(path).collect()
}

/// Writes what a reviewer said. Answers whether it counts: it is the first word of this reviewer, said
/// itself or through the same voucher, on this wish, or takes the place of the one before it.
pub(in crate::store) async fn insert_review(
    connection: &mut Connection<'_>,
    id: &GrantId,
    review: &Review,
) -> Result<bool, StoreError> {
    let earlier =
        query("SELECT * FROM reviews WHERE grant_id = $1 AND round = $2 AND reviewer = $3 AND vouched_by = $4")
            .bind(id.as_str().to_owned())
            .bind(i64::from(review.round))
            .bind(review.reviewer.as_str().to_owned())
            .bind(review.vouched_by.clone().unwrap_or_default())
            .fetch_optional(connection)
            .await?;
    if let Some(row) = earlier
        && !review.replaces(&review_from_row(&row)?.1)
    {
        return Ok(false);
    }
    query(
        "INSERT INTO reviews (grant_id, round, reviewer, caller, decision, vouched_by, \
         digest, reason, reviewed_at, subject_proven, service) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
         ON CONFLICT (grant_id, round, reviewer, vouched_by) DO UPDATE SET caller = excluded.caller, \
         decision = excluded.decision, digest = excluded.digest, reason = excluded.reason, \
         reviewed_at = excluded.reviewed_at, subject_proven = excluded.subject_proven, \
         service = excluded.service",
    )
    .bind(id.as_str().to_owned())
    .bind(i64::from(review.round))
    .bind(review.reviewer.as_str().to_owned())
    .bind(review.caller.as_str().to_owned())
    .bind(review.decision.as_str())
    .bind(review.vouched_by.clone().unwrap_or_default())
    .bind(review.digest.clone())
    .bind(review.reason.as_str().to_owned())
    .bind(microseconds(review.at))
    .bind(review.subject_proven)
    .bind(review.service.clone())
    .execute(connection)
    .await?;
    Ok(true)
}

/// `Store::reviews`.
pub(in crate::store) async fn reviews(
    connection: &mut Connection<'_>,
    ids: &[GrantId],
) -> Result<Vec<(GrantId, Review)>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = QueryBuilder::new("SELECT * FROM reviews WHERE grant_id IN (");
    query
        .push_list(ids.iter().map(|id| id.as_str().to_owned()))
        .push(") ORDER BY grant_id, reviewed_at, reviewer");
    let rows = query.build().fetch_all(connection).await?;
    rows.iter().map(review_from_row).collect()
}

fn review_from_row(row: &Row) -> Result<(GrantId, Review), StoreError> {
    let id = GrantId::parse(row.try_get("grant_id")?).map_err(invalid("grant_id"))?;
    let decision: &str = row.try_get("decision")?;
    let round: i64 = row.try_get("round")?;
    let name = |column| -> Result<CallerName, StoreError> {
        CallerName::parse(row.try_get(column)?).map_err(invalid(column))
    };
    let review = Review {
        reviewer: name("reviewer")?,
        caller: name("caller")?,
        decision: ReviewDecision::from_word(decision)
            .ok_or_else(|| unreadable("decision", decision))?,
        subject_proven: row.try_get("subject_proven")?,
        service: row.try_get("service")?,
        vouched_by: row
            .try_get::<Option<String>>("vouched_by")?
            .filter(|service| !service.is_empty()),
        round: u32::try_from(round).map_err(|problem| unreadable("round", problem))?,
        digest: row.try_get("digest")?,
        reason: Justification::parse(row.try_get("reason")?).map_err(invalid("reason"))?,
        at: time("reviewed_at", row.try_get("reviewed_at")?)?,
    };
    Ok((id, review))
}

/// What waits on an assignment for people or for its start, sorted by id.
pub(in crate::store) async fn waiting_grants_on(
    connection: &mut Connection<'_>,
    key: &AssignmentKey,
) -> Result<Vec<Grant>, StoreError> {
    let scope = GrantScope::Assignment(key.principal.clone(), key.target.clone());
    waiting_grants(connection, &key.instance_arn, &scope).await
}

/// `Store::waiting_grants`.
pub(in crate::store) async fn waiting_grants(
    connection: &mut Connection<'_>,
    instance: &InstanceArn,
    scope: &GrantScope,
) -> Result<Vec<Grant>, StoreError> {
    let query = waiting_grants_query(instance, scope);
    let rows = query.build().fetch_all(connection).await?;
    rows.iter().map(grant_from_row).collect()
}

/// The waiting grants of a scope.
pub(in crate::store) fn waiting_grants_query(
    instance: &InstanceArn,
    scope: &GrantScope,
) -> QueryBuilder {
    let mut query =
        QueryBuilder::new("SELECT * FROM grants WHERE state IN ('PENDING_APPROVAL', 'SCHEDULED')");
    super::reads::push_scope(&mut query, instance, scope);
    query.push(" ORDER BY id");
    query
}

/// `Store::grants_to_look_at`.
pub(in crate::store) async fn grants_to_look_at(
    connection: &mut Connection<'_>,
    instance: &InstanceArn,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Grant>, StoreError> {
    let rows = query(GRANTS_TO_LOOK_AT)
        .bind(instance.as_str().to_owned())
        .bind(microseconds(now))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await?;
    rows.iter().map(grant_from_row).collect()
}

/// What Usher is to look at, longest waiting first.
pub(in crate::store) const GRANTS_TO_LOOK_AT: &str = "SELECT * FROM grants WHERE instance_arn = $1 AND look_at IS NOT NULL AND look_at <= $2 \
     ORDER BY look_at LIMIT $3";

/// What grants have to do with somebody. Each by its own index: of very many grants they are few.
pub(in crate::store) fn push_people(query: &mut QueryBuilder, filter: &GrantFilter) {
    if let (Some(of), Some(instance)) = (&filter.of_subject, &filter.instance) {
        let instance = instance.as_str();
        query
            .push(" AND id IN (SELECT id FROM grants WHERE instance_arn = ")
            .push_bind(instance.to_owned())
            .push(" AND subject = ")
            .push_bind(of.subject.clone());
        if let Some(user) = &of.user {
            query
                .push(" UNION ALL SELECT id FROM grants WHERE instance_arn = ")
                .push_bind(instance.to_owned())
                .push(" AND principal_type = 'USER' AND principal_id = ")
                .push_bind(user.as_str().to_owned());
        }
        query.push(")");
    }
    if filter.open_wish {
        // Whatever waits is looked at some time; of these, what is scheduled is agreed to.
        query.push(" AND look_at IS NOT NULL AND state <> 'SCHEDULED'");
    }
    if let Some(reviewer) = &filter.reviewed_by {
        query
            .push(" AND id IN (SELECT grant_id FROM reviews WHERE reviewer = ")
            .push_bind(reviewer.clone());
        // A service has said what it vouched for.
        if let Some(service) = reviewer.strip_prefix("service:") {
            query
                .push(
                    " UNION SELECT grant_id FROM reviews WHERE vouched_by <> '' AND vouched_by = ",
                )
                .push_bind(service.to_owned());
        }
        query.push(")");
    }
    if filter.review_due {
        query.push(" AND review_due = 1");
    }
}
