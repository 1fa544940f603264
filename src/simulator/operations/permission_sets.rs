//! sso-admin: permission sets (aws-api.md §3c).

use serde_json::{Map, Value, json};

use super::super::account_assignments::PermissionSet;
use super::super::failure::{Failure, Service};
use super::super::input::Input;
use super::super::patterns;
use super::super::world::Instance;
use super::{Context, ROWS_AT_MOST, put, read_paging};

/// Permission sets of an instance (aws-api.md §4).
const PERMISSION_SETS_AT_MOST: usize = 3_500;
/// Tags of a new permission set, by the model.
const TAGS_AT_MOST: usize = 75;

pub(super) fn list_permission_sets(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let instance_arn = input.required_text("InstanceArn", &patterns::INSTANCE_ARN);
    let max_results = read_paging(input, Service::SsoAdmin);
    input.finish()?;
    context.organization_instance(&instance_arn)?;
    let page = context.page(input, max_results, ROWS_AT_MOST)?;
    let after = page.after();
    let rows = (context.store.account_side.permission_sets.values())
        .filter(|row| row.instance_arn == instance_arn)
        .map(|row| row.permission_set_arn.clone())
        .filter(|arn| after.is_none_or(|after| arn.as_str() > after))
        .map(|arn| (arn.clone(), json!(arn)));
    let page = page.cut(context.settings, rows);
    Ok(context.list_reply(input, "PermissionSets", page))
}

pub(super) fn describe_permission_set(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let (instance_arn, permission_set_arn) = read_names(input);
    input.finish()?;
    let row = context.permission_set(&instance_arn, &permission_set_arn)?;
    Ok(permission_set_reply(row))
}

pub(super) fn create_permission_set(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let instance_arn = input.required_text("InstanceArn", &patterns::INSTANCE_ARN);
    let name = input.required_text("Name", &patterns::PERMISSION_SET_NAME);
    let description = input.text("Description", &patterns::PERMISSION_SET_DESCRIPTION);
    let session_duration = input.text("SessionDuration", &patterns::SESSION_DURATION);
    let relay_state = input.text("RelayState", &patterns::RELAY_STATE);
    // Tags are checked and then forgotten: nothing that the simulator knows shows them.
    input.structures("Tags", 0, TAGS_AT_MOST, |tag| {
        tag.required_text("Key", &patterns::ANY);
        tag.required_text("Value", &patterns::ANY);
    });
    input.finish()?;
    context.organization_instance(&instance_arn)?;
    let sets = &context.store.account_side.permission_sets;
    let of_instance = || sets.values().filter(|row| row.instance_arn == instance_arn);
    if of_instance().any(|row| row.name == name) {
        let message = format!("PermissionSet with name {name} already exists.");
        return Err(Failure::conflict(message));
    }
    if of_instance().count() >= PERMISSION_SETS_AT_MOST {
        return Err(Failure::new(
            "ServiceQuotaExceededException",
            format!("An instance can have at most {PERMISSION_SETS_AT_MOST} permission sets."),
        ));
    }
    let (head, instance_id) = instance_arn.split_once(":instance/").unwrap_or_default();
    let unique = uuid::Uuid::new_v4().simple().to_string();
    let row = PermissionSet {
        permission_set_arn: format!("{head}:permissionSet/{instance_id}/ps-{}", &unique[..16]),
        instance_arn,
        name,
        description,
        session_duration,
        relay_state,
        created_date_seconds: Some(context.now_seconds),
    };
    let reply = permission_set_reply(&row);
    context.changed = true;
    let sets = &mut context.store.account_side.permission_sets;
    sets.insert(row.permission_set_arn.clone(), row);
    Ok(reply)
}

pub(super) fn delete_permission_set(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let (instance_arn, permission_set_arn) = read_names(input);
    input.finish()?;
    context.permission_set(&instance_arn, &permission_set_arn)?;
    let awaited = (context.asynchronous.in_progress())
        .any(|(_, operation)| operation.assignment.permission_set_arn == permission_set_arn);
    let side = &mut context.store.account_side;
    if awaited || side.is_provisioned(&permission_set_arn) {
        return Err(Failure::conflict(
            "PermissionSet has ApplicationProfile associated with it.",
        ));
    }
    context.changed = side.remove_permission_set(&permission_set_arn);
    Ok(Value::Null)
}

fn read_names(input: &mut Input<'_>) -> (String, String) {
    (
        input.required_text("InstanceArn", &patterns::INSTANCE_ARN),
        input.required_text("PermissionSetArn", &patterns::PERMISSION_SET_ARN),
    )
}

fn permission_set_reply(row: &PermissionSet) -> Value {
    let mut members = Map::new();
    put(&mut members, "Name", Some(row.name.as_str()));
    let arn = row.permission_set_arn.as_str();
    put(&mut members, "PermissionSetArn", Some(arn));
    put(&mut members, "Description", row.description.as_deref());
    put(&mut members, "CreatedDate", row.created_date_seconds);
    let duration = row.session_duration.as_deref();
    put(&mut members, "SessionDuration", duration);
    put(&mut members, "RelayState", row.relay_state.as_deref());
    json!({ "PermissionSet": members })
}

impl Context<'_> {
    /// The instance that a call about accounts names: not an account instance (§5.8).
    pub(super) fn organization_instance(&self, instance_arn: &str) -> Result<&Instance, Failure> {
        let instance = self.instance(instance_arn)?;
        if self.store.is_account_instance(instance) {
            return Err(Failure::validation(format!(
                "The operation is not supported for the account instance {instance_arn}."
            )));
        }
        Ok(instance)
    }

    /// The permission set that a call names, of the instance that it names.
    pub(super) fn permission_set(
        &self,
        instance_arn: &str,
        permission_set_arn: &str,
    ) -> Result<&PermissionSet, Failure> {
        self.organization_instance(instance_arn)?;
        let sets = &self.store.account_side.permission_sets;
        let found = sets.get(permission_set_arn);
        found
            .filter(|row| row.instance_arn == instance_arn)
            .ok_or_else(|| {
                Failure::not_found(format!(
                    "Could not find PermissionSet with ARN {permission_set_arn}."
                ))
            })
    }
}
