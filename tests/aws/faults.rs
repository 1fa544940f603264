//! Every way to fail has its kind; reads are tried again where waiting helps; writes never are.

use std::time::{Duration, Instant};

use usher::domain::{ErrorKind, Failure};
use usher::identity_center::{IdentityCenter, SdkIdentityCenter};
use usher::simulator::{Fault, FaultAction};

use crate::support::{
    Bench, bench, call, call_for, calls_of, group, is_assigned, operations, port, user, wanted,
};

fn error(code: &str, status: u16) -> FaultAction {
    FaultAction::Error {
        code: code.to_owned(),
        message: "said by AWS".to_owned(),
        http_status: Some(status),
        members: serde_json::Map::new(),
        after_effect: false,
    }
}

async fn list_users(bench: &Bench, port: &SdkIdentityCenter) -> Result<usize, Failure> {
    let page = port.users(&bench.instance, None, 100, call()).await?;
    Ok(page.items.len())
}

#[tokio::test]
async fn every_error_of_aws_has_its_kind_and_none_of_its_text() {
    let bench = bench().await;
    let port = port(&bench.simulator, |config| config.read_attempts_max = 1);
    for (action, kind) in [
        (FaultAction::Throttle, ErrorKind::Throttled),
        (error("TooManyRequestsException", 429), ErrorKind::Throttled),
        (error("ServiceUnavailable", 503), ErrorKind::Unavailable),
        (error("SomethingNew", 502), ErrorKind::Unavailable),
        (
            error("InternalServerException", 500),
            ErrorKind::Unavailable,
        ),
        (FaultAction::Conflict, ErrorKind::Conflict),
        (FaultAction::AccessDenied, ErrorKind::AccessDenied),
        (error("AccessDenied", 403), ErrorKind::AccessDenied),
        (
            FaultAction::ExpiredCredentials,
            ErrorKind::CredentialsInvalid,
        ),
        (
            error("UnrecognizedClientException", 400),
            ErrorKind::CredentialsInvalid,
        ),
        (
            error("InvalidSignatureException", 400),
            ErrorKind::CredentialsInvalid,
        ),
        (error("ResourceNotFoundException", 400), ErrorKind::NotFound),
        (error("ValidationException", 400), ErrorKind::Validation),
        (
            error("ServiceQuotaExceededException", 400),
            ErrorKind::QuotaExceeded,
        ),
        (
            error("UnknownOperationException", 400),
            ErrorKind::Unexpected,
        ),
        (
            FaultAction::TruncateReply { bytes: 9 },
            ErrorKind::Unexpected,
        ),
        (FaultAction::DropBeforeEffect, ErrorKind::ConnectionLost),
    ] {
        bench.simulator.clear_faults();
        bench
            .simulator
            .add_fault(Fault::new("ListUsers", action.clone()));
        let failure = list_users(&bench, &port).await.unwrap_err();
        assert_eq!(failure.kind, kind, "{action:?}");
        assert_eq!(failure.operation, "ListUsers");
        let answered = kind != ErrorKind::ConnectionLost;
        assert_eq!(!failure.aws_request_id.is_empty(), answered, "{action:?}");
        assert!(!format!("{failure:?}").contains("said by AWS"));
        let denied = kind == ErrorKind::AccessDenied;
        assert_eq!(
            failure.missing_iam_action == "identitystore:ListUsers",
            denied
        );
    }
}

#[tokio::test]
async fn reads_wait_and_try_again_where_that_helps() {
    let bench = bench().await;
    for action in [
        FaultAction::Throttle,
        FaultAction::InternalError {
            after_effect: false,
        },
        FaultAction::DropBeforeEffect,
        FaultAction::DropAfterEffect,
    ] {
        bench.simulator.clear_calls();
        bench.simulator.clear_faults();
        let kind = action.kind();
        bench
            .simulator
            .add_fault(Fault::new("ListInstances", action).times(2));
        let listed = bench.port.instances(call()).await;
        assert_eq!(listed.map(|rows| rows.len()), Ok(1), "{kind}");
        assert_eq!(calls_of(&bench.simulator, "ListInstances"), 3, "{kind}");
    }
    for action in [FaultAction::Conflict, FaultAction::AccessDenied] {
        bench.simulator.clear_calls();
        bench.simulator.clear_faults();
        bench.simulator.add_fault(Fault::new("ListUsers", action));
        list_users(&bench, &bench.port).await.unwrap_err();
        assert_eq!(calls_of(&bench.simulator, "ListUsers"), 1);
    }
}

#[tokio::test]
async fn reads_stop_trying_at_their_limits() {
    let bench = bench().await;
    bench
        .simulator
        .add_fault(Fault::new("*", error("InternalServerException", 500)));
    let failure = list_users(&bench, &bench.port).await.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Unavailable);
    assert_eq!(calls_of(&bench.simulator, "ListUsers"), 4);

    // No room for a second attempt before the deadline: the true failure, at once.
    bench.simulator.clear_calls();
    let patient = port(&bench.simulator, |config| {
        config.backoff_min_milliseconds = 50_000;
        config.backoff_max_milliseconds = 60_000;
    });
    let begun = Instant::now();
    let call = call_for(Duration::from_secs(20));
    let failure = patient
        .users(&bench.instance, None, 100, call)
        .await
        .unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Unavailable);
    assert_eq!(calls_of(&bench.simulator, "ListUsers"), 1);
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_write_is_sent_once_and_says_whether_its_outcome_is_known() {
    let bench = bench().await;
    let assignment = wanted(&bench.simulator);
    let port = port(&bench.simulator, |config| {
        config.attempt_timeout_seconds = 1;
        config.connect_timeout_seconds = 1;
    });
    let internal = |after_effect| FaultAction::InternalError { after_effect };
    let milliseconds = 3000;
    for (action, kind, happened) in [
        (FaultAction::Throttle, ErrorKind::Throttled, false),
        (FaultAction::Conflict, ErrorKind::Conflict, false),
        (FaultAction::AccessDenied, ErrorKind::AccessDenied, false),
        (internal(false), ErrorKind::Unavailable, false),
        (internal(true), ErrorKind::Unavailable, true),
        (
            FaultAction::DropBeforeEffect,
            ErrorKind::ConnectionLost,
            false,
        ),
        (
            FaultAction::DropAfterEffect,
            ErrorKind::ConnectionLost,
            true,
        ),
        (
            FaultAction::DelayAfterEffect { milliseconds },
            ErrorKind::Timeout,
            true,
        ),
        (
            FaultAction::TruncateReply { bytes: 1 },
            ErrorKind::Unexpected,
            true,
        ),
    ] {
        bench.simulator.clear_faults();
        bench.simulator.clear_calls();
        bench.simulator.edit_world(|world| {
            world.assignments.clear();
        });
        let operation = "CreateApplicationAssignment";
        bench
            .simulator
            .add_fault(Fault::new(operation, action.clone()));
        let result = port.create_assignment(&assignment, call()).await;
        if action.kind() == "truncate_reply" {
            // An empty body cannot be cut: nothing is wrong with it.
            result.unwrap();
        } else {
            let failure = result.unwrap_err();
            assert_eq!(failure.kind, kind, "{action:?}");
            assert!(!happened || failure.kind.outcome_is_unknown());
            assert!(!(happened && failure.kind.did_nothing()));
        }
        assert_eq!(operations(&bench.simulator), [operation], "{action:?}");
        assert_eq!(
            is_assigned(&bench.simulator, &assignment),
            happened,
            "{action:?}"
        );
    }
}

#[tokio::test]
async fn a_slow_read_is_cut_at_the_attempt_and_tried_again() {
    let bench = bench().await;
    let port = port(&bench.simulator, |config| {
        config.attempt_timeout_seconds = 1;
        config.connect_timeout_seconds = 1;
    });
    let delay = FaultAction::DelayAfterEffect { milliseconds: 9000 };
    bench
        .simulator
        .add_fault(Fault::new("ListUsers", delay.clone()).times(1));
    assert_eq!(list_users(&bench, &port).await, Ok(6));
    assert_eq!(calls_of(&bench.simulator, "ListUsers"), 2);
    bench.simulator.add_fault(Fault::new("ListGroups", delay));
    let begun = Instant::now();
    let short = call_for(Duration::from_millis(500));
    let failure = port
        .groups(&bench.instance, None, 100, short)
        .await
        .unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Timeout);
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_not_reached_and_nothing_happened() {
    let bench = bench().await;
    let assignment = wanted(&bench.simulator);
    let anna = user(&bench.simulator, "anna.berg").id;
    let port = port(&bench.simulator, |_| ());
    bench.simulator.stop().await;
    let read = port.user(&bench.instance, &anna, call()).await.unwrap_err();
    let write = port
        .create_assignment(&assignment, call())
        .await
        .unwrap_err();
    for failure in [read, write] {
        assert_eq!(failure.kind, ErrorKind::NotReached);
        assert!(failure.kind.did_nothing());
    }
}

#[tokio::test]
async fn a_missing_identity_store_is_not_a_deleted_user() {
    let bench = bench().await;
    let mut elsewhere = bench.instance.clone();
    elsewhere.identity_store_id = usher::domain::IdentityStoreId::parse("d-0123456789").unwrap();
    let engineering = group(&bench.simulator, "engineering").id;
    let found = bench.port.group(&elsewhere, &engineering, call()).await;
    assert!(found.is_err(), "{found:?}");
}
