//! A hurt of other systems replayed: a new version is put in place of the old one, and what was to be
//! taken away meanwhile is forgotten. Here a process is killed or told to end, its successor starts on
//! the same data directory, and the simulated AWS judges by who has what and when it was called.

use std::time::Duration;

use usher::grpc::pb::access_service_client::AccessServiceClient;
use usher::grpc::pb::grant_service_client::GrantServiceClient;
use usher::grpc::pb::{
    AssignRequest, AssignmentReference, GetGrantRequest, Grant, GrantState, RevokeRequest, Target,
    revoke_request,
};
use usher::simulator::{Fault, FaultAction, Settings, Simulator, SimulatorOptions, World};

use super::common::asked::epoch_seconds;
use super::common::child::{Place, Server};
use super::common::{
    TokenChannel, account_access, application, connect, in_time, revoke_of, until, user, within,
};

/// How long a grant lasts that ends while nobody is there to end it.
const SHORT: Duration = Duration::from_secs(2);
const HOUR: Duration = Duration::from_secs(3600);
/// Work is resumed within this time of a start (DESIGN.md §4.6), and these ends are the first work.
const RESUMED_WITHIN_SECONDS: f64 = 5.0;
/// `drain_seconds_max` of the tests, with room for a slow machine.
const DRAINED_WITHIN: Duration = Duration::from_secs(8);
const REVOKE_TIME: Duration = Duration::from_millis(1500);
const ANNA: &str = "anna.berg";

/// How the old process goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Killed,
    Told,
}

struct Deployment {
    simulator: Simulator,
    place: Place,
    before: World,
}

impl Deployment {
    async fn new(section: &str) -> Self {
        let options = SimulatorOptions {
            settings: Settings::unlimited(),
            ..SimulatorOptions::default()
        };
        let simulator = Simulator::start(World::demo(), options).await;
        let simulator = simulator.expect("a simulator");
        let place = Place::with_section(simulator.endpoint_url(), section);
        Self {
            before: simulator.world(),
            simulator,
            place,
        }
    }

    async fn connect(&self, server: &Server) -> TokenChannel {
        connect(server.address, &self.place.data(), "tester").await
    }

    async fn end(&self, mut server: Server, end: End) {
        match end {
            End::Killed => server.kill(),
            End::Told => {
                server.signal("TERM");
                let ended = server.end_within(DRAINED_WITHIN).await;
                assert!(ended.is_some(), "{}", self.place.last_log_lines());
            }
        }
    }

    /// Whether AWS holds exactly what it held before anybody got anything.
    fn is_as_before(&self) -> bool {
        let (world, before) = (self.simulator.world(), &self.before);
        world.assignments == before.assignments
            && world.account_assignments == before.account_assignments
    }

    /// The removals that AWS was asked for since then, in epoch seconds.
    fn removals_since(&self, since: f64) -> Vec<f64> {
        let calls = self.simulator.calls().into_iter();
        let removals = calls.filter(|call| call.operation.starts_with("Delete"));
        let times = removals.map(|call| call.time_seconds);
        times.filter(|time| *time >= since).collect()
    }

    /// The next process, which takes away at once what its predecessor owed.
    async fn successor_takes_away(&self, grants: &[Grant], state: GrantState) -> Server {
        assert!(!self.is_as_before(), "there is something to take away");
        let killed_at = epoch_seconds();
        let server = self.place.serve().await;
        let started_at = epoch_seconds();
        let channel = self.connect(&server).await;
        for grant in grants {
            until_state(&channel, grant, state).await;
        }
        assert!(self.is_as_before(), "{:#?}", self.simulator.world());
        let removals = self.removals_since(killed_at);
        assert_eq!(removals.len(), grants.len(), "each once");
        for removal in removals {
            let after = removal - started_at;
            assert!(after <= RESUMED_WITHIN_SECONDS, "after {after} s");
        }
        server
    }
}

async fn until_state(channel: &TokenChannel, grant: &Grant, state: GrantState) -> Grant {
    let request = GetGrantRequest {
        grant_id: grant.id.clone(),
    };
    until(&format!("{state:?}"), || async {
        let mut client = GrantServiceClient::new(channel.clone());
        let seen = client.get_grant(in_time(request.clone())).await;
        let seen = seen.expect("an answer").into_inner().grant;
        let seen = seen.expect("the grant");
        if seen.state() == state {
            Ok(seen)
        } else {
            Err(format!("{seen:#?}"))
        }
    })
    .await
}

/// Anna on targets of both kinds, for so long.
async fn given(channel: &TokenChannel, duration: Duration) -> Vec<Grant> {
    let mut grants = Vec::new();
    for target in targets() {
        let request = AssignRequest {
            principal: Some(user(ANNA)),
            target: Some(target),
            duration: Some(duration.try_into().expect("a duration")),
            justification: "a test".to_owned(),
            ..AssignRequest::default()
        };
        let mut client = AccessServiceClient::new(channel.clone());
        let answer = client.assign(in_time(request)).await.expect("OK");
        grants.push(answer.into_inner().grant.expect("a grant"));
    }
    for grant in &grants {
        until_state(channel, grant, GrantState::Active).await;
    }
    grants
}

fn targets() -> [Target; 2] {
    [
        application("Amazon Redshift"),
        account_access("production", "DeveloperAccess"),
    ]
}

/// Waits until the time of these grants is over by any clock of this machine.
async fn over(grants: &[Grant]) {
    assert!(!grants.is_empty());
    tokio::time::sleep(SHORT + Duration::from_millis(500)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redeploy_loses_no_end_that_comes_meanwhile() {
    for end in [End::Killed, End::Told] {
        println!("{end:?}");
        let deployment = Deployment::new("").await;
        let server = deployment.place.serve().await;
        let grants = given(&deployment.connect(&server).await, SHORT).await;
        deployment.end(server, end).await;
        over(&grants).await;
        let next = deployment.successor_takes_away(&grants, GrantState::Expired);
        drop(next.await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redeploy_loses_no_revocation_that_was_acknowledged() {
    for end in [End::Killed, End::Told] {
        println!("{end:?}");
        let deployment = Deployment::new("").await;
        let server = deployment.place.serve().await;
        let channel = deployment.connect(&server).await;
        let grants = given(&channel, HOUR).await;
        // AWS takes nothing away, so that the answers are all that there is of them.
        for operation in ["DeleteApplicationAssignment", "DeleteAccountAssignment"] {
            let broken = FaultAction::InternalError {
                after_effect: false,
            };
            deployment
                .simulator
                .add_fault(Fault::new(operation, broken));
        }
        let by_assignment = RevokeRequest {
            revocation: Some(revoke_request::Revocation::Assignment(
                AssignmentReference {
                    principal: Some(user(ANNA)),
                    target: targets().into_iter().next_back(),
                },
            )),
            reason: "a test".to_owned(),
            ..RevokeRequest::default()
        };
        for revocation in [revoke_of(&grants[0].id), by_assignment] {
            let mut client = AccessServiceClient::new(channel.clone());
            let answer = client.revoke(within(revocation, REVOKE_TIME)).await;
            let answer = answer.expect("OK once it is recorded").into_inner();
            assert_eq!(answer.grants[0].state(), GrantState::Revoking);
        }
        drop(channel);
        deployment.end(server, end).await;
        deployment.simulator.clear_faults();
        let next = deployment.successor_takes_away(&grants, GrantState::Revoked);
        drop(next.await);
    }
}

/// Everybody may do everything, and how long is said.
const POLICIES: &str = r#"
@id("asks") @approvals("0") @max_duration("1h")
permit (principal, action == Usher::Action::"Request", resource);
@id("sees") permit (principal, action == Usher::Action::"ReadGrants", resource);
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_redeploy_with_broken_policies_ends_what_is_due() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("all.cedar");
    std::fs::write(&file, POLICIES).expect("a file");
    let section = format!("[policy]\ndirectory = \"{}\"\n", folder.path().display());
    let deployment = Deployment::new(&section).await;
    let server = deployment.place.serve().await;
    let grants = given(&deployment.connect(&server).await, SHORT).await;
    deployment.end(server, End::Killed).await;
    std::fs::write(&file, "nothing of Cedar").expect("a file");
    over(&grants).await;
    let next = deployment.successor_takes_away(&grants, GrantState::Expired);
    let next = next.await;
    let told = deployment.place.last_log_lines();
    assert!(told.contains("the policies do not load"), "{told}");
    assert!(told.contains("Mend the files"), "{told}");
    drop(next);
}
