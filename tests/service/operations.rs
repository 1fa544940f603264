//! What an Assign costs, by the simulated AWS's own log.

use usher::grpc::pb::{AssignRequest, GrantState};

use super::common::{TestService, Triple, application, group, user};

/// Assigns to a directory that knows the principal and the application by id, and counts.
async fn operations_of(
    service: &TestService,
    warm: &Triple,
    request: AssignRequest,
) -> Vec<String> {
    let asked = AssignRequest {
        validate_only: true,
        ..warm.assign()
    };
    service.try_assign(asked).await.expect("a preview");
    service.simulator.clear_calls();
    let grant = service.assign(request).await;
    assert_eq!(grant.state(), GrantState::Active);
    let calls = service.simulator.calls();
    calls.into_iter().map(|call| call.operation).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assign_by_ids_costs_three_operations() {
    let service = TestService::start().await;
    for triple in [
        service.user_on("bilal.khan", "Amazon Redshift"),
        service.group_on("engineering", "Amazon Redshift"),
    ] {
        let operations = operations_of(&service, &triple, triple.assign()).await;
        assert_eq!(
            operations,
            [
                "DescribeApplicationAssignment",
                "CreateApplicationAssignment",
                "DescribeApplicationAssignment"
            ]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_name_costs_at_most_one_more() {
    let service = TestService::start().await;
    let triples = [
        (
            service.user_on("bilal.khan", "Amazon Redshift"),
            user("bilal.khan"),
        ),
        (
            service.user_on("carla.mendes", "Amazon Redshift"),
            user("carla.mendes@example.com"),
        ),
        (
            service.group_on("engineering", "Amazon Redshift"),
            group("engineering"),
        ),
    ];
    for (triple, name) in triples {
        let by_one_name = AssignRequest {
            principal: Some(name.clone()),
            ..triple.assign()
        };
        let operations = operations_of(&service, &triple, by_one_name.clone()).await;
        assert!(operations.len() <= 4, "{name:?}: {operations:?}");
        let by_two_names = AssignRequest {
            target: Some(application("Amazon Redshift")),
            ..by_one_name
        };
        service.revoke(triple.revoke()).await;
        let operations = operations_of(&service, &triple, by_two_names).await;
        assert!(operations.len() <= 5, "{name:?}: {operations:?}");
    }
}
