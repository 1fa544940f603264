//! Which instances Usher serves: those that are named, those that it finds in the accounts of the
//! organization, or, with neither, those that it sees where it runs.

use std::collections::HashSet;

use serde::Deserialize;

use super::assumed_role::{AssumedRole, check_external_id};
use crate::domain::text::check_instance_name;
use crate::domain::{AccountId, InstanceArn, InvalidValue};

/// The most accounts the configuration takes: above the largest organization that AWS names.
const ACCOUNTS_MAX: usize = 50_000;
/// The most accounts looked into at once that the configuration takes.
const CONCURRENCY_MAX: usize = 64;
/// The times that one look at everything may have at the most, in seconds, that the configuration
/// takes: the shortest is that of a start without discovery, the longest an hour.
const LOOK_SECONDS: std::ops::RangeInclusive<u64> = 30..=3600;
/// The longest time between two discoveries that the configuration takes, in seconds: a day.
const REFRESH_SECONDS_MAX: u64 = 24 * 60 * 60;

/// One instance that the configuration names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConfiguredInstance {
    /// Its ARN. Default: the instance that the account owns in which it is looked for, or the only
    /// one that is seen there.
    pub arn: Option<String>,
    /// A short name for it in requests.
    pub alias: Option<String>,
    /// Its region. Default: that of `aws`.
    pub region: Option<String>,
    /// The role to assume for it. Default: none, Usher's own credentials reach it.
    pub role_arn: Option<String>,
    /// The external id that the role's trust policy asks for.
    pub external_id: Option<String>,
}

impl ConfiguredInstance {
    /// Checks what can be checked without AWS.
    ///
    /// # Errors
    /// A sentence that names the setting.
    pub fn validate(&self) -> Result<(), InvalidValue> {
        if let Some(arn) = &self.arn {
            InstanceArn::parse(arn).map_err(|problem| InvalidValue(format!("arn {problem}")))?;
        }
        if let Some(alias) = &self.alias {
            let looks_like_arn = alias.to_ascii_lowercase().starts_with("arn:");
            if check_instance_name(alias).is_err() || looks_like_arn {
                return Err(InvalidValue(
                    "alias must be 1 to 64 characters without controls, and must not look like an \
                     ARN"
                    .to_owned(),
                ));
            }
        }
        if let Some(region) = &self.region {
            check_region(region)?;
        }
        if self.role_arn.is_none() && self.external_id.is_some() {
            return Err(InvalidValue(
                "external_id is given, but no role_arn that it would be for".to_owned(),
            ));
        }
        self.role().map(|_| ())
    }

    pub(super) fn role(&self) -> Result<Option<AssumedRole>, InvalidValue> {
        self.role_arn
            .as_ref()
            .map(|arn| AssumedRole::new(arn, self.external_id.as_deref()))
            .transpose()
    }

    /// Checks all of them, and that no two are the same.
    ///
    /// # Errors
    /// A sentence that names the setting.
    pub fn validate_all(all: &[Self]) -> Result<(), InvalidValue> {
        let (mut aliases, mut arns) = (HashSet::new(), HashSet::new());
        for instance in all {
            instance.validate()?;
            for (seen, value) in [(&mut aliases, &instance.alias), (&mut arns, &instance.arn)] {
                if let Some(value) = value
                    && !seen.insert(value)
                {
                    return Err(InvalidValue(format!("`{value}` is given to two instances")));
                }
            }
        }
        Ok(())
    }
}

/// How instances are found in the accounts of the organization. Without `role_name` none are looked
/// for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiscoveryConfig {
    /// The name, with its path, of the role that is assumed in every account of the organization.
    /// Default: none, and no discovery.
    pub role_name: Option<String>,
    /// The external id that those roles ask for.
    pub external_id: Option<String>,
    /// The regions in which instances are looked for. Default: the region of `aws`. An account has
    /// one instance, in one region; each region here costs an operation for each account.
    pub regions: Vec<String>,
    /// How many accounts are looked into. Default 5000; those beyond are named as not looked into,
    /// never left out silently.
    pub accounts_max: usize,
    /// How many accounts are looked into at once. Default 8: each is a sign-in and an answer or
    /// two, so that a thousand take about a minute, and AWS's sign-in quota is far away.
    pub concurrency_max: usize,
    /// How often it is looked again, in seconds. Default 3600: instances come and go with accounts.
    pub refresh_seconds: u64,
    /// How long one look at all of the organization may take, in seconds. Default 600: 5000
    /// accounts are 50 s of lists and four minutes of sign-ins, and half of that again for a slow
    /// day. Accounts that it did not come to are named as not looked into.
    pub look_seconds_max: u64,
}

impl Default for DiscoveryConfig {
    fn default() -> Self {
        Self {
            role_name: None,
            external_id: None,
            regions: Vec::new(),
            accounts_max: 5000,
            concurrency_max: 8,
            refresh_seconds: 3600,
            look_seconds_max: 600,
        }
    }
}

impl DiscoveryConfig {
    /// Checks the ranges and the names.
    ///
    /// # Errors
    /// A sentence that names the setting.
    pub fn validate(&self) -> Result<(), InvalidValue> {
        for (name, value, maximum) in [
            ("accounts_max", self.accounts_max, ACCOUNTS_MAX),
            ("concurrency_max", self.concurrency_max, CONCURRENCY_MAX),
        ] {
            if !(1..=maximum).contains(&value) {
                return Err(InvalidValue(format!(
                    "`{name}` is {value}; it must be between 1 and {maximum}"
                )));
            }
        }
        if !(60..=REFRESH_SECONDS_MAX).contains(&self.refresh_seconds) {
            return Err(InvalidValue(format!(
                "`refresh_seconds` is {}; it must be between 60 and {REFRESH_SECONDS_MAX}",
                self.refresh_seconds
            )));
        }
        if !LOOK_SECONDS.contains(&self.look_seconds_max) {
            return Err(InvalidValue(format!(
                "`look_seconds_max` is {}; it must be between {} and {}",
                self.look_seconds_max,
                LOOK_SECONDS.start(),
                LOOK_SECONDS.end()
            )));
        }
        for region in &self.regions {
            check_region(region)?;
        }
        if let Some(name) = &self.role_name {
            let fits = (1..=512).contains(&name.len())
                && !name.starts_with('/')
                && !name.ends_with('/')
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-/".contains(&byte));
            if !fits {
                return Err(InvalidValue(
                    "role_name is not the name of a role such as usher or ops/usher".to_owned(),
                ));
            }
        } else if self.external_id.is_some() {
            return Err(InvalidValue(
                "external_id is given, but no role_name that it would be for".to_owned(),
            ));
        }
        self.external_id
            .as_deref()
            .map_or(Ok(()), check_external_id)
    }

    /// The role in an account of this partition; none without a name.
    pub(super) fn role_in(&self, partition: &str, account: &AccountId) -> Option<AssumedRole> {
        let name = self.role_name.as_ref()?;
        let arn = format!("arn:{partition}:iam::{account}:role/{name}");
        AssumedRole::new(&arn, self.external_id.as_deref()).ok()
    }
}

/// A region becomes a part of host names: nothing else may.
fn check_region(region: &str) -> Result<(), InvalidValue> {
    let fits = (1..=32).contains(&region.len())
        && region
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !region.starts_with('-')
        && !region.ends_with('-');
    if fits {
        Ok(())
    } else {
        Err(InvalidValue(format!(
            "region `{region}` is not a region such as eu-central-1"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_wrong_values_are_named() {
        assert_eq!(DiscoveryConfig::default().validate(), Ok(()));
        for (text, name) in [
            ("accounts_max = 0", "accounts_max"),
            ("concurrency_max = 65", "concurrency_max"),
            ("refresh_seconds = 59", "refresh_seconds"),
            ("regions = [\"eu-west-1.evil.example\"]", "region"),
            ("role_name = \"a b\"", "role_name"),
            ("external_id = \"x1\"", "external_id"),
            ("role_name = \"usher\"\nexternal_id = \"x\"", "external_id"),
        ] {
            let config: DiscoveryConfig = toml::from_str(text).unwrap();
            let problem = config.validate().unwrap_err();
            assert!(problem.0.contains(name), "{text}: {problem}");
        }
        assert!(toml::from_str::<DiscoveryConfig>("rolename = \"x\"").is_err());
    }

    #[test]
    fn configured_instances_are_checked_one_by_one_and_together() {
        let read = |text: &str| toml::from_str::<ConfiguredInstance>(text).unwrap();
        for (text, name) in [
            ("arn = \"arn:aws:s3:::x\"", "arn"),
            ("alias = \"arn:x\"", "alias"),
            ("alias = \"\"", "alias"),
            ("region = \"EU\"", "region"),
            ("role_arn = \"usher\"", "role_arn"),
            ("external_id = \"x1\"", "external_id"),
        ] {
            let problem = read(text).validate().unwrap_err();
            assert!(problem.0.contains(name), "{text}: {problem}");
        }
        let main = read("alias = \"main\"");
        assert_eq!(
            ConfiguredInstance::validate_all(std::slice::from_ref(&main)),
            Ok(())
        );
        let twice = ConfiguredInstance::validate_all(&[main.clone(), main]);
        assert!(twice.unwrap_err().0.contains("`main`"));
    }

    #[test]
    fn the_role_of_an_account_has_its_partition() {
        let config = DiscoveryConfig {
            role_name: Some("ops/usher".to_owned()),
            ..DiscoveryConfig::default()
        };
        let account = AccountId::parse("123456789012").unwrap();
        let role = config.role_in("aws-us-gov", &account).unwrap();
        assert_eq!(
            role.arn(),
            "arn:aws-us-gov:iam::123456789012:role/ops/usher"
        );
        assert_eq!(DiscoveryConfig::default().role_in("aws", &account), None);
    }
}
