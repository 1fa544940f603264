//! The account side when AWS throttles, denies, or answers less than it must.

use usher::domain::plan::Write;
use usher::domain::{AssignmentRequestId, DirectAssignment, ErrorKind, Failure, Operation, Target};
use usher::identity_center::IdentityCenter;
use usher::simulator::{Fault, FaultAction, World};

use crate::accounts::{MANAGEMENT, access, endless, wanted};
use crate::support::{Bench, bench, bench_with, call, calls_of, user};

/// Every read of the account side, by the name of its operation; how it ended.
async fn read(bench: &Bench, operation: Operation) -> Result<(), Failure> {
    let (port, arn) = (&bench.port, &bench.instance.arn);
    let access = access(&bench.simulator, MANAGEMENT, "AdministratorAccess");
    let set = &access.permission_set;
    let anna = user(&bench.simulator, "anna.berg");
    let id = AssignmentRequestId::parse("0a261254-0000-4a5a-9d53-3f2a5f0c1a11").unwrap();
    match operation {
        Operation::ListPermissionSets => port.permission_sets(arn, None, call()).await.map(drop),
        Operation::DescribePermissionSet => port.permission_set(set, call()).await.map(drop),
        Operation::ListAccountsForProvisionedPermissionSet => {
            let page = port.accounts_with_permission_set(set, None, call());
            page.await.map(drop)
        }
        Operation::ListAccountAssignments => {
            let page = port.account_assignments(&access, None, call());
            page.await.map(drop)
        }
        Operation::ListAccountAssignmentsForPrincipal => {
            let page = port.account_assignments_for_principal(arn, &anna, None, call());
            page.await.map(drop)
        }
        Operation::DescribeAccountAssignmentCreationStatus => {
            let request = port.assignment_request(arn, Write::Create, &id, call());
            request.await.map(drop)
        }
        Operation::DescribeAccountAssignmentDeletionStatus => {
            let request = port.assignment_request(arn, Write::Delete, &id, call());
            request.await.map(drop)
        }
        Operation::ListAccountAssignmentCreationStatus => {
            let requests = port.requests_in_progress(arn, Write::Create, call());
            requests.await.map(drop)
        }
        Operation::ListAccountAssignmentDeletionStatus => {
            let requests = port.requests_in_progress(arn, Write::Delete, call());
            requests.await.map(drop)
        }
        other => panic!("{} is no read of the account side", other.name()),
    }
}

const READS: [Operation; 9] = [
    Operation::ListPermissionSets,
    Operation::DescribePermissionSet,
    Operation::ListAccountsForProvisionedPermissionSet,
    Operation::ListAccountAssignments,
    Operation::ListAccountAssignmentsForPrincipal,
    Operation::DescribeAccountAssignmentCreationStatus,
    Operation::DescribeAccountAssignmentDeletionStatus,
    Operation::ListAccountAssignmentCreationStatus,
    Operation::ListAccountAssignmentDeletionStatus,
];

#[tokio::test]
async fn every_read_waits_for_a_throttle_names_a_denial_and_refuses_a_cut_answer() {
    let bench = bench().await;
    for operation in READS {
        let name = operation.name();
        let simulator = &bench.simulator;
        simulator.add_fault(Fault::new(name, FaultAction::Throttle).times(1));
        simulator.clear_calls();
        assert_eq!(read(&bench, operation).await, Ok(()), "{name}");
        assert_eq!(calls_of(simulator, name), 2, "{name}");

        simulator.add_fault(Fault::new(name, FaultAction::AccessDenied).times(1));
        let failure = read(&bench, operation).await.unwrap_err();
        assert_eq!(failure.kind, ErrorKind::AccessDenied, "{name}");
        assert_eq!(failure.missing_iam_action, format!("sso:{name}"));

        // A description of nothing is an error of AWS's, whose cut body says so all the same.
        let describes_nothing = name.starts_with("DescribeAccountAssignment");
        for bytes in [0, 1, 9] {
            let cut = FaultAction::TruncateReply { bytes };
            simulator.add_fault(Fault::new(name, cut).times(1));
            let failure = read(&bench, operation).await;
            if !describes_nothing {
                let kind = failure.unwrap_err().kind;
                assert_eq!(kind, ErrorKind::Unexpected, "{name} {bytes}");
            }
            simulator.clear_faults();
        }
    }
}

#[tokio::test]
async fn answers_without_what_must_be_there_are_refused() {
    let bench = bench().await;
    for (operation, members) in [
        (
            Operation::DescribePermissionSet,
            [
                "PermissionSet",
                "PermissionSet.Name",
                "PermissionSet.PermissionSetArn",
            ]
            .as_slice(),
        ),
        (
            Operation::ListAccountAssignments,
            &[
                "AccountAssignments.AccountId",
                "AccountAssignments.PermissionSetArn",
                "AccountAssignments.PrincipalId",
                "AccountAssignments.PrincipalType",
            ],
        ),
        (
            Operation::ListAccountAssignmentsForPrincipal,
            &[
                "AccountAssignments.AccountId",
                "AccountAssignments.PermissionSetArn",
                "AccountAssignments.PrincipalId",
            ],
        ),
    ] {
        for member in members {
            let omit = FaultAction::OmitReplyMembers {
                members: vec![(*member).to_owned()],
            };
            bench
                .simulator
                .add_fault(Fault::new(operation.name(), omit));
            let failure = read(&bench, operation).await.unwrap_err();
            assert_eq!(failure.kind, ErrorKind::Unexpected, "{member}");
            bench.simulator.clear_faults();
        }
    }
    // Without its list an answer is an empty page (aws-api.md §1).
    let omit = FaultAction::OmitReplyMembers {
        members: vec!["PermissionSets".to_owned()],
    };
    bench
        .simulator
        .add_fault(Fault::new("ListPermissionSets", omit));
    let arn = &bench.instance.arn;
    let page = bench.port.permission_sets(arn, None, call()).await.unwrap();
    assert!(page.items.is_empty());
}

#[tokio::test]
async fn a_write_whose_answer_lacks_its_request_has_an_unknown_outcome() {
    let bench = bench_with(World::demo(), endless()).await;
    let assignment = wanted(&bench.simulator);
    let anna = &assignment.principal;
    let of_anna = DirectAssignment {
        target: Target::AccountAccess(access(&bench.simulator, MANAGEMENT, "AdministratorAccess")),
        principal: anna.clone(),
    };
    for (name, status) in [
        ("CreateAccountAssignment", "AccountAssignmentCreationStatus"),
        ("DeleteAccountAssignment", "AccountAssignmentDeletionStatus"),
    ] {
        for action in [
            FaultAction::OmitReplyMembers {
                members: vec![status.to_owned()],
            },
            FaultAction::OmitReplyMembers {
                members: vec![format!("{status}.RequestId")],
            },
            FaultAction::OmitReplyMembers {
                members: vec![format!("{status}.Status")],
            },
            FaultAction::TruncateReply { bytes: 0 },
            FaultAction::TruncateReply { bytes: 20 },
            FaultAction::DropAfterEffect,
        ] {
            let world = World::demo();
            let bench = bench_with(world, endless()).await;
            bench.simulator.add_fault(Fault::new(name, action.clone()));
            let sent = if name == "CreateAccountAssignment" {
                bench.port.create_assignment(&assignment, call()).await
            } else {
                bench.port.delete_assignment(&of_anna, call()).await
            };
            let failure = sent.unwrap_err();
            assert!(failure.kind.outcome_is_unknown(), "{action:?}");
            assert_eq!(calls_of(&bench.simulator, name), 1);
        }
        for (action, kind) in [
            (FaultAction::Throttle, ErrorKind::Throttled),
            (FaultAction::Conflict, ErrorKind::Conflict),
            (FaultAction::AccessDenied, ErrorKind::AccessDenied),
        ] {
            bench.simulator.add_fault(Fault::new(name, action).times(1));
            let sent = if name == "CreateAccountAssignment" {
                bench.port.create_assignment(&assignment, call()).await
            } else {
                bench.port.delete_assignment(&of_anna, call()).await
            };
            assert_eq!(sent.unwrap_err().kind, kind);
        }
    }
}
