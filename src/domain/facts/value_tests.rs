//! Values are compact, fill what they do not know, and can be erased.

use super::super::{FactKind, fill_unknown, without_names};
use super::*;

fn user() -> User {
    User {
        id: UserId::parse("04261254-0000-4a5a-9d53-000000000001").unwrap(),
        user_name: "ann".to_owned(),
        display_name: "Ann".to_owned(),
        email: "ann@example.com".to_owned(),
        status: PrincipalStatus::Enabled,
        external_ids: vec![ExternalId {
            issuer: "idp".to_owned(),
            id: "7".to_owned(),
        }],
    }
}

fn text<T: Serialize>(value: &T) -> String {
    to_text(value).unwrap()
}

fn application(required: AssignmentRequired) -> String {
    let arn = "arn:aws:sso::123456789012:application/ssoins-1234567890abcdef/apl-1234567890abcdef";
    let application = Application {
        arn: ApplicationArn::parse(arn).unwrap(),
        name: "wiki".to_owned(),
        status: ApplicationStatus::Enabled,
        account_id: None,
        provider_arn: String::new(),
        description: String::new(),
    };
    text(&ApplicationValue::of(&application, required))
}

#[test]
fn a_value_holds_what_is_known_and_no_more() {
    let known = text(&UserValue::of(&user(), true));
    assert_eq!(
        known,
        r#"{"exists":true,"status":"ENABLED","user_name":"ann","display_name":"Ann","email":"ann@example.com","external_ids":[["idp","7"]]}"#
    );
    let read: UserValue = from_text(&known).unwrap();
    assert_eq!(read.into_user(user().id), Ok((user(), true)));
    assert_eq!(text(&UserValue::default()), "{}");
    let strange: UserValue = from_text(r#"{"status":"ASLEEP"}"#).unwrap();
    assert!(strange.into_user(user().id).is_err());
}

#[test]
fn within_a_gap_what_is_unknown_stays_and_what_is_known_counts() {
    use FactKind::{Account, Application, Assignment, Group, PermissionSet, User};
    let ann = text(&UserValue::of(&user(), true));
    let open = application(AssignmentRequired::No);
    for (kind, seen, before, filled) in [
        (User, "{}", ann.as_str(), ann.as_str()),
        (
            User,
            r#"{"status":"DELETED"}"#,
            &ann,
            r#"{"status":"DELETED"}"#,
        ),
        (User, r#"{"exists":true}"#, &ann, r#"{"exists":true}"#),
        (
            Group,
            r#"{"status":"ENABLED"}"#,
            r#"{"display_name":"engineering"}"#,
            r#"{"status":"ENABLED","display_name":"engineering"}"#,
        ),
        (
            Group,
            r#"{"status":"DELETED"}"#,
            r#"{"status":"ENABLED","display_name":"engineering"}"#,
            r#"{"status":"DELETED"}"#,
        ),
        (
            Application,
            &application(AssignmentRequired::Unknown),
            &open,
            &open,
        ),
        (
            Application,
            &application(AssignmentRequired::Yes),
            &open,
            &application(AssignmentRequired::Yes),
        ),
        (
            PermissionSet,
            "{}",
            r#"{"name":"admin"}"#,
            r#"{"name":"admin"}"#,
        ),
        (Account, "{}", r#"{"listed":true}"#, r#"{"listed":true}"#),
        (
            Account,
            r#"{"listed":false}"#,
            r#"{"listed":true}"#,
            r#"{"listed":false}"#,
        ),
        (Assignment, "{}", "{}", "{}"),
    ] {
        let found = fill_unknown(kind, seen, before).unwrap();
        assert_eq!(found, filled, "{kind:?} {seen} over {before}");
    }
}

#[test]
fn an_erased_value_has_no_name_and_no_address() {
    use FactKind::{Account, Application, Group, Membership, PermissionSet, User};
    let ann = text(&UserValue::of(&user(), true));
    for (kind, value, erased) in [
        (
            User,
            ann.as_str(),
            Some(r#"{"exists":true,"status":"ENABLED"}"#),
        ),
        (Group, r#"{"display_name":"x"}"#, Some("{}")),
        (
            Application,
            &application(AssignmentRequired::No),
            Some(r#"{"status":"ENABLED","required":"no"}"#),
        ),
        (PermissionSet, r#"{"name":"admin"}"#, Some("{}")),
        (
            Account,
            r#"{"listed":true,"email":"root@x"}"#,
            Some(r#"{"listed":true}"#),
        ),
        (Membership, r#"{"by":"x"}"#, None),
    ] {
        let found = without_names(kind, value).unwrap();
        assert_eq!(found.as_deref(), erased, "{kind:?}");
    }
}
