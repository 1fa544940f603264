//! A request id makes a write safe to repeat: at once, later, after a restart.

use std::time::Duration;

use tonic::Code;
use usher::grpc::pb::{
    AssignRequest, AssignResponse, AssignmentReference, AssignmentState, GrantState, RevokeRequest,
    revoke_request,
};

use super::common::{TestService, application, group, in_time, reason, revoke_of};

/// Equal calls made at once.
const CALLS: usize = 50;

fn named(request: AssignRequest, id: &str) -> AssignRequest {
    AssignRequest {
        request_id: id.to_owned(),
        ..request
    }
}

async fn assign_at_once(service: &TestService, request: &AssignRequest) -> Vec<AssignResponse> {
    let calls: Vec<_> = (0..CALLS)
        .map(|_| {
            let (mut client, request) = (service.access(), request.clone());
            tokio::spawn(async move { client.assign(in_time(request)).await })
        })
        .collect();
    let mut answers = Vec::with_capacity(CALLS);
    for call in calls {
        let answer = call.await.expect("no panic").expect("an accepted Assign");
        answers.push(answer.into_inner());
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_equal_assigns_at_once_are_one_grant_and_one_answer() {
    let service = TestService::start().await;
    let triple = service.user_on("bilal.khan", "Amazon Redshift");
    let request = named(triple.assign(), "once");
    let answers = assign_at_once(&service, &request).await;
    let first = answers.first().expect("an answer");
    assert_eq!(
        first.grant.as_ref().expect("a grant").state(),
        GrantState::Active
    );
    for answer in &answers {
        assert_eq!(answer, first);
    }
    assert_eq!(service.calls("CreateApplicationAssignment").len(), 1);
    assert_eq!(service.effects("CreateApplicationAssignment"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_equal_assigns_to_a_slow_aws_are_one_grant_too() {
    let service = TestService::start().await;
    let mut settings = service.simulator.settings();
    settings.latency_milliseconds = 100;
    service.simulator.set_settings(settings).expect("settings");
    let triple = service.group_on("engineering", "Amazon Redshift");
    let answers = assign_at_once(&service, &named(triple.assign(), "slowly")).await;
    let first = answers.first().expect("an answer");
    for answer in &answers {
        assert_eq!(answer, first);
    }
    assert_eq!(service.calls("CreateApplicationAssignment").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_equal_revokes_at_once_are_one_end_and_one_answer() {
    let service = TestService::start().await;
    let triple = service.user_on("bilal.khan", "Amazon Redshift");
    let grant = service.assign(triple.assign()).await;
    let ends = [
        ("grant", revoke_of(&grant.id)),
        ("assignment", triple.revoke()),
    ];
    for (id, request) in ends {
        let request = RevokeRequest {
            request_id: id.to_owned(),
            ..request
        };
        let calls: Vec<_> = (0..CALLS)
            .map(|_| {
                let (mut client, request) = (service.access(), request.clone());
                tokio::spawn(async move { client.revoke(in_time(request)).await })
            })
            .collect();
        let mut first = None;
        for call in calls {
            let answer = call.await.expect("no panic").expect("an accepted Revoke");
            let answer = answer.into_inner();
            assert_eq!(first.get_or_insert_with(|| answer.clone()), &answer);
        }
    }
    assert_eq!(service.effects("DeleteApplicationAssignment"), 1);
    assert!(!service.is_assigned(&triple));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_id_counts_after_a_restart_and_for_one_content_only() {
    let mut service = TestService::start().await;
    let triple = service.user_on("bilal.khan", "Amazon Redshift");
    let request = named(triple.assign(), "kept");
    let grant = service.assign(request.clone()).await;
    service.restart().await;
    let again = service.assign(request.clone()).await;
    assert_eq!((&again.id, &again.etag), (&grant.id, &grant.etag));
    assert_eq!(again.timeline, grant.timeline);

    let other = AssignRequest {
        justification: "another reason".to_owned(),
        ..request.clone()
    };
    let revoke = RevokeRequest {
        request_id: "kept".to_owned(),
        ..triple.revoke()
    };
    let refused = [
        service.try_assign(other).await.unwrap_err(),
        service.try_revoke(revoke).await.unwrap_err(),
    ];
    for status in refused {
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        assert_eq!(reason(&status), "REQUEST_ID_REUSED");
    }
    // Another caller's id is another id.
    let channel = service.channel_of("somebody-else").await;
    let mut client = usher::grpc::pb::access_service_client::AccessServiceClient::new(channel);
    let theirs = client.assign(in_time(request)).await.expect("a grant");
    assert_ne!(theirs.into_inner().grant.expect("a grant").id, grant.id);
    assert_eq!(service.effects("CreateApplicationAssignment"), 1);
    assert_eq!(service.grant(&grant.id).await.state(), GrantState::Active);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_answers_the_grant_as_it_is_now() {
    let service = TestService::start().await;
    let triple = service.user_on("bilal.khan", "Amazon Redshift");
    let request = named(triple.assign_for(Duration::from_secs(60)), "short");
    let grant = service.assign(request.clone()).await;
    service.clock.advance(jiff::SignedDuration::from_secs(60));
    service.until_state(&grant.id, GrantState::Expired).await;
    let again = service.assign(request).await;
    assert_eq!(again.id, grant.id);
    assert_eq!(again.state(), GrantState::Expired);
    assert!(!service.is_assigned(&triple), "a repeat gives nothing anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_found_nothing_is_remembered_and_takes_nothing_later() {
    let service = TestService::start().await;
    let triple = service.user_on("bilal.khan", "Amazon Redshift");
    service.assign(triple.assign()).await;
    service.revoke(triple.revoke()).await;
    let late = RevokeRequest {
        request_id: "late".to_owned(),
        ..triple.revoke()
    };
    let answer = service.revoke(late.clone()).await;
    assert_eq!(answer.assignment_state(), AssignmentState::Absent);
    let next = service.assign(triple.assign()).await;
    assert_eq!(next.state(), GrantState::Active);
    let again = service.revoke(late).await;
    assert_eq!(again.assignment_state(), AssignmentState::Present);
    assert!(again.grants.is_empty());
    assert!(service.is_assigned(&triple), "a repeat takes nothing");
    assert_eq!(service.grant(&next.id).await.state(), GrantState::Active);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_revoke_needs_no_name_that_aws_still_knows() {
    let mut service = TestService::start().await;
    let triple = service.group_on("engineering", "Amazon Redshift");
    let grant = service.assign(triple.assign()).await;
    let by_name = AssignmentReference {
        principal: Some(group("engineering")),
        target: Some(application("Amazon Redshift")),
    };
    let request = RevokeRequest {
        revocation: Some(revoke_request::Revocation::Assignment(by_name)),
        request_id: "by name".to_owned(),
        ..triple.revoke()
    };
    let first = service.revoke(request.clone()).await;
    assert_eq!(first.grants[0].id, grant.id);
    service.simulator.edit_world(|world| {
        world
            .groups
            .retain(|group| group.group_id != triple.principal_id);
    });
    service.restart().await;
    let again = service.revoke(request).await;
    assert_eq!(again.grants[0].id, grant.id);
    assert_eq!(again.assignment_state(), AssignmentState::Absent);
}
