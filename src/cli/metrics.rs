//! What a service tells on its admin port, put together; and what is counted of the store for it.
//!
//! The store is counted by a slow task of its own and never by a scrape, so that scrapes, however
//! many, do not reach it. The same count says in the log that ends are overdue, with or without a
//! port.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::budget_metrics::BudgetMetrics;
use crate::app::App;
use crate::clock::Clock;
use crate::grpc::{RefusedInbound, Server};
use crate::identity_center::AwsMetrics;
use crate::metrics::{AdminPort, Kind, Metrics, MetricsConfig, Page, Source};
use crate::store::{GrantCounts, Store};

/// An end that has not been acted on for this long is overdue (DESIGN.md §4.6).
const END_ACTED_ON_WITHIN: SignedDuration = SignedDuration::from_secs(60);
/// How often the log says that ends are overdue.
const OVERDUE_TOLD_EVERY: Duration = Duration::from_secs(60);

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What tells metrics, until it begins.
pub(super) struct Telling {
    metrics: Metrics,
    grants: Arc<GrantGauges>,
    count_pause: Duration,
    port: Option<AdminPort>,
}

impl Telling {
    /// Puts everything together that a service tells, and takes the address of the admin port if
    /// there is to be one.
    ///
    /// # Errors
    /// A sentence: the address cannot be had.
    pub(super) async fn prepare(
        server: &Server,
        app: &App,
        aws: Arc<AwsMetrics>,
        clock: &Clock,
        config: MetricsConfig,
    ) -> Result<Self, String> {
        let port = match config.address {
            None => None,
            Some(address) => Some(AdminPort::bind(address, config).await?),
        };
        let grants = Arc::new(GrantGauges::default());
        Ok(Self {
            metrics: all_metrics(server, app, aws, grants.clone(), clock),
            grants,
            count_pause: config.count_pause(),
            port,
        })
    }

    /// Where the port listens, if there is one.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.port.as_ref().map(AdminPort::address)
    }

    /// The tasks that count and tell: they never end, and may be dropped at any point.
    pub(super) fn tasks(self, store: Arc<dyn Store>, clock: Clock) -> Vec<Task> {
        let counting = count_grants(store, clock, self.grants, self.count_pause);
        let mut tasks: Vec<Task> = vec![Box::pin(counting)];
        if let Some(port) = self.port {
            tasks.push(Box::pin(port.serve(self.metrics)));
        }
        tasks
    }
}

/// Everything that a service tells. Other parts that have something to tell are added here.
fn all_metrics(
    server: &Server,
    app: &App,
    aws: Arc<AwsMetrics>,
    grants: Arc<GrantGauges>,
    clock: &Clock,
) -> Metrics {
    let mut metrics = Metrics::default();
    metrics.add(Arc::new(Process {
        started_at: clock.now(),
    }));
    metrics.add(server.metrics());
    metrics.add(aws);
    metrics.add(Arc::new(BudgetMetrics(app.clone())));
    metrics.add(Arc::new(RefusedCalls(server.refused_inbound())));
    metrics.add(grants);
    metrics
}

/// Which version this is, and since when it runs.
struct Process {
    started_at: Timestamp,
}

impl Source for Process {
    fn tell(&self, page: &mut Page) {
        page.family(
            "usher_build_info",
            Kind::Gauge,
            "1, with the version of Usher.",
        )
        .sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
        page.family(
            "process_start_time_seconds",
            Kind::Gauge,
            "When the service started, in seconds since 1970.",
        )
        .sample(&[], seconds(self.started_at));
    }
}

/// Calls that the inbound limits refused.
struct RefusedCalls(RefusedInbound);

impl Source for RefusedCalls {
    fn tell(&self, page: &mut Page) {
        let mut family = page.family(
            "usher_inbound_refused_total",
            Kind::Counter,
            "Calls that the inbound limits refused.",
        );
        for row in self.0.snapshot() {
            let labels = [("reason", row.reason), ("class", row.class)];
            family.sample(&labels, row.count);
        }
    }
}

/// The last count of the store.
#[derive(Default)]
struct GrantGauges {
    counted: Mutex<Option<Counted>>,
}

#[derive(Clone)]
struct Counted {
    counts: GrantCounts,
    at: Timestamp,
}

impl Counted {
    /// How long ago something was; zero where nothing is.
    fn age_seconds(&self, since: Option<Timestamp>) -> f64 {
        let age = since.map_or(SignedDuration::ZERO, |since| self.at.duration_since(since));
        age.max(SignedDuration::ZERO).as_secs_f64()
    }
}

impl Source for GrantGauges {
    /// Before the first count there are no samples: nothing is told to be zero that nobody looked at.
    fn tell(&self, page: &mut Page) {
        let counted = self.counted.lock();
        let counted = counted.unwrap_or_else(PoisonError::into_inner).clone();
        let mut grants = page.family(
            "usher_grants",
            Kind::Gauge,
            "Grants that are not over, by state.",
        );
        for (state, number) in counted.iter().flat_map(|it| {
            [
                ("PENDING_APPROVAL", it.counts.pending_approval),
                ("SCHEDULED", it.counts.scheduled),
                ("PROVISIONING", it.counts.provisioning),
                ("ACTIVE", it.counts.active),
                ("REVOKING", it.counts.revoking),
            ]
        }) {
            grants.sample(&[("state", state)], number);
        }
        let mut gauge = |name, help, value: fn(&Counted) -> f64| {
            let mut family = page.family(name, Kind::Gauge, help);
            if let Some(counted) = &counted {
                family.sample(&[], value(counted));
            }
        };
        #[expect(
            clippy::cast_precision_loss,
            reason = "a gauge is a float, exact up to 2^53"
        )]
        gauge(
            "usher_overdue_revocations",
            "Grants whose access should be gone for more than 60 s and is not.",
            |it| it.counts.overdue_ends as f64,
        );
        gauge(
            "usher_overdue_revocation_age_seconds",
            "For how long the oldest overdue access should be gone; 0 without one.",
            |it| it.age_seconds(it.counts.oldest_overdue_since),
        );
        #[expect(
            clippy::cast_precision_loss,
            reason = "a gauge is a float, exact up to 2^53"
        )]
        gauge(
            "usher_pending_approvals",
            "Grants that wait for somebody to agree, and wishes for more time that do.",
            |it| it.counts.open_wishes as f64,
        );
        gauge(
            "usher_pending_approval_age_seconds",
            "How long the oldest grant has waited for somebody to agree; 0 without one.",
            |it| it.age_seconds(it.counts.oldest_pending_since),
        );
        gauge(
            "usher_grants_counted_timestamp_seconds",
            "When the gauges of grants were counted, in seconds since 1970.",
            |it| seconds(it.at),
        );
    }
}

/// Whole seconds and fractions since 1970.
fn seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

/// Counts the store again and again, and says so in the log while ends are overdue: nothing is given
/// up silently. Dropping it at any point is harmless.
async fn count_grants(
    store: Arc<dyn Store>,
    clock: Clock,
    gauges: Arc<GrantGauges>,
    pause: Duration,
) {
    let mut told_at: Option<Instant> = None;
    loop {
        let now = clock.now();
        let overdue_since = now
            .checked_sub(END_ACTED_ON_WITHIN)
            .unwrap_or(Timestamp::MIN);
        let is_quiet = told_at.is_none_or(|at| at.elapsed() >= OVERDUE_TOLD_EVERY);
        match store.count_grants(overdue_since).await {
            Ok(counts) => {
                let overdue = counts.overdue_ends;
                if overdue > 0 && is_quiet {
                    tracing::warn!(overdue, "ends of grants are overdue; they are tried on");
                    told_at = Some(Instant::now());
                }
                let counted = gauges.counted.lock();
                *counted.unwrap_or_else(PoisonError::into_inner) =
                    Some(Counted { counts, at: now });
            }
            // The gauges keep the last count, and their timestamp says so.
            Err(error) if is_quiet => {
                tracing::warn!(error = %error, "grants could not be counted");
                told_at = Some(Instant::now());
            }
            Err(_) => {}
        }
        tokio::time::sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_told_before_the_first_count() {
        let gauges = Arc::new(GrantGauges::default());
        let mut metrics = Metrics::default();
        metrics.add(gauges.clone());
        assert!(metrics.page().lines().all(|line| line.starts_with('#')));
        let at = Timestamp::from_second(1_800_000_000).unwrap();
        let counts = GrantCounts {
            overdue_ends: 2,
            oldest_overdue_since: at.checked_sub(SignedDuration::from_millis(90_500)).ok(),
            ..GrantCounts::default()
        };
        *gauges.counted.lock().unwrap() = Some(Counted { counts, at });
        let page = metrics.page();
        for line in [
            "usher_grants{state=\"ACTIVE\"} 0",
            "usher_overdue_revocations 2",
            "usher_overdue_revocation_age_seconds 90.5",
            "usher_pending_approval_age_seconds 0",
            "usher_grants_counted_timestamp_seconds 1800000000",
        ] {
            assert!(
                page.lines().any(|written| written == line),
                "{line}:\n{page}"
            );
        }
    }
}
