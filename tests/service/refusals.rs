//! AWS says no: for good, for now, or to Usher's own role.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::Map;
use usher::grpc::pb::{GrantState, ListAssignmentsRequest, Standing, WaitingKind};
use usher::simulator::{Fault, FaultAction};

use super::common::{TestService, in_time, reason, revoke_of, until, user};

/// Just enough for an Assign that is refused at once to say so.
const SHORTLY: Duration = Duration::from_millis(1500);

fn refusal(code: &str) -> FaultAction {
    FaultAction::Error {
        code: code.to_owned(),
        message: "no".to_owned(),
        http_status: None,
        members: Map::new(),
        after_effect: false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_final_refusal_fails_the_grant_and_nothing_is_left() {
    let service = TestService::start().await;
    let triple = service.user_on("bilal.khan", "Amazon Redshift");
    for (code, kind) in [
        ("ValidationException", "validation"),
        ("ResourceNotFoundException", "not_found"),
        ("ServiceQuotaExceededException", "quota_exceeded"),
    ] {
        let fault = Fault::new("CreateApplicationAssignment", refusal(code)).times(1);
        service.simulator.add_fault(fault);
        let grant = service.assign(triple.assign()).await;
        assert_eq!(grant.state(), GrantState::Failed, "{code}: {grant:#?}");
        let error = grant.last_error.expect("the reason is kept");
        assert_eq!(error.error_kind, kind);
        assert_eq!(error.operation, "CreateApplicationAssignment");
        assert!(!error.message.is_empty());
        assert!(!error.message.contains("no "), "AWS's text: {error:?}");
        assert!(grant.waiting_for.is_none());
        assert!(!service.is_assigned(&triple));
        let read_last = service.simulator.calls().last().cloned();
        let read_last = read_last.expect("calls were made");
        assert_eq!(read_last.operation, "DescribeApplicationAssignment");
    }
    assert_eq!(service.effects("CreateApplicationAssignment"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_principal_deleted_meanwhile_fails_the_grant() {
    let service = TestService::start().await;
    let triple = service.user_on("bilal.khan", "Amazon Redshift");
    let first = service.assign(triple.assign()).await;
    service.revoke(revoke_of(&first.id)).await;
    service.simulator.edit_world(|world| {
        world
            .users
            .retain(|user| user.user_id != triple.principal_id);
        world
            .memberships
            .retain(|row| row.user_id != triple.principal_id);
    });
    // The directory still knows the user; AWS does not.
    let grant = service.assign(triple.assign()).await;
    assert_eq!(grant.state(), GrantState::Failed, "{grant:#?}");
    assert_eq!(grant.last_error.expect("a reason").error_kind, "not_found");
    assert!(!service.is_assigned(&triple));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_not_is_named_with_the_action_and_recovers() {
    let service = TestService::start().await;
    let cases = [
        ("anna.berg", "CreateApplicationAssignment"),
        ("bilal.khan", "DescribeApplicationAssignment"),
    ];
    for (user, operation) in cases {
        let triple = service.user_on(user, "Amazon Redshift");
        service
            .simulator
            .add_fault(Fault::new(operation, FaultAction::AccessDenied));
        let grant = service.assign_within(triple.assign(), SHORTLY).await;
        assert_eq!(grant.state(), GrantState::Provisioning, "{grant:#?}");
        let waiting = grant.waiting_for.expect("it says for what it waits");
        assert_eq!(waiting.kind(), WaitingKind::AwsRefusal);
        assert!(waiting.failed_attempts > 0);
        let error = grant.last_error.expect("it says why");
        assert_eq!(error.missing_iam_action, format!("sso:{operation}"));
        assert!(!service.is_assigned(&triple));
        service.simulator.clear_faults();
        let grant = service.until_state(&grant.id, GrantState::Active).await;
        assert!(grant.last_error.is_none());
        assert!(service.is_assigned(&triple));
        assert_eq!(grant.standing(), Standing::No);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_an_hour_fails_a_grant_and_never_an_end() {
    let service = TestService::start().await;
    let held = service.user_on("anna.berg", "Amazon Redshift");
    let held_grant = service.assign(held.assign()).await;
    service.simulator.add_fault(Fault::new(
        "CreateApplicationAssignment",
        FaultAction::AccessDenied,
    ));
    service.simulator.add_fault(Fault::new(
        "DeleteApplicationAssignment",
        FaultAction::AccessDenied,
    ));
    let triple = service.user_on("bilal.khan", "Amazon QuickSight");
    let grant = service.assign_within(triple.assign(), SHORTLY).await;
    let answer = service
        .revoke_within(revoke_of(&held_grant.id), SHORTLY)
        .await;
    let error = answer.grants[0].last_error.clone().expect("it says why");
    assert_eq!(error.missing_iam_action, "sso:DeleteApplicationAssignment");

    service.clock.advance(SignedDuration::from_secs(3600));
    let failed = service.until_state(&grant.id, GrantState::Failed).await;
    let error = failed.last_error.expect("the reason is kept");
    assert_eq!(error.missing_iam_action, "sso:CreateApplicationAssignment");
    assert!(!service.is_assigned(&triple));
    let attempts = service.calls("DeleteApplicationAssignment").len();
    service
        .until_called("DeleteApplicationAssignment", attempts + 3)
        .await;
    let waiting = service.grant(&held_grant.id).await;
    assert_eq!(waiting.state(), GrantState::Revoking, "it never gives up");
    assert!(service.is_assigned(&held));
    service.simulator.clear_faults();
    service
        .until_state(&held_grant.id, GrantState::Revoked)
        .await;
    assert!(!service.is_assigned(&held));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_waits_for_aws_and_comes_soon_after_it_recovers() {
    let service = TestService::start().await;
    let triple = service.user_on("bilal.khan", "Amazon Redshift");
    let grant = service
        .assign(triple.assign_for(Duration::from_secs(3600)))
        .await;
    let outage = FaultAction::InternalError {
        after_effect: false,
    };
    service.simulator.add_fault(Fault::new("*", outage));
    service.clock.advance(SignedDuration::from_secs(3600));
    until("several attempts", || async {
        let now = service.grant(&grant.id).await;
        assert!(service.is_assigned(&triple), "AWS did nothing");
        assert!(
            matches!(now.state(), GrantState::Active | GrantState::Revoking),
            "an end that AWS did not make is shown: {now:#?}"
        );
        match now.waiting_for {
            Some(waiting) if waiting.failed_attempts >= 4 => Ok(()),
            waiting => Err(format!("{waiting:?}")),
        }
    })
    .await;
    service.simulator.clear_faults();
    let recovered = tokio::time::Instant::now();
    service.until_state(&grant.id, GrantState::Expired).await;
    assert!(!service.is_assigned(&triple));
    // The longest pause between attempts is half a second here.
    let took = recovered.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_needs_the_organization_names_what_is_missing_to_know_it() {
    let mut service = TestService::start().await;
    let denied = Fault::new("DescribeOrganization", FaultAction::AccessDenied);
    service.simulator.add_fault(denied);
    service.restart().await;
    let request = ListAssignmentsRequest {
        principal: Some(user("anna.berg")),
        ..ListAssignmentsRequest::default()
    };
    let refused = service.access().list_assignments(in_time(request)).await;
    let refused = refused.expect_err("nobody knows where it is asked from");
    assert_eq!(reason(&refused), "USHER_ROLE_LACKS_PERMISSION");
    let message = refused.message();
    assert!(
        message.contains("organizations:DescribeOrganization"),
        "{message}"
    );
}
