//! What the store of several replicas costs, on a PostgreSQL server of its own that waits for the disk:
//! decisions a second with 64 clients, the budget that three replicas share (how long a permit's statement
//! takes, how much of the rate is used, and that nobody ever exceeds it), and a million stored grants.
//! Run with `cargo bench --bench postgres`; USHER_BENCH_PARTS names some of the parts: decisions, permits, rate, million.

#![expect(
    clippy::expect_used,
    reason = "a benchmark that cannot go on says why and ends"
)]

#[allow(
    dead_code,
    unreachable_pub,
    reason = "the tests of replicas use more of it"
)]
#[path = "../tests/replicas/cluster.rs"]
mod cluster;
#[path = "postgres/decisions.rs"]
mod decisions;
#[path = "postgres/million.rs"]
mod million;
#[path = "postgres/permits.rs"]
mod permits;
#[allow(dead_code, reason = "the tests of replicas use more of it")]
#[path = "../tests/replicas/postgres_process.rs"]
mod postgres_process;

use std::time::Duration;

use usher::store::{PostgresOptions, prepare_postgres};

use cluster::Cluster;

#[tokio::main]
async fn main() {
    // Test runs build this too, and only a benchmark run asks for figures.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let wanted = std::env::var("USHER_BENCH_PARTS").unwrap_or_default();
    let is_wanted = |part: &str| wanted.is_empty() || wanted.split(',').any(|it| it == part);
    let cluster = Cluster::start().await;
    let options = PostgresOptions {
        url: cluster.url(),
        ..PostgresOptions::default()
    };
    prepare_postgres(&options).await.expect("a database");
    if is_wanted("decisions") {
        decisions::run(&options).await;
    }
    if is_wanted("permits") {
        permits::statements(&options).await;
    }
    if is_wanted("rate") {
        permits::rate(&options).await;
    }
    if is_wanted("million") {
        million::run(&cluster, &options).await;
    }
}

/// A share of what was measured, in milliseconds.
fn milliseconds(times: &mut [Duration], share: f64) -> f64 {
    times.sort();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a place in a list"
    )]
    let place = ((times.len() - 1) as f64 * share) as usize;
    times.get(place).map_or(0.0, Duration::as_secs_f64) * 1000.0
}
