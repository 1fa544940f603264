//! How Usher reaches AWS: the settings, and whether it may change anything there.

use std::time::Duration;

use serde::Deserialize;

use crate::domain::InvalidValue;

/// The longest time the configuration takes for one attempt, in seconds: AWS answers in less than
/// one, and whoever waits a minute has gone.
const ATTEMPT_TIMEOUT_SECONDS_MAX: u64 = 60;
/// The most attempts the configuration takes for one read.
const READ_ATTEMPTS_MAX: u32 = 20;
/// The longest backoff the configuration takes, in milliseconds.
const BACKOFF_MILLISECONDS_MAX: u64 = 60_000;
/// The earliest renewal of a role's credentials that the configuration takes, in seconds before
/// their end: half of AWS's shortest session, so that each is used at least as long.
const ROLE_RENEWAL_SECONDS_MAX: u64 = 450;

/// Where Usher may change AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMode {
    /// Nowhere: audits and checks.
    Never,
    /// On endpoints of this machine only, that is on the simulator. Ends for good with the first
    /// request to any other endpoint.
    LoopbackOnly,
    /// Wherever the credentials reach.
    Everywhere,
}

/// How Usher reaches AWS. Everything left out is found as every AWS tool finds it: environment,
/// profile, SSO session, credential process, role of the machine.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AwsConfig {
    /// The region of the instance, for example `eu-central-1`. Default: AWS_REGION, the profile,
    /// or the machine's own.
    pub region: Option<String>,
    /// The profile of the shared AWS configuration files. Default: AWS_PROFILE, or `default`.
    pub profile: Option<String>,
    /// One URL for sso-admin, identitystore, organizations and sts, for example of `usher simulate`. Default:
    /// AWS_ENDPOINT_URL and its relatives, or AWS itself.
    pub endpoint_url: Option<String>,
    /// How long one attempt may take from the permit to the last byte, in seconds. Default 10: AWS
    /// answers in well under one, and the SDK itself has no such limit (aws-api.md §1).
    pub attempt_timeout_seconds: u64,
    /// How long connecting may take, in seconds. Default 3, as the AWS SDKs have it.
    pub connect_timeout_seconds: u64,
    /// How many attempts a read may make. Default 4: one more than the AWS SDKs' 3, because ours
    /// are paced by the budget. Writes make one.
    pub read_attempts_max: u32,
    /// The wait before the second attempt of a read, in milliseconds; it doubles each time.
    /// Default 100: a broken connection is healed at once, an outage is met with the longer ones.
    pub backoff_min_milliseconds: u64,
    /// The longest wait between two attempts of a read, in milliseconds. Default 5000: beyond
    /// that the caller is better told.
    pub backoff_max_milliseconds: u64,
    /// A read is not started when less than this is left of its deadline, in milliseconds. Default
    /// 250: AWS seldom answers faster, so that the operation would be spent for nothing. A write
    /// needs the whole attempt timeout, because a cut one leaves its outcome unknown.
    pub read_time_min_milliseconds: u64,
    /// The credentials of an assumed role are renewed so long before they end, in seconds. Default
    /// 60: a request is signed before it waits for its permit, and few wait longer. The SDK's
    /// cache shortens it by up to half at random, so that ports do not renew all at once. AWS's
    /// shortest session is 900 s.
    pub role_renewal_seconds: u64,
}

impl Default for AwsConfig {
    fn default() -> Self {
        Self {
            region: None,
            profile: None,
            endpoint_url: None,
            attempt_timeout_seconds: 10,
            connect_timeout_seconds: 3,
            read_attempts_max: 4,
            backoff_min_milliseconds: 100,
            backoff_max_milliseconds: 5000,
            read_time_min_milliseconds: 250,
            role_renewal_seconds: 60,
        }
    }
}

impl AwsConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// A sentence that names the setting and what it may be.
    pub fn validate(&self) -> Result<(), InvalidValue> {
        let range = |name: &str, value: u64, maximum: u64| {
            if (1..=maximum).contains(&value) {
                Ok(())
            } else {
                Err(InvalidValue(format!(
                    "`{name}` is {value}; it must be between 1 and {maximum}"
                )))
            }
        };
        range(
            "attempt_timeout_seconds",
            self.attempt_timeout_seconds,
            ATTEMPT_TIMEOUT_SECONDS_MAX,
        )?;
        range(
            "connect_timeout_seconds",
            self.connect_timeout_seconds,
            self.attempt_timeout_seconds,
        )?;
        range(
            "read_attempts_max",
            u64::from(self.read_attempts_max),
            u64::from(READ_ATTEMPTS_MAX),
        )?;
        range(
            "backoff_max_milliseconds",
            self.backoff_max_milliseconds,
            BACKOFF_MILLISECONDS_MAX,
        )?;
        range(
            "backoff_min_milliseconds",
            self.backoff_min_milliseconds,
            self.backoff_max_milliseconds,
        )?;
        range(
            "read_time_min_milliseconds",
            self.read_time_min_milliseconds,
            self.attempt_timeout_seconds * 1000,
        )?;
        range(
            "role_renewal_seconds",
            self.role_renewal_seconds,
            ROLE_RENEWAL_SECONDS_MAX,
        )?;
        match &self.endpoint_url {
            Some(url) if !is_http_url(url) => Err(InvalidValue(
                "`endpoint_url` is not a URL such as http://127.0.0.1:4566".to_owned(),
            )),
            _ => Ok(()),
        }
    }

    /// How long one attempt may take. A write is only sent when this much is left of its deadline.
    #[must_use]
    pub fn attempt_timeout(&self) -> Duration {
        Duration::from_secs(self.attempt_timeout_seconds)
    }

    pub(super) fn connect_timeout(&self) -> Duration {
        Duration::from_secs(self.connect_timeout_seconds)
    }

    pub(super) fn role_renewal(&self) -> Duration {
        Duration::from_secs(self.role_renewal_seconds)
    }

    pub(super) fn read_time_min(&self) -> Duration {
        Duration::from_millis(self.read_time_min_milliseconds)
    }

    /// The wait after this many failed attempts, before jitter.
    pub(super) fn backoff(&self, failed_attempts: u32) -> Duration {
        let doublings = failed_attempts.saturating_sub(1).min(30);
        let milliseconds = self
            .backoff_min_milliseconds
            .saturating_mul(1 << doublings)
            .min(self.backoff_max_milliseconds);
        Duration::from_millis(milliseconds)
    }
}

fn is_http_url(url: &str) -> bool {
    url.parse::<http::Uri>()
        .is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
}

/// Credentials given by hand, for the simulator.
#[derive(Clone, PartialEq, Eq)]
pub struct StaticCredentials {
    /// The access key id.
    pub access_key_id: String,
    /// The secret access key.
    pub secret_access_key: String,
}

impl StaticCredentials {
    /// Credentials that the simulator takes, as it takes any.
    #[must_use]
    pub fn simulated() -> Self {
        Self {
            access_key_id: "simulated".to_owned(),
            secret_access_key: "simulated".to_owned(),
        }
    }
}

impl std::fmt::Debug for StaticCredentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("StaticCredentials(not shown)")
    }
}

/// Why Usher cannot even begin to ask AWS. The text is a sentence for the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// A setting is out of its range.
    #[error("the AWS settings are wrong: {0}")]
    Config(#[from] InvalidValue),
    /// No region anywhere.
    #[error(
        "no AWS region is configured: set `region` in the configuration, AWS_REGION, or a region \
         in the AWS profile, to the region of the IAM Identity Center instance"
    )]
    RegionMissing,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_wrong_values_are_named() {
        assert_eq!(AwsConfig::default().validate(), Ok(()));
        for (text, name) in [
            ("attempt_timeout_seconds = 0", "attempt_timeout_seconds"),
            ("connect_timeout_seconds = 11", "connect_timeout_seconds"),
            ("read_attempts_max = 0", "read_attempts_max"),
            ("backoff_min_milliseconds = 9000", "backoff_min"),
            ("endpoint_url = \"localhost:4566\"", "endpoint_url"),
            ("endpoint_url = \"\"", "endpoint_url"),
            ("role_renewal_seconds = 451", "role_renewal_seconds"),
        ] {
            let config: AwsConfig = toml::from_str(text).unwrap();
            let problem = config.validate().unwrap_err();
            assert!(problem.0.contains(name), "{text}: {problem}");
        }
        assert!(toml::from_str::<AwsConfig>("regoin = \"eu-west-1\"").is_err());
    }

    #[test]
    fn the_backoff_doubles_up_to_its_limit() {
        let config = AwsConfig::default();
        let milliseconds = |failed| config.backoff(failed).as_millis();
        assert_eq!(
            [1, 2, 3, 7, 100].map(milliseconds),
            [100, 200, 400, 5000, 5000]
        );
    }

    #[test]
    fn credentials_are_not_shown() {
        let credentials = StaticCredentials {
            access_key_id: "AKID".to_owned(),
            secret_access_key: "hush".to_owned(),
        };
        assert!(!format!("{credentials:?}").contains("hush"));
    }
}
