//! identitystore: who is in which group (aws-api.md §3d). Members are users, never groups (§5.4).

use serde_json::{Map, Value, json};

use super::super::failure::{Failure, Service};
use super::super::input::Input;
use super::super::patterns;
use super::super::world::Membership;
use super::groups::find_group;
use super::users::find_user;
use super::{Context, ROWS_AT_MOST, bare_id, membership_arn, put, read_paging};

/// Groups that one IsMemberInGroups may ask for (aws-api.md §3d).
const GROUPS_ASKED_AT_MOST: usize = 100;

/// Reads the union `MemberId`, whose only member is `UserId`.
fn read_member(input: &mut Input<'_>) -> String {
    if !input.has("MemberId") {
        input.missing("MemberId");
    }
    let user_id = input.structure("MemberId", |member| {
        member.required_text("UserId", &patterns::RESOURCE_ID)
    });
    user_id.unwrap_or_default()
}

fn membership_reply(row: &Membership) -> Value {
    let mut reply = Map::new();
    put(
        &mut reply,
        "IdentityStoreId",
        Some(row.identity_store_id.as_str()),
    );
    put(&mut reply, "MembershipId", Some(row.membership_id.as_str()));
    put(
        &mut reply,
        "MembershipArn",
        Some(membership_arn(&row.membership_id)),
    );
    put(&mut reply, "GroupId", Some(row.group_id.as_str()));
    reply.insert("MemberId".to_owned(), json!({"UserId": row.user_id}));
    put(&mut reply, "CreatedAt", row.created_at_seconds);
    put(&mut reply, "UpdatedAt", row.created_at_seconds);
    Value::Object(reply)
}

pub(super) fn list_group_memberships(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let store = input.required_text("IdentityStoreId", &patterns::IDENTITY_STORE_ID);
    let group_id = input.required_text("GroupId", &patterns::RESOURCE_ID);
    let max_results = read_paging(input, Service::IdentityStore);
    input.finish()?;
    let store = context.identity_store(&store)?;
    let group_id = find_group(context, &store, &group_id)?.group_id.clone();
    let page = context.page(input, max_results, ROWS_AT_MOST)?;
    let rows = (context.store.members_after(&store, &group_id, page.after()))
        .map(|row| (row.user_id.clone(), membership_reply(row)));
    let page = page.cut(context.settings, rows);
    Ok(context.list_reply(input, "GroupMemberships", page))
}

pub(super) fn list_for_member(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let store = input.required_text("IdentityStoreId", &patterns::IDENTITY_STORE_ID);
    let user_id = read_member(input);
    let max_results = read_paging(input, Service::IdentityStore);
    input.finish()?;
    let store = context.identity_store(&store)?;
    let user_id = find_user(context, &store, &user_id)?.user_id.clone();
    let page = context.page(input, max_results, ROWS_AT_MOST)?;
    let rows = (context
        .store
        .groups_of_after(&store, &user_id, page.after()))
    .map(|row| (row.group_id.clone(), membership_reply(row)));
    let page = page.cut(context.settings, rows);
    Ok(context.list_reply(input, "GroupMemberships", page))
}

pub(super) fn is_member_in_groups(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let store = input.required_text("IdentityStoreId", &patterns::IDENTITY_STORE_ID);
    let user_id = read_member(input);
    if !input.has("GroupIds") {
        input.missing("GroupIds");
    }
    let groups = input.texts("GroupIds", 1, GROUPS_ASKED_AT_MOST, &patterns::RESOURCE_ID);
    input.finish()?;
    let store = context.identity_store(&store)?;
    if context.switches.membership_question_checks_ids {
        find_user(context, &store, &user_id)?;
        for group_id in &groups {
            find_group(context, &store, group_id)?;
        }
    }
    let user_id = bare_id(&user_id);
    let results: Vec<Value> = (groups.iter().map(|group_id| bare_id(group_id)))
        .map(|group_id| {
            let membership = context.store.membership_between(&store, group_id, user_id);
            json!({
                "GroupId": group_id,
                "MemberId": {"UserId": user_id},
                "MembershipExists": membership.is_some(),
            })
        })
        .collect();
    Ok(json!({"Results": results}))
}

fn find_membership<'a>(
    context: &'a Context<'_>,
    store: &str,
    membership_id: &str,
) -> Result<&'a Membership, Failure> {
    let id = bare_id(membership_id);
    let found = context.store.membership(store, id);
    found.ok_or_else(|| Failure::resource_not_found("GROUP_MEMBERSHIP", id))
}

pub(super) fn describe_group_membership(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let store = input.required_text("IdentityStoreId", &patterns::IDENTITY_STORE_ID);
    let membership_id = input.required_text("MembershipId", &patterns::RESOURCE_ID);
    input.finish()?;
    let store = context.identity_store(&store)?;
    Ok(membership_reply(find_membership(
        context,
        &store,
        &membership_id,
    )?))
}

pub(super) fn get_group_membership_id(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let store = input.required_text("IdentityStoreId", &patterns::IDENTITY_STORE_ID);
    let group_id = input.required_text("GroupId", &patterns::RESOURCE_ID);
    let user_id = read_member(input);
    input.finish()?;
    let store = context.identity_store(&store)?;
    let group_id = &find_group(context, &store, &group_id)?.group_id;
    let user_id = &find_user(context, &store, &user_id)?.user_id;
    match context.store.membership_between(&store, group_id, user_id) {
        Some(row) => Ok(ids_reply(&row.membership_id, &store)),
        None => Err(Failure::nothing_named("GROUP_MEMBERSHIP")),
    }
}

fn ids_reply(membership_id: &str, store: &str) -> Value {
    json!({
        "MembershipId": membership_id,
        "MembershipArn": membership_arn(membership_id),
        "IdentityStoreId": store,
    })
}

pub(super) fn create_group_membership(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let store = input.required_text("IdentityStoreId", &patterns::IDENTITY_STORE_ID);
    let group_id = input.required_text("GroupId", &patterns::RESOURCE_ID);
    let user_id = read_member(input);
    input.finish()?;
    let store = context.identity_store(&store)?;
    let group_id = find_group(context, &store, &group_id)?.group_id.clone();
    let user_id = find_user(context, &store, &user_id)?.user_id.clone();
    if context
        .store
        .membership_between(&store, &group_id, &user_id)
        .is_some()
    {
        return Err(Failure::duplicate(
            "Member and Group relationship already exists.",
        ));
    }
    let membership_id = context.new_id(&store);
    let reply = ids_reply(&membership_id, &store);
    context.store.add_membership(Membership {
        identity_store_id: store,
        membership_id,
        group_id,
        user_id,
        created_at_seconds: Some(context.now_seconds),
    });
    context.changed = true;
    Ok(reply)
}

pub(super) fn delete_group_membership(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let store = input.required_text("IdentityStoreId", &patterns::IDENTITY_STORE_ID);
    let membership_id = input.required_text("MembershipId", &patterns::RESOURCE_ID);
    input.finish()?;
    let store = context.identity_store(&store)?;
    let id = find_membership(context, &store, &membership_id)?
        .membership_id
        .clone();
    context.store.remove_membership(&store, &id);
    context.changed = true;
    Ok(Value::Null)
}
