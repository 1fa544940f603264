//! PostgreSQL is restarted, torn down, cut off and stopped while two replicas serve callers with short deadlines: every
//! call ends in time, nothing that was acknowledged is lost, and the service is back as soon as the database is.

use std::time::{Duration, Instant};

use usher::simulator::Settings;

use super::callers::{Callers, check_deadlines, find_again, reasons};
use super::cluster::Cluster;
use super::fleet::{Beginning, Fleet};
use super::worlds::users_on_applications;

const STOPPED_FOR: Duration = Duration::from_secs(5);
const TERMINATED_FOR: Duration = Duration::from_secs(5);
const TERMINATED_EVERY: Duration = Duration::from_millis(200);
/// How long the database is gone in which nothing answers at its port.
const GONE_FOR: Duration = Duration::from_secs(1);
/// The service is back so soon after the database.
pub(crate) const BACK_WITHIN: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug)]
enum Outage {
    Restart,
    TornDown,
    TerminatedBackends,
    Stopped,
}

impl Outage {
    /// Has it happen; answers since when the database is well again.
    async fn happen(self, cluster: &mut Cluster) -> Instant {
        match self {
            Self::Restart => cluster.restart().await,
            Self::TornDown => {
                cluster.end_immediately();
                // The outage itself: how long it lasts is what is tried.
                tokio::time::sleep(GONE_FOR).await;
                cluster.begin().await;
            }
            Self::TerminatedBackends => {
                let until = Instant::now() + TERMINATED_FOR;
                let mut terminated = 0;
                while Instant::now() < until {
                    terminated += cluster.terminate_backends().await;
                    tokio::time::sleep(TERMINATED_EVERY).await;
                }
                println!("{terminated} backends were terminated");
                assert!(terminated > 0);
            }
            Self::Stopped => {
                cluster.stop();
                tokio::time::sleep(STOPPED_FOR).await;
                cluster.resume();
            }
        }
        Instant::now()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn outages_of_the_database_lose_nothing_and_pass() {
    let (world, goals) = users_on_applications();
    let mut cluster = Cluster::start().await;
    let fleet = Fleet::start(Beginning {
        world,
        settings: Settings::unlimited(),
        replicas: 2,
        url: cluster.url(),
        more: String::new(),
    })
    .await;
    let callers = Callers::begin(&fleet, goals);
    callers.back(Instant::now()).await;
    let mut too_late = Vec::new();
    for outage in [
        Outage::Restart,
        Outage::TornDown,
        Outage::TerminatedBackends,
        Outage::Stopped,
    ] {
        let before = callers.calls().len();
        let well_again = outage.happen(&mut cluster).await;
        let back = callers.back(well_again).await;
        let during = callers.calls().split_off(before);
        println!(
            "figure outage {outage:?} back_after_seconds {:.2} calls {} {:?}",
            back.as_secs_f64(),
            during.len(),
            reasons(&during)
        );
        if back > BACK_WITHIN {
            too_late.push(outage);
        }
    }
    let calls = callers.end().await;
    let found = find_again(&fleet, &calls).await;
    let longest = calls.iter().map(super::callers::Call::took).max();
    println!(
        "figure outages_acknowledged {found} of_calls {} lost 0 longest_call_seconds {:.3}",
        calls.len(),
        longest.unwrap_or_default().as_secs_f64()
    );
    check_deadlines(&calls);
    assert!(too_late.is_empty(), "{too_late:?}");
}
