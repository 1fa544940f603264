//! The handle in real time: paces, refusals, and who waits for whom.

use super::*;
use crate::budget::IdentityStoreQuota;
use crate::domain::Operation;

const ASKED: Demand = Demand::usher(Class::Read);
const MILLISECOND: Duration = Duration::from_millis(1);
const USERS: QuotaBucket = QuotaBucket::IdentityStore(Operation::ListUsers);
const GROUPS: QuotaBucket = QuotaBucket::IdentityStore(Operation::ListGroups);

fn budget(change: impl FnOnce(&mut BudgetConfig)) -> Budget {
    let mut config = BudgetConfig {
        burst: 5,
        headroom_percent: 0,
        ..BudgetConfig::default()
    };
    change(&mut config);
    Budget::new(config).unwrap()
}

fn far() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

#[tokio::test]
async fn the_rate_holds_from_the_first_permit_on() {
    let budget = budget(|config| config.sso_admin_per_second = 200);
    let start = Instant::now();
    for _ in 0..20 {
        budget
            .permit(QuotaBucket::SsoAdmin, ASKED, far())
            .await
            .unwrap();
    }
    assert!(start.elapsed() >= 100 * MILLISECOND);
}

#[tokio::test]
async fn a_late_slot_is_refused_at_once_with_a_true_retry_after() {
    let budget = budget(|config| {
        config.burst = 1;
        config.sso_admin_per_second = 1;
    });
    let start = Instant::now();
    let deadline = start + 20 * MILLISECOND;
    let refusal = budget
        .permit(QuotaBucket::SsoAdmin, ASKED, deadline)
        .await
        .unwrap_err();
    assert!(start.elapsed() < 500 * MILLISECOND);
    // The slot is one second after the budget's start, which was a moment before `start`.
    assert!(refusal.retry_after <= 980 * MILLISECOND);
    assert!(refusal.retry_after >= 500 * MILLISECOND);
    let deadline = Instant::now() + refusal.retry_after + 20 * MILLISECOND;
    budget
        .permit(QuotaBucket::SsoAdmin, ASKED, deadline)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_cancelled_wait_gives_its_slot_to_the_next() {
    let budget = budget(|config| config.burst = 1);
    let start = Instant::now();
    let gone = tokio::time::timeout(MILLISECOND, budget.permit(USERS, ASKED, far())).await;
    assert!(gone.is_err());
    budget.permit(USERS, ASKED, far()).await.unwrap();
    let took = start.elapsed();
    assert!(took >= 49 * MILLISECOND, "{took:?}");
    // Nothing was taken for who left: the next slot is one interval after the first.
    let next = budget.estimate(&[(USERS, 1)], Class::Read);
    assert!(next <= 50 * MILLISECOND, "{next:?}");
}

#[tokio::test]
async fn break_glass_waits_for_nobody_as_long_as_it_borrows_little() {
    let budget = budget(|config| {
        config.sso_admin_per_second = 1;
        config.organizations_per_second = 1;
        config.break_glass_loans_max = 1;
        config.break_glass_loan_milliseconds = 1000;
    });
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let budget = budget.clone();
            tokio::spawn(async move { budget.permit(QuotaBucket::SsoAdmin, ASKED, far()).await })
        })
        .collect();
    // There are none at first: they come after their time.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let urgent = Demand::usher(Class::BreakGlass);
    let start = Instant::now();
    for is_lent in [true, false] {
        let at_once = budget.permit(QuotaBucket::SsoAdmin, urgent, start + 500 * MILLISECOND);
        assert_eq!(at_once.await.is_ok(), is_lent);
    }
    waiting.into_iter().for_each(|task| task.abort());
}

#[tokio::test]
async fn a_process_that_was_stopped_does_not_catch_up_in_one_go() {
    let budget = budget(|config| config.sso_admin_per_second = 200);
    let waiting: Vec<_> = (0..60)
        .map(|_| {
            let budget = budget.clone();
            tokio::spawn(async move {
                budget
                    .permit(QuotaBucket::SsoAdmin, ASKED, far())
                    .await
                    .unwrap();
                Instant::now()
            })
        })
        .collect();
    tokio::task::yield_now().await;
    // The runtime of this test has one thread: this stops everything, as SIGSTOP would.
    std::thread::sleep(200 * MILLISECOND);
    let resumed = Instant::now();
    let mut times = Vec::new();
    for task in waiting {
        times.push(task.await.unwrap());
    }
    times.retain(|time| *time >= resumed);
    times.sort();
    assert!(times.len() > 30);
    for (count, time) in times.iter().enumerate() {
        let window = (*time - resumed).as_millis() / 5;
        assert!(
            // The burst, and half a slot that is made up for.
            (count as u128) <= window + 5,
            "{count} in {window} intervals"
        );
    }
}

#[tokio::test]
async fn a_penalty_holds_those_back_who_wait_already() {
    let budget = budget(|config| config.throttle_pause_milliseconds = 100);
    let start = Instant::now();
    let waiting = {
        let budget = budget.clone();
        tokio::spawn(async move {
            budget
                .permit(QuotaBucket::SsoAdmin, ASKED, far())
                .await
                .unwrap();
            start.elapsed()
        })
    };
    tokio::task::yield_now().await;
    let pause = budget.penalize(QuotaBucket::SsoAdmin, Some(300 * MILLISECOND));
    assert_eq!(pause, 300 * MILLISECOND);
    assert!(waiting.await.unwrap() >= 300 * MILLISECOND);
    assert_eq!(
        budget.penalize(QuotaBucket::SsoAdmin, None),
        100 * MILLISECOND
    );
    // A proxy that asks for a day gets a minute.
    assert_eq!(
        budget.penalize(QuotaBucket::SsoAdmin, Some(NEVER)),
        Duration::from_secs(60)
    );
}

#[tokio::test]
async fn identity_store_operations_count_apart_or_together() {
    let slow = |config: &mut BudgetConfig| {
        config.burst = 1;
        config.identity_store_per_second = 1;
    };
    let seconds = |estimate: Duration| estimate.as_secs_f64().ceil();
    let apart = budget(slow);
    assert!((seconds(apart.estimate(&[(USERS, 1), (GROUPS, 1)], Class::Read)) - 1.0).abs() < 0.1);
    let together = budget(|config| {
        slow(config);
        config.identity_store_quota = IdentityStoreQuota::Collective;
    });
    assert!(
        (seconds(together.estimate(&[(USERS, 1), (GROUPS, 1)], Class::Read)) - 2.0).abs() < 0.1
    );
    assert!((seconds(together.estimate(&[(USERS, 21)], Class::Read)) - 21.0).abs() < 0.1);
    assert_eq!(
        together.estimate(&[(QuotaBucket::Sts, 1000)], Class::Read),
        Duration::ZERO
    );
}

#[tokio::test]
async fn a_grant_does_not_wait_for_a_report_and_both_come_to_their_end() {
    let budget = budget(|config| config.sso_admin_per_second = 100);
    let ask = |class| {
        let budget = budget.clone();
        tokio::spawn(async move {
            let start = Instant::now();
            let demand = Demand::usher(class);
            budget
                .permit(QuotaBucket::SsoAdmin, demand, far())
                .await
                .unwrap();
            start.elapsed()
        })
    };
    let reports: Vec<_> = (0..100).map(|_| ask(Class::Audit)).collect();
    tokio::task::yield_now().await;
    let grant = ask(Class::Grant).await.unwrap();
    assert!(grant < 500 * MILLISECOND, "{grant:?}");
    let mut longest = Duration::ZERO;
    for report in reports {
        longest = longest.max(report.await.unwrap());
    }
    assert!(longest >= 900 * MILLISECOND, "{longest:?}: the rate holds");
    // Nobody waits, nothing is left behind: the next is served as the first was.
    ask(Class::Read).await.unwrap();
}

#[tokio::test]
async fn ten_thousand_that_hang_up_leave_nothing_behind() {
    let budget = budget(|config| config.burst = 1);
    let waiting: Vec<_> = (0..10_000_u32)
        .map(|number| {
            let budget = budget.clone();
            let demand = Demand::of(Class::Read, &format!("caller-{}", number % 100));
            let deadline = Instant::now() + Duration::from_secs(3600);
            tokio::spawn(async move { budget.permit(USERS, demand, deadline).await })
        })
        .collect();
    while budget
        .uses()
        .first()
        .is_none_or(|it| it.classes[Class::Read as usize].waiting < 9_990)
    {
        tokio::task::yield_now().await;
    }
    waiting.iter().for_each(|task| task.abort());
    for task in waiting {
        drop(task.await);
    }
    assert_eq!(budget.uses()[0].classes[Class::Read as usize].waiting, 0);
    assert!(budget.uses()[0].callers.is_empty());
    let doors: usize = {
        let buckets = budget.inner.lock();
        buckets.values().map(|bucket| bucket.doors.len()).sum()
    };
    assert_eq!(doors, 0);
    let start = Instant::now();
    budget.permit(USERS, ASKED, far()).await.unwrap();
    assert!(start.elapsed() < 500 * MILLISECOND);
}

#[tokio::test]
async fn who_dies_with_a_permit_costs_one_slot() {
    let budget = budget(|config| config.burst = 1);
    let dying = {
        let budget = budget.clone();
        tokio::spawn(async move {
            budget.permit(USERS, ASKED, far()).await.unwrap();
            panic!("it dies before it has sent anything");
        })
    };
    assert!(dying.await.unwrap_err().is_panic());
    let start = Instant::now();
    budget.permit(USERS, ASKED, far()).await.unwrap();
    assert!(start.elapsed() < 500 * MILLISECOND, "{:?}", start.elapsed());
}

#[test]
fn a_runtime_that_ends_takes_its_task_along_and_the_next_who_waits_starts_another() {
    let runtime = || tokio::runtime::Runtime::new().unwrap();
    let first = runtime();
    let budget = first.block_on(async {
        let budget = budget(|config| config.burst = 1);
        let waits = budget.clone();
        tokio::spawn(async move { waits.permit(USERS, ASKED, far()).await });
        while budget.uses().is_empty() {
            tokio::task::yield_now().await;
        }
        budget
    });
    drop(first);
    runtime().block_on(async {
        let deadline = Instant::now() + Duration::from_secs(10);
        budget.permit(USERS, ASKED, deadline).await.unwrap();
        budget.permit(USERS, ASKED, deadline).await.unwrap();
    });
}
