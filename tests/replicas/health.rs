//! What health says while the database is away: a balancer sends nobody there, and what answers without the store is
//! told as serving. Who calls all the same hears so soon.

use std::time::{Duration, Instant};

use tonic::Code;
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use usher::grpc::pb::GetGrantRequest;
use usher::grpc::pb::grant_service_client::GrantServiceClient;
use usher::simulator::Settings;

use super::cluster::Cluster;
use super::common::{reason, until, within};
use super::fleet::{Beginning, Fleet};
use super::worlds::users_on_applications;

const CALL_TIME: Duration = Duration::from_secs(10);
/// How soon a call is refused once it is known that the database is away.
const REFUSED_WITHIN: Duration = Duration::from_secs(1);

async fn status(fleet: &Fleet, service: &str) -> i32 {
    let request = HealthCheckRequest {
        service: service.to_owned(),
    };
    let mut client = HealthClient::new(fleet.channel(0));
    let answer = client.check(within(request, CALL_TIME));
    answer.await.expect("an answer").into_inner().status
}

async fn until_status(fleet: &Fleet, wanted: ServingStatus) {
    until("the health of the server", || async {
        let told = status(fleet, "").await;
        (told == wanted as i32)
            .then_some(())
            .ok_or(told.to_string())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_follows_the_database_and_calls_are_refused_soon() {
    let (world, _) = users_on_applications();
    let mut cluster = Cluster::start().await;
    let fleet = Fleet::start(Beginning {
        world,
        settings: Settings::unlimited(),
        replicas: 1,
        url: cluster.url(),
        more: String::new(),
    })
    .await;
    until_status(&fleet, ServingStatus::Serving).await;
    cluster.end_immediately();
    let away_at = Instant::now();
    until_status(&fleet, ServingStatus::NotServing).await;
    println!(
        "figure not_serving_after_seconds {:.2}",
        away_at.elapsed().as_secs_f64()
    );
    for (service, wanted) in [
        ("usher.v1.AccessService", ServingStatus::NotServing),
        ("usher.v1.GrantService", ServingStatus::NotServing),
        ("usher.v1.DirectoryService", ServingStatus::Serving),
        ("usher.v1.BudgetService", ServingStatus::Serving),
    ] {
        assert_eq!(status(&fleet, service).await, wanted as i32, "{service}");
    }
    let request = GetGrantRequest {
        grant_id: "grant_00000000000000000000000000000001".to_owned(),
    };
    let asked_at = Instant::now();
    let mut client = GrantServiceClient::new(fleet.channel(0));
    let refused = client.get_grant(within(request, CALL_TIME)).await;
    let refused = refused.expect_err("a refusal");
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    assert_eq!(reason(&refused), "STORE_UNAVAILABLE");
    assert!(
        asked_at.elapsed() < REFUSED_WITHIN,
        "{:?}",
        asked_at.elapsed()
    );
    cluster.begin().await;
    until_status(&fleet, ServingStatus::Serving).await;
}
