//! identitystore: users, and what users and groups share: filters, names by which ids are found,
//! deletion (aws-api.md §3d).

use serde_json::{Value, json};

use super::super::failure::{Failure, Service};
use super::super::input::Input;
use super::super::names::NameKind;
use super::super::patterns;
use super::super::world::{EnabledStatus, ExternalId, User};
use super::user_attributes::{read_user, user_reply};
use super::{Context, REVISION, ROWS_AT_MOST, bare_id, read_paging, user_arn};

/// Names that Identity Center keeps for itself (aws-api.md §3d).
const RESERVED_NAMES: &[&str] = &["Administrator", "AWSAdministrators"];

/// The only filter of a list: path and value.
pub(super) type Filter = Option<(String, String)>;

/// Reads the deprecated `Filters`.
pub(super) fn read_filter(input: &mut Input<'_>) -> Filter {
    let filters = input.structures("Filters", 0, 1, |filter| {
        let path = filter.required_text("AttributePath", &patterns::ATTRIBUTE_PATH);
        (
            path,
            filter.required_text("AttributeValue", &patterns::TEXT),
        )
    });
    filters.into_iter().next()
}

/// The value to filter by, if filters are served and the path is the known one.
pub(super) fn filtered_value(
    context: &Context<'_>,
    filter: Filter,
    path: &str,
) -> Result<Option<String>, Failure> {
    match filter {
        None => Ok(None),
        Some(_) if context.switches.filters_deprecated => Err(Failure::validation(
            "Filter is deprecated, please remove filter from request.",
        )),
        Some((asked, value)) if asked.eq_ignore_ascii_case(path) => Ok(Some(value)),
        Some((asked, _)) => Err(Failure::validation(format!(
            "AttributePath {asked} is not supported."
        ))),
    }
}

/// By what GetUserId and GetGroupId find an id.
pub(super) enum Alternate {
    Attribute(String, String),
    ExternalId(ExternalId),
}

/// Reads `AlternateIdentifier`, of whose members there must be exactly one.
pub(super) fn read_alternate(input: &mut Input<'_>) -> Result<Alternate, Failure> {
    if !input.has("AlternateIdentifier") {
        input.missing("AlternateIdentifier");
    }
    let alternates = input.structure("AlternateIdentifier", |union| {
        let attribute = union.structure("UniqueAttribute", |attribute| {
            let path = attribute.required_text("AttributePath", &patterns::ATTRIBUTE_PATH);
            // The value is a document; every unique attribute is text.
            (
                path,
                attribute.required_text("AttributeValue", &patterns::ANY),
            )
        });
        let external = union.structure("ExternalId", |external| ExternalId {
            issuer: external.required_text("Issuer", &patterns::EXTERNAL_ID),
            id: external.required_text("Id", &patterns::EXTERNAL_ID),
        });
        (attribute, external)
    });
    input.finish()?;
    match alternates {
        // moto knows this of AWS: an empty value names nobody and is refused as such.
        Some((Some((path, value)), None)) if value.is_empty() => Err(Failure::validation(format!(
            "The value of the attribute {path} must not be empty."
        ))),
        Some((Some((path, value)), None)) => Ok(Alternate::Attribute(path, value)),
        Some((None, Some(external_id))) => Ok(Alternate::ExternalId(external_id)),
        _ => Err(Failure::serialization(
            "A union must have exactly one member set.",
        )),
    }
}

/// Refuses names that only Identity Center may use.
pub(super) fn refuse_reserved(name: &str) -> Result<(), Failure> {
    if RESERVED_NAMES
        .iter()
        .any(|reserved| reserved.eq_ignore_ascii_case(name))
    {
        return Err(Failure::validation(format!("The name {name} is reserved.")));
    }
    Ok(())
}

/// Refuses a delete that names another revision than the row's.
pub(super) fn check_revision(revision: Option<String>) -> Result<(), Failure> {
    if revision.is_none_or(|revision| revision == REVISION) {
        return Ok(());
    }
    let failure = Failure::conflict("The revision is not the current one.");
    Err(failure.with("Reason", "CONCURRENT_MODIFICATION"))
}

fn read_extensions(input: &mut Input<'_>) {
    input.texts("Extensions", 1, 10, &patterns::EXTENSION_NAME);
}

pub(super) fn list_users(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let store = input.required_text("IdentityStoreId", &patterns::IDENTITY_STORE_ID);
    let filter = read_filter(input);
    read_extensions(input);
    let max_results = read_paging(input, Service::IdentityStore);
    input.finish()?;
    let store = context.identity_store(&store)?;
    let user_name = filtered_value(context, filter, "UserName")?;
    let page = context.page(input, max_results, ROWS_AT_MOST)?;
    let rows = (context.store.users_after(&store, page.after()))
        .filter(|row| {
            user_name
                .as_ref()
                .is_none_or(|wanted| row.user_name == *wanted)
        })
        .map(|row| (row.user_id.clone(), user_reply(row)));
    let page = page.cut(context.settings, rows);
    Ok(context.list_reply(input, "Users", page))
}

/// The user that a call names by id or ARN.
pub(super) fn find_user<'a>(
    context: &'a Context<'_>,
    store: &str,
    user_id: &str,
) -> Result<&'a User, Failure> {
    let id = bare_id(user_id);
    context
        .store
        .user(store, id)
        .ok_or_else(|| Failure::resource_not_found("USER", id))
}

pub(super) fn describe_user(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let store = input.required_text("IdentityStoreId", &patterns::IDENTITY_STORE_ID);
    let user_id = input.required_text("UserId", &patterns::RESOURCE_ID);
    read_extensions(input);
    input.finish()?;
    let store = context.identity_store(&store)?;
    Ok(user_reply(find_user(context, &store, &user_id)?))
}

pub(super) fn get_user_id(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let store = input.required_text("IdentityStoreId", &patterns::IDENTITY_STORE_ID);
    let alternate = read_alternate(input)?;
    let store = context.identity_store(&store)?;
    let ignore_case = context.switches.names_ignore_case;
    let found = match &alternate {
        Alternate::Attribute(path, value) => {
            let kind = match path.to_ascii_lowercase().as_str() {
                "username" => NameKind::UserName,
                "emails.value" => NameKind::Email,
                _ => {
                    let message = format!("AttributePath {path} is not supported.");
                    return Err(Failure::validation(message));
                }
            };
            context
                .store
                .id_named(kind, &store, value, ignore_case)
                .map(str::to_owned)
        }
        Alternate::ExternalId(wanted) => {
            let mut rows = context.store.users_after(&store, None);
            let found = rows.find(|row| row.external_ids.contains(wanted));
            found.map(|row| row.user_id.clone())
        }
    };
    let id = found.ok_or_else(|| Failure::nothing_named("USER"))?;
    Ok(json!({"UserId": id, "UserArn": user_arn(&id), "IdentityStoreId": store}))
}

pub(super) fn create_user(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let store = input.required_text("IdentityStoreId", &patterns::IDENTITY_STORE_ID);
    let user = read_user(input);
    input.finish()?;
    let store = context.identity_store(&store)?;
    refuse_reserved(&user.user_name)?;
    let ignore_case = context.switches.names_ignore_case;
    let taken = |kind, name: &str| {
        let id = context.store.id_named(kind, &store, name, ignore_case);
        id.is_some()
    };
    if taken(NameKind::UserName, &user.user_name) {
        return Err(Failure::duplicate("Duplicate UserName"));
    }
    if user
        .email
        .as_ref()
        .is_some_and(|email| taken(NameKind::Email, email))
    {
        return Err(Failure::duplicate("Duplicate Email"));
    }
    let id = context.new_id(&store);
    let reply = json!({
        "UserId": id,
        "UserArn": user_arn(&id),
        "Revision": REVISION,
        "IdentityStoreId": store,
    });
    context.store.add_user(User {
        identity_store_id: store,
        user_id: id,
        user_status: Some(EnabledStatus::Enabled),
        created_at_seconds: Some(context.now_seconds),
        ..user
    });
    context.changed = true;
    Ok(reply)
}

pub(super) fn delete_user(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let store = input.required_text("IdentityStoreId", &patterns::IDENTITY_STORE_ID);
    let user_id = input.required_text("UserId", &patterns::RESOURCE_ID);
    let revision = input.text("Revision", &patterns::REVISION);
    input.finish()?;
    let store = context.identity_store(&store)?;
    let id = find_user(context, &store, &user_id)?.user_id.clone();
    check_revision(revision)?;
    context.store.remove_user(&store, &id);
    context.changed = true;
    Ok(Value::Null)
}
