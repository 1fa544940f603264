//! `usher serve` without `--dev`, as an operator starts it: the real binary with TLS, an issuer and
//! the policies that `usher policy init` writes; and what it says where one of them is missing.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::json;
use usher::simulator::{Settings, Simulator, SimulatorOptions, World};

use crate::bench::{SERVER_NAME, connect};
use crate::pki::{Authority, Pair, client, install};
use crate::signer::{ISSUER, Key, key_set};

/// How long a start, or a refusal, may take.
const TIME_MAX: Duration = Duration::from_secs(60);

/// A folder with everything that a server for others needs, and AWS.
struct Site {
    files: tempfile::TempDir,
    simulator: Simulator,
    servers: Authority,
    key: Key,
}

impl Site {
    async fn new() -> Self {
        let files = tempfile::tempdir().unwrap();
        let options = SimulatorOptions {
            settings: Settings::unlimited(),
            ..SimulatorOptions::default()
        };
        let site = Self {
            simulator: Simulator::start(World::demo(), options).await.unwrap(),
            servers: Authority::new(files.path(), "servers"),
            key: Key::new("key-1"),
            files,
        };
        let installed = Pair {
            certificate: site.path("tls.crt").into(),
            key: site.path("tls.key").into(),
        };
        let names = format!("DNS:{SERVER_NAME}");
        install(&site.servers.issue("server", &names), &installed);
        std::fs::write(site.path("keys.json"), key_set(&[&site.key])).unwrap();
        site
    }

    fn path(&self, name: &str) -> String {
        self.files.path().join(name).display().to_string()
    }

    fn tls(&self) -> String {
        format!(
            "[tls]\ncertificate_file = \"{}\"\nkey_file = \"{}\"\n",
            self.path("tls.crt"),
            self.path("tls.key")
        )
    }

    fn issuer(&self) -> String {
        format!(
            "[[authentication.issuers]]\nname = \"corp\"\nissuer = \"{ISSUER}\"\naudiences = [\"usher\"]\n\
             jwks_file = \"{}\"\nalgorithms = [\"ES256\"]\ncallers = \"PERSONS\"\nmatch_by = \"USER_NAME\"\n\
             match_claim = \"preferred_username\"\n",
            self.path("keys.json")
        )
    }

    fn policy(&self) -> String {
        format!("[policy]\ndirectory = \"{}\"\n", self.path("policies"))
    }

    /// `usher` in an environment that holds nothing of this machine's.
    fn usher(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.files.path())
            .env("AWS_ENDPOINT_URL", self.simulator.endpoint_url())
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "simulated")
            .env("AWS_SECRET_ACCESS_KEY", "simulated")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(Stdio::null());
        command
    }

    /// `usher serve` with this configuration.
    fn serve(&self, config: &str) -> Command {
        let (file, data) = (self.path("usher.toml"), self.path("data"));
        std::fs::write(&file, config).unwrap();
        let listen = ["serve", "--listen", "127.0.0.1:0"];
        self.usher(&[&listen[..], &["--config", &file, "--data-dir", &data]].concat())
    }
}

/// Runs a command that ends by itself, off the threads that AWS is simulated on.
async fn run(mut command: Command) -> Output {
    let run = tokio::task::spawn_blocking(move || command.output().unwrap());
    let done = tokio::time::timeout(TIME_MAX, run).await;
    done.expect("it ends").unwrap()
}

/// A server that listens. Dropping it kills it.
struct Server(Child, SocketAddr);

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

async fn begin(mut command: Command, log: &Path) -> Server {
    let log_file = std::fs::File::create(log).unwrap();
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(log_file)
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let line = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        out.read_line(&mut line).map(|_| line)
    });
    let line = tokio::time::timeout(TIME_MAX, line).await;
    let line = line.expect("it says something").unwrap().unwrap();
    let address = line.trim().strip_prefix("listening on ");
    let told = std::fs::read_to_string(log).unwrap();
    let address = address.unwrap_or_else(|| panic!("{line:?}: {told}"));
    Server(child, address.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn with_tls_an_issuer_and_policies_it_serves_others_than_its_developer() {
    let site = Site::new().await;
    let policies = site.path("policies");
    let made = run(site.usher(&["policy", "init", &policies])).await;
    assert!(made.status.success(), "{made:?}");
    let config = [site.policy(), site.tls(), site.issuer()].concat();
    let server = begin(site.serve(&config), &site.files.path().join("log")).await;

    let connection = connect(server.1, &client(&[&site.servers], None)).await;
    let connection = connection.expect("a connection over TLS");
    let told = connection
        .who_am_i(&format!("Bearer {}", site.key.token(json!({}))))
        .await;
    assert_eq!(told["caller"], "person:corp:u-1");
    assert_eq!(told["user"]["name"], "anna.berg", "{told}");
    assert_eq!(told["groups"], json!(["engineering"]));
    assert_eq!(told["allowed_actions"], json!(["ReadDirectory"]));
    assert_eq!(connection.list(&[]).await.reason(), "CREDENTIAL_MISSING");
    // A token of `usher token` is nobody's here, and there is no plain text.
    let made =
        run(site.usher(&["token", "--data-dir", &site.path("data"), "--subject", "a"])).await;
    assert_eq!(made.status.code(), Some(1), "{made:?}");
    let untrusted = Authority::new(site.files.path(), "strangers");
    assert!(
        connect(server.1, &client(&[&untrusted], None))
            .await
            .is_none()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_each_of_them_it_ends_and_says_what_is_missing() {
    let site = Site::new().await;
    let policies = site.path("policies");
    let made = run(site.usher(&["policy", "init", &policies])).await;
    assert!(made.status.success(), "{made:?}");
    let (tls, issuer, policy) = (site.tls(), site.issuer(), site.policy());
    let cases = [
        (String::new(), "  - TLS: ", 3),
        ([issuer.as_str(), &policy].concat(), "  - TLS: ", 1),
        ([tls.as_str(), &policy].concat(), "  - authentication: ", 1),
        ([tls.as_str(), &issuer].concat(), "  - policy: ", 1),
    ];
    for (config, missing, count) in cases {
        let done = run(site.serve(&config)).await;
        let told = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(1), "{told}");
        assert!(told.contains(missing), "{told}");
        assert_eq!(told.matches("\n  - ").count(), count, "{told}");
        assert!(done.stdout.is_empty());
    }
    // All are there, and the policies do not load: each problem with its place.
    std::fs::write(
        format!("{policies}/more.cedar"),
        "permit (principal, action, resource);",
    )
    .unwrap();
    let done = run(site.serve(&[tls, issuer, policy].concat())).await;
    let told = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(1), "{told}");
    assert!(told.contains("more.cedar:1: "), "{told}");
}
