//! Adoptions between the wire and the use cases. A row that is refused is told beside the others.

use super::fields::{Fields, hash_of};
use super::wishes::{policy_path, request_id, required_reason};
use crate::app::{Adopt, AdoptRow, AdoptedRow, AppError, GrantView};
use crate::domain::text::check_user_name;
use crate::domain::{Adoption, GrantId, GrantState, Justification, RequestId, Standing, Ticket};
use crate::grpc::pb;
use crate::grpc::status::reason_and_text;

/// Rows of one call: each costs a few AWS operations, and the call has a deadline.
const ROWS_MAX: usize = 100;

pub(in crate::grpc) fn adopt(message: pb::AdoptAssignmentsRequest) -> Result<Adopt, AppError> {
    let mut fields = Fields::default();
    fields.instance(&message.instance);
    if message.adoptions.is_empty() || message.adoptions.len() > ROWS_MAX {
        fields.refuse("adoptions", "must be 1 to 100; split a longer list");
        return fields.finish(None);
    }
    let request_id = request_id(&mut fields, &message.request_id);
    let mut rows = Vec::new();
    for (number, adoption) in message.adoptions.into_iter().enumerate() {
        let id = request_id.as_ref();
        let id = id.and_then(|id| RequestId::parse(&format!("{id}#{number}")).ok());
        if id.is_none() && request_id.is_some() {
            fields.refuse("request_id", "must be at most 120 characters");
        }
        rows.push(row(&mut fields, &message.instance, number, adoption, id));
    }
    let rows: Option<Vec<AdoptRow>> = rows.into_iter().collect();
    fields.finish(rows.map(|rows| Adopt {
        instance: message.instance,
        rows,
        validate_only: message.validate_only,
    }))
}

fn row(
    fields: &mut Fields,
    instance: &str,
    number: usize,
    adoption: pb::Adoption,
    request_id: Option<RequestId>,
) -> Option<AdoptRow> {
    let place = |name: &str| format!("adoptions[{number}].{name}");
    let content = pb::AdoptAssignmentsRequest {
        instance: instance.to_owned(),
        adoptions: vec![adoption.clone()],
        ..pb::AdoptAssignmentsRequest::default()
    };
    let principal = fields.principal(&place("principal"), adoption.principal);
    let target = fields.target(&place("target"), adoption.target);
    let duration = fields.grant_duration(&place("duration"), adoption.duration);
    let justification = Justification::parse(&adoption.justification);
    let justification = fields.take(&place("justification"), justification);
    let ticket = fields.take(&place("ticket"), Ticket::parse(&adoption.ticket));
    if !adoption.owner.is_empty() {
        fields.take(&place("owner"), check_user_name(&adoption.owner));
    }
    Some(AdoptRow {
        principal: principal?,
        target: target?,
        owner: adoption.owner,
        duration,
        justification: justification?,
        ticket: ticket?,
        request_id,
        content_hash: hash_of("AdoptAssignments", &content),
    })
}

pub(in crate::grpc) fn adopt_response(rows: Vec<AdoptedRow>) -> pb::AdoptAssignmentsResponse {
    let result = |row: AdoptedRow| match row {
        AdoptedRow::Recorded(view) => pb::AdoptionResult {
            outcome: outcome_of(view.grant.state).into(),
            grant: Some(super::grant(*view)),
            ..pb::AdoptionResult::default()
        },
        AdoptedRow::WouldBe(at_once, paths) => pb::AdoptionResult {
            outcome: if at_once {
                pb::AdoptionOutcome::WouldBeAdopted.into()
            } else {
                pb::AdoptionOutcome::WouldWait.into()
            },
            paths: paths.into_iter().map(policy_path).collect(),
            ..pb::AdoptionResult::default()
        },
        AdoptedRow::Refused(error) => {
            let (error_reason, error_message) = reason_and_text(&error);
            pb::AdoptionResult {
                outcome: pb::AdoptionOutcome::Refused.into(),
                error_reason,
                error_message,
                ..pb::AdoptionResult::default()
            }
        }
    };
    pb::AdoptAssignmentsResponse {
        results: rows.into_iter().map(result).collect(),
    }
}

fn outcome_of(state: GrantState) -> pb::AdoptionOutcome {
    if state.is_over() {
        pb::AdoptionOutcome::Over
    } else if state.is_waiting() {
        pb::AdoptionOutcome::Waits
    } else {
        pb::AdoptionOutcome::Adopted
    }
}

pub(in crate::grpc) fn release(
    message: &pb::ReleaseGrantsRequest,
) -> Result<(Vec<GrantId>, Justification), AppError> {
    let mut fields = Fields::default();
    if message.grant_ids.is_empty() || message.grant_ids.len() > ROWS_MAX {
        fields.refuse("grant_ids", "must be 1 to 100; split a longer list");
        return fields.finish(None);
    }
    let ids = message.grant_ids.iter().enumerate();
    let ids: Vec<Option<GrantId>> = ids
        .map(|(number, id)| fields.take(&format!("grant_ids[{number}]"), GrantId::parse(id)))
        .collect();
    let reason = required_reason(&mut fields, &message.reason);
    let ids: Option<Vec<GrantId>> = ids.into_iter().collect();
    fields.finish(ids.zip(reason))
}

pub(in crate::grpc) fn release_response(
    outcomes: Vec<Result<GrantView, AppError>>,
) -> pb::ReleaseGrantsResponse {
    let result = |outcome: Result<GrantView, AppError>| match outcome {
        Ok(view) => pb::ReleaseResult {
            grant: Some(super::grant(view)),
            ..pb::ReleaseResult::default()
        },
        Err(error) => {
            let (error_reason, error_message) = reason_and_text(&error);
            pb::ReleaseResult {
                error_reason,
                error_message,
                ..pb::ReleaseResult::default()
            }
        }
    };
    pb::ReleaseGrantsResponse {
        results: outcomes.into_iter().map(result).collect(),
    }
}

pub(super) fn adopted_from(adoption: Option<&Adoption>) -> pb::AdoptedFrom {
    match adoption.map(|adoption| adoption.standing_before) {
        None => pb::AdoptedFrom::Nothing,
        Some(Standing::Yes) => pb::AdoptedFrom::Standing,
        Some(Standing::Unknown | Standing::No) => pb::AdoptedFrom::Unrecorded,
    }
}
