//! sso-admin: the status of account assignment operations (aws-api.md §3c). Describe tells the truth
//! of the moment; the lists may lag behind it by a setting.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::asynchronous::{AsynchronousKind, AsynchronousOperation, AsynchronousStatus};
use super::super::failure::{Failure, Service};
use super::super::input::Input;
use super::super::patterns;
use super::{Context, ROWS_AT_MOST, put, read_paging};

pub(super) fn describe_creation(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let member = "AccountAssignmentCreationRequestId";
    let reply = describe(context, input, AsynchronousKind::Creation, member)?;
    Ok(json!({ "AccountAssignmentCreationStatus": reply }))
}

pub(super) fn describe_deletion(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let member = "AccountAssignmentDeletionRequestId";
    let reply = describe(context, input, AsynchronousKind::Deletion, member)?;
    Ok(json!({ "AccountAssignmentDeletionStatus": reply }))
}

fn describe(
    context: &Context<'_>,
    input: &mut Input<'_>,
    kind: AsynchronousKind,
    member: &str,
) -> Result<Value, Failure> {
    let instance_arn = input.required_text("InstanceArn", &patterns::INSTANCE_ARN);
    let request_id = input.required_text(member, &patterns::REQUEST_ID);
    input.finish()?;
    context.organization_instance(&instance_arn)?;
    let found = context.asynchronous.get(&request_id);
    let operation = found.filter(|row| row.kind == kind && row.instance_arn == instance_arn);
    match operation {
        Some(operation) => Ok(status_reply(&request_id, operation, operation.status)),
        None => Err(Failure::not_found(format!(
            "Request with ID {request_id} is not found."
        ))),
    }
}

/// `AccountAssignmentOperationStatus` of the model.
pub(super) fn status_reply(
    request_id: &str,
    operation: &AsynchronousOperation,
    status: AsynchronousStatus,
) -> Value {
    let row = &operation.assignment;
    let mut reply = Map::new();
    put(&mut reply, "Status", Some(json!(status)));
    put(&mut reply, "RequestId", Some(request_id));
    let reason = operation.failure_reason.as_deref();
    put(&mut reply, "FailureReason", reason);
    put(&mut reply, "TargetId", Some(row.account_id.as_str()));
    put(&mut reply, "TargetType", Some("AWS_ACCOUNT"));
    let set = row.permission_set_arn.as_str();
    put(&mut reply, "PermissionSetArn", Some(set));
    let kind = row.principal_type.as_str();
    put(&mut reply, "PrincipalType", Some(kind));
    put(&mut reply, "PrincipalId", Some(row.principal_id.as_str()));
    put(
        &mut reply,
        "CreatedDate",
        Some(operation.created_at_seconds),
    );
    Value::Object(reply)
}

pub(super) fn list_creations(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let member = "AccountAssignmentsCreationStatus";
    list(context, input, AsynchronousKind::Creation, member)
}

pub(super) fn list_deletions(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let member = "AccountAssignmentsDeletionStatus";
    list(context, input, AsynchronousKind::Deletion, member)
}

fn list(
    context: &Context<'_>,
    input: &mut Input<'_>,
    kind: AsynchronousKind,
    member: &str,
) -> Result<Value, Failure> {
    let instance_arn = input.required_text("InstanceArn", &patterns::INSTANCE_ARN);
    let filter = input.structure("Filter", |filter| {
        filter.text("Status", &patterns::OPERATION_STATUS)
    });
    let max_results = read_paging(input, Service::SsoAdmin);
    input.finish()?;
    context.organization_instance(&instance_arn)?;
    let wanted = filter.flatten();
    let page = context.page(input, max_results, ROWS_AT_MOST)?;
    let after = page.after();
    let lag = Duration::from_millis(context.settings.status_visibility_milliseconds);
    let shown_at_seconds = context.now_seconds - lag.as_secs_f64();
    let rows = (context.asynchronous.iter())
        .filter(|(_, row)| row.kind == kind && row.instance_arn == instance_arn)
        .filter(|(id, _)| after.is_none_or(|after| id.as_str() > after))
        .filter_map(|(id, row)| {
            let status = json!(row.status_at(shown_at_seconds)?);
            let fits = (wanted.as_deref()).is_none_or(|wanted| status == wanted);
            let created = row.created_at_seconds;
            let reply = json!({"Status": status, "RequestId": id, "CreatedDate": created});
            fits.then(|| (id.clone(), reply))
        });
    let page = page.cut(context.settings, rows);
    Ok(context.list_reply(input, member, page))
}
