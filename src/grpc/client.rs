//! A connection of the command line's to a server: with TLS by the CA that the user names, and without
//! it to this machine only. It repeats no call, and shows no credential.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use super::call::Refusal;
use super::tls::{certificates, check_key_mode, read_file};

/// How long the connection with its handshake may take.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// How often a server is asked whether it is still there while it owes an answer: a report has no
/// deadline here, and a machine that vanished would be waited for without end.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);
/// How long it may take to say so.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a call may take: what a server gives one where nothing else is configured.
pub(super) const CALL_TIME_MAX: Duration = Duration::from_secs(30);

/// Where a server is, and how the caller is proved to it.
#[derive(Debug, Clone, Default)]
pub struct ServerAccess {
    /// `https://HOST:PORT`, or `http://` on loopback.
    pub url: String,
    /// The CA of the server's certificate, in PEM; for https.
    pub ca_certificate: Option<PathBuf>,
    /// The caller's certificate and its private key, in PEM.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// The caller's token.
    pub token: Option<String>,
}

/// Why a server cannot be called, or did not answer: a sentence for the person.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ClientError(pub(super) String);

/// A connection that stands.
pub struct ServerConnection {
    channel: Channel,
    credential: Option<MetadataValue<Ascii>>,
}

impl ServerConnection {
    /// Connects.
    ///
    /// # Errors
    /// A sentence that says what to change, or that nobody answers there.
    pub async fn open(access: &ServerAccess) -> Result<Self, ClientError> {
        let credential = access.token.as_deref().map(credential).transpose()?;
        let place = Place::of(&access.url)?;
        let cannot = |why: &str| ClientError(format!("cannot connect to {}: {why}", access.url));
        let tls = match (place.is_secure, access) {
            (true, access) => Some(Arc::new(client_config(access).map_err(ClientError)?)),
            (false, access)
                if access.ca_certificate.is_some() || access.client_certificate.is_some() =>
            {
                return Err(ClientError(
                    "certificates are for https; write the server as https://HOST:PORT".to_owned(),
                ));
            }
            (false, _) => None,
        };
        // The connector below does the encryption: to the transport it is a connection like any.
        let endpoint = Endpoint::from_shared(format!("http://{}", place.authority))
            .map_err(|error| cannot(&last_cause(&error)))?
            .origin(place.origin)
            .connect_timeout(CONNECT_TIME_MAX)
            .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT);
        let (address, name) = (place.address, place.name);
        let connector =
            tower::service_fn(move |_: Uri| connect(address.clone(), name.clone(), tls.clone()));
        let connected = endpoint.connect_with_connector(connector).await;
        let channel = connected.map_err(|error| cannot(&last_cause(&error)))?;
        Ok(Self {
            channel,
            credential,
        })
    }

    pub(super) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// A message with the credential and a deadline.
    pub(super) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = self.request_of_any_length(message);
        request.set_timeout(CALL_TIME_MAX);
        request
    }

    /// A message with the credential; the server alone says how long its answer may take.
    pub(super) fn request_of_any_length<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(credential) = &self.credential {
            let metadata = request.metadata_mut();
            metadata.insert("authorization", credential.clone());
        }
        request
    }
}

/// A status as a person reads it, on lines.
pub(super) fn refused(status: &Status) -> ClientError {
    let told = Refusal::of(status);
    let mut lines = told.lines;
    if !told.reason.is_empty() {
        lines.push(format!("reason: {}", told.reason));
    }
    ClientError(lines.join("\n  "))
}

fn credential(token: &str) -> Result<MetadataValue<Ascii>, ClientError> {
    let value = MetadataValue::try_from(format!("Bearer {token}"));
    let mut value = value.map_err(|_| {
        ClientError("the token has letters that no token has; is it the right file?".to_owned())
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// What a URL says.
struct Place {
    is_secure: bool,
    authority: String,
    /// Host and port, to connect to.
    address: (String, u16),
    /// The name that the certificate must have.
    name: ServerName<'static>,
    origin: Uri,
}

impl Place {
    fn of(url: &str) -> Result<Self, ClientError> {
        let wrong = || {
            ClientError(format!(
                "`{url}` is not where a server can be; write https://HOST:PORT, or on this machine http://127.0.0.1:PORT"
            ))
        };
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let is_secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong()),
        };
        let (Some(authority), true) = (uri.authority(), matches!(uri.path(), "" | "/")) else {
            return Err(wrong());
        };
        if authority.as_str().contains('@') || uri.query().is_some() {
            return Err(wrong());
        }
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']');
        // A resolver may send any name anywhere, `localhost` too.
        let is_here = host.parse::<IpAddr>().is_ok_and(|it| it.is_loopback());
        if !is_secure && !is_here {
            return Err(ClientError(format!(
                "{url} is not encrypted and not on this machine, so that the token would be seen on the way; write https://, or http://127.0.0.1:PORT"
            )));
        }
        let port = authority
            .port_u16()
            .unwrap_or(if is_secure { 443 } else { 80 });
        Ok(Self {
            is_secure,
            authority: authority.to_string(),
            address: (host.to_owned(), port),
            name: ServerName::try_from(host.to_owned()).map_err(|_| wrong())?,
            origin: uri.clone(),
        })
    }
}

/// A connection, encrypted where there is a configuration for it.
async fn connect(
    address: (String, u16),
    name: ServerName<'static>,
    tls: Option<Arc<ClientConfig>>,
) -> Result<TokioIo<Stream>, std::io::Error> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(TokioIo::new(match tls {
        Some(config) => {
            let connecting = TlsConnector::from(config).connect(name, stream);
            Box::pin(connecting.await?)
        }
        None => Box::pin(stream),
    }))
}

/// Either kind of connection.
type Stream = std::pin::Pin<Box<dyn Bytes>>;

/// What can be read and written.
trait Bytes: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send {}
impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send> Bytes for T {}

fn client_config(access: &ServerAccess) -> Result<ClientConfig, String> {
    let Some(authority) = &access.ca_certificate else {
        return Err(
            "the CA of the server's certificate is needed (--ca-certificate); for a public one name the system's list, such as /etc/ssl/certs/ca-certificates.crt"
                .to_owned(),
        );
    };
    let mut roots = RootCertStore::empty();
    let read = certificates(authority, &read_file(authority)?)?;
    // A system's list holds some that this library does not take; one that counts is enough.
    let (taken, _) = roots.add_parsable_certificates(read);
    if taken == 0 {
        return Err(format!(
            "{}: it has no certificate that can be a CA",
            authority.display()
        ));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots);
    let mut config = match &access.client_certificate {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates(certificate, &read_file(certificate)?)?;
            let private = private_key(key)?;
            let built = builder.with_client_auth_cert(chain, private);
            built.map_err(|error| {
                format!(
                    "{}: it does not go with the private key: {error}",
                    certificate.display()
                )
            })?
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    use std::os::unix::fs::MetadataExt;
    let found = std::fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
    check_key_mode(path, found.mode(), found.uid())?;
    PrivateKeyDer::from_pem_slice(&read_file(path)?)
        .map_err(|_| format!("{}: it has no private key in PEM", path.display()))
}

/// The innermost cause, which says what a person can do something about.
fn last_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_unencrypted_to_this_machine_only() {
        for (url, port) in [
            ("http://127.0.0.1:50051", 50051),
            ("http://[::1]:50051/", 50051),
            ("https://usher.example.com", 443),
            ("https://10.0.0.1:8443", 8443),
        ] {
            let place = Place::of(url).unwrap_or_else(|error| panic!("{url}: {error}"));
            assert_eq!(place.address.1, port, "{url}");
        }
        for url in ["http://10.0.0.1:50051", "http://localhost:50051"] {
            let told = Place::of(url).err().unwrap().to_string();
            assert!(told.contains("not encrypted"), "{url}: {told}");
        }
        for url in [
            "",
            "127.0.0.1:50051",
            "ftp://127.0.0.1",
            "https://",
            "https://a/b",
            "https://user@a",
            "https://a?b=c",
        ] {
            let told = Place::of(url).err().unwrap().to_string();
            assert!(told.contains("https://HOST:PORT"), "{url}: {told}");
        }
    }

    #[test]
    fn a_token_that_cannot_be_one_is_not_repeated() {
        let told = credential("secret\nline").unwrap_err().to_string();
        assert!(!told.contains("secret"), "{told}");
        assert_eq!(format!("{:?}", credential("secret").unwrap()), "Sensitive");
    }
}
