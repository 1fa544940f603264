//! The collector against a small world: what it asks, what races do, and what failures leave.

use super::super::fake::{FakePort, World};
use super::super::fixtures::*;
use super::super::{Holdings, PlanPart, ReportRequest, Rows, Scope};
use super::*;
use crate::clock::Clock;
use crate::domain::{AssignmentRequired, PrincipalStatus};

use AssignmentRequired::{No, Unknown, Yes};

#[path = "collect_account_tests.rs"]
mod account_access;
#[path = "collect_scope_tests.rs"]
mod scoped;

async fn collect_with(port: &FakePort, request: &ReportRequest) -> Collection {
    let question = request.questions().next().unwrap();
    let plan = PlanPart::of_instance(request.view, &question.for_plan(), question.known);
    let meter = Meter::new(&plan);
    let (clock, config) = (Clock::system(), AuditConfig::default());
    let accounts = Accounts::new(port, None, question.demand, &clock, &config, &meter);
    let collection = Collector::new(port, question, &accounts, &clock, &config, &meter)
        .collect()
        .await;
    let asked: u64 = collection.operations.iter().map(|(_, count)| count).sum();
    assert_eq!(asked, port.world().log.len() as u64);
    let progress = meter.progress();
    assert_eq!(progress.operations_done, asked);
    assert_eq!(progress.operations_planned, asked);
    collection
}

async fn collect(port: &FakePort, view: View, scope: Scope) -> Collection {
    collect_with(port, &request(view, scope)).await
}

/// Application, user, status, path, group and findings of each row.
fn access(collection: &Collection) -> Vec<String> {
    let holdings = Holdings::without_store();
    let rows = Rows::new(collection, &holdings, View::Access, None).map(|row| {
        let name = row.application_name.replace("application ", "");
        let (user, status, path) = (row.user_name, row.user_status, row.path);
        format!(
            "{name} {user} {status} {path} {} {}",
            row.group_name, row.findings
        )
    });
    rows.collect()
}

fn scopes(collection: &Collection) -> Vec<&str> {
    let missing = collection.missing.iter();
    missing.map(|missing| missing.scope.as_str()).collect()
}

fn small_world(world: &mut World) {
    world
        .users(1..=5)
        .group(1, &[1, 2, 3])
        .group(2, &[])
        .group(3, &[5])
        .application(1, Yes, &[the_group(1), the_user(1), the_group(2)])
        .application(2, No, &[the_group(1)])
        .application(3, Yes, &[]);
}

#[tokio::test]
async fn everything_is_asked_once() {
    let port = FakePort::new(small_world);
    let collection = collect(&port, View::Access, Scope::default()).await;
    assert_eq!(scopes(&collection), [""; 0]);
    assert_eq!(
        collection.operations,
        [
            (Operation::ListApplications, 2),
            (Operation::GetApplicationAssignmentConfiguration, 3),
            (Operation::ListApplicationAssignments, 4),
            (Operation::ListUsers, 3),
            (Operation::ListGroups, 2),
            // Group 1 has two pages and stands on two applications; group 3 on none.
            (Operation::ListGroupMemberships, 3),
        ]
    );
    assert_eq!(access(&collection).len(), 1 + 3 + 1 + 3 + 5);
    assert!(collection.observed_from <= collection.observed_until);
    assert!(collection.observed_from.is_some());
    let counts = collection.counts;
    assert_eq!(
        (counts.applications, counts.users, counts.groups),
        (Some(3), Some(5), Some(3))
    );
    assert_eq!(
        (counts.assignment_pages, counts.member_pages),
        (Some(3), Some(2))
    );
}

#[tokio::test]
async fn orphan_candidates_are_settled_by_one_describe_each() {
    let port = FakePort::new(|world| {
        small_world(world);
        world
            .application(4, Yes, &[the_user(8), the_group(9), the_user(1)])
            .application(5, Yes, &[the_user(8), the_group(9)])
            .group(2, &[1, 7]);
    });
    let collection = collect(&port, View::Access, Scope::default()).await;
    assert_eq!(scopes(&collection), [""; 0]);
    let world = port.world();
    assert_eq!(world.count(Operation::DescribeUser), 2);
    assert_eq!(world.count(Operation::DescribeGroup), 1);
    let asked = (Operation::ListGroupMemberships, group_id(9).to_string());
    assert!(
        !world.log.contains(&asked),
        "members of a deleted group were asked for"
    );
    let rows = access(&collection);
    for row in [
        "1  DELETED GROUP group 2 deleted_member",
        "4  DELETED NONE  orphaned_assignment",
        "5   NONE  orphaned_assignment",
    ] {
        assert!(rows.iter().any(|found| found == row), "{row}: {rows:#?}");
    }
}

#[tokio::test]
async fn whoever_is_deleted_meanwhile_is_found_out() {
    let port = FakePort::new(|world| {
        small_world(world);
        world
            .before(Operation::ListUsers, |world| {
                world.users.remove(&user_id(2));
            })
            .before(Operation::ListGroupMemberships, |world| {
                world.groups.remove(&group_id(1));
                world.groups.remove(&group_id(2));
            });
    });
    let collection = collect(&port, View::Access, Scope::default()).await;
    assert_eq!(scopes(&collection), [""; 0]);
    let deleted = (collection.groups.iter())
        .filter(|facts| facts.status == PrincipalStatus::Deleted)
        .count();
    assert_eq!(deleted, 2);
    assert_eq!(port.world().count(Operation::DescribeGroup), 2);
    assert!(access(&collection).contains(&"1   NONE  orphaned_assignment".to_owned()));
}

#[tokio::test]
async fn whoever_appears_meanwhile_has_its_facts() {
    let port = FakePort::new(|world| {
        world
            .users(1..=1)
            .group(1, &[1, 4])
            .application(1, Yes, &[the_group(1)])
            .before(Operation::DescribeUser, |world| {
                world.users(4..=4);
            });
    });
    let collection = collect(&port, View::Access, Scope::default()).await;
    assert!(access(&collection).contains(&"1 user4 ENABLED GROUP group 1 ".to_owned()));
}

#[tokio::test]
async fn one_denied_application_is_named_and_the_rest_is_right() {
    let port = FakePort::new(|world| {
        small_world(world);
        let (denied, kind) = (arn(1), ErrorKind::AccessDenied);
        world
            .fails(
                Operation::ListApplicationAssignments,
                denied.as_str(),
                1,
                kind,
            )
            .fails(
                Operation::GetApplicationAssignmentConfiguration,
                arn(2).as_str(),
                0,
                kind,
            );
    });
    let collection = collect(&port, View::Access, Scope::default()).await;
    assert_eq!(
        scopes(&collection),
        [
            format!("application {}: assignments", arn(1)),
            format!("application {}: whether it is open to everybody", arn(2)),
        ]
    );
    assert_eq!(
        collection.missing[0].reason,
        ErrorKind::AccessDenied.explanation()
    );
    // The first page of two rows was read before the second was denied.
    assert_eq!(
        access(&collection),
        [
            "1 user1 ENABLED DIRECT  ",
            "1 user1 ENABLED GROUP group 1 ",
            "1 user2 ENABLED GROUP group 1 ",
            "1 user3 ENABLED GROUP group 1 ",
            "2 user1 ENABLED GROUP group 1 assignment_configuration_unknown",
            "2 user2 ENABLED GROUP group 1 assignment_configuration_unknown",
            "2 user3 ENABLED GROUP group 1 assignment_configuration_unknown",
        ]
    );
    // Of what was read to its end it teaches how long it was, of the rest nothing.
    let read_to_the_end = KnownCounts {
        applications: Some(3),
        users: Some(5),
        groups: Some(3),
        ..KnownCounts::default()
    };
    assert_eq!(collection.counts, read_to_the_end);
}

#[tokio::test]
async fn what_aws_does_not_say_is_missing_even_without_a_row() {
    let port = FakePort::new(|world| {
        world.users(1..=1).application(1, Unknown, &[]);
    });
    let collection = collect(&port, View::Access, Scope::default()).await;
    assert_eq!(
        scopes(&collection),
        [format!(
            "application {}: whether it is open to everybody",
            arn(1)
        )]
    );
    assert_eq!(access(&collection), [""; 0]);
}

#[tokio::test]
async fn unreadable_members_and_lists_leave_ids_and_say_so() {
    let port = FakePort::new(|world| {
        small_world(world);
        world
            .fails(Operation::ListUsers, "", 1, ErrorKind::ConnectionLost)
            .fails(Operation::ListGroups, "", 0, ErrorKind::AccessDenied)
            .fails(
                Operation::ListGroupMemberships,
                group_id(2).as_str(),
                0,
                ErrorKind::Timeout,
            );
    });
    let collection = collect(&port, View::Access, Scope::default()).await;
    assert_eq!(
        scopes(&collection),
        [
            format!("group {}: members", group_id(2)),
            "groups of identity store d-1234567890".to_owned(),
            "users of identity store d-1234567890".to_owned(),
        ]
    );
    let world = port.world();
    assert_eq!(world.count(Operation::DescribeUser), 0);
    assert_eq!(world.count(Operation::DescribeGroup), 0);
    let rows = access(&collection);
    for row in [
        "1   GROUP  group_members_unknown",
        "1 user2 ENABLED GROUP  ",
        "1  unknown GROUP  principal_unknown",
        "2 user2 ENABLED OPEN_APPLICATION  open_application",
    ] {
        assert!(rows.iter().any(|found| found == row), "{row}: {rows:#?}");
    }
    // User 3 was not confirmed to exist, so that it is not said to enter as one of everybody.
    assert_eq!(
        rows.iter()
            .filter(|row| row.contains("OPEN_APPLICATION"))
            .count(),
        2
    );
}

#[tokio::test]
async fn a_dead_aws_is_a_report_without_rows_that_says_so() {
    let port = FakePort::new(|world| {
        world.fails(
            Operation::ListApplications,
            "",
            0,
            ErrorKind::CredentialsInvalid,
        );
    });
    let collection = collect(&port, View::Access, Scope::default()).await;
    assert_eq!(
        scopes(&collection),
        ["applications of instance arn:aws:sso:::instance/ssoins-1234567890abcdef"]
    );
    assert_eq!(
        collection.observed_until,
        collection.observed_from.max(collection.observed_until)
    );
}
