//! Grants on accounts: AWS makes and removes them later, a few at a time, and may fail at it.

use std::time::Duration;

use tokio::task::JoinSet;
use usher::grpc::pb::{
    AccountAccess, AssignRequest, AssignmentState, Grant, GrantState, Target, WaitingKind, target,
};
use usher::simulator::{
    AccountAssignment, EnabledStatus, Fault, FaultAction, Settings, User, World,
};

use super::common::{Begin, TestService, revoke_of, until, user};

const ACCOUNT: &str = "222233334444";
/// As AWS limits it, and as the configuration says.
const OUTSTANDING_MAX: usize = 10;

fn settings(asynchronous_milliseconds: u64) -> Settings {
    Settings {
        asynchronous_milliseconds,
        outstanding_assignments_max: Some(OUTSTANDING_MAX),
        ..Settings::unlimited()
    }
}

async fn service(asynchronous_milliseconds: u64) -> TestService {
    TestService::start_with(Begin {
        settings: settings(asynchronous_milliseconds),
        ..Begin::default()
    })
    .await
}

fn assign_to(user_name: &str) -> AssignRequest {
    let access = AccountAccess {
        account: ACCOUNT.to_owned(),
        permission_set: "DeveloperAccess".to_owned(),
    };
    AssignRequest {
        principal: Some(user(user_name)),
        target: Some(Target {
            target: Some(target::Target::AccountAccess(access)),
        }),
        justification: "a test".to_owned(),
        ..AssignRequest::default()
    }
}

/// The rows of the user in the simulated AWS.
fn rows(service: &TestService, grant: &Grant) -> Vec<AccountAssignment> {
    let principal = grant.principal.clone().expect("a principal");
    let target = grant.target.clone().expect("a target");
    let mut rows = service.simulator.world().account_assignments;
    rows.retain(|row| {
        row.principal_id == principal.id
            && row.account_id == target.account_id
            && row.permission_set_arn == target.permission_set_arn
    });
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_grant_is_made_and_ended() {
    let service = service(200).await;
    let grant = service.assign(assign_to("bilal.khan")).await;
    assert_eq!(grant.state(), GrantState::Active, "{grant:#?}");
    assert_eq!(rows(&service, &grant).len(), 1);
    let answer = service.revoke(revoke_of(&grant.id)).await;
    assert_eq!(answer.assignment_state(), AssignmentState::Absent);
    assert_eq!(rows(&service, &grant), []);
    assert_eq!(service.effects("CreateAccountAssignment"), 1);
    assert_eq!(service.effects("DeleteAccountAssignment"), 1);
    // One change: read, write, its end, read; the poller's lists come on top.
    let described = service.calls("DescribeAccountAssignmentCreationStatus");
    assert_eq!(described.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_the_lists_never_show_is_heard_of_soon_after_its_end() {
    let service = TestService::start_with(Begin {
        settings: Settings {
            status_visibility_milliseconds: 60_000,
            ..settings(1500)
        },
        ..Begin::default()
    })
    .await;
    // Its callers wait; only the answers to rarer and rarer questions tell.
    let grant = service.assign(assign_to("bilal.khan")).await;
    assert_eq!(grant.state(), GrantState::Active, "{grant:#?}");
    let described = service.calls("DescribeAccountAssignmentCreationStatus");
    assert!((2..=8).contains(&described.len()), "{}", described.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_refused_list_keeps_no_other_change_from_being_heard_of() {
    let service = service(1500).await;
    let given = service.assign(assign_to("bilal.khan")).await;
    let refused = Fault::new(
        "ListAccountAssignmentCreationStatus",
        FaultAction::AccessDenied,
    );
    service.simulator.add_fault(refused);
    let shortly = Duration::from_millis(500);
    let other = service
        .assign_within(assign_to("carla.mendes"), shortly)
        .await;
    assert_eq!(other.state(), GrantState::Provisioning, "{other:#?}");
    let answer = service.revoke(revoke_of(&given.id)).await;
    assert_eq!(answer.assignment_state(), AssignmentState::Absent);
    // What the refused list would have told comes by single questions.
    until("the other to stand", || async {
        match service.grant(&other.id).await {
            grant if grant.state() == GrantState::Active => Ok(()),
            grant => Err(format!("{grant:#?}")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_under_way_is_told_and_outlives_a_restart() {
    let mut service = service(5000).await;
    let shortly = Duration::from_secs(2);
    let grant = service
        .assign_within(assign_to("bilal.khan"), shortly)
        .await;
    until("AWS to be at it", || async {
        let waiting = service.grant(&grant.id).await.waiting_for;
        match waiting {
            Some(waiting) if waiting.kind() == WaitingKind::AwsPropagation => Ok(()),
            other => Err(format!("{other:#?}")),
        }
    })
    .await;
    service.restart().await;
    service.until_state(&grant.id, GrantState::Active).await;
    assert_eq!(service.calls("CreateAccountAssignment").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_aws_fails_three_times_fails_with_its_reason() {
    let service = service(20).await;
    let action = FaultAction::AsyncFailed {
        reason: Some("The account is closed".to_owned()),
    };
    service
        .simulator
        .add_fault(Fault::new("CreateAccountAssignment", action));
    let grant = service.assign(assign_to("bilal.khan")).await;
    assert_eq!(grant.state(), GrantState::Failed, "{grant:#?}");
    let error = grant.last_error.clone().expect("an error");
    assert_eq!(error.error_kind, "operation_failed");
    assert_eq!(error.operation, "CreateAccountAssignment");
    assert_eq!(error.aws_failure_reason, "The account is closed");
    assert_eq!(service.calls("CreateAccountAssignment").len(), 3);
    assert_eq!(rows(&service, &grant), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_passes_fails_nothing() {
    let service = service(20).await;
    for operation in ["CreateAccountAssignment", "DeleteAccountAssignment"] {
        let action = FaultAction::AsyncFailed { reason: None };
        let fault = Fault::new(operation, action).times(2);
        service.simulator.add_fault(fault);
    }
    let grant = service.assign(assign_to("bilal.khan")).await;
    assert_eq!(grant.state(), GrantState::Active, "{grant:#?}");
    service.revoke(revoke_of(&grant.id)).await;
    service.until_state(&grant.id, GrantState::Revoked).await;
    assert_eq!(rows(&service, &grant), []);
    assert_eq!(service.calls("CreateAccountAssignment").len(), 3);
    assert_eq!(service.calls("DeleteAccountAssignment").len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_answer_was_lost_is_found_and_not_repeated() {
    for asynchronous_milliseconds in [0, 700] {
        let service = service(asynchronous_milliseconds).await;
        for operation in ["CreateAccountAssignment", "DeleteAccountAssignment"] {
            let fault = Fault::new(operation, FaultAction::DropAfterEffect).times(1);
            service.simulator.add_fault(fault);
        }
        let grant = service.assign(assign_to("bilal.khan")).await;
        assert_eq!(grant.state(), GrantState::Active, "{grant:#?}");
        service.revoke(revoke_of(&grant.id)).await;
        service.until_state(&grant.id, GrantState::Revoked).await;
        assert_eq!(rows(&service, &grant), []);
        assert_eq!(service.calls("CreateAccountAssignment").len(), 1);
        assert_eq!(service.calls("DeleteAccountAssignment").len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_was_never_sent_is_made_after_all() {
    let service = service(20).await;
    let fault = Fault::new("CreateAccountAssignment", FaultAction::DropBeforeEffect).times(1);
    service.simulator.add_fault(fault);
    let grant = service.assign(assign_to("bilal.khan")).await;
    assert_eq!(grant.state(), GrantState::Active, "{grant:#?}");
    assert_eq!(service.effects("CreateAccountAssignment"), 1);
}

/// The demo world with so many more users.
fn world_of(users: usize) -> (World, Vec<String>) {
    let mut world = World::demo();
    let mut names = Vec::new();
    for number in 1..=users {
        let user_name = format!("case.{number}");
        world.users.push(User {
            identity_store_id: world.instances[0].identity_store_id.clone(),
            user_id: format!("d4e8f4a8-0000-4000-9000-{number:012}"),
            user_name: user_name.clone(),
            user_status: Some(EnabledStatus::Enabled),
            ..User::default()
        });
        names.push(user_name);
    }
    (world, names)
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_at_once_come_and_go_and_never_more_than_ten_are_outstanding() {
    const GRANTS: usize = 50;
    let (world, names) = world_of(GRANTS);
    let service = TestService::start_with(Begin {
        world,
        settings: settings(150),
        ..Begin::default()
    })
    .await;
    let mut calls = JoinSet::new();
    for name in names {
        let mut access = service.access();
        calls.spawn(async move {
            access
                .assign(super::common::in_time(assign_to(&name)))
                .await
        });
    }
    let mut grants = Vec::new();
    while let Some(answer) = calls.join_next().await {
        let answer = answer.expect("no panic").expect("OK").into_inner();
        grants.push(answer.grant.expect("a grant"));
    }
    for grant in &grants {
        let grant = service.until_state(&grant.id, GrantState::Active).await;
        assert_eq!(rows(&service, &grant).len(), 1);
    }
    for grant in &grants {
        let shortly = Duration::from_secs(1);
        service.revoke_within(revoke_of(&grant.id), shortly).await;
    }
    for grant in &grants {
        service.until_state(&grant.id, GrantState::Revoked).await;
        assert_eq!(rows(&service, grant), []);
    }
    let most = service.simulator.outstanding_assignments_max_seen();
    assert!((2..=OUTSTANDING_MAX).contains(&most), "{most}");
    for operation in ["CreateAccountAssignment", "DeleteAccountAssignment"] {
        let calls = service.calls(operation);
        assert_eq!(calls.len(), GRANTS, "{operation}");
        assert!(calls.iter().all(|call| !call.throttled));
    }
}
