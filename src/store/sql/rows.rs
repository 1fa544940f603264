//! Rows to values and back. A row that this version cannot read is `Corrupt`, never guessed at.

use jiff::{SignedDuration, Timestamp};

use super::approvals::{extension_from_column, paths_from_column};
use super::connection::{Query, Row};
use super::failure::{invalid, unreadable};
use crate::domain::plan::Write;
use crate::domain::{
    Adoption, AssignmentKey, AssignmentRecord, AssignmentRequestId, CallerName, Ending, EndingKind,
    Grant, GrantId, GrantState, InstanceArn, Justification, PendingChange, PrincipalId,
    PrincipalKind, PrincipalRef, Removal, Requester, Standing, Target, Ticket, UserId,
};
use crate::store::StoreError;

/// An instant as the store keeps it: to the microsecond.
pub(in crate::store) fn microseconds(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// An instant that may be missing.
pub(in crate::store) fn microseconds_or_null(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::as_microsecond)
}

/// A duration as the store keeps it. One that is longer than 292,000 years is cut to that: it ends
/// after the last instant that can be written either way.
pub(in crate::store) fn duration_microseconds(duration: SignedDuration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(if duration.is_negative() {
        i64::MIN
    } else {
        i64::MAX
    })
}

/// Binds the five columns of an assignment's key: always `$1` to `$5`, in the order of the table.
pub(in crate::store) fn bind_key(query: Query, key: &AssignmentKey) -> Query {
    query
        .bind(key.instance_arn.as_str().to_owned())
        .bind(key.target.kind())
        .bind(key.target.key().into_owned())
        .bind(key.principal.kind.as_str())
        .bind(key.principal.id.as_str().to_owned())
}

/// Reads an assignment's key.
pub(in crate::store) fn key_from_row(row: &Row) -> Result<AssignmentKey, StoreError> {
    key_from_words(
        row.try_get("instance_arn")?,
        row.try_get("target_kind")?,
        row.try_get("target")?,
        row.try_get("principal_type")?,
        row.try_get("principal_id")?,
    )
}

/// Reads an assignment's key from its five words.
pub(in crate::store) fn key_from_words(
    instance_arn: &str,
    target_kind: &str,
    target: &str,
    principal_type: &str,
    principal_id: &str,
) -> Result<AssignmentKey, StoreError> {
    Ok(AssignmentKey {
        instance_arn: InstanceArn::parse(instance_arn).map_err(invalid("instance_arn"))?,
        principal: PrincipalRef {
            kind: PrincipalKind::from_aws(principal_type)
                .ok_or_else(|| unreadable("principal_type", principal_type))?,
            id: PrincipalId::parse(principal_id).map_err(invalid("principal_id"))?,
        },
        target: Target::from_parts(target_kind, target).map_err(invalid("target"))?,
    })
}

/// Reads an assignment's record.
pub(in crate::store) fn record_from_row(row: &Row) -> Result<AssignmentRecord, StoreError> {
    let standing: &str = row.try_get("standing")?;
    let removal = match optional_time(row, "removal_at")? {
        Some(at) => Some(Removal {
            by: CallerName::parse(row.try_get("removal_by")?).map_err(invalid("removal_by"))?,
            reason: Justification::parse(row.try_get("removal_reason")?)
                .map_err(invalid("removal_reason"))?,
            at,
        }),
        None => None,
    };
    Ok(AssignmentRecord {
        key: key_from_row(row)?,
        standing: Standing::from_word(standing).ok_or_else(|| unreadable("standing", standing))?,
        standing_seen_at: optional_time(row, "standing_seen_at")?,
        last_create_at: optional_time(row, "last_create_at")?,
        create_acknowledged: row.try_get("create_acknowledged")?,
        create_seen: row.try_get("create_seen")?,
        last_delete_at: optional_time(row, "last_delete_at")?,
        removal,
        removed_at: optional_time(row, "removed_at")?,
        gone_at: optional_time(row, "gone_at")?,
        recheck_at: optional_time(row, "recheck_at")?,
        pending: pending_from_row(row)?,
        next_attempt_at: optional_time(row, "next_attempt_at")?,
        failed_attempts: small_count(row, "failed_attempts")?,
        failed_operations: small_count(row, "failed_operations")?,
        refusing_since: optional_time(row, "refusing_since")?,
        last_failure: optional_json(row, "last_failure")?,
        version: count(row, "version")?,
    })
}

/// Reads the asynchronous change that may be under way.
pub(in crate::store) fn pending_from_row(row: &Row) -> Result<Option<PendingChange>, StoreError> {
    let Some(word) = row.try_get::<Option<&str>>("pending_write")? else {
        return Ok(None);
    };
    let request_id = row
        .try_get::<Option<&str>>("pending_request_id")?
        .map(AssignmentRequestId::parse)
        .transpose()
        .map_err(invalid("pending_request_id"))?;
    Ok(Some(PendingChange {
        write: Write::from_word(word).ok_or_else(|| unreadable("pending_write", word))?,
        request_id,
        since: time("pending_since", row.try_get("pending_since")?)?,
        own_before: row.try_get("pending_own_before")?,
    }))
}

/// Reads a grant.
pub(in crate::store) fn grant_from_row(row: &Row) -> Result<Grant, StoreError> {
    let state: &str = row.try_get("state")?;
    let key = key_from_row(row)?;
    let duration: Option<i64> = row.try_get("duration_microseconds")?;
    let policies: &str = row.try_get("policies")?;
    Ok(Grant {
        id: GrantId::parse(row.try_get("id")?).map_err(invalid("id"))?,
        instance_arn: key.instance_arn,
        principal: key.principal,
        target: key.target,
        state: GrantState::from_word(state).ok_or_else(|| unreadable("state", state))?,
        people_count: count(row, "people_count")?,
        requester: requester_from_row(row)?,
        justification: Justification::parse(row.try_get("justification")?)
            .map_err(invalid("justification"))?,
        ticket: Ticket::parse(row.try_get("ticket")?).map_err(invalid("ticket"))?,
        policies: serde_json::from_str(policies)
            .map_err(|problem| unreadable("policies", problem))?,
        policy_version: row.try_get("policy_version")?,
        paths: paths_from_column(row.try_get("paths")?)?,
        break_glass: row.try_get("break_glass")?,
        review_due: row.try_get("review_due")?,
        adoption: adoption_from_row(row)?,
        start_asked_at: optional_time(row, "start_asked_at")?,
        lapses_at: optional_time(row, "lapses_at")?,
        look_at: optional_time(row, "look_at")?,
        extension: row
            .try_get::<Option<&str>>("extension")?
            .map(extension_from_column)
            .transpose()?,
        extension_count: small_count(row, "extension_count")?,
        duration: duration.map(SignedDuration::from_micros),
        created_at: time("created_at", row.try_get("created_at")?)?,
        started_at: optional_time(row, "started_at")?,
        end_at: optional_time(row, "end_at")?,
        ended_at: optional_time(row, "ended_at")?,
        ending: ending_from_row(row)?,
        failure: optional_json(row, "failure")?,
        version: count(row, "version")?,
    })
}

fn adoption_from_row(row: &Row) -> Result<Option<Adoption>, StoreError> {
    let Some(word) = row.try_get::<Option<&str>>("adopted_from")? else {
        return Ok(None);
    };
    let owner = row.try_get::<Option<&str>>("owner")?.map(UserId::parse);
    Ok(Some(Adoption {
        standing_before: Standing::from_word(word)
            .ok_or_else(|| unreadable("adopted_from", word))?,
        owner: owner.transpose().map_err(invalid("owner"))?,
    }))
}

fn requester_from_row(row: &Row) -> Result<Requester, StoreError> {
    Ok(Requester {
        caller: CallerName::parse(row.try_get("requested_by")?).map_err(invalid("requested_by"))?,
        subject: CallerName::parse(row.try_get("subject")?).map_err(invalid("subject"))?,
        service: row.try_get("service")?,
        subject_proven: row.try_get("subject_proven")?,
        known_as: row.try_get("known_as")?,
    })
}

fn ending_from_row(row: &Row) -> Result<Option<Ending>, StoreError> {
    let Some(word) = row.try_get::<Option<&str>>("ending_kind")? else {
        return Ok(None);
    };
    let kind = EndingKind::from_word(word).ok_or_else(|| unreadable("ending_kind", word))?;
    let by = row
        .try_get::<Option<&str>>("ending_by")?
        .map(CallerName::parse)
        .transpose()
        .map_err(invalid("ending_by"))?;
    Ok(Some(Ending {
        kind,
        by,
        reason: Justification::parse(row.try_get("ending_reason")?)
            .map_err(invalid("ending_reason"))?,
        at: time("ending_at", row.try_get("ending_at")?)?,
    }))
}

/// Reads an instant.
pub(in crate::store) fn time(column: &str, microseconds: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(microseconds).map_err(|problem| unreadable(column, problem))
}

/// Reads an instant that may be missing.
pub(in crate::store) fn optional_time(
    row: &Row,
    column: &'static str,
) -> Result<Option<Timestamp>, StoreError> {
    row.try_get::<Option<i64>>(column)?
        .map(|microseconds| time(column, microseconds))
        .transpose()
}

/// Writes a value as JSON text.
pub(in crate::store) fn to_json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|problem| unreadable("a value to write", problem))
}

/// Reads JSON text that may be missing.
pub(in crate::store) fn optional_json<T: serde::de::DeserializeOwned>(
    row: &Row,
    column: &'static str,
) -> Result<Option<T>, StoreError> {
    row.try_get::<Option<&str>>(column)?
        .map(serde_json::from_str)
        .transpose()
        .map_err(|problem| unreadable(column, problem))
}

/// Reads a count.
pub(in crate::store) fn count(row: &Row, column: &'static str) -> Result<u64, StoreError> {
    let value: i64 = row.try_get(column)?;
    u64::try_from(value).map_err(|problem| unreadable(column, problem))
}

fn small_count(row: &Row, column: &'static str) -> Result<u32, StoreError> {
    let value: i64 = row.try_get(column)?;
    u32::try_from(value).map_err(|problem| unreadable(column, problem))
}

/// Writes a count. One past the column's range is cut to it.
pub(in crate::store) fn count_to_column(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
