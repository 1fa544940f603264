//! The settings of the PostgreSQL store, each with the reason for its default.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::WAIT_MAX;

/// The variable that says where the database is, in place of the configuration.
const URL_VARIABLE: &str = "USHER_POSTGRES_URL";

/// The settings of the PostgreSQL store.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PostgresOptions {
    /// Where the database is, as `postgres://USER@HOST:PORT/DATABASE`. The variable USHER_POSTGRES_URL
    /// counts before it. A password belongs there, into PGPASSWORD, or into the file of PGPASSFILE.
    pub url: String,
    /// The CA of the server's certificate, in PEM; without it the system's.
    pub ca_file: Option<PathBuf>,
    /// Connections of one replica, beside three for the budget and one that listens. 12: a server takes 97 unless it is
    /// told otherwise, which is enough for six replicas, and more of them than the server has processors only wait there.
    pub connections_max: u32,
    /// How long a call waits for a connection. At most 3000: a call has to answer while its caller still waits.
    pub wait_milliseconds: u64,
    /// How long one statement may take. 10 s: the longest ones, of the audit, take tens of milliseconds, and
    /// none may hold its locks for long.
    pub statement_seconds_max: u64,
    /// How often a transaction is carried out that collided with others or lost its connection before its
    /// commit. 8: each collision means that another one came through.
    pub attempts_max: u32,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            url: String::new(),
            ca_file: None,
            connections_max: 12,
            wait_milliseconds: 3000,
            statement_seconds_max: 10,
            attempts_max: 8,
        }
    }
}

impl PostgresOptions {
    /// What is configured, or what the variable asks for where nothing is; none: the store is SQLite's.
    #[must_use]
    pub fn chosen(configured: Option<&Self>) -> Option<Self> {
        let has_variable = || std::env::var_os(URL_VARIABLE).is_some_and(|url| !url.is_empty());
        let of_variable = || has_variable().then(Self::default);
        configured.cloned().or_else(of_variable)
    }

    /// Checks every number.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub fn check(&self) -> Result<(), String> {
        let numbers: [(&str, u64, u64, u64); 4] = [
            // Reads wait for a place beside writes, and the listener has its own connection.
            ("connections_max", self.connections_max.into(), 2, 1000),
            ("wait_milliseconds", self.wait_milliseconds, 1, 3000),
            ("statement_seconds_max", self.statement_seconds_max, 1, 600),
            ("attempts_max", self.attempts_max.into(), 1, 100),
        ];
        for (name, number, minimum, maximum) in numbers {
            if !(minimum..=maximum).contains(&number) {
                return Err(format!(
                    "postgres.{name} is {number}; it must be {minimum} to {maximum}"
                ));
            }
        }
        self.connect().map(drop)
    }

    /// How long to wait for a connection, within its bound.
    pub(super) fn wait(&self) -> Duration {
        Duration::from_millis(self.wait_milliseconds).min(WAIT_MAX)
    }

    /// How long an answer is waited for: the server gives a statement up before.
    pub(super) fn answer_max(&self) -> Duration {
        Duration::from_secs(self.statement_seconds_max.saturating_add(2))
    }

    /// How a connection is opened: encrypted, with the server's name checked, unless it stays on this machine.
    ///
    /// # Errors
    /// A sentence that names the setting.
    pub(super) fn connect(&self) -> Result<PgConnectOptions, String> {
        let url = std::env::var(URL_VARIABLE).ok();
        let url = url.filter(|url| !url.is_empty());
        let url = url.unwrap_or_else(|| self.url.clone());
        if url.is_empty() {
            return Err(format!(
                "postgres.url is missing; write postgres://USER@HOST:PORT/DATABASE there, or into {URL_VARIABLE}"
            ));
        }
        // The cause may repeat the password.
        let options = PgConnectOptions::from_str(&url).map_err(|_| {
            "postgres.url is no URL of the form postgres://USER@HOST:PORT/DATABASE".to_owned()
        })?;
        let mut options = encrypted(options)?;
        if let Some(file) = &self.ca_file {
            options = options.ssl_root_cert(file);
        }
        let statement_timeout = format!("{}s", self.statement_seconds_max);
        Ok(options
            .application_name("usher")
            .statement_cache_capacity(STATEMENTS_MAX)
            .options([
                ("statement_timeout", statement_timeout.as_str()),
                // Who is stopped in the middle of a transaction, as by SIGSTOP, or vanishes, keeps the others from their
                // work for no longer: due ends are acted on within 5 s after a crash (DESIGN.md §4.6).
                ("idle_in_transaction_session_timeout", "3s"),
                // A peer that is gone without a word is noticed: its transaction holds locks.
                ("tcp_keepalives_idle", "5"),
                ("tcp_keepalives_interval", "5"),
                ("tcp_keepalives_count", "3"),
                ("tcp_user_timeout", "15000"),
            ]))
    }
}

/// Prepared statements that one connection keeps: all that there are, with the shapes of those that are put together.
const STATEMENTS_MAX: usize = 500;

fn encrypted(options: PgConnectOptions) -> Result<PgConnectOptions, String> {
    let host = options.get_host();
    let is_here = options.get_socket().is_some()
        || host.starts_with('/')
        || host == "localhost"
        || IpAddr::from_str(host).is_ok_and(|address| address.is_loopback());
    if is_here {
        return Ok(options);
    }
    match options.get_ssl_mode() {
        PgSslMode::VerifyFull | PgSslMode::VerifyCa => Ok(options),
        // What is so unless somebody writes another one.
        PgSslMode::Prefer => Ok(options.ssl_mode(PgSslMode::VerifyFull)),
        PgSslMode::Disable | PgSslMode::Allow | PgSslMode::Require => Err(
            "postgres.url asks for a connection whose other end nobody checks; leave sslmode out, or write verify-full, and name the CA in postgres.ca_file".to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(url: &str) -> PostgresOptions {
        PostgresOptions {
            url: url.to_owned(),
            ..PostgresOptions::default()
        }
    }

    #[test]
    fn what_leaves_the_machine_is_encrypted_and_its_other_end_checked() {
        for (url, mode) in [
            ("postgres://usher@db.example.com/usher", Some("VerifyFull")),
            (
                "postgres://usher@db.example.com/usher?sslmode=verify-ca",
                Some("VerifyCa"),
            ),
            (
                "postgres://usher@db.example.com/usher?sslmode=require",
                None,
            ),
            (
                "postgres://usher@db.example.com/usher?sslmode=disable",
                None,
            ),
            (
                "postgres://usher@127.0.0.1/usher?sslmode=disable",
                Some("Disable"),
            ),
            ("postgres://usher@localhost/usher", Some("Prefer")),
        ] {
            let connect = at(url).connect();
            let found = connect.ok().map(|it| format!("{:?}", it.get_ssl_mode()));
            assert_eq!(found.as_deref(), mode, "{url}");
        }
    }

    #[test]
    fn a_wrong_url_is_refused_without_its_password() {
        for url in ["", "postgres://usher:secret@host:port/usher", "secret"] {
            let refused = at(url).check().unwrap_err();
            assert!(refused.starts_with("postgres.url"), "{refused}");
            assert!(!refused.contains("secret"), "{refused}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let options = PostgresOptions {
            connections_max: 1,
            ..at("postgres://usher@localhost/usher")
        };
        let refused = options.check().unwrap_err();
        assert!(refused.contains("postgres.connections_max"), "{refused}");
    }
}
