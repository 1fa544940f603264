//! The primary is killed under load, its synchronous standby takes over behind the same address: nothing that was
//! acknowledged is lost, and the service goes on with the database.

use std::time::{Duration, Instant};

use usher::simulator::Settings;

use super::callers::{Call, Callers, check_deadlines, find_again, reasons};
use super::cluster::{Cluster, url_at};
use super::fleet::{Beginning, Fleet};
use super::forwarder::Forwarder;
use super::outages::BACK_WITHIN;
use super::worlds::users_on_applications;

/// How many grants are acknowledged before the primary goes.
const ACKNOWLEDGED_BEFORE: usize = 50;

/// Waits until so many calls were answered OK.
async fn acknowledged(callers: &Callers, wanted: usize) {
    super::common::until("calls to be answered OK", || async {
        let calls = callers.calls();
        let count = calls.iter().filter(|call| call.is_ok()).count();
        match count >= wanted {
            true => Ok(()),
            false => Err(format!("{count} are: {:?}", reasons(&calls))),
        }
    })
    .await;
}

/// From a moment until a call that was sent after it is answered OK.
fn unavailable(calls: &[Call], moment: Instant) -> Duration {
    let sent_after = calls
        .iter()
        .filter(|call| call.is_ok() && call.began > moment);
    let first = sent_after.map(|call| call.ended).min();
    first.expect("it goes on") - moment
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_to_the_standby_loses_nothing_that_was_acknowledged() {
    let (world, goals) = users_on_applications();
    let mut primary = Cluster::start().await;
    let standby = primary.with_standby().await;
    let forwarder = Forwarder::to(primary.port()).await;
    let fleet = Fleet::start(Beginning {
        world,
        settings: Settings::unlimited(),
        replicas: 2,
        url: url_at(forwarder.port()),
        more: String::new(),
    })
    .await;
    let callers = Callers::begin(&fleet, goals);
    acknowledged(&callers, ACKNOWLEDGED_BEFORE).await;
    let killed_at = Instant::now();
    primary.kill();
    standby.promote().await;
    forwarder.switch_to(standby.port());
    let failed_over_at = Instant::now();
    let back = callers.back(failed_over_at).await;
    let calls = callers.end().await;
    let found = find_again(&fleet, &calls).await;
    let failover = failed_over_at - killed_at;
    let unavailable = unavailable(&calls, killed_at);
    println!(
        "figure failover_seconds {:.2} unavailable_seconds {:.2} every_replica_back_after_seconds {:.2} \
         acknowledged {found} lost 0 {:?}",
        failover.as_secs_f64(),
        unavailable.as_secs_f64(),
        back.as_secs_f64(),
        reasons(&calls)
    );
    assert!(unavailable <= failover + BACK_WITHIN);
    assert!(back <= BACK_WITHIN);
    check_deadlines(&calls);
}
