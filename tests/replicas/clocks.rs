//! Replicas whose machines are an hour ahead and an hour behind: nothing ends early, and nothing much too late, because
//! the database's clock counts.

use std::time::Duration;

use usher::grpc::pb::access_service_client::AccessServiceClient;
use usher::grpc::pb::grant_service_client::GrantServiceClient;
use usher::grpc::pb::{AssignRequest, GetGrantRequest, Grant, GrantState};
use usher::simulator::Settings;

use super::cluster::Cluster;
use super::common::asked::Goal;
use super::common::{until, within};
use super::fleet::{Beginning, Fleet};
use super::worlds::users_on_applications;

const CALL_TIME: Duration = Duration::from_secs(10);
const DURATION: Duration = Duration::from_secs(6);
const GRANTS: usize = 12;
/// How soon after its time an end is acted on.
const ENDED_WITHIN_SECONDS: f64 = 5.0;
/// How far the clocks of two processes of one machine may seem to differ, in seconds.
const CLOCK_SLACK_SECONDS: f64 = 0.002;

async fn assign(fleet: &Fleet, replica: usize, goal: &Goal) -> Grant {
    let request = AssignRequest {
        principal: Some(goal.principal.clone()),
        target: Some(goal.target.clone()),
        duration: Some(DURATION.try_into().expect("a duration")),
        justification: "a test".to_owned(),
        ..AssignRequest::default()
    };
    let mut client = AccessServiceClient::new(fleet.channel(replica));
    let answer = client.assign(within(request, CALL_TIME)).await;
    answer
        .expect("an answer")
        .into_inner()
        .grant
        .expect("a grant")
}

async fn state(fleet: &Fleet, replica: usize, id: &str) -> GrantState {
    let request = GetGrantRequest {
        grant_id: id.to_owned(),
    };
    let mut client = GrantServiceClient::new(fleet.channel(replica));
    let answer = client.get_grant(within(request, CALL_TIME)).await;
    let grant = answer.expect("an answer").into_inner().grant;
    grant.expect("a grant").state()
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_an_hour_off_end_nothing_early_and_nothing_late() {
    let (world, goals) = users_on_applications();
    let cluster = Cluster::start().await;
    let mut fleet = Fleet::start(Beginning {
        world,
        settings: Settings::unlimited(),
        replicas: 3,
        url: cluster.url(),
        more: String::new(),
    })
    .await;
    for (number, off) in [(0, "3600"), (1, "-3600")] {
        let replica = &mut fleet.replicas[number];
        replica.end().await;
        replica
            .begin_with(&[&format!("--clock-off-seconds={off}")])
            .await;
    }
    let mut ends = Vec::new();
    let mut ids = Vec::new();
    for (number, goal) in goals.iter().take(GRANTS).enumerate() {
        let grant = assign(&fleet, number % 3, goal).await;
        assert_eq!(grant.state(), GrantState::Active, "{grant:?}");
        let end = grant.end_time.expect("an end");
        ends.push(end.seconds as f64 + f64::from(end.nanos) / 1e9);
        ids.push(grant.id);
    }
    until("every end", || async {
        for (number, id) in ids.iter().enumerate() {
            let state = state(&fleet, number % 3, id).await;
            if state != GrantState::Expired {
                return Err(format!("{state:?}"));
            }
        }
        Ok(())
    })
    .await;
    let calls = fleet.simulator.calls().into_iter();
    let deletes = calls.filter(|call| call.operation.starts_with("Delete"));
    let mut deletes: Vec<f64> = deletes.map(|call| call.time_seconds).collect();
    // The first call is no earlier than the first end, and so on: ends and calls are each in their order.
    deletes.sort_by(f64::total_cmp);
    ends.sort_by(f64::total_cmp);
    assert!(deletes.len() >= ends.len(), "{deletes:?}");
    let lateness = deletes.iter().zip(&ends).map(|(at, end)| at - end);
    let lateness: Vec<f64> = lateness.collect();
    let (first, last) = (lateness.iter(), lateness.iter());
    let first = first.copied().fold(f64::INFINITY, f64::min);
    let last = last.copied().fold(f64::NEG_INFINITY, f64::max);
    println!("figure ends {GRANTS} after_their_time_seconds {first:.3} to {last:.3}");
    assert!(first >= -CLOCK_SLACK_SECONDS, "{first} s early");
    assert!(last <= ENDED_WITHIN_SECONDS, "{last} s late");
}
