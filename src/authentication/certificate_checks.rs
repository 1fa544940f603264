//! Which names a client certificate may be configured by: each stands for one service, exactly.

use std::collections::BTreeMap;

use super::config::CertificateConfig;
use super::config_checks::{TEXT_CHARACTERS_MAX, check_service};

/// Checks every section of certificates.
pub(super) fn check_certificates(certificates: &[CertificateConfig]) -> Result<(), String> {
    let mut services: BTreeMap<&str, &str> = BTreeMap::new();
    for certificate in certificates {
        let refuse = |problem: String| Err(format!("authentication.certificates: {problem}"));
        if let Err(problem) = check_service(&certificate.service) {
            return refuse(problem);
        }
        let name = match (&certificate.spiffe, &certificate.dns) {
            (Some(spiffe), None) if is_spiffe(spiffe) => spiffe,
            (Some(spiffe), None) => {
                return refuse(format!(
                    "`{spiffe}` is no SPIFFE id such as spiffe://example.org/portal"
                ));
            }
            (None, Some(dns)) if is_dns(dns) => dns,
            (None, Some(dns)) => {
                return refuse(format!(
                    "`{dns}` is no DNS name in small letters without wildcard"
                ));
            }
            _ => return refuse("set either `spiffe` or `dns`".to_owned()),
        };
        if services.insert(name, &certificate.service).is_some() {
            return refuse(format!("`{name}` is given twice"));
        }
    }
    Ok(())
}

fn is_spiffe(id: &str) -> bool {
    id.len() <= TEXT_CHARACTERS_MAX
        && id.strip_prefix("spiffe://").is_some_and(|rest| {
            let (domain, path) = rest.split_once('/').unwrap_or((rest, ""));
            !domain.is_empty()
                && !path.is_empty()
                && rest.bytes().all(|byte| {
                    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'/')
                })
        })
}

fn is_dns(name: &str) -> bool {
    name.len() <= 253
        && name.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        })
}

#[cfg(test)]
mod tests {
    use crate::authentication::AuthenticationConfig;

    fn checked(text: &str) -> Result<(), String> {
        let config: AuthenticationConfig =
            toml::from_str(text).map_err(|error| error.to_string())?;
        config.check()
    }

    #[test]
    fn a_certificates_name_stands_for_one_service() {
        let section = |service: &str, rest: &str| {
            format!("[[certificates]]\nservice = \"{service}\"\n{rest}\n")
        };
        let good = section("portal", "spiffe = \"spiffe://example.org/portal\"")
            + &section("portal", "dns = \"portal.internal\"");
        assert_eq!(checked(&good), Ok(()));
        let twice =
            section("portal", "dns = \"a.internal\"") + &section("tickets", "dns = \"a.internal\"");
        let cases = [
            (twice, "given twice"),
            (section("portal", ""), "either"),
            (
                section("portal", "dns = \"*.internal\""),
                "without wildcard",
            ),
            (
                section("portal", "spiffe = \"spiffe://example.org\""),
                "no SPIFFE id",
            ),
            (
                section("portal", "spiffe = \"https://example.org/a\""),
                "no SPIFFE id",
            ),
            (section("port al", "dns = \"a.internal\""), "the service"),
        ];
        for (text, expected) in cases {
            let problem = checked(&text).unwrap_err();
            assert!(problem.contains(expected), "{text}: {problem}");
        }
    }
}
