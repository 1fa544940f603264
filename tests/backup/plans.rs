//! What a plan reads: long lists once, accounts too, and what AWS still works on; and of what it could not
//! read it claims nothing.

use usher::grpc::pb::{AssignRequest, GrantState};
use usher::simulator::{Fault, FaultAction};

use super::common::child::Place;
use super::common::targets::empty_world;
use super::common::{TokenChannel, account_access, connect, user, within};
use super::support::{
    CREATE, DELETE, Elsewhere, LONG, SHORTLY, access, assign, calls, run, simulator, text, user_on,
};

/// So many on one application that it is listed.
const USERS: [&str; 5] = [
    "anna.berg",
    "bilal.khan",
    "carla.mendes",
    "dmitri.orlov",
    "emi.sato",
];
const WRITES: [&str; 4] = [
    CREATE,
    DELETE,
    "CreateAccountAssignment",
    "DeleteAccountAssignment",
];

/// Assigns a user to an account, with little time where AWS is slow. Answers the state.
async fn assign_account(channel: &TokenChannel, name: &str, is_slow: bool) -> GrantState {
    let request = AssignRequest {
        principal: Some(user(name)),
        target: Some(account_access("production", "DeveloperAccess")),
        justification: "a test".to_owned(),
        ..AssignRequest::default()
    };
    let time = if is_slow { SHORTLY } else { LONG };
    let answer = access(channel).assign(within(request, time)).await;
    let answer = answer.expect("OK once it is recorded").into_inner();
    answer.grant.expect("a grant").state()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_lists_what_is_long_and_waits_for_what_is_under_way() {
    let simulator = simulator(empty_world()).await;
    let (first, elsewhere) = (Place::new(simulator.endpoint_url()), Elsewhere::new());
    let server = first.serve().await;
    let channel = connect(server.address, &first.data(), "tester").await;
    for name in USERS {
        let triple = user_on(&simulator, name, "Amazon Redshift");
        assign(&channel, &triple, LONG).await;
    }
    let given = assign_account(&channel, "bilal.khan", false).await;
    assert_eq!(given, GrantState::Active);
    let delay = FaultAction::AsyncDelay {
        milliseconds: 60_000,
    };
    simulator.add_fault(Fault::new("CreateAccountAssignment", delay));
    let slow = assign_account(&channel, "carla.mendes", true).await;
    assert_eq!(slow, GrantState::Provisioning);
    let backup = elsewhere.backup(&first, "backup.sqlite3");
    drop(server);
    simulator.clear_faults();
    // Others end two of them.
    let gone = user_on(&simulator, "dmitri.orlov", "Amazon Redshift").principal_id;
    simulator.edit_world(|world| {
        world.assignments.retain(|row| row.principal_id != gone);
        world.account_assignments.clear();
    });
    let place = Place::new(simulator.endpoint_url());
    run(&place, &["restore", "--from", text(&backup)]).good();
    let count = |operation| calls(&simulator, operation);
    let (writes, lists) = (WRITES.map(count), count("ListApplicationAssignments"));
    let describes = count("DescribeApplicationAssignment");
    let plan = run(&place, &["restore", "--plan"]).good();
    assert!(
        plan.contains("plan of 7 assignments: create 0, delete 0, missing 2, left 0, wait 1, unread 0, nothing 4"),
        "{plan}"
    );
    assert_eq!(count("ListApplicationAssignments"), lists + 1);
    assert_eq!(count("DescribeApplicationAssignment"), describes);
    // A line of each is enough where somebody says so.
    let short = run(&place, &["restore", "--plan", "--lines", "1"]).good();
    assert!(short.contains("missing  and 1 more"), "{short}");
    let denied = Fault::new("ListApplicationAssignments", FaultAction::AccessDenied);
    simulator.add_fault(denied);
    let unread = run(&place, &["restore", "--plan"]);
    unread.refused(&["of 5 assignments nobody knows what AWS has"]);
    assert!(
        unread.out.contains("sso:ListApplicationAssignments"),
        "{}",
        unread.out
    );
    assert_eq!(WRITES.map(count), writes, "a plan only reads");
}
