//! sts: who the caller is. Needs no permission (aws-api.md §3e). The reply becomes XML on the wire.

use serde_json::{Value, json};

use super::super::failure::Failure;
use super::super::input::Input;
use super::Context;

pub(super) fn get_caller_identity(
    context: &mut Context<'_>,
    _input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let caller = &context.store.caller;
    Ok(json!({"Arn": caller.arn, "UserId": caller.user_id, "Account": caller.account_id}))
}
