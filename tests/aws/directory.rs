//! Ages, single flight, forgetting, and names beyond a restart.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tempfile::TempDir;
use usher::clock::Clock;
use usher::directory::{Directory, DirectoryConfig};
use usher::domain::{ErrorKind, Target};
use usher::identity_center::IdentityCenter;
use usher::simulator::{Fault, FaultAction, Settings};
use usher::store::{NameKind, SqliteOptions, SqliteStore, Store};

use crate::support::{
    Bench, application, bench, call, call_for, calls_of, group, operations, user, wanted,
};

pub(crate) const MINUTE: Duration = Duration::from_secs(60);

pub(crate) struct Desk {
    pub(crate) bench: Bench,
    pub(crate) directory: Directory,
    pub(crate) store: Arc<dyn Store>,
    _data: TempDir,
}

pub(crate) async fn desk() -> Desk {
    let bench = bench().await;
    let data = TempDir::new().unwrap();
    let store = SqliteStore::open(data.path(), SqliteOptions::default())
        .await
        .unwrap();
    let store: Arc<dyn Store> = Arc::new(store);
    Desk {
        directory: directory(&bench, &store),
        bench,
        store,
        _data: data,
    }
}

pub(crate) fn directory(bench: &Bench, store: &Arc<dyn Store>) -> Directory {
    let config = DirectoryConfig::default();
    Directory::new(
        Arc::clone(&bench.port) as _,
        Arc::clone(store),
        Clock::system(),
        config,
    )
}

fn slow(bench: &Bench, latency_milliseconds: u64) {
    let settings = Settings {
        latency_milliseconds,
        ..Settings::unlimited()
    };
    bench.simulator.set_settings(settings).unwrap();
}

#[tokio::test]
async fn fifty_equal_questions_are_one_operation() {
    let desk = desk().await;
    let (bench, directory) = (&desk.bench, &desk.directory);
    slow(bench, 100);
    let engineering = group(&bench.simulator, "engineering").id;
    for max_age in [MINUTE, Duration::ZERO] {
        bench.simulator.clear_calls();
        let ask = || directory.members_of_group(&bench.instance, &engineering, max_age, call());
        for answer in join_all((0..50).map(|_| ask())).await {
            assert_eq!(answer.unwrap().value.len(), 3);
        }
        assert_eq!(operations(&bench.simulator), ["ListGroupMemberships"]);
    }
}

#[tokio::test]
async fn an_answer_is_as_old_as_allowed_and_says_how_old() {
    let desk = desk().await;
    let (bench, directory) = (&desk.bench, &desk.directory);
    let quick_sight = Target::Application(application(&bench.simulator, "Amazon QuickSight"));
    let ask = |max_age| directory.assignments_of_target(&quick_sight, max_age, call());
    let first = ask(MINUTE).await.unwrap();
    assert!(first.value.is_sorted());
    assert_eq!(ask(MINUTE).await.unwrap(), first);
    let now = ask(Duration::ZERO).await.unwrap();
    assert!(now.observed_at > first.observed_at);
    // The read for one who wanted it new serves the others.
    assert_eq!(ask(MINUTE).await.unwrap(), now);
    assert_eq!(calls_of(&bench.simulator, "ListApplicationAssignments"), 2);
}

#[tokio::test]
async fn a_failed_read_is_told_to_all_and_kept_for_nobody() {
    let desk = desk().await;
    let (bench, directory) = (&desk.bench, &desk.directory);
    slow(bench, 100);
    let anna = user(&bench.simulator, "anna.berg").id;
    bench
        .simulator
        .add_fault(Fault::new("ListGroupMembershipsForMember", FaultAction::AccessDenied).times(1));
    let ask = || directory.groups_of_user(&bench.instance, &anna, MINUTE, call());
    let (first, second) = tokio::join!(ask(), ask());
    for answer in [first, second] {
        assert_eq!(answer.unwrap_err().kind, ErrorKind::AccessDenied);
    }
    assert_eq!(ask().await.unwrap().value.len(), 1);
    assert_eq!(operations(&bench.simulator).len(), 2);
}

#[tokio::test]
async fn who_leads_a_read_does_not_decide_over_those_who_joined() {
    let desk = desk().await;
    let (bench, directory) = (&desk.bench, &desk.directory);
    slow(bench, 1500);
    let engineering = group(&bench.simulator, "engineering");
    let ask = |time| {
        let call = call_for(Duration::from_millis(time));
        directory.principal(&bench.instance, &engineering, MINUTE, call)
    };
    // The leader's time runs out; who joined has more and asks again.
    let (hasty, patient) = tokio::join!(ask(500), ask(60_000));
    assert_eq!(hasty.unwrap_err().kind, ErrorKind::Timeout);
    assert!(patient.unwrap().value.is_some());
    // The leader goes away; who joined gets the answer of the same operation.
    bench.simulator.clear_calls();
    let anna = user(&bench.simulator, "anna.berg");
    let ask = || directory.principal(&bench.instance, &anna, MINUTE, call());
    let leader = tokio::time::timeout(Duration::from_millis(300), ask());
    let (gone, joined) = tokio::join!(leader, ask());
    assert!(gone.is_err());
    assert!(joined.unwrap().value.is_some());
    assert_eq!(operations(&bench.simulator), ["DescribeUser"]);
}

#[tokio::test]
async fn after_a_write_of_ours_no_answer_is_from_before_it() {
    let desk = desk().await;
    let (bench, directory) = (&desk.bench, &desk.directory);
    let assignment = wanted(&bench.simulator);
    let (instance, principal) = (&bench.instance, &assignment.principal);
    let rows = async || {
        let target = &assignment.target;
        let by_application = directory.assignments_of_target(target, MINUTE, call());
        let by_principal = directory.assignments_of_principal(instance, principal, MINUTE, call());
        let (left, right) = tokio::join!(by_application, by_principal);
        (left.unwrap().value.len(), right.unwrap().value.len())
    };
    assert_eq!(rows().await, (0, 0));
    bench
        .port
        .create_assignment(&assignment, call())
        .await
        .unwrap();
    assert_eq!(rows().await, (0, 0));
    directory.forget_assignments(&assignment);
    assert_eq!(rows().await, (1, 1));

    // A read that was under way at the write is answered, but neither joined nor kept.
    slow(bench, 600);
    let ask = |age| directory.assignments_of_target(&assignment.target, age, call());
    let early = ask(Duration::ZERO);
    let later = async {
        while bench
            .simulator
            .calls()
            .last()
            .map(|call| call.operation.clone())
            != Some("ListApplicationAssignments".to_owned())
        {
            tokio::task::yield_now().await;
        }
        directory.forget_assignments(&assignment);
        ask(MINUTE).await.unwrap();
    };
    bench.simulator.clear_calls();
    let (early, ()) = tokio::join!(early, later);
    assert_eq!(early.unwrap().value.len(), 1);
    assert_eq!(calls_of(&bench.simulator, "ListApplicationAssignments"), 2);
}

#[tokio::test]
async fn pages_fill_the_cache() {
    let desk = desk().await;
    let (bench, directory) = (&desk.bench, &desk.directory);
    let users = directory
        .users_page(&bench.instance, None, 4, call())
        .await
        .unwrap();
    assert_eq!(users.value.items.len(), 4);
    let next = users.value.next;
    let rest = directory
        .users_page(&bench.instance, next.as_ref(), 4, call())
        .await
        .unwrap();
    assert_eq!((rest.value.items.len(), rest.value.next), (2, None));
    let groups = directory
        .groups_page(&bench.instance, None, 100, call())
        .await
        .unwrap();
    assert_eq!(groups.value.items.len(), 3);
    bench.simulator.clear_calls();
    let emi = user(&bench.simulator, "emi.sato");
    let found = directory
        .principal(&bench.instance, &emi, MINUTE, call())
        .await
        .unwrap();
    assert_eq!(found.value, directory.known_principal(&emi));
    assert!(found.value.is_some());
    assert_eq!(operations(&bench.simulator), [""; 0]);
}

#[tokio::test]
async fn names_outlive_the_process_and_cost_nothing() {
    let desk = desk().await;
    let (bench, directory) = (&desk.bench, &desk.directory);
    let anna = user(&bench.simulator, "anna.berg");
    let redshift = application(&bench.simulator, "Amazon Redshift");
    let id = anna.id.as_str();
    assert_eq!(directory.name_of(NameKind::User, id).await, None);
    directory
        .principal(&bench.instance, &anna, MINUTE, call())
        .await
        .unwrap();
    directory
        .applications(&bench.instance, MINUTE, call())
        .await
        .unwrap();
    bench.simulator.clear_calls();
    let restarted = self::directory(bench, &desk.store);
    for directory in [directory, &restarted] {
        let user = directory.name_of(NameKind::User, id).await;
        assert_eq!(user.as_deref(), Some("anna.berg"));
        let application = directory
            .name_of(NameKind::Application, redshift.as_str())
            .await;
        assert_eq!(application.as_deref(), Some("Amazon Redshift"));
        assert_eq!(directory.name_of(NameKind::Group, id).await, None);
    }
    assert!(restarted.known_principal(&anna).is_none());
    assert_eq!(operations(&bench.simulator), [""; 0]);
}
