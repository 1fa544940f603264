//! sso-admin: account assignments are listed, by place and by principal (aws-api.md §3c), as
//! `Visibility` lets reads see them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::account_assignments::AccountAssignment;
use super::super::failure::{Failure, Service};
use super::super::input::Input;
use super::super::paging::Page;
use super::super::patterns;
use super::super::world::PrincipalType;
use super::assignments::read_principal;
use super::{Context, ROWS_AT_MOST, read_paging};

pub(super) fn list_account_assignments(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let instance_arn = input.required_text("InstanceArn", &patterns::INSTANCE_ARN);
    let account_id = input.required_text("AccountId", &patterns::ACCOUNT_ID);
    let set = input.required_text("PermissionSetArn", &patterns::PERMISSION_SET_ARN);
    let max_results = read_paging(input, Service::SsoAdmin);
    input.finish()?;
    context.permission_set(&instance_arn, &set)?;
    let rows = context.store.account_side.of_place(&account_id, &set);
    let mut rows: BTreeSet<AccountAssignment> = rows.cloned().collect();
    context.account_visibility.veil(&mut rows, |row| {
        row.account_id == account_id && row.permission_set_arn == set
    });
    let page = cut(context, input, max_results, &rows)?;
    Ok(context.list_reply(input, "AccountAssignments", page))
}

pub(super) fn list_for_principal(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let instance_arn = input.required_text("InstanceArn", &patterns::INSTANCE_ARN);
    let (principal_type, principal_id) = read_principal(input);
    let filter = input.structure("Filter", |filter| {
        filter.text("AccountId", &patterns::ACCOUNT_ID)
    });
    let max_results = read_paging(input, Service::SsoAdmin);
    input.finish()?;
    let instance = context.organization_instance(&instance_arn)?;
    if !context
        .store
        .is_callers_instance(&context.identity.caller, instance)
    {
        return Err(context.not_authorized(&instance_arn));
    }
    let mut principals = BTreeSet::from([(principal_type, principal_id.clone())]);
    if principal_type == PrincipalType::User && context.switches.account_group_rows_for_user {
        let store = &instance.identity_store_id;
        let groups = context.store.groups_of_after(store, &principal_id, None);
        principals.extend(groups.map(|row| (PrincipalType::Group, row.group_id.clone())));
    }
    let side = &context.store.account_side;
    let mut rows: BTreeSet<AccountAssignment> = (principals.iter())
        .flat_map(|(kind, id)| side.of_principal(*kind, id))
        .collect();
    context.account_visibility.veil(&mut rows, |row| {
        principals.contains(&(row.principal_type, row.principal_id.clone()))
    });
    let account = filter.flatten();
    rows.retain(|row| {
        let set = side.permission_sets.get(&row.permission_set_arn);
        set.is_some_and(|set| set.instance_arn == instance_arn)
            && (account.as_ref()).is_none_or(|wanted| row.account_id == *wanted)
    });
    let page = cut(context, input, max_results, &rows)?;
    Ok(context.list_reply(input, "AccountAssignments", page))
}

fn cut(
    context: &Context<'_>,
    input: &Input<'_>,
    max_results: Option<usize>,
    rows: &BTreeSet<AccountAssignment>,
) -> Result<Page<Value>, Failure> {
    let page = context.page(input, max_results, ROWS_AT_MOST)?;
    let keyed: BTreeSet<(String, &AccountAssignment)> =
        rows.iter().map(|row| (key_of(row), row)).collect();
    let after = page.after();
    let rows = (keyed.into_iter())
        .filter(|(key, _)| after.is_none_or(|after| key.as_str() > after))
        .map(|(key, row)| (key, assignment_reply(row)));
    Ok(page.cut(context.settings, rows))
}

/// The place of a row within a list.
fn key_of(row: &AccountAssignment) -> String {
    let kind = row.principal_type.as_str();
    format!(
        "{} {} {kind} {}",
        row.account_id, row.permission_set_arn, row.principal_id
    )
}

fn assignment_reply(row: &AccountAssignment) -> Value {
    json!({
        "AccountId": row.account_id,
        "PermissionSetArn": row.permission_set_arn,
        "PrincipalType": row.principal_type,
        "PrincipalId": row.principal_id,
    })
}
