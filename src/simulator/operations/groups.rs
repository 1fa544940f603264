//! identitystore: groups (aws-api.md §3d).

use serde_json::{Map, Value, json};

use super::super::failure::{Failure, Service};
use super::super::input::Input;
use super::super::names::NameKind;
use super::super::patterns;
use super::super::world::Group;
use super::user_attributes::external_ids_reply;
use super::users::{
    Alternate, check_revision, filtered_value, read_alternate, read_filter, refuse_reserved,
};
use super::{Context, REVISION, ROWS_AT_MOST, bare_id, group_arn, put, read_paging};

fn group_reply(row: &Group) -> Value {
    let mut reply = Map::new();
    put(
        &mut reply,
        "IdentityStoreId",
        Some(row.identity_store_id.as_str()),
    );
    put(&mut reply, "GroupId", Some(row.group_id.as_str()));
    put(&mut reply, "GroupArn", Some(group_arn(&row.group_id)));
    put(&mut reply, "Revision", Some(REVISION));
    put(&mut reply, "DisplayName", Some(row.display_name.as_str()));
    put(&mut reply, "Description", row.description.as_deref());
    put(
        &mut reply,
        "ExternalIds",
        external_ids_reply(&row.external_ids),
    );
    put(&mut reply, "CreatedAt", row.created_at_seconds);
    put(&mut reply, "UpdatedAt", row.created_at_seconds);
    Value::Object(reply)
}

pub(super) fn list_groups(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let store = input.required_text("IdentityStoreId", &patterns::IDENTITY_STORE_ID);
    let filter = read_filter(input);
    let max_results = read_paging(input, Service::IdentityStore);
    input.finish()?;
    let store = context.identity_store(&store)?;
    let display_name = filtered_value(context, filter, "DisplayName")?;
    let page = context.page(input, max_results, ROWS_AT_MOST)?;
    let rows = (context.store.groups_after(&store, page.after()))
        .filter(|row| {
            display_name
                .as_ref()
                .is_none_or(|wanted| row.display_name == *wanted)
        })
        .map(|row| (row.group_id.clone(), group_reply(row)));
    let page = page.cut(context.settings, rows);
    Ok(context.list_reply(input, "Groups", page))
}

/// The group that a call names by id or ARN.
pub(super) fn find_group<'a>(
    context: &'a Context<'_>,
    store: &str,
    group_id: &str,
) -> Result<&'a Group, Failure> {
    let id = bare_id(group_id);
    context
        .store
        .group(store, id)
        .ok_or_else(|| Failure::resource_not_found("GROUP", id))
}

pub(super) fn describe_group(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let store = input.required_text("IdentityStoreId", &patterns::IDENTITY_STORE_ID);
    let group_id = input.required_text("GroupId", &patterns::RESOURCE_ID);
    input.finish()?;
    let store = context.identity_store(&store)?;
    Ok(group_reply(find_group(context, &store, &group_id)?))
}

pub(super) fn get_group_id(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let store = input.required_text("IdentityStoreId", &patterns::IDENTITY_STORE_ID);
    let alternate = read_alternate(input)?;
    let store = context.identity_store(&store)?;
    let ignore_case = context.switches.names_ignore_case;
    let found = match &alternate {
        Alternate::Attribute(path, value) if path.eq_ignore_ascii_case("displayName") => {
            let id = context
                .store
                .id_named(NameKind::GroupName, &store, value, ignore_case);
            id.map(str::to_owned)
        }
        Alternate::Attribute(path, _) => {
            return Err(Failure::validation(format!(
                "AttributePath {path} is not supported."
            )));
        }
        Alternate::ExternalId(wanted) => {
            let mut rows = context.store.groups_after(&store, None);
            let found = rows.find(|row| row.external_ids.contains(wanted));
            found.map(|row| row.group_id.clone())
        }
    };
    let id = found.ok_or_else(|| Failure::nothing_named("GROUP"))?;
    Ok(json!({"GroupId": id, "GroupArn": group_arn(&id), "IdentityStoreId": store}))
}

pub(super) fn create_group(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let store = input.required_text("IdentityStoreId", &patterns::IDENTITY_STORE_ID);
    // The model does not require it; a group without a name could not be found again.
    let display_name = input.required_text("DisplayName", &patterns::TEXT);
    let description = input.text("Description", &patterns::TEXT);
    input.finish()?;
    let store = context.identity_store(&store)?;
    refuse_reserved(&display_name)?;
    let ignore_case = context.switches.names_ignore_case;
    if context
        .store
        .id_named(NameKind::GroupName, &store, &display_name, ignore_case)
        .is_some()
    {
        return Err(Failure::duplicate("Duplicate GroupDisplayName"));
    }
    let id = context.new_id(&store);
    let reply = json!({
        "GroupId": id,
        "GroupArn": group_arn(&id),
        "Revision": REVISION,
        "IdentityStoreId": store,
    });
    context.store.add_group(Group {
        identity_store_id: store,
        group_id: id,
        display_name,
        description,
        external_ids: Vec::new(),
        created_at_seconds: Some(context.now_seconds),
    });
    context.changed = true;
    Ok(reply)
}

pub(super) fn delete_group(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let store = input.required_text("IdentityStoreId", &patterns::IDENTITY_STORE_ID);
    let group_id = input.required_text("GroupId", &patterns::RESOURCE_ID);
    let revision = input.text("Revision", &patterns::REVISION);
    input.finish()?;
    let store = context.identity_store(&store)?;
    let id = find_group(context, &store, &group_id)?.group_id.clone();
    check_revision(revision)?;
    context.store.remove_group(&store, &id);
    context.changed = true;
    Ok(Value::Null)
}
