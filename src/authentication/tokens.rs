//! Tokens of the configured issuers: verified once, remembered until they end or the key set under
//! which they were verified goes. A token itself is never kept, only its SHA-256.

use std::sync::Arc;

use moka::sync::Cache;

use super::config::AuthenticationConfig;
use super::issuer::{Issuer, VerifiedToken};
use super::key_set::sha256;
use super::problem::{AuthenticationError, CredentialProblem};
use super::token_header;
use crate::clock::Clock;

/// All issuers, and the tokens that were verified.
pub(super) struct Tokens {
    issuers: Vec<Issuer>,
    verified: Cache<[u8; 32], Arc<VerifiedToken>>,
    clock: Clock,
}

impl Tokens {
    pub(super) fn new(
        config: &AuthenticationConfig,
        clock: Clock,
    ) -> Result<Self, AuthenticationError> {
        let issuers: Result<_, _> = config
            .issuers
            .iter()
            .map(|issuer| Issuer::new(issuer, config))
            .collect();
        Ok(Self {
            issuers: issuers?,
            verified: Cache::new(config.verified_tokens_max),
            clock,
        })
    }

    pub(super) fn issuers(&self) -> &[Issuer] {
        &self.issuers
    }

    /// Whether any issuer is configured with this `iss`.
    pub(super) fn knows(&self, issuer: &str) -> bool {
        self.issuers.iter().any(|each| each.config.issuer == issuer)
    }

    /// Verifies a token, or remembers that it was.
    pub(super) async fn verify(
        &self,
        token: &str,
    ) -> Result<Arc<VerifiedToken>, CredentialProblem> {
        let digest = sha256(token.as_bytes());
        let now_seconds = self.now_seconds();
        if let Some(verified) = self.verified.get(&digest) {
            let issuer = &self.issuers[verified.issuer];
            if issuer.keys.is_current(verified.generation) {
                if !issuer.is_over(verified.expires_at_seconds, now_seconds) {
                    return Ok(verified);
                }
                self.verified.invalidate(&digest);
                return Err(CredentialProblem::expired().of_issuer(&issuer.config.name));
            }
            self.verified.invalidate(&digest);
        }
        let claimed = token_header::read(token)?;
        let mut addressed =
            (self.issuers.iter().enumerate()).filter(|(_, issuer)| issuer.is_addressed(&claimed));
        let (Some((place, issuer)), another) = (addressed.next(), addressed.next()) else {
            return Err(CredentialProblem::invalid(
                "the token's issuer or audience is not one that is configured",
            ));
        };
        if another.is_some() {
            return Err(CredentialProblem::invalid(
                "the token's audiences are those of several configured issuers",
            ));
        }
        let verified = (issuer.verify(place, token, &claimed, now_seconds).await)
            .map_err(|problem| problem.of_issuer(&issuer.config.name))?;
        let verified = Arc::new(verified);
        self.verified.insert(digest, verified.clone());
        Ok(verified)
    }

    /// Whether a token was verified with the keys of now, so that it costs no signature check.
    pub(super) fn remembers(&self, token: &str) -> bool {
        let verified = self.verified.get(&sha256(token.as_bytes()));
        verified.is_some_and(|verified| {
            let issuer = &self.issuers[verified.issuer];
            issuer.keys.is_current(verified.generation)
        })
    }

    /// The configured name of the issuer of a verified token.
    pub(super) fn issuer_name(&self, verified: &VerifiedToken) -> &str {
        &self.issuers[verified.issuer].config.name
    }

    #[allow(
        clippy::cast_precision_loss,
        reason = "microseconds since 1970 as seconds, compared with a leeway of seconds"
    )]
    fn now_seconds(&self) -> f64 {
        self.clock.now().as_microsecond() as f64 / 1e6
    }
}
