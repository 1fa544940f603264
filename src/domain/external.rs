//! Rules that name who keeps an assignment outside of Usher, for example Terraform. Pure: a rule is
//! compared with what is known of an assignment, and says nothing of who may have it.

use std::sync::Arc;

use super::ids::is_arn;
use super::{Instance, InvalidValue, PrincipalKind, PrincipalRef, Target};

/// A condition of a rule: an id, an ARN or a name as a whole, or with a star at its end the beginning
/// of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wording {
    /// All of it.
    Whole(String),
    /// What a name begins with; never empty.
    Beginning(String),
}

impl Wording {
    /// Parses a condition.
    ///
    /// # Errors
    /// What is wrong; reads on from the field's name.
    pub fn parse(text: &str) -> Result<Self, InvalidValue> {
        let (body, is_beginning) = match text.strip_suffix('*') {
            Some(body) => (body, true),
            None => (text, false),
        };
        let problem = if text.trim().is_empty() {
            "is empty; leave it out where it does not matter"
        } else if body.is_empty() {
            "fits everything; leave it out where it does not matter"
        } else if body.contains('*') {
            "has a star that is not at its end"
        } else if is_beginning && is_arn(body) {
            "is an ARN with a star; a star is for names"
        } else {
            return Ok(if is_beginning {
                Self::Beginning(body.to_owned())
            } else {
                Self::Whole(text.to_owned())
            });
        };
        Err(InvalidValue(problem.to_owned()))
    }

    /// Whether it means something of this id and this name; a name that is not known is empty.
    fn fits(&self, id: &str, name: &str) -> bool {
        match self {
            Self::Whole(text) => text == id || text == name,
            Self::Beginning(text) => {
                name.starts_with(text.as_str()) || !is_arn(id) && id.starts_with(text.as_str())
            }
        }
    }
}

/// A rule: an assignment that fits every condition is kept by the owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalRule {
    /// Who keeps it.
    pub owner: String,
    /// The instance, by ARN or alias.
    pub instance: Option<String>,
    /// Who has it.
    pub principal: Option<(PrincipalKind, Wording)>,
    /// The application that it is of.
    pub application: Option<Wording>,
    /// The account that it is of.
    pub account: Option<Wording>,
    /// What may be done in the account.
    pub permission_set: Option<Wording>,
}

/// An assignment with the names that are known; those that are not are empty.
#[derive(Debug, Clone, Copy)]
pub struct NamedAssignment<'a> {
    /// The instance.
    pub instance: &'a Instance,
    /// Who has it.
    pub principal: &'a PrincipalRef,
    /// The user name, or the group's display name.
    pub principal_name: &'a str,
    /// What it is of.
    pub target: &'a Target,
    /// The name of the application or of the permission set.
    pub target_name: &'a str,
    /// The account's name, for account access.
    pub account_name: &'a str,
}

impl ExternalRule {
    fn fits(&self, assignment: &NamedAssignment<'_>) -> bool {
        let instance = assignment.instance;
        let is_here = self.instance.as_ref().is_none_or(|wanted| {
            wanted == instance.arn.as_str() || instance.alias.as_ref() == Some(wanted)
        });
        let is_of = self.principal.as_ref().is_none_or(|(kind, wording)| {
            let principal = assignment.principal;
            let id = principal.id.as_str();
            *kind == principal.kind && wording.fits(id, assignment.principal_name)
        });
        is_here && is_of && self.fits_target(assignment)
    }

    fn fits_target(&self, assignment: &NamedAssignment<'_>) -> bool {
        let name = assignment.target_name;
        match assignment.target {
            Target::Application(arn) => {
                let fits = |wording: &Wording| wording.fits(arn.as_str(), name);
                self.account.is_none()
                    && self.permission_set.is_none()
                    && self.application.as_ref().is_none_or(fits)
            }
            Target::AccountAccess(access) => {
                let (account, set) = (access.account.as_str(), access.permission_set.as_str());
                let fits_account = |it: &Wording| it.fits(account, assignment.account_name);
                let short = set.rsplit('/').next().unwrap_or_default();
                let fits_set = |it: &Wording| it.fits(set, name) || it.fits(short, name);
                self.application.is_none()
                    && self.account.as_ref().is_none_or(fits_account)
                    && self.permission_set.as_ref().is_none_or(fits_set)
            }
        }
    }
}

/// The rules, in their order. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExternalRules(Arc<[ExternalRule]>);

impl ExternalRules {
    /// The rules as they are.
    #[must_use]
    pub fn new(rules: Vec<ExternalRule>) -> Self {
        Self(rules.into())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Who keeps an assignment: the owner of the first rule that fits.
    #[must_use]
    pub fn owner(&self, assignment: &NamedAssignment<'_>) -> Option<&str> {
        let mut rules = self.0.iter();
        let rule = rules.find(|rule| rule.fits(assignment))?;
        Some(&rule.owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        AccountAccess, AccountId, ApplicationArn, IdentityStoreId, InstanceArn, InstanceKind,
        PermissionSetArn, PrincipalId,
    };

    const INSTANCE: &str = "arn:aws:sso:::instance/ssoins-1234567890abcdef";
    const APPLICATION: &str =
        "arn:aws:sso::123456789012:application/ssoins-1234567890abcdef/apl-1234567890abcdef";
    const SET: &str = "arn:aws:sso:::permissionSet/ssoins-1234567890abcdef/ps-1234567890abcdef";
    const GROUP: &str = "9067642ac7-7d8c1b6e-7f53-4a5a-9d53-3f2a5f0c1a11";

    fn instance() -> Instance {
        Instance {
            arn: InstanceArn::parse(INSTANCE).unwrap(),
            alias: Some("main".to_owned()),
            identity_store_id: IdentityStoreId::parse("d-1234567890").unwrap(),
            owner_account_id: None,
            name: String::new(),
            region: "us-east-1".to_owned(),
            kind: InstanceKind::Organization,
            management_account_id: None,
            called_from: None,
        }
    }

    fn rule() -> ExternalRule {
        ExternalRule {
            owner: "terraform".to_owned(),
            instance: None,
            principal: None,
            application: None,
            account: None,
            permission_set: None,
        }
    }

    fn wording(text: &str) -> Option<Wording> {
        Some(Wording::parse(text).unwrap())
    }

    /// Whether the rule fits a group's access to the application, and to an account.
    fn fits(rule: ExternalRule, names: [&str; 3]) -> [bool; 2] {
        let (instance, rules) = (instance(), ExternalRules::new(vec![rule]));
        let principal = PrincipalRef {
            kind: PrincipalKind::Group,
            id: PrincipalId::parse(GROUP).unwrap(),
        };
        let application = Target::Application(ApplicationArn::parse(APPLICATION).unwrap());
        let access = Target::AccountAccess(AccountAccess {
            account: AccountId::parse("123456789012").unwrap(),
            permission_set: PermissionSetArn::parse(SET).unwrap(),
        });
        let [principal_name, target_name, account_name] = names;
        [&application, &access].map(|target| {
            let assignment = NamedAssignment {
                instance: &instance,
                principal: &principal,
                principal_name,
                target,
                target_name,
                account_name,
            };
            rules.owner(&assignment).is_some()
        })
    }

    #[test]
    fn each_condition_fits_by_id_and_by_name() {
        let of_group = |kind, text| ExternalRule {
            principal: wording(text).map(|it| (kind, it)),
            ..rule()
        };
        let at = |text: &str| ExternalRule {
            instance: Some(text.to_owned()),
            ..rule()
        };
        let application = |text| ExternalRule {
            application: wording(text),
            ..rule()
        };
        let account = |text| ExternalRule {
            account: wording(text),
            ..rule()
        };
        let set = |text| ExternalRule {
            permission_set: wording(text),
            ..rule()
        };
        let names = ["aws-admins", "Wiki", "production"];
        for (rule, expected) in [
            (rule(), [true, true]),
            (at("main"), [true, true]),
            (at(INSTANCE), [true, true]),
            (at("other"), [false, false]),
            (of_group(PrincipalKind::Group, GROUP), [true, true]),
            (of_group(PrincipalKind::Group, "aws-*"), [true, true]),
            (of_group(PrincipalKind::Group, "aws"), [false, false]),
            (of_group(PrincipalKind::User, "aws-*"), [false, false]),
            (application("Wiki"), [true, false]),
            (application(APPLICATION), [true, false]),
            (application("Wi*"), [true, false]),
            (application("Other"), [false, false]),
            (account("123456789012"), [false, true]),
            (account("prod*"), [false, true]),
            (account("staging"), [false, false]),
            (set(SET), [false, true]),
            (set("ps-1234567890abcdef"), [false, true]),
            (set("Wiki"), [false, true]),
            (set("ReadOnly"), [false, false]),
        ] {
            assert_eq!(fits(rule.clone(), names), expected, "{rule:?}");
        }
    }

    #[test]
    fn all_conditions_must_fit_and_what_is_not_known_does_not() {
        let both = ExternalRule {
            principal: wording("aws-*").map(|it| (PrincipalKind::Group, it)),
            account: wording("production"),
            ..rule()
        };
        let fit = |names| fits(both.clone(), names);
        assert_eq!(fit(["aws-admins", "", "production"]), [false, true]);
        assert_eq!(fit(["admins", "", "production"]), [false, false]);
        assert_eq!(fit(["aws-admins", "", "staging"]), [false, false]);
        assert_eq!(fit(["", "", ""]), [false, false]);
    }

    #[test]
    fn conditions_that_fit_everything_or_nothing_are_refused() {
        for wrong in [
            "",
            " ",
            "*",
            "a*b",
            "**",
            "*a",
            "arn:aws:sso:::permissionSet/*",
        ] {
            assert!(Wording::parse(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(Wording::parse("a*"), Ok(Wording::Beginning("a".to_owned())));
    }
}
