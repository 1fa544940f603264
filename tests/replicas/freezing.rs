//! The brake at one replica stops what the other does: from the answer to Freeze on, AWS sees no Create until Unfreeze.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use usher::grpc::pb::access_service_client::AccessServiceClient;
use usher::grpc::pb::operations_service_client::OperationsServiceClient;
use usher::grpc::pb::{AssignRequest, FreezeScope};
use usher::simulator::Settings;

use super::cluster::Cluster;
use super::common::asked::{Goal, epoch_seconds};
use super::common::{TokenChannel, brake, reason, until, within};
use super::fleet::{Beginning, Fleet};
use super::worlds::users_on_applications;

const ROUNDS: usize = 10;
const CLIENTS: usize = 8;
const CALL_TIME: Duration = Duration::from_secs(2);
/// How long nothing may come while it is frozen.
const FROZEN_FOR: Duration = Duration::from_millis(1200);
/// Creates that have to come between two freezes.
const CREATES_BETWEEN: usize = 10;
/// How far the clocks of two processes of one machine may seem to differ, in seconds.
const CLOCK_SLACK_SECONDS: f64 = 0.002;

/// Asks one replica for one grant after the other.
async fn ask(channel: TokenChannel, goals: Vec<Goal>, stop: CancellationToken) {
    let mut client = AccessServiceClient::new(channel);
    while !stop.is_cancelled() {
        let goal = &goals[fastrand::usize(..goals.len())];
        let request = AssignRequest {
            principal: Some(goal.principal.clone()),
            target: Some(goal.target.clone()),
            // So short that there is always something to create again.
            duration: Some(Duration::from_millis(300).try_into().expect("a duration")),
            justification: "a test".to_owned(),
            ..AssignRequest::default()
        };
        let answer = client.assign(within(request, CALL_TIME)).await;
        let refusal = answer.err().map(|status| reason(&status));
        let lawful = [None, Some(""), Some("FROZEN"), Some("DEADLINE_EXCEEDED")];
        assert!(lawful.contains(&refusal.as_deref()), "{refusal:?}");
        // What stands between two calls of one client; nothing is awaited by it.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// When each Create came, in epoch seconds.
fn creates(fleet: &Fleet) -> Vec<f64> {
    let calls = fleet.simulator.calls().into_iter();
    let creates = calls.filter(|call| call.operation.starts_with("Create"));
    creates.map(|call| call.time_seconds).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_freeze_at_one_replica_stops_the_others() {
    let (world, goals) = users_on_applications();
    let cluster = Cluster::start().await;
    let fleet = Fleet::start(Beginning {
        world,
        settings: Settings {
            latency_milliseconds: 10,
            jitter_milliseconds: 20,
            ..Settings::unlimited()
        },
        replicas: 2,
        url: cluster.url(),
        more: String::new(),
    })
    .await;
    let (mut clients, stop) = (JoinSet::new(), CancellationToken::new());
    for number in 0..CLIENTS {
        // Most of them at the replica that is not told.
        let channel = fleet.channel(usize::from(number > 0));
        clients.spawn(ask(channel, goals.clone(), stop.clone()));
    }
    let operations = || OperationsServiceClient::new(fleet.channel(0));
    let mut late = Vec::new();
    for round in 0..ROUNDS {
        let before = creates(&fleet).len();
        until("creates", || async {
            let count = creates(&fleet).len() - before;
            (count >= CREATES_BETWEEN)
                .then_some(())
                .ok_or(format!("{count}"))
        })
        .await;
        let state = brake::freeze(operations(), FreezeScope::Grants).await;
        assert_eq!(state.under_way_count, 0, "{state:?}");
        let frozen_at = epoch_seconds();
        // Nothing is to come: there is nothing to await.
        tokio::time::sleep(FROZEN_FOR).await;
        let late_ones = creates(&fleet).into_iter();
        late.extend(late_ones.filter_map(|at| {
            let after = at - frozen_at;
            (after > CLOCK_SLACK_SECONDS).then(|| format!("round {round}: {after:.3} s"))
        }));
        brake::unfreeze(operations(), FreezeScope::Grants).await;
    }
    stop.cancel();
    clients.join_all().await;
    println!(
        "figure freezes {ROUNDS} creates {} creates_after_a_freeze {}",
        creates(&fleet).len(),
        late.len()
    );
    assert_eq!(late, [""; 0]);
}
