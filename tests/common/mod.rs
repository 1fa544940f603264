//! What the tests of the whole service share: a service in this process against a simulated AWS in
//! this process, with short times, a clock that can be set ahead, and clients of the real server.
//! Nothing here waits for a fixed time: states are awaited, with a deadline.

#![allow(
    dead_code,
    unused_imports,
    missing_docs,
    unreachable_pub,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "each test target uses a part of what others may see; a panic is how a test says no"
)]

pub mod asked;
pub mod brake;
pub mod checker;
pub mod child;
pub mod company;
pub mod faults;
pub mod load;
mod requests;
pub mod scrape;
pub mod store_rows;
pub mod targets;
mod waiting;

use std::net::SocketAddr;
use std::path::Path;

use jiff::SignedDuration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use usher::authentication::DevelopmentTokens;
use usher::cli::{ServiceMode, ServiceOptions, StartError, start};
use usher::clock::Clock;
use usher::config::Config;
use usher::domain::CallerName;
use usher::grpc::pb::access_service_client::AccessServiceClient;
use usher::grpc::pb::directory_service_client::DirectoryServiceClient;
use usher::grpc::pb::grant_service_client::GrantServiceClient;
use usher::grpc::pb::operations_service_client::OperationsServiceClient;
use usher::identity_center::StaticCredentials;
use usher::simulator::{Settings, Simulator, SimulatorOptions, Switches, World};

pub use requests::*;
pub use waiting::*;

/// Adds a token to every call.
#[derive(Clone)]
pub struct Token(MetadataValue<Ascii>);

impl Interceptor for Token {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request
            .metadata_mut()
            .insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// A channel whose calls carry a token.
pub type TokenChannel = InterceptedService<Channel, Token>;

/// The configuration of tests: short times, and a budget that nobody waits for.
#[must_use]
pub fn short_times() -> Config {
    let config: Config = toml::from_str(SHORT_TIMES).expect("a configuration");
    config.check().expect("numbers that fit together");
    config
}

/// `short_times` as the file that a child process reads.
pub const SHORT_TIMES: &str = r#"
[aws]
region = "us-east-1"
attempt_timeout_seconds = 1
connect_timeout_seconds = 1
backoff_min_milliseconds = 10
backoff_max_milliseconds = 100
read_time_min_milliseconds = 50
[budget]
sso_admin_per_second = 1000
identity_store_per_second = 1000
organizations_per_second = 1000
burst = 1000
throttle_pause_milliseconds = 50
[reconciler]
lease_seconds = 2.0
visibility_horizon_seconds = 1.5
backoff_first_seconds = 0.05
backoff_max_seconds = 0.5
poll_interval_seconds = 0.1
status_poll_seconds = 0.05
asynchronous_seconds_max = 2.0
request_unseen_seconds = 0.5
[limits]
calls_per_caller_max = 256
drain_seconds_max = 3
[limits.rates]
caller_cost_per_second = 100000
caller_burst = 100000
[service]
account_changes_per_second = 100.0
"#;

/// Longer after Usher's own write than an effect of it may still appear with `short_times`: lease,
/// attempt and visibility horizon together are 4.5 s.
pub const AFTER_SETTLING: SignedDuration = SignedDuration::from_millis(5500);

/// What a test service begins with.
pub struct Begin {
    pub world: World,
    pub settings: Settings,
    pub switches: Switches,
    pub config: Config,
}

impl Default for Begin {
    /// The demo world without quotas, and short times.
    fn default() -> Self {
        Self {
            world: World::demo(),
            settings: Settings::unlimited(),
            switches: Switches::default(),
            config: short_times(),
        }
    }
}

/// A service with its simulated AWS. The data directory goes with it.
pub struct TestService {
    pub simulator: Simulator,
    pub clock: Clock,
    pub config: Config,
    pub data: tempfile::TempDir,
    running: Option<Running>,
}

struct Running {
    address: SocketAddr,
    metrics_address: Option<SocketAddr>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), StartError>>,
    channel: TokenChannel,
}

impl TestService {
    /// Starts a simulator and a service on it.
    pub async fn start() -> Self {
        Self::start_with(Begin::default()).await
    }

    /// The same with other beginnings.
    pub async fn start_with(begin: Begin) -> Self {
        let options = SimulatorOptions {
            switches: begin.switches,
            settings: begin.settings,
            ..SimulatorOptions::default()
        };
        let simulator = Simulator::start(begin.world, options)
            .await
            .expect("a simulator");
        let mut config = begin.config;
        config.aws.endpoint_url = Some(simulator.endpoint_url());
        let mut service = Self {
            simulator,
            clock: Clock::system(),
            config,
            data: tempfile::tempdir().expect("a directory"),
            running: None,
        };
        service.begin().await;
        service
    }

    /// Starts the service again on its data directory, after `stop`.
    pub async fn begin(&mut self) {
        assert!(self.running.is_none(), "it runs already");
        let service = start(self.options()).await.expect("a service");
        let (address, metrics_address) = (service.address, service.metrics_address);
        let stop = CancellationToken::new();
        let task = tokio::spawn(service.run_until(stop.clone().cancelled_owned()));
        let channel = connect(address, self.data.path(), "tester").await;
        self.running = Some(Running {
            address,
            metrics_address,
            stop,
            task,
            channel,
        });
    }

    /// What `start` gets.
    #[must_use]
    pub fn options(&self) -> ServiceOptions {
        ServiceOptions {
            config: self.config.clone(),
            data_directory: self.data.path().to_owned(),
            listen: ([127, 0, 0, 1], 0).into(),
            mode: ServiceMode::Development,
            allow_writes: false,
            credentials: Some(StaticCredentials::simulated()),
            clock: self.clock.clone(),
        }
    }

    /// Ends the service in order; the simulator goes on.
    pub async fn stop(&mut self) {
        let running = self.running.take().expect("it runs");
        running.stop.cancel();
        // A connection that stays open is what a drain waits for.
        drop(running.channel);
        running
            .task
            .await
            .expect("no panic")
            .expect("an end in order");
    }

    /// Ends the service in order and starts it again on the same data directory.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.begin().await;
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("it runs")
    }

    /// Where the service listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.running().address
    }

    /// Where it tells metrics, if it does.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.running().metrics_address
    }

    /// A client with the token of `tester`.
    #[must_use]
    pub fn access(&self) -> AccessServiceClient<TokenChannel> {
        AccessServiceClient::new(self.running().channel.clone())
    }

    /// A client with the token of `tester`.
    #[must_use]
    pub fn grants(&self) -> GrantServiceClient<TokenChannel> {
        GrantServiceClient::new(self.running().channel.clone())
    }

    /// A client with the token of `tester`.
    #[must_use]
    pub fn directory(&self) -> DirectoryServiceClient<TokenChannel> {
        DirectoryServiceClient::new(self.running().channel.clone())
    }

    /// A client with the token of `tester`.
    #[must_use]
    pub fn operations(&self) -> OperationsServiceClient<TokenChannel> {
        OperationsServiceClient::new(self.running().channel.clone())
    }

    /// A channel of its own with the token of another caller.
    pub async fn channel_of(&self, caller: &str) -> TokenChannel {
        connect(self.address(), self.data.path(), caller).await
    }
}

/// Connects to a server with a development token of its data directory.
pub async fn connect(address: SocketAddr, data_directory: &Path, caller: &str) -> TokenChannel {
    let connected = try_connect(address, data_directory, caller).await;
    connected.expect("a connection")
}

/// The same for a server that may end at any moment.
pub async fn try_connect(
    address: SocketAddr,
    data_directory: &Path,
    caller: &str,
) -> Result<TokenChannel, tonic::transport::Error> {
    let channel = Endpoint::from_shared(format!("http://{address}"))
        .expect("an address")
        .connect()
        .await?;
    Ok(InterceptedService::new(
        channel,
        token(data_directory, caller),
    ))
}

/// A call without a token; the server may end at any moment.
pub async fn call_as_nobody(address: SocketAddr) {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
    let Ok(channel) = endpoint.connect().await else {
        return;
    };
    let mut client = DirectoryServiceClient::new(channel);
    let refused = client
        .list_instances(usher::grpc::pb::ListInstancesRequest {})
        .await;
    assert!(refused.is_err(), "nobody is let in");
}

/// A development token, good for an hour.
#[must_use]
pub fn token(data_directory: &Path, caller: &str) -> Token {
    let tokens = DevelopmentTokens::open(data_directory).expect("the token key");
    let caller = CallerName::parse(caller).expect("a caller's name");
    let now = u64::try_from(jiff::Timestamp::now().as_second()).expect("a time after 1970");
    let token = tokens.sign(&caller, now, 3600).expect("a token");
    Token(format!("Bearer {token}").parse().expect("a header"))
}
