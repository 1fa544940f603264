//! Whom a service may serve: what must be configured before it serves anybody but its developer,
//! and that nothing leaves this machine in plain text.

use std::net::SocketAddr;

use super::service::{ServiceOptions, StartError};
use crate::authentication::{Authenticator, DevelopmentTokens};
use crate::config::Config;
use crate::grpc::Tls;

/// Whom a service serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceMode {
    /// Its developer, on loopback: development tokens count, beside what is configured.
    Development,
    /// Callers with the tokens and certificates that are configured.
    Authenticated,
}

/// What a configuration lacks to serve others than a developer: a sentence each, with how to make
/// it. Empty when nothing is missing.
#[must_use]
pub fn what_is_missing(config: &Config) -> Vec<String> {
    let mut missing = Vec::new();
    if config.tls.is_none() {
        missing.push(
            "TLS: write a section [tls] with certificate_file and key_file, the PEM files of this \
             server's certificate and key (docs/authentication.md makes a pair with openssl)"
                .to_owned(),
        );
    }
    let has_certificates = !config.authentication.certificates.is_empty()
        && (config.tls.as_ref()).is_some_and(|tls| tls.client_ca_file.is_some());
    if config.authentication.issuers.is_empty() && !has_certificates {
        missing.push(
            "authentication: write a section [[authentication.issuers]] for your identity \
             provider, or tls.client_ca_file and [[authentication.certificates]] for client \
             certificates (docs/authentication.md has examples)"
                .to_owned(),
        );
    }
    if config.policy.directory.is_none() {
        missing.push(
            "policy: write a section [policy] with directory; `usher policy init` writes a \
             commented starter set into one"
                .to_owned(),
        );
    }
    missing
}

/// Refuses what would send credentials in plain text, or let strangers at development tokens.
pub(super) fn check_address(
    mode: ServiceMode,
    listen: SocketAddr,
    has_tls: bool,
) -> Result<(), StartError> {
    match mode {
        _ if listen.ip().is_loopback() => Ok(()),
        ServiceMode::Development => Err(StartError(format!(
            "--dev listens on loopback only, not on {listen}"
        ))),
        ServiceMode::Authenticated if has_tls => Ok(()),
        ServiceMode::Authenticated => Err(StartError(format!(
            "without TLS only loopback is listened on, not {listen}; write a section [tls] with certificate_file and key_file"
        ))),
    }
}

/// Refuses the built-in policy of `--dev`, which permits everything to everybody, to callers who do
/// not hold a development token.
pub(super) fn check_policy(mode: ServiceMode, config: &Config) -> Result<(), StartError> {
    let callers = &config.authentication;
    let is_developers_own = callers.issuers.is_empty() && callers.certificates.is_empty();
    if mode == ServiceMode::Authenticated || config.policy.directory.is_some() || is_developers_own
    {
        return Ok(());
    }
    Err(StartError(
        "--dev has issuers or client certificates, and no policies but its own, which permit \
         everything: write a section [policy] with directory, or take [authentication] away"
            .to_owned(),
    ))
}

/// Prepares what tells callers apart, and TLS where it is configured.
pub(super) async fn prepare(
    options: &ServiceOptions,
) -> Result<(Authenticator, Option<Tls>), StartError> {
    let developers = match options.mode {
        ServiceMode::Authenticated => None,
        ServiceMode::Development => {
            let opened = DevelopmentTokens::open(&options.data_directory);
            Some(opened.map_err(|error| StartError(error.to_string()))?)
        }
    };
    let config = &options.config;
    let tls = config.tls.clone().map(Tls::load).transpose();
    let tls = tls.map_err(|error| StartError(error.to_string()))?;
    let authenticator =
        Authenticator::start(&config.authentication, developers, options.clock.clone())
            .await
            .map_err(|error| StartError(error.to_string()))?;
    Ok((authenticator, tls))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TLS: &str = "[tls]\ncertificate_file = \"c\"\nkey_file = \"k\"\n";
    const ISSUER: &str = "[[authentication.issuers]]\nname = \"a\"\nissuer = \"b\"\naudiences = [\"u\"]\n\
        jwks_file = \"j\"\ncallers = \"SERVICES\"\nclients = { x = \"portal\" }\n";
    const POLICY: &str = "[policy]\ndirectory = \"p\"\n";

    fn missing(text: &str) -> Vec<String> {
        let config: Config = toml::from_str(text).unwrap();
        config.check().unwrap();
        what_is_missing(&config)
    }

    #[test]
    fn a_configuration_is_told_each_thing_that_it_lacks() {
        let begin = |text: &str| -> Vec<String> {
            let begins = missing(text).into_iter();
            begins
                .map(|each| each.split(':').next().unwrap_or_default().to_owned())
                .collect()
        };
        assert_eq!(begin(""), ["TLS", "authentication", "policy"]);
        assert_eq!(begin(TLS), ["authentication", "policy"]);
        assert_eq!(begin(ISSUER), ["TLS", "policy"]);
        assert_eq!(
            begin(&format!("{TLS}{ISSUER}{POLICY}")),
            Vec::<String>::new()
        );
        let certificates = format!(
            "{TLS}client_ca_file = \"a\"\n{POLICY}[[authentication.certificates]]\nservice = \"portal\"\ndns = \"p.internal\"\n"
        );
        assert_eq!(begin(&certificates), Vec::<String>::new());
    }

    #[test]
    fn the_built_in_policy_is_for_developers_alone() {
        let certificate = "[[authentication.certificates]]\nservice = \"a\"\ndns = \"a.b\"\n";
        let check = |mode, text: &str| check_policy(mode, &toml::from_str(text).unwrap()).is_ok();
        assert!(check(ServiceMode::Development, ""));
        for callers in [ISSUER, certificate] {
            assert!(!check(ServiceMode::Development, callers));
            assert!(check(
                ServiceMode::Development,
                &format!("{POLICY}{callers}")
            ));
        }
    }

    #[test]
    fn nothing_leaves_the_machine_in_plain_text() {
        let everywhere = ([0, 0, 0, 0], 50051).into();
        let loopback = ([127, 0, 0, 1], 50051).into();
        let check = |mode, address, has_tls| check_address(mode, address, has_tls).is_ok();
        assert!(check(ServiceMode::Authenticated, everywhere, true));
        assert!(!check(ServiceMode::Authenticated, everywhere, false));
        assert!(!check(ServiceMode::Development, everywhere, true));
        assert!(check(ServiceMode::Development, loopback, true));
        assert!(check(ServiceMode::Authenticated, loopback, false));
    }
}
