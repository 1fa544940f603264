//! One issuer: which of its tokens are good, and whom a good one proves. The signature is checked
//! before any claim is read.

use std::sync::Arc;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation, decode};
use serde_json::{Map, Value};

use super::config::{AuthenticationConfig, Callers, IssuerConfig};
use super::fetch::KeySource;
use super::key_cache::KeyCache;
use super::key_set::Lookup;
use super::problem::{AuthenticationError, CredentialProblem, ProblemKind};
use super::token_header::Claimed;
use crate::domain::text::check_user_name;
use crate::domain::{CallerName, Identity, MatchBy, Person};

/// The claim of an email address, which `email_verified` is about (OpenID Connect Core §5.1).
const EMAIL_CLAIM: &str = "email";

/// Whom a token proves.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// A person, and the service to which the token was given, if it is a configured one.
    Person {
        person: Arc<Person>,
        client: Client,
    },
    /// A service by its configured name.
    Service(String),
}

/// The client to which a person's token was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Client {
    /// A configured service.
    Service(String),
    /// Somebody else, or nobody named, though the issuer has services configured.
    Stranger,
    /// The issuer has no services configured: its tokens are anybody's.
    Unregistered,
}

/// What one try with the keys in force came to.
enum Attempt {
    /// The token is signed by a key of that generation.
    Claims(Map<String, Value>, u64),
    /// It is refused, whatever the keys.
    Refused(CredentialProblem),
    /// It does not fit the keys that are in force; those of the issuer may be others by now.
    KeysMayBeOld(CredentialProblem),
}

impl Client {
    pub(super) fn service(&self) -> Option<&String> {
        match self {
            Self::Service(name) => Some(name),
            Self::Stranger | Self::Unregistered => None,
        }
    }
}

/// A token that was verified.
#[derive(Debug, PartialEq)]
pub(super) struct VerifiedToken {
    pub(super) holder: Holder,
    /// Seconds since 1970 at which it ends, without leeway.
    pub(super) expires_at_seconds: f64,
    /// Which issuer, by its place in the configuration.
    pub(super) issuer: usize,
    /// Under which of its key sets.
    pub(super) generation: u64,
}

/// An issuer and its keys.
pub(super) struct Issuer {
    pub(super) config: IssuerConfig,
    pub(super) keys: KeyCache,
    algorithms: Vec<Algorithm>,
    leeway_seconds: f64,
}

impl Issuer {
    pub(super) fn new(
        issuer: &IssuerConfig,
        config: &AuthenticationConfig,
    ) -> Result<Self, AuthenticationError> {
        let source = KeySource::new(issuer, config)
            .map_err(|problem| AuthenticationError(format!("{}: {problem}", issuer.name)))?;
        // At most 300, which a f64 holds exactly.
        let leeway = u32::try_from(config.leeway_seconds).unwrap_or(u32::MAX);
        Ok(Self {
            keys: KeyCache::new(&issuer.name, source, config),
            algorithms: issuer
                .algorithms
                .iter()
                .map(|each| (*each).into())
                .collect(),
            leeway_seconds: f64::from(leeway),
            config: issuer.clone(),
        })
    }

    /// Whether a token is meant for this section of the configuration.
    pub(super) fn is_addressed(&self, claimed: &Claimed) -> bool {
        self.config.issuer == claimed.issuer
            && claimed
                .audiences
                .iter()
                .any(|audience| self.config.audiences.contains(audience))
    }

    /// Verifies a token against the keys in force; looks for new keys where it names an unknown one.
    pub(super) async fn verify(
        &self,
        place: usize,
        token: &str,
        claimed: &Claimed,
        now_seconds: f64,
    ) -> Result<VerifiedToken, CredentialProblem> {
        if !self.algorithms.contains(&claimed.algorithm) {
            return Err(CredentialProblem::invalid(
                "the token's algorithm is not one that its issuer is configured with",
            ));
        }
        let (claims, generation) = match self.try_claims(token, claimed) {
            Attempt::Claims(claims, generation) => (claims, generation),
            Attempt::Refused(problem) => return Err(problem),
            Attempt::KeysMayBeOld(_) => {
                self.keys.look_again().await;
                match self.try_claims(token, claimed) {
                    Attempt::Claims(claims, generation) => (claims, generation),
                    Attempt::Refused(problem) | Attempt::KeysMayBeOld(problem) => {
                        return Err(problem);
                    }
                }
            }
        };
        let expires_at_seconds = self.check_times(&claims, now_seconds)?;
        Ok(VerifiedToken {
            holder: self.holder(&claims)?,
            expires_at_seconds,
            issuer: place,
            generation,
        })
    }

    /// The claims of a token whose signature fits a key in force.
    fn try_claims(&self, token: &str, claimed: &Claimed) -> Attempt {
        let Some(held) = self.keys.current() else {
            return Attempt::KeysMayBeOld(CredentialProblem::new(
                ProblemKind::IssuerUnavailable,
                "the keys of the token's issuer cannot be read now",
            ));
        };
        let id = claimed.key_id.as_deref();
        let may_be_old = |text| Attempt::KeysMayBeOld(CredentialProblem::invalid(text));
        let refused = |text| Attempt::Refused(CredentialProblem::invalid(text));
        let keys = match held.keys.lookup(id, claimed.algorithm) {
            Lookup::UnknownId => {
                return may_be_old("the token names a key that its issuer does not have");
            }
            Lookup::IdMissing => {
                return may_be_old("the token names no key, and its issuer has several");
            }
            Lookup::WrongKind => {
                return refused("the token's algorithm does not fit its key");
            }
            Lookup::Keys(keys) => keys,
        };
        let validation = self.validation(claimed.algorithm);
        let mut is_signed = false;
        for key in keys {
            match decode::<Map<String, Value>>(token, &key.decoding, &validation) {
                Ok(decoded) => return Attempt::Claims(decoded.claims, held.generation),
                Err(error) => is_signed |= *error.kind() != ErrorKind::InvalidSignature,
            }
        }
        let told = "the token's signature or claims do not fit";
        if is_signed {
            refused(told)
        } else {
            // A new key may have come in the place of the old, also under its id.
            may_be_old(told)
        }
    }

    /// Signature, issuer, audience and presence; the times are ours, by the service's clock.
    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[&self.config.issuer]);
        validation.set_audience(&self.config.audiences);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp", "nbf"]);
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation
    }

    fn check_times(
        &self,
        claims: &Map<String, Value>,
        now_seconds: f64,
    ) -> Result<f64, CredentialProblem> {
        let time = |name: &str| {
            claims
                .get(name)
                .and_then(Value::as_f64)
                .filter(|seconds| seconds.is_finite() && *seconds >= 0.0)
        };
        let (Some(from), Some(until)) = (time("nbf"), time("exp")) else {
            return Err(CredentialProblem::invalid(
                "the token does not say from when and until when it is valid (nbf, exp)",
            ));
        };
        if now_seconds + self.leeway_seconds < from {
            return Err(CredentialProblem::invalid("the token is not valid yet"));
        }
        if self.is_over(until, now_seconds) {
            return Err(CredentialProblem::expired());
        }
        Ok(until)
    }

    /// Whether a token that ends then has ended.
    pub(super) fn is_over(&self, expires_at_seconds: f64, now_seconds: f64) -> bool {
        now_seconds - self.leeway_seconds >= expires_at_seconds
    }

    fn holder(&self, claims: &Map<String, Value>) -> Result<Holder, CredentialProblem> {
        let invalid = CredentialProblem::invalid;
        let text = |claim: &str| claims.get(claim).and_then(Value::as_str);
        let subject = text(&self.config.subject_claim)
            .ok_or_else(|| invalid("the token has no subject in the configured claim"))?;
        match self.config.callers {
            Callers::Services => (self.config.clients.get(subject))
                .map(|service| Holder::Service(service.clone()))
                .ok_or_else(|| invalid("the token's subject is no configured service")),
            Callers::Persons => Ok(Holder::Person {
                person: self.person(claims, subject)?,
                client: self.client(text(&self.config.client_claim)),
            }),
        }
    }

    fn client(&self, named: Option<&str>) -> Client {
        match named.and_then(|name| self.config.clients.get(name)) {
            Some(service) => Client::Service(service.clone()),
            None if self.config.clients.is_empty() => Client::Unregistered,
            None => Client::Stranger,
        }
    }

    fn person(
        &self,
        claims: &Map<String, Value>,
        subject: &str,
    ) -> Result<Arc<Person>, CredentialProblem> {
        let invalid = CredentialProblem::invalid;
        let (Some(match_by), Some(claim)) = (self.config.match_by, &self.config.match_claim) else {
            return Err(invalid("the token's issuer is not configured for persons"));
        };
        if (match_by == MatchBy::Email || claim == EMAIL_CLAIM) && !is_verified_email(claims) {
            return Err(invalid(
                "the token says that its email address is not verified",
            ));
        }
        let value = (claims.get(claim).and_then(Value::as_str))
            .filter(|value| check_user_name(value).is_ok())
            .ok_or_else(|| {
                invalid("the token has no usable text in the claim that names its user")
            })?;
        let person = Person {
            issuer: self.config.name.clone(),
            subject: subject.to_owned(),
            match_by,
            match_value: value.to_owned(),
            external_id_issuer: self.config.external_id_issuer.clone().unwrap_or_default(),
        };
        let identity = Identity::Person {
            person: Arc::new(person),
            service: None,
        };
        // Also what it is counted and written down by must be a name.
        let is_name =
            CallerName::parse(&identity.to_string()).is_ok() && !subject.trim().is_empty();
        match identity {
            Identity::Person { person, .. } if is_name => Ok(person),
            _ => Err(invalid("the token's subject is not a usable name")),
        }
    }
}

/// Absent counts as verified, since many issuers send addresses of their own directory only. Some
/// send texts; whatever is not true is not verified.
fn is_verified_email(claims: &Map<String, Value>) -> bool {
    match claims.get("email_verified") {
        None => true,
        Some(Value::Bool(is_verified)) => *is_verified,
        Some(Value::String(text)) => text == "true",
        Some(_) => false,
    }
}
