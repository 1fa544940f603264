//! The configured rules of who keeps assignments outside of Usher. A rule that says nothing, or what
//! nothing could fit, does not load.

use serde::Deserialize;

use crate::domain::external::{ExternalRule, ExternalRules, Wording};
use crate::domain::ids::is_arn;
use crate::domain::{
    AccountId, ApplicationArn, InstanceArn, InvalidValue, PermissionSetArn, PrincipalKind,
};

/// The most rules: each is compared with each row of a list or a report.
const RULES_MAX: usize = 200;
/// The longest name of an owner, in characters.
const OWNER_CHARACTERS_MAX: usize = 64;

/// One rule: assignments that fit every condition are kept by the owner.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExternalAssignments {
    /// Who keeps them, for people to read, such as `terraform`.
    pub owner: String,
    /// Only those of this instance: its ARN, or an alias of `[[instances]]`.
    pub instance: Option<String>,
    /// Only those of this user: an id or a user name, or a beginning of one with a star.
    pub user: Option<String>,
    /// Only those of this group: an id or a display name, or a beginning of one with a star.
    pub group: Option<String>,
    /// Only those of this application: an ARN or a name, or a beginning of one with a star.
    pub application: Option<String>,
    /// Only those of this account: an id, an ARN or a name, or a beginning of one with a star.
    pub account: Option<String>,
    /// Only those with this permission set: an ARN, an id or a name, or a beginning of one with a star.
    pub permission_set: Option<String>,
    /// Every assignment, said on purpose: without it a rule needs a condition.
    #[serde(default)]
    pub everything: bool,
}

impl ExternalAssignments {
    /// The rules of a configuration in which instances have these aliases.
    ///
    /// # Errors
    /// A sentence that names the rule and the setting.
    pub fn rules(all: &[Self], aliases: &[&str]) -> Result<ExternalRules, String> {
        if all.len() > RULES_MAX {
            return Err(format!(
                "external_assignments: there are more than {RULES_MAX} rules"
            ));
        }
        let mut rules = Vec::with_capacity(all.len());
        for (place, one) in all.iter().enumerate() {
            let rule = one.rule(aliases);
            let rule =
                rule.map_err(|error| format!("external_assignments, rule {}: {error}", place + 1))?;
            rules.push(rule);
        }
        Ok(ExternalRules::new(rules))
    }

    fn rule(&self, aliases: &[&str]) -> Result<ExternalRule, InvalidValue> {
        let refuse = |problem: &str| Err(InvalidValue(problem.to_owned()));
        let length = self.owner.chars().count();
        if self.owner.trim().is_empty() || length > OWNER_CHARACTERS_MAX {
            return refuse("owner must be 1 to 64 characters, such as \"terraform\"");
        }
        if self.owner.chars().any(char::is_control) {
            return refuse("owner has control characters");
        }
        if self.user.is_some() && self.group.is_some() {
            return refuse("user and group are given, and nothing is of both; write two rules");
        }
        let is_of_account = self.account.is_some() || self.permission_set.is_some();
        if self.application.is_some() && is_of_account {
            return refuse(
                "application is given beside account or permission_set, and nothing is of both; write two rules",
            );
        }
        match (self.has_condition(), self.everything) {
            (false, false) => {
                return refuse(
                    "it has no condition and would fit every assignment; add one, or write everything = true",
                );
            }
            (true, true) => {
                return refuse("everything is true beside a condition; keep one of them");
            }
            _ => {}
        }
        let principal = match (&self.user, &self.group) {
            (Some(user), _) => Some((PrincipalKind::User, condition("user", user)?)),
            (None, Some(group)) => Some((PrincipalKind::Group, condition("group", group)?)),
            (None, None) => None,
        };
        let instance = self.instance.as_deref();
        let named = |name: &'static str, text: &Option<String>| {
            let wording = text.as_deref().map(|text| condition(name, text));
            wording.transpose()
        };
        Ok(ExternalRule {
            owner: self.owner.clone(),
            instance: instance.map(|it| instance_of(it, aliases)).transpose()?,
            principal,
            application: named("application", &self.application)?,
            account: named("account", &self.account)?,
            permission_set: named("permission_set", &self.permission_set)?,
        })
    }

    fn has_condition(&self) -> bool {
        let conditions = [
            &self.instance,
            &self.user,
            &self.group,
            &self.application,
            &self.account,
            &self.permission_set,
        ];
        conditions.iter().any(|condition| condition.is_some())
    }
}

/// An instance's ARN, or an alias that there is: another would silently fit nothing.
fn instance_of(text: &str, aliases: &[&str]) -> Result<String, InvalidValue> {
    if text.starts_with("arn:") {
        let arn = InstanceArn::parse(text);
        return arn
            .map(|arn| arn.to_string())
            .map_err(|error| InvalidValue(format!("instance {error}")));
    }
    if aliases.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(InvalidValue(format!(
        "instance `{text}` is the alias of none of [[instances]]"
    )))
}

/// A condition; what looks like an ARN or an account's id must be one.
fn condition(name: &str, text: &str) -> Result<Wording, InvalidValue> {
    let place = |error: InvalidValue| InvalidValue(format!("{name} {error}"));
    let is_arn = is_arn(text);
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let checked = match name {
        "application" if is_arn => ApplicationArn::parse(text).map(|it| it.to_string()),
        "permission_set" if is_arn => PermissionSetArn::parse(text).map(|it| it.to_string()),
        "account" if is_arn => AccountId::parse_arn(text).map(|it| it.to_string()),
        "account" if is_number => AccountId::parse(text).map(|it| it.to_string()),
        "user" | "group" if is_arn => {
            let problem = "is an ARN, which users and groups have none of; write an id or a name";
            Err(InvalidValue(problem.to_owned()))
        }
        _ => Ok(text.to_owned()),
    };
    let wording = Wording::parse(text).map_err(place)?;
    match wording {
        Wording::Whole(_) => checked.map(Wording::Whole).map_err(place),
        beginning @ Wording::Beginning(_) => Ok(beginning),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Result<ExternalRules, String> {
        #[derive(Deserialize)]
        struct All {
            external_assignments: Vec<ExternalAssignments>,
        }
        let all: All = toml::from_str(&format!("[[external_assignments]]\n{text}"))
            .map_err(|error| error.to_string())?;
        ExternalAssignments::rules(&all.external_assignments, &["main"])
    }

    #[test]
    fn rules_with_a_condition_load() {
        for fit in [
            "owner = \"terraform\"\ngroup = \"aws-*\"",
            "owner = \"terraform\"\ninstance = \"main\"",
            "owner = \"terraform\"\nuser = \"anna\"\naccount = \"123456789012\"\npermission_set = \"Admin\"",
            "owner = \"terraform\"\naccount = \"arn:aws:organizations::123456789012:account/o-exampleorgid/123456789013\"",
            "owner = \"terraform\"\neverything = true",
        ] {
            assert!(rules(fit).is_ok(), "{fit}: {:?}", rules(fit));
        }
    }

    #[test]
    fn a_rule_that_says_nothing_or_what_nothing_fits_does_not_load() {
        for (more, wanted) in [
            ("", "everything = true"),
            (
                "everything = true\ngroup = \"a\"",
                "everything is true beside",
            ),
            ("grup = \"a\"", "unknown field `grup`"),
            ("group = \"*\"", "group fits everything"),
            ("group = \"\"", "group is empty"),
            ("group = \"a*b\"", "group has a star that is not at its end"),
            ("group = \"a\"\nuser = \"b\"", "user and group are given"),
            (
                "application = \"a\"\naccount = \"b\"",
                "application is given beside",
            ),
            (
                "application = \"arn:aws:s3:::bucket\"",
                "application is not an application ARN",
            ),
            (
                "account = \"12345678901\"",
                "account is not an AWS account id",
            ),
            (
                "permission_set = \"arn:aws:sso:::x\"",
                "permission_set is not",
            ),
            (
                "group = \"arn:aws:iam::123456789012:group/a\"",
                "group is an ARN",
            ),
            (
                "instance = \"mian\"",
                "instance `mian` is the alias of none",
            ),
            (
                "instance = \"arn:aws:sso:::x\"",
                "instance is not an instance ARN",
            ),
        ] {
            let told = rules(&format!("owner = \"terraform\"\n{more}")).unwrap_err();
            assert!(told.contains(wanted), "{more}: {told}");
        }
        for owner in ["", " ", &"x".repeat(65), "a\\u0007"] {
            let told = rules(&format!("owner = \"{owner}\"\ngroup = \"a\"")).unwrap_err();
            assert!(
                told.starts_with("external_assignments, rule 1: owner"),
                "{told}"
            );
        }
        assert!(rules("group = \"a\"").unwrap_err().contains("owner"));
    }
}
