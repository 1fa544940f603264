//! The many attributes of an identitystore user: reads and checks CreateUser's input and writes
//! the user object of replies (aws-api.md §3d).

use serde_json::{Map, Value, json};

use super::super::input::Input;
use super::super::patterns;
use super::super::world::{ExternalId, User};
use super::{put, user_arn};

/// Plain text attributes that are kept as they come.
const TEXT_ATTRIBUTES: &[&str] = &[
    "NickName",
    "ProfileUrl",
    "UserType",
    "Title",
    "PreferredLanguage",
    "Locale",
    "Timezone",
    "Website",
    "Birthdate",
];

/// Structured attributes that are kept as they come: their longest lists and their text members.
const STRUCTURED_ATTRIBUTES: &[(&str, usize, &[&str])] = &[
    (
        "Addresses",
        1,
        &[
            "StreetAddress",
            "Locality",
            "Region",
            "PostalCode",
            "Country",
            "Formatted",
            "Type",
        ],
    ),
    ("PhoneNumbers", 1, &["Value", "Type"]),
    ("Photos", 3, &["Value", "Type", "Display"]),
    ("Roles", 1, &["Value", "Type"]),
];

const NAME_MEMBERS: &[&str] = &[
    "Formatted",
    "FamilyName",
    "GivenName",
    "MiddleName",
    "HonorificPrefix",
    "HonorificSuffix",
];

/// The user that CreateUser asks for, without ids. Call `input.finish` afterwards.
pub(super) fn read_user(input: &mut Input<'_>) -> User {
    // The model requires none of these; Identity Center does (aws-api.md §3d).
    let user_name = input.required_text("UserName", &patterns::USER_NAME);
    let display_name = input.required_text("DisplayName", &patterns::TEXT);
    if !input.has("Name") {
        input.missing("Name");
    }
    let name = input.structure("Name", |name| {
        for member in ["GivenName", "FamilyName"] {
            if !name.has(member) {
                name.missing(member);
            }
        }
        texts_of(name, NAME_MEMBERS)
    });
    let emails = input.structures("Emails", 1, 1, |email| {
        let primary = email.flag("Primary");
        let mut rest = texts_of(email, &["Type"]);
        put(&mut rest, "Primary", primary);
        (email.required_text("Value", &patterns::TEXT), rest)
    });
    let mut other_attributes = texts_of(input, TEXT_ATTRIBUTES);
    for (member, rows_at_most, texts) in STRUCTURED_ATTRIBUTES {
        let rows = input.structures(member, 1, *rows_at_most, |row| {
            let primary = row.flag("Primary");
            let mut kept = texts_of(row, texts);
            put(&mut kept, "Primary", primary);
            Value::Object(kept)
        });
        put(
            &mut other_attributes,
            member,
            (!rows.is_empty()).then_some(rows),
        );
    }
    let mut emails = emails.into_iter();
    let (email, email_rest) = emails.next().unzip();
    let rest = email_rest.filter(|rest| !rest.is_empty());
    put(
        &mut other_attributes,
        EMAIL_DETAILS,
        rest.map(Value::Object),
    );
    User {
        user_name,
        display_name: Some(display_name),
        name: name.unwrap_or_default(),
        email,
        other_attributes,
        ..User::default()
    }
}

/// Where `Type` and `Primary` of the email address are kept.
const EMAIL_DETAILS: &str = "EmailDetails";

fn texts_of(input: &mut Input<'_>, members: &[&str]) -> Map<String, Value> {
    let mut kept = Map::new();
    for member in members {
        let text = input.text(member, &patterns::TEXT);
        put(&mut kept, member, text);
    }
    kept
}

/// A user as DescribeUser and ListUsers give it: absent members are left out.
pub(super) fn user_reply(row: &User) -> Value {
    let mut reply = row.other_attributes.clone();
    let email_details = reply.remove(EMAIL_DETAILS);
    put(
        &mut reply,
        "IdentityStoreId",
        Some(row.identity_store_id.as_str()),
    );
    put(&mut reply, "UserId", Some(row.user_id.as_str()));
    put(&mut reply, "UserArn", Some(user_arn(&row.user_id)));
    put(&mut reply, "Revision", Some(super::REVISION));
    put(&mut reply, "UserName", Some(row.user_name.as_str()));
    put(&mut reply, "DisplayName", row.display_name.as_deref());
    put(
        &mut reply,
        "Name",
        (!row.name.is_empty()).then(|| row.name.clone()),
    );
    if let Some(address) = &row.email {
        let mut email = match email_details {
            Some(Value::Object(details)) => details,
            _ => Map::from_iter([("Primary".to_owned(), json!(true))]),
        };
        put(&mut email, "Value", Some(address.as_str()));
        reply.insert("Emails".to_owned(), json!([email]));
    }
    put(
        &mut reply,
        "UserStatus",
        row.user_status.map(|status| json!(status)),
    );
    put(
        &mut reply,
        "ExternalIds",
        external_ids_reply(&row.external_ids),
    );
    put(&mut reply, "CreatedAt", row.created_at_seconds);
    put(&mut reply, "UpdatedAt", row.created_at_seconds);
    Value::Object(reply)
}

/// `ExternalIds`, absent when there are none.
pub(super) fn external_ids_reply(rows: &[ExternalId]) -> Option<Value> {
    let reply: Vec<Value> = rows
        .iter()
        .map(|row| json!({"Issuer": row.issuer, "Id": row.id}))
        .collect();
    (!reply.is_empty()).then_some(Value::Array(reply))
}
