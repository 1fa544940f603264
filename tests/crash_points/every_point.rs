//! Every crash point, some seeds each, several at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use usher::crash_points::CrashPoint;

use super::run::crash;
use super::world::Kinds;

/// Histories of each point in an ordinary test run; the full length is 20.
const SEEDS: u64 = 2;
/// Histories at once. Each mostly waits: for fsync, for second looks.
const RUNS_AT_ONCE: usize = 6;
/// A process that was killed works again within this time (DESIGN.md §4.6).
const RECOVERY_MAX: Duration = Duration::from_secs(5);

/// Points that a process passes once, or once for sure.
const PASSED_ONCE: [&str; 15] = [
    "store.finish_database.",
    "store.migrate.",
    "store.clear_leases.",
    "store.secret.",
    "store.forget_requests.",
    "store.record_policy_load.",
    "store.record_policy_refusal.",
    "store.begin_collection.",
    "store.take_facts.",
    "store.finish_collection.",
    "store.forget_facts.",
    "store.begin_readings.",
    "store.keep_readings.",
    "store.finish_readings.",
    "store.forget_readings.",
];

/// Points that serving does not pass: events grow old enough to be removed after days, names are erased by a
/// command, as a restored store is marked by one, and a collection that was given up is undone by the next one's beginning. tests/decision_log/crash.rs
/// has the first, the second is one transaction, and the facts of tests/store_conformance.rs end between any two.
/// `store.copy` is of a command too: tests/copy has it.
const NOT_OF_SERVING: [&str; 5] = [
    "store.forget_log.",
    "store.erase_names.",
    "store.undo_collection.",
    "store.mark_restored.",
    "store.copy.",
];

/// Otherwise a process dies at one of the first so many times.
const COUNTS: u64 = 3;

/// At the how many-th time the process dies.
fn count(point: &str, seed: u64) -> u64 {
    if PASSED_ONCE.iter().any(|once| point.starts_with(once)) {
        1
    } else {
        1 + seed % COUNTS
    }
}

/// What the calls of a history are about: by turns all kinds of targets and the asynchronous one
/// alone, so that either reaches every point that it can.
fn kinds(point: &str, seed: u64) -> Kinds {
    if seed.is_multiple_of(2) || point.contains("Application") {
        Kinds::All
    } else {
        Kinds::Accounts
    }
}

pub(crate) fn number_from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_at_every_crash_point_breaks_no_invariant() {
    let seeds = number_from_environment("USHER_CRASH_SEEDS").unwrap_or(SEEDS);
    let first = number_from_environment("USHER_CRASH_FIRST_SEED").unwrap_or(1);
    let at_once = number_from_environment("USHER_CRASH_AT_ONCE").map_or(RUNS_AT_ONCE, |runs| {
        usize::try_from(runs).expect("a number")
    });
    let only = std::env::var("USHER_CRASH_POINT").unwrap_or_default();
    let room = Arc::new(Semaphore::new(at_once));
    let mut runs = JoinSet::new();
    let began = Instant::now();
    for point in CrashPoint::all() {
        for seed in first..first + seeds {
            let name = point.name();
            let is_served = !NOT_OF_SERVING.iter().any(|it| name.starts_with(it));
            if !is_served || !name.contains(&only) {
                continue;
            }
            let room = Arc::clone(&room);
            runs.spawn(async move {
                let _place = room.acquire_owned().await.expect("it stays open");
                let outcome = crash(&name, count(&name, seed), kinds(&name, seed), seed).await;
                (name, seed, outcome)
            });
        }
    }
    let (mut done, mut broken, mut slowest) = (0, 0, Duration::ZERO);
    while let Some(run) = runs.join_next().await {
        // A history that broke something has told what; the others go on.
        let Ok((name, seed, outcome)) = run else {
            broken += 1;
            continue;
        };
        println!(
            "{name} seed {seed}: listens after {:?}, works after {:?}: {}",
            outcome.start, outcome.recovery, outcome.summary
        );
        done += 1;
        slowest = slowest.max(outcome.recovery);
    }
    println!("figure crash_points_runs {done}");
    println!(
        "figure recovery_seconds_max {:.3} target 5",
        slowest.as_secs_f64()
    );
    println!(
        "figure crash_points_seconds {:.0}",
        began.elapsed().as_secs_f64()
    );
    assert_eq!(broken, 0, "histories broke something; each has told above");
    assert!(done > 0, "no point has this name");
    assert!(slowest <= RECOVERY_MAX, "{slowest:?}");
}
