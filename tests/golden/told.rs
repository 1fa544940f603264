//! The words of the table: what an answer comes to, in as few words as a reader needs.

use std::collections::BTreeMap;

use serde_json::Value;
use tonic::Code;

use crate::wire::Answer;

/// A refusal: the code, and the reason where the code alone does not tell.
pub(crate) fn refusal(answer: &Answer) -> String {
    let reason = answer.reason();
    let code = match answer.code() {
        Code::NotFound => "NOT_FOUND",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::Unauthenticated => "UNAUTHENTICATED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        other => return format!("{other:?} {reason} {}", answer.status().message()),
    };
    match reason.as_str() {
        "POLICY_DENIED" | "CREDENTIAL_MISSING" => code.to_owned(),
        "PATH_LIMITS_EXCEEDED" => format!("{code} (limits)"),
        other => {
            let what = other.strip_suffix("_NOT_FOUND").unwrap_or(other);
            format!("{code} ({})", what.to_lowercase())
        }
    }
}

/// The rows of a list; of a report, those of all its parts. None where the answer is no list.
pub(crate) fn rows(call: &str, messages: &[Value]) -> Option<Vec<Value>> {
    if call == "AccessService/AuditReport" {
        let parts = messages
            .iter()
            .filter_map(|part| part["rows"]["rows"].as_array());
        return Some(parts.flatten().cloned().collect());
    }
    if call == "GrantService/WatchGrants" {
        let told = messages.iter().map(|message| message["grant"].clone());
        let by_id = told.filter(Value::is_object);
        let by_id = by_id.map(|grant| (grant["id"].to_string(), grant));
        return Some(BTreeMap::from_iter(by_id).into_values().collect());
    }
    // The log grows while it is looked at: how much of it is seen is no number.
    if !call.contains("/List") || call.starts_with("EventService/") {
        return None;
    }
    let lists = messages[0].as_object().unwrap().values();
    let mut lists = lists.filter_map(Value::as_array);
    Some(lists.next().cloned().unwrap_or_default())
}

/// Whether a row is about this user, or asked for by it.
fn is_own(row: &Value, user_id: &str) -> bool {
    row["principal"]["id"] == user_id || row["subject"] == format!("user:{user_id}")
}

/// What Assign answers: OK, or that it waits for somebody to agree.
pub(crate) fn asked(message: &Value) -> String {
    let waits = match (message.get("grant"), message.get("preview")) {
        (Some(grant), _) => {
            let state = &grant["state"];
            assert!(state == "GRANT_STATE_ACTIVE" || state == "GRANT_STATE_PENDING_APPROVAL");
            state == "GRANT_STATE_PENDING_APPROVAL"
        }
        (None, preview) => preview.is_some_and(|it| it.get("policies").is_none()),
    };
    if waits { "OK, waits" } else { "OK" }.to_owned()
}

/// What a call that answers each of its rows by itself says of the first.
pub(crate) fn told_of(result: &Value) -> String {
    match result["error_reason"].as_str() {
        None => "OK".to_owned(),
        Some(reason) => format!("refused ({})", reason.to_lowercase()),
    }
}

/// How much of a list is seen; `all` is what the auditor sees, and its number stands in the table.
pub(crate) fn seen(rows: &[Value], all: &[Value], user_id: Option<&str>) -> String {
    let own = |row: &&Value| user_id.is_some_and(|id| is_own(row, id));
    let (own_of_all, own_seen) = (
        all.iter().filter(own).count(),
        rows.iter().filter(own).count(),
    );
    let count = all.len();
    if rows.is_empty() {
        format!("none of {count}")
    } else if own_seen == rows.len() && own_seen == own_of_all {
        format!("own {own_seen} of {count}")
    } else if rows.len() == count {
        format!("all {count}")
    } else {
        format!("{} of {count}, {own_seen} own", rows.len())
    }
}

/// What WhoAmI says.
pub(crate) fn oneself(message: &Value) -> String {
    let may: Vec<&str> = (message["allowed_actions"].as_array())
        .map(|actions| actions.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let name = message["user"]["name"].as_str().unwrap_or("no user");
    format!(
        "{name}: {}",
        if may.is_empty() {
            "-".to_owned()
        } else {
            may.join(", ")
        }
    )
}

/// What ExplainAccess says: whether, and how many grants are shown behind it.
pub(crate) fn explained(message: &Value) -> String {
    let answer = message["answer"]
        .as_str()
        .unwrap_or("ACCESS_ANSWER_UNSPECIFIED");
    let answer = answer.trim_start_matches("ACCESS_ANSWER_").to_lowercase();
    let paths = message["paths"].as_array().into_iter().flatten();
    let grants = paths.filter_map(|path| path["grants"].as_array());
    match grants.map(Vec::len).sum::<usize>() {
        0 => answer,
        1 => format!("{answer}, by a grant"),
        count => format!("{answer}, by {count} grants"),
    }
}
