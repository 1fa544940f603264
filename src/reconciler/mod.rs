//! The only code that changes AWS.
//!
//! It takes no input: woken by a signal and by the clock, it reads due work from the store, claims
//! it with a lease, and asks `domain::plan` what to do next, step by step. Every write to AWS is
//! written down before it is sent, and its outcome is unknown until a read has settled it. No
//! store, no AWS writes.
//!
//! ```text
//!   wake -> claim_due -> next_step -> commit | read | commit + write | commit + release
//! ```
//! An asynchronous change is let go as soon as its id is on record; one poller for the process reads
//! AWS's lists of them and makes due what is no longer under way.
//! Reading order: `worker`, `requests`, `poller`; `forecast` says beforehand what `worker` would do.

mod config;
mod forecast;
mod poller;
mod requests;
mod worker;
mod workers;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use config::ReconcilerConfig;
pub use forecast::{Forecast, Foreseen};
use workers::Workers;

use crate::clock::Clock;
use crate::domain::plan::Bounds;
use crate::identity_center::{IdentityCenter, Instances};
use crate::store::{ClaimLimit, Duties, Holder, OfEachKind, Store, StoreError};

/// The shortest sleep between two looks at the store.
const POLL_FLOOR: Duration = Duration::from_millis(20);

/// The reconciler of one process.
#[derive(Clone)]
pub struct Reconciler {
    store: Arc<dyn Store>,
    port: Arc<dyn IdentityCenter>,
    clock: Clock,
    bounds: Bounds,
    config: ReconcilerConfig,
    instances: Instances,
    /// Wakes the poller: AWS took a change.
    request_accepted: Arc<Notify>,
    /// What one replica does for all.
    duties: Duties,
}

impl Reconciler {
    /// Makes a reconciler for the work of the instances that are listed, as the list changes. `attempt_timeout` is the port's.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        port: Arc<dyn IdentityCenter>,
        clock: Clock,
        config: ReconcilerConfig,
        instances: Instances,
        attempt_timeout: Duration,
    ) -> Self {
        let bounds = config.bounds(attempt_timeout);
        let duties = Duties::new(store.clone());
        Self {
            store,
            port,
            clock,
            bounds,
            config,
            instances,
            request_accepted: Arc::new(Notify::new()),
            duties,
        }
    }

    /// Works until the token is cancelled, then lets running steps come to a commit and returns.
    ///
    /// # Cancellation
    /// Cancel by the token. Dropping the future leaves claims to run out; nothing is lost.
    pub async fn run(&self, stop: CancellationToken) {
        let poller = self.poll_requests(&stop);
        let workers = self.run_workers(&stop);
        tokio::join!(poller, workers);
    }

    async fn run_workers(&self, stop: &CancellationToken) {
        let mut workers = Workers::default();
        while !stop.is_cancelled() {
            let pause = match self.start_due(&mut workers, stop).await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::error!(error = %error, "reconciler cannot read due work; it tries again");
                    self.config.poll_interval()
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.store.signals().work() => {}
                () = tokio::time::sleep(pause) => {}
                () = workers.one_ended(), if !workers.is_empty() => {}
            }
        }
        while !workers.is_empty() {
            workers.one_ended().await;
        }
    }

    /// Claims what is due, as far as workers are free, and says how long to sleep at most.
    async fn start_due(
        &self,
        workers: &mut Workers,
        stop: &CancellationToken,
    ) -> Result<Duration, StoreError> {
        workers.note_ended();
        let now = self.clock.now();
        // A name of its own for each round: whoever takes an assignment again after its lease ran
        // out is another holder, also in this process, and the first hears that it lost the lease.
        let holder = Holder(uuid::Uuid::new_v4().to_string());
        let instances = self.instances.arns();
        let mut limit = ClaimLimit {
            claims_max: OfEachKind::all(0),
            outstanding_max: self.config.outstanding_changes_max,
            kept_for_ends: self.config.outstanding_changes_kept_for_ends,
        };
        for (free, instances) in workers.free(&instances, self.config.workers_max) {
            limit.claims_max = free;
            let lease_until = self.lease_until(now);
            let claims = self
                .store
                .claim_due(&holder, &instances, now, lease_until, limit)
                .await?;
            for claim in claims {
                let (this, stop) = (self.clone(), stop.clone());
                let (instance, kind) = (claim.record.key.instance_arn.clone(), claim.kind);
                workers.spawn(instance, kind, async move { this.work(claim, &stop).await });
            }
        }
        // What is due where no place is free waits for the end of a worker, which wakes this loop.
        let mut due_in = self.config.poll_interval();
        for (free, instances) in workers.free(&instances, self.config.workers_max) {
            limit.claims_max = free;
            let due_at = self.store.next_due_at(&instances, now, limit).await?;
            if let Some(due_at) = due_at {
                let until = due_at.duration_since(self.clock.now());
                due_in = due_in.min(Duration::try_from(until).unwrap_or_default());
            }
        }
        // Work that is due and could not be claimed waits for a worker of the same target: its end
        // wakes this loop. The floor keeps a mistake there from spinning.
        Ok(due_in.max(POLL_FLOOR))
    }

    fn lease_until(&self, now: Timestamp) -> Timestamp {
        now.checked_add(self.bounds.lease).unwrap_or(Timestamp::MAX)
    }
}
