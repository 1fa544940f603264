//! The service put together: store, AWS, directory, use cases, reconciler, server. `serve` runs it
//! against AWS and `demo` against the simulator: the same code.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::connect::{connect, explain, find_instance, start_call};
use crate::app::{App, Parts};
use crate::clock::Clock;
use crate::config::Config;
use crate::directory::Directory;
use crate::domain::Instance;
use crate::grpc::Server;
use crate::grpc::identity::DevelopmentTokens;
use crate::identity_center::{IdentityCenter, StaticCredentials, WriteMode};
use crate::policy::PolicySet;
use crate::reconciler::Reconciler;
use crate::store::{SqliteStore, Store};

/// How often old request ids are forgotten.
const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(3600);

/// How often overdue ends are counted, and told if there are any.
const OVERDUE_COUNTED_EVERY: Duration = Duration::from_secs(60);
/// An end that has not been acted on for this long is overdue (DESIGN.md §4.6).
const END_ACTED_ON_WITHIN: SignedDuration = SignedDuration::from_secs(60);

/// What a service starts with.
pub struct ServiceOptions {
    /// The configuration, checked.
    pub config: Config,
    /// Where the store and the token key lie.
    pub data_directory: PathBuf,
    /// Where to listen; loopback only, since calls are not encrypted.
    pub listen: SocketAddr,
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
    /// The instance it serves.
    pub instance: Instance,
    /// Whether it changes AWS.
    pub may_write: bool,
    store: Arc<SqliteStore>,
    /// The server alone: it stops first, so that callers that wait for the reconciler get it.
    serving: Part,
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
    let ServiceOptions {
        config,
        data_directory,
        listen,
        credentials,
        clock,
    } = options;
    if !listen.ip().is_loopback() {
        return Err(StartError(format!(
            "--dev listens on loopback only, not on {listen}"
        )));
    }
    let opened = SqliteStore::open(&data_directory, config.store.clone()).await;
    let store = Arc::new(opened.map_err(|error| StartError(error.to_string()))?);
    let started = start_on_store(&store, config, &data_directory, listen, credentials, clock).await;
    if started.is_err() {
        store.close().await;
    }
    started
}

async fn start_on_store(
    store: &Arc<SqliteStore>,
    config: Config,
    data_directory: &std::path::Path,
    listen: SocketAddr,
    credentials: Option<StaticCredentials>,
    clock: Clock,
) -> Result<RunningService, StartError> {
    let tokens =
        DevelopmentTokens::open(data_directory).map_err(|error| StartError(error.to_string()))?;
    let port = connect(&config, credentials.as_ref(), WriteMode::LoopbackOnly)
        .await
        .map_err(StartError)?;
    let instance = find_instance(port.as_ref(), config.instance.as_ref())
        .await
        .map_err(StartError)?;
    // One read of the identity store: a missing permission shows now, and an endpoint that is not
    // loopback is seen before anything could be written.
    port.groups(&instance, None, 1, start_call())
        .await
        .map_err(|failure| StartError(explain(&failure)))?;
    warn_of_other_instances(store.as_ref(), &instance).await?;
    let may_write = port.may_write();
    let dyn_store: Arc<dyn Store> = store.clone();
    let directory = Directory::new(
        port.clone(),
        dyn_store.clone(),
        clock.clone(),
        config.directory,
    );
    let reconciler = Reconciler::new(
        dyn_store.clone(),
        port.clone(),
        clock.clone(),
        config.reconciler,
        vec![instance.arn.clone()],
        config.aws.attempt_timeout(),
    );
    let kept = SignedDuration::from_hours(config.service.request_id_kept_days.saturating_mul(24));
    let stop = CancellationToken::new();
    let app = App::new(Parts {
        store: dyn_store.clone(),
        port,
        directory,
        policy: PolicySet::Development,
        instances: vec![instance.clone()],
        config: config.service,
        audit: config.audit,
        clock: clock.clone(),
        stopping: stop.clone(),
    })
    .await
    .map_err(|error| StartError(error.to_string()))?;
    let server = Server::bind(listen, app.clone(), tokens, config.limits)
        .await
        .map_err(|error| StartError(error.to_string()))?;
    let address = server.address();
    let (mut serving, mut background) = (Part::default(), Part::default());
    serving.stop = stop.clone();
    serving
        .tasks
        .spawn(async move { server.serve(stop).await.map_err(|error| error.to_string()) });
    let reconciling = background.stop.clone();
    background.tasks.spawn(async move {
        reconciler.run(reconciling).await;
        Ok(())
    });
    let following = background.stop.clone();
    background.tasks.spawn(async move {
        following.run_until_cancelled(app.follow_changes()).await;
        Ok(())
    });
    let watching = background.stop.clone();
    let (watched, watch_clock) = (dyn_store.clone(), clock.clone());
    background.tasks.spawn(async move {
        watching
            .run_until_cancelled(warn_of_overdue_ends(watched, watch_clock))
            .await;
        Ok(())
    });
    let keeping = background.stop.clone();
    background.tasks.spawn(async move {
        keeping
            .run_until_cancelled(forget_old_requests(dyn_store, clock, kept))
            .await;
        Ok(())
    });
    Ok(RunningService {
        address,
        instance,
        may_write,
        store: store.clone(),
        serving,
        background,
    })
}

impl RunningService {
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
        self.serving.stop().await;
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

/// Says at the start when the store holds grants that nobody works on: those of other instances.
async fn warn_of_other_instances(
    store: &SqliteStore,
    instance: &Instance,
) -> Result<(), StartError> {
    let open = store
        .count_open_elsewhere(std::slice::from_ref(&instance.arn))
        .await
        .map_err(|error| StartError(error.to_string()))?;
    if open > 0 {
        tracing::warn!(
            open,
            instance = %instance.arn,
            "the store holds open grants of other instances; they do not end while only this instance is served"
        );
    }
    Ok(())
}

/// Says again and again how many ends are overdue: nothing is given up silently.
async fn warn_of_overdue_ends(store: Arc<dyn Store>, clock: Clock) {
    loop {
        let since = clock
            .now()
            .checked_sub(END_ACTED_ON_WITHIN)
            .unwrap_or(jiff::Timestamp::MIN);
        match store.count_overdue_ends(since).await {
            Ok(0) => {}
            Ok(overdue) => tracing::warn!(overdue, "ends of grants are overdue; they are tried on"),
            Err(error) => tracing::warn!(error = %error, "overdue ends could not be counted"),
        }
        tokio::time::sleep(OVERDUE_COUNTED_EVERY).await;
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
