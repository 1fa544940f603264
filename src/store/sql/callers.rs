//! The writes of callers: a grant, its end, the removal of an assignment. What they record is
//! decided by `domain::intent`; here it is made one transaction with the request id.

mod adoption;

use super::approvals::{insert_review, waiting_grants_on};
use super::connection::{Connection, query};
use super::failure::{invalid, unreadable};
use super::rows::{bind_key, key_from_row, microseconds, to_json};
use super::tables::{self, write_changes};
use super::ways::Written;
use crate::domain::intent::{self, EndRequest};
use crate::domain::plan::Changes;
use crate::domain::{AssignmentKey, AssignmentRecord, EventKind, Grant, GrantId};
use crate::store::{
    GrantDecision, GrantRequest, RequestOutcome, RequestUse, RevokeOutcome, StoreError,
};

/// What is remembered of an earlier use of a request id.
struct EarlierUse {
    key: AssignmentKey,
    grants: Vec<Grant>,
}

/// `Store::record_grant`.
pub(in crate::store) async fn record_grant(
    connection: &mut Connection<'_>,
    request: GrantRequest,
) -> Result<Written<RequestOutcome<Grant>>, StoreError> {
    let GrantRequest { grant, request } = request;
    let key = grant.assignment_key();
    if let Some(request) = &request
        && !take_request(connection, request, &key, &[&grant.id]).await?
    {
        let outcome = earlier_grant(connection, request).await?;
        return Ok(Written::unchanged(outcome));
    }
    if grant.adoption.is_some() {
        adoption::check_not_frozen(connection, &key).await?;
    } else if connection.is_shared() {
        // Most are the first on their assignment: then there is nothing to lock, and a question less to ask.
        let new = AssignmentRecord::new(key.clone());
        let changes = intent::request_grant(new, grant.clone());
        if let Some(grants) = write_changes(connection, &changes).await? {
            return recorded(written(grants));
        }
    }
    let record = locked_or_new(connection, &key).await?;
    if grant.adoption.is_some() {
        adoption::check_new_adoption(connection, &record, &grant).await?;
    }
    let changes = intent::request_grant(record, grant);
    recorded(write(connection, &changes).await?)
}

/// `Store::decide_grant`.
pub(in crate::store) async fn decide_grant(
    connection: &mut Connection<'_>,
    decision: GrantDecision,
    request: Option<&RequestUse>,
) -> Result<Written<RequestOutcome<Grant>>, StoreError> {
    let GrantDecision {
        grant,
        review,
        events,
        now,
    } = decision;
    let key = grant.assignment_key();
    if let Some(request) = request
        && !take_request(connection, request, &key, &[&grant.id]).await?
    {
        let outcome = earlier_grant(connection, request).await?;
        return Ok(Written::unchanged(outcome));
    }
    if let Some(review) = &review
        && !insert_review(connection, &grant.id, review).await?
    {
        // An error rolls the request id back too.
        return Err(StoreError::Stale);
    }
    let has = |kind| events.iter().any(|event| event.kind == kind);
    if has(EventKind::Adopted) || has(EventKind::Extended) {
        adoption::check_not_frozen(connection, &key).await?;
    }
    let record = locked_or_new(connection, &key).await?;
    if has(EventKind::Adopted) {
        adoption::check_adoptable(connection, &record).await?;
    }
    let mut others = Vec::new();
    if has(EventKind::Released) {
        others = tables::open_grants_on(connection, &key).await?;
        others.retain(|other| other.id != grant.id);
    }
    let changes = intent::decide_grant(record, grant, &others, events, now);
    recorded(write(connection, &changes).await?)
}

/// The one grant that was written.
fn recorded(
    mut written: Written<Vec<Grant>>,
) -> Result<Written<RequestOutcome<Grant>>, StoreError> {
    let grant = written.value.pop();
    let grant = grant.ok_or_else(|| unreadable("grants", "what was just written is missing"))?;
    Ok(written.map(|_| RequestOutcome::Recorded(grant)))
}

/// The grant of a request id that was used before.
async fn earlier_grant(
    connection: &mut Connection<'_>,
    request: &RequestUse,
) -> Result<RequestOutcome<Grant>, StoreError> {
    Ok(match earlier_use(connection, request).await? {
        RequestOutcome::Repeated(mut earlier) | RequestOutcome::Recorded(mut earlier) => {
            RequestOutcome::Repeated(
                (earlier.grants.pop())
                    .ok_or_else(|| unreadable("grant_ids", "a request for a grant names none"))?,
            )
        }
        RequestOutcome::Reused => RequestOutcome::Reused,
    })
}

/// `Store::find_request`.
pub(in crate::store) async fn find_request(
    connection: &mut Connection<'_>,
    request: &RequestUse,
) -> Result<Option<RequestOutcome<Vec<Grant>>>, StoreError> {
    if !is_known(connection, request).await? {
        return Ok(None);
    }
    Ok(Some(match earlier_use(connection, request).await? {
        RequestOutcome::Repeated(earlier) | RequestOutcome::Recorded(earlier) => {
            RequestOutcome::Repeated(earlier.grants)
        }
        RequestOutcome::Reused => RequestOutcome::Reused,
    }))
}

async fn is_known(
    connection: &mut Connection<'_>,
    request: &RequestUse,
) -> Result<bool, StoreError> {
    let known =
        query("SELECT 1 FROM requests WHERE caller = $1 AND subject = $2 AND request_id = $3")
            .bind(request.key.caller.as_str().to_owned())
            .bind(request.key.subject.as_str().to_owned())
            .bind(request.key.request_id.as_str().to_owned())
            .fetch_optional(connection)
            .await?;
    Ok(known.is_some())
}

/// `Store::find_revocation`.
pub(in crate::store) async fn find_revocation(
    connection: &mut Connection<'_>,
    request: &RequestUse,
) -> Result<Option<RevokeOutcome>, StoreError> {
    if !is_known(connection, request).await? {
        return Ok(None);
    }
    earlier_revocation(connection, request).await.map(Some)
}

/// `Store::remember_removal`.
pub(in crate::store) async fn remember_removal(
    connection: &mut Connection<'_>,
    key: &AssignmentKey,
    request: &RequestUse,
) -> Result<Written<RevokeOutcome>, StoreError> {
    if let Some(earlier) = take_or_repeat(connection, Some(request), key, &[]).await? {
        return Ok(Written::unchanged(earlier));
    }
    Ok(Written::unchanged(RevokeOutcome::Ended {
        grants: Vec::new(),
        record: record_or_new(connection, key).await?,
    }))
}

/// `Store::revoke_grant`.
pub(in crate::store) async fn revoke_grant(
    connection: &mut Connection<'_>,
    id: &GrantId,
    request: Option<&RequestUse>,
    end: &EndRequest,
) -> Result<Written<RevokeOutcome>, StoreError> {
    // Looked for first: a grant is never deleted, and a refusal leaves no request id behind.
    let Some(grant) = tables::grant(connection, id).await? else {
        return Ok(Written::unchanged(RevokeOutcome::NotFound));
    };
    let key = grant.assignment_key();
    if let Some(earlier) = take_or_repeat(connection, request, &key, &[id]).await? {
        return Ok(Written::unchanged(earlier));
    }
    let record = locked_or_new(connection, &key).await?;
    let ended = match tables::grant(connection, id).await? {
        Some(grant) => intent::revoke_grant(record, &grant, end),
        None => None,
    };
    let written = match ended {
        Some(changes) => write_again(write(connection, &changes).await)?,
        // Over or ending already: that is the answer.
        None => Written::unchanged(Vec::new()),
    };
    let grants = present_grants(connection, std::slice::from_ref(id)).await?;
    let record = record_or_new(connection, &key).await?;
    Ok(written.map(|_| RevokeOutcome::Ended { grants, record }))
}

/// `Store::remove_assignment`.
pub(in crate::store) async fn remove_assignment(
    connection: &mut Connection<'_>,
    key: &AssignmentKey,
    request: Option<&RequestUse>,
    end: &EndRequest,
) -> Result<Written<RevokeOutcome>, StoreError> {
    if let Some(earlier) = take_or_repeat(connection, request, key, &[]).await? {
        return Ok(Written::unchanged(earlier));
    }
    let record = locked_or_new(connection, key).await?;
    let mut open = tables::open_grants_on(connection, key).await?;
    open.extend(waiting_grants_on(connection, key).await?);
    let changes = intent::remove_assignment(record, &open, end);
    if let Some(request) = request {
        name_grants(connection, request, &changes.grants).await?;
    }
    let written = write_again(write(connection, &changes).await)?;
    let record = record_or_new(connection, key).await?;
    Ok(written.map(|grants| RevokeOutcome::Ended { grants, record }))
}

/// Writes a caller's changes, which always make their assignment due. Answers the grants as they are
/// stored.
async fn write(
    connection: &mut Connection<'_>,
    changes: &Changes,
) -> Result<Written<Vec<Grant>>, StoreError> {
    let written = write_changes(connection, changes).await?;
    Ok(self::written(written.ok_or_else(tables::overtaken)?))
}

fn written(grants: Vec<Grant>) -> Written<Vec<Grant>> {
    Written {
        makes_work: true,
        changed: grants.iter().map(|grant| grant.id.clone()).collect(),
        value: grants,
    }
}

async fn record_or_new(
    connection: &mut Connection<'_>,
    key: &AssignmentKey,
) -> Result<AssignmentRecord, StoreError> {
    let record = tables::record(connection, key).await?;
    Ok(record.unwrap_or_else(|| AssignmentRecord::new(key.clone())))
}

/// What was decided here, from what was read here, is decided again where somebody changed a grant beside its record, as
/// an Unfreeze does.
fn write_again(
    written: Result<Written<Vec<Grant>>, StoreError>,
) -> Result<Written<Vec<Grant>>, StoreError> {
    written.map_err(|error| match error {
        StoreError::Stale => tables::overtaken(),
        other => other,
    })
}

/// The record of an assignment that is to be written.
async fn locked_or_new(
    connection: &mut Connection<'_>,
    key: &AssignmentKey,
) -> Result<AssignmentRecord, StoreError> {
    let record = tables::locked_record(connection, key).await?;
    Ok(record.unwrap_or_else(|| AssignmentRecord::new(key.clone())))
}

/// Takes a request id for these grants, as far as they are known. Answers whether it was free.
async fn take_request(
    connection: &mut Connection<'_>,
    request: &RequestUse,
    key: &AssignmentKey,
    grants: &[&GrantId],
) -> Result<bool, StoreError> {
    let ids: Vec<&str> = grants.iter().map(|id| id.as_str()).collect();
    let query = query(
        "INSERT INTO requests (instance_arn, target_kind, target, principal_type, principal_id, \
         caller, subject, request_id, content_hash, grant_ids, used_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
    );
    let done = bind_key(query, key)
        .bind(request.key.caller.as_str().to_owned())
        .bind(request.key.subject.as_str().to_owned())
        .bind(request.key.request_id.as_str().to_owned())
        .bind(request.content_hash.clone())
        .bind(to_json(&ids)?)
        .bind(microseconds(request.at))
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes the request id of a revocation, or answers what its earlier use did.
async fn take_or_repeat(
    connection: &mut Connection<'_>,
    request: Option<&RequestUse>,
    key: &AssignmentKey,
    grants: &[&GrantId],
) -> Result<Option<RevokeOutcome>, StoreError> {
    let Some(request) = request else {
        return Ok(None);
    };
    if take_request(connection, request, key, grants).await? {
        return Ok(None);
    }
    earlier_revocation(connection, request).await.map(Some)
}

async fn earlier_revocation(
    connection: &mut Connection<'_>,
    request: &RequestUse,
) -> Result<RevokeOutcome, StoreError> {
    Ok(match earlier_use(connection, request).await? {
        RequestOutcome::Repeated(earlier) | RequestOutcome::Recorded(earlier) => {
            RevokeOutcome::Repeated {
                record: Some(record_or_new(connection, &earlier.key).await?),
                grants: earlier.grants,
            }
        }
        RequestOutcome::Reused => RevokeOutcome::Reused,
    })
}

/// Writes beside a taken request id which grants it concerned.
async fn name_grants(
    connection: &mut Connection<'_>,
    request: &RequestUse,
    grants: &[Grant],
) -> Result<(), StoreError> {
    let ids: Vec<&str> = grants.iter().map(|grant| grant.id.as_str()).collect();
    query(
        "UPDATE requests SET grant_ids = $4 \
         WHERE caller = $1 AND subject = $2 AND request_id = $3",
    )
    .bind(request.key.caller.as_str().to_owned())
    .bind(request.key.subject.as_str().to_owned())
    .bind(request.key.request_id.as_str().to_owned())
    .bind(to_json(&ids)?)
    .execute(connection)
    .await?;
    Ok(())
}

/// What the earlier use of a request id did: `Repeated`, or `Reused` when it was for something else.
async fn earlier_use(
    connection: &mut Connection<'_>,
    request: &RequestUse,
) -> Result<RequestOutcome<EarlierUse>, StoreError> {
    let row =
        query("SELECT * FROM requests WHERE caller = $1 AND subject = $2 AND request_id = $3")
            .bind(request.key.caller.as_str().to_owned())
            .bind(request.key.subject.as_str().to_owned())
            .bind(request.key.request_id.as_str().to_owned())
            .fetch_optional(connection)
            .await?;
    // It may have been forgotten since it was found to be taken.
    let row = row.ok_or_else(tables::overtaken)?;
    if row.try_get::<&str>("content_hash")? != request.content_hash {
        return Ok(RequestOutcome::Reused);
    }
    let ids: Vec<String> = serde_json::from_str(row.try_get("grant_ids")?)
        .map_err(|problem| unreadable("grant_ids", problem))?;
    let ids = ids
        .iter()
        .map(|id| GrantId::parse(id).map_err(invalid("grant_ids")))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(RequestOutcome::Repeated(EarlierUse {
        key: key_from_row(&row)?,
        grants: present_grants(connection, &ids).await?,
    }))
}

/// The grants of these ids as they are stored now: times cut to what the store keeps.
async fn present_grants(
    connection: &mut Connection<'_>,
    ids: &[GrantId],
) -> Result<Vec<Grant>, StoreError> {
    let mut grants = Vec::new();
    for id in ids {
        grants.extend(tables::grant(connection, id).await?);
    }
    Ok(grants)
}
