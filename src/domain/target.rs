//! What access is given to: an application, or an account with a permission set.
//!
//! A third kind (account-access entitlements) will join them: match exhaustively. Values have the
//! right shape; whether the thing exists is another question.

use std::borrow::Cow;

use serde::ser::SerializeStruct as _;

use super::ids::{
    AccountId, ApplicationArn, InstanceArn, InvalidValue, arn_problem, arn_rest, is_account_id,
    is_instance_id, is_uuid, text_id,
};

text_id!(
    /// A permission set: `arn:aws:sso:::permissionSet/ssoins-…/ps-…`.
    PermissionSetArn
);
text_id!(
    /// AWS's id of an asynchronous change of an account assignment: a lower-case UUID.
    AssignmentRequestId
);

impl PermissionSetArn {
    /// Parses a permission set's ARN by AWS's pattern.
    pub fn parse(value: &str) -> Result<Self, InvalidValue> {
        let fits = arn_rest(value, "sso:::permissionSet/").is_some_and(|rest| {
            rest.split_once('/').is_some_and(|(instance, set)| {
                is_instance_id(instance)
                    && set.strip_prefix("ps-").is_some_and(|id| {
                        id.len() == 16
                            && id
                                .bytes()
                                .all(|byte| byte.is_ascii_alphanumeric() || b"-./".contains(&byte))
                    })
            })
        });
        if fits {
            Ok(Self(value.to_owned()))
        } else {
            Err(arn_problem(
                value,
                "a permission set's ARN",
                "arn:aws:sso:::permissionSet/ssoins-1234567890abcdef/ps-1234567890abcdef",
            ))
        }
    }

    /// The instance id inside the ARN, for example `ssoins-1234567890abcdef`.
    #[must_use]
    pub fn instance_id(&self) -> &str {
        self.0.split('/').nth(1).unwrap_or_default()
    }

    /// The permission set's own id, for example `ps-1234567890abcdef`.
    #[must_use]
    pub fn set_id(&self) -> &str {
        self.0.splitn(3, '/').nth(2).unwrap_or_default()
    }

    /// The ARN of the instance that it belongs to, which is in its own.
    #[must_use]
    pub fn instance_arn(&self) -> InstanceArn {
        let partition = self.0.split(':').nth(1).unwrap_or_default();
        InstanceArn(format!(
            "arn:{partition}:sso:::instance/{}",
            self.instance_id()
        ))
    }
}

impl PermissionSetArn {
    /// The permission set of this id (`ps-` and 16 characters) in an instance; none when the text
    /// has not the shape of such an id.
    #[must_use]
    pub fn in_instance(instance: &InstanceArn, set_id: &str) -> Option<Self> {
        let partition = instance.as_str().split(':').nth(1)?;
        let instance_id = instance.instance_id();
        Self::parse(&format!(
            "arn:{partition}:sso:::permissionSet/{instance_id}/{set_id}"
        ))
        .ok()
    }
}

impl AccountId {
    /// The account that an ARN is of: as organizations writes it
    /// (`arn:aws:organizations::<management account>:account/o-…/<account>`) or as IAM policies for
    /// Identity Center do (`arn:aws:sso:::account/<account>`).
    pub fn parse_arn(value: &str) -> Result<Self, InvalidValue> {
        let in_organization = arn_rest(value, "organizations::").and_then(|rest| {
            let (management, path) = rest.split_once(":account/")?;
            let (organization, account) = path.split_once('/')?;
            let id = organization.strip_prefix("o-")?;
            let fits = is_account_id(management)
                && (10..=32).contains(&id.len())
                && id
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase());
            fits.then_some(account)
        });
        in_organization
            .or_else(|| arn_rest(value, "sso:::account/"))
            .and_then(|account| Self::parse(account).ok())
            .ok_or_else(|| {
                arn_problem(
                    value,
                    "an account's ARN",
                    "arn:aws:organizations::111122223333:account/o-1234567890/123456789012",
                )
            })
    }
}

impl AssignmentRequestId {
    /// Parses a lower-case UUID.
    pub fn parse(value: &str) -> Result<Self, InvalidValue> {
        if is_uuid(value) && value.bytes().all(|byte| !byte.is_ascii_uppercase()) {
            Ok(Self(value.to_owned()))
        } else {
            Err(InvalidValue(
                "is not the id of an account assignment's change".to_owned(),
            ))
        }
    }
}

/// An account with a permission set: what may be done there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountAccess {
    /// The account.
    pub account: AccountId,
    /// The permission set.
    pub permission_set: PermissionSetArn,
}

/// What access is given to. Sorted by kind, then by the text of its key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// An application.
    Application(ApplicationArn),
    /// An account with a permission set.
    AccountAccess(AccountAccess),
}

impl Target {
    /// The kind as the store and reports write it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Application(_) => "APPLICATION",
            Self::AccountAccess(_) => "ACCOUNT",
        }
    }

    /// The target as one text, unique within its kind: the store's key for it. An application's ARN,
    /// or the account's id, a slash and the permission set's ARN.
    #[must_use]
    pub fn key(&self) -> Cow<'_, str> {
        match self {
            Self::Application(arn) => Cow::Borrowed(arn.as_str()),
            Self::AccountAccess(access) => {
                Cow::Owned(format!("{}/{}", access.account, access.permission_set))
            }
        }
    }

    /// Reads what `kind` and `key` wrote.
    pub fn from_parts(kind: &str, key: &str) -> Result<Self, InvalidValue> {
        match kind {
            "APPLICATION" => Ok(Self::Application(ApplicationArn::parse(key)?)),
            "ACCOUNT" => {
                let (account, permission_set) = key.split_once('/').ok_or_else(|| {
                    InvalidValue("is not an account and a permission set".to_owned())
                })?;
                Ok(Self::AccountAccess(AccountAccess {
                    account: AccountId::parse(account)?,
                    permission_set: PermissionSetArn::parse(permission_set)?,
                }))
            }
            _ => Err(InvalidValue(format!("`{kind}` is not a kind of target"))),
        }
    }

    /// The id of the instance that it belongs to, for example `ssoins-1234567890abcdef`.
    #[must_use]
    pub fn instance_id(&self) -> &str {
        match self {
            Self::Application(arn) => arn.instance_id(),
            Self::AccountAccess(access) => access.permission_set.instance_id(),
        }
    }

    /// Whether AWS makes and removes its assignments asynchronously: it answers with the id of a
    /// request, whose end is told later (aws-api.md §3c).
    #[must_use]
    pub fn is_asynchronous(&self) -> bool {
        match self {
            Self::Application(_) => false,
            Self::AccountAccess(_) => true,
        }
    }
}

/// As events hold it: the kind and the ids, each under its own name.
impl serde::Serialize for Target {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Target", 3)?;
        fields.serialize_field("kind", self.kind())?;
        match self {
            Self::Application(arn) => fields.serialize_field("arn", arn)?,
            Self::AccountAccess(access) => {
                fields.serialize_field("account_id", &access.account)?;
                fields.serialize_field("permission_set_arn", &access.permission_set)?;
            }
        }
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SET: &str = "arn:aws:sso:::permissionSet/ssoins-1234567890abcdef/ps-1234567890abcdef";

    #[test]
    fn a_permission_set_knows_its_instance_and_neighbours_do_not_parse() {
        let set = PermissionSetArn::parse(SET).unwrap();
        assert_eq!(
            set.instance_arn(),
            InstanceArn::parse("arn:aws:sso:::instance/ssoins-1234567890abcdef").unwrap()
        );
        assert_eq!(set.set_id(), "ps-1234567890abcdef");
        for wrong in [
            "",
            &SET.replace("permissionSet", "instance"),
            &SET.replace("ps-1", "ps-\u{0430}"),
            &SET.replace(":::", "::123456789012:"),
            &format!("{SET}0"),
            &format!("{SET}\n"),
            &SET.to_uppercase(),
        ] {
            assert!(PermissionSetArn::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_permission_set_is_found_by_its_id_in_its_instance() {
        let instance =
            InstanceArn::parse("arn:aws:sso:::instance/ssoins-1234567890abcdef").unwrap();
        let found = PermissionSetArn::in_instance(&instance, "ps-1234567890abcdef");
        assert_eq!(found, Some(PermissionSetArn::parse(SET).unwrap()));
        for name in [
            "",
            "ps-1",
            "ps-1234567890abcdefg",
            "Administrator",
            "x/ps-1234567890abcdef",
        ] {
            assert_eq!(
                PermissionSetArn::in_instance(&instance, name),
                None,
                "{name:?}"
            );
        }
    }

    #[test]
    fn an_account_is_known_by_either_arn_and_neighbours_do_not_parse() {
        let account = AccountId::parse("123456789012").unwrap();
        let good = "arn:aws:organizations::111122223333:account/o-abcdefghij/123456789012";
        for arn in [good, "arn:aws-us-gov:sso:::account/123456789012"] {
            assert_eq!(AccountId::parse_arn(arn).as_ref(), Ok(&account), "{arn}");
        }
        for wrong in [
            "",
            "123456789012",
            "arn:aws:iam::123456789012:root",
            "arn:aws:organizations::111122223333:account/o-abc/123456789012",
            &good.replace("123456789012", "12345678901"),
            &good.replace("123456789012", "1234567890123"),
            &good.replace("account/", "policy/"),
            &good.replace('1', "\u{661}"),
            &good.to_uppercase(),
            &format!("{good}\n"),
            &format!(" {good}"),
        ] {
            assert!(AccountId::parse_arn(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_target_reads_what_it_wrote() {
        let access = Target::AccountAccess(AccountAccess {
            account: AccountId::parse("123456789012").unwrap(),
            permission_set: PermissionSetArn::parse(SET).unwrap(),
        });
        assert_eq!(access.key(), format!("123456789012/{SET}"));
        assert_eq!(
            Target::from_parts(access.kind(), &access.key()),
            Ok(access.clone())
        );
        assert_eq!(
            serde_json::to_value(&access).unwrap(),
            serde_json::json!({
                "kind": "ACCOUNT",
                "account_id": "123456789012",
                "permission_set_arn": SET,
            })
        );
        assert!(Target::from_parts("ACCOUNT", SET).is_err());
    }
}
