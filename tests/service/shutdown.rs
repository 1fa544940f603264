//! An end in order in the middle of work, and a start that goes on where it was.

use std::time::Duration;

use tokio::time::Instant;
use tonic::Code;
use usher::grpc::pb::{
    AssignRequest, AuditReportRequest, GrantState, ReportFormat, ReportView, Standing,
};
use usher::simulator::{Fault, FaultAction};

use super::common::{TestService, in_time, revoke_of};

/// Nobody keeps a connection open without need: the end comes well before `drain_seconds_max`.
const END_WITHIN: Duration = Duration::from_millis(2500);

#[tokio::test(flavor = "multi_thread")]
async fn work_that_a_shutdown_interrupts_goes_on_after_the_start() {
    let mut service = TestService::start().await;
    let actions = [
        FaultAction::DelayBeforeEffect { milliseconds: 400 },
        FaultAction::DelayAfterEffect { milliseconds: 400 },
        FaultAction::DropAfterEffect,
        FaultAction::Conflict,
    ];
    for (round, action) in actions.into_iter().enumerate() {
        for operation in [
            "DescribeApplicationAssignment",
            "CreateApplicationAssignment",
        ] {
            let triple = service.user_on("bilal.khan", "Amazon Redshift");
            let calls = service.calls(operation).len();
            service
                .simulator
                .add_fault(Fault::new(operation, action.clone()).times(1));
            let request = AssignRequest {
                request_id: format!("{operation}-{round}"),
                ..triple.assign()
            };
            let (mut client, sent) = (service.access(), request.clone());
            let call = tokio::spawn(async move { client.assign(in_time(sent)).await });
            service.until_called(operation, calls + 1).await;
            let began = Instant::now();
            service.stop().await;
            let took = began.elapsed();
            assert!(took < END_WITHIN, "{action:?} at {operation}: {took:?}");
            let told = call.await.expect("no panic");
            service.begin().await;
            let grant = service.assign(request).await;
            let told = told.expect("what is recorded is answered, shutdown or not");
            let told = told.into_inner().grant.expect("a grant");
            assert_eq!(told.id, grant.id, "one request, one grant");
            assert_eq!(grant.state(), GrantState::Active, "{grant:#?}");
            assert_eq!(grant.standing(), Standing::No);
            assert!(service.is_assigned(&triple));
            service.revoke(revoke_of(&grant.id)).await;
            assert!(!service.is_assigned(&triple));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_a_shutdown_interrupts_is_finished_after_the_start() {
    let mut service = TestService::start().await;
    let triple = service.user_on("bilal.khan", "Amazon Redshift");
    let grant = service.assign(triple.assign()).await;
    let slow = FaultAction::DelayBeforeEffect { milliseconds: 700 };
    service
        .simulator
        .add_fault(Fault::new("DeleteApplicationAssignment", slow).times(1));
    let shortly = Duration::from_millis(400);
    service.revoke_within(revoke_of(&grant.id), shortly).await;
    service.stop().await;
    service.begin().await;
    service.until_state(&grant.id, GrantState::Revoked).await;
    assert!(!service.is_assigned(&triple));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_serves_one_at_a_time() {
    let service = TestService::start().await;
    let second = usher::cli::start(service.options()).await;
    let refused = second.err().expect("the directory is in use").to_string();
    assert!(refused.contains("in use by another usher"), "{refused}");
    // The first one is not disturbed.
    let triple = service.user_on("bilal.khan", "Amazon Redshift");
    assert_eq!(
        service.assign(triple.assign()).await.state(),
        GrantState::Active
    );
    let refused = service
        .access()
        .assign(in_time(AssignRequest::default()))
        .await
        .expect_err("an empty request");
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_an_assign_at_the_end_gets_its_outcome() {
    let mut service = TestService::start().await;
    let triple = service.user_on("bilal.khan", "Amazon Redshift");
    let slow = FaultAction::DelayBeforeEffect { milliseconds: 600 };
    service
        .simulator
        .add_fault(Fault::new("CreateApplicationAssignment", slow).times(1));
    let (mut client, request) = (service.access(), triple.assign());
    let call = tokio::spawn(async move { client.assign(in_time(request)).await });
    service.until_called("CreateApplicationAssignment", 1).await;
    service.stop().await;
    let answer = call.await.expect("no panic").expect("an outcome");
    let grant = answer.into_inner().grant.expect("a grant");
    assert_eq!(grant.state(), GrantState::Active, "{grant:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_stream_does_not_hold_the_end_up() {
    let mut service = TestService::start().await;
    let slow = FaultAction::DelayBeforeEffect {
        milliseconds: 20_000,
    };
    service
        .simulator
        .add_fault(Fault::new("ListApplications", slow).times(1));
    let request = AuditReportRequest {
        view: ReportView::Access.into(),
        format: ReportFormat::Csv.into(),
        ..AuditReportRequest::default()
    };
    let mut client = service.access();
    let mut report = (client.audit_report(request).await)
        .expect("a report")
        .into_inner();
    drop(client);
    service.until_called("ListApplications", 1).await;
    let began = Instant::now();
    service.stop().await;
    // The drain of the tests is 3 s.
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    let ended = loop {
        match report.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a report without its summary ended well"),
            Err(status) => break status,
        }
    };
    assert_eq!(ended.code(), Code::Unavailable);
    assert!(ended.message().contains("shutting down"), "{ended}");
}
