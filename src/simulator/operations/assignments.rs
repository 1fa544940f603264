//! sso-admin: application assignments (aws-api.md §3b). Writes change the truth at once; reads show
//! it when `Visibility` lets them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::failure::{Failure, Service};
use super::super::input::Input;
use super::super::patterns;
use super::super::settings::{RepeatCreate, RepeatDelete, UnknownPrincipal};
use super::super::views::Relation;
use super::super::world::{Assignment, EnabledStatus, Instance, PrincipalType};
use super::{Context, ROWS_AT_MOST, read_paging};

/// Groups that can be assigned to one application (aws-api.md §4, not adjustable).
const GROUPS_PER_APPLICATION_AT_MOST: usize = 100;

pub(super) fn read_principal(input: &mut Input<'_>) -> (PrincipalType, String) {
    let principal_id = input.required_text("PrincipalId", &patterns::PRINCIPAL_ID);
    let kind = input.required_text("PrincipalType", &patterns::PRINCIPAL_TYPE);
    let kind = if kind == "GROUP" {
        PrincipalType::Group
    } else {
        PrincipalType::User
    };
    (kind, principal_id)
}

fn read_assignment(input: &mut Input<'_>) -> Result<Assignment, Failure> {
    let application_arn = input.required_text("ApplicationArn", &patterns::APPLICATION_ARN);
    let (principal_type, principal_id) = read_principal(input);
    input.finish()?;
    Ok(Assignment {
        application_arn,
        principal_type,
        principal_id,
    })
}

fn assignment_reply(row: &Assignment) -> Value {
    json!({
        "ApplicationArn": row.application_arn,
        "PrincipalId": row.principal_id,
        "PrincipalType": row.principal_type,
    })
}

fn no_assignment(row: &Assignment) -> Failure {
    let (kind, id) = (row.principal_type.as_str(), &row.principal_id);
    Failure::not_found(format!(
        "Assignment of {kind} {id} to application {} is not found.",
        row.application_arn
    ))
}

pub(super) fn create_application_assignment(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let assignment = read_assignment(input)?;
    let application = context.application(&assignment.application_arn)?;
    if application.status == EnabledStatus::Disabled
        && context.switches.disabled_application_refuses_assignment
    {
        let arn = &assignment.application_arn;
        return Err(Failure::validation(format!(
            "Application {arn} is disabled."
        )));
    }
    check_principal(context, &assignment)?;
    if context.store.is_assigned(&assignment) {
        return match context.switches.repeat_create {
            RepeatCreate::Success => Ok(Value::Null),
            RepeatCreate::Conflict => Err(Failure::conflict(
                "The application assignment already exists.",
            )),
        };
    }
    let groups = (context
        .store
        .assignments_after(&assignment.application_arn, None))
    .take_while(|row| row.principal_type == PrincipalType::Group)
    .count();
    if assignment.principal_type == PrincipalType::Group && groups >= GROUPS_PER_APPLICATION_AT_MOST
    {
        return Err(Failure::new(
            "ServiceQuotaExceededException",
            format!(
                "At most {GROUPS_PER_APPLICATION_AT_MOST} groups can be assigned to one application."
            ),
        ));
    }
    write(context, assignment, true);
    Ok(Value::Null)
}

fn check_principal(context: &Context<'_>, assignment: &Assignment) -> Result<(), Failure> {
    let application = context.application(&assignment.application_arn)?;
    let instance = context.working_instance(&application.instance_arn)?;
    let (store, id) = (&instance.identity_store_id, &assignment.principal_id);
    let known = match assignment.principal_type {
        PrincipalType::User => context.store.user(store, id).is_some(),
        PrincipalType::Group => context.store.group(store, id).is_some(),
    };
    let kind = assignment.principal_type.as_str();
    match context.switches.unknown_principal {
        _ if known => Ok(()),
        UnknownPrincipal::Accepted => Ok(()),
        UnknownPrincipal::ResourceNotFound => {
            Err(Failure::not_found(format!("{kind} {id} is not found.")))
        }
        UnknownPrincipal::Validation => {
            Err(Failure::validation(format!("{kind} {id} is not valid.")))
        }
    }
}

pub(super) fn delete_application_assignment(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let assignment = read_assignment(input)?;
    context.application(&assignment.application_arn)?;
    if context.store.is_assigned(&assignment) {
        write(context, assignment, false);
        return Ok(Value::Null);
    }
    match context.switches.repeat_delete {
        RepeatDelete::Success => Ok(Value::Null),
        RepeatDelete::ResourceNotFound => Err(no_assignment(&assignment)),
    }
}

fn write(context: &mut Context<'_>, assignment: Assignment, present: bool) {
    context.changed = true;
    if context.visibility_milliseconds > 0 {
        let lag_seconds = std::time::Duration::from_millis(context.visibility_milliseconds);
        let until_seconds = context.now_seconds + lag_seconds.as_secs_f64();
        context
            .visibility
            .hide(assignment.clone(), !present, until_seconds);
    }
    if present {
        context.store.add_assignment(assignment);
    } else {
        context.store.remove_assignment(&assignment);
    }
}

pub(super) fn describe_application_assignment(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let assignment = read_assignment(input)?;
    context.application(&assignment.application_arn)?;
    let present = context.store.is_assigned(&assignment);
    if !context.visibility.shows(&assignment, present) {
        return Err(no_assignment(&assignment));
    }
    Ok(assignment_reply(&assignment))
}

pub(super) fn list_application_assignments(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let application_arn = input.required_text("ApplicationArn", &patterns::APPLICATION_ARN);
    let max_results = read_paging(input, Service::SsoAdmin);
    input.finish()?;
    context.application(&application_arn)?;
    let page = context.page(input, max_results, ROWS_AT_MOST)?;
    let after = page.after().and_then(|key| from_key(&application_arn, key));
    let page = if context.visibility.is_clear() {
        let rows = context
            .store
            .assignments_after(&application_arn, after.as_ref());
        page.cut(
            context.settings,
            rows.map(|row| (key_of(row), assignment_reply(row))),
        )
    } else {
        let mut rows: BTreeSet<Assignment> = context
            .store
            .assignments_after(&application_arn, None)
            .cloned()
            .collect();
        context
            .visibility
            .veil(&mut rows, |row| row.application_arn == application_arn);
        let rows = rows
            .iter()
            .filter(|row| after.as_ref().is_none_or(|after| *row > after));
        page.cut(
            context.settings,
            rows.map(|row| (key_of(row), assignment_reply(row))),
        )
    };
    Ok(context.list_reply(input, "ApplicationAssignments", page))
}

/// The place of a row within its application's list.
fn key_of(row: &Assignment) -> String {
    format!("{}/{}", row.principal_type.as_str(), row.principal_id)
}

fn from_key(application_arn: &str, key: &str) -> Option<Assignment> {
    let (kind, principal_id) = key.split_once('/')?;
    let principal_type = if kind == "GROUP" {
        PrincipalType::Group
    } else {
        PrincipalType::User
    };
    Some(Assignment {
        application_arn: application_arn.to_owned(),
        principal_type,
        principal_id: principal_id.to_owned(),
    })
}

/// A member account may ask the organization's instance about its own application only.
fn check_members_filter(
    context: &Context<'_>,
    instance: &Instance,
    application_arn: &str,
) -> Result<(), Failure> {
    let caller = &context.identity.caller;
    let restricted = context.store.relation(caller, instance) == Relation::Member
        && context.switches.member_account_must_filter;
    let application = context.store.applications.get(application_arn);
    let own = application.is_some_and(|row| context.is_members_own(row));
    if restricted && !own {
        return Err(context.not_authorized(application_arn));
    }
    Ok(())
}

pub(super) fn list_for_principal(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let instance_arn = input.required_text("InstanceArn", &patterns::INSTANCE_ARN);
    let (principal_type, principal_id) = read_principal(input);
    let filter = input.structure("Filter", |filter| {
        filter.text("ApplicationArn", &patterns::APPLICATION_ARN)
    });
    let max_results = read_paging(input, Service::SsoAdmin);
    input.finish()?;
    let instance = context.working_instance(&instance_arn)?;
    let application = filter.flatten();
    if let Some(arn) = &application {
        check_members_filter(context, instance, arn)?;
    }
    context.member_account_filter(instance, application.is_some())?;
    let mut principals = BTreeSet::from([(principal_type, principal_id.clone())]);
    if principal_type == PrincipalType::User && context.switches.group_rows_for_user {
        let groups =
            context
                .store
                .groups_of_after(&instance.identity_store_id, &principal_id, None);
        principals.extend(groups.map(|row| (PrincipalType::Group, row.group_id.clone())));
    }
    let mut rows: BTreeSet<Assignment> = (principals.iter())
        .flat_map(|(kind, id)| context.store.assignments_of_principal(*kind, id))
        .collect();
    context.visibility.veil(&mut rows, |row| {
        principals.contains(&(row.principal_type, row.principal_id.clone()))
    });
    rows.retain(|row| {
        let of_instance = (context.store.applications.get(&row.application_arn))
            .is_some_and(|application| application.instance_arn == instance_arn);
        of_instance
            && application
                .as_ref()
                .is_none_or(|wanted| row.application_arn == *wanted)
    });
    let page = context.page(input, max_results, ROWS_AT_MOST)?;
    let keyed = rows
        .iter()
        .map(|row| (format!("{} {}", row.application_arn, key_of(row)), row));
    let keyed = keyed.filter(|(key, _)| page.after().is_none_or(|after| key.as_str() > after));
    let page = page.cut(
        context.settings,
        keyed.map(|(key, row)| (key, assignment_reply(row))),
    );
    Ok(context.list_reply(input, "ApplicationAssignments", page))
}
