//! Access to accounts through the calls: what is checked before anything is recorded, what is
//! listed, what is told beforehand.

use serde_json::Map;
use tonic::{Code, Status};
use usher::grpc::pb::{
    AccountReach, AccountStatus, AssignRequest, AssignmentReference, InstanceKind,
    ListAccountsRequest, ListAssignmentsRequest, ListAssignmentsResponse, ListInstancesRequest,
    ListPermissionSetsRequest, RevokeRequest, Target, TargetKind, WarningType, revoke_request,
};
use usher::simulator::{AccessKey, Fault, FaultAction, World};

use super::common::{Begin, TestService, account_access as access, group, in_time, reason, user};

const MANAGEMENT: &str = "111122223333";
const PRODUCTION: &str = "222233334444";

fn preview(name: &str, target: Target) -> AssignRequest {
    AssignRequest {
        principal: Some(user(name)),
        target: Some(target),
        validate_only: true,
        ..AssignRequest::default()
    }
}

fn removal(name: &str, target: Target) -> RevokeRequest {
    RevokeRequest {
        revocation: Some(revoke_request::Revocation::Assignment(
            AssignmentReference {
                principal: Some(user(name)),
                target: Some(target),
            },
        )),
        validate_only: true,
        ..RevokeRequest::default()
    }
}

async fn list(
    service: &TestService,
    request: ListAssignmentsRequest,
) -> Result<ListAssignmentsResponse, Status> {
    let listed = service.access().list_assignments(in_time(request)).await;
    listed.map(tonic::Response::into_inner)
}

/// A service whose credentials are of the delegated administrator.
async fn delegated() -> TestService {
    let mut world = World::demo();
    let organization = world.organization.as_mut().expect("an organization");
    organization.delegated_administrators = vec![PRODUCTION.to_owned()];
    world.callers.push(AccessKey {
        access_key_id: "simulated".to_owned(),
        account_id: PRODUCTION.to_owned(),
        arn: format!("arn:aws:iam::{PRODUCTION}:user/usher"),
        user_id: "AIDAEXAMPLEEXAMPLE".to_owned(),
    });
    TestService::start_with(Begin {
        world,
        ..Begin::default()
    })
    .await
}

fn set_arn(service: &TestService, name: &str) -> String {
    let world = service.simulator.world();
    let found = world.permission_set_named(name).expect("the set");
    found.permission_set_arn.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_and_a_set_mean_the_same_by_id_arn_or_name() {
    let service = TestService::start().await;
    let set = set_arn(&service, "DeveloperAccess");
    let set_id = set.rsplit('/').next().expect("an id").to_owned();
    let account_arn =
        format!("arn:aws:organizations::{MANAGEMENT}:account/o-1234567890/{PRODUCTION}");
    for account in [PRODUCTION, "production", &account_arn] {
        for set in ["DeveloperAccess", set_id.as_str(), set.as_str()] {
            let request = preview("bilal.khan", access(account, set));
            let answer = service.try_assign(request).await.expect("a preview");
            let operations: Vec<String> = (answer.preview.expect("a preview").operations)
                .into_iter()
                .map(|each| each.operation)
                .collect();
            let expected = [
                "ListAccountAssignments",
                "CreateAccountAssignment",
                "ListAccountAssignmentCreationStatus",
                "DescribeAccountAssignmentCreationStatus",
            ];
            assert_eq!(operations, expected, "{account} {set}");
            assert!(answer.warnings.is_empty(), "{:?}", answer.warnings);
        }
    }
    assert_eq!(service.effects("CreateAccountAssignment"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn warnings_tell_of_access_that_is_there_already() {
    let service = TestService::start().await;
    let cases = [
        (
            "anna.berg",
            access(MANAGEMENT, "AdministratorAccess"),
            WarningType::AlreadyAssigned,
        ),
        (
            "anna.berg",
            access("sandbox", "DeveloperAccess"),
            WarningType::AccessViaGroup,
        ),
    ];
    for (name, target, expected) in cases {
        let answer = service.try_assign(preview(name, target)).await;
        let told: Vec<WarningType> = (answer.expect("a preview").warnings.iter())
            .map(|warning| warning.r#type())
            .collect();
        assert_eq!(told, [expected], "{name}");
    }
    let request = AssignRequest {
        principal: Some(group("contractors")),
        ..preview("", access("sandbox", "ReadOnlyAccess"))
    };
    let answer = service.try_assign(request).await.expect("a preview");
    assert_eq!(answer.warnings[0].r#type(), WarningType::GroupEmpty);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_checked_before_anything_is_recorded() {
    let service = TestService::start().await;
    let real = |target: Target| AssignRequest {
        validate_only: false,
        ..preview("bilal.khan", target)
    };
    for (target, expected) in [
        (
            access("former-project", "ReadOnlyAccess"),
            "ACCOUNT_INACTIVE",
        ),
        (
            access("999999999999", "ReadOnlyAccess"),
            "ACCOUNT_NOT_FOUND",
        ),
        (access("nowhere", "ReadOnlyAccess"), "ACCOUNT_NOT_FOUND"),
        (access(PRODUCTION, "Nothing"), "PERMISSION_SET_NOT_FOUND"),
    ] {
        let refused = service.try_assign(real(target)).await.expect_err(expected);
        assert_eq!(reason(&refused), expected);
    }
    // Without the list nobody can say whether the account exists, and AWS may fail in silence.
    service
        .simulator
        .add_fault(Fault::new("ListAccounts", FaultAction::AccessDenied));
    let mut service = service;
    service.restart().await;
    let target = access(PRODUCTION, "ReadOnlyAccess");
    let refused = service.try_assign(real(target.clone())).await;
    let refused = refused.expect_err("the account cannot be checked");
    assert_eq!(reason(&refused), "USHER_ROLE_LACKS_PERMISSION");
    assert!(refused.message().contains("organizations:ListAccounts"));
    // Reading and taking away need no more than the id.
    let request = ListAssignmentsRequest {
        target: Some(target.clone()),
        ..ListAssignmentsRequest::default()
    };
    let listed = list(&service, request).await.expect("a list");
    assert_eq!(listed.assignments.len(), 1);
    let refused = service.try_revoke(removal("bilal.khan", target)).await;
    assert_eq!(
        reason(&refused.expect_err("nothing to remove")),
        "ASSIGNMENT_NOT_FOUND"
    );
    assert_eq!(service.effects("CreateAccountAssignment"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn assignments_of_both_kinds_are_listed() {
    let service = TestService::start().await;
    let of_anna = |kind: TargetKind| ListAssignmentsRequest {
        principal: Some(user("anna.berg")),
        include_group_paths: true,
        target_kind: kind.into(),
        ..ListAssignmentsRequest::default()
    };
    let all = list(&service, of_anna(TargetKind::Unspecified)).await;
    let all = all.expect("a list").assignments;
    let accounts = list(&service, of_anna(TargetKind::Account)).await;
    let accounts = accounts.expect("a list").assignments;
    let applications = list(&service, of_anna(TargetKind::Application)).await;
    let applications = applications.expect("a list").assignments;
    assert_eq!(all.len(), accounts.len() + applications.len());
    let told: Vec<(String, i32)> = accounts
        .iter()
        .map(|row| {
            let target = row.target.clone().expect("a target");
            assert_eq!(target.kind(), TargetKind::Account);
            (target.account_id, row.path)
        })
        .collect();
    // Herself in the management account, through engineering in the sandbox.
    assert_eq!(
        told,
        [(MANAGEMENT.to_owned(), 1), ("333344445555".to_owned(), 2)]
    );
    let request = ListAssignmentsRequest {
        target: Some(access("production", "ReadOnlyAccess")),
        ..ListAssignmentsRequest::default()
    };
    let rows = list(&service, request).await.expect("a list").assignments;
    let target = rows[0].target.clone().expect("a target");
    assert_eq!(target.account_name, "production");
    assert_eq!(target.permission_set_name, "ReadOnlyAccess");
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_and_permission_sets_are_listed_in_pages() {
    let service = TestService::start().await;
    let mut directory = service.directory();
    let (mut names, mut token) = (Vec::new(), String::new());
    loop {
        let request = ListAccountsRequest {
            page_size: 3,
            page_token: token,
            ..ListAccountsRequest::default()
        };
        let page = directory.list_accounts(in_time(request)).await;
        let page = page.expect("a page").into_inner();
        names.extend(
            page.accounts
                .iter()
                .map(|each| (each.name.clone(), each.status())),
        );
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let active = |name: &str| (name.to_owned(), AccountStatus::Active);
    let expected = [
        active("management"),
        active("production"),
        active("sandbox"),
        ("former-project".to_owned(), AccountStatus::Inactive),
    ];
    assert_eq!(names, expected);
    let request = ListPermissionSetsRequest {
        page_size: 2,
        ..ListPermissionSetsRequest::default()
    };
    let page = directory.list_permission_sets(in_time(request)).await;
    let page = page.expect("a page").into_inner();
    assert_eq!(page.permission_sets.len(), 2);
    assert!(!page.next_page_token.is_empty());
    let request = ListPermissionSetsRequest {
        name: "ReadOnlyAccess".to_owned(),
        ..ListPermissionSetsRequest::default()
    };
    let one = directory.list_permission_sets(in_time(request)).await;
    let one = one.expect("a page").into_inner().permission_sets;
    assert_eq!((one.len(), one[0].session_duration.as_str()), (1, "PT12H"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delegated_administrator_is_told_what_aws_keeps_from_it() {
    let service = delegated().await;
    let instances = service
        .directory()
        .list_instances(in_time(ListInstancesRequest {}))
        .await;
    let instance = instances.expect("a list").into_inner().instances.remove(0);
    assert_eq!(instance.kind(), InstanceKind::Organization);
    assert_eq!(instance.management_account_id, MANAGEMENT);
    assert_eq!(instance.account_reach(), AccountReach::AllButManagement);
    let out_of_reach = access(MANAGEMENT, "ReadOnlyAccess");
    let refused = service
        .try_assign(preview("bilal.khan", out_of_reach.clone()))
        .await;
    assert_eq!(
        reason(&refused.expect_err("out of reach")),
        "ACCOUNT_OUT_OF_REACH"
    );
    let refused = service
        .try_revoke(removal("bilal.khan", out_of_reach))
        .await;
    assert_eq!(
        reason(&refused.expect_err("out of reach")),
        "ACCOUNT_OUT_OF_REACH"
    );
    let request = ListAssignmentsRequest {
        principal: Some(user("anna.berg")),
        ..ListAssignmentsRequest::default()
    };
    let refused = list(&service, request.clone())
        .await
        .expect_err("not listable");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(reason(&refused), "NOT_LISTABLE_BY_PRINCIPAL");
    let applications = ListAssignmentsRequest {
        target_kind: TargetKind::Application.into(),
        ..request
    };
    list(&service, applications)
        .await
        .expect("applications are answered");
    let preview = preview("bilal.khan", access("sandbox", "ReadOnlyAccess"));
    service
        .try_assign(preview)
        .await
        .expect("another account is in reach");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_of_one_account_gives_no_access_to_accounts() {
    let mut world = World::demo();
    world.organization = None;
    world.accounts = Vec::new();
    world.roles = Vec::new();
    world.permission_sets = Vec::new();
    world.account_assignments = Vec::new();
    let begin = Begin {
        world,
        ..Begin::default()
    };
    let service = TestService::start_with(begin).await;
    let target = access(PRODUCTION, "ReadOnlyAccess");
    let refused = service
        .try_assign(preview("bilal.khan", target.clone()))
        .await;
    assert_eq!(
        reason(&refused.expect_err("no accounts")),
        "ACCOUNT_ACCESS_NOT_OFFERED"
    );
    let refused = service.try_revoke(removal("bilal.khan", target)).await;
    assert_eq!(
        reason(&refused.expect_err("no accounts")),
        "ACCOUNT_ACCESS_NOT_OFFERED"
    );
    // A principal alone is answered whole: there is nothing but applications.
    let request = ListAssignmentsRequest {
        principal: Some(user("anna.berg")),
        ..ListAssignmentsRequest::default()
    };
    list(&service, request).await.expect("a list");
    let listed = service
        .directory()
        .list_accounts(in_time(ListAccountsRequest::default()))
        .await;
    assert!(
        listed
            .expect("no organization")
            .into_inner()
            .accounts
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn revoking_in_an_account_tells_of_groups_and_long_sessions() {
    let service = TestService::start().await;
    let through_group = removal("anna.berg", access("sandbox", "DeveloperAccess"));
    let refused = service
        .try_revoke(through_group)
        .await
        .expect_err("through a group");
    assert_eq!(reason(&refused), "ACCESS_VIA_GROUP");
    let direct = removal("anna.berg", access(MANAGEMENT, "AdministratorAccess"));
    let told = service.try_revoke(direct).await.expect("a preview");
    let until = told
        .sessions_may_last_until
        .expect("sessions are told")
        .seconds;
    let hours = (until - jiff::Timestamp::now().as_second()) / 3600;
    assert!((12..=13).contains(&hours), "{hours} hours");
    assert!(
        told.remaining_paths.is_empty(),
        "{:?}",
        told.remaining_paths
    );
    let first = &told.preview.expect("a preview").operations[0];
    assert_eq!(first.operation, "DeleteAccountAssignment");
    // A set that AWS no longer has is no fault of Usher's.
    let gone = FaultAction::Error {
        code: "ResourceNotFoundException".to_owned(),
        message: "no".to_owned(),
        http_status: None,
        members: Map::new(),
        after_effect: false,
    };
    service
        .simulator
        .add_fault(Fault::new("ListAccountAssignments", gone));
    let gone = removal("bilal.khan", access(PRODUCTION, "ReadOnlyAccess"));
    let refused = service
        .try_revoke(gone)
        .await
        .expect_err("nothing to remove");
    assert_eq!(reason(&refused), "ASSIGNMENT_NOT_FOUND");
}
