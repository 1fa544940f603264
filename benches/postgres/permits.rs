//! The budget that replicas share: three of them, each with its own connections, as three processes have.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use usher::budget::{Answer, Asking, Budget, BudgetConfig, Class, Demand};
use usher::domain::QuotaBucket;
use usher::store::{PostgresOptions, PostgresStore, Store as _};

use super::milliseconds;

const REPLICAS: usize = 3;
const STATEMENTS: usize = 2_000;
const RATE: u32 = 20;
const BURST: u32 = 3;
const MEASURED: Duration = Duration::from_secs(60);

async fn open(options: &PostgresOptions) -> Arc<PostgresStore> {
    Arc::new(PostgresStore::open(options).await.expect("a store"))
}

/// How long one statement takes while the others ask too, at fifty times AWS's rate.
pub(crate) async fn statements(options: &PostgresOptions) {
    let mut replicas = JoinSet::new();
    for _ in 0..REPLICAS {
        let store = open(options).await;
        replicas.spawn(async move {
            let shared = store.shared_budget();
            let asking = Asking {
                bucket: "bench statements".to_owned(),
                interval: Duration::from_millis(1),
                tolerance: Duration::from_millis(2),
                ahead: Duration::ZERO,
                lets_others_first: Duration::ZERO,
            };
            let mut times = Vec::with_capacity(STATEMENTS);
            while times.len() < STATEMENTS {
                let asked_at = Instant::now();
                let answer = shared.take(&asking).await.expect("an answer");
                match answer {
                    Answer::Taken => times.push(asked_at.elapsed()),
                    Answer::Later(wait) => tokio::time::sleep(wait).await,
                }
            }
            store.close().await;
            times
        });
    }
    let mut times: Vec<Duration> = replicas.join_all().await.into_iter().flatten().collect();
    println!(
        "permit statement, {REPLICAS} replicas at 1,000/s together: p50 {:.2} ms, p99 {:.2} ms (target 2)",
        milliseconds(&mut times, 0.5),
        milliseconds(&mut times, 0.99),
    );
}

/// How much of the rate is used, with work on one replica and with work on all, and how long what somebody waits
/// for waits behind audits on each.
pub(crate) async fn rate(options: &PostgresOptions) {
    for busy in [1, REPLICAS] {
        let sent = Arc::new(Mutex::new(Vec::new()));
        let mut waits = run(options, busy, &sent).await;
        let mut sent = sent.lock().unwrap_or_else(PoisonError::into_inner).clone();
        sent.sort();
        let used = f64::from(u32::try_from(sent.len()).unwrap_or(u32::MAX))
            / (f64::from(RATE) * MEASURED.as_secs_f64());
        println!(
            "work on {busy} of {REPLICAS} replicas: {:.1} % of {RATE}/s used (target 98), at most {} beyond the rate in any window (burst {BURST}); interactive wait beside audits p50 {:.0} ms, p99 {:.0} ms (target 300)",
            used * 100.0,
            beyond(&sent),
            milliseconds(&mut waits, 0.5),
            milliseconds(&mut waits, 0.99),
        );
    }
}

/// Audits without end on so many replicas, and something that somebody waits for on one of them twice a second.
async fn run(
    options: &PostgresOptions,
    busy: usize,
    sent: &Arc<Mutex<Vec<Instant>>>,
) -> Vec<Duration> {
    let config = BudgetConfig {
        sso_admin_per_second: RATE,
        burst: BURST,
        headroom_percent: 0,
        ..BudgetConfig::default()
    };
    let (mut tasks, mut stores) = (JoinSet::new(), Vec::new());
    let mut asking = None;
    // A bucket begins empty: its first permits are waited for before anything is measured.
    for _ in 0..busy {
        let store = open(options).await;
        let budget = Budget::shared(config, store.shared_budget()).expect("a budget");
        permit(&budget, Class::Audit).await;
        asking.get_or_insert_with(|| budget.clone());
        stores.push((store, budget));
    }
    let end = Instant::now() + MEASURED;
    for (_, budget) in &stores {
        for _ in 0..4 {
            let (budget, sent) = (budget.clone(), Arc::clone(sent));
            tasks.spawn(async move {
                while Instant::now() < end {
                    permit(&budget, Class::Audit).await;
                    note(&sent, end);
                }
            });
        }
    }
    let budget = asking.expect("a replica");
    let mut waits = Vec::new();
    while Instant::now() + Duration::from_secs(1) < end {
        let asked_at = Instant::now();
        permit(&budget, Class::Grant).await;
        note(sent, end);
        waits.push(asked_at.elapsed());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    tasks.join_all().await;
    for (store, _) in stores {
        store.close().await;
    }
    waits
}

async fn permit(budget: &Budget, class: Class) {
    let deadline = Instant::now() + Duration::from_secs(3600);
    let permit = budget.permit(QuotaBucket::SsoAdmin, Demand::usher(class), deadline);
    permit.await.expect("a permit");
}

fn note(sent: &Mutex<Vec<Instant>>, end: Instant) {
    let now = Instant::now();
    if now < end {
        sent.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(now);
    }
}

/// By how many the busiest window exceeds what the rate alone would give: never more than the burst.
fn beyond(sent: &[Instant]) -> i64 {
    let mut most = 0;
    for (first, from) in sent.iter().enumerate() {
        for (last, to) in sent.iter().enumerate().skip(first) {
            let count = i64::try_from(last - first + 1).unwrap_or(i64::MAX);
            let window = to.duration_since(*from).as_secs_f64() * f64::from(RATE);
            #[expect(clippy::cast_possible_truncation, reason = "small numbers")]
            let given = window.floor() as i64;
            most = most.max(count - given);
        }
    }
    most
}
