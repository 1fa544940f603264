//! What one permit costs while a thousand callers wait: processor time of everything in this process.

use std::time::Duration;

use tokio::task::JoinSet;
use usher::budget::{Budget, BudgetConfig, Class, Demand};
use usher::domain::QuotaBucket;

use crate::stage::figure;

const CALLERS: usize = 1_000;
const PERMITS: u64 = 10_000;

/// Nanoseconds that the threads of this process were on a processor (Linux: schedstat).
fn processor_nanoseconds() -> u64 {
    let threads = std::fs::read_dir("/proc/self/task").expect("the threads");
    let times = threads.map(|thread| {
        let path = thread.expect("a thread").path().join("schedstat");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let first = text.split_whitespace().next();
        first
            .and_then(|first| first.parse::<u64>().ok())
            .unwrap_or(0)
    });
    times.sum()
}

pub(crate) async fn run() {
    let config = BudgetConfig {
        sso_admin_per_second: 1000,
        ..BudgetConfig::default()
    };
    let budget = Budget::new(config).expect("a budget");
    let mut callers = JoinSet::new();
    for number in 0..CALLERS {
        let budget = budget.clone();
        let demand = Demand::of(Class::Read, &format!("caller-{number}"));
        callers.spawn(async move {
            loop {
                let deadline = tokio::time::Instant::now() + Duration::from_secs(600);
                let permit = budget.permit(QuotaBucket::SsoAdmin, demand, deadline);
                permit.await.expect("a permit");
            }
        });
    }
    let permits = || {
        let uses = budget.uses();
        let classes = uses[0].classes.iter();
        classes.map(|class| class.served.permits).sum::<u64>()
    };
    tokio::time::sleep(Duration::from_secs(2)).await;
    let waiting: usize = budget.uses()[0].classes.iter().map(|it| it.waiting).sum();
    assert!(waiting >= CALLERS - 10, "{waiting} wait");
    let (from, before) = (processor_nanoseconds(), permits());
    while permits() < before + PERMITS {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let (to, after) = (processor_nanoseconds(), permits());
    let each = (to - from) as f64 / (after - before) as f64 / 1000.0;
    figure("permit_cost_with_1000_waiting", each, "us", "<=20");
    callers.abort_all();
}
