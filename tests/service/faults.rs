//! Everything that can go wrong with an operation, at every operation, against a whole grant: it
//! ends where it should, is never shown as made while it is not, and leaves nothing behind.

use usher::grpc::pb::{GrantState, Standing};
use usher::simulator::{CallEffect, EnabledStatus, Fault, FaultAction, PrincipalType, User, World};

use super::common::{AFTER_SETTLING, Begin, TestService, Triple, revoke_of, until};

/// Calls of one operation that are hit.
const HITS: u64 = 3;

fn actions() -> Vec<FaultAction> {
    vec![
        FaultAction::Throttle,
        FaultAction::InternalError {
            after_effect: false,
        },
        FaultAction::InternalError { after_effect: true },
        FaultAction::Conflict,
        FaultAction::ExpiredCredentials,
        FaultAction::AccessDenied,
        FaultAction::DropBeforeEffect,
        FaultAction::DropAfterEffect,
        FaultAction::EffectLater { milliseconds: 300 },
        FaultAction::EffectLater { milliseconds: 1400 },
        // Longer than an attempt may take.
        FaultAction::DelayBeforeEffect { milliseconds: 1300 },
        FaultAction::DelayAfterEffect { milliseconds: 1300 },
        FaultAction::LateVisibility { milliseconds: 1200 },
        FaultAction::TruncateReply { bytes: 5 },
    ]
}

const OPERATIONS: [&str; 3] = [
    "DescribeApplicationAssignment",
    "CreateApplicationAssignment",
    "DeleteApplicationAssignment",
];

/// One fault at one operation, with a user and an application of its own.
struct Case {
    operation: &'static str,
    action: FaultAction,
    triple: Triple,
}

/// The demo world with a user and an application for each case.
fn world_of_cases() -> (World, Vec<Case>) {
    let mut world = World::demo();
    let mut cases = Vec::new();
    let template = world.applications[0].clone();
    for operation in OPERATIONS {
        for action in actions() {
            let number = cases.len() + 1;
            let application_arn = format!(
                "arn:aws:sso::111122223333:application/ssoins-72230123456789ab/apl-{number:016x}"
            );
            let principal_id = format!("d4e8f4a8-0000-4000-9000-{number:012}");
            world.applications.push(usher::simulator::Application {
                application_arn: application_arn.clone(),
                name: format!("Case {number}"),
                ..template.clone()
            });
            world.users.push(User {
                identity_store_id: world.instances[0].identity_store_id.clone(),
                user_id: principal_id.clone(),
                user_name: format!("case.{number}"),
                user_status: Some(EnabledStatus::Enabled),
                ..User::default()
            });
            cases.push(Case {
                operation,
                action,
                triple: Triple {
                    kind: PrincipalType::User,
                    principal_id,
                    application_arn,
                },
            });
        }
    }
    (world, cases)
}

/// Whether an unknown outcome of the fault may be carried out after it was answered.
fn may_land_late(case: &Case) -> bool {
    matches!(
        case.action,
        FaultAction::EffectLater { .. } | FaultAction::DelayBeforeEffect { .. }
    )
}

/// Gives access, watches that success is true, and takes it back, all under one fault.
async fn live_through(service: &TestService, case: &Case) {
    let told = format!("{:?} at {}", case.action, case.operation);
    let fault = Fault::new(case.operation, case.action.clone())
        .times(HITS)
        .only_if("PrincipalId", case.triple.principal_id.clone());
    service.simulator.add_fault(fault);
    let grant = service.assign(case.triple.assign()).await;
    until(&format!("ACTIVE with {told}"), || async {
        let now = service.grant(&grant.id).await;
        match now.state() {
            GrantState::Active => {
                assert!(
                    service.is_assigned(&case.triple),
                    "{told}: shown and absent"
                );
                assert_eq!(now.standing(), Standing::No, "{told}: {now:#?}");
                Ok(())
            }
            GrantState::Provisioning => Err(format!("{now:#?}")),
            _ => panic!("{told}: {now:#?}"),
        }
    })
    .await;
    service.revoke(revoke_of(&grant.id)).await;
    until(&format!("REVOKED with {told}"), || async {
        let now = service.grant(&grant.id).await;
        match now.state() {
            GrantState::Revoked => Ok(()),
            GrantState::Revoking => Err(format!("{now:#?}")),
            _ => panic!("{told}: {now:#?}"),
        }
    })
    .await;
    if !may_land_late(case) {
        assert!(!service.is_assigned(&case.triple), "{told}: left behind");
    }
}

fn effects(service: &TestService, operation: &str, triple: &Triple) -> usize {
    let calls = service.calls(operation);
    let own = calls.iter().filter(|call| {
        call.effect == CallEffect::Applied
            && call.input.get("PrincipalId").and_then(|id| id.as_str())
                == Some(&triple.principal_id)
    });
    own.count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_fault_at_any_operation_breaks_a_grant() {
    let (world, cases) = world_of_cases();
    let service = TestService::start_with(Begin {
        world,
        ..Begin::default()
    })
    .await;
    futures_util::future::join_all(cases.iter().map(|case| live_through(&service, case))).await;
    // Late effects have landed when nothing is later any more; then Usher's second look is due.
    until("late effects to land", || async {
        let calls = service.simulator.calls();
        let late = calls
            .iter()
            .filter(|call| call.effect == CallEffect::Later && call.error_code.is_none());
        match late.count() {
            0 => Ok(()),
            count => Err(format!("{count} have not landed")),
        }
    })
    .await;
    service.clock.advance(AFTER_SETTLING);
    for case in &cases {
        service.until_assigned(&case.triple, false).await;
    }
    // Once more, for what a late effect's own undoing may have left.
    service.clock.advance(AFTER_SETTLING);
    for case in &cases {
        let told = format!("{:?} at {}", case.action, case.operation);
        let made = effects(&service, "CreateApplicationAssignment", &case.triple);
        let removed = effects(&service, "DeleteApplicationAssignment", &case.triple);
        assert_eq!(made, removed, "{told}");
        if !may_land_late(case) {
            assert_eq!(made, 1, "{told}: doubled");
        }
        let next = service.assign(case.triple.assign()).await;
        assert_eq!(next.state(), GrantState::Active, "{told}");
        assert_eq!(next.standing(), Standing::No, "{told}");
    }
}
