//! What only several replicas on one PostgreSQL database have between them: the budget, duties, wake-ups, the clock.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::task::JoinSet;
use usher::budget::{Answer, Asking};
use usher::store::{Duties, Duty, Holder, PostgresStore, Store};

use super::common::*;
use super::postgresql::Database;

/// Replicas on one database.
async fn replicas(count: usize) -> Vec<Arc<PostgresStore>> {
    let database = Database::new().await;
    let mut replicas = Vec::new();
    for _ in 0..count {
        let store = PostgresStore::open(&database.options).await.unwrap();
        replicas.push(Arc::new(store));
    }
    replicas
}

fn asking(per_second: u32, burst: u32) -> Asking {
    let interval = Duration::from_secs(1) / per_second;
    Asking {
        bucket: "home sso-admin".to_owned(),
        interval,
        tolerance: interval * (burst - 1),
        ahead: Duration::ZERO,
        lets_others_first: Duration::ZERO,
    }
}

/// In any window all replicas together take at most what the rate gives and the burst, and none of it is wasted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_together_keep_to_the_rate_and_use_it() {
    const PER_SECOND: u32 = 100;
    const BURST: u32 = 3;
    let mut taking = JoinSet::new();
    let end = Instant::now() + Duration::from_secs(4);
    for store in replicas(3).await {
        taking.spawn(async move {
            let shared = store.shared_budget();
            let mut taken = Vec::new();
            while Instant::now() < end {
                let asked_at = Instant::now();
                match shared.take(&asking(PER_SECOND, BURST)).await.unwrap() {
                    // It was due some time in between.
                    Answer::Taken => taken.push((asked_at, Instant::now())),
                    Answer::Later(wait) => tokio::time::sleep(wait).await,
                }
            }
            store.close().await;
            taken
        });
    }
    let mut taken: Vec<_> = taking.join_all().await.into_iter().flatten().collect();
    taken.sort();
    let first = taken.first().unwrap().0;
    let used = taken.len() as f64 / first.elapsed().min(Duration::from_secs(4)).as_secs_f64();
    assert!(used > f64::from(PER_SECOND) * 0.9, "{used} a second");
    for (place, (from, _)) in taken.iter().enumerate() {
        for (count, (_, to)) in (1_u32..).zip(&taken[place..]) {
            let window = to.duration_since(*from).as_secs_f64();
            let most = window * f64::from(PER_SECOND) + f64::from(BURST);
            assert!(f64::from(count) <= most + 1e-6, "{count} in {window} s");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_begins_empty_and_a_throttle_is_everybodys() {
    let replicas = replicas(2).await;
    let [one, other] = [&replicas[0], &replicas[1]].map(|store| store.shared_budget());
    let asking = asking(20, 3);
    let first = one.take(&asking).await.unwrap();
    assert_eq!(first, Answer::Later(asking.interval));
    one.pause(&asking.bucket, Duration::from_secs(60))
        .await
        .unwrap();
    let Answer::Later(wait) = other.take(&asking).await.unwrap() else {
        panic!("a permit within the pause");
    };
    assert!(wait > Duration::from_secs(50), "{wait:?}");
    // What break-glass takes before its time keeps to a pause that AWS asked for.
    let loan = Asking {
        ahead: asking.interval * 5,
        ..asking
    };
    assert!(matches!(other.take(&loan).await.unwrap(), Answer::Later(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_duty_is_one_replicas_until_it_lets_it_lie() {
    let replicas = replicas(2).await;
    let holders = ["a", "b"].map(|name| Holder(name.to_owned()));
    let lease = Duration::from_millis(300);
    let hold = async |place: usize| {
        let store = &replicas[place];
        let held = store.hold_duty(Duty::Wishes, &holders[place], lease);
        held.await.unwrap()
    };
    assert!(hold(0).await);
    assert!(!hold(1).await);
    assert!(hold(0).await, "its own lease is prolonged");
    let began = Instant::now();
    while !hold(1).await {
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "nobody takes it over"
        );
    }
    assert!(!hold(0).await);
    let other: Arc<dyn Store> = replicas[0].clone();
    let worked = Duties::new(other).run(Duty::Wishes, async { 1 }).await;
    assert_eq!(worked, None, "somebody else has it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_replica_writes_wakes_the_other() {
    let replicas = replicas(2).await;
    let mut changes = replicas[1].signals().changes();
    // Its listener begins beside it: what is told before is looked at by the clock.
    let heard = async {
        let mut number = 0;
        loop {
            number += 1;
            record(&*replicas[0], grant(number, &key(number.into(), 1))).await;
            let wait = Duration::from_millis(200);
            if let Ok(Ok(id)) = tokio::time::timeout(wait, changes.recv()).await {
                return id;
            }
        }
    };
    let id = tokio::time::timeout(Duration::from_secs(20), heard)
        .await
        .unwrap();
    assert!(replicas[1].grant(&id).await.unwrap().is_some());
    replicas[1].signals().work().await;
    replicas[0].signals().announce_chained(7);
    let mut chained = replicas[1].signals().chained();
    let risen = chained.wait_for(|place| *place == 7);
    assert!(
        tokio::time::timeout(Duration::from_secs(5), risen)
            .await
            .is_ok()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clock_is_the_databases() {
    let replicas = replicas(1).await;
    let before = Timestamp::now();
    let (time, at) = replicas[0].read_clock().await.unwrap();
    // The same machine: its own clock is the database's.
    assert!(time >= before && time <= Timestamp::now(), "{time}");
    assert!(at.elapsed() < Duration::from_secs(5));
}
