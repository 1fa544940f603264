//! What a service records of its policies and of calls that it refuses, seen in its store while it
//! runs.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tonic::Code;
use usher::cli::{ServiceMode, ServiceOptions, StartError, start};
use usher::clock::Clock;
use usher::config::Config;
use usher::identity_center::StaticCredentials;
use usher::simulator::{Settings, Simulator, SimulatorOptions, World};

use crate::bench::Client;
use crate::signer::{Key, key_set};
use crate::store_rows::bodies;
use crate::tokens::issuers;
use crate::wire::{Answer, Connection, encode};

pub(crate) const READS: &str =
    "@id(\"reads\") permit (principal, action == Usher::Action::\"ReadDirectory\", resource);\n";
pub(crate) const ENGINEERS: &str = "@id(\"engineers\") @approvals(\"0\") @max_duration(\"1h\")\n\
    permit (principal, action == Usher::Action::\"Request\", resource);\n";
/// How long anything may take to be seen.
pub(crate) const SEEN_WITHIN: Duration = Duration::from_secs(60);

/// Files that a service runs with, and what signs its callers' tokens.
pub(crate) struct Place {
    pub(crate) files: tempfile::TempDir,
    pub(crate) simulator: Simulator,
    key: Key,
}

/// A running service.
pub(crate) struct Running {
    client: Client,
    bearer: String,
    stop: tokio_util::sync::CancellationToken,
    ended: tokio::task::JoinHandle<Result<(), StartError>>,
}

impl Place {
    pub(crate) async fn new() -> Self {
        let files = tempfile::tempdir().unwrap();
        let key = Key::new("key-1");
        std::fs::write(files.path().join("keys.json"), key_set(&[&key])).unwrap();
        std::fs::create_dir(files.path().join("policies")).unwrap();
        let options = SimulatorOptions {
            settings: Settings::unlimited(),
            ..SimulatorOptions::default()
        };
        let simulator = Simulator::start(World::demo(), options).await.unwrap();
        let place = Self {
            files,
            simulator,
            key,
        };
        place.write_policies(&format!("{READS}{ENGINEERS}"));
        place.write_config("");
        place
    }

    pub(crate) fn write_policies(&self, text: &str) {
        // At once: a look in the middle of a write would see half a file.
        let (new, file) = (
            self.policies().join(".new"),
            self.policies().join("all.cedar"),
        );
        std::fs::write(&new, text).unwrap();
        std::fs::rename(&new, file).unwrap();
    }

    pub(crate) fn write_config(&self, more: &str) {
        let text = format!(
            "{}\n[policy]\nreload_seconds = 1\ndirectory = \"{}\"\n[limits]\ndrain_seconds_max = 1\n\
             [aws]\nregion = \"us-east-1\"\nendpoint_url = \"{}\"\n{more}",
            issuers(&self.files.path().join("keys.json")),
            self.policies().display(),
            self.simulator.endpoint_url()
        );
        std::fs::write(self.config(), text).unwrap();
    }

    pub(crate) fn policies(&self) -> PathBuf {
        self.files.path().join("policies")
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.files.path().join("usher.toml")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.files.path().join("data")
    }

    pub(crate) async fn start(&self) -> Result<Running, StartError> {
        let config = Config::read(&self.config()).unwrap();
        self.start_as(ServiceMode::Authenticated, config).await
    }

    pub(crate) async fn start_as(
        &self,
        mode: ServiceMode,
        config: Config,
    ) -> Result<Running, StartError> {
        let service = start(ServiceOptions {
            config,
            data_directory: self.data(),
            listen: ([127, 0, 0, 1], 0).into(),
            mode,
            allow_writes: false,
            credentials: Some(StaticCredentials::simulated()),
            clock: Clock::system(),
        })
        .await?;
        let stop = tokio_util::sync::CancellationToken::new();
        let client = Client(Connection::open(service.address).await);
        Ok(Running {
            client,
            bearer: format!("Bearer {}", self.key.token(json!({}))),
            ended: tokio::spawn(service.run_until(stop.clone().cancelled_owned())),
            stop,
        })
    }

    /// Runs a command to its end: its exit code and everything that it said.
    pub(crate) async fn command(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_usher"));
        command
            .args(arguments)
            .env_clear()
            .env("AWS_ACCESS_KEY_ID", "simulated")
            .env("AWS_SECRET_ACCESS_KEY", "simulated")
            .env("AWS_EC2_METADATA_DISABLED", "true");
        let done = tokio::task::spawn_blocking(move || command.output()).await;
        let done = done.unwrap().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (done.status.code(), text(done.stdout) + &text(done.stderr))
    }

    pub(crate) async fn check(&self) -> (Option<i32>, String) {
        let (config, data) = (self.config(), self.data());
        let (config, data) = (config.to_str().unwrap(), data.to_str().unwrap());
        self.command(&["check", "--config", config, "--data-dir", data])
            .await
    }
}

impl Running {
    pub(crate) async fn ask(&self, method: &str, message: Value) -> Answer {
        let headers = [("authorization", self.bearer.as_str())];
        self.client
            .ask(method, &headers, &encode(method, &message))
            .await
    }

    pub(crate) async fn version(&self) -> String {
        let method = "DirectoryService/WhoAmI";
        let answer = self.ask(method, json!({})).await.ok(method);
        answer["policy_version"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.ended.await.unwrap().unwrap();
    }
}

/// The events of these kinds, as soon as there are so many.
pub(crate) async fn events(data: &Path, kinds: &[&str], count: usize) -> Vec<Value> {
    let began = Instant::now();
    loop {
        let all = bodies(&data.join("usher.sqlite3")).await.into_iter();
        let found = all.filter(|body| kinds.iter().any(|kind| body["kind"] == *kind));
        let found: Vec<Value> = found.collect();
        if found.len() >= count {
            assert_eq!(found.len(), count, "{found:?}");
            return found;
        }
        assert!(began.elapsed() < SEEN_WITHIN, "{kinds:?}: {found:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub(crate) const OF_POLICIES: [&str; 2] = ["policy_loaded", "policy_refused"];

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_policy_file_is_recorded_and_the_old_set_stays_until_it_is_mended() {
    let place = Place::new().await;
    let service = place.start().await.unwrap();
    let first = service.version().await;
    let recorded = events(&place.data(), &OF_POLICIES, 1).await;
    assert_eq!(recorded[0]["policy_version"], first.as_str());

    place.write_policies(&format!(
        "{READS} permit (principal, action, resource) oops;"
    ));
    let recorded = events(&place.data(), &OF_POLICIES, 2).await;
    assert_eq!(recorded[1]["kind"], "policy_refused");
    assert!(recorded[1]["problem_count"].as_u64() > Some(0));
    assert!(!recorded[1].to_string().contains("oops"));
    assert_eq!(service.version().await, first);
    let (code, told) = place.check().await;
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("missing  policies in "), "{told}");
    let in_force = format!("warning  policies in force: version {first} since ");
    assert!(told.contains(&in_force), "{told}");
    assert!(told.contains("(all.cedar)"), "{told}");

    place.write_policies(&format!("// Mended.\n{READS}{ENGINEERS}"));
    let recorded = events(&place.data(), &OF_POLICIES, 3).await;
    let second = recorded[2]["policy_version"].as_str().unwrap().to_owned();
    assert_ne!(second, first);
    let began = Instant::now();
    while service.version().await != second {
        assert!(began.elapsed() < SEEN_WITHIN);
    }
    let (code, told) = place.check().await;
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("(reload), as the files are now"), "{told}");
    service.end().await;
}

/// Makes calls that prove nobody, and checks their events.
async fn check_unauthenticated(place: &Place, service: &Running) {
    let method = "GrantService/GetGrant";
    let body = encode(
        method,
        &json!({"grant_id": "grant_00000000000000000000000000000001"}),
    );
    let forged = Key::new("key-1").token(json!({}));
    let forged = format!("Bearer {forged}");
    for (path, headers) in [
        (method, &[][..]),
        (method, &[("authorization", forged.as_str())]),
        ("anna.berg/secret", &[]),
    ] {
        let answer = service.client.ask(path, headers, &body).await;
        assert_eq!(answer.code(), Code::Unauthenticated, "{path}");
    }
    let unauthenticated = events(&place.data(), &["unauthenticated"], 3).await;
    let told = |at: usize| {
        let event = &unauthenticated[at];
        (
            event["reason"].clone(),
            event["method"].clone(),
            event["issuer"].clone(),
        )
    };
    let known = json!("/usher.v1.GrantService/GetGrant");
    assert_eq!(
        told(0),
        (json!("CREDENTIAL_MISSING"), known.clone(), Value::Null)
    );
    assert_eq!(told(1), (json!("CREDENTIAL_INVALID"), known, json!("corp")));
    assert_eq!(
        told(2),
        (json!("CREDENTIAL_MISSING"), Value::Null, Value::Null)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_calls_are_events_with_ids_and_without_names() {
    let place = Place::new().await;
    let service = place.start().await.unwrap();
    let version = service.version().await;
    let assign = |duration: &str| {
        json!({
            "principal": {"user": "anna.berg"}, "target": {"application": "Amazon Redshift"},
            "duration": duration, "justification": "private words",
        })
    };
    let method = "AccessService/Assign";
    let refused = service.ask(method, assign("7200s")).await;
    assert_eq!(refused.reason(), "PATH_LIMITS_EXCEEDED");
    let granted = service.ask(method, assign("3600s")).await.ok(method);
    let grant = granted["grant"]["id"].as_str().unwrap().to_owned();
    let get = |id: &str| service.ask("GrantService/GetGrant", json!({"grant_id": id}));
    let (hidden, missing) = (
        get(&grant).await,
        get("grant_00000000000000000000000000000001").await,
    );
    assert_eq!(
        (hidden.code(), missing.code()),
        (Code::NotFound, Code::NotFound)
    );
    // Lists leave out; that is no denial.
    let method = "GrantService/ListGrants";
    assert_eq!(
        service.ask(method, json!({})).await.ok(method)["grants"],
        Value::Null
    );

    check_denied(&place, &version, &grant).await;
    check_unauthenticated(&place, &service).await;
    service.end().await;
    for event in bodies(&place.data().join("usher.sqlite3")).await {
        let text = event.to_string();
        for secret in ["anna", "Redshift", "private", "eyJ", "secret"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

/// The two denials: a request beyond its limits, and the look at another's grant.
async fn check_denied(place: &Place, version: &str, grant: &str) {
    let denied = events(&place.data(), &["access_denied"], 2).await;
    let anna = place
        .simulator
        .world()
        .user_named("anna.berg")
        .unwrap()
        .user_id
        .clone();
    for event in &denied {
        assert_eq!(event["caller"], "person:corp:u-1");
        assert_eq!(event["subject"], format!("user:{anna}"));
        assert_eq!(event["principal_id"], anna.as_str());
        assert_eq!(event["policy_version"], version);
        assert_eq!(event["target_kind"], "APPLICATION");
    }
    assert_eq!(
        [
            &denied[0]["action"],
            &denied[0]["policies"],
            &denied[0]["grant_id"]
        ],
        [&json!("Request"), &json!(["engineers"]), &Value::Null]
    );
    assert_eq!(
        [
            &denied[1]["action"],
            &denied[1]["policies"],
            &denied[1]["grant_id"]
        ],
        [&json!("ReadGrants"), &json!([]), &json!(grant)]
    );
}
