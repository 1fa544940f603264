//! Roles in other accounts: assumed once, renewed in time, and told apart from everything else when
//! they cannot be assumed.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use usher::budget::Budget;
use usher::domain::{AccountId, ApplicationArn, DirectAssignment, ErrorKind, Target};
use usher::domain::{PrincipalId, PrincipalKind, PrincipalRef};
use usher::identity_center::{AssumedRole, IdentityCenter, RegionAndRole};
use usher::simulator::{Fault, FaultAction, Settings};

use crate::company::{Company, EXTERNAL_ID};
use crate::support::{call, call_for, calls_of, operations, plenty};

#[tokio::test]
async fn a_role_is_assumed_once_for_all_calls_and_regions_of_a_port() {
    let company = Company::new().await;
    let inside = company.inside(company.role(4));
    let both = join_all((0..10).map(|_| inside.caller_identity(call()))).await;
    for identity in both {
        let account = identity.unwrap().account_id;
        assert_eq!(account, AccountId::parse(company.account(4)).unwrap());
    }
    let elsewhere = inside.for_instance(
        RegionAndRole {
            region: Some("eu-west-1".to_owned()),
            role: None,
        },
        Budget::new(plenty()).unwrap(),
    );
    let identity = elsewhere.caller_identity(call()).await.unwrap();
    assert!(identity.arn.ends_with("/usher"), "{}", identity.arn);
    assert_eq!(elsewhere.region(), "eu-west-1");
    assert_eq!(calls_of(&company.simulator, "AssumeRole"), 1);
    let calls = company.simulator.calls();
    assert_eq!(calls.last().unwrap().region.as_deref(), Some("eu-west-1"));
    // Assuming is an operation of the port whose credentials it takes.
    let assumed = |port: &dyn IdentityCenter| {
        let sent = port.operations_sent().into_iter();
        sent.filter(|(operation, _)| operation.name() == "AssumeRole")
            .map(|(_, count)| count)
            .sum::<u64>()
    };
    assert_eq!((assumed(&*company.home), assumed(&inside)), (1, 0));
}

#[tokio::test]
async fn a_session_is_renewed_before_it_ends() {
    let settings = Settings {
        session_seconds: Some(4),
        ..Settings::unlimited()
    };
    let company = Company::with(settings, |config| config.role_renewal_seconds = 2).await;
    let inside = company.inside(company.role(4));
    let begun = Instant::now();
    while calls_of(&company.simulator, "AssumeRole") < 3 {
        assert!(begun.elapsed() < Duration::from_secs(60));
        inside.caller_identity(call()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let calls = company.simulator.calls();
    assert!(calls.iter().all(|call| call.error_code.is_none()));
    let times: Vec<f64> = (calls.iter())
        .filter(|call| call.operation == "AssumeRole")
        .map(|call| call.time_seconds)
        .collect();
    // Renewed one to two seconds before the end, which AWS tells in whole seconds; and not for each
    // call.
    for pair in times.windows(2) {
        let used = pair[1] - pair[0];
        assert!((0.5..4.0).contains(&used), "{used}");
    }
}

#[tokio::test]
async fn a_role_that_cannot_be_assumed_is_named_and_nothing_else_is_sent() {
    let company = Company::new().await;
    company.remove_role(4);
    let arn = company.role_arn(5);
    let stranger = AssumedRole::new(&arn, Some("another")).unwrap();
    assert_ne!(EXTERNAL_ID, "another");
    for role in [company.role(4), stranger] {
        let inside = company.inside(role);
        let failure = inside.caller_identity(call()).await.unwrap_err();
        assert_eq!(failure.kind, ErrorKind::RoleNotAssumed);
        assert_eq!(failure.operation, "AssumeRole");
        assert_eq!(failure.missing_iam_action, "sts:AssumeRole");
        assert!(!failure.aws_request_id.is_empty());
        let failure = inside.instances(call()).await.unwrap_err();
        assert_eq!(failure.kind, ErrorKind::RoleNotAssumed);
        let instance = &company.world.applications[0].application_arn;
        let assignment = DirectAssignment {
            target: Target::Application(ApplicationArn::parse(instance).unwrap()),
            principal: PrincipalRef {
                kind: PrincipalKind::User,
                id: PrincipalId::parse(&company.world.users[0].user_id).unwrap(),
            },
        };
        let failure = inside.create_assignment(&assignment, call()).await;
        let failure = failure.unwrap_err();
        assert_eq!(failure.kind, ErrorKind::RoleNotAssumed);
        assert!(failure.kind.did_nothing());
    }
    let sent = operations(&company.simulator);
    assert_eq!(sent, ["AssumeRole"; 6]);
    // Home goes on.
    assert!(company.home.caller_identity(call()).await.is_ok());
}

#[tokio::test]
async fn assuming_is_retried_like_a_read_and_what_fails_for_good_is_the_roles() {
    let company = Company::new().await;
    let simulator = &company.simulator;
    simulator.add_fault(Fault::new("AssumeRole", FaultAction::Throttle).times(1));
    let inside = company.inside(company.role(4));
    assert!(inside.caller_identity(call()).await.is_ok());
    assert_eq!(calls_of(simulator, "AssumeRole"), 2);

    let broken = FaultAction::InternalError {
        after_effect: false,
    };
    for action in [
        broken,
        FaultAction::DropBeforeEffect,
        FaultAction::OmitReplyMembers {
            members: vec!["Credentials.SessionToken".to_owned()],
        },
    ] {
        simulator.add_fault(Fault::new("AssumeRole", action.clone()));
        let inside = company.inside(company.role(5));
        let failure = inside.caller_identity(call()).await.unwrap_err();
        assert_eq!(failure.kind, ErrorKind::RoleNotAssumed, "{action:?}");
        assert_eq!(failure.missing_iam_action, "");
        simulator.clear_faults();
        // The next call tries anew.
        assert!(inside.caller_identity(call()).await.is_ok());
    }
    // Usher's own credentials being bad is not the role's fault.
    simulator.add_fault(Fault::new("AssumeRole", FaultAction::ExpiredCredentials));
    let inside = company.inside(company.role(6));
    let failure = inside.caller_identity(call()).await.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::CredentialsInvalid);
    assert_eq!(failure.operation, "AssumeRole");
}

#[tokio::test]
async fn a_role_that_is_slow_to_assume_ends_with_the_callers_deadline() {
    let company = Company::new().await;
    // The first connection of a process takes its time, which is not what this is about.
    company.home.caller_identity(call()).await.unwrap();
    let milliseconds = 60_000;
    let delay = FaultAction::DelayBeforeEffect { milliseconds };
    let fault = Fault::new("AssumeRole", delay);
    company.simulator.add_fault(fault.times(1));
    let inside = company.inside(company.role(4));
    let begun = Instant::now();
    let short = call_for(Duration::from_secs(2));
    let failure = inside.caller_identity(short).await.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::RoleNotAssumed);
    assert!(begun.elapsed() < Duration::from_secs(9));
    // Who has more time does not wait for what was given up.
    assert!(inside.caller_identity(call()).await.is_ok());
    assert!(begun.elapsed() < Duration::from_secs(30));
}
