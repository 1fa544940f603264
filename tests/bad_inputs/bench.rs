//! A whole service in this process: simulator, store, server; and callers with tokens.

use std::net::SocketAddr;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use usher::authentication::DevelopmentTokens;
use usher::cli::{ServiceMode, ServiceOptions, StartError};
use usher::clock::Clock;
use usher::config::Config;
use usher::domain::CallerName;
use usher::grpc::RefusedInbound;
use usher::identity_center::StaticCredentials;
use usher::simulator::{Settings, Simulator, SimulatorOptions, Switches, World};

use crate::wire::{Answer, Connection, GRPC, encode, frame, post};

/// The caller of every test that needs only one.
pub(crate) const CALLER: &str = "alice";

/// What a bench starts with: the demo world, no quotas, defaults otherwise.
pub(crate) struct Setup {
    pub(crate) world: World,
    pub(crate) config: Config,
    pub(crate) settings: Settings,
    pub(crate) switches: Switches,
    /// The host by which the service calls the simulator.
    pub(crate) aws_host: &'static str,
}

impl Default for Setup {
    fn default() -> Self {
        let mut config = Config::default();
        config.budget.sso_admin_per_second = 1000;
        config.budget.identity_store_per_second = 1000;
        config.budget.burst = 1000;
        // One caller asks thousands of wrong things.
        config.limits.rates.caller_cost_per_second = 100_000;
        config.limits.rates.caller_burst = 100_000;
        Self {
            world: World::demo(),
            config,
            settings: Settings::unlimited(),
            switches: Switches::default(),
            aws_host: "127.0.0.1",
        }
    }
}

/// A running service.
pub(crate) struct Bench {
    pub(crate) simulator: Simulator,
    pub(crate) address: SocketAddr,
    pub(crate) data_directory: tempfile::TempDir,
    pub(crate) stop: CancellationToken,
    pub(crate) running: JoinHandle<Result<(), StartError>>,
    pub(crate) refused_inbound: RefusedInbound,
    connection: Connection,
}

impl Bench {
    pub(crate) async fn start(setup: Setup) -> Self {
        let options = SimulatorOptions {
            switches: setup.switches,
            settings: setup.settings,
            ..SimulatorOptions::default()
        };
        let simulator = Simulator::start(setup.world, options).await.unwrap();
        let mut config = setup.config;
        let port = simulator.address().port();
        config.aws.endpoint_url = Some(format!("http://{}:{port}", setup.aws_host));
        config.aws.region = Some("us-east-1".to_owned());
        config.check().unwrap();
        let data_directory = tempfile::tempdir().unwrap();
        let service = usher::cli::start(ServiceOptions {
            config,
            data_directory: data_directory.path().to_owned(),
            listen: ([127, 0, 0, 1], 0).into(),
            mode: ServiceMode::Development,
            allow_writes: false,
            credentials: Some(StaticCredentials::simulated()),
            clock: Clock::system(),
        });
        let service = service.await.unwrap();
        let (address, refused_inbound) = (service.address, service.refused_inbound.clone());
        let stop = CancellationToken::new();
        let running = tokio::spawn(service.run_until(stop.clone().cancelled_owned()));
        Self {
            simulator,
            address,
            data_directory,
            stop,
            running,
            refused_inbound,
            connection: Connection::open(address).await,
        }
    }

    pub(crate) async fn demo() -> Self {
        Self::start(Setup::default()).await
    }

    pub(crate) fn token(&self, caller: &str) -> String {
        let tokens = DevelopmentTokens::open(self.data_directory.path()).unwrap();
        let caller = CallerName::parse(caller).unwrap();
        tokens
            .sign(&caller, jsonwebtoken::get_current_timestamp(), 3600)
            .unwrap()
    }

    /// A token whose time was over long ago.
    pub(crate) fn expired_token(&self) -> String {
        let tokens = DevelopmentTokens::open(self.data_directory.path()).unwrap();
        let caller = CallerName::parse(CALLER).unwrap();
        tokens
            .sign(&caller, jsonwebtoken::get_current_timestamp() - 7200, 60)
            .unwrap()
    }

    /// A call with JSON, as `CALLER`.
    pub(crate) async fn call(&self, method: &str, message: Value) -> Answer {
        self.call_as(CALLER, method, message).await
    }

    pub(crate) async fn call_as(&self, caller: &str, method: &str, message: Value) -> Answer {
        let message = frame(&encode(method, &message));
        self.send(caller, method, &[], message).await
    }

    /// A call with any body and more headers.
    pub(crate) async fn send(
        &self,
        caller: &str,
        method: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Answer {
        let credential = format!("Bearer {}", self.token(caller));
        let mut all = GRPC.to_vec();
        all.push(("authorization", &credential));
        all.extend_from_slice(headers);
        self.connection
            .exchange(post(method, &all), Some(body))
            .await
    }

    /// A call that is let go when enough of its answer has come.
    pub(crate) async fn send_until(
        &self,
        caller: &str,
        method: &str,
        body: Bytes,
        is_enough: impl Fn(&Answer) -> bool,
    ) -> Answer {
        let credential = format!("Bearer {}", self.token(caller));
        let headers = [GRPC, &[("authorization", credential.as_str())]].concat();
        let request = post(method, &headers);
        (self
            .connection
            .exchange_until(request, Some(body), is_enough))
        .await
    }

    /// A request with exactly these headers, on a connection of its own.
    pub(crate) async fn raw(&self, method: &str, headers: &[(&str, &str)], body: Bytes) -> Answer {
        let connection = Connection::open(self.address).await;
        connection.exchange(post(method, headers), Some(body)).await
    }

    /// A call that must succeed.
    pub(crate) async fn ok(&self, method: &str, message: Value) -> Value {
        self.call(method, message).await.ok(method)
    }

    /// Everything that a refused call must leave as it was: grants, and writes in AWS.
    pub(crate) async fn footprint(&self) -> (usize, usize) {
        let listed = self
            .ok("GrantService/ListGrants", json!({"page_size": 1000}))
            .await;
        let grants = listed["grants"].as_array().map_or(0, Vec::len);
        (grants, self.writes())
    }

    /// Calls in the simulator's log that change something.
    pub(crate) fn writes(&self) -> usize {
        let is_write = |operation: &str| {
            ["Create", "Delete", "Put", "Update"]
                .iter()
                .any(|verb| operation.starts_with(verb))
        };
        self.simulator
            .calls()
            .iter()
            .filter(|call| is_write(&call.operation))
            .count()
    }

    pub(crate) fn user(&self, name: &str) -> String {
        self.simulator
            .world()
            .user_named(name)
            .unwrap()
            .user_id
            .clone()
    }

    pub(crate) fn group(&self, name: &str) -> String {
        self.simulator
            .world()
            .group_named(name)
            .unwrap()
            .group_id
            .clone()
    }

    pub(crate) fn application(&self, name: &str) -> String {
        self.simulator
            .world()
            .application_named(name)
            .unwrap()
            .application_arn
            .clone()
    }
}

/// An Assign that works in the demo world.
pub(crate) fn assign() -> Value {
    json!({
        "principal": {"user": "anna.berg"},
        "target": {"application": "Amazon Redshift"},
        "duration": "3600s",
        "justification": "INC-42",
    })
}

/// A message with some of its fields replaced.
pub(crate) fn with(mut message: Value, fields: Value) -> Value {
    let Value::Object(fields) = fields else {
        panic!("fields are an object")
    };
    for (name, value) in fields {
        message[name] = value;
    }
    message
}
