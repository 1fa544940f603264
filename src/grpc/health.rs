//! What grpc.health.v1 says of the server. It follows the store: where that does not answer nobody is granted anything,
//! and what answers without it goes on being told as serving. AWS is never asked here.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::app::App;

/// The services whose health is told by name; the empty name is the whole server.
const NAMES: [&str; 7] = [
    "",
    "usher.v1.AccessService",
    "usher.v1.GrantService",
    "usher.v1.DirectoryService",
    "usher.v1.EventService",
    "usher.v1.BudgetService",
    "usher.v1.OperationsService",
];
/// Those that answer without the store: from what the process has read of AWS, and knows of itself.
const WITHOUT_STORE: [&str; 2] = ["usher.v1.DirectoryService", "usher.v1.BudgetService"];
/// How often the store is looked at: a balancer looks as often, and the look is one row.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// Looks in vain before it is told: one alone may be a connection that was cut.
const IN_VAIN_MAX: u32 = 2;

/// The health of a server.
#[derive(Clone)]
pub(super) struct Health {
    reporter: HealthReporter,
}

impl Health {
    /// That of a server whose services may be told through this reporter.
    pub(super) fn new(reporter: HealthReporter) -> Self {
        Self { reporter }
    }

    /// Tells that all of it serves.
    pub(super) async fn serves(&self) {
        self.tell(|_| ServingStatus::Serving).await;
    }

    /// Tells that nothing of it serves any more.
    pub(super) async fn ends(&self) {
        self.tell(|_| ServingStatus::NotServing).await;
    }

    /// Follows the store until the server ends.
    pub(super) async fn follow(&self, app: &App, until: &CancellationToken) {
        let mut in_vain = 0;
        while until
            .run_until_cancelled(tokio::time::sleep(LOOK_EVERY))
            .await
            .is_some()
        {
            let answers = tokio::time::timeout(ANSWER_MAX, app.store_answers()).await;
            let was_away = in_vain >= IN_VAIN_MAX;
            in_vain = match answers {
                Ok(true) => 0,
                Ok(false) | Err(_) => in_vain.saturating_add(1),
            };
            let is_away = in_vain >= IN_VAIN_MAX;
            if is_away == was_away || until.is_cancelled() {
                continue;
            }
            if is_away {
                tracing::error!("the store does not answer: no access changes until it does");
                self.tell(|name| match WITHOUT_STORE.contains(&name) {
                    true => ServingStatus::Serving,
                    false => ServingStatus::NotServing,
                })
                .await;
            } else {
                tracing::info!("the store answers again");
                self.serves().await;
            }
            if until.is_cancelled() {
                // It began to end in between.
                self.ends().await;
            }
        }
    }

    async fn tell(&self, status: impl Fn(&str) -> ServingStatus) {
        for name in NAMES {
            self.reporter.set_service_status(name, status(name)).await;
        }
    }
}
