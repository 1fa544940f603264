//! The service put together: store, AWS, directory, use cases, reconciler, server. `serve` runs it
//! against AWS and `demo` against the simulator: the same code.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::access::{ServiceMode, check_address, check_policy, prepare};
use super::brakes::warn_of_brakes;
use super::connect::connect;
use super::instances::{InstanceKeeper, warn_of_other_instances};
use super::metrics::Telling;
use super::opened_store::OpenedStore;
use super::policy_keeper::PolicyKeeper;
use crate::app::{App, BeneficiariesConfig, Parts, RefusedCalls, RefusedCallsWriter};
use crate::budget::SharedBudget;
use crate::clock::Clock;
use crate::config::Config;
use crate::decision_log::{LogConfig, LogKeeper};
use crate::directory::Directory;
use crate::grpc::{RefusedInbound, Server};
use crate::identity_center::{AwsMetrics, IdentityCenter, Instances, StaticCredentials, WriteMode};
use crate::reconciler::Reconciler;
use crate::store::Store;

/// How often old request ids are forgotten.
const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(3600);

/// What a service starts with.
pub struct ServiceOptions {
    /// The configuration, checked.
    pub config: Config,
    /// Where the store and the token key lie.
    pub data_directory: PathBuf,
    /// Where to listen; loopback only with development tokens, or without TLS.
    pub listen: SocketAddr,
    /// Whom to serve.
    pub mode: ServiceMode,
    /// Whether AWS may be changed where its endpoints are not on loopback (DESIGN.md §4.9).
    pub allow_writes: bool,
    /// Credentials other than the ambient ones.
    pub credentials: Option<StaticCredentials>,
    /// The clock that all parts share.
    pub clock: Clock,
}

/// Why a service did not start: a sentence for the operator.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(pub String);

/// A service that is listening.
pub struct RunningService {
    /// Where.
    pub address: SocketAddr,
    /// Where metrics are told, if they are.
    pub metrics_address: Option<SocketAddr>,
    /// The instances it serves now.
    pub instances: Instances,
    /// Whether it changes AWS.
    pub may_write: bool,
    /// How many calls the inbound limits refused.
    pub refused_inbound: RefusedInbound,
    store: Arc<dyn Store>,
    /// The server alone: it stops first, so that callers that wait for the reconciler get it.
    serving: Part,
    /// Ends the waiting of calls with the state reached, before the drain would cut them.
    stopping: CancellationToken,
    /// How long calls may go on waiting once the server stops: half of the drain.
    patience: Duration,
    /// Reconciler, follower, housekeeping: they stop when no caller is left.
    background: Part,
}

/// Tasks that are stopped together.
#[derive(Default)]
struct Part {
    stop: CancellationToken,
    tasks: JoinSet<Result<(), String>>,
}

impl Part {
    /// Runs a task that ends by the token that it is given.
    fn spawn_to_its_end<F>(&mut self, task: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let task = task(self.stop.clone());
        self.tasks.spawn(async move {
            task.await;
            Ok(())
        });
    }

    /// Runs a task that may be dropped at any point.
    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.spawn_to_its_end(|stop| async move {
            stop.run_until_cancelled(task).await;
        });
    }

    async fn stop(&mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Starts everything and answers once the server listens.
///
/// # Errors
/// A sentence: the data directory, AWS, the instance or the address cannot be used.
pub async fn start(options: ServiceOptions) -> Result<RunningService, StartError> {
    check_address(options.mode, options.listen, options.config.tls.is_some())?;
    check_policy(options.mode, &options.config)?;
    let opened = OpenedStore::open(&options).await?;
    let clock = options.clock.clone();
    let mut started = start_on_store(&opened, options).await;
    match &mut started {
        Ok(service) => service.background.spawn(opened.keep_clock(clock)),
        Err(_) => opened.store.close().await,
    }
    started
}

async fn start_on_store(
    opened: &OpenedStore,
    options: ServiceOptions,
) -> Result<RunningService, StartError> {
    let store = &opened.store;
    let (authenticator, tls) = prepare(&options).await?;
    let policies = PolicyKeeper::load(&options, store.clone()).await?;
    let (keeper, aws_metrics) = reach_aws(&options, opened.shared_budget()).await?;
    let (config, listen, clock) = (options.config, options.listen, options.clock);
    let (port, instances) = (keeper.router(), keeper.instances());
    warn_of_other_instances(store.as_ref(), &instances).await;
    let stopping = CancellationToken::new();
    let patience = Duration::from_secs(config.limits.drain_seconds_max) / 2;
    let reconciler = Reconciler::new(
        store.clone(),
        port.clone(),
        clock.clone(),
        config.reconciler,
        instances.clone(),
        config.aws.attempt_timeout(),
    );
    let (kept, external) = (config.service.request_id_kept(), config.external_rules());
    let (refused_calls, refused_calls_writer) =
        RefusedCalls::new(store.clone(), clock.clone(), config.refused_calls);
    let app = App::new(Parts {
        store: store.clone(),
        directory: Directory::new(port.clone(), store.clone(), clock.clone(), config.directory),
        port,
        policy: policies.in_force(),
        refused_calls,
        instances: instances.clone(),
        config: config.service,
        account_changes_max: config.reconciler.outstanding_changes_max,
        approvals: config.approvals,
        audit: config.audit,
        external: external.map_err(StartError)?,
        log: config.log.clone(),
        clock: clock.clone(),
        stopping: stopping.clone(),
    });
    let app = app.await.map_err(not_started)?;
    let server = Server::bind(listen, app.clone(), authenticator, config.limits, tls);
    let server = server.await.map_err(not_started)?;
    let telling = Telling::prepare(&server, &app, aws_metrics, &clock, config.metrics).await;
    let telling = telling.map_err(StartError)?;
    let mut service = RunningService {
        address: server.address(),
        metrics_address: telling.address(),
        instances,
        may_write: app.may_write(),
        refused_inbound: server.refused_inbound(),
        store: store.clone(),
        serving: Part::default(),
        stopping,
        patience,
        background: Part::default(),
    };
    let house = HouseKeeping {
        log_keeper: log_keeper(store.clone(), &clock, config.log).await?,
        clock,
        kept,
        keeper,
        policies,
        refused_calls_writer,
        beneficiaries: config.beneficiaries,
        telling,
    };
    service.begin(server, reconciler, app, house);
    Ok(service)
}

fn not_started(error: impl std::fmt::Display) -> StartError {
    StartError(error.to_string())
}

/// What keeps the decision log.
async fn log_keeper(
    store: Arc<dyn Store>,
    clock: &Clock,
    config: LogConfig,
) -> Result<LogKeeper, StartError> {
    let keeper = LogKeeper::new(store, clock.clone(), config).await;
    keeper.map_err(|error| StartError(error.to_string()))
}

/// What housekeeping needs to know.
struct HouseKeeping {
    /// Keeps the decision log.
    log_keeper: LogKeeper,
    clock: Clock,
    /// How long request ids are kept.
    kept: SignedDuration,
    /// Looks for instances again.
    keeper: InstanceKeeper,
    /// Looks at the policies again.
    policies: PolicyKeeper,
    /// Writes refused calls down.
    refused_calls_writer: RefusedCallsWriter,
    /// How those who have access are watched.
    beneficiaries: BeneficiariesConfig,
    /// Tells metrics.
    telling: Telling,
}

/// Finds AWS and the instances, and reads of each what shows whether they can be served.
async fn reach_aws(
    options: &ServiceOptions,
    shared: Option<Arc<dyn SharedBudget>>,
) -> Result<(InstanceKeeper, Arc<AwsMetrics>), StartError> {
    let is_development = options.mode == ServiceMode::Development;
    let write_mode = if options.allow_writes && !is_development {
        WriteMode::Everywhere
    } else {
        WriteMode::LoopbackOnly
    };
    let credentials = options.credentials.as_ref();
    let home = connect(&options.config, credentials, write_mode, shared)
        .await
        .map_err(StartError)?;
    let metrics = home.metrics();
    let keeper = InstanceKeeper::find(home, &options.config)
        .await
        .map_err(StartError)?;
    keeper.try_identity_stores().await.map_err(StartError)?;
    if options.allow_writes && is_development && !keeper.router().may_write() {
        return Err(StartError(
            "an AWS endpoint is not on loopback, and development tokens do not change AWS: leave \
             --allow-writes out to look around read-only, or configure TLS, authentication and \
             policy and leave --dev out"
                .to_owned(),
        ));
    }
    Ok((keeper, metrics))
}

impl RunningService {
    /// Starts the parts.
    fn begin(&mut self, server: Server, reconciler: Reconciler, app: App, house: HouseKeeping) {
        let HouseKeeping {
            log_keeper,
            clock,
            kept,
            keeper,
            policies,
            refused_calls_writer,
            beneficiaries,
            telling,
        } = house;
        let store = self.store.clone();
        let stop = self.serving.stop.clone();
        let serve = async move { server.serve(stop).await.map_err(|error| error.to_string()) };
        self.serving.tasks.spawn(serve);
        self.background
            .spawn_to_its_end(|stop| async move { reconciler.run(stop).await });
        self.background
            .spawn_to_its_end(|stop| refused_calls_writer.run(stop));
        let looking = app.clone();
        self.background
            .spawn_to_its_end(|stop| async move { looking.look_at_wishes(stop).await });
        self.background
            .spawn_to_its_end(|stop| log_keeper.run(stop));
        let watching = app.clone();
        self.background
            .spawn(async move { watching.watch_beneficiaries(beneficiaries).await });
        let collecting = app.clone();
        self.background
            .spawn(async move { collecting.keep_facts().await });
        self.background
            .spawn(async move { app.follow_changes().await });
        self.background
            .spawn(warn_of_brakes(store.clone(), self.instances.clone()));
        self.background.spawn(keeper.keep(store.clone()));
        self.background.spawn_to_its_end(|stop| async move {
            // Without written policies there is nothing to look at.
            stop.run_until_cancelled(async {
                policies.keep().await;
                std::future::pending::<()>().await;
            })
            .await;
        });
        for task in telling.tasks(store.clone(), clock.clone()) {
            self.background.spawn(task);
        }
        self.background
            .spawn(forget_old_requests(store, clock, kept));
    }

    /// Wakes the reconciler, as after a change of the clock.
    pub fn wake(&self) {
        self.store.signals().announce_work();
    }

    /// Runs until `end` completes or a part of the service ends by itself, then stops in order:
    /// the server drains, the reconciler comes to a commit, the store closes.
    ///
    /// # Errors
    /// A sentence, when a part ended by itself.
    pub async fn run_until(mut self, end: impl Future<Output = ()>) -> Result<(), StartError> {
        let early = tokio::select! {
            () = end => None,
            Some(done) = self.serving.tasks.join_next() => Some(done),
            Some(done) = self.background.tasks.join_next() => Some(done),
        };
        let (stopping, patience) = (self.stopping.clone(), self.patience);
        let impatience = tokio::spawn(async move {
            tokio::time::sleep(patience).await;
            stopping.cancel();
        });
        self.serving.stop().await;
        impatience.abort();
        self.background.stop().await;
        self.store.close().await;
        match early {
            None => Ok(()),
            Some(Ok(Ok(()))) => Err(StartError(
                "a part of the service ended by itself".to_owned(),
            )),
            Some(Ok(Err(problem))) => Err(StartError(problem)),
            Some(Err(error)) => Err(StartError(format!("a part of the service failed: {error}"))),
        }
    }
}

/// Forgets request ids that are older than they are promised to be kept.
async fn forget_old_requests(store: Arc<dyn Store>, clock: Clock, kept: SignedDuration) {
    loop {
        let before = clock
            .now()
            .checked_sub(kept)
            .unwrap_or(jiff::Timestamp::MIN);
        match store.forget_requests(before).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "old request ids were forgotten"),
            Err(error) => tracing::warn!(error = %error, "old request ids could not be forgotten"),
        }
        tokio::time::sleep(HOUSEKEEPING_EVERY).await;
    }
}
