//! The arguments of commands that ask a running server: where it is, and what proves the caller.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::CommandError;
use crate::grpc::{ServerAccess, ServerConnection};

/// The variable that holds the caller's token.
const TOKEN_VARIABLE: &str = "USHER_TOKEN";
/// The largest file of a token, in bytes.
const TOKEN_BYTES_MAX: u64 = 64 * 1024;

/// Where the server is, and who calls.
#[derive(Debug, clap::Args)]
pub(super) struct ServerArgs {
    /// The server: https://HOST:PORT, or http:// on loopback
    #[arg(long, env = "USHER_SERVER", default_value = "http://127.0.0.1:50051")]
    server: String,
    #[command(flatten)]
    caller: CallerArgs,
}

/// What proves the caller to a server.
#[derive(Debug, clap::Args)]
pub(super) struct CallerArgs {
    /// A file with the caller's token; without it the variable USHER_TOKEN counts
    #[arg(long)]
    token_file: Option<PathBuf>,
    /// The CA of the server's certificate, in PEM; for https
    #[arg(long)]
    ca_certificate: Option<PathBuf>,
    /// The caller's own certificate, in PEM
    #[arg(long, requires = "client_key")]
    client_certificate: Option<PathBuf>,
    /// Its private key, in PEM
    #[arg(long, requires = "client_certificate")]
    client_key: Option<PathBuf>,
}

impl ServerArgs {
    /// A connection that stands.
    pub(super) async fn connect(&self) -> Result<ServerConnection, CommandError> {
        self.caller.connect(&self.server).await
    }
}

impl CallerArgs {
    /// A connection to the server at a URL, that stands.
    pub(super) async fn connect(&self, server: &str) -> Result<ServerConnection, CommandError> {
        let connection = ServerConnection::open(&self.access(server)?).await;
        connection.map_err(|error| CommandError::from_error(&error))
    }

    /// The first argument that was given, if any was.
    pub(super) fn given(&self) -> Option<&'static str> {
        let given = [
            ("--token-file", self.token_file.is_some()),
            ("--ca-certificate", self.ca_certificate.is_some()),
            ("--client-certificate", self.client_certificate.is_some()),
            ("--client-key", self.client_key.is_some()),
        ];
        let mut given = given.into_iter().filter(|(_, is_given)| *is_given);
        given.next().map(|(name, _)| name)
    }

    fn access(&self, server: &str) -> Result<ServerAccess, CommandError> {
        let token = match &self.token_file {
            Some(path) => Some(read_token(path)?),
            None => std::env::var(TOKEN_VARIABLE).ok(),
        };
        let token = token.map(|token| token.trim().to_owned());
        let token = token.filter(|token| !token.is_empty());
        let client_certificate = self.client_certificate.clone().zip(self.client_key.clone());
        if token.is_none() && client_certificate.is_none() {
            return Err(CommandError(format!(
                "there is nothing to prove the caller with: put a token into {TOKEN_VARIABLE}, or name --token-file, or --client-certificate with --client-key"
            )));
        }
        Ok(ServerAccess {
            url: server.to_owned(),
            ca_certificate: self.ca_certificate.clone(),
            client_certificate,
            token,
        })
    }
}

fn read_token(path: &Path) -> Result<String, CommandError> {
    let cannot = |why: &str| CommandError(format!("{}: {why}", path.display()));
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(TOKEN_BYTES_MAX + 1).read_to_string(&mut text))
        .map_err(|error| cannot(&error.to_string()))?;
    if text.trim().is_empty() || text.len() as u64 > TOKEN_BYTES_MAX {
        return Err(cannot("it holds no token"));
    }
    Ok(text)
}
