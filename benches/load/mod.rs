//! What benchmarks of calls share: an issuer of tokens, h2load, and a tonic service that does nothing, to hold
//! ours against. It measures nothing by itself.

#[allow(
    dead_code,
    clippy::unwrap_used,
    reason = "the tests of authentication use more of it; without keys there is no benchmark"
)]
#[path = "../../tests/authentication/signer.rs"]
pub(crate) mod signer;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use prost::Message as _;
use serde_json::json;
use signer::{AUDIENCE, ISSUER, Key, key_set};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use usher::cli::{ServiceMode, ServiceOptions};
use usher::clock::Clock;
use usher::config::Config;
use usher::grpc::pb::budget_service_server::{BudgetService, BudgetServiceServer};
use usher::grpc::pb::{BudgetBucket, GetBudgetRequest, GetBudgetResponse};
use usher::identity_center::StaticCredentials;
use usher::simulator::{Settings, Simulator, SimulatorOptions, World};

/// Connections, and calls open on each.
const CONNECTIONS: u32 = 8;
const STREAMS: u32 = 8;
const SECONDS: u32 = 10;

/// A service that answers as many bytes as it is told.
struct Echo {
    bytes: usize,
}

#[tonic::async_trait]
impl BudgetService for Echo {
    async fn get_budget(
        &self,
        _: Request<GetBudgetRequest>,
    ) -> Result<Response<GetBudgetResponse>, Status> {
        Ok(Response::new(answer_of(self.bytes)))
    }
}

/// A message of so many bytes: one text, which costs next to nothing to encode.
fn answer_of(bytes: usize) -> GetBudgetResponse {
    let of = |length| GetBudgetResponse {
        buckets: vec![BudgetBucket {
            name: "x".repeat(length),
            ..BudgetBucket::default()
        }],
        ..GetBudgetResponse::default()
    };
    let beside = of(bytes).encoded_len() - bytes;
    of(bytes.saturating_sub(beside))
}

/// A server that is running, with its AWS.
pub(crate) struct Usher {
    pub(crate) address: SocketAddr,
    /// Where it tells metrics.
    #[allow(dead_code, reason = "not every benchmark counts answers")]
    pub(crate) metrics: SocketAddr,
    pub(crate) stop: CancellationToken,
    _simulator: Simulator,
}

/// Usher with these policies in front of a simulated AWS without quotas, for callers with tokens of the key.
pub(crate) async fn usher_on(place: &Path, key: &Key, policies_text: &str) -> Usher {
    let options = SimulatorOptions {
        settings: Settings::unlimited(),
        ..SimulatorOptions::default()
    };
    let simulator = Simulator::start(World::demo(), options).await;
    let simulator = simulator.expect("a simulator");
    let policies = place.join("policies");
    std::fs::create_dir(&policies).expect("a directory");
    std::fs::write(policies.join("all.cedar"), policies_text).expect("a file");
    let text = format!(
        "[aws]\nregion = \"us-east-1\"\nendpoint_url = \"{}\"\n\
         [metrics]\naddress = \"127.0.0.1:0\"\n\
         [limits.rates]\ncaller_cost_per_second = 1000000\ncaller_burst = 1000000\n\
         [policy]\ndirectory = \"{}\"\n{}",
        simulator.endpoint_url(),
        policies.display(),
        issuer_of(place, key)
    );
    let config: Config = toml::from_str(&text).expect("a configuration");
    config.check().expect("numbers that fit together");
    let service = usher::cli::start(ServiceOptions {
        config,
        data_directory: place.join("data"),
        listen: ([127, 0, 0, 1], 0).into(),
        mode: ServiceMode::Authenticated,
        allow_writes: false,
        credentials: Some(StaticCredentials::simulated()),
        clock: Clock::system(),
    });
    let service = service.await.expect("a service");
    let (address, metrics) = (service.address, service.metrics_address);
    let stop = CancellationToken::new();
    tokio::spawn(service.run_until(stop.clone().cancelled_owned()));
    Usher {
        address,
        metrics: metrics.expect("an admin port"),
        stop,
        _simulator: simulator,
    }
}

/// A token of 0.6 KB, as identity providers send them with a few groups.
pub(crate) fn token_of(key: &Key) -> String {
    let groups = vec!["a-group-of-the-directory"; 8];
    key.token(json!({"sub": "anna.berg", "azp": null, "groups": groups}))
}

/// What the configuration says of the issuer, whose keys are in a file.
fn issuer_of(place: &Path, key: &Key) -> String {
    let file = place.join("keys.json");
    std::fs::write(&file, key_set(&[key])).expect("a file");
    format!(
        "[[authentication.issuers]]\nname = \"corp\"\nissuer = \"{ISSUER}\"\n\
         audiences = [\"{AUDIENCE}\"]\njwks_file = \"{}\"\ncallers = \"PERSONS\"\n\
         match_by = \"USER_NAME\"\nmatch_claim = \"sub\"\n",
        file.display()
    )
}

/// A request with a token.
pub(crate) fn with_token<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    let value = format!("Bearer {token}").parse().expect("a header");
    request.metadata_mut().insert("authorization", value);
    request
}

/// A service that answers so many bytes, and nothing else.
pub(crate) async fn echo(bytes: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("an address");
    let address = listener.local_addr().expect("an address");
    let server = tonic::transport::Server::builder();
    let incoming = tonic::transport::server::TcpIncoming::from(listener).with_nodelay(Some(true));
    tokio::spawn(async move {
        let mut server = server;
        let router = server.add_service(BudgetServiceServer::new(Echo { bytes }));
        router.serve_with_incoming(incoming).await
    });
    address
}

/// A message with the five bytes that gRPC puts before it.
pub(crate) fn write_frame(file: &Path, message: &[u8]) {
    let length = u32::try_from(message.len()).expect("a short message");
    let frame = [&[0], length.to_be_bytes().as_slice(), message].concat();
    std::fs::write(file, frame).expect("a file");
}

/// Calls a second, and calls in all, as h2load counts them.
pub(crate) async fn load(address: SocketAddr, path: &str, body: &Path, token: &str) -> (f64, f64) {
    let mut command = Command::new("h2load");
    command
        .args(["--warm-up-time=2", "-t1"])
        .args(["-D".to_owned(), SECONDS.to_string()])
        .args(["-c".to_owned(), CONNECTIONS.to_string()])
        .args(["-m".to_owned(), STREAMS.to_string()])
        .args(["-H", "content-type: application/grpc", "-H", "te: trailers"])
        .args(["-H".to_owned(), format!("authorization: Bearer {token}")])
        .arg("-d")
        .arg(body)
        .arg(format!("http://{address}{path}"));
    let done = tokio::task::spawn_blocking(move || command.output()).await;
    let done = done.expect("no panic").expect("h2load, of nghttp2-client");
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    let word_before = |unit: &str| {
        let before = text.split(unit).next()?;
        before
            .split([' ', '\n'])
            .rfind(|word| !word.is_empty())?
            .parse::<f64>()
            .ok()
    };
    let per_second = word_before(" req/s").unwrap_or_else(|| panic!("h2load said:\n{text}"));
    let all = word_before(" done,").unwrap_or_else(|| panic!("h2load said:\n{text}"));
    (per_second, all)
}
