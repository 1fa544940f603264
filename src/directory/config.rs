//! The settings of the directory. All of them bound memory or age.

use std::time::Duration;

use serde::Deserialize;

use crate::domain::InvalidValue;

/// The oldest a fact may be by configuration, in seconds: a day.
const SECONDS_MAX: u64 = 24 * 60 * 60;
/// The largest cache the configuration takes, in entries or rows: some gigabytes.
const ENTRIES_MAX: u64 = 10_000_000;

/// The most reads at once that the configuration takes.
const DESCRIBES_MAX: u64 = 100;

/// How much the directory keeps, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DirectoryConfig {
    /// How old a fact may be where the caller does not say, in seconds. Default 60: what DESIGN.md
    /// §2 promises of answers.
    pub max_age_seconds: u64,
    /// How long facts are kept at all, in seconds. Default 900: nothing may use an older one (the
    /// memberships behind reads, at 15 minutes, are the oldest).
    pub kept_seconds: u64,
    /// How old the list of accounts, and a permission set's description in `ListPermissionSets`,
    /// may be where the caller does not ask for less, in seconds. Default 900: organizations lists
    /// 20 accounts an operation, so that the 7,000 of the largest organization take minutes. An
    /// Assign is checked against a list at most `max_age_seconds` old all the same.
    pub accounts_max_age_seconds: u64,
    /// How old the list of accounts or permission sets may be that something is said to be missing
    /// from, in seconds. Default 5: what was made a moment ago is found at the second try, and a
    /// caller that asks in a loop does not list the organization each time.
    pub miss_max_age_seconds: u64,
    /// How many permission sets are described at once, and how many groups that policies name are
    /// found at once for one call. Default 8: enough to fill the budget of 20 operations a second
    /// where AWS answers within 400 ms.
    pub describes_max: usize,
    /// How many users and groups are kept. Default 100,000, half the users that an identity store
    /// can hold (aws-api.md §4); at about half a kilobyte each that is 50 MB.
    pub principals_max: u64,
    /// How many applications are kept. Default 10,000: an instance has at most 7,000 (aws-api.md
    /// §4).
    pub applications_max: u64,
    /// How many rows each kind of list keeps: assignments by application, assignments by
    /// principal, members, memberships, accounts, permission sets. Default 500,000, at about 200 bytes each 100 MB a kind.
    pub list_rows_max: u64,
    /// How many names are kept in memory, beside those in the store. Default 200,000: one for each
    /// user of the largest identity store.
    pub names_max: u64,
}

impl Default for DirectoryConfig {
    fn default() -> Self {
        Self {
            max_age_seconds: 60,
            kept_seconds: 900,
            accounts_max_age_seconds: 900,
            miss_max_age_seconds: 5,
            describes_max: 8,
            principals_max: 100_000,
            applications_max: 10_000,
            list_rows_max: 500_000,
            names_max: 200_000,
        }
    }
}

impl DirectoryConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// A sentence that names the setting and its range.
    pub fn validate(&self) -> Result<(), InvalidValue> {
        for (name, value, maximum) in [
            ("kept_seconds", self.kept_seconds, SECONDS_MAX),
            ("max_age_seconds", self.max_age_seconds, self.kept_seconds),
            (
                "accounts_max_age_seconds",
                self.accounts_max_age_seconds,
                self.kept_seconds,
            ),
            (
                "miss_max_age_seconds",
                self.miss_max_age_seconds,
                self.kept_seconds,
            ),
            ("describes_max", self.describes_max as u64, DESCRIBES_MAX),
            ("principals_max", self.principals_max, ENTRIES_MAX),
            ("applications_max", self.applications_max, ENTRIES_MAX),
            ("list_rows_max", self.list_rows_max, ENTRIES_MAX),
            ("names_max", self.names_max, ENTRIES_MAX),
        ] {
            if !(1..=maximum).contains(&value) {
                return Err(InvalidValue(format!(
                    "`{name}` is {value}; it must be between 1 and {maximum}"
                )));
            }
        }
        Ok(())
    }

    /// How old a fact may be where the caller does not say.
    #[must_use]
    pub(super) fn max_age(&self) -> Duration {
        Duration::from_secs(self.max_age_seconds)
    }

    pub(super) fn accounts_max_age(&self) -> Duration {
        Duration::from_secs(self.accounts_max_age_seconds)
    }

    pub(super) fn miss_max_age(&self) -> Duration {
        Duration::from_secs(self.miss_max_age_seconds)
    }

    pub(super) fn kept(&self) -> Duration {
        Duration::from_secs(self.kept_seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_ages_fit_each_other() {
        assert_eq!(DirectoryConfig::default().validate(), Ok(()));
        let config: DirectoryConfig = toml::from_str("max_age_seconds = 901").unwrap();
        assert!(config.validate().unwrap_err().0.contains("max_age_seconds"));
        assert!(toml::from_str::<DirectoryConfig>("max_age = 1").is_err());
    }
}
