//! Credentials of a role that Usher assumes, for an instance of another account.
//!
//! The SDK's cache keeps them and asks for new ones shortly before they end; calls that come
//! meanwhile wait for the one that asks. Asking is an attempt like every other: through the guard,
//! counted, with a deadline, retried as a read.

use std::time::SystemTime;

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, future};
use aws_sdk_sts::config::{Credentials, IdentityCache, SharedIdentityCache};
use tokio::time::Instant;

use super::attempt::{ATTEMPT, Progress};
use super::call::Caller;
use super::config::AwsConfig;
use super::{Call, Class, Demand};
use crate::domain::{ErrorKind, Failure, InvalidValue, Operation};

/// What CloudTrail of the other account shows as the session's name.
const SESSION_NAME: &str = "usher";
/// The longest role ARN, in characters (aws-api.md §3e).
const ROLE_ARN_CHARACTERS_MAX: usize = 2048;

/// A role to assume. Its session is called `usher` and lasts as long as AWS lets it by default, an
/// hour.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AssumedRole {
    arn: String,
    external_id: Option<String>,
}

impl AssumedRole {
    /// A role by its ARN, with the external id that its trust policy asks for.
    ///
    /// # Errors
    /// A sentence that follows the name of what is wrong: `role_arn` or `external_id`.
    pub fn new(arn: &str, external_id: Option<&str>) -> Result<Self, InvalidValue> {
        let is_arn = arn.len() <= ROLE_ARN_CHARACTERS_MAX
            && arn.is_ascii()
            && !arn.contains(|letter: char| letter.is_whitespace() || letter.is_control())
            && role_account(arn).is_some();
        if !is_arn {
            return Err(InvalidValue(
                "role_arn is not the ARN of a role such as arn:aws:iam::123456789012:role/usher"
                    .to_owned(),
            ));
        }
        if let Some(id) = external_id {
            check_external_id(id)?;
        }
        Ok(Self {
            arn: arn.to_owned(),
            external_id: external_id.map(str::to_owned),
        })
    }

    /// The role's ARN.
    #[must_use]
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// The account that the role is in, twelve digits.
    #[must_use]
    pub fn account(&self) -> &str {
        role_account(&self.arn).unwrap_or_default()
    }
}

/// Checks an external id by AWS's pattern (aws-api.md §3e).
pub(super) fn check_external_id(id: &str) -> Result<(), InvalidValue> {
    let fits = (2..=1224).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&byte));
    if fits {
        Ok(())
    } else {
        Err(InvalidValue(
            "external_id is not 2 to 1224 letters, digits and _+=,.@:/-".to_owned(),
        ))
    }
}

/// The account in `arn:aws:iam::<account>:role/<path and name>`; none for anything else.
fn role_account(arn: &str) -> Option<&str> {
    let mut parts = arn.splitn(6, ':');
    let starts = parts.next() == Some("arn")
        && parts.next().is_some_and(|word| word.starts_with("aws"))
        && parts.next() == Some("iam")
        && parts.next() == Some("");
    let account = parts.next()?;
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    let role = parts.next()?.strip_prefix("role/")?;
    (starts && is_account && !role.is_empty()).then_some(account)
}

/// The cache of a role's credentials.
pub(super) fn identity_cache(config: &AwsConfig) -> SharedIdentityCache {
    // Beyond the attempts' own time, so that what they end with is what is seen.
    let load_timeout = config.attempt_timeout() * (config.read_attempts_max + 1);
    IdentityCache::lazy()
        .buffer_time(config.role_renewal())
        .load_timeout(load_timeout)
        .build()
}

/// Assumes one role.
#[derive(Debug)]
pub(super) struct RoleCredentials {
    pub(super) role: AssumedRole,
    pub(super) caller: Caller,
    pub(super) sts: aws_sdk_sts::Client,
}

impl RoleCredentials {
    async fn assume(&self, call: Call) -> Result<Credentials, Failure> {
        let operation = Operation::AssumeRole;
        let reply = self
            .caller
            .read(operation, call, || {
                self.sts
                    .assume_role()
                    .role_arn(&self.role.arn)
                    .role_session_name(SESSION_NAME)
                    .set_external_id(self.role.external_id.clone())
                    .send()
            })
            .await?;
        let given = reply.output.credentials();
        let given = given.ok_or_else(|| reply.unusable("Credentials"))?;
        let ends_at = SystemTime::try_from(*given.expiration())
            .ok()
            .filter(|time| *time > SystemTime::UNIX_EPOCH)
            .ok_or_else(|| reply.unusable("Expiration"))?;
        for (member, value) in [
            ("AccessKeyId", given.access_key_id()),
            ("SecretAccessKey", given.secret_access_key()),
            ("SessionToken", given.session_token()),
        ] {
            if value.is_empty() {
                return Err(reply.unusable(member));
            }
        }
        Ok(Credentials::new(
            given.access_key_id(),
            given.secret_access_key(),
            Some(given.session_token().to_owned()),
            Some(ends_at),
            "usher-assumed-role",
        ))
    }

    /// Assumes the role within the attempt that waits for it, and tells that attempt how it went:
    /// the SDK would only say that there are no credentials.
    async fn provide(&self) -> provider::Result {
        let outer = ATTEMPT.try_with(std::sync::Arc::clone).ok();
        let own = Instant::now() + self.caller.config.attempt_timeout() * 2;
        let call = Call {
            deadline: outer
                .as_ref()
                .map_or(own, |attempt| own.min(attempt.deadline)),
            demand: Demand::usher(Class::Grant),
        };
        if let Some(outer) = &outer {
            outer.set(Progress::AssumingRole);
        }
        let assumed = self.assume(call).await.map_err(named);
        if let Some(outer) = &outer {
            outer.set(match &assumed {
                Ok(_) => Progress::NotSent,
                Err(failure) => Progress::RoleNotAssumed(failure.clone()),
            });
        }
        assumed.map_err(CredentialsError::provider_error)
    }
}

impl ProvideCredentials for RoleCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        // Boxed inside: the SDK's futures are many kilobytes.
        future::ProvideCredentials::new(self.provide())
    }
}

/// What it means for a call that its role was not assumed. Usher's own credentials being bad, or
/// too little time, is not the role's fault.
fn named(failure: Failure) -> Failure {
    match failure.kind {
        ErrorKind::CredentialsInvalid | ErrorKind::BudgetExhausted => failure,
        _ => Failure {
            kind: ErrorKind::RoleNotAssumed,
            ..failure
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_known_by_its_arn_and_so_is_its_account() {
        let role = AssumedRole::new("arn:aws-cn:iam::123456789012:role/ops/usher", None).unwrap();
        assert_eq!(role.account(), "123456789012");
        for wrong in [
            "",
            "usher",
            "arn:aws:iam::123456789012:user/usher",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::12345678901:role/usher",
            "arn:aws:sts::123456789012:role/usher",
            "arn:aws:iam:us-east-1:123456789012:role/usher",
            "arn:aws:iam::123456789012:role/us her",
        ] {
            let problem = AssumedRole::new(wrong, None).unwrap_err();
            assert!(problem.0.starts_with("role_arn"), "{wrong}");
        }
    }

    #[test]
    fn an_external_id_fits_the_pattern_of_aws() {
        let role = |id| AssumedRole::new("arn:aws:iam::123456789012:role/usher", Some(id));
        assert!(role("a:b/c-1").is_ok());
        for wrong in ["", "x", "two words", "ü1"] {
            assert!(role(wrong).unwrap_err().0.starts_with("external_id"));
        }
    }

    #[test]
    fn a_denied_role_keeps_the_action_and_bad_credentials_stay_what_they_are() {
        let denied = named(Failure::new(ErrorKind::AccessDenied, Operation::AssumeRole));
        assert_eq!(denied.kind, ErrorKind::RoleNotAssumed);
        assert_eq!(denied.missing_iam_action, "sts:AssumeRole");
        let own = Failure::new(ErrorKind::CredentialsInvalid, Operation::AssumeRole);
        assert_eq!(named(own.clone()), own);
    }
}
