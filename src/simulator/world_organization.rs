//! The part of the world above its instances: the organization, its accounts, the roles that can be
//! assumed in them and which access keys are whose (aws-api.md §3e, §5.8-§5.10). Plain data and its
//! lawfulness; holds no rule about calls and never repairs what it is given.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::patterns::{self, Shape};
use super::world::World;
use super::world_check::{WorldError, check_known, check_shape, contradiction};

/// The organization that the accounts are in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Organization {
    /// `o-…`.
    pub id: String,
    /// The account that owns the organization and its Identity Center instance.
    pub management_account_id: String,
    /// ALL unless said otherwise.
    #[serde(default)]
    pub feature_set: FeatureSet,
    /// Member accounts that administer `sso.amazonaws.com` for the management account. AWS allows
    /// one.
    #[serde(default)]
    pub delegated_administrators: Vec<String>,
}

/// What an organization is used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FeatureSet {
    /// Everything.
    #[default]
    All,
    /// One bill.
    ConsolidatedBilling,
}

/// One account of the organization.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Twelve digits.
    pub account_id: String,
    /// Not unique.
    pub name: String,
    /// Of the account's root user.
    pub email: String,
    /// ACTIVE unless said otherwise.
    #[serde(default)]
    pub status: AccountStatus,
    /// Epoch seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joined_at_seconds: Option<f64>,
}

/// Where an account is in its life: the model's `State` (aws-api.md §3e).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AccountStatus {
    /// Created, not yet usable.
    PendingActivation,
    /// In use.
    #[default]
    Active,
    /// Switched off by AWS.
    Suspended,
    /// About to be closed.
    PendingClosure,
    /// Closed, and still listed for a while.
    Closed,
}

impl AccountStatus {
    /// The older member `Status`, which knows three values only.
    pub(super) fn as_retired_status(self) -> &'static str {
        match self {
            AccountStatus::PendingActivation | AccountStatus::Active => "ACTIVE",
            AccountStatus::Suspended | AccountStatus::Closed => "SUSPENDED",
            AccountStatus::PendingClosure => "PENDING_CLOSURE",
        }
    }
}

/// A role that sts AssumeRole can give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// `arn:aws:iam::<account>:role/…`.
    pub role_arn: String,
    /// What the caller must tell as `ExternalId`, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Who may assume it: account ids, beginnings of caller ARNs, or ARNs of roles, whose sessions
    /// are meant.
    #[serde(default)]
    pub trusted: Vec<String>,
    /// The longest session it gives, as AWS sets it when nobody does.
    #[serde(default = "one_hour")]
    pub longest_session_seconds: u64,
}

fn one_hour() -> u64 {
    3_600
}

impl Role {
    /// A role that gives sessions of AWS's usual length.
    pub fn new(account_id: &str, name: &str, external_id: Option<&str>, trusted: &[&str]) -> Role {
        Role {
            role_arn: format!("arn:aws:iam::{account_id}:role/{name}"),
            external_id: external_id.map(str::to_owned),
            trusted: trusted.iter().map(|each| (*each).to_owned()).collect(),
            longest_session_seconds: one_hour(),
        }
    }

    /// The account it is in.
    pub(super) fn account_id(&self) -> &str {
        self.role_arn.split(':').nth(4).unwrap_or_default()
    }

    /// Its name, without the path.
    pub(super) fn name(&self) -> &str {
        self.role_arn.rsplit_once('/').map_or("", |(_, name)| name)
    }
}

/// Whose an access key is. Keys that nobody lists are the world's `caller`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessKey {
    /// As in the `Credential` of a signature.
    pub access_key_id: String,
    /// Twelve digits.
    pub account_id: String,
    /// Of the user or session.
    pub arn: String,
    /// `UserId` of GetCallerIdentity.
    pub user_id: String,
}

/// Refuses an organization that contradicts itself, with the place.
pub(super) fn check(world: &World) -> Result<(), WorldError> {
    let accounts = unique(
        "accounts",
        "account_id",
        world.accounts.iter().map(|row| row.account_id.as_str()),
        &patterns::ACCOUNT_ID,
    )?;
    if let Some(organization) = &world.organization {
        check_shape(
            "organization.id",
            &organization.id,
            &patterns::ORGANIZATION_ID,
        )?;
        let management = organization.management_account_id.as_str();
        let place = || "organization.management_account_id".to_owned();
        check_known(&accounts, &management, place)?;
        for (at, account) in organization.delegated_administrators.iter().enumerate() {
            let place = || format!("organization.delegated_administrators[{at}]");
            check_known(&accounts, &account.as_str(), place)?;
            if account == management {
                let problem = "the management account administers by itself".to_owned();
                return contradiction(place(), problem);
            }
        }
    }
    let roles = world.roles.iter().map(|row| row.role_arn.as_str());
    unique("roles", "role_arn", roles, &patterns::ROLE_ARN)?;
    for (at, row) in world.roles.iter().enumerate() {
        if let Some(external_id) = &row.external_id {
            let place = format!("roles[{at}].external_id");
            check_shape(&place, external_id, &patterns::ROLE_EXTERNAL_ID)?;
        }
    }
    let keys = world.callers.iter().map(|row| row.access_key_id.as_str());
    unique("callers", "access_key_id", keys, &patterns::ACCESS_KEY_ID)?;
    for (at, row) in world.callers.iter().enumerate() {
        let place = format!("callers[{at}].account_id");
        check_shape(&place, &row.account_id, &patterns::ACCOUNT_ID)?;
    }
    Ok(())
}

fn unique<'a>(
    list: &str,
    field: &str,
    ids: impl Iterator<Item = &'a str>,
    shape: &Shape,
) -> Result<BTreeSet<&'a str>, WorldError> {
    let mut seen = BTreeSet::new();
    for (at, id) in ids.enumerate() {
        let place = format!("{list}[{at}].{field}");
        check_shape(&place, id, shape)?;
        if !seen.insert(id) {
            return contradiction(place, format!("{id} is there twice"));
        }
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(change: impl FnOnce(&mut World)) -> String {
        let mut world = World::demo();
        change(&mut world);
        world.check().expect_err("a contradiction").to_string()
    }

    #[test]
    fn contradictions_of_an_organization_are_told_with_their_place() {
        let twice = problem(|world| world.accounts.push(world.accounts[0].clone()));
        assert!(twice.contains("accounts[4].account_id"), "{twice}");
        let unknown = problem(|world| {
            let organization = world.organization.as_mut().expect("the demo has one");
            organization.management_account_id = "999999999999".to_owned();
        });
        assert!(unknown.contains("management_account_id"), "{unknown}");
        let itself = problem(|world| {
            let organization = world.organization.as_mut().expect("the demo has one");
            let management = organization.management_account_id.clone();
            organization.delegated_administrators = vec![management];
        });
        assert!(itself.contains("delegated_administrators[0]"), "{itself}");
        let shape = problem(|world| world.roles.push(Role::new("1", "x", None, &[])));
        assert!(shape.contains(".role_arn"), "{shape}");
    }

    #[test]
    fn a_role_knows_its_account_and_its_name_without_the_path() {
        let role = Role::new("111122223333", "audit/usher-audit", None, &[]);
        assert_eq!(role.account_id(), "111122223333");
        assert_eq!(role.name(), "usher-audit");
    }
}
