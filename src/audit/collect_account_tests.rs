//! Access to accounts: which way is asked, that nothing is lost on it, and what failures leave.

use super::super::super::fixtures::*;
use super::*;
use crate::domain::report::Row;

fn accounts_world(world: &mut World) {
    world
        .users(1..=3)
        .group(1, &[1, 2])
        .accounts(1..=3, 1..=2)
        .access(1, 1, &[the_group(1), the_user(3), the_user(9)])
        .access(2, 1, &[the_user(1)])
        .access(2, 2, &[]);
}

async fn collect_here(port: &FakePort, scope: Scope) -> Collection {
    let request = request_about(vec![organization_instance()], View::Access, scope);
    collect_with(port, &request).await
}

fn rows(collection: &Collection) -> Vec<Row> {
    Rows::new(collection, &Holdings::without_store(), View::Access, None).collect()
}

/// Account, permission set, user, path and findings of each row.
fn told(collection: &Collection) -> Vec<String> {
    let rows = rows(collection).into_iter();
    rows.map(|row| {
        format!(
            "{}|{}|{}|{}|{}",
            row.account_name, row.permission_set_name, row.user_name, row.path, row.findings
        )
    })
    .collect()
}

fn of(principal: PrincipalRef) -> Scope {
    Scope {
        principal: Some(principal),
        ..Scope::default()
    }
}

const EVERYTHING: [&str; 5] = [
    "account 1|set 1|user1|GROUP|",
    "account 1|set 1|user2|GROUP|",
    "account 1|set 1|user3|DIRECT|",
    "account 1|set 1||NONE|orphaned_assignment",
    "account 2|set 1|user1|DIRECT|",
];

#[tokio::test]
async fn every_pair_is_asked_once_and_orphans_show() {
    let port = FakePort::new(accounts_world);
    let collection = collect_here(&port, Scope::default()).await;
    assert_eq!(scopes(&collection), [""; 0]);
    assert_eq!(told(&collection), EVERYTHING);
    let first = &rows(&collection)[0];
    assert_eq!(
        (
            first.target_kind.as_str(),
            first.assignment_required.as_str()
        ),
        ("ACCOUNT", "")
    );
    let world = port.world();
    for (operation, count) in [
        (Operation::ListPermissionSets, 1),
        (Operation::DescribePermissionSet, 2),
        (Operation::ListAccounts, 2),
        (Operation::ListAccountsForProvisionedPermissionSet, 2),
        // Three pairs, one of them on two pages.
        (Operation::ListAccountAssignments, 4),
        (Operation::ListAccountAssignmentsForPrincipal, 0),
        (Operation::DescribeUser, 1),
        (Operation::ListGroupMemberships, 1),
    ] {
        assert_eq!(world.count(operation), count, "{operation:?}");
    }
    let counts = collection.counts;
    assert_eq!(
        (counts.permission_sets, counts.accounts),
        (Some(2), Some(3))
    );
    assert_eq!(counts.account_pages, Some(2));
    assert_eq!(counts.account_assignment_pages, Some(3));
}

/// Fewer accounts than permission sets, so that asking the accounts would be cheaper; nobody would
/// ask account 77, which the organization does not list.
#[tokio::test]
async fn an_account_that_left_is_reported_however_many_permission_sets_there_are() {
    let port = FakePort::new(|world| {
        accounts_world(world);
        world.accounts([], 3..=9).access(77, 2, &[the_user(1)]);
    });
    let known = KnownCounts {
        accounts: Some(3),
        permission_sets: Some(9),
        account_pages: Some(10),
        ..KnownCounts::default()
    };
    let mut request = request_about(
        vec![organization_instance()],
        View::Access,
        Scope::default(),
    );
    request.instances[0].known = known;
    let collection = collect_with(&port, &request).await;
    assert_eq!(scopes(&collection), [""; 0]);
    let left = "|set 2|user1|DIRECT|account_not_in_organization";
    let told = told(&collection);
    assert_eq!(told[..EVERYTHING.len()], EVERYTHING);
    assert_eq!(told[EVERYTHING.len()..], [left]);
    let operation = Operation::ListAccountsForProvisionedPermissionSet;
    assert_eq!(port.world().count(operation), 9);
}

#[tokio::test]
async fn without_the_list_of_accounts_ids_stay_without_names_and_no_finding_is_made_up() {
    let port = FakePort::new(|world| {
        accounts_world(world);
        world
            .accounts([], 3..=7)
            .fails(Operation::ListAccounts, "", 0, ErrorKind::AccessDenied);
    });
    let collection = collect_here(&port, Scope::default()).await;
    // The run names this once, whatever number of instances lacks it.
    assert_eq!(scopes(&collection), [""; 0]);
    let rows = rows(&collection);
    assert_eq!(rows.len(), EVERYTHING.len());
    assert!(
        rows.iter()
            .all(|row| row.account_name.is_empty() && !row.account_id.is_empty())
    );
    assert!(rows.iter().all(|row| !row.findings.contains("account")));
}

#[tokio::test]
async fn suspended_and_unlisted_accounts_are_pointed_at() {
    let port = FakePort::new(|world| {
        accounts_world(world);
        world.access(77, 2, &[the_user(1)]);
        if let Some(account) = world.accounts.get_mut(&account_id(2)) {
            account.status = crate::domain::AccountStatus::Inactive;
        }
    });
    let collection = collect_here(&port, Scope::default()).await;
    let told = told(&collection);
    assert!(told.contains(&"account 2|set 1|user1|DIRECT|account_inactive".to_owned()));
    assert!(told.contains(&"|set 2|user1|DIRECT|account_not_in_organization".to_owned()));
    // Of another organization's instance nobody can say that.
    let mut foreign = organization_instance();
    foreign.management_account_id = Some(account_id(55));
    port.world().log.clear();
    let request = request_about(vec![foreign], View::Access, Scope::default());
    let collection = collect_with(&port, &request).await;
    let findings: Vec<String> = rows(&collection)
        .into_iter()
        .map(|row| row.findings)
        .collect();
    assert!(!findings.contains(&"account_not_in_organization".to_owned()));
    let lacks = ["accounts of its organization: names and states"];
    assert_eq!(scopes(&collection), lacks);
}

#[tokio::test]
async fn an_account_instance_has_no_accounts_to_ask_about() {
    let port = FakePort::new(accounts_world);
    let collection = collect(&port, View::Access, Scope::default()).await;
    assert_eq!(port.world().count(Operation::ListPermissionSets), 0);
    assert_eq!(rows(&collection).len(), 0);
}

#[tokio::test]
async fn one_user_is_asked_by_itself_and_its_groups() {
    let port = FakePort::new(accounts_world);
    let collection = collect_here(&port, of(the_user(1))).await;
    assert_eq!(told(&collection), [EVERYTHING[0], EVERYTHING[4]]);
    let world = port.world();
    assert_eq!(
        world.count(Operation::ListAccountAssignmentsForPrincipal),
        2
    );
    assert_eq!(world.count(Operation::ListPermissionSets), 0);
    assert_eq!(world.count(Operation::DescribePermissionSet), 1);
    assert_eq!(world.count(Operation::DescribeUser), 1);
}

#[tokio::test]
async fn a_deleted_user_is_looked_for_pair_by_pair() {
    let port = FakePort::new(accounts_world);
    let collection = collect_here(&port, of(the_user(9))).await;
    assert_eq!(told(&collection), [EVERYTHING[3]]);
    let world = port.world();
    assert_eq!(
        world.count(Operation::ListAccountAssignmentsForPrincipal),
        0
    );
    assert_eq!(world.count(Operation::ListAccountAssignments), 4);
    assert_eq!(world.count(Operation::DescribeUser), 1);
    // Only the one that a row names.
    assert_eq!(world.count(Operation::DescribePermissionSet), 1);
}

#[tokio::test]
async fn a_principal_that_goes_meanwhile_is_looked_for_pair_by_pair() {
    let port = FakePort::new(|world| {
        accounts_world(world);
        let operation = Operation::ListAccountAssignmentsForPrincipal;
        world.fails(operation, group_id(1).as_str(), 0, ErrorKind::NotFound);
    });
    let collection = collect_here(&port, of(the_group(1))).await;
    assert_eq!(told(&collection), [EVERYTHING[0], EVERYTHING[1]]);
    assert_eq!(port.world().count(Operation::ListAccountAssignments), 4);
}

#[tokio::test]
async fn where_aws_does_not_let_usher_ask_by_principal_the_pairs_tell() {
    let port = FakePort::new(accounts_world);
    let delegated = crate::domain::Instance {
        called_from: Some(account_id(2)),
        ..organization_instance()
    };
    let request = request_about(vec![delegated], View::Access, of(the_user(1)));
    let collection = collect_with(&port, &request).await;
    assert_eq!(told(&collection), [EVERYTHING[0], EVERYTHING[4]]);
    let operation = Operation::ListAccountAssignmentsForPrincipal;
    assert_eq!(port.world().count(operation), 0);
}

#[tokio::test]
async fn one_account_with_its_permission_set_is_one_question() {
    let port = FakePort::new(accounts_world);
    let scope = Scope {
        target: Some(one_access(1, 1)),
        ..Scope::default()
    };
    let collection = collect_here(&port, scope).await;
    assert_eq!(told(&collection), EVERYTHING[..4]);
    let world = port.world();
    assert_eq!(world.count(Operation::ListAccountAssignments), 2);
    for operation in [
        Operation::ListPermissionSets,
        Operation::ListApplications,
        Operation::ListUsers,
    ] {
        assert_eq!(world.count(operation), 0, "{operation:?}");
    }
}

#[tokio::test]
async fn one_denied_pair_is_named_and_the_rest_is_right() {
    let port = FakePort::new(|world| {
        accounts_world(world);
        let about = format!("{}/{}", account_id(1), set_arn(1));
        let kind = ErrorKind::AccessDenied;
        world
            .fails(Operation::ListAccountAssignments, &about, 0, kind)
            .fails(
                Operation::DescribePermissionSet,
                set_arn(2).as_str(),
                0,
                kind,
            );
    });
    let collection = collect_here(&port, Scope::default()).await;
    assert_eq!(told(&collection), [EVERYTHING[4]]);
    let (account, set) = (account_id(1), set_arn(1));
    assert_eq!(
        scopes(&collection),
        [
            format!("account {account} with permission set {set}: assignments"),
            format!("permission set {}: name", set_arn(2)),
        ]
    );
}
