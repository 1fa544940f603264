//! What one permit costs while a thousand callers wait for each of ten buckets: processor time of the one
//! thread that does everything, so that what is measured is the queue and its handle, and not how dear it is
//! to wake another thread.

use std::time::Duration;

use tokio::task::JoinSet;
use usher::budget::{Budget, BudgetConfig, Class, Demand};
use usher::domain::{Operation, QuotaBucket};

use crate::stage::figure;

const CALLERS: usize = 1_000;
const PERMITS: u64 = 50_000;
const BUCKETS: [QuotaBucket; 10] = [
    QuotaBucket::SsoAdmin,
    QuotaBucket::Organizations,
    QuotaBucket::IdentityStore(Operation::ListUsers),
    QuotaBucket::IdentityStore(Operation::ListGroups),
    QuotaBucket::IdentityStore(Operation::DescribeUser),
    QuotaBucket::IdentityStore(Operation::DescribeGroup),
    QuotaBucket::IdentityStore(Operation::GetUserId),
    QuotaBucket::IdentityStore(Operation::GetGroupId),
    QuotaBucket::IdentityStore(Operation::ListGroupMemberships),
    QuotaBucket::IdentityStore(Operation::ListGroupMembershipsForMember),
];

/// Nanoseconds that this thread was on a processor (Linux: schedstat).
fn processor_nanoseconds() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("schedstat");
    let first = text.split_whitespace().next();
    first
        .and_then(|first| first.parse().ok())
        .expect("a number")
}

pub(crate) fn run() {
    let thread = std::thread::spawn(|| {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().build().expect("a runtime");
        runtime.block_on(measure());
    });
    thread.join().expect("no panic");
}

async fn measure() {
    let config = BudgetConfig {
        sso_admin_per_second: 1000,
        identity_store_per_second: 1000,
        organizations_per_second: 1000,
        ..BudgetConfig::default()
    };
    let budget = Budget::new(config).expect("a budget");
    let mut callers = JoinSet::new();
    for bucket in BUCKETS {
        for number in 0..CALLERS {
            let budget = budget.clone();
            let demand = Demand::of(Class::Read, &format!("caller-{number}"));
            callers.spawn(async move {
                loop {
                    let deadline = tokio::time::Instant::now() + Duration::from_secs(600);
                    let permit = budget.permit(bucket, demand, deadline);
                    permit.await.expect("a permit");
                }
            });
        }
    }
    let permits = || {
        let uses = budget.uses();
        let classes = uses.iter().flat_map(|bucket| &bucket.classes);
        classes.map(|class| class.served.permits).sum::<u64>()
    };
    tokio::time::sleep(Duration::from_secs(2)).await;
    for bucket in budget.uses() {
        let waiting: usize = bucket.classes.iter().map(|it| it.waiting).sum();
        assert!(waiting >= CALLERS - 10, "{waiting} wait");
    }
    let (from, before) = (processor_nanoseconds(), permits());
    while permits() < before + PERMITS {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let (to, after) = (processor_nanoseconds(), permits());
    let each = (to - from) as f64 / (after - before) as f64 / 1000.0;
    figure("permit_cost_with_1000_waiting", each, "us", "<=20");
}
