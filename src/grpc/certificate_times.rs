//! When certificates count. The library that makes connections knows it too and tells nobody. Nothing
//! is verified here, and what is not understood has no time.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::time::Time;

/// When a certificate counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateTimes {
    /// The file that it is in.
    pub file: PathBuf,
    /// It is a CA of clients; else it is the server's or one above that.
    pub is_client_ca: bool,
    /// The first instant.
    pub from: Timestamp,
    /// The last one.
    pub until: Timestamp,
}

impl CertificateTimes {
    /// The times of a certificate; none where they cannot be read.
    pub(super) fn of(
        certificate: &CertificateDer<'_>,
        file: &Path,
        is_client_ca: bool,
    ) -> Option<Self> {
        let certificate = Certificate::from_der(certificate).ok()?;
        let validity = certificate.tbs_certificate().validity();
        Some(Self {
            file: file.to_owned(),
            is_client_ca,
            from: instant(&validity.not_before)?,
            until: instant(&validity.not_after)?,
        })
    }
}

fn instant(time: &Time) -> Option<Timestamp> {
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).ok()?;
    Timestamp::from_second(seconds).ok()
}
