//! Certificates, made by openssl on the command line: nothing that the service itself uses.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

const CA_SETTINGS: &str = "[ca]\ndefault_ca = d\n[d]\ndatabase = index.txt\nnew_certs_dir = .\n\
    default_md = sha256\nserial = serial\npolicy = p\ncopy_extensions = copy\nunique_subject = no\n[p]\ncommonName = supplied\n";

/// A CA in a directory of its own.
pub(crate) struct Authority {
    directory: PathBuf,
}

/// A certificate and its key.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

fn openssl(directory: &Path, arguments: &[&str]) {
    let done = Command::new("openssl")
        .args(arguments)
        .current_dir(directory)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "openssl {arguments:?}: {told}");
}

impl Authority {
    pub(crate) fn new(parent: &Path, name: &str) -> Self {
        let directory = parent.join(name);
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(directory.join("ca.cnf"), CA_SETTINGS).unwrap();
        std::fs::write(directory.join("index.txt"), "").unwrap();
        std::fs::write(directory.join("serial"), "1000\n").unwrap();
        new_key(&directory, "ca");
        let subject = format!("/CN={name}");
        openssl(
            &directory,
            &[
                "req", "-x509", "-new", "-key", "ca.key", "-subj", &subject, "-days", "2", "-out",
                "ca.pem",
            ],
        );
        Self { directory }
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }

    /// A certificate of these alternative names, valid now.
    pub(crate) fn issue(&self, name: &str, alternative_names: &str) -> Pair {
        self.issue_for(
            name,
            alternative_names,
            ["20260101000000Z", "20991231000000Z"],
        )
    }

    /// The same for a time.
    pub(crate) fn issue_for(&self, name: &str, alternative_names: &str, times: [&str; 2]) -> Pair {
        new_key(&self.directory, name);
        let (key, request, certificate) = (
            format!("{name}.key"),
            format!("{name}.csr"),
            format!("{name}.pem"),
        );
        let subject = format!("/CN={name}");
        let names = format!("subjectAltName={alternative_names}");
        openssl(
            &self.directory,
            &[
                "req", "-new", "-key", &key, "-subj", &subject, "-addext", &names, "-out", &request,
            ],
        );
        openssl(
            &self.directory,
            &[
                "ca",
                "-batch",
                "-config",
                "ca.cnf",
                "-notext",
                "-keyfile",
                "ca.key",
                "-cert",
                "ca.pem",
                "-startdate",
                times[0],
                "-enddate",
                times[1],
                "-in",
                &request,
                "-out",
                &certificate,
            ],
        );
        Pair {
            certificate: self.directory.join(certificate),
            key: self.directory.join(key),
        }
    }
}

fn new_key(directory: &Path, name: &str) {
    let file = format!("{name}.key");
    openssl(
        directory,
        &[
            "genpkey",
            "-algorithm",
            "EC",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-out",
            &file,
        ],
    );
}

/// Copies a pair to the places where a server reads it; the certificate first, as a tool would that
/// writes one file after the other.
pub(crate) fn install(pair: &Pair, to: &Pair) {
    for (from, to) in [(&pair.certificate, &to.certificate), (&pair.key, &to.key)] {
        put(&std::fs::read(from).unwrap(), to);
    }
}

/// Puts a file in its place at once, readable by its owner only.
pub(crate) fn put(bytes: &[u8], to: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let beside = to.with_extension("new");
    std::fs::write(&beside, bytes).unwrap();
    std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::rename(&beside, to).unwrap();
}

/// A client that trusts these CAs and shows a certificate, or none.
pub(crate) fn client(authorities: &[&Authority], pair: Option<&Pair>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        let certificate = CertificateDer::from_pem_file(authority.certificate()).unwrap();
        roots.add(certificate).unwrap();
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match pair {
        None => builder.with_no_client_auth(),
        Some(pair) => {
            let chain = vec![CertificateDer::from_pem_file(&pair.certificate).unwrap()];
            let key = PrivateKeyDer::from_pem_file(&pair.key).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

/// A TLS server with that certificate.
pub(crate) fn server(pair: &Pair) -> Arc<ServerConfig> {
    let chain = CertificateDer::pem_file_iter(&pair.certificate).unwrap();
    let chain: Vec<_> = chain.map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(&pair.key).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key);
    Arc::new(config.unwrap())
}
