//! Permits: one an attempt, never above the rate, refused in time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use usher::budget::BudgetConfig;
use usher::domain::{ErrorKind, Operation};
use usher::identity_center::{Class, IdentityCenter, SdkIdentityCenter, WriteMode};
use usher::simulator::{Fault, FaultAction, Settings, Simulator, World};

use crate::support::{
    application, bench, bench_with, call, call_for, calls_of, operations, plenty, port_with, wanted,
};

fn paced(simulator: &Simulator, budget: BudgetConfig) -> SdkIdentityCenter {
    let url = simulator.endpoint_url();
    port_with(&url, budget, WriteMode::LoopbackOnly, |_| ())
}

#[tokio::test]
async fn operations_sent_never_exceed_the_budget_by_aws_own_log() {
    let bench = bench_with(World::demo(), Settings::default()).await;
    let config = BudgetConfig::default();
    let port = paced(&bench.simulator, config);
    let redshift = application(&bench.simulator, "Amazon Redshift");
    // Retries pay as well: every fifth call fails once.
    let broken = FaultAction::InternalError {
        after_effect: false,
    };
    bench
        .simulator
        .add_fault(Fault::new("*", broken).probability(0.2));
    let begun_seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs_f64();
    let all = (0..50).map(|_| port.application(&redshift, call()));
    let answered = join_all(all)
        .await
        .into_iter()
        .filter(Result::is_ok)
        .count();
    assert!(answered > 40);
    let calls = bench.simulator.calls();
    assert!(calls.iter().all(|call| !call.throttled));
    assert!(calls.len() > 50);
    let times: Vec<f64> = calls.iter().map(|call| call.time_seconds).collect();
    let most = |seconds: f64| seconds * 20.0 + f64::from(config.burst);
    for (last, end) in times.iter().enumerate() {
        // A call is logged after its permit, so from the beginning on the bound is exact.
        let sent = |first: usize| f64::from(u32::try_from(last - first + 1).unwrap());
        assert!(sent(0) <= most(end - begun_seconds));
        // Elsewhere the first call of a window may have lain between its permit and the log, for
        // as long as a busy machine takes to make a connection.
        for (first, begin) in times.iter().enumerate().take(last) {
            assert!(sent(first) <= most(end - begin + 0.5));
        }
    }
}

#[tokio::test]
async fn what_cannot_be_served_in_time_is_refused_and_not_sent() {
    let bench = bench().await;
    let slow = BudgetConfig {
        identity_store_per_second: 1,
        burst: 1,
        ..plenty()
    };
    let port = paced(&bench.simulator, slow);
    let begun = Instant::now();
    let short = call_for(Duration::from_millis(600));
    let failure = port
        .users(&bench.instance, None, 100, short)
        .await
        .unwrap_err();
    assert_eq!(failure.kind, ErrorKind::BudgetExhausted);
    assert!(begun.elapsed() < Duration::from_millis(500));
    let retry_after = failure.retry_after_milliseconds.unwrap();
    assert!((1..1000).contains(&retry_after), "{retry_after}");
    let three = port.estimate(
        &bench.instance.arn,
        &[(Operation::ListUsers, 3)],
        Class::Read,
    );
    // A hundredth under one a second.
    assert!(three > Duration::from_secs(2) && three <= Duration::from_millis(3031));

    // A write needs the whole time of an attempt, so that its outcome is not left open.
    let assignment = wanted(&bench.simulator);
    let short = call_for(Duration::from_secs(9));
    let failure = port
        .create_assignment(&assignment, short)
        .await
        .unwrap_err();
    assert_eq!(failure.kind, ErrorKind::BudgetExhausted);
    assert_eq!(operations(&bench.simulator), [""; 0]);
    assert!(port.operations_sent().iter().all(|(_, count)| *count == 0));
}

#[tokio::test]
async fn a_throttle_makes_the_bucket_pause() {
    let bench = bench().await;
    let pausing = BudgetConfig {
        throttle_pause_milliseconds: 400,
        ..plenty()
    };
    let port = paced(&bench.simulator, pausing);
    bench
        .simulator
        .add_fault(Fault::new("ListInstances", FaultAction::Throttle).times(1));
    port.instances(call()).await.unwrap();
    let calls = bench.simulator.calls();
    assert_eq!(calls_of(&bench.simulator, "ListInstances"), 2);
    assert!(calls[1].time_seconds - calls[0].time_seconds >= 0.4);

    // AWS's own RetryAfterSeconds counts when it is longer.
    let settings = Settings {
        throttle_retry_after_seconds: Some(1),
        ..Settings::unlimited()
    };
    bench.simulator.set_settings(settings).unwrap();
    bench
        .simulator
        .add_fault(Fault::new("ListUsers", FaultAction::Throttle).times(1));
    bench.simulator.clear_calls();
    port.users(&bench.instance, None, 100, call())
        .await
        .unwrap();
    let calls = bench.simulator.calls();
    assert!(calls[1].time_seconds - calls[0].time_seconds >= 1.0);
}
