//! An account that the organization does not list any more: what stands in it can be read, and
//! nothing can be given in it.

use tonic::Status;
use usher::grpc::pb::{
    AssignRequest, ListAssignmentsRequest, ListAssignmentsResponse, ListPermissionSetsRequest,
    Target,
};

use super::common::{TestService, account_access as access, in_time, reason, user};

const LEFT: &str = "222233334444";

async fn list(service: &TestService, target: Target) -> Result<ListAssignmentsResponse, Status> {
    let request = ListAssignmentsRequest {
        target: Some(target),
        ..ListAssignmentsRequest::default()
    };
    let listed = service.access().list_assignments(in_time(request)).await;
    listed.map(tonic::Response::into_inner)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_an_account_that_left_is_read_by_its_id() {
    let service = TestService::start().await;
    service.simulator.edit_world(|world| {
        world.accounts.retain(|account| account.account_id != LEFT);
    });
    let listed = list(&service, access(LEFT, "ReadOnlyAccess")).await;
    let rows = listed.expect("a list").assignments;
    assert_eq!(rows.len(), 1);
    let target = rows[0].target.clone().expect("a target");
    assert_eq!(target.account_id, LEFT);
    assert_eq!(target.permission_set_name, "ReadOnlyAccess");
    for (target, expected) in [
        (access("production", "ReadOnlyAccess"), "ACCOUNT_NOT_FOUND"),
        // Neither listed nor assigned: a typing mistake is told as one.
        (
            access("999999999999", "ReadOnlyAccess"),
            "ACCOUNT_NOT_FOUND",
        ),
        (access(LEFT, "Nothing"), "PERMISSION_SET_NOT_FOUND"),
    ] {
        let refused = list(&service, target).await.expect_err(expected);
        assert_eq!(reason(&refused), expected);
    }
    let request = AssignRequest {
        principal: Some(user("bilal.khan")),
        target: Some(access(LEFT, "ReadOnlyAccess")),
        validate_only: true,
        ..AssignRequest::default()
    };
    let refused = service.try_assign(request).await.expect_err("it left");
    assert_eq!(reason(&refused), "ACCOUNT_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_set_named_like_an_id_is_listed_by_its_name() {
    let service = TestService::start().await;
    let name = "ps-0123456789abcdef";
    service.simulator.edit_world(|world| {
        world.permission_sets[0].name = name.to_owned();
    });
    let request = ListPermissionSetsRequest {
        name: name.to_owned(),
        ..ListPermissionSetsRequest::default()
    };
    let mut directory = service.directory();
    let listed = directory.list_permission_sets(in_time(request)).await;
    let sets = listed.expect("a page").into_inner().permission_sets;
    assert_eq!(sets.len(), 1);
    assert_eq!(sets[0].name, name);
}
