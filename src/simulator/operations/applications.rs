//! sso-admin: applications and whether they ask for assignments (aws-api.md §3a, §5.1-§5.2).

use serde_json::{Map, Value, json};

use super::super::failure::{Failure, Service};
use super::super::input::Input;
use super::super::patterns;
use super::super::world::Application;
use super::{Context, put, read_paging};

/// Applications on a page: the model's limit, even with MaxResults 100.
const APPLICATIONS_AT_MOST: usize = 50;

pub(super) fn list_applications(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let instance_arn = input.required_text("InstanceArn", &patterns::INSTANCE_ARN);
    let filter = input.structure("Filter", |filter| {
        let account = filter.text("ApplicationAccount", &patterns::ACCOUNT_ID);
        let provider = filter.text("ApplicationProvider", &patterns::APPLICATION_PROVIDER_ARN);
        (account, provider)
    });
    let max_results = read_paging(input, Service::SsoAdmin);
    input.finish()?;
    let (account, provider) = filter.unwrap_or_default();
    let instance = context.working_instance(&instance_arn)?;
    let own = account.as_deref() == Some(context.identity.caller.account_id.as_str());
    context.member_account_filter(instance, own)?;
    let page = context.page(input, max_results, APPLICATIONS_AT_MOST)?;
    let after = page.after();
    let rows = (context.store.applications.values())
        .filter(|row| row.instance_arn == instance_arn)
        .filter(|row| after.is_none_or(|after| row.application_arn.as_str() > after))
        .filter(|row| {
            account
                .as_ref()
                .is_none_or(|wanted| row.application_account == *wanted)
        })
        .filter(|row| {
            provider
                .as_ref()
                .is_none_or(|wanted| row.application_provider_arn == *wanted)
        })
        .map(|row| (row.application_arn.clone(), application_reply(context, row)));
    let page = page.cut(context.settings, rows);
    Ok(context.list_reply(input, "Applications", page))
}

pub(super) fn describe_application(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let application_arn = input.required_text("ApplicationArn", &patterns::APPLICATION_ARN);
    input.finish()?;
    let application = context.application(&application_arn)?;
    Ok(application_reply(context, application))
}

fn application_reply(context: &Context<'_>, row: &Application) -> Value {
    let instance = context.store.instances.get(&row.instance_arn);
    let mut reply = Map::new();
    put(
        &mut reply,
        "ApplicationArn",
        Some(row.application_arn.as_str()),
    );
    put(
        &mut reply,
        "ApplicationProviderArn",
        Some(row.application_provider_arn.as_str()),
    );
    put(&mut reply, "Name", Some(row.name.as_str()));
    put(
        &mut reply,
        "ApplicationAccount",
        Some(row.application_account.as_str()),
    );
    put(&mut reply, "InstanceArn", Some(row.instance_arn.as_str()));
    put(
        &mut reply,
        "IdentityStoreArn",
        instance.map(|row| row.identity_store_arn()),
    );
    put(&mut reply, "Status", Some(json!(row.status)));
    put(&mut reply, "Description", row.description.as_deref());
    put(&mut reply, "CreatedDate", row.created_date_seconds);
    put(&mut reply, "CreatedFrom", row.created_from.as_deref());
    let portal = json!({
        "SignInOptions": {"Origin": "IDENTITY_CENTER"},
        "Visibility": row.portal_visibility,
    });
    reply.insert("PortalOptions".to_owned(), portal);
    Value::Object(reply)
}

fn not_supported(application_arn: &str) -> Failure {
    Failure::validation(format!(
        "The application with arn '{application_arn}' is not supported for this action."
    ))
}

pub(super) fn get_assignment_configuration(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let application_arn = input.required_text("ApplicationArn", &patterns::APPLICATION_ARN);
    input.finish()?;
    let application = context.application(&application_arn)?;
    if !application.assignment_configuration_supported
        && context.switches.get_configuration_refuses_unsupported
    {
        return Err(not_supported(&application_arn));
    }
    Ok(json!({"AssignmentRequired": application.assignment_required}))
}

pub(super) fn put_assignment_configuration(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let application_arn = input.required_text("ApplicationArn", &patterns::APPLICATION_ARN);
    let required = input.required_flag("AssignmentRequired");
    input.finish()?;
    if !context
        .application(&application_arn)?
        .assignment_configuration_supported
    {
        return Err(not_supported(&application_arn));
    }
    if let Some(application) = context.store.applications.get_mut(&application_arn) {
        context.changed = application.assignment_required != required;
        application.assignment_required = required;
    }
    Ok(Value::Null)
}
