//! The settings of authentication: issuers of tokens, services with certificates, and what may be
//! read and kept. `config_checks` says which of them fit together.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jsonwebtoken::Algorithm;
use serde::Deserialize;

use crate::domain::MatchBy;

/// How callers prove who they are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthenticationConfig {
    /// Who may sign tokens.
    pub issuers: Vec<IssuerConfig>,
    /// Which service a client certificate stands for.
    pub certificates: Vec<CertificateConfig>,
    /// How far an issuer's clock may differ, in seconds. Default 30: machines that keep time by NTP
    /// differ by less, and a stolen token gains no more than that.
    pub leeway_seconds: u64,
    /// Bytes of a key set. Default 256 KiB: 64 RSA keys with certificate chains are below it.
    pub jwks_bytes_max: u64,
    /// Keys of one set. Default 64: issuers have two to ten, and each is tried against nobody's
    /// tokens but its own.
    pub keys_max: usize,
    /// How long fetching a key set may take, in seconds. Default 5: a call may wait for it.
    pub fetch_timeout_seconds: u64,
    /// How often a key set is fetched anew, in seconds. Default 300: a key that its issuer took
    /// back is trusted no longer than that.
    pub refresh_seconds: u64,
    /// The shortest pause between two looks at one key set, in seconds. Default 10: tokens with
    /// invented key ids cost the issuer no more than six looks a minute. Files are looked at so often.
    pub refresh_gap_seconds_min: u64,
    /// How long keys are used on while their set cannot be read, in seconds. Default 86400: an
    /// issuer that is down for a night locks nobody out who has a token.
    pub stale_seconds_max: u64,
    /// Verified tokens that are remembered. Default 10000: each takes some 500 bytes and saves a
    /// signature check of 50 to 100 microseconds.
    pub verified_tokens_max: u64,
    /// Bytes of a token. Default 8 KiB: the largest that identity providers send with groups in them.
    pub credential_bytes_max: usize,
}

impl Default for AuthenticationConfig {
    fn default() -> Self {
        Self {
            issuers: Vec::new(),
            certificates: Vec::new(),
            leeway_seconds: 30,
            jwks_bytes_max: 256 * 1024,
            keys_max: 64,
            fetch_timeout_seconds: 5,
            refresh_seconds: 300,
            refresh_gap_seconds_min: 10,
            stale_seconds_max: 86_400,
            verified_tokens_max: 10_000,
            credential_bytes_max: 8 * 1024,
        }
    }
}

impl AuthenticationConfig {
    pub(super) fn fetch_timeout(&self) -> Duration {
        Duration::from_secs(self.fetch_timeout_seconds)
    }

    pub(super) fn refresh(&self) -> Duration {
        Duration::from_secs(self.refresh_seconds)
    }

    pub(super) fn refresh_gap(&self) -> Duration {
        Duration::from_secs(self.refresh_gap_seconds_min)
    }

    pub(super) fn stale_max(&self) -> Duration {
        Duration::from_secs(self.stale_seconds_max)
    }
}

/// Whose tokens an issuer signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Callers {
    /// People's: each is matched with a user of the identity store.
    Persons,
    /// Services': the subject is one of `clients`.
    Services,
}

/// An issuer of tokens, and what its tokens mean.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerConfig {
    /// A short name for logs and caller names: small letters, digits and hyphens. It must stay as
    /// it is: the names of callers hold it.
    pub name: String,
    /// The exact `iss` claim.
    pub issuer: String,
    /// The `aud` claims that are meant for Usher; a token needs one of them.
    pub audiences: Vec<String>,
    /// The algorithms that are accepted. Default RS256 and ES256.
    #[serde(default = "default_algorithms")]
    pub algorithms: Vec<SigningAlgorithm>,
    /// The file of the key set (JWKS); or else `jwks_url`.
    pub jwks_file: Option<PathBuf>,
    /// Where the key set is fetched: https, or http on loopback.
    pub jwks_url: Option<String>,
    /// The PEM file of the private CA that the URL's certificate is of. Default: the system's CAs.
    pub ca_file: Option<PathBuf>,
    /// Whose tokens these are.
    pub callers: Callers,
    /// The claim that names the caller for ever. Default `sub`.
    #[serde(default = "default_subject_claim")]
    pub subject_claim: String,
    /// How a person's user is found.
    pub match_by: Option<MatchBy>,
    /// The claim with what is looked for.
    pub match_claim: Option<String>,
    /// The issuer that the identity store knows an external id by.
    pub external_id_issuer: Option<String>,
    /// The claim that names the client to which a token was given. Default `azp`.
    #[serde(default = "default_client_claim")]
    pub client_claim: String,
    /// The service's name for a value of `client_claim`; of `subject_claim` where services call.
    #[serde(default)]
    pub clients: BTreeMap<String, String>,
}

/// The service that a client certificate stands for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateConfig {
    /// The service's name.
    pub service: String,
    /// The exact SPIFFE id, a URI among the certificate's alternative names; or else `dns`.
    pub spiffe: Option<String>,
    /// The exact DNS name among them; no wildcards.
    pub dns: Option<String>,
}

/// A signature algorithm with a public key. There is no `none` and nothing symmetric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[allow(missing_docs, reason = "RFC 7518 names them")]
pub enum SigningAlgorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

impl From<SigningAlgorithm> for Algorithm {
    fn from(algorithm: SigningAlgorithm) -> Self {
        match algorithm {
            SigningAlgorithm::RS256 => Self::RS256,
            SigningAlgorithm::RS384 => Self::RS384,
            SigningAlgorithm::RS512 => Self::RS512,
            SigningAlgorithm::PS256 => Self::PS256,
            SigningAlgorithm::PS384 => Self::PS384,
            SigningAlgorithm::PS512 => Self::PS512,
            SigningAlgorithm::ES256 => Self::ES256,
            SigningAlgorithm::ES384 => Self::ES384,
            SigningAlgorithm::EdDSA => Self::EdDSA,
        }
    }
}

fn default_algorithms() -> Vec<SigningAlgorithm> {
    vec![SigningAlgorithm::RS256, SigningAlgorithm::ES256]
}

fn default_subject_claim() -> String {
    "sub".to_owned()
}

fn default_client_claim() -> String {
    "azp".to_owned()
}
