//! The control endpoint, `/_control/…` on the simulator's own port: switches, settings, faults, log
//! and world as JSON. For tests and people; nothing of it exists at AWS. docs/simulator.md is its
//! manual.

use http::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::control_accounts::{delete_permission_set, put_permission_set, show_outstanding};
use super::faults::Fault;
use super::patterns;
use super::state::{Shared, State};
use super::world::{Application, EnabledStatus};

/// What comes before the words below.
pub(super) const PATH: &str = "/_control/";

/// Calls in one answer unless `limit` says otherwise.
const CALLS_SHOWN: usize = 10_000;

pub(super) type ControlAnswer = Result<Value, (StatusCode, String)>;

/// Answers one request.
pub(super) fn answer(
    shared: &Shared,
    method: &Method,
    path: &str,
    query: &str,
    body: &[u8],
) -> (StatusCode, Value) {
    let mut state = shared.state();
    match route(&mut state, method.as_str(), path, query, body) {
        Ok(reply) => (StatusCode::OK, reply),
        Err((status, message)) => (status, json!({"error": message})),
    }
}

fn route(state: &mut State, method: &str, path: &str, query: &str, body: &[u8]) -> ControlAnswer {
    let parts: Vec<&str> = path.split('/').collect();
    match (method, parts.as_slice()) {
        ("GET", ["health"]) => Ok(json!({"status": "serving"})),
        ("GET", ["switches"]) => Ok(json!(state.switches)),
        ("PUT", ["switches"]) => {
            let switches = changed(&state.switches, body)?;
            state.set_switches(switches);
            Ok(json!(state.switches))
        }
        ("GET", ["settings"]) => Ok(json!(state.settings)),
        ("PUT", ["settings"]) => {
            let settings = changed(&state.settings, body)?;
            state.set_settings(settings).map_err(bad_request)?;
            Ok(json!(state.settings))
        }
        ("GET", ["faults"]) => Ok(json!({"faults": state.faults.list()})),
        ("POST", ["faults"]) => add_fault(state, read(body)?),
        ("DELETE", ["faults"]) => {
            state.faults.clear();
            Ok(json!({}))
        }
        ("GET", ["log"]) => show_log(state, query),
        ("DELETE", ["log"]) => {
            state.log.clear();
            Ok(json!({}))
        }
        ("GET", ["world"]) => Ok(json!(state.store.to_world())),
        ("POST", ["users", id, "status"]) => set_user_status(state, id, body),
        ("POST", ["applications"]) => put_application(state, body),
        ("DELETE", ["applications"]) => delete_application(state, body),
        ("POST", ["permission_sets"]) => put_permission_set(state, body),
        ("DELETE", ["permission_sets"]) => delete_permission_set(state, body),
        ("GET", ["outstanding_assignments"]) => show_outstanding(state),
        _ => Err((
            StatusCode::NOT_FOUND,
            format!("nothing is done by {method} {PATH}{path}"),
        )),
    }
}

pub(super) fn bad_request(message: impl Into<String>) -> (StatusCode, String) {
    (StatusCode::BAD_REQUEST, message.into())
}

pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, (StatusCode, String)> {
    serde_json::from_slice(body).map_err(|error| bad_request(error.to_string()))
}

/// The present value with the given fields changed.
pub(super) fn changed<T: Serialize + DeserializeOwned>(
    present: &T,
    body: &[u8],
) -> Result<T, (StatusCode, String)> {
    let mut merged = json!(present);
    if let Some(merged) = merged.as_object_mut() {
        merged.extend(read::<Map<String, Value>>(body)?);
    }
    serde_json::from_value(merged).map_err(|error| bad_request(error.to_string()))
}

fn add_fault(state: &mut State, fault: Fault) -> ControlAnswer {
    if fault.operation != "*" && !super::operations::is_known(&fault.operation) {
        return Err(bad_request(format!(
            "there is no operation {}",
            fault.operation
        )));
    }
    let named = fault.operation.as_str();
    let fits = named == "*" || super::operations::is_asynchronous(named);
    if fault.action.is_asynchronous() && !fits {
        return Err(bad_request(format!(
            "{named} does not go on after its call"
        )));
    }
    if !(0.0..=1.0).contains(&fault.probability) {
        return Err(bad_request("probability must be between 0 and 1"));
    }
    let seed = state.settings.seed;
    state.faults.add(fault, seed);
    Ok(json!({"faults": state.faults.list().len()}))
}

fn show_log(state: &State, query: &str) -> ControlAnswer {
    let number = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        match pairs.find(|(key, _)| *key == name) {
            None => Ok(None),
            Some((_, text)) => text
                .parse::<u64>()
                .map(Some)
                .map_err(|_| bad_request(format!("{name} must be a whole number, not {text}"))),
        }
    };
    let since = number("since")?.unwrap_or_default();
    let limit = number("limit")?.and_then(|limit| usize::try_from(limit).ok());
    let calls: Vec<_> = state
        .log
        .since(since)
        .take(limit.unwrap_or(CALLS_SHOWN))
        .collect();
    Ok(json!({"calls": calls, "dropped": state.log.dropped()}))
}

fn set_user_status(state: &mut State, id: &str, body: &[u8]) -> ControlAnswer {
    let mut fields = read::<Map<String, Value>>(body)?;
    let status: Option<EnabledStatus> =
        serde_json::from_value(fields.remove("status").unwrap_or_default())
            .map_err(|error| bad_request(error.to_string()))?;
    if state
        .store
        .change_user(id, |user| user.user_status = status)
    {
        return Ok(json!({}));
    }
    Err((StatusCode::NOT_FOUND, format!("there is no user {id}")))
}

/// Adds an application, or changes the given fields of the one with this ARN.
fn put_application(state: &mut State, body: &[u8]) -> ControlAnswer {
    let fields = read::<Map<String, Value>>(body)?;
    let arn = fields
        .get("application_arn")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let application: Application = match state.store.applications.get(arn) {
        Some(present) => changed(present, body)?,
        None => read(body)?,
    };
    if let Some(constraint) = patterns::APPLICATION_ARN.violation(&application.application_arn) {
        return Err(bad_request(format!("application_arn: {constraint}")));
    }
    if !state
        .store
        .instances
        .contains_key(&application.instance_arn)
    {
        return Err(bad_request(format!(
            "there is no instance {}",
            application.instance_arn
        )));
    }
    let reply = json!(application);
    state
        .store
        .applications
        .insert(application.application_arn.clone(), application);
    Ok(reply)
}

fn delete_application(state: &mut State, body: &[u8]) -> ControlAnswer {
    let fields = read::<Map<String, Value>>(body)?;
    let arn = fields
        .get("application_arn")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if state.store.remove_application(arn) {
        return Ok(json!({}));
    }
    Err((
        StatusCode::NOT_FOUND,
        format!("there is no application {arn}"),
    ))
}
