//! More interactive work than there is rate, and an audit beside it: ten grants a second, of three
//! operations each, at a bucket of twenty.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::interval;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::common::{reason, within};
use crate::stage::{
    PER_SECOND, auditors, calls_between, figure, milliseconds, of_sso_admin, percentile,
    seconds_now, service, settings, triple,
};

/// The deadline of those who ask.
const PATIENCE: Duration = Duration::from_secs(5);

enum Told {
    /// In the end.
    Granted,
    /// How long it took to hear no, and when to come again.
    Refused(Duration, Duration),
}

pub(crate) async fn run(time: Duration) {
    let service = service(settings(3.0)).await;
    let auditing = auditors(&service, 4).await;
    let world = service.simulator.world();
    let mut ticks = interval(Duration::from_millis(100));
    let mut calls = JoinSet::new();
    let (begun, from) = (Instant::now(), seconds_now());
    let mut number = 0;
    while begun.elapsed() < time {
        ticks.tick().await;
        number += 1;
        let request = within(triple(&world, number).assign(), PATIENCE);
        let mut client = service.access();
        calls.spawn(async move {
            let asked = Instant::now();
            match client.assign(request).await {
                Ok(_) => Told::Granted,
                Err(status) => {
                    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
                    assert_eq!(reason(&status), "AWS_BUDGET_EXHAUSTED");
                    let details = status.get_error_details();
                    let retry = details.retry_info().and_then(|info| info.retry_delay);
                    Told::Refused(asked.elapsed(), retry.expect("when to come again"))
                }
            }
        });
    }
    let to = seconds_now();
    let sent = calls_between(&service.simulator, from + 10.0, to);
    let seconds = to - from - 10.0;
    let audit = sent.iter().filter(|call| {
        call.service == "sso-admin"
            && !call.operation.ends_with("ApplicationAssignment")
            && call.operation != "DescribeApplication"
    });
    let audit = audit.count() as f64 / seconds;
    let told = calls.join_all().await;
    let mut heard = Vec::new();
    let mut delays = Vec::new();
    for answer in &told {
        if let Told::Refused(after, delay) = answer {
            heard.push(milliseconds(*after));
            delays.push(delay.as_secs_f64());
        }
    }
    let used = of_sso_admin(&sent) * 100.0 / (PER_SECOND * seconds);
    figure("overload_rate_used", used, "%", "-");
    figure("overload_audit_per_second", audit, "1/s", ">=1.9");
    figure(
        "overload_refused",
        heard.len() as f64 * 100.0 / told.len() as f64,
        "%",
        "-",
    );
    figure(
        "overload_refusal_heard_p99",
        percentile(&mut heard, 99),
        "ms",
        "<=5",
    );
    figure(
        "overload_told_to_come_after_p50",
        percentile(&mut delays, 50),
        "s",
        "-",
    );
    drop(auditing);
}
