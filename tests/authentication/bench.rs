//! A whole service in this process that serves callers with tokens and certificates, and clients
//! that connect with TLS or without.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rustls_pki_types::ServerName;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_util::sync::CancellationToken;
use tonic::Code;
use usher::cli::{ServiceMode, ServiceOptions, StartError};
use usher::clock::Clock;
use usher::config::Config;
use usher::grpc::RefusedInbound;
use usher::identity_center::StaticCredentials;
use usher::simulator::{Settings, Simulator, SimulatorOptions, World};

use crate::wire::{Answer, Connection, GRPC, encode, frame, post};

const BASE: &str = "[aws]\nregion = \"us-east-1\"\n[budget]\nsso_admin_per_second = 1000\n\
    identity_store_per_second = 1000\nburst = 1000\n[limits]\ndrain_seconds_max = 1\n";
/// Everybody may do everything.
pub(crate) const PERMIT_ALL: &str = "@id(\"asks\") @approvals(\"0\") @max_duration(\"none\")\n\
    permit (principal, action == Usher::Action::\"Request\", resource);\n\
    @id(\"reads\")\n\
    permit (principal, action in [Usher::Action::\"Revoke\", Usher::Action::\"ActFor\", \
    Usher::Action::\"ReadGrants\", Usher::Action::\"ReadAssignments\", Usher::Action::\"ReadAudit\", \
    Usher::Action::\"ReadDirectory\"], resource);\n";
/// The name of their file.
pub(crate) const POLICY_FILE: &str = "all.cedar";
/// The name of the server's certificate.
pub(crate) const SERVER_NAME: &str = "usher.internal";
const LIST: &str = "DirectoryService/ListInstances";
const WHO_AM_I: &str = "DirectoryService/WhoAmI";
const ASSIGN: &str = "AccessService/Assign";

/// A running service.
pub(crate) struct Bench {
    pub(crate) address: SocketAddr,
    #[allow(dead_code, reason = "the tests of agreement read it")]
    pub(crate) metrics_address: Option<SocketAddr>,
    pub(crate) clock: Clock,
    /// The file of its policies.
    pub(crate) policies: PathBuf,
    stop: CancellationToken,
    running: JoinHandle<Result<(), StartError>>,
    pub(crate) simulator: Simulator,
    pub(crate) data: tempfile::TempDir,
    pub(crate) refused_inbound: RefusedInbound,
}

impl Bench {
    /// Starts with this configuration beside the base. Who somebody is, and not what they may do, is
    /// tried with it.
    pub(crate) async fn start(config: &str) -> Self {
        Self::start_with(config, PERMIT_ALL).await
    }

    /// The same with these policies.
    pub(crate) async fn start_with(config: &str, policies: &str) -> Self {
        Self::start_in(World::demo(), config, policies).await
    }

    /// The same in this world.
    pub(crate) async fn start_in(world: World, config: &str, policies: &str) -> Self {
        let options = SimulatorOptions {
            settings: Settings::unlimited(),
            ..SimulatorOptions::default()
        };
        let simulator = Simulator::start(world, options).await.unwrap();
        let mut config: Config = toml::from_str(&format!("{BASE}{config}")).unwrap();
        config.aws.endpoint_url = Some(simulator.endpoint_url());
        config.check().unwrap();
        let (data, clock) = (tempfile::tempdir().unwrap(), Clock::system());
        let directory = data.path().join("policies");
        let file = directory.join(POLICY_FILE);
        // A configuration that names a folder means what is in it.
        if config.policy.directory.is_none() {
            std::fs::create_dir(&directory).unwrap();
            std::fs::write(&file, policies).unwrap();
            config.policy.directory = Some(directory);
        }
        let service = usher::cli::start(ServiceOptions {
            config,
            data_directory: data.path().to_owned(),
            listen: ([127, 0, 0, 1], 0).into(),
            mode: ServiceMode::Authenticated,
            allow_writes: false,
            credentials: Some(StaticCredentials::simulated()),
            clock: clock.clone(),
        });
        let service = service.await.unwrap();
        let (address, metrics_address) = (service.address, service.metrics_address);
        let refused_inbound = service.refused_inbound.clone();
        let stop = CancellationToken::new();
        let running = tokio::spawn(service.run_until(stop.clone().cancelled_owned()));
        Self {
            address,
            metrics_address,
            clock,
            policies: file,
            stop,
            running,
            simulator,
            data,
            refused_inbound,
        }
    }

    /// Writes other policies, which are in force when the service has looked.
    pub(crate) fn write_policies(&self, policies: &str) {
        let next = self.policies.with_extension("next");
        std::fs::write(&next, policies).unwrap();
        std::fs::rename(next, &self.policies).unwrap();
    }

    /// Ends the service, which must end in order.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.running.await.unwrap().unwrap();
    }

    /// A connection without TLS.
    pub(crate) async fn plain(&self) -> Client {
        Client(Connection::open(self.address).await)
    }

    /// A connection with TLS; none when the handshake fails, or the server says no after it.
    pub(crate) async fn secure(&self, config: &Arc<ClientConfig>) -> Option<Client> {
        connect(self.address, config).await
    }
}

/// A connection with TLS to any server; none when the handshake fails.
pub(crate) async fn connect(address: SocketAddr, config: &Arc<ClientConfig>) -> Option<Client> {
    let stream = TcpStream::connect(address).await.ok()?;
    let name = ServerName::try_from(SERVER_NAME).unwrap();
    let stream = TlsConnector::from(config.clone())
        .connect(name, stream)
        .await
        .ok()?;
    Connection::try_over(stream).await.map(Client)
}

/// A connection to the service.
pub(crate) struct Client(pub(crate) Connection);

impl Client {
    /// A call that reads, with these headers.
    pub(crate) async fn list(&self, headers: &[(&str, &str)]) -> Answer {
        let body = frame(&encode(LIST, &json!({})));
        let headers = [GRPC, headers].concat();
        self.0.exchange(post(LIST, &headers), Some(body)).await
    }

    /// The same with one token.
    pub(crate) async fn list_as(&self, token: &str) -> Answer {
        self.list(&[("authorization", &format!("Bearer {token}"))])
            .await
    }

    /// Who the server takes the caller for.
    pub(crate) async fn who_am_i(&self, token: &str) -> Value {
        let headers = [GRPC, &[("authorization", token)]].concat();
        let body = frame(&encode(WHO_AM_I, &json!({})));
        let answer = self.0.exchange(post(WHO_AM_I, &headers), Some(body)).await;
        answer.ok(WHO_AM_I)
    }

    /// A call of any path with any message.
    pub(crate) async fn ask(&self, path: &str, headers: &[(&str, &str)], message: &[u8]) -> Answer {
        let request = post(path, &[GRPC, headers].concat());
        self.0.exchange(request, Some(frame(message))).await
    }

    /// A call with JSON.
    pub(crate) async fn call(
        &self,
        method: &str,
        headers: &[(&str, &str)],
        message: &Value,
    ) -> Answer {
        self.ask(method, headers, &encode(method, message)).await
    }

    /// As whom a call counts: the caller that a grant is written down with.
    pub(crate) async fn caller(&self, headers: &[(&str, &str)]) -> Value {
        let message = json!({
            "principal": {"user": "anna.berg"}, "target": {"application": "Amazon Redshift"},
            "duration": "3600s", "justification": "INC-42",
        });
        let headers = [GRPC, headers].concat();
        let answer = self
            .0
            .exchange(
                post(ASSIGN, &headers),
                Some(frame(&encode(ASSIGN, &message))),
            )
            .await;
        answer.ok(ASSIGN)["grant"]["requested_by"].clone()
    }
}

/// Checks how a call was refused: also that the answer has its details and nothing of a token.
#[track_caller]
pub(crate) fn check_refused(what: &str, answer: &Answer, code: Code, reason: &str) {
    let status = answer.status();
    assert_eq!(
        (status.code(), answer.reason().as_str()),
        (code, reason),
        "{what}: {status:?}"
    );
    assert!(!status.message().contains("eyJ"), "{what}: {status:?}");
    assert!(
        answer.details().request_info().is_some(),
        "{what}: {status:?}"
    );
}
