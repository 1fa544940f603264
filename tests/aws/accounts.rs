//! Permission sets and account assignments: what is read, how a change begins, and how its end is
//! learned.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use usher::domain::plan::Write;
use usher::domain::{
    AccountAccess, AccountId, AssignmentRequestId, DirectAssignment, ErrorKind, Failure, Operation,
    PermissionSetArn, Target,
};
use usher::identity_center::{
    AssignmentRequest, IdentityCenter, RequestState, Sent, collect_pages,
};
use usher::simulator::{Fault, FaultAction, Settings, Simulator, World, WorldSizes};

use crate::support::{Bench, bench, bench_with, call, calls_of, group, user};

/// The demo's accounts: anna.berg is administrator in the first, analysts may read in the second.
pub(crate) const MANAGEMENT: &str = "111122223333";
const PRODUCTION: &str = "222233334444";
const SANDBOX: &str = "333344445555";

pub(crate) fn access(simulator: &Simulator, account: &str, set: &str) -> AccountAccess {
    let world = simulator.world();
    let set = world.permission_set_named(set).unwrap();
    AccountAccess {
        account: AccountId::parse(account).unwrap(),
        permission_set: PermissionSetArn::parse(&set.permission_set_arn).unwrap(),
    }
}

/// anna.berg in the sandbox as a developer, which the demo world does not have yet.
pub(crate) fn wanted(simulator: &Simulator) -> DirectAssignment {
    DirectAssignment {
        target: Target::AccountAccess(access(simulator, SANDBOX, "DeveloperAccess")),
        principal: user(simulator, "anna.berg"),
    }
}

fn accepted(sent: Result<Sent, Failure>) -> AssignmentRequestId {
    match sent {
        Ok(Sent::Accepted(id)) => id,
        other => panic!("not accepted: {other:?}"),
    }
}

async fn end_of(bench: &Bench, write: Write, id: &AssignmentRequestId) -> AssignmentRequest {
    let begun = Instant::now();
    loop {
        let arn = &bench.instance.arn;
        let request = bench.port.assignment_request(arn, write, id, call()).await;
        let request = request.unwrap().unwrap();
        if request.state != RequestState::InProgress {
            return request;
        }
        assert!(begun.elapsed() < Duration::from_secs(30));
        tokio::task::yield_now().await;
    }
}

/// Requests never end by themselves.
pub(crate) fn endless() -> Settings {
    Settings {
        asynchronous_milliseconds: 3_600_000,
        ..Settings::unlimited()
    }
}

#[tokio::test]
async fn reads_of_the_account_side_say_what_the_world_holds() {
    let bench = bench().await;
    let (port, arn) = (&bench.port, &bench.instance.arn);
    let sets = port.permission_sets(arn, None, call()).await.unwrap();
    assert_eq!((sets.items.len(), sets.next), (3, None));
    let in_production = access(&bench.simulator, PRODUCTION, "ReadOnlyAccess");
    let set = &in_production.permission_set;
    let described = port.permission_set(set, call()).await.unwrap();
    assert_eq!(described.name, "ReadOnlyAccess");
    assert_eq!(described.session_duration, "PT12H");
    assert_eq!(described.description, "Look and do not touch");

    let accounts = port.accounts_with_permission_set(set, None, call()).await;
    assert_eq!(
        accounts.unwrap().items,
        std::slice::from_ref(&in_production.account)
    );
    let rows = port.account_assignments(&in_production, None, call()).await;
    let analysts = group(&bench.simulator, "analysts");
    let expected = DirectAssignment {
        target: Target::AccountAccess(in_production.clone()),
        principal: analysts.clone(),
    };
    assert_eq!(rows.unwrap().items, std::slice::from_ref(&expected));
    let rows = port
        .account_assignments_for_principal(arn, &analysts, None, call())
        .await;
    assert_eq!(rows.unwrap().items, std::slice::from_ref(&expected));
    assert_eq!(
        port.assignment_is_present(&expected, call()).await,
        Ok(true)
    );
    let absent = wanted(&bench.simulator);
    assert_eq!(port.assignment_is_present(&absent, call()).await, Ok(false));
}

#[tokio::test]
async fn an_assignment_is_made_and_removed_by_requests_that_end() {
    let bench = bench().await;
    let port = &bench.port;
    let assignment = wanted(&bench.simulator);
    for (write, there) in [(Write::Create, true), (Write::Delete, false)] {
        let sent = match write {
            Write::Create => port.create_assignment(&assignment, call()).await,
            Write::Delete => port.delete_assignment(&assignment, call()).await,
        };
        let id = accepted(sent);
        let end = end_of(&bench, write, &id).await;
        assert_eq!(end.state, RequestState::Succeeded);
        assert_eq!(end.assignment.as_ref(), Some(&assignment));
        assert_eq!(end.failure_reason, "");
        let present = port.assignment_is_present(&assignment, call()).await;
        assert_eq!(present, Ok(there));
        // A creation is not known among the deletions, and the other way round.
        let other = match write {
            Write::Create => Write::Delete,
            Write::Delete => Write::Create,
        };
        let arn = &bench.instance.arn;
        let stranger = port.assignment_request(arn, other, &id, call()).await;
        assert_eq!(stranger, Ok(None));
    }
    // Gone already: whether it is, the read that follows says.
    let again = port.delete_assignment(&assignment, call()).await;
    assert_eq!(again, Ok(Sent::Done));
}

#[tokio::test]
async fn what_is_under_way_is_listed_and_what_failed_says_why() {
    let bench = bench_with(World::demo(), endless()).await;
    let (port, arn) = (&bench.port, &bench.instance.arn);
    let assignment = wanted(&bench.simulator);
    let id = accepted(port.create_assignment(&assignment, call()).await);
    let in_progress = |write| port.requests_in_progress(arn, write, call());
    assert_eq!(in_progress(Write::Create).await, Ok(vec![id.clone()]));
    assert_eq!(in_progress(Write::Delete).await, Ok(Vec::new()));
    let request = port.assignment_request(arn, Write::Create, &id, call());
    let request = request.await.unwrap().unwrap();
    assert_eq!(request.state, RequestState::InProgress);

    bench.simulator.set_settings(Settings::unlimited()).unwrap();
    let failed = FaultAction::AsyncFailed {
        reason: Some("The\naccount \u{202E}is closed".to_owned()),
    };
    let fault = Fault::new("CreateAccountAssignment", failed);
    bench.simulator.add_fault(fault);
    let other = DirectAssignment {
        principal: user(&bench.simulator, "emi.sato"),
        ..assignment
    };
    let id = accepted(port.create_assignment(&other, call()).await);
    let end = end_of(&bench, Write::Create, &id).await;
    assert_eq!(end.state, RequestState::Failed);
    assert_eq!(end.failure_reason, "The account is closed");
    let unknown = AssignmentRequestId::parse("0a261254-0000-4a5a-9d53-3f2a5f0c1a11").unwrap();
    let request = port.assignment_request(arn, Write::Create, &unknown, call());
    assert_eq!(request.await, Ok(None));
}

#[tokio::test]
async fn too_many_requests_at_once_are_a_throttle() {
    let settings = Settings {
        outstanding_assignments_max: Some(1),
        ..endless()
    };
    let bench = bench_with(World::demo(), settings).await;
    let assignment = wanted(&bench.simulator);
    accepted(bench.port.create_assignment(&assignment, call()).await);
    let other = DirectAssignment {
        principal: user(&bench.simulator, "emi.sato"),
        ..assignment
    };
    let failure = bench.port.create_assignment(&other, call()).await;
    let failure = failure.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Throttled);
    assert!(failure.kind.did_nothing());
    assert_eq!(calls_of(&bench.simulator, "CreateAccountAssignment"), 2);
}

#[tokio::test]
async fn an_assignment_is_searched_for_over_all_pages() {
    let sizes = WorldSizes {
        users: 400,
        permission_sets: 1,
        accounts: 1,
        assignments_per_account: 150,
        ..WorldSizes::default()
    };
    // As many as the seed gives: more than one page of them, in one account.
    let crowded = (1..50).map(|seed| World::generate(seed, &sizes));
    let world = { crowded }
        .find(|world| world.account_assignments.len() > 150)
        .unwrap();
    let settings = Settings {
        odd_page_rate: 0.3,
        ..Settings::unlimited()
    };
    let all: BTreeSet<String> = (world.account_assignments.iter())
        .map(|row| row.principal_id.clone())
        .collect();
    let of = AccountAccess {
        account: AccountId::parse(&world.account_assignments[0].account_id).unwrap(),
        permission_set: PermissionSetArn::parse(&world.permission_sets[0].permission_set_arn)
            .unwrap(),
    };
    let bench = bench_with(world, settings).await;
    let (port, of) = (&bench.port, &of);
    let rows = collect_pages(Operation::ListAccountAssignments, |page| async move {
        port.account_assignments(of, page.as_ref(), call()).await
    });
    let rows = rows.await.unwrap();
    let ids: BTreeSet<String> = (rows.iter())
        .map(|row| row.principal.id.to_string())
        .collect();
    assert_eq!(ids, all);
    let last = rows.last().unwrap();
    bench.simulator.clear_calls();
    assert_eq!(port.assignment_is_present(last, call()).await, Ok(true));
    assert!(calls_of(&bench.simulator, "ListAccountAssignments") > 1);
    bench.simulator.clear_calls();
    assert_eq!(port.assignment_is_present(&rows[0], call()).await, Ok(true));
    let first = calls_of(&bench.simulator, "ListAccountAssignments");
    assert!(first <= 3, "{first}");
}
