//! Which settings of authentication fit together. Everything that could let in somebody whom
//! nobody meant is refused here, before anything starts.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::certificate_checks::check_certificates;
use super::config::{AuthenticationConfig, Callers, IssuerConfig};
use crate::domain::MatchBy;

/// The longest name of an issuer: with the longest subject it makes a caller's name.
const ISSUER_NAME_CHARACTERS_MAX: usize = 32;
/// The longest name of a service.
const SERVICE_NAME_CHARACTERS_MAX: usize = 64;
/// The longest `iss`, audience, claim or SPIFFE id, in characters.
pub(super) const TEXT_CHARACTERS_MAX: usize = 1024;

impl AuthenticationConfig {
    /// Checks the numbers, every issuer and every certificate, and that no two contradict.
    ///
    /// # Errors
    /// A sentence that names the setting.
    pub fn check(&self) -> Result<(), String> {
        self.check_numbers()?;
        let mut names = BTreeSet::new();
        for issuer in &self.issuers {
            if !is_name(&issuer.name, ISSUER_NAME_CHARACTERS_MAX) {
                return Err(format!(
                    "authentication.issuers: the name `{}` is not 1 to {ISSUER_NAME_CHARACTERS_MAX} small letters, digits and hyphens",
                    issuer.name
                ));
            }
            if !names.insert(&issuer.name) {
                return Err(format!(
                    "authentication.issuers: `{}` is the name of two issuers",
                    issuer.name
                ));
            }
            check_issuer(issuer).map_err(|problem| {
                format!("authentication.issuers `{}`: {problem}", issuer.name)
            })?;
        }
        check_overlaps(&self.issuers)?;
        check_certificates(&self.certificates)
    }

    fn check_numbers(&self) -> Result<(), String> {
        let numbers: [(&str, u64, u64, u64); 9] = [
            ("leeway_seconds", self.leeway_seconds, 0, 300),
            ("jwks_bytes_max", self.jwks_bytes_max, 1024, 4 * 1024 * 1024),
            ("keys_max", self.keys_max as u64, 1, 1000),
            ("fetch_timeout_seconds", self.fetch_timeout_seconds, 1, 60),
            ("refresh_seconds", self.refresh_seconds, 1, 86_400),
            (
                "refresh_gap_seconds_min",
                self.refresh_gap_seconds_min,
                1,
                self.refresh_seconds,
            ),
            (
                "stale_seconds_max",
                self.stale_seconds_max,
                self.refresh_seconds,
                7 * 86_400,
            ),
            (
                "verified_tokens_max",
                self.verified_tokens_max,
                1,
                10_000_000,
            ),
            (
                "credential_bytes_max",
                self.credential_bytes_max as u64,
                1024,
                64 * 1024,
            ),
        ];
        for (name, number, minimum, maximum) in numbers {
            if !(minimum..=maximum).contains(&number) {
                return Err(format!(
                    "authentication.{name} is {number}; it must be {minimum} to {maximum}"
                ));
            }
        }
        Ok(())
    }
}

fn check_issuer(issuer: &IssuerConfig) -> Result<(), String> {
    check_text("issuer", &issuer.issuer)?;
    check_text("subject_claim", &issuer.subject_claim)?;
    check_text("client_claim", &issuer.client_claim)?;
    if issuer.audiences.is_empty() {
        return Err("`audiences` is empty, so that no token is meant for Usher".to_owned());
    }
    for audience in &issuer.audiences {
        check_text("audiences", audience)?;
    }
    if issuer.algorithms.is_empty() {
        return Err("`algorithms` is empty".to_owned());
    }
    check_key_source(issuer)?;
    for (client, service) in &issuer.clients {
        check_text("clients", client)?;
        check_service(service)?;
    }
    match issuer.callers {
        Callers::Persons => check_match(issuer),
        Callers::Services => {
            if issuer.clients.is_empty() {
                return Err("`clients` is empty; name each service's subject in it".to_owned());
            }
            let matched = issuer.match_by.is_some()
                || issuer.match_claim.is_some()
                || issuer.external_id_issuer.is_some();
            if matched {
                return Err("services are matched with no user; leave `match_by`, `match_claim` and `external_id_issuer` out".to_owned());
            }
            Ok(())
        }
    }
}

fn check_match(issuer: &IssuerConfig) -> Result<(), String> {
    let (Some(match_by), Some(claim)) = (issuer.match_by, &issuer.match_claim) else {
        return Err(
            "`match_by` and `match_claim` say how a person's user is found; set both".to_owned(),
        );
    };
    check_text("match_claim", claim)?;
    match (match_by, &issuer.external_id_issuer) {
        (MatchBy::ExternalId, Some(external)) => check_text("external_id_issuer", external),
        (MatchBy::ExternalId, None) => {
            Err("`external_id_issuer` is missing; EXTERNAL_ID needs it".to_owned())
        }
        (_, Some(_)) => Err("`external_id_issuer` goes with EXTERNAL_ID only".to_owned()),
        (_, None) => Ok(()),
    }
}

fn check_key_source(issuer: &IssuerConfig) -> Result<(), String> {
    match (&issuer.jwks_file, &issuer.jwks_url) {
        (Some(_), None) if issuer.ca_file.is_some() => {
            Err("`ca_file` goes with `jwks_url` only".to_owned())
        }
        (Some(_), None) => Ok(()),
        (None, Some(url)) => check_url(url, issuer.ca_file.is_some()),
        _ => Err("set either `jwks_file` or `jwks_url`".to_owned()),
    }
}

fn check_url(url: &str, has_ca: bool) -> Result<(), String> {
    let wrong = || {
        format!(
            "`jwks_url` is `{url}`; it must be https (http on loopback only), without user or password"
        )
    };
    let uri: http::Uri = url.parse().map_err(|_| wrong())?;
    let authority = uri.authority().ok_or_else(wrong)?;
    if authority.as_str().contains('@') {
        return Err(wrong());
    }
    match uri.scheme_str() {
        Some("https") => Ok(()),
        Some("http") if is_loopback(authority.host()) && !has_ca => Ok(()),
        Some("http") if is_loopback(authority.host()) => {
            Err("`ca_file` goes with an https `jwks_url` only".to_owned())
        }
        _ => Err(wrong()),
    }
}

/// Whether a host is this machine. Addresses only, and `localhost`: no name is looked up.
pub(super) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Two sections may share an issuer, as one for people and one for services; then the audience
/// tells them apart.
fn check_overlaps(issuers: &[IssuerConfig]) -> Result<(), String> {
    for (at, first) in issuers.iter().enumerate() {
        for second in &issuers[at + 1..] {
            let shared = first
                .audiences
                .iter()
                .any(|audience| second.audiences.contains(audience));
            if first.issuer == second.issuer && shared {
                return Err(format!(
                    "authentication.issuers: `{}` and `{}` have the same issuer and share an audience, so that a token could mean either",
                    first.name, second.name
                ));
            }
        }
    }
    Ok(())
}

pub(super) fn check_service(name: &str) -> Result<(), String> {
    if is_name(name, SERVICE_NAME_CHARACTERS_MAX) {
        Ok(())
    } else {
        Err(format!(
            "the service `{name}` is not 1 to {SERVICE_NAME_CHARACTERS_MAX} small letters, digits and hyphens"
        ))
    }
}

fn is_name(name: &str, characters_max: usize) -> bool {
    (1..=characters_max).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn check_text(setting: &str, text: &str) -> Result<(), String> {
    let fits = !text.trim().is_empty()
        && text.chars().count() <= TEXT_CHARACTERS_MAX
        && !text.chars().any(char::is_control);
    if fits {
        Ok(())
    } else {
        Err(format!(
            "`{setting}` is empty, too long, or has control characters"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERSONS: &str = r#"
        [[issuers]]
        name = "corp"
        issuer = "https://login.example.com"
        audiences = ["usher"]
        jwks_url = "https://login.example.com/keys"
        callers = "PERSONS"
        match_by = "EMAIL"
        match_claim = "email"
    "#;

    fn checked(text: &str) -> Result<(), String> {
        let config: AuthenticationConfig =
            toml::from_str(text).map_err(|error| error.to_string())?;
        config.check()
    }

    #[test]
    fn defaults_and_a_whole_issuer_fit() {
        assert_eq!(AuthenticationConfig::default().check(), Ok(()));
        assert_eq!(checked(PERSONS), Ok(()));
        let both = format!("{PERSONS}{}", PERSONS.replace("corp", "corp-machines"));
        assert!(checked(&both).unwrap_err().contains("could mean either"));
    }

    #[test]
    fn what_could_let_in_a_stranger_is_refused() {
        let replaced = [
            ("\"corp\"", "\"corp:x\"", "small letters"),
            ("[\"usher\"]", "[]", "`audiences` is empty"),
            (
                "https://login.example.com/keys",
                "http://login.example.com/keys",
                "`jwks_url`",
            ),
            (
                "https://login.example.com/keys",
                "https://me:pw@login.example.com/",
                "`jwks_url`",
            ),
            (
                "https://login.example.com/keys",
                "http://localhost.example.com/",
                "`jwks_url`",
            ),
            ("jwks_url =", "jwks_file = \"a\"\njwks_url =", "either"),
            (
                "match_claim = \"email\"",
                "",
                "`match_by` and `match_claim`",
            ),
            (
                "\"EMAIL\"",
                "\"EXTERNAL_ID\"",
                "`external_id_issuer` is missing",
            ),
            ("\"PERSONS\"", "\"SERVICES\"", "`clients` is empty"),
            (
                "callers",
                "algorithms = [\"HS256\"]\ncallers",
                "unknown variant",
            ),
            (
                "callers",
                "algorithms = [\"none\"]\ncallers",
                "unknown variant",
            ),
            (
                "callers",
                "algorithms = []\ncallers",
                "`algorithms` is empty",
            ),
            (
                "callers",
                "clients = { web = \"Portal\" }\ncallers",
                "`Portal`",
            ),
        ];
        for (old, new, expected) in replaced {
            let problem = checked(&PERSONS.replace(old, new)).unwrap_err();
            assert!(problem.contains(expected), "{new}: {problem}");
        }
        assert_eq!(
            checked(&PERSONS.replace("https://login.example.com/keys", "http://127.0.0.1:9/k")),
            Ok(())
        );
        let numbers = [
            ("stale_seconds_max = 1", "stale_seconds_max"),
            ("refresh_gap_seconds_min = 301", "refresh_gap_seconds_min"),
            ("credential_bytes_max = 1000000", "credential_bytes_max"),
        ];
        for (text, expected) in numbers {
            assert!(checked(text).unwrap_err().contains(expected), "{text}");
        }
    }
}
