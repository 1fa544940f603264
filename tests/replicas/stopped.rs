//! Replicas that are stopped for longer than their leases and then go on, under load: others took over meanwhile, and
//! who wakes up again must not act on what was theirs. And one that is stopped while it holds a lock of the database.

use std::time::{Duration, Instant};

use fastrand::Rng;

use super::cluster::Cluster;
use super::common::faults::faults;
use super::fleet::{Beginning, Fleet};
use super::kills::seed;
use super::resumption::{Resumed, resumed};
use super::verdict::Run;
use super::work::Work;
use super::worlds::{setting, slow_aws};

const REPLICAS: usize = 3;
const STOPS: usize = 5;
/// Longer than `lease_seconds` of the tests, which is 2.
const STOPPED_FOR: Duration = Duration::from_millis(3_000);
const BETWEEN_MILLISECONDS: std::ops::Range<u64> = 300..1500;
/// AWS cannot be fenced: what had looked at its lease a moment before it was stopped is sent when it wakes up.
const LATENESS: Duration = Duration::from_millis(5_000);

/// Work is resumed within this time (DESIGN.md §4.6), also where the one who is gone held a lock.
const RESUMED_WITHIN: Duration = Duration::from_secs(5);
/// How long a replica is stopped that holds a lock: longer than others may wait for it.
const STOPPED_WITH_A_LOCK_FOR: Duration = Duration::from_secs(12);
/// How often one is stopped until it is in the midst of a transaction.
const TRIES_MAX: usize = 400;
/// Sessions that hold the lock of claims, and whose replica has said nothing for a while.
const HOLDS_A_LOCK: &str = "SELECT COUNT(*) FROM pg_stat_activity JOIN pg_locks USING (pid) \
     WHERE application_name = 'usher' AND state = 'idle in transaction' AND locktype = 'advisory' AND granted \
     AND state_change < clock_timestamp() - interval '100 milliseconds'";

/// Stops the first replica in the midst of a transaction with such a lock.
async fn stop_with_a_lock(fleet: &Fleet, cluster: &Cluster) {
    for _ in 0..TRIES_MAX {
        fleet.replicas[0].stop();
        // A session is idle for so long only if its replica is stopped.
        tokio::time::sleep(Duration::from_millis(110)).await;
        if cluster.number(HOLDS_A_LOCK).await > 0 {
            return;
        }
        fleet.replicas[0].resume();
        tokio::time::sleep(Duration::from_millis(fastrand::u64(20..60))).await;
    }
    panic!("it is never stopped in a transaction");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_stopped_with_a_lock_holds_nobody_up_for_long() {
    let seed = seed();
    let (world, goals, standing) = setting();
    let cluster = Cluster::start().await;
    let fleet = Fleet::start(Beginning {
        world,
        settings: slow_aws(seed),
        replicas: 2,
        url: cluster.url(),
        more: String::new(),
    })
    .await;
    let work = Work::begin(seed, goals, fleet.roster.clone());
    stop_with_a_lock(&fleet, &cluster).await;
    let stopped_at = Instant::now();
    let mut is_held = true;
    while is_held && stopped_at.elapsed() < STOPPED_WITH_A_LOCK_FOR {
        tokio::time::sleep(Duration::from_millis(20)).await;
        is_held = cluster.number(HOLDS_A_LOCK).await > 0;
    }
    let held_for = stopped_at.elapsed();
    fleet.replicas[0].resume();
    let done = work.end().await;
    let run = Run {
        fleet: &fleet,
        cluster: &cluster,
        done: &done,
        standing: &standing,
        lateness: STOPPED_WITH_A_LOCK_FOR + LATENESS,
    };
    println!("{}", run.judge("a replica stopped with a lock").await);
    println!(
        "figure stopped_with_a_lock held_for_seconds {:.2}",
        held_for.as_secs_f64()
    );
    assert!(held_for <= RESUMED_WITHIN, "others waited for {held_for:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_stopped_for_longer_than_their_leases_break_nothing() {
    let seed = seed();
    let (world, goals, standing) = setting();
    let cluster = Cluster::start().await;
    let fleet = Fleet::start(Beginning {
        world,
        settings: slow_aws(seed),
        replicas: REPLICAS,
        url: cluster.url(),
        more: String::new(),
    })
    .await;
    let work = Work::begin(seed, goals, fleet.roster.clone());
    let mut rng = Rng::with_seed(seed);
    let mut others_went_on: Vec<Resumed> = Vec::new();
    for _ in 0..STOPS {
        fleet.simulator.clear_faults();
        for fault in faults(&mut rng) {
            fleet.simulator.add_fault(fault);
        }
        let pause = Duration::from_millis(rng.u64(BETWEEN_MILLISECONDS));
        tokio::time::sleep(pause).await;
        let replica = &fleet.replicas[rng.usize(..REPLICAS)];
        let database = cluster.connect().await;
        replica.stop();
        let watched = tokio::spawn(resumed(database));
        tokio::time::sleep(STOPPED_FOR).await;
        replica.resume();
        others_went_on.push(watched.await.expect("no panic"));
    }
    fleet.simulator.clear_faults();
    let done = work.end().await;
    let run = Run {
        fleet: &fleet,
        cluster: &cluster,
        done: &done,
        standing: &standing,
        lateness: LATENESS,
    };
    println!("{}", run.judge("stopped replicas").await);
    let progress = others_went_on.iter().map(|it| it.progress).max();
    let claims = others_went_on.iter().map(|it| it.claims).max();
    println!(
        "figure replica_stops {STOPS} calls {} answered_ok {} next_commit_seconds_max {:.2} claims_taken_over_seconds_max {:.2}",
        done.asked.len(),
        done.ok(),
        progress.unwrap_or_default().as_secs_f64(),
        claims.unwrap_or_default().as_secs_f64()
    );
}
