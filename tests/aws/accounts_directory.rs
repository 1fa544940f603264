//! Accounts and permission sets in the directory: what a question costs, how old an answer may be,
//! and what is found by which text.

use std::time::Duration;

use futures_util::future::join_all;
use usher::clock::Clock;
use usher::directory::{
    AccountQuery, Directory, DirectoryConfig, LookupError, NotFoundKind, PermissionSetQuery,
};
use usher::domain::{AccountId, AccountStatus, ErrorKind, Instance, PermissionSetArn};
use usher::simulator::{Fault, FaultAction};
use usher::store::NameKind;

use crate::directory::{Desk, MINUTE, desk, directory};
use crate::support::{call, calls_of, operations, user};

fn account(name: &str) -> AccountQuery {
    AccountQuery::Name(name.to_owned())
}

fn set(text: &str) -> PermissionSetQuery {
    PermissionSetQuery::IdOrName(text.to_owned())
}

fn set_arn(desk: &Desk, name: &str) -> PermissionSetArn {
    let world = desk.bench.simulator.world();
    let found = world.permission_set_named(name).unwrap();
    PermissionSetArn::parse(&found.permission_set_arn).unwrap()
}

fn is_not_found<T: std::fmt::Debug>(answer: Result<T, LookupError>, kind: NotFoundKind) -> bool {
    matches!(answer, Err(LookupError::NotFound { what, .. }) if what == kind)
}

#[tokio::test]
async fn the_accounts_are_listed_once_for_many_questions() {
    let desk = desk().await;
    let directory = &desk.directory;
    let ask = |query: AccountQuery| async move {
        directory.find_account(None, &query, MINUTE, call()).await
    };
    let production = AccountId::parse("222233334444").unwrap();
    for answer in join_all((0..50).map(|_| ask(account("production")))).await {
        assert_eq!(answer.unwrap().value.id, production);
    }
    let by_id = ask(AccountQuery::Id(production)).await.unwrap();
    assert_eq!(by_id.value.name, "production");
    assert_eq!(by_id.value.status, AccountStatus::Active);
    let closed = ask(account("former-project")).await.unwrap().value;
    assert_eq!(closed.status, AccountStatus::Inactive);
    for wrong in ["Production", "production ", "22223333444"] {
        let answer = ask(account(wrong)).await;
        assert!(is_not_found(answer, NotFoundKind::Account), "{wrong}");
    }
    assert_eq!(operations(&desk.bench.simulator), ["ListAccounts"]);
    let name = directory.name_of(NameKind::Account, "222233334444").await;
    assert_eq!(name.as_deref(), Some("production"));
}

#[tokio::test]
async fn an_account_that_the_list_lacks_is_looked_for_in_a_newer_one() {
    let desk = desk().await;
    let config = DirectoryConfig {
        miss_max_age_seconds: 1,
        ..DirectoryConfig::default()
    };
    let port = std::sync::Arc::clone(&desk.bench.port) as _;
    let directory = Directory::new(port, desk.store.clone(), Clock::system(), config);
    let ask = || async {
        directory
            .find_account(None, &account("brand-new"), MINUTE, call())
            .await
    };
    assert!(is_not_found(ask().await, NotFoundKind::Account));
    desk.bench.simulator.edit_world(|world| {
        let mut new = world.accounts[1].clone();
        new.account_id = "999900001111".to_owned();
        new.name = "brand-new".to_owned();
        new.email = "brand-new@example.com".to_owned();
        world.accounts.push(new);
    });
    let found = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            if let Ok(found) = ask().await {
                return found;
            }
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(found.await.unwrap().value.id.as_str(), "999900001111");
    assert_eq!(calls_of(&desk.bench.simulator, "ListAccounts"), 2);
    // Who wants it read now gets that.
    let query = account("brand-new");
    let read = directory.find_account(None, &query, Duration::ZERO, call());
    assert!(read.await.is_ok());
    assert_eq!(calls_of(&desk.bench.simulator, "ListAccounts"), 3);
}

/// Names may be old; whether an account is open is asked again before something is given in it.
#[tokio::test]
async fn an_account_to_assign_in_is_checked_against_a_young_list() {
    let desk = desk().await;
    let config = DirectoryConfig {
        max_age_seconds: 1,
        ..DirectoryConfig::default()
    };
    let port = std::sync::Arc::clone(&desk.bench.port) as _;
    let directory = Directory::new(port, desk.store.clone(), Clock::system(), config);
    let query = account("production");
    let named = || async {
        let found = directory.find_account(None, &query, MINUTE, call()).await;
        found.unwrap().value.status
    };
    assert_eq!(named().await, AccountStatus::Active);
    desk.bench.simulator.edit_world(|world| {
        let mut accounts = world.accounts.iter_mut();
        let production = accounts.find(|account| account.name == "production");
        production.unwrap().status = usher::simulator::AccountStatus::Suspended;
    });
    let closed = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            // The list that names may be taken from is not read again for itself.
            let found = directory.find_account_to_assign(None, &query, MINUTE, call());
            if found.await.unwrap().value.status == AccountStatus::Inactive {
                return;
            }
            tokio::task::yield_now().await;
        }
    });
    closed.await.unwrap();
    assert_eq!(calls_of(&desk.bench.simulator, "ListAccounts"), 2);
}

#[tokio::test]
async fn a_name_of_two_accounts_is_not_guessed_and_a_denied_list_is_told() {
    let desk = desk().await;
    desk.bench.simulator.edit_world(|world| {
        world.accounts[2].name = "production".to_owned();
    });
    let find = || async {
        let (query, directory) = (account("production"), &desk.directory);
        directory
            .find_account(None, &query, Duration::ZERO, call())
            .await
    };
    let Err(LookupError::Ambiguous { candidates, .. }) = find().await else {
        panic!("two accounts have this name");
    };
    let ids: Vec<&str> = candidates.iter().map(|each| each.id.as_str()).collect();
    assert_eq!(ids, ["222233334444", "333344445555"]);
    let denied = Fault::new("ListAccounts", FaultAction::AccessDenied);
    desk.bench.simulator.add_fault(denied);
    let Err(LookupError::Aws(failure)) = find().await else {
        panic!("the list is denied");
    };
    assert_eq!(failure.kind, ErrorKind::AccessDenied);
    assert_eq!(failure.missing_iam_action, "organizations:ListAccounts");
}

#[tokio::test]
async fn a_permission_set_is_found_by_arn_id_or_name() {
    let desk = desk().await;
    let (directory, instance) = (&desk.directory, &desk.bench.instance);
    let arn = set_arn(&desk, "DeveloperAccess");
    let find = |query: PermissionSetQuery| async move {
        directory
            .find_permission_set(instance, &query, MINUTE, call())
            .await
    };
    let by_arn = find(PermissionSetQuery::Arn(arn.clone())).await.unwrap();
    assert_eq!(by_arn.value.name, "DeveloperAccess");
    assert_eq!(by_arn.value.session_duration, "PT8H");
    assert_eq!(find(set(arn.set_id())).await.unwrap(), by_arn);
    assert_eq!(operations(&desk.bench.simulator), ["DescribePermissionSet"]);
    // By name the names of the others have to be read too, once.
    for name in ["DeveloperAccess", "ReadOnlyAccess", "AdministratorAccess"] {
        assert_eq!(find(set(name)).await.unwrap().value.name, name);
    }
    assert_eq!(calls_of(&desk.bench.simulator, "ListPermissionSets"), 1);
    assert_eq!(calls_of(&desk.bench.simulator, "DescribePermissionSet"), 3);
    for wrong in [
        "developeraccess",
        "ps-ffffffffffffffff",
        "ps-1",
        "DeveloperAccess ",
    ] {
        let answer = find(set(wrong)).await;
        assert!(is_not_found(answer, NotFoundKind::PermissionSet), "{wrong}");
    }
    let elsewhere = arn.as_str().replace("ssoins-7", "ssoins-8");
    let elsewhere = PermissionSetArn::parse(&elsewhere).unwrap();
    let answer = find(PermissionSetQuery::Arn(elsewhere)).await;
    assert!(is_not_found(answer, NotFoundKind::PermissionSet));
}

#[tokio::test]
async fn names_of_permission_sets_outlive_a_restart() {
    let desk = desk().await;
    let (bench, instance) = (&desk.bench, &desk.bench.instance);
    let by_name = |directory: Directory| async move {
        let query = set("ReadOnlyAccess");
        let found = directory.find_permission_set(instance, &query, MINUTE, call());
        found.await.unwrap()
    };
    let asked = (0..20).map(|_| by_name(desk.directory.clone()));
    for found in join_all(asked).await {
        assert_eq!(found.value.name, "ReadOnlyAccess");
    }
    assert_eq!(calls_of(&bench.simulator, "ListPermissionSets"), 1);
    assert_eq!(calls_of(&bench.simulator, "DescribePermissionSet"), 3);
    bench.simulator.clear_calls();
    by_name(directory(bench, &desk.store)).await;
    let read = ["ListPermissionSets", "DescribePermissionSet"];
    assert_eq!(operations(&bench.simulator), read);
}

#[tokio::test]
async fn assignments_of_a_principal_are_of_both_kinds_or_none() {
    let desk = desk().await;
    let anna = user(&desk.bench.simulator, "anna.berg");
    let from_manager = called_from_manager(&desk);
    let ask = || async {
        let directory = &desk.directory;
        let rows = directory.assignments_of_principal(&from_manager, &anna, Duration::ZERO, call());
        rows.await
    };
    let kinds: Vec<&str> = (ask().await.unwrap().value.iter())
        .map(|row| row.target.kind())
        .collect();
    assert!(kinds.contains(&"ACCOUNT"), "{kinds:?}");
    for operation in [
        "ListAccountAssignmentsForPrincipal",
        "ListApplicationAssignmentsForPrincipal",
    ] {
        let denied = Fault::new(operation, FaultAction::AccessDenied);
        desk.bench.simulator.add_fault(denied);
        let failure = ask().await.unwrap_err();
        assert_eq!(failure.operation, operation);
        desk.bench.simulator.clear_faults();
    }
}

/// AWS may not know a deleted principal in one list and still have rows of it in the other.
#[tokio::test]
async fn a_principal_that_one_list_does_not_know_keeps_the_rows_of_the_other() {
    let desk = desk().await;
    let anna = user(&desk.bench.simulator, "anna.berg");
    let from_manager = called_from_manager(&desk);
    let simulator = &desk.bench.simulator;
    let kinds = || async {
        let directory = &desk.directory;
        let rows = directory.assignments_of_principal(&from_manager, &anna, Duration::ZERO, call());
        rows.await.map(|rows| {
            let kinds = rows.value.iter().map(|row| row.target.kind());
            kinds.collect::<std::collections::BTreeSet<&str>>()
        })
    };
    let unknown = |operation| {
        let action = FaultAction::Error {
            code: "ResourceNotFoundException".to_owned(),
            message: "no".to_owned(),
            http_status: None,
            members: serde_json::Map::new(),
            after_effect: false,
        };
        simulator.add_fault(Fault::new(operation, action));
    };
    unknown("ListAccountAssignmentsForPrincipal");
    assert_eq!(kinds().await.unwrap(), ["APPLICATION"].into());
    // Unknown in both: that is the answer, unless one of them is silent for another reason.
    unknown("ListApplicationAssignmentsForPrincipal");
    assert_eq!(kinds().await.unwrap_err().kind, ErrorKind::NotFound);
    simulator.clear_faults();
    unknown("ListApplicationAssignmentsForPrincipal");
    assert_eq!(kinds().await.unwrap(), ["ACCOUNT"].into());
    let denied = Fault::new(
        "ListAccountAssignmentsForPrincipal",
        FaultAction::AccessDenied,
    );
    simulator.add_fault(denied);
    assert_eq!(kinds().await.unwrap_err().kind, ErrorKind::AccessDenied);
}

/// The instance as the organization's management account sees it.
fn called_from_manager(desk: &Desk) -> Instance {
    let manager = AccountId::parse("111122223333").unwrap();
    Instance {
        kind: usher::domain::InstanceKind::Organization,
        management_account_id: Some(manager.clone()),
        called_from: Some(manager),
        ..desk.bench.instance.clone()
    }
}
