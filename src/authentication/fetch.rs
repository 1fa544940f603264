//! Where a key set comes from: a file, or a URL that is asked with bounds on time and size and
//! without following anywhere else. Nothing here looks into what came.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Certificate, Client, redirect};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::io::AsyncReadExt;

use super::config::{AuthenticationConfig, IssuerConfig};
use super::config_checks::is_loopback;

/// A place to read a key set from.
pub(super) struct KeySource {
    place: Place,
    bytes_max: u64,
    time_max: Duration,
}

enum Place {
    File(PathBuf),
    Url { client: Client, url: String },
}

impl KeySource {
    /// Prepares the source of an issuer that has been checked.
    pub(super) fn new(
        issuer: &IssuerConfig,
        config: &AuthenticationConfig,
    ) -> Result<Self, String> {
        let place = match (&issuer.jwks_file, &issuer.jwks_url) {
            (Some(file), _) => Place::File(file.clone()),
            (None, Some(url)) => Place::Url {
                client: client(url, issuer.ca_file.as_deref(), config.fetch_timeout())?,
                url: url.clone(),
            },
            (None, None) => return Err("it has neither `jwks_file` nor `jwks_url`".to_owned()),
        };
        Ok(Self {
            place,
            bytes_max: config.jwks_bytes_max,
            time_max: config.fetch_timeout(),
        })
    }

    /// Whether it is a file of this machine, which is cheap to look at.
    pub(super) fn is_file(&self) -> bool {
        matches!(self.place, Place::File(_))
    }

    /// Reads what is there now.
    pub(super) async fn fetch(&self) -> Result<Vec<u8>, String> {
        let fetched = tokio::time::timeout(self.time_max, async {
            match &self.place {
                Place::File(path) => read_file(path, self.bytes_max).await,
                Place::Url { client, url } => get(client, url, self.bytes_max).await,
            }
        });
        fetched
            .await
            .unwrap_or_else(|_| Err(format!("it took more than {} s", self.time_max.as_secs())))
    }
}

/// Reads a file of at most so many bytes. A pipe or a device that never ends is cut as well.
async fn read_file(path: &Path, bytes_max: u64) -> Result<Vec<u8>, String> {
    let wrong = |error: std::io::Error| format!("{}: {error}", path.display());
    let file = tokio::fs::File::open(path).await.map_err(wrong)?;
    let mut bytes = Vec::new();
    file.take(bytes_max + 1)
        .read_to_end(&mut bytes)
        .await
        .map_err(wrong)?;
    within(bytes, bytes_max)
}

async fn get(client: &Client, url: &str, bytes_max: u64) -> Result<Vec<u8>, String> {
    let wrong = |error: reqwest::Error| causes(&error.without_url());
    let mut response = client.get(url).send().await.map_err(wrong)?;
    if response.status() != reqwest::StatusCode::OK {
        return Err(format!(
            "the answer's status is {}",
            response.status().as_u16()
        ));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(wrong)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() as u64 > bytes_max {
            break;
        }
    }
    within(bytes, bytes_max)
}

fn within(bytes: Vec<u8>, bytes_max: u64) -> Result<Vec<u8>, String> {
    if bytes.len() as u64 > bytes_max {
        Err(format!("it is larger than {bytes_max} bytes"))
    } else {
        Ok(bytes)
    }
}

/// An error with what lies below it: a client says "error sending request" of everything.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn client(url: &str, ca_file: Option<&Path>, time_max: Duration) -> Result<Client, String> {
    // Refused only when there is a provider already, which is as good.
    drop(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider().install_default());
    let mut builder = Client::builder()
        .redirect(redirect::Policy::none())
        .timeout(time_max)
        .pool_max_idle_per_host(0)
        .user_agent("usher");
    let uri: Option<http::Uri> = url.parse().ok();
    if uri.is_some_and(|uri| uri.host().is_some_and(is_loopback)) {
        builder = builder.no_proxy();
    }
    if let Some(path) = ca_file {
        let wrong = |problem: String| format!("`ca_file` {}: {problem}", path.display());
        let mut authorities = Vec::new();
        let certificates =
            CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
            let authority =
                Certificate::from_der(&certificate).map_err(|error| wrong(error.to_string()))?;
            authorities.push(authority);
        }
        if authorities.is_empty() {
            return Err(wrong("it has no certificate in PEM".to_owned()));
        }
        builder = builder.tls_certs_only(authorities);
    }
    builder.build().map_err(|error| causes(&error))
}
