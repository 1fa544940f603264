//! A whole service with the policies of the table, its people in a simulated identity store, and what
//! two of them have been given.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::Code;
use usher::cli::{ServiceMode, ServiceOptions, StartError};
use usher::clock::Clock;
use usher::config::Config;
use usher::identity_center::StaticCredentials;
use usher::simulator::{Assignment, PrincipalType, Settings, Simulator, SimulatorOptions, World};

use crate::actions::files;
use crate::callers::{CALLERS, Caller, PEOPLE};
use crate::requests::{Write, requests};
use crate::signer::{ISSUER, Key, key_set};
use crate::told::{asked, explained, oneself, refusal, rows, seen, told_of};
use crate::wire::{Answer, Connection, GRPC, encode, frame, post};

const BASE: &str = "[aws]\nregion = \"us-east-1\"\n[budget]\nsso_admin_per_second = 1000\n\
    identity_store_per_second = 1000\norganizations_per_second = 1000\nburst = 1000\n\
    [limits]\ndrain_seconds_max = 1\n[policy]\nreload_seconds = 1\n\
    [log]\nheartbeat_seconds = 0.05\n";
/// The file that forbids an action while it is there.
const FORBID: &str = "forbid.cedar";

/// Whether a stream without an end has told what there is: a heartbeat at its beginning, and another.
fn has_told(call: &str, answer: &Answer) -> bool {
    let messages = answer.messages(call);
    let heartbeats = messages
        .iter()
        .filter(|message| message.get("event").is_none() && message.get("grant").is_none());
    heartbeats.count() > 1
}

/// A running service.
pub(crate) struct Bench {
    pub(crate) grant_of_anna: String,
    pub(crate) grant_of_bilal: String,
    /// Waits for Carla.
    pub(crate) wish_of_bilal: String,
    /// Taken by Dmitri at once, and looked at by Carla.
    pub(crate) emergency: String,
    pub(crate) instance_arn: String,
    connection: Connection,
    key: Key,
    stop: CancellationToken,
    running: JoinHandle<Result<(), StartError>>,
    files: tempfile::TempDir,
    simulator: Simulator,
}

/// People by their user name, and services of a cluster.
fn issuers(jwks_file: &std::path::Path) -> String {
    let file = jwks_file.display();
    format!(
        r#"
        [[authentication.issuers]]
        name = "corp"
        issuer = "{ISSUER}"
        audiences = ["usher"]
        jwks_file = "{file}"
        callers = "PERSONS"
        match_by = "USER_NAME"
        match_claim = "preferred_username"
        clients = {{ "portal-web" = "portal", "tickets-web" = "tickets" }}
        [[authentication.issuers]]
        name = "cluster"
        issuer = "https://kubernetes.default.svc"
        audiences = ["usher"]
        jwks_file = "{file}"
        callers = "SERVICES"
        [authentication.issuers.clients]
        "system:serviceaccount:web:portal" = "portal"
        "system:serviceaccount:web:tickets" = "tickets"
        "system:serviceaccount:web:reporter" = "reporter"
        "#
    )
}

/// The demo world with the table's people in the table's groups, an application Payroll, and a
/// standing assignment of Bilal's that no grant made.
fn world() -> World {
    let mut world = World::demo();
    let (group, membership) = (world.groups[0].clone(), world.memberships[0].clone());
    world.memberships.clear();
    for (person, row) in PEOPLE.iter().enumerate() {
        let user_id = world.user_named(row.user).unwrap().user_id.clone();
        for (place, name) in row.groups.iter().enumerate() {
            if world.group_named(name).is_none() {
                let mut group = group.clone();
                group.group_id = format!("d4e8f4a8-0000-4000-9000-0000000000{person}{place}");
                group.display_name = (*name).to_owned();
                world.groups.push(group);
            }
            let mut membership = membership.clone();
            membership.group_id = world.group_named(name).unwrap().group_id.clone();
            membership.user_id.clone_from(&user_id);
            membership.membership_id = format!("d4e8f4a8-0000-4000-a000-0000000000{person}{place}");
            world.memberships.push(membership);
        }
    }
    let mut payroll = world.application_named("Amazon Redshift").unwrap().clone();
    world.assignments.push(Assignment {
        application_arn: payroll.application_arn.clone(),
        principal_type: PrincipalType::User,
        principal_id: world.user_named("bilal.khan").unwrap().user_id.clone(),
    });
    payroll.application_arn = payroll.application_arn.replace("apl-0", "apl-9");
    payroll.name = "Payroll".to_owned();
    world.applications.push(payroll);
    let read_only = world.permission_sets.last_mut().unwrap();
    read_only.name = "ReadOnly".to_owned();
    world
}

impl Bench {
    pub(crate) async fn start() -> Self {
        let options = SimulatorOptions {
            settings: Settings::unlimited(),
            ..SimulatorOptions::default()
        };
        let simulator = Simulator::start(world(), options).await.unwrap();
        let (files_directory, key) = (tempfile::tempdir().unwrap(), Key::new("key-1"));
        let place = |name: &str| files_directory.path().join(name);
        std::fs::write(place("keys.json"), key_set(&[&key])).unwrap();
        std::fs::create_dir(place("policies")).unwrap();
        for file in files() {
            std::fs::write(place("policies").join(file.name), file.text).unwrap();
        }
        let text = format!("{BASE}{}", issuers(&place("keys.json")));
        let mut config: Config = toml::from_str(&text).unwrap();
        config.aws.endpoint_url = Some(simulator.endpoint_url());
        config.policy.directory = Some(place("policies"));
        config.check().unwrap();
        let service = usher::cli::start(ServiceOptions {
            config,
            data_directory: place("data"),
            listen: ([127, 0, 0, 1], 0).into(),
            mode: ServiceMode::Authenticated,
            allow_writes: false,
            credentials: Some(StaticCredentials::simulated()),
            clock: Clock::system(),
        });
        let service = service.await.unwrap();
        let connection = Connection::open(service.address).await;
        let stop = CancellationToken::new();
        let running = tokio::spawn(service.run_until(stop.clone().cancelled_owned()));
        let mut bench = Self {
            grant_of_anna: String::new(),
            grant_of_bilal: String::new(),
            wish_of_bilal: String::new(),
            emergency: String::new(),
            instance_arn: String::new(),
            connection,
            key,
            stop,
            running,
            files: files_directory,
            simulator,
        };
        let redshift = "Redshift for Anna, 2 h";
        bench.grant_of_anna = bench.given("Anna", redshift).await;
        let sandbox = "the sandbox for Bilal, INC-7";
        bench.grant_of_bilal = bench
            .given("the ticket system naming Dmitri", sandbox)
            .await;
        let redshift = "Redshift for Bilal, 2 h";
        bench.wish_of_bilal = bench.given("Bilal, her colleague", redshift).await;
        let emergency = "the sandbox for Dmitri, at once";
        bench.emergency = bench.given("Dmitri of operations", emergency).await;
        let looked_at = json!({
            "grant_id": bench.emergency, "decision": "REVIEW_DECISION_JUSTIFIED", "reason": "was on fire",
        });
        let review = "GrantService/ReviewGrant";
        let carla = caller_named("Carla, who leads both");
        bench.call(carla, review, &looked_at).await.ok(review);
        let (call, id) = ("GrantService/GetGrant", &bench.grant_of_anna);
        let auditor = caller_named("Emi, the auditor");
        let answer = bench.call(auditor, call, &json!({"grant_id": id})).await;
        let arn = answer.ok(call)["grant"]["instance_arn"].clone();
        bench.instance_arn = arn.as_str().unwrap().to_owned();
        bench
    }

    /// Asks for access, and answers the grant's id once it stands, or waits for somebody.
    async fn given(&self, caller: &str, about: &str) -> String {
        let call = "AccessService/Assign";
        let request = requests(self, call, about, Write::Real);
        let answer = self.call(caller_named(caller), call, &request).await;
        let grant = &answer.ok(call)["grant"];
        grant["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn call(&self, caller: &Caller, call: &str, message: &Value) -> Answer {
        let known = caller.headers(&self.key);
        let mut headers = GRPC.to_vec();
        headers.extend(known.iter().map(|(name, value)| (*name, value.as_str())));

        let body = frame(&encode(call, message));
        let request = post(call, &headers);
        if call.contains("/Watch") {
            let is_enough = |answer: &Answer| has_told(call, answer);
            let told = self
                .connection
                .exchange_until(request, Some(body), is_enough);
            return told.await;
        }
        self.connection.exchange(request, Some(body)).await
    }

    /// The word of the table for a call.
    pub(crate) async fn told(&self, caller: &Caller, call: &str, message: &Value) -> String {
        let answer = self.call(caller, call, message).await;
        if answer.code() != Code::Ok {
            return refusal(&answer);
        }
        let messages = answer.messages(call);
        if call == "DirectoryService/WhoAmI" {
            return oneself(&messages[0]);
        }
        if call == "DirectoryService/ExplainAccess" {
            return explained(&messages[0]);
        }
        if call == "AccessService/Assign" {
            return asked(&messages[0]);
        }
        if let Some(result) = messages[0]["results"].get(0) {
            return told_of(result);
        }
        let Some(shown) = rows(call, &messages) else {
            return "OK".to_owned();
        };
        // What there is, the auditor sees: the table says how much that is.
        let auditor = caller_named("Emi, the auditor");
        let all = self.call(auditor, call, message).await;
        let all = rows(call, &all.messages(call)).unwrap_or_default();
        let world = self.simulator.world();
        let user = caller.user().and_then(|name| world.user_named(name));
        seen(&shown, &all, user.map(|user| user.user_id.as_str()))
    }

    /// How many grants there are.
    pub(crate) async fn grant_count(&self) -> usize {
        let call = "GrantService/ListGrants";
        let auditor = caller_named("Emi, the auditor");
        let answer = self.call(auditor, call, &json!({"page_size": 1000})).await;
        rows(call, &[answer.ok(call)]).map_or(0, |rows| rows.len())
    }

    /// The version of the policies in force.
    pub(crate) async fn version(&self) -> String {
        let call = "DirectoryService/WhoAmI";
        let answer = self
            .call(caller_named("a stranger"), call, &json!({}))
            .await;
        answer.ok(call)["policy_version"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Forbids everybody an action.
    pub(crate) async fn forbid(&self, action: &str) {
        let before = self.version().await;
        let text = format!(
            "@id(\"nobody\") forbid (principal, action == Usher::Action::\"{action}\", resource);"
        );
        let path = self.files.path().join("policies").join(FORBID);
        std::fs::write(path, text).unwrap();
        self.until_version(|version| version != before).await;
    }

    /// Takes that back.
    pub(crate) async fn forbid_no_more(&self, version_before: &str) {
        std::fs::remove_file(self.files.path().join("policies").join(FORBID)).unwrap();
        self.until_version(|version| version == version_before)
            .await;
    }

    async fn until_version(&self, wanted: impl Fn(&str) -> bool) {
        let started = Instant::now();
        while !wanted(&self.version().await) {
            assert!(started.elapsed() < Duration::from_secs(60), "not in force");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ends the service, which must end in order.
    pub(crate) async fn end(self) {
        drop(self.connection);
        self.stop.cancel();
        self.running.await.unwrap().unwrap();
    }
}

fn caller_named(name: &str) -> &'static Caller {
    CALLERS.iter().find(|caller| caller.name == name).unwrap()
}
