//! One sending of one call, with what its client was told: kept in memory and, line by line, for the history checker.
//! Beside what one process may say, a replica may say that the database is gone or the time is up.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tonic::Status;
use usher::grpc::pb::access_service_client::AccessServiceClient;
use usher::grpc::pb::{AssignRequest, AssignmentReference, RevokeRequest, revoke_request};

use super::common::asked::{Asked, Told, Wish, epoch_seconds};
use super::common::{TokenChannel, reason, revoke_of, within};

/// After these a client knows nothing, or that nothing was recorded; in both cases it may ask again. A connection that
/// broke, or a deadline that passed at the client, has no reason.
const MAY_BE_ASKED_AGAIN: [&str; 9] = [
    "",
    "AWS_UNAVAILABLE",
    "AWS_BUDGET_EXHAUSTED",
    "USHER_ROLE_LACKS_PERMISSION",
    "USHER_CREDENTIALS_INVALID",
    "STORE_UNAVAILABLE",
    "SHUTTING_DOWN",
    "DEADLINE_EXCEEDED",
    "CALLER_CONCURRENCY_LIMITED",
];

/// Every sending with its answer, in the order of the answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answers(Arc<Mutex<Vec<Value>>>);

impl Answers {
    /// As JSON Lines.
    pub(crate) fn to_lines(&self) -> String {
        let lines = self.0.lock().expect("no panic");
        lines.iter().map(|line| format!("{line}\n")).collect()
    }

    fn add(&self, line: Value) {
        self.0.lock().expect("no panic").push(line);
    }
}

/// Sends a call and keeps what was told.
pub(crate) async fn send(
    asked: &mut Asked,
    channel: TokenChannel,
    call_time: Duration,
    answers: &Answers,
) {
    let mut client = AccessServiceClient::new(channel);
    let began_at = epoch_seconds();
    let answer = match &asked.wish {
        Wish::Give { duration } => {
            let request = AssignRequest {
                duration: duration.map(|time| time.try_into().expect("a duration")),
                ..assign(asked)
            };
            let answer = client.assign(within(request, call_time)).await;
            answer.map(|answer| answer.into_inner().grant.map(|grant| grant.id))
        }
        Wish::GiveLater { begins_at } => {
            let request = AssignRequest {
                start_time: Some((*begins_at).into()),
                ..assign(asked)
            };
            let answer = client.assign(within(request, call_time)).await;
            answer.map(|answer| answer.into_inner().grant.map(|grant| grant.id))
        }
        Wish::EndGrant { .. } | Wish::EndAssignment => {
            let answer = client.revoke(within(revoke(asked), call_time)).await;
            answer.map(|_| None)
        }
    };
    asked.ended = Instant::now();
    answers.add(line(asked, began_at, &answer));
    match answer {
        Ok(grant_id) => {
            asked.told = Told::Ok { grant_id };
            asked.answered = Some(asked.ended);
        }
        Err(status) if reason(&status) == "ASSIGNMENT_NOT_FOUND" => {
            asked.told = Told::NothingThere;
        }
        Err(status) => assert!(
            MAY_BE_ASKED_AGAIN.contains(&reason(&status).as_str()),
            "{asked:#?}: {status:?}"
        ),
    }
}

fn request_id(asked: &Asked) -> String {
    match asked.has_request_id {
        true => asked.ticket(),
        false => String::new(),
    }
}

fn assign(asked: &Asked) -> AssignRequest {
    AssignRequest {
        principal: Some(asked.goal.principal.clone()),
        target: Some(asked.goal.target.clone()),
        justification: "a test".to_owned(),
        ticket: asked.ticket(),
        request_id: request_id(asked),
        ..AssignRequest::default()
    }
}

fn revoke(asked: &Asked) -> RevokeRequest {
    let request = match &asked.wish {
        Wish::EndGrant { grant_id } => revoke_of(grant_id),
        _ => RevokeRequest {
            revocation: Some(revoke_request::Revocation::Assignment(
                AssignmentReference {
                    principal: Some(asked.goal.principal.clone()),
                    target: Some(asked.goal.target.clone()),
                },
            )),
            reason: "a test".to_owned(),
            ..RevokeRequest::default()
        },
    };
    RevokeRequest {
        request_id: request_id(asked),
        ..request
    }
}

/// As the history checker reads it.
fn line(asked: &Asked, began_at: f64, answer: &Result<Option<String>, Status>) -> Value {
    let mut line = asked.goal.key.to_json();
    let (call, duration, asked_grant_id) = match &asked.wish {
        Wish::Give { duration } => ("assign", duration.map(|time| time.as_secs_f64()), None),
        Wish::GiveLater { .. } => ("assign", None, None),
        Wish::EndGrant { grant_id } => ("revoke_grant", None, Some(grant_id)),
        Wish::EndAssignment => ("revoke_assignment", None, None),
    };
    line["call"] = json!(call);
    line["request_id"] = json!(request_id(asked));
    line["duration_seconds"] = json!(duration);
    line["asked_grant_id"] = json!(asked_grant_id);
    line["ticket"] = json!(asked.ticket());
    line["began_at"] = json!(began_at);
    line["ended_at"] = json!(epoch_seconds());
    match answer {
        Ok(grant_id) => {
            line["answer"] = json!("OK");
            line["grant_id"] = json!(grant_id);
        }
        Err(status) => {
            line["answer"] = json!(format!("{:?}", status.code()));
            line["reason"] = json!(reason(status));
        }
    }
    line
}
