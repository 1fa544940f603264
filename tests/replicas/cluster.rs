//! A private PostgreSQL cluster for one test: real files, real fsync, on loopback and on a Unix socket; and a
//! synchronous standby of it.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use super::postgres_process::{PostgresProcess, Programs};

/// The database of the replicas.
const DATABASE: &str = "usher";
/// How long a server may take to accept connections.
const READY_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Every replica's connections have this name.
const APPLICATION: &str = "usher";
const STANDBY: &str = "standby";

/// A cluster. Dropping it ends its processes and removes its files.
pub(crate) struct Cluster {
    // Ended before its files go.
    process: Option<PostgresProcess>,
    programs: Programs,
    port: u16,
    place: tempfile::TempDir,
}

impl Cluster {
    /// Makes one with an empty database for the replicas, and starts it.
    pub(crate) async fn start() -> Self {
        let mut cluster = Self::new();
        let data = cluster.data();
        let data = data.to_str().expect("a path in UTF-8");
        let arguments = [
            "--username=usher",
            "--auth=trust",
            "--no-sync",
            "--locale=C",
        ];
        let arguments = [&arguments[..], &["--encoding=UTF8", "--pgdata", data]].concat();
        cluster.programs.run("initdb", &arguments);
        cluster.configure("primary");
        cluster.begin().await;
        let mut connection = cluster.connect_to("postgres").await.expect("a connection");
        let make = AssertSqlSafe(format!("CREATE DATABASE {DATABASE}"));
        let made = sqlx::raw_sql(make).execute(&mut connection).await;
        made.expect("a database");
        cluster
    }

    /// Makes a standby of this one, whose every commit waits for it from then on.
    pub(crate) async fn with_standby(&self) -> Self {
        let mut standby = Self::new();
        let data = standby.data();
        let from = format!("host=127.0.0.1 port={} user=usher", self.port);
        let data = data.to_str().expect("a path in UTF-8");
        let arguments = ["--dbname", &from, "--pgdata", data, "--write-recovery-conf"];
        let arguments = [&arguments[..], &["--checkpoint=fast", "--no-sync"]].concat();
        standby.programs.run("pg_basebackup", &arguments);
        standby.configure(STANDBY);
        standby.begin().await;
        // Only now, so that the standby's own configuration names none.
        let wanted = format!("ALTER SYSTEM SET synchronous_standby_names = '{STANDBY}'");
        self.execute(&wanted).await;
        self.execute("SELECT pg_reload_conf()").await;
        let give_up_at = Instant::now() + READY_WITHIN;
        let question = "SELECT COUNT(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        while self.number(question).await != 1 {
            assert!(Instant::now() < give_up_at, "no synchronous standby");
            tokio::time::sleep(LOOK_EVERY).await;
        }
        standby
    }

    fn new() -> Self {
        let programs = Programs::find();
        let place = tempfile::Builder::new().prefix("usher-replicas.").tempdir();
        let place = place.expect("a directory");
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(place.path(), mode).expect("a mode");
        programs.give(place.path());
        Self {
            process: None,
            programs,
            port: free_port(),
            place,
        }
    }

    /// The last word of a setting counts, so that a standby's differ from those that it was copied with.
    fn configure(&self, name: &str) {
        let file = self.data().join("postgresql.conf");
        let before = std::fs::read_to_string(&file).expect("a configuration");
        let (port, place) = (self.port, self.place.path().display());
        let settings = format!(
            "\ncluster_name = '{name}'\nlisten_addresses = '127.0.0.1'\nport = {port}\n\
             unix_socket_directories = '{place}'\nfsync = on\nsynchronous_commit = on\n\
             max_connections = 200\nshared_buffers = 64MB\n"
        );
        std::fs::write(file, before + &settings).expect("a configuration");
    }

    fn data(&self) -> PathBuf {
        self.place.path().join("data")
    }

    /// Where replicas find it.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Where replicas find its database.
    pub(crate) fn url(&self) -> String {
        url_at(self.port)
    }

    /// Starts it, and waits until it takes connections.
    pub(crate) async fn begin(&mut self) {
        let log = self.place.path().join("server.log");
        let process = PostgresProcess::start(&self.programs, &self.data(), &log);
        let process = self.process.insert(process);
        let give_up_at = Instant::now() + READY_WITHIN;
        let options = by_socket(&self.place, self.port, "postgres");
        loop {
            if let Ok(connection) = PgConnection::connect_with(&options).await {
                return drop(connection.close().await);
            }
            let told = || std::fs::read_to_string(&log).unwrap_or_default();
            assert!(!process.has_ended(), "no server: {}", told());
            assert!(Instant::now() < give_up_at, "not ready: {}", told());
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// A fast shutdown, as by a package's update, and a start.
    pub(crate) async fn restart(&mut self) {
        self.end(Signal::INT);
        self.begin().await;
    }

    /// The end of its processes without a checkpoint; what is next is recovery.
    pub(crate) fn end_immediately(&mut self) {
        self.end(Signal::QUIT);
    }

    /// SIGKILL to the postmaster.
    pub(crate) fn kill(&mut self) {
        self.end(Signal::KILL);
    }

    fn end(&mut self, signal: Signal) {
        let mut process = self.process.take().expect("it runs");
        process.end(signal);
    }

    /// SIGSTOP to all of its processes.
    pub(crate) fn stop(&mut self) {
        self.process.as_mut().expect("it runs").stop();
    }

    /// SIGCONT to them.
    pub(crate) fn resume(&mut self) {
        self.process.as_mut().expect("it runs").resume();
    }

    /// Ends the sessions of all replicas; answers how many.
    pub(crate) async fn terminate_backends(&self) -> i64 {
        let terminate = format!(
            "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE application_name = '{APPLICATION}'"
        );
        self.number(&terminate).await
    }

    /// Makes a standby the primary.
    pub(crate) async fn promote(&self) {
        self.execute("SELECT pg_promote(true, 30)").await;
    }

    async fn connect_to(&self, database: &str) -> Result<PgConnection, sqlx::Error> {
        PgConnection::connect_with(&by_socket(&self.place, self.port, database)).await
    }

    /// A connection to the replicas' database, beside theirs.
    pub(crate) async fn connect(&self) -> PgConnection {
        let connected = self.connect_to(DATABASE).await;
        connected.expect("a connection")
    }

    async fn execute(&self, statement: &str) {
        let mut connection = self.connect_to("postgres").await.expect("a connection");
        let done = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()));
        done.execute(&mut connection).await.expect("a statement");
    }

    /// The one number that a question answers.
    pub(crate) async fn number(&self, question: &str) -> i64 {
        let mut connection = self.connect().await;
        let row = sqlx::query(AssertSqlSafe(question.to_owned()));
        let row = row.fetch_one(&mut connection).await.expect("a row");
        row.get(0)
    }
}

/// The database behind a port of loopback.
pub(crate) fn url_at(port: u16) -> String {
    format!("postgres://usher@127.0.0.1:{port}/{DATABASE}")
}

fn by_socket(
    place: &tempfile::TempDir,
    port: u16,
    database: &str,
) -> sqlx::postgres::PgConnectOptions {
    sqlx::postgres::PgConnectOptions::new_without_pgpass()
        .socket(place.path())
        .port(port)
        .username("usher")
        .database(database)
        .application_name("the test")
}

/// A port that nobody has at the moment.
fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}
