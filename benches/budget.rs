//! One small quota for everybody: what Usher makes of 20 operations a second, measured over HTTP against the
//! simulator. Rates and throttles are from the simulator's own log, waits are measured by clients.
//! Run with `cargo bench --bench budget`; it takes about eight minutes. `USHER_BENCH_PARTS` names the parts
//! that are wanted (`rate,fall,overload,fair,cost,sdk`), and `USHER_BENCH_SECONDS` makes the parts of two
//! minutes shorter.

#![expect(
    clippy::expect_used,
    reason = "a benchmark that cannot go on says why and ends"
)]

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "budget/cost.rs"]
mod cost;
#[path = "budget/fair.rs"]
mod fair;
#[path = "budget/fall.rs"]
mod fall;
#[path = "budget/overload.rs"]
mod overload;
#[path = "budget/rate.rs"]
mod rate;
#[path = "budget/sdk.rs"]
mod sdk;
#[path = "budget/stage.rs"]
mod stage;

use std::time::Duration;

/// How long the parts take that ask for a share of the rate.
const SECONDS: u64 = 120;

#[tokio::main]
async fn main() {
    // Test runs build this too, and only a benchmark run asks for figures.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let parts = std::env::var("USHER_BENCH_PARTS");
    let parts = parts.unwrap_or_else(|_| "cost,rate,fall,overload,fair,sdk".to_owned());
    let seconds = std::env::var("USHER_BENCH_SECONDS");
    let seconds = seconds.map_or(SECONDS, |text| text.parse().expect("a number"));
    let time = Duration::from_secs(seconds);
    for part in parts.split(',') {
        match part {
            "cost" => cost::run(),
            // Each is idle most of its time, and has an AWS of its own: they run beside each other.
            "rate" => {
                tokio::join!(
                    rate::run(20.0, time),
                    rate::run(5.0, time),
                    rate::run(3.0, time),
                    rate::run(2.0, time)
                );
            }
            "fall" => fall::run(time / 2).await,
            "overload" => overload::run(time / 2).await,
            "fair" => fair::run().await,
            "sdk" => sdk::run(time / 2).await,
            other => panic!("there is no part {other}"),
        }
    }
}
