//! Callers that cannot wait, hang up or ask only: nothing is lost and nothing half done.

use std::time::Duration;

use tokio::time::Instant;
use usher::config::Config;
use usher::grpc::pb::{
    AssignRequest, AssignmentState, Completeness, GrantState, ListGrantsRequest, RevokeRequest,
    Standing, WriteMode,
};
use usher::simulator::{Fault, FaultAction};

use super::common::{Begin, TestService, Triple, in_time, revoke_of, short_times, until, within};

/// A service that gives AWS more time than its callers have.
async fn patient_service() -> TestService {
    let mut config: Config = short_times();
    config.aws.attempt_timeout_seconds = 10;
    config.reconciler.lease_seconds = 15.0;
    TestService::start_with(Begin {
        config,
        ..Begin::default()
    })
    .await
}

fn slow(operation: &str, milliseconds: u64) -> Fault {
    Fault::new(operation, FaultAction::DelayBeforeEffect { milliseconds }).times(1)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_aws_is_answered_before_the_deadline_with_the_true_state() {
    let service = patient_service().await;
    let triple = service.user_on("bilal.khan", "Amazon Redshift");
    service
        .simulator
        .add_fault(slow("CreateApplicationAssignment", 2500));
    let deadline = Duration::from_millis(1500);
    let began = Instant::now();
    let answer = service
        .access()
        .assign(within(triple.assign(), deadline))
        .await;
    let took = began.elapsed();
    let grant = answer.expect("OK").into_inner().grant.expect("a grant");
    assert_eq!(grant.state(), GrantState::Provisioning);
    let waiting = grant.waiting_for.expect("it says for what it waits");
    assert!(!waiting.description.is_empty());
    assert!(took < deadline, "{took:?}");
    assert!(took > deadline / 2, "it waited for the outcome: {took:?}");
    assert!(!service.is_assigned(&triple));
    let active = service.until_state(&grant.id, GrantState::Active).await;
    assert!(active.waiting_for.is_none());
    assert!(service.is_assigned(&triple));

    service
        .simulator
        .add_fault(slow("DeleteApplicationAssignment", 2500));
    let answer = service
        .access()
        .revoke(within(revoke_of(&grant.id), deadline))
        .await;
    let answer = answer.expect("OK").into_inner();
    assert_eq!(answer.assignment_state(), AssignmentState::Removing);
    assert_eq!(answer.grants[0].state(), GrantState::Revoking);
    assert!(answer.grants[0].waiting_for.is_some());
    service.until_state(&grant.id, GrantState::Revoked).await;
    assert!(!service.is_assigned(&triple));
    assert_eq!(service.effects("CreateApplicationAssignment"), 1);
    assert_eq!(service.effects("DeleteApplicationAssignment"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_adorns_an_answer_does_not_cost_it() {
    let mut service = patient_service().await;
    let triple = service.user_on("bilal.khan", "Amazon Redshift");
    let grant = service.assign(triple.assign()).await;
    service.restart().await;
    for operation in [
        "ListGroupMembershipsForMember",
        "GetApplicationAssignmentConfiguration",
    ] {
        service.simulator.add_fault(slow(operation, 4000));
    }
    let time = Duration::from_millis(1500);
    let answer = service.revoke_within(revoke_of(&grant.id), time).await;
    assert_eq!(answer.assignment_state(), AssignmentState::Absent);
    assert_eq!(answer.remaining_paths_completeness(), Completeness::Partial);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_being_made_again_is_never_told_to_be_absent() {
    let service = patient_service().await;
    let triple = service.user_on("bilal.khan", "Amazon Redshift");
    let first = service.assign(triple.assign()).await;
    service.revoke(revoke_of(&first.id)).await;
    service
        .simulator
        .add_fault(slow("CreateApplicationAssignment", 3000));
    let time = Duration::from_millis(800);
    let second = service.assign_within(triple.assign(), time).await;
    assert_eq!(second.state(), GrantState::Provisioning);
    let answer = service.revoke(revoke_of(&first.id)).await;
    assert_eq!(answer.assignment_state(), AssignmentState::Unspecified);
    assert_eq!(answer.remaining_paths_completeness(), Completeness::Partial);
    assert_eq!(answer.remaining_paths[0].grant_ids, [second.id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_after_the_commit_loses_nothing() {
    let service = patient_service().await;
    let triple = service.user_on("bilal.khan", "Amazon Redshift");
    service
        .simulator
        .add_fault(slow("DescribeApplicationAssignment", 300));
    let (mut client, request) = (service.access(), triple.assign());
    let call = tokio::spawn(async move { client.assign(in_time(request)).await });
    // The reconciler reads only what is recorded.
    service
        .until_called("DescribeApplicationAssignment", 1)
        .await;
    call.abort();
    assert!(call.await.is_err(), "the call was cut");
    service.until_assigned(&triple, true).await;
    let grant = only_grant(&service, &triple).await.expect("it is recorded");
    service.until_state(&grant, GrantState::Active).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hang_up_at_any_moment_leaves_all_or_nothing() {
    let service = TestService::start().await;
    for milliseconds in 0..24 {
        let user = ["anna.berg", "bilal.khan", "carla.mendes", "dmitri.orlov"][milliseconds % 4];
        let triple = service.user_on(user, "Amazon Redshift");
        let request = AssignRequest {
            request_id: format!("hang-up-{milliseconds}"),
            ..triple.assign()
        };
        let (mut client, cut) = (service.access(), request.clone());
        let time = Duration::from_millis(u64::try_from(milliseconds).expect("small"));
        // The deadline is the server's too; dropping the call resets its stream.
        let call = async move { client.assign(in_time(cut)).await };
        drop(tokio::time::timeout(time, call).await);
        let grant = service.assign(request).await;
        assert_eq!(grant.state(), GrantState::Active);
        assert_eq!(grant.standing(), Standing::No);
        assert_eq!(
            only_grant(&service, &triple).await,
            Some(grant.id.clone()),
            "one grant, however often asked"
        );
        service.revoke(revoke_of(&grant.id)).await;
        assert!(!service.is_assigned(&triple));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_only_changes_nothing() {
    let service = TestService::start().await;
    let absent = service.group_on("engineering", "Amazon Redshift");
    let present = service.user_on("anna.berg", "Amazon QuickSight");
    let before = service.simulator.world();
    let request = AssignRequest {
        validate_only: true,
        request_id: "asked".to_owned(),
        ..absent.assign()
    };
    let answer = service.try_assign(request).await.expect("a preview");
    let preview = answer.preview.expect("a preview");
    assert!(answer.grant.is_none());
    assert_eq!(preview.people_count, 3);
    assert_eq!(preview.write_mode(), WriteMode::ReadWrite);
    let request = RevokeRequest {
        validate_only: true,
        ..present.revoke()
    };
    let answer = service.try_revoke(request).await.expect("a preview");
    let preview = answer.preview.expect("a preview");
    assert!(preview.policies.is_empty(), "it asks no policy");
    assert_eq!(only_grant(&service, &absent).await, None);
    assert_eq!(service.simulator.world(), before);
    for operation in ["CreateApplicationAssignment", "DeleteApplicationAssignment"] {
        assert_eq!(service.calls(operation).len(), 0);
    }
    // A preview does not take the request id.
    let request = AssignRequest {
        request_id: "asked".to_owned(),
        ..absent.assign()
    };
    assert_eq!(service.assign(request).await.state(), GrantState::Active);
}

/// The only grant on a triple that is not over.
async fn only_grant(service: &TestService, triple: &Triple) -> Option<String> {
    let states = [
        GrantState::Provisioning,
        GrantState::Active,
        GrantState::Revoking,
    ];
    let request = ListGrantsRequest {
        principal: Some(triple.principal()),
        target: Some(triple.target()),
        states: states.iter().map(|state| i32::from(*state)).collect(),
        ..ListGrantsRequest::default()
    };
    until("at most one grant", || async {
        let answer = service.grants().list_grants(in_time(request.clone())).await;
        let mut grants = answer.expect("a list").into_inner().grants;
        if grants.len() > 1 {
            return Err(format!("{grants:#?}"));
        }
        Ok(grants.pop().map(|grant| grant.id))
    })
    .await
}
