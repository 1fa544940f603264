//! A saturating audit, and people who want access beside it: how much of the rate is used, what AWS
//! throttles, and how long people wait.

use std::time::{Duration, Instant};

use tokio::time::interval;
use usher::grpc::pb::{AssignRequest, GrantState};

use crate::common::{TestService, revoke_of};
use crate::stage::{
    PER_SECOND, auditors, calls_between, figure, milliseconds, of_sso_admin, percentile,
    seconds_now, service, settings, throttled_percent, triple,
};

/// How long the auditors run before anything is measured.
const WARM_UP: Duration = Duration::from_secs(10);

pub(crate) async fn run(burst: f64, time: Duration) {
    let service = service(settings(burst)).await;
    let auditing = auditors(&service, 4).await;
    tokio::time::sleep(WARM_UP).await;
    let from = seconds_now();
    let mut waits = interactive(&service, time).await;
    let to = seconds_now();
    let calls = calls_between(&service.simulator, from, to);
    let used = of_sso_admin(&calls) * 100.0 / (PER_SECOND * (to - from));
    figure(&format!("rate_used_at_burst_{burst}"), used, "%", ">=98");
    let target = if burst > 2.5 { "0" } else { "<=0.1" };
    figure(
        &format!("throttled_at_burst_{burst}"),
        throttled_percent(&calls),
        "%",
        target,
    );
    let name = |what: &str| format!("{what}_p99_at_burst_{burst}");
    let (grants, revokes) = (&mut waits.0, &mut waits.1);
    figure(&name("grant_call"), percentile(grants, 99), "ms", "<=250");
    figure(&name("revoke_call"), percentile(revokes, 99), "ms", "<=250");
    if burst > 10.0 {
        let mut emergencies = emergencies(&service, time).await;
        let p99 = percentile(&mut emergencies, 99);
        figure(&name("break_glass_call"), p99, "ms", "<=100");
    }
    drop(auditing);
}

/// A grant and the end of one each second. How long each call took, until AWS showed what was asked for.
async fn interactive(service: &TestService, time: Duration) -> (Vec<f64>, Vec<f64>) {
    let world = service.simulator.world();
    let (mut grants, mut revokes) = (Vec::new(), Vec::new());
    let mut ticks = interval(Duration::from_secs(1));
    let begun = Instant::now();
    let mut number = 0;
    while begun.elapsed() < time {
        ticks.tick().await;
        number += 1;
        let asked = Instant::now();
        let grant = service.assign(triple(&world, number).assign()).await;
        assert_eq!(grant.state(), GrantState::Active);
        grants.push(milliseconds(asked.elapsed()));
        tokio::time::sleep(Duration::from_millis(200)).await;
        let asked = Instant::now();
        service.revoke(revoke_of(&grant.id)).await;
        revokes.push(milliseconds(asked.elapsed()));
    }
    (grants, revokes)
}

/// Somebody breaks the glass now and then.
async fn emergencies(service: &TestService, time: Duration) -> Vec<f64> {
    let world = service.simulator.world();
    let mut calls = Vec::new();
    let mut ticks = interval(Duration::from_secs(12));
    let begun = Instant::now();
    let mut number = 200;
    while begun.elapsed() < time {
        ticks.tick().await;
        number += 1;
        let request = AssignRequest {
            break_glass: true,
            duration: Some(Duration::from_secs(3600).try_into().expect("a duration")),
            ..triple(&world, number).assign()
        };
        let asked = Instant::now();
        let grant = service.assign(request).await;
        assert_eq!(grant.state(), GrantState::Active);
        calls.push(milliseconds(asked.elapsed()));
    }
    calls
}
