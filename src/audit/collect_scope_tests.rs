//! What reports about a part of an instance ask, and that they ask no more.

use super::super::super::Assignee;
use super::*;

#[tokio::test]
async fn one_application_is_read_alone_and_small_ones_without_listing() {
    let port = FakePort::new(small_world);
    let scope = Scope {
        target: Some(TargetScope::Application(arn(1))),
        ..Scope::default()
    };
    let collection = collect(&port, View::Access, scope).await;
    assert_eq!(
        collection.operations,
        [
            (Operation::DescribeApplication, 1),
            (Operation::GetApplicationAssignmentConfiguration, 1),
            (Operation::ListApplicationAssignments, 2),
            (Operation::DescribeUser, 3),
            (Operation::DescribeGroup, 2),
            (Operation::ListGroupMemberships, 3),
        ]
    );
    assert_eq!(access(&collection).len(), 5);
    assert_eq!(collection.applications[0].assignees[0], Assignee::User(0));
}

#[tokio::test]
async fn of_one_open_application_everybody_is_listed() {
    let port = FakePort::new(small_world);
    let scope = Scope {
        target: Some(known(application(2))),
        ..Scope::default()
    };
    let collection = collect(&port, View::Access, scope).await;
    let world = port.world();
    assert_eq!(world.count(Operation::DescribeApplication), 0);
    assert_eq!(world.count(Operation::ListUsers), 3);
    assert_eq!(world.count(Operation::DescribeUser), 0);
    assert_eq!(access(&collection).len(), 3 + 5);
    assert_eq!(collection.observed_from, Some(Timestamp::UNIX_EPOCH));
}

#[tokio::test]
async fn an_application_that_is_gone_is_missing() {
    let port = FakePort::new(small_world);
    let scope = Scope {
        target: Some(TargetScope::Application(arn(77))),
        ..Scope::default()
    };
    let collection = collect(&port, View::Access, scope).await;
    assert_eq!(scopes(&collection), [format!("application {}", arn(77))]);
}

#[tokio::test]
async fn of_one_user_only_its_groups_are_read() {
    let port = FakePort::new(small_world);
    let scope = Scope {
        principal: Some(the_user(1)),
        ..Scope::default()
    };
    let collection = collect(&port, View::Access, scope).await;
    assert_eq!(
        collection.operations,
        [
            (Operation::ListApplications, 2),
            (Operation::GetApplicationAssignmentConfiguration, 3),
            (Operation::ListApplicationAssignments, 4),
            (Operation::DescribeUser, 1),
            (Operation::DescribeGroup, 1),
            (Operation::ListGroupMembershipsForMember, 1),
        ]
    );
    assert_eq!(
        access(&collection),
        [
            "1 user1 ENABLED DIRECT  ",
            "1 user1 ENABLED GROUP group 1 ",
            "2 user1 ENABLED GROUP group 1 open_application",
            "2 user1 ENABLED OPEN_APPLICATION  open_application",
        ]
    );
}

#[tokio::test]
async fn a_deleted_user_is_told_by_its_assignments() {
    let port = FakePort::new(|world| {
        small_world(world);
        world.application(4, Yes, &[the_user(9)]);
    });
    let scope = Scope {
        principal: Some(the_user(9)),
        ..Scope::default()
    };
    let collection = collect(&port, View::Access, scope).await;
    assert_eq!(scopes(&collection), [""; 0]);
    assert_eq!(
        access(&collection),
        ["4  DELETED NONE  orphaned_assignment"]
    );
}

#[tokio::test]
async fn of_one_group_only_its_members_are_read() {
    let port = FakePort::new(small_world);
    let scope = Scope {
        principal: Some(the_group(1)),
        target: Some(TargetScope::Application(arn(2))),
    };
    let collection = collect(&port, View::Access, scope).await;
    let world = port.world();
    assert_eq!(world.count(Operation::ListUsers), 0);
    assert_eq!(world.count(Operation::DescribeUser), 3);
    assert_eq!(world.count(Operation::ListGroupMemberships), 2);
    assert_eq!(collection.assignment_count(), 1);
}

#[tokio::test]
async fn assignments_are_read_without_members() {
    let port = FakePort::new(small_world);
    let collection = collect(&port, View::Assignments, Scope::default()).await;
    assert_eq!(port.world().count(Operation::ListGroupMemberships), 0);
    assert_eq!(collection.assignment_count(), 4);
    assert_eq!(
        collection.users.len(),
        1,
        "only users that assignments name are kept"
    );
    let scope = Scope {
        principal: Some(the_user(1)),
        ..Scope::default()
    };
    let of_user = collect(&FakePort::new(small_world), View::Assignments, scope).await;
    assert_eq!(of_user.assignment_count(), 1);
}
