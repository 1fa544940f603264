//! Three replicas, each killed at random moments and started again after a pause, under load and with an AWS that fails:
//! nothing is lost, doubled or left, and others go on at once.

use std::time::{Duration, Instant};

use fastrand::Rng;
use futures_util::future::join_all;

use super::cluster::Cluster;
use super::common::faults::faults;
use super::fleet::{Beginning, Fleet, Replica};
use super::resumption::{Resumed, resumed};
use super::verdict::Run;
use super::work::Work;
use super::worlds::{setting, slow_aws};

const REPLICAS: usize = 3;
const KILLING_FOR: Duration = Duration::from_secs(22);
/// How long a replica lives after it listens.
const LIVES_MILLISECONDS: std::ops::Range<u64> = 300..2500;
/// How long it is gone before it is started again.
const GONE_MILLISECONDS: std::ops::Range<u64> = 0..1500;
/// AWS fails in other ways after so long.
const FAULTS_CHANGE_EVERY: Duration = Duration::from_secs(1);
/// Work is resumed within this time (DESIGN.md §4.6).
const RESUMED_WITHIN: Duration = Duration::from_secs(5);
/// A write leaves at most so long after what it was decided by changed: an attempt's time, and as much from a call's
/// arrival to its commit.
const LATENESS: Duration = Duration::from_secs(2);

pub(crate) fn seed() -> u64 {
    let given = std::env::var("USHER_KILL_SEED").ok();
    let seed = given.map_or_else(|| fastrand::u64(..), |text| text.parse().expect("a number"));
    println!("USHER_KILL_SEED={seed}");
    seed
}

/// Kills a replica again and again; answers how soon others went on each time.
async fn kill_again_and_again(
    replica: &mut Replica,
    cluster: &Cluster,
    mut rng: Rng,
    until: Instant,
) -> Vec<Resumed> {
    let mut watched = Vec::new();
    loop {
        tokio::time::sleep(Duration::from_millis(rng.u64(LIVES_MILLISECONDS))).await;
        if Instant::now() >= until {
            break;
        }
        let database = cluster.connect().await;
        replica.kill();
        watched.push(tokio::spawn(resumed(database)));
        tokio::time::sleep(Duration::from_millis(rng.u64(GONE_MILLISECONDS))).await;
        replica.begin().await;
    }
    let watched = join_all(watched).await.into_iter();
    watched.map(|it| it.expect("no panic")).collect()
}

/// Kills each of the replicas while AWS fails in changing ways.
async fn kill_all(fleet: &mut Fleet, cluster: &Cluster, mut rng: Rng) -> Vec<Resumed> {
    let until = Instant::now() + KILLING_FOR;
    let (simulator, replicas) = (&fleet.simulator, &mut fleet.replicas);
    let killing = replicas.iter_mut().map(|replica| {
        let rng = rng.fork();
        kill_again_and_again(replica, cluster, rng, until)
    });
    let mut killing = std::pin::pin!(join_all(killing.collect::<Vec<_>>()));
    let killed = loop {
        simulator.clear_faults();
        for fault in faults(&mut rng) {
            simulator.add_fault(fault);
        }
        if let Ok(killed) = tokio::time::timeout(FAULTS_CHANGE_EVERY, &mut killing).await {
            break killed.concat();
        }
    };
    simulator.clear_faults();
    killed
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_killed_at_random_lose_and_double_nothing() {
    let seed = seed();
    let (world, goals, standing) = setting();
    let cluster = Cluster::start().await;
    let mut fleet = Fleet::start(Beginning {
        world,
        settings: slow_aws(seed),
        replicas: REPLICAS,
        url: cluster.url(),
        more: String::new(),
    })
    .await;
    let work = Work::begin(seed, goals, fleet.roster.clone());
    let killed = kill_all(&mut fleet, &cluster, Rng::with_seed(seed)).await;
    let done = work.end().await;
    let run = Run {
        fleet: &fleet,
        cluster: &cluster,
        done: &done,
        standing: &standing,
        lateness: LATENESS,
    };
    println!("{}", run.judge("random kills of replicas").await);
    let progress = killed.iter().map(|it| it.progress).max().expect("a kill");
    let claims = killed.iter().map(|it| it.claims).max().expect("a kill");
    let held: usize = killed.iter().map(|it| it.claim_count).sum();
    println!(
        "{} kills, {} calls of which {} were answered OK, {held} claims held at the kills",
        killed.len(),
        done.asked.len(),
        done.ok(),
    );
    println!(
        "figure replica_kills {} next_commit_seconds_max {:.2} claims_taken_over_seconds_max {:.2}",
        killed.len(),
        progress.as_secs_f64(),
        claims.as_secs_f64()
    );
    assert!(progress <= RESUMED_WITHIN, "{killed:#?}");
    assert!(claims <= RESUMED_WITHIN, "{killed:#?}");
}
