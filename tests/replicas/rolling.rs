//! A new version is rolled out: each of three replicas is told to end and started again, one after the other, while
//! clients call that try again as deploy/grpc/service_config.json says. None of their calls fails.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use usher::grpc::pb::access_service_client::AccessServiceClient;
use usher::grpc::pb::grant_service_client::GrantServiceClient;
use usher::grpc::pb::{AssignRequest, GetGrantRequest, ListGrantsRequest, RevokeRequest};
use usher::simulator::Settings;

use super::cluster::Cluster;
use super::common::asked::Goal;
use super::common::{reason, revoke_of, within};
use super::fleet::{Beginning, Fleet, Roster};
use super::retries::ServiceConfig;
use super::worlds::users_on_applications;

const REPLICAS: usize = 3;
const ROUNDS: usize = 2;
const CLIENTS: usize = 8;
/// The deadline of an attempt.
const CALL_TIME: Duration = Duration::from_secs(10);

/// A client with what all clients share.
#[derive(Clone)]
struct Client {
    number: usize,
    config: Arc<ServiceConfig>,
    roster: Roster,
    goals: Arc<Vec<Goal>>,
    stop: CancellationToken,
}

/// How many calls were made, and those that failed.
#[derive(Default)]
struct Told {
    calls: usize,
    failed: Vec<String>,
}

impl Told {
    fn keep<T>(&mut self, what: &str, answer: Result<T, Status>) -> Option<T> {
        self.calls += 1;
        let problem = |status: Status| {
            let told = format!(
                "{:?} {} {}",
                status.code(),
                reason(&status),
                status.message()
            );
            self.failed.push(format!("{what}: {told}"));
        };
        answer.map_err(problem).ok()
    }
}

impl Client {
    /// Gives, looks, lists and takes back, again and again.
    async fn call_until_stopped(self) -> Told {
        let mut told = Told::default();
        let mut round = 0;
        while !self.stop.is_cancelled() {
            round += 1;
            let answer = self.assign(round).await;
            let Some(grant_id) = told.keep("Assign", answer) else {
                continue;
            };
            told.keep("GetGrant", self.get(&grant_id).await);
            told.keep("ListGrants", self.list().await);
            told.keep("Revoke", self.revoke(round, &grant_id).await);
        }
        told
    }

    async fn assign(&self, round: usize) -> Result<String, Status> {
        let goal = &self.goals[fastrand::usize(..self.goals.len())];
        let request = AssignRequest {
            principal: Some(goal.principal.clone()),
            target: Some(goal.target.clone()),
            justification: "a test".to_owned(),
            request_id: format!("assign-{}-{round}", self.number),
            ..AssignRequest::default()
        };
        let send = |replica| {
            let mut client = AccessServiceClient::new(self.roster.channel(replica));
            let request = within(request.clone(), CALL_TIME);
            async move { client.assign(request).await }
        };
        let answer = self.config.call("AccessService/Assign", send).await?;
        Ok(answer.into_inner().grant.expect("a grant").id)
    }

    async fn get(&self, grant_id: &str) -> Result<(), Status> {
        let send = |replica| {
            let mut client = GrantServiceClient::new(self.roster.channel(replica));
            let grant_id = grant_id.to_owned();
            let request = within(GetGrantRequest { grant_id }, CALL_TIME);
            async move { client.get_grant(request).await.map(drop) }
        };
        self.config.call("GrantService/GetGrant", send).await
    }

    async fn list(&self) -> Result<(), Status> {
        let send = |replica| {
            let mut client = GrantServiceClient::new(self.roster.channel(replica));
            let request = ListGrantsRequest {
                page_size: 5,
                ..ListGrantsRequest::default()
            };
            async move {
                client
                    .list_grants(within(request, CALL_TIME))
                    .await
                    .map(drop)
            }
        };
        self.config.call("GrantService/ListGrants", send).await
    }

    async fn revoke(&self, round: usize, grant_id: &str) -> Result<(), Status> {
        let request = RevokeRequest {
            request_id: format!("revoke-{}-{round}", self.number),
            ..revoke_of(grant_id)
        };
        let send = |replica| {
            let mut client = AccessServiceClient::new(self.roster.channel(replica));
            let request = within(request.clone(), CALL_TIME);
            async move { client.revoke(request).await.map(drop) }
        };
        self.config.call("AccessService/Revoke", send).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_fails_no_call_that_is_tried_again() {
    let (world, goals) = users_on_applications();
    let cluster = Cluster::start().await;
    let mut fleet = Fleet::start(Beginning {
        world,
        settings: Settings::unlimited(),
        replicas: REPLICAS,
        url: cluster.url(),
        more: String::new(),
    })
    .await;
    let client = Client {
        number: 0,
        config: Arc::new(ServiceConfig::shipped(REPLICAS)),
        roster: fleet.roster.clone(),
        goals: Arc::new(goals),
        stop: CancellationToken::new(),
    };
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let client = Client {
            number,
            ..client.clone()
        };
        clients.spawn(client.call_until_stopped());
    }
    let began = Instant::now();
    for _ in 0..ROUNDS {
        for replica in &mut fleet.replicas {
            replica.end().await;
            replica.begin().await;
        }
    }
    client.stop.cancel();
    let told = clients.join_all().await;
    let calls: usize = told.iter().map(|told| told.calls).sum();
    let failed: Vec<&String> = told.iter().flat_map(|told| &told.failed).collect();
    println!(
        "figure rolling_restarts {} calls {calls} tried_again {} failed {} seconds {:.1}",
        ROUNDS * REPLICAS,
        client.config.retries(),
        failed.len(),
        began.elapsed().as_secs_f64()
    );
    assert!(failed.is_empty(), "{failed:#?}");
}
