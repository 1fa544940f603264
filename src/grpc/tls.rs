//! TLS: the server's certificate, and the CA of its clients' certificates. Files that change are
//! taken for the next handshake; connections that stand go on, and a bad file changes nothing.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto::aws_lc_rs};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::certificate_times::CertificateTimes;

/// The largest file that is read, in bytes: a bundle of all public CAs is a fifth of it.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Bits of a key file's mode that let in more than its owner, or the group that root chose.
const MODE_FOR_OTHERS: u32 = 0o037;
/// The bit that lets the group read.
const MODE_FOR_GROUP: u32 = 0o040;

/// Whether clients must show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ClientCertificates {
    /// They may; a token does as well.
    #[default]
    Optional,
    /// Without one there is no connection.
    Required,
}

/// The settings of TLS.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The server's certificate and those between it and its CA, in PEM.
    pub certificate_file: PathBuf,
    /// Its private key, in PEM; readable by its owner only, or also by the group where root owns it.
    pub key_file: PathBuf,
    /// The CA of clients' certificates, in PEM. Default: no client shows one.
    pub client_ca_file: Option<PathBuf>,
    /// Whether clients must show a certificate. Default OPTIONAL: people have tokens.
    #[serde(default)]
    pub client_certificates: ClientCertificates,
    /// How long a handshake may take, in seconds. Default 10, as long as a connection may be silent.
    #[serde(default = "default_handshake_seconds")]
    pub handshake_seconds_max: u64,
    /// How often the files are looked at, in seconds. Default 5: reading three small files is cheap.
    #[serde(default = "default_reload_seconds")]
    pub reload_seconds: u64,
}

fn default_handshake_seconds() -> u64 {
    10
}

fn default_reload_seconds() -> u64 {
    5
}

impl TlsConfig {
    /// Checks what can be checked without the files.
    ///
    /// # Errors
    /// A sentence that names the setting.
    pub fn check(&self) -> Result<(), String> {
        for (name, number, maximum) in [
            ("handshake_seconds_max", self.handshake_seconds_max, 60),
            ("reload_seconds", self.reload_seconds, 3600),
        ] {
            if !(1..=maximum).contains(&number) {
                return Err(format!("tls.{name} is {number}; it must be 1 to {maximum}"));
            }
        }
        if self.client_certificates == ClientCertificates::Required && self.client_ca_file.is_none()
        {
            return Err(
                "tls.client_certificates is REQUIRED; name their CA in tls.client_ca_file"
                    .to_owned(),
            );
        }
        Ok(())
    }
}

/// Why TLS cannot begin: a sentence for the operator.
#[derive(Debug, thiserror::Error)]
#[error("tls: {0}")]
pub struct TlsError(String);

/// What the files held.
#[derive(PartialEq, Eq)]
struct Material {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

/// TLS as it is in force.
pub struct Tls {
    config: TlsConfig,
    current: ArcSwap<(Material, Arc<ServerConfig>)>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// A sentence, when they cannot be used.
    pub fn load(config: TlsConfig) -> Result<Self, TlsError> {
        let material = read(&config).map_err(TlsError)?;
        let server = build(&config, &material).map_err(TlsError)?;
        Ok(Self {
            config,
            current: ArcSwap::from_pointee((material, server)),
        })
    }

    /// The certificates in the files: the server's and those between it and its CA, then the CAs of
    /// its clients. One whose times cannot be read is left out.
    #[must_use]
    pub fn certificate_times(&self) -> Vec<CertificateTimes> {
        let material = &self.current.load().0;
        let server = (&self.config.certificate_file, &material.certificate, false);
        let clients = self.config.client_ca_file.iter().zip(&material.client_ca);
        let clients = clients.map(|(path, pem)| (path, pem, true));
        let files = std::iter::once(server).chain(clients);
        let found = files.flat_map(|(path, pem, is_client_ca)| {
            let read = certificates(path, pem).unwrap_or_default().into_iter();
            read.filter_map(move |it| CertificateTimes::of(&it, path, is_client_ca))
        });
        found.collect()
    }

    /// Takes files that changed, until stopped. Bad ones are told once and change nothing.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let pause = Duration::from_secs(self.config.reload_seconds);
        let mut told = None;
        while stop
            .run_until_cancelled(tokio::time::sleep(pause))
            .await
            .is_some()
        {
            let tls = self.clone();
            let reloaded = tokio::task::spawn_blocking(move || tls.reload()).await;
            match reloaded.unwrap_or_else(|error| Err(error.to_string())) {
                Ok(changed) => {
                    if changed {
                        tracing::info!("new TLS files are in force for new connections");
                    }
                    told = None;
                }
                Err(problem) => {
                    if told.as_ref() != Some(&problem) {
                        tracing::error!(
                            problem,
                            "the TLS files cannot be used; the old ones stay in force"
                        );
                    }
                    told = Some(problem);
                }
            }
        }
    }

    /// Looks at the files; answers whether new ones are in force.
    fn reload(&self) -> Result<bool, String> {
        let material = read(&self.config)?;
        if self.current.load().0 == material {
            return Ok(false);
        }
        let server = build(&self.config, &material)?;
        self.current.store(Arc::new((material, server)));
        Ok(true)
    }

    /// Makes a handshake, in bounded time, by the files that are in force when it begins.
    pub(super) async fn handshake(
        &self,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, String> {
        let acceptor = TlsAcceptor::from(self.current.load().1.clone());
        let time_max = Duration::from_secs(self.config.handshake_seconds_max);
        match tokio::time::timeout(time_max, acceptor.accept(stream)).await {
            Ok(accepted) => accepted.map_err(|error| error.to_string()),
            Err(_) => Err("it took too long".to_owned()),
        }
    }
}

fn read(config: &TlsConfig) -> Result<Material, String> {
    let key = &config.key_file;
    let metadata = std::fs::metadata(key).map_err(|error| format!("{}: {error}", key.display()))?;
    check_key_mode(key, metadata.mode(), metadata.uid())?;
    Ok(Material {
        certificate: read_file(&config.certificate_file)?,
        key: read_file(key)?,
        client_ca: config
            .client_ca_file
            .as_deref()
            .map(read_file)
            .transpose()?,
    })
}

/// Whoever can read the key can be this server. Kubernetes mounts secrets as root's, with a group
/// that the pod's owner chose (`fsGroup`), since the process is not their owner: that group may
/// read. A file of an ordinary owner has whatever group it happened to get: that one may not.
pub(super) fn check_key_mode(path: &Path, mode: u32, owner: u32) -> Result<(), String> {
    let others = mode & MODE_FOR_OTHERS != 0;
    let group = mode & MODE_FOR_GROUP != 0 && owner != 0;
    if others || group {
        return Err(format!(
            "others may read or change the private key; run: chmod 600 {} (in Kubernetes: defaultMode 0440)",
            path.display()
        ));
    }
    Ok(())
}

pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let wrong = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(wrong)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("{} is larger than 1 MiB", path.display()));
    }
    Ok(bytes)
}

fn build(config: &TlsConfig, material: &Material) -> Result<Arc<ServerConfig>, String> {
    let place = |path: &Path, problem: &str| format!("{}: {problem}", path.display());
    let chain = certificates(&config.certificate_file, &material.certificate)?;
    let key = PrivateKeyDer::from_pem_slice(&material.key)
        .map_err(|_| place(&config.key_file, "it has no private key in PEM"))?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = match (&config.client_ca_file, &material.client_ca) {
        (Some(path), Some(pem)) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates(path, pem)? {
                roots
                    .add(authority)
                    .map_err(|error| place(path, &error.to_string()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = match config.client_certificates {
                ClientCertificates::Optional => verifier.allow_unauthenticated(),
                ClientCertificates::Required => verifier,
            };
            let verifier = verifier
                .build()
                .map_err(|error| place(path, &error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
        _ => builder.with_no_client_auth(),
    };
    let mut server = builder.with_single_cert(chain, key).map_err(|error| {
        place(
            &config.certificate_file,
            &format!("it does not go with the private key: {error}"),
        )
    })?;
    server.alpn_protocols = vec![b"h2".to_vec()];
    // No session is taken up again: a client's certificate counts when it connects, not once.
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.send_tls13_tickets = 0;
    Ok(Arc::new(server))
}

pub(super) fn certificates(
    path: &Path,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(format!("{}: it has no certificate in PEM", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_is_for_its_owner_and_the_group_that_root_chose() {
        let check = |mode, owner| check_key_mode(Path::new("key.pem"), mode, owner);
        for (mode, owner) in [(0o600, 1000), (0o400, 1000), (0o440, 0), (0o640, 0)] {
            assert_eq!(
                check(0o100_000 | mode, owner),
                Ok(()),
                "{mode:o} of {owner}"
            );
        }
        for (mode, owner) in [
            (0o640, 1000),
            (0o644, 0),
            (0o604, 0),
            (0o660, 0),
            (0o777, 1000),
        ] {
            let refused = check(0o100_000 | mode, owner).unwrap_err();
            assert!(
                refused.contains("chmod 600 key.pem"),
                "{mode:o} of {owner}: {refused}"
            );
        }
    }

    #[test]
    fn required_certificates_need_their_authority() {
        let files = "certificate_file = \"a\"\nkey_file = \"b\"\n";
        let check = |more: &str| {
            let config: TlsConfig = toml::from_str(&format!("{files}{more}")).unwrap();
            config.check()
        };
        assert_eq!(check(""), Ok(()));
        for (more, named) in [
            ("client_certificates = \"REQUIRED\"", "tls.client_ca_file"),
            ("reload_seconds = 0", "tls.reload_seconds"),
            ("handshake_seconds_max = 61", "tls.handshake_seconds_max"),
        ] {
            assert!(check(more).unwrap_err().contains(named), "{more}");
        }
    }
}
