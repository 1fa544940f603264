//! Who is calling: what a connection's certificate and a call's credentials prove. Tokens of
//! configured issuers, client certificates of configured services and, with `--dev` only,
//! development tokens. Nothing here decides what a caller may do, and no credential is ever logged.

mod authenticator;
mod certificate_checks;
mod certificates;
mod config;
mod config_checks;
mod credentials;
mod development;
mod fetch;
mod issuer;
mod key_cache;
mod key_check;
mod key_set;
mod problem;
mod token_header;
mod tokens;

pub use authenticator::Authenticator;
pub use certificates::PeerCertificate;
pub use config::{
    AuthenticationConfig, Callers, CertificateConfig, IssuerConfig, SigningAlgorithm,
};
pub use development::{DevelopmentTokens, KeyError, TOKEN_SECONDS_MAX};
pub use key_check::{KeysFound, check_keys};
pub use problem::{AuthenticationError, CredentialProblem, ProblemKind};
