//! The statements that write grants, each with its event.

use super::approvals::{extension_to_column, paths_to_column};
use super::connection::{Connection, Sql, query};
use super::event_rows::EventRow;
use super::rows::{
    bind_key, count_to_column, duration_microseconds, grant_from_row, microseconds,
    microseconds_or_null, to_json,
};
use crate::domain::Grant;
use crate::store::StoreError;

/// A statement that writes a grant, with the event beside it, if there is one: one question for both.
macro_rules! with_event {
    ($statement:literal, $grant_id:literal, $body:literal) => {
        Sql::of(
            concat!(
                $statement,
                "; INSERT INTO events (grant_id, body) SELECT ",
                $grant_id,
                ", ",
                $body,
                " WHERE ",
                $body,
                " IS NOT NULL"
            ),
            concat!(
                "WITH event AS (INSERT INTO events (grant_id, body) SELECT ",
                $grant_id,
                ", ",
                $body,
                " WHERE ",
                $body,
                " IS NOT NULL RETURNING sequence), \
                 waiting AS (INSERT INTO waiting_events (sequence) SELECT sequence FROM event) ",
                $statement
            ),
        )
    };
}

/// Writes a new grant. Answers it as it is stored now.
pub(in crate::store) async fn insert_grant(
    connection: &mut Connection<'_>,
    grant: &Grant,
    event: Option<EventRow>,
) -> Result<Grant, StoreError> {
    let query = query(with_event!(
        "INSERT INTO grants (instance_arn, target_kind, target, principal_type, principal_id, id, \
         state, people_count, requested_by, subject, justification, ticket, policies, \
         policy_version, duration_microseconds, created_at, started_at, end_at, ended_at, \
         ending_kind, ending_by, ending_reason, ending_at, failure, version, service, \
         subject_proven, paths, break_glass, review_due, start_asked_at, lapses_at, look_at, \
         extension, extension_count, known_as, adopted_from, owner) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, \
         $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38) RETURNING *",
        "$39",
        "$40"
    ));
    let ending = grant.ending.as_ref();
    let query = bind_key(query, &grant.assignment_key())
        .bind(grant.id.as_str().to_owned())
        .bind(grant.state.as_str())
        .bind(count_to_column(grant.people_count))
        .bind(grant.requester.caller.as_str().to_owned())
        .bind(grant.requester.subject.as_str().to_owned())
        .bind(grant.justification.as_str().to_owned())
        .bind(grant.ticket.as_str().to_owned())
        .bind(to_json(&grant.policies)?)
        .bind(grant.policy_version.clone())
        .bind(grant.duration.map(duration_microseconds))
        .bind(microseconds(grant.created_at))
        .bind(microseconds_or_null(grant.started_at))
        .bind(microseconds_or_null(grant.end_at))
        .bind(microseconds_or_null(grant.ended_at))
        .bind(ending.map(|ending| ending.kind.as_str()))
        .bind(ending.and_then(|ending| ending.by.as_ref().map(|by| by.as_str().to_owned())))
        .bind(ending.map(|ending| ending.reason.as_str().to_owned()))
        .bind(ending.map(|ending| microseconds(ending.at)))
        .bind(grant.failure.as_ref().map(to_json).transpose()?)
        .bind(count_to_column(grant.version))
        .bind(grant.requester.service.clone())
        .bind(grant.requester.subject_proven)
        .bind(paths_to_column(&grant.paths)?)
        .bind(grant.break_glass)
        .bind(grant.review_due)
        .bind(microseconds_or_null(grant.start_asked_at))
        .bind(microseconds_or_null(grant.lapses_at))
        .bind(microseconds_or_null(grant.look_at))
        .bind(extension_column(grant)?)
        .bind(i64::from(grant.extension_count))
        .bind(grant.requester.known_as.clone())
        .bind(adopted_from(grant))
        .bind(owner(grant));
    // All rows are asked for, or the second statement would not be carried out.
    let rows = EventRow::bind(event, query).fetch_all(connection).await?;
    let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    grant_from_row(row)
}

fn adopted_from(grant: &Grant) -> Option<&'static str> {
    let adoption = grant.adoption.as_ref();
    adoption.map(|adoption| adoption.standing_before.as_str())
}

fn owner(grant: &Grant) -> Option<String> {
    let owner = grant.adoption.as_ref()?.owner.as_ref();
    owner.map(ToString::to_string)
}

fn extension_column(grant: &Grant) -> Result<Option<String>, StoreError> {
    grant
        .extension
        .as_ref()
        .map(extension_to_column)
        .transpose()
}

/// Writes what can change in a grant's life; what was asked for never does.
pub(in crate::store) async fn update_grant(
    connection: &mut Connection<'_>,
    grant: &Grant,
    event: Option<EventRow>,
) -> Result<Grant, StoreError> {
    let ending = grant.ending.as_ref();
    let query = query(with_event!(
        "UPDATE grants SET state = $2, started_at = $3, end_at = $4, ended_at = $5, \
         ending_kind = $6, ending_by = $7, ending_reason = $8, ending_at = $9, failure = $10, \
         version = $11, policies = $12, policy_version = $13, duration_microseconds = $14, \
         review_due = $15, look_at = $16, extension = $17, extension_count = $18, \
         adopted_from = $19 \
         WHERE id = $1 AND version = $11 - 1 RETURNING *",
        "$20",
        "$21"
    ))
    .bind(grant.id.as_str().to_owned())
    .bind(grant.state.as_str())
    .bind(microseconds_or_null(grant.started_at))
    .bind(microseconds_or_null(grant.end_at))
    .bind(microseconds_or_null(grant.ended_at))
    .bind(ending.map(|ending| ending.kind.as_str()))
    .bind(ending.and_then(|ending| ending.by.as_ref().map(|by| by.as_str().to_owned())))
    .bind(ending.map(|ending| ending.reason.as_str().to_owned()))
    .bind(ending.map(|ending| microseconds(ending.at)))
    .bind(grant.failure.as_ref().map(to_json).transpose()?)
    .bind(count_to_column(grant.version))
    .bind(to_json(&grant.policies)?)
    .bind(grant.policy_version.clone())
    .bind(grant.duration.map(duration_microseconds))
    .bind(grant.review_due)
    .bind(microseconds_or_null(grant.look_at))
    .bind(extension_column(grant)?)
    .bind(i64::from(grant.extension_count))
    .bind(adopted_from(grant));
    let rows = EventRow::bind(event, query).fetch_all(connection).await?;
    // INVARIANT: a grant changes only together with its record, whose version was just compared;
    // a second comparison costs nothing and keeps one grant from two terminal decisions.
    match rows.first() {
        Some(row) => grant_from_row(row),
        None => Err(StoreError::Stale),
    }
}
