//! Client certificates: the names that one carries, and the service that they stand for. Whether a
//! certificate is good (its CA, its dates, its purpose) was decided in the TLS handshake.

use std::collections::{BTreeSet, HashMap};

use rustls_pki_types::CertificateDer;
use webpki::EndEntityCert;

use super::config::CertificateConfig;
use super::problem::CredentialProblem;

/// The names of a certificate that passed the handshake. The common name is none of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificate {
    uris: Vec<String>,
    dns_names: Vec<String>,
}

impl PeerCertificate {
    /// Reads the alternative names of a certificate.
    ///
    /// # Errors
    /// A sentence, when it cannot be read.
    pub fn read(certificate: &CertificateDer<'_>) -> Result<Self, String> {
        let parsed = EndEntityCert::try_from(certificate).map_err(|error| error.to_string())?;
        Ok(Self {
            uris: parsed.valid_uri_names().map(str::to_owned).collect(),
            dns_names: (parsed.valid_dns_names())
                .map(str::to_ascii_lowercase)
                .collect(),
        })
    }
}

/// The services that certificates may stand for.
pub(super) struct CertificateServices {
    by_spiffe: HashMap<String, String>,
    by_dns: HashMap<String, String>,
}

impl CertificateServices {
    pub(super) fn new(configured: &[CertificateConfig]) -> Self {
        let named = |name: fn(&CertificateConfig) -> Option<&String>| {
            configured
                .iter()
                .filter_map(|each| Some((name(each)?.clone(), each.service.clone())))
                .collect()
        };
        Self {
            by_spiffe: named(|each| each.spiffe.as_ref()),
            by_dns: named(|each| each.dns.as_ref()),
        }
    }

    /// Whether no certificate stands for anybody.
    pub(super) fn are_none(&self) -> bool {
        self.by_spiffe.is_empty() && self.by_dns.is_empty()
    }

    /// The one service of a certificate.
    pub(super) fn service(&self, peer: &PeerCertificate) -> Result<&str, CredentialProblem> {
        let invalid = CredentialProblem::invalid;
        let spiffe_ids = peer.uris.iter().filter(|uri| {
            let scheme = uri.split_once("://").map_or("", |(scheme, _)| scheme);
            scheme.eq_ignore_ascii_case("spiffe")
        });
        // A SPIFFE document has exactly one; which of two is meant, nobody could tell.
        if spiffe_ids.count() > 1 {
            return Err(invalid("the client certificate has several SPIFFE ids"));
        }
        let by_spiffe = peer.uris.iter().filter_map(|uri| self.by_spiffe.get(uri));
        let by_dns = peer
            .dns_names
            .iter()
            .filter_map(|name| self.by_dns.get(name));
        let services: BTreeSet<&str> = by_spiffe.chain(by_dns).map(String::as_str).collect();
        let mut services = services.into_iter();
        match (services.next(), services.next()) {
            (Some(service), None) => Ok(service),
            (None, _) => Err(invalid(
                "the client certificate is of no configured service",
            )),
            (Some(_), Some(_)) => Err(invalid("the client certificate is of several services")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(uris: &[&str], dns_names: &[&str]) -> PeerCertificate {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        PeerCertificate {
            uris: owned(uris),
            dns_names: owned(dns_names),
        }
    }

    #[test]
    fn a_certificate_stands_for_exactly_one_service() {
        let section = |service: &str, spiffe: Option<&str>, dns: Option<&str>| CertificateConfig {
            service: service.to_owned(),
            spiffe: spiffe.map(str::to_owned),
            dns: dns.map(str::to_owned),
        };
        let services = CertificateServices::new(&[
            section("portal", Some("spiffe://example.org/portal"), None),
            section("portal", None, Some("portal.internal")),
            section("tickets", None, Some("tickets.internal")),
        ]);
        let portal = "spiffe://example.org/portal";
        for good in [
            peer(&[portal], &[]),
            peer(&[portal], &["portal.internal", "other.internal"]),
            peer(&["https://example.org"], &["portal.internal"]),
        ] {
            assert_eq!(services.service(&good), Ok("portal"), "{good:?}");
        }
        for bad in [
            peer(&[], &[]),
            peer(&["spiffe://example.org/portal/"], &[]),
            peer(&["spiffe://example.org/PORTAL"], &[]),
            peer(&[], &["*.internal"]),
            peer(&[], &["x.portal.internal"]),
            peer(&[portal], &["tickets.internal"]),
            peer(&[portal, "spiffe://example.org/other"], &[]),
            peer(&[portal, "SPIFFE://example.org/other"], &[]),
        ] {
            assert!(services.service(&bad).is_err(), "{bad:?}");
        }
    }
}
