//! sso-admin: instances and the catalogue of application providers (aws-api.md §3a).

use serde_json::{Map, Value, json};

use super::super::failure::{Failure, Service};
use super::super::input::Input;
use super::super::patterns;
use super::super::views::is_in_region;
use super::super::world::Instance;
use super::{Context, ROWS_AT_MOST, put, read_paging};

/// Instances on a page: the model's limit, whatever MaxResults says.
const INSTANCES_AT_MOST: usize = 10;

pub(super) fn list_instances(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let scope = input.text("RegionScope", &patterns::REGION_SCOPE);
    let max_results = read_paging(input, Service::SsoAdmin);
    input.finish()?;
    let page = context.page(input, max_results, INSTANCES_AT_MOST)?;
    let after = page.after();
    let everywhere = scope.as_deref() == Some("ALL_REGIONS");
    let (caller, switches) = (&context.identity.caller, context.switches);
    let rows = (context.store.instances.values())
        .filter(|row| everywhere || is_in_region(context.identity, row))
        .filter(|row| context.store.sees(caller, row, switches))
        .filter(|row| after.is_none_or(|after| row.instance_arn.as_str() > after))
        .map(|row| {
            (
                row.instance_arn.clone(),
                Value::Object(instance_members(row)),
            )
        });
    let page = page.cut(context.settings, rows);
    Ok(context.list_reply(input, "Instances", page))
}

pub(super) fn describe_instance(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let instance_arn = input.required_text("InstanceArn", &patterns::INSTANCE_ARN);
    input.finish()?;
    let instance = context.known_instance(&instance_arn)?;
    let caller = &context.identity.caller;
    if !context.store.sees(caller, instance, context.switches) {
        return Err(context.not_authorized(&instance_arn));
    }
    let mut reply = instance_members(instance);
    let encryption = json!({"KeyType": "AWS_OWNED_KMS_KEY", "EncryptionStatus": "ENABLED"});
    reply.insert("EncryptionConfigurationDetails".to_owned(), encryption);
    Ok(Value::Object(reply))
}

fn instance_members(row: &Instance) -> Map<String, Value> {
    let mut reply = Map::new();
    put(&mut reply, "InstanceArn", Some(row.instance_arn.as_str()));
    put(
        &mut reply,
        "IdentityStoreId",
        Some(row.identity_store_id.as_str()),
    );
    put(
        &mut reply,
        "IdentityStoreArn",
        Some(row.identity_store_arn()),
    );
    put(
        &mut reply,
        "OwnerAccountId",
        Some(row.owner_account_id.as_str()),
    );
    put(&mut reply, "Name", row.name.as_deref());
    put(&mut reply, "CreatedDate", row.created_date_seconds);
    put(&mut reply, "Status", Some(json!(row.status)));
    put(&mut reply, "PrimaryRegion", row.primary_region.as_deref());
    reply
}

pub(super) fn list_application_providers(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let max_results = read_paging(input, Service::SsoAdmin);
    input.finish()?;
    let page = context.page(input, max_results, ROWS_AT_MOST)?;
    let after = page.after();
    let rows = (context.store.providers.values())
        .filter(|row| after.is_none_or(|after| row.application_provider_arn.as_str() > after))
        .map(|row| {
            let reply = json!({
                "ApplicationProviderArn": row.application_provider_arn,
                "FederationProtocol": row.federation_protocol,
                "DisplayData": {"DisplayName": row.display_name},
            });
            (row.application_provider_arn.clone(), reply)
        });
    let page = page.cut(context.settings, rows);
    Ok(context.list_reply(input, "ApplicationProviders", page))
}
