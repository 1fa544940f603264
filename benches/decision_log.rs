//! What decisions cost with their log: so many a second are recorded with their events, each answered
//! when it is on the disk (synchronous=FULL, commits that are shared), while the log is chained beside.
//! Run with `cargo bench --bench decision_log`; `USHER_BENCH_DECISIONS` makes it shorter.

#![expect(
    clippy::expect_used,
    reason = "a benchmark that cannot go on says why and ends"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use usher::clock::Clock;
use usher::decision_log::{LogConfig, LogKeeper};
use usher::domain::{
    ApplicationArn, AssignmentKey, CallerName, Grant, GrantId, InstanceArn, Justification,
    PrincipalId, PrincipalKind, PrincipalRef, Requester, Target,
};
use usher::store::{GrantRequest, SqliteOptions, SqliteStore, Store};

/// Decisions of the run that asks how many there are a second.
const DECISIONS: u32 = 20_000;
/// Callers that decide at once, each one after the other.
const CALLERS: u32 = 128;
const TARGET_PER_SECOND: u32 = 2_000;
/// The rate of the run that asks how long one takes, and its seconds.
const PER_SECOND: u32 = 100;
const PACED_SECONDS: u32 = 20;
const TARGET_MILLISECONDS: f64 = 25.0;
/// How soon what was committed is chained.
const CHAINED_WITHIN: Duration = Duration::from_secs(1);

/// A grant as an Assign records it: each of another assignment, so that nothing but the log is shared.
fn grant(number: u32) -> Grant {
    let instance = "arn:aws:sso:::instance/ssoins-1234567890abcdef";
    let application = format!(
        "arn:aws:sso::123456789012:application/ssoins-1234567890abcdef/apl-{:016}",
        number % 500
    );
    let principal = format!("04261254-0000-4a5a-9d53-{number:012}");
    let caller = CallerName::parse("service:portal").expect("a name");
    let key = AssignmentKey {
        instance_arn: InstanceArn::parse(instance).expect("an ARN"),
        principal: PrincipalRef {
            kind: PrincipalKind::User,
            id: PrincipalId::parse(&principal).expect("an id"),
        },
        target: Target::Application(ApplicationArn::parse(&application).expect("an ARN")),
    };
    let id = GrantId::from_uuid(uuid::Uuid::now_v7());
    Grant {
        justification: Justification::parse("INC-42, the usual").expect("a text"),
        policies: vec!["engineers-redshift".to_owned()],
        policy_version: "1".to_owned(),
        duration: Some(SignedDuration::from_hours(1)),
        ..Grant::new(id, key, Requester::itself(caller), Timestamp::now())
    }
}

async fn decide(store: &dyn Store, number: u32) -> f64 {
    let request = GrantRequest {
        grant: grant(number),
        request: None,
    };
    let begun = Instant::now();
    store.record_grant(request).await.expect("a record");
    begun.elapsed().as_secs_f64() * 1_000.0
}

fn percentile(took: &mut [f64], percent: usize) -> f64 {
    took.sort_by(f64::total_cmp);
    took[(took.len() - 1) * percent / 100]
}

/// Everybody at once.
async fn throughput(store: &Arc<dyn Store>, decisions: u32) {
    let begun = Instant::now();
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let store = Arc::clone(store);
        callers.spawn(async move {
            let mut took = Vec::new();
            for number in (caller..decisions).step_by(CALLERS as usize) {
                took.push(decide(store.as_ref(), number).await);
            }
            took
        });
    }
    let mut took: Vec<f64> = callers.join_all().await.into_iter().flatten().collect();
    let per_second = f64::from(decisions) / begun.elapsed().as_secs_f64();
    println!("figure decisions_per_second {per_second:.0} 1/s target {TARGET_PER_SECOND}");
    let p99 = percentile(&mut took, 99);
    println!("figure decision_p99_at_full_load_milliseconds {p99:.1} ms target -");
    let waited = Instant::now();
    while store.log_state().await.expect("a state").is_behind {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let behind = waited.elapsed().as_secs_f64();
    let target = CHAINED_WITHIN.as_secs_f64();
    println!("figure chained_after_the_last_commit_seconds {behind:.3} s target {target}");
}

/// One every so often, whatever the others take.
async fn latency(store: &Arc<dyn Store>, seconds: u32, first: u32) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / PER_SECOND);
    let mut calls = JoinSet::new();
    for number in 0..PER_SECOND * seconds {
        ticks.tick().await;
        let store = Arc::clone(store);
        calls.spawn(async move { decide(store.as_ref(), first + number).await });
    }
    let mut took = calls.join_all().await;
    let (p50, p99) = (percentile(&mut took, 50), percentile(&mut took, 99));
    println!("figure decision_p50_at_100_a_second_milliseconds {p50:.2} ms target -");
    println!(
        "figure decision_p99_at_100_a_second_milliseconds {p99:.2} ms target {TARGET_MILLISECONDS}"
    );
}

#[tokio::main]
async fn main() {
    // Test runs build this too, and only a benchmark run asks for figures.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let decisions = std::env::var("USHER_BENCH_DECISIONS");
    let decisions = decisions.map_or(DECISIONS, |text| text.parse().expect("a number"));
    let data = tempfile::tempdir().expect("a directory");
    let store = SqliteStore::open(data.path(), SqliteOptions::default()).await;
    let store: Arc<dyn Store> = Arc::new(store.expect("a store"));
    let keeper = LogKeeper::new(store.clone(), Clock::system(), LogConfig::default()).await;
    let stop = CancellationToken::new();
    let keeping = tokio::spawn(keeper.expect("a keeper").run(stop.clone()));
    throughput(&store, decisions).await;
    let seconds = (PACED_SECONDS * decisions / DECISIONS).clamp(1, PACED_SECONDS);
    latency(&store, seconds, decisions).await;
    stop.cancel();
    keeping.await.expect("an end in order");
    let state = store.log_state().await.expect("a state");
    let all = u64::from(decisions + seconds * PER_SECOND);
    assert_eq!(state.end.position, all, "every decision is in the log");
    store.close().await;
}
