//! Several instances and a request that names none: an ARN in it says which is meant, and nothing is
//! guessed where none does.

use usher::grpc::pb::{AssignRequest, GrantState, ListAssignmentsRequest, ListGrantsRequest};

use super::common::company::{company, everywhere, somebody_new};
use super::common::{TestService, account_access, application, in_time, reason, revoke_of, user};

fn preview(request: AssignRequest) -> AssignRequest {
    AssignRequest {
        validate_only: true,
        ..request
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_arn_says_which_instance_is_meant() {
    let world = company();
    let service = TestService::start_with(everywhere(world.clone())).await;
    assert!(world.instances.len() > 1);
    for instance in &world.instances {
        let triple = somebody_new(&world, instance);
        let grant = service.assign(triple.assign()).await;
        assert_eq!(grant.instance_arn, instance.instance_arn);
        assert_eq!(grant.state(), GrantState::Active, "{grant:#?}");
        let request = ListAssignmentsRequest {
            target: Some(triple.target()),
            ..ListAssignmentsRequest::default()
        };
        let listed = service.access().list_assignments(in_time(request)).await;
        let rows = listed.expect("a list").into_inner().assignments;
        assert!(rows.iter().any(|row| row.grant_ids == [grant.id.clone()]));
        let request = ListGrantsRequest {
            target: Some(triple.target()),
            ..ListGrantsRequest::default()
        };
        let listed = service.grants().list_grants(in_time(request)).await;
        assert_eq!(listed.expect("a list").into_inner().grants.len(), 1);
        let ended = service.revoke(revoke_of(&grant.id)).await;
        assert_eq!(ended.grants[0].state(), GrantState::Revoked);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_arn_nothing_is_guessed() {
    let world = company();
    let service = TestService::start_with(everywhere(world.clone())).await;
    let set = &world.permission_sets[0];
    let owner = world.instances.iter();
    let owner = owner
        .clone()
        .find(|row| row.instance_arn == set.instance_arn);
    let triple = somebody_new(&world, owner.expect("the organization's instance"));
    let account = &world.accounts[1].account_id;
    let on = |target| {
        preview(AssignRequest {
            target: Some(target),
            ..triple.assign()
        })
    };
    let by_arn = on(account_access(account, &set.permission_set_arn));
    service
        .try_assign(by_arn)
        .await
        .expect("the ARN says which");
    let elsewhere = |arn: &str| {
        let (start, rest) = arn.split_once("ssoins-").expect("an instance's id");
        format!("{start}ssoins-{}{}", "0".repeat(16), &rest[16..])
    };
    let other_set = elsewhere(&set.permission_set_arn);
    for (what, request, expected) in [
        (
            "a set's name",
            on(account_access(account, &set.name)),
            "FIELD_INVALID",
        ),
        ("a name", on(application("Wiki")), "FIELD_INVALID"),
        (
            "a set of an instance that is not served",
            on(account_access(account, &other_set)),
            "PERMISSION_SET_NOT_FOUND",
        ),
        (
            "an application of an instance that is not served",
            on(application(&elsewhere(&triple.application_arn))),
            "APPLICATION_NOT_FOUND",
        ),
    ] {
        let refused = service.try_assign(request).await.expect_err(what);
        assert_eq!(reason(&refused), expected, "{what}: {refused:?}");
    }
    let request = ListAssignmentsRequest {
        principal: Some(user(&triple.principal_id)),
        ..ListAssignmentsRequest::default()
    };
    let refused = service.access().list_assignments(in_time(request)).await;
    assert_eq!(reason(&refused.expect_err("no instance")), "FIELD_INVALID");
}
