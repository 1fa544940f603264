//! The control endpoint's account side: permission sets behind everybody's back, and the operations
//! in progress.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::account_assignments::PermissionSet;
use super::control::{ControlAnswer, bad_request, changed, read};
use super::patterns;
use super::state::State;

/// Adds a permission set, or changes the given fields of the one with this ARN.
pub(super) fn put_permission_set(state: &mut State, body: &[u8]) -> ControlAnswer {
    let arn = named_arn(body)?;
    let sets = &mut state.store.account_side.permission_sets;
    let row: PermissionSet = match sets.get(&arn) {
        Some(present) => changed(present, body)?,
        None => read(body)?,
    };
    let shape = &patterns::PERMISSION_SET_ARN;
    if let Some(constraint) = shape.violation(&row.permission_set_arn) {
        return Err(bad_request(format!("permission_set_arn: {constraint}")));
    }
    if !state.store.instances.contains_key(&row.instance_arn) {
        let instance = &row.instance_arn;
        return Err(bad_request(format!("there is no instance {instance}")));
    }
    let reply = json!(row);
    sets.insert(arn, row);
    Ok(reply)
}

/// Takes a permission set and its account assignments away.
pub(super) fn delete_permission_set(state: &mut State, body: &[u8]) -> ControlAnswer {
    let arn = named_arn(body)?;
    if state.store.account_side.remove_permission_set(&arn) {
        return Ok(json!({}));
    }
    let message = format!("there is no permission set {arn}");
    Err((StatusCode::NOT_FOUND, message))
}

/// The account assignment operations in progress, and the most that there ever were at one time.
pub(super) fn show_outstanding(state: &State) -> ControlAnswer {
    let ids: Vec<&String> = state.asynchronous.in_progress().map(|(id, _)| id).collect();
    Ok(json!({
        "request_ids": ids,
        "outstanding_assignments_max_seen": state.asynchronous.outstanding_max_seen(),
    }))
}

fn named_arn(body: &[u8]) -> Result<String, (StatusCode, String)> {
    let fields = read::<Map<String, Value>>(body)?;
    let arn = fields.get("permission_set_arn").and_then(Value::as_str);
    Ok(arn.unwrap_or_default().to_owned())
}
