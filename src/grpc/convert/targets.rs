//! Targets in requests: what begins like an ARN is one, an account of twelve digits is an id, and the
//! rest is a name. Nothing here asks whether the thing exists.

use super::fields::{Fields, looks_like_arn};
use crate::directory::{AccountQuery, ApplicationQuery, PermissionSetQuery, TargetQuery};
use crate::domain::text::{check_lookup_name, check_target_name};
use crate::domain::{AccountId, ApplicationArn, PermissionSetArn};
use crate::grpc::pb;

impl Fields {
    /// An optional target.
    pub(super) fn optional_target(
        &mut self,
        field: &str,
        target: Option<pb::Target>,
    ) -> Option<TargetQuery> {
        target.and_then(|target| self.target(field, Some(target)))
    }

    /// A required target.
    pub(super) fn target(
        &mut self,
        field: &str,
        target: Option<pb::Target>,
    ) -> Option<TargetQuery> {
        match target.and_then(|target| target.target) {
            Some(pb::target::Target::Application(text)) => self
                .application(&format!("{field}.application"), text)
                .map(TargetQuery::Application),
            Some(pb::target::Target::AccountAccess(access)) => {
                let field = format!("{field}.account_access");
                let account = self.account(&format!("{field}.account"), access.account);
                let set = format!("{field}.permission_set");
                let permission_set = self.permission_set(&set, access.permission_set);
                let both = account.zip(permission_set);
                both.map(|(account, permission_set)| TargetQuery::AccountAccess {
                    account,
                    permission_set,
                })
            }
            None => {
                self.refuse(field, "is required: set `application` or `account_access`");
                None
            }
        }
    }

    fn application(&mut self, field: &str, text: String) -> Option<ApplicationQuery> {
        if looks_like_arn(&text) {
            return self
                .take(field, ApplicationArn::parse(&text))
                .map(ApplicationQuery::Arn);
        }
        self.take(field, check_lookup_name(&text))
            .map(|()| ApplicationQuery::Name(text))
    }

    fn account(&mut self, field: &str, text: String) -> Option<AccountQuery> {
        if looks_like_arn(&text) {
            return self
                .take(field, AccountId::parse_arn(&text))
                .map(AccountQuery::Id);
        }
        if let Ok(id) = AccountId::parse(&text) {
            return Some(AccountQuery::Id(id));
        }
        self.take(field, check_target_name(&text))
            .map(|()| AccountQuery::Name(text))
    }

    fn permission_set(&mut self, field: &str, text: String) -> Option<PermissionSetQuery> {
        if looks_like_arn(&text) {
            return self
                .take(field, PermissionSetArn::parse(&text))
                .map(PermissionSetQuery::Arn);
        }
        self.take(field, check_target_name(&text))
            .map(|()| PermissionSetQuery::IdOrName(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_in_any_case_is_an_arn() {
        for text in [
            "arn:aws:s3:::bucket",
            "ARN:AWS:SSO::1:application/x",
            " arn:aws:sso::123456789012:application/x",
            "\u{430}rn:aws:sso::123456789012:application/x",
            "\u{feff}arn:aws:sso::123456789012:application/x",
        ] {
            let mut fields = Fields::default();
            let target = pb::Target {
                target: Some(pb::target::Target::Application(text.to_owned())),
            };
            assert_eq!(fields.target("target", Some(target)), None);
            assert_eq!(fields.violations[0].field, "target.application");
        }
    }

    fn access(account: &str, permission_set: &str) -> pb::Target {
        pb::Target {
            target: Some(pb::target::Target::AccountAccess(pb::AccountAccess {
                account: account.to_owned(),
                permission_set: permission_set.to_owned(),
            })),
        }
    }

    #[test]
    fn an_account_is_an_id_an_arn_or_a_name() {
        let arn = "arn:aws:organizations::111122223333:account/o-1234567890/123456789012";
        let id = AccountQuery::Id(AccountId::parse("123456789012").unwrap());
        let name = |text: &str| AccountQuery::Name(text.to_owned());
        for (text, expected) in [
            ("123456789012", id.clone()),
            (arn, id.clone()),
            ("12345678901", name("12345678901")),
            ("1234567890123", name("1234567890123")),
            ("\u{661}23456789012", name("\u{661}23456789012")),
            (" 123456789012", name(" 123456789012")),
        ] {
            let mut fields = Fields::default();
            let target = fields.target("target", Some(access(text, "Reader")));
            let expected = TargetQuery::AccountAccess {
                account: expected,
                permission_set: PermissionSetQuery::IdOrName("Reader".to_owned()),
            };
            assert_eq!(target, Some(expected), "{text}");
        }
    }

    #[test]
    fn both_parts_of_an_account_access_are_blamed_at_once() {
        let long = "x".repeat(10_000);
        for (account, permission_set) in [
            ("", ""),
            ("a\nb", "a\0b"),
            (long.as_str(), long.as_str()),
            ("arn:aws:s3:::bucket", "ARN:AWS:SSO:::permissionSet/x"),
            (
                " arn:aws:sso:::account/123456789012",
                "\u{430}rn:aws:sso:::permissionSet/x/y",
            ),
        ] {
            let mut fields = Fields::default();
            let target = fields.target("target", Some(access(account, permission_set)));
            assert_eq!(target, None);
            let blamed: Vec<&str> = fields
                .violations
                .iter()
                .map(|each| each.field.as_str())
                .collect();
            let both = [
                "target.account_access.account",
                "target.account_access.permission_set",
            ];
            assert_eq!(blamed, both, "{account:?} {permission_set:?}");
        }
    }
}
