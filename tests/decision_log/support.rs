//! A service whose log moves fast, streams of it, and `usher log` as a child process.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Streaming;
use usher::app::{App, CallContext, Parts, RefusedCalls};
use usher::budget::Budget;
use usher::clock::Clock;
use usher::config::Config;
use usher::directory::Directory;
use usher::domain::external::ExternalRules;
use usher::domain::{Authenticated, CallerName, Identity};
use usher::grpc::pb::event_service_client::EventServiceClient;
use usher::grpc::pb::{
    Event, EventFilter, ListEventsRequest, WatchEventsRequest, WatchEventsResponse,
};
use usher::identity_center::{
    Call, Class, Demand, IdentityCenter, Instances, SdkIdentityCenter, StaticCredentials, WriteMode,
};
use usher::policy::{PolicyInForce, PolicySet};
use usher::simulator::{Simulator, SimulatorOptions, World};
use usher::store::{SqliteStore, Store};

use super::common::{Begin, TestService, TokenChannel, in_time, short_times};

/// What a test waits for at most.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// Short times for the log too.
pub(crate) fn config() -> Config {
    let mut config = short_times();
    config.log.head_interval_seconds = 0.1;
    config.log.heartbeat_seconds = 0.1;
    config.log.watch_policy_seconds = 0.1;
    config
}

pub(crate) async fn service_with(config: Config) -> TestService {
    config.check().unwrap();
    let begin = Begin {
        config,
        ..Begin::default()
    };
    TestService::start_with(begin).await
}

pub(crate) async fn service() -> TestService {
    service_with(config()).await
}

pub(crate) async fn events_of(
    service: &TestService,
    caller: &str,
) -> EventServiceClient<TokenChannel> {
    EventServiceClient::new(service.channel_of(caller).await)
}

/// Every event that fits, in pages of this size.
pub(crate) async fn listed(
    client: &mut EventServiceClient<TokenChannel>,
    filter: EventFilter,
    page_size: i32,
) -> Vec<Event> {
    let mut request = ListEventsRequest {
        filter: Some(filter),
        page_size,
        ..ListEventsRequest::default()
    };
    let mut events = Vec::new();
    loop {
        let page = client.list_events(in_time(request.clone())).await;
        let page = page.expect("a page").into_inner();
        events.extend(page.events);
        if page.next_page_token.is_empty() {
            return events;
        }
        request.page_token = page.next_page_token;
    }
}

/// A stream behind a place; none for from now on.
pub(crate) async fn watching(
    client: &mut EventServiceClient<TokenChannel>,
    after_position: Option<i64>,
) -> Streaming<WatchEventsResponse> {
    let request = WatchEventsRequest {
        after_position,
        ..WatchEventsRequest::default()
    };
    let stream = client.watch_events(request).await;
    stream.expect("a stream").into_inner()
}

/// The next message.
pub(crate) async fn next(stream: &mut Streaming<WatchEventsResponse>) -> WatchEventsResponse {
    let message = tokio::time::timeout(LONG, stream.message()).await;
    let message = message.expect("a message in time");
    message.expect("no end with an error").expect("no end")
}

/// The next message with an event, past heartbeats.
pub(crate) async fn next_event(stream: &mut Streaming<WatchEventsResponse>) -> Event {
    loop {
        let message = next(stream).await;
        if let Some(event) = message.event {
            assert_eq!(event.position, message.position);
            return event;
        }
    }
}

/// `usher log` with arguments.
pub(crate) fn usher_log(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
    command.arg("log").args(arguments).env_clear();
    command.output().expect("the usher binary")
}

/// Verifies a place with more arguments: the exit code, and what was said.
pub(crate) fn verified(place: &Path, more: &[&str]) -> (i32, String) {
    let place = place.to_str().unwrap();
    let arguments = if Path::new(place).is_dir() {
        vec!["verify", "--data-dir", place]
    } else {
        vec!["verify", place]
    };
    let output = usher_log(&[arguments.as_slice(), more].concat());
    let said = [output.stdout, output.stderr].concat();
    let code = output.status.code().expect("it was not killed");
    (code, String::from_utf8(said).unwrap())
}

/// The use cases on a store of their own, without a server.
pub(crate) struct AppOnStore {
    pub(crate) app: App,
    _simulator: Simulator,
    _data: tempfile::TempDir,
}

impl AppOnStore {
    pub(crate) async fn new(config: Config) -> Self {
        let simulator = Simulator::start(World::demo(), SimulatorOptions::default());
        let simulator = simulator.await.unwrap();
        let mut aws = config.aws.clone();
        aws.endpoint_url = Some(simulator.endpoint_url());
        let port = SdkIdentityCenter::connect_with_credentials(
            &aws,
            &StaticCredentials::simulated(),
            Budget::new(config.budget).unwrap(),
            WriteMode::LoopbackOnly,
        );
        let port = port.unwrap();
        let deadline = Instant::now() + LONG;
        let listed = port
            .instances(Call {
                deadline,
                demand: Demand::usher(Class::Read),
            })
            .await
            .unwrap();
        let instances = Instances::new(vec![listed[0].instance.clone()]);
        let port: Arc<dyn IdentityCenter> = Arc::new(port);
        let data = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(data.path(), config.store.clone()).await;
        let store: Arc<dyn Store> = Arc::new(store.unwrap());
        let clock = Clock::system();
        let app = App::new(Parts {
            directory: Directory::new(port.clone(), store.clone(), clock.clone(), config.directory),
            refused_calls: RefusedCalls::new(store.clone(), clock.clone(), config.refused_calls).0,
            store,
            port,
            policy: PolicyInForce::new(PolicySet::development()),
            instances,
            config: config.service,
            account_changes_max: 10,
            approvals: config.approvals,
            audit: config.audit,
            external: ExternalRules::default(),
            log: config.log,
            clock,
            stopping: CancellationToken::new(),
        });
        Self {
            app: app.await.unwrap(),
            _simulator: simulator,
            _data: data,
        }
    }

    /// A call of a developer's with much time.
    pub(crate) fn context(&self) -> CallContext {
        let name = CallerName::parse("tester").unwrap();
        let authenticated = Authenticated {
            caller: Identity::Developer(name.clone()),
            on_behalf_of: None,
            subject_proof: None,
        };
        CallContext::new(name.clone(), name, authenticated, Instant::now() + 4 * LONG)
    }
}
