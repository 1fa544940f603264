//! sso-admin: which permission set is provisioned in which account (aws-api.md §3c). It follows from
//! the account assignments as reads show them, and from what the world says beside them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::account_assignments::{AccountAssignment, ProvisioningStatus};
use super::super::account_store::Place;
use super::super::failure::{Failure, Service};
use super::super::input::Input;
use super::super::paging::Page;
use super::super::patterns;
use super::{Context, ROWS_AT_MOST, read_paging};

pub(super) fn list_accounts(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let instance_arn = input.required_text("InstanceArn", &patterns::INSTANCE_ARN);
    let set = input.required_text("PermissionSetArn", &patterns::PERMISSION_SET_ARN);
    let status = read_status(input);
    let max_results = read_paging(input, Service::SsoAdmin);
    input.finish()?;
    context.permission_set(&instance_arn, &set)?;
    let rows = context.store.account_side.of_permission_set(&set);
    let rows = rows.cloned().collect();
    let places = shown_places(context, rows, |(_, of_place)| *of_place == set);
    let accounts = with_status(context, places, status)
        .into_iter()
        .map(|(account, _)| account);
    let page = cut(context, input, max_results, accounts.collect())?;
    Ok(context.list_reply(input, "AccountIds", page))
}

pub(super) fn list_permission_sets(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let instance_arn = input.required_text("InstanceArn", &patterns::INSTANCE_ARN);
    let account_id = input.required_text("AccountId", &patterns::ACCOUNT_ID);
    let status = read_status(input);
    let max_results = read_paging(input, Service::SsoAdmin);
    input.finish()?;
    context.organization_instance(&instance_arn)?;
    let rows = context.store.account_side.of_account(&account_id);
    let rows = rows.cloned().collect();
    let places = shown_places(context, rows, |(of_place, _)| *of_place == account_id);
    let sets = &context.store.account_side.permission_sets;
    let of_instance = |set: &String| {
        let row = sets.get(set);
        row.is_some_and(|row| row.instance_arn == instance_arn)
    };
    let names = with_status(context, places, status)
        .into_iter()
        .map(|(_, set)| set)
        .filter(of_instance);
    let page = cut(context, input, max_results, names.collect())?;
    Ok(context.list_reply(input, "PermissionSets", page))
}

fn read_status(input: &mut Input<'_>) -> Option<ProvisioningStatus> {
    let text = input.text("ProvisioningStatus", &patterns::PROVISIONING_STATUS)?;
    Some(match text.as_str() {
        "LATEST_PERMISSION_SET_PROVISIONED" => ProvisioningStatus::Latest,
        _ => ProvisioningStatus::NotLatest,
    })
}

/// Places where a set is provisioned, as reads show it. `rows` are the true assignments of the
/// places that `concerns` accepts.
fn shown_places(
    context: &Context<'_>,
    mut rows: BTreeSet<AccountAssignment>,
    concerns: impl Fn(&Place) -> bool,
) -> BTreeSet<Place> {
    let visibility = &context.account_visibility;
    visibility.veil(&mut rows, |row| concerns(&place_of(row)));
    let mut places = context.store.account_side.told_places(concerns);
    places.extend(rows.iter().map(place_of));
    places
}

fn place_of(row: &AccountAssignment) -> Place {
    (row.account_id.clone(), row.permission_set_arn.clone())
}

fn with_status(
    context: &Context<'_>,
    mut places: BTreeSet<Place>,
    status: Option<ProvisioningStatus>,
) -> BTreeSet<Place> {
    let side = &context.store.account_side;
    places.retain(|place| status.is_none_or(|wanted| side.status_of(place) == wanted));
    places
}

fn cut(
    context: &Context<'_>,
    input: &Input<'_>,
    max_results: Option<usize>,
    ids: BTreeSet<String>,
) -> Result<Page<Value>, Failure> {
    let page = context.page(input, max_results, ROWS_AT_MOST)?;
    let after = page.after();
    let rows = (ids.into_iter())
        .filter(|id| after.is_none_or(|after| id.as_str() > after))
        .map(|id| (id.clone(), json!(id)));
    Ok(page.cut(context.settings, rows))
}
