//! Faults, late visibility and the control endpoint, on operations that end after their calls.

use std::time::Duration;

use aws_sdk_ssoadmin::types::StatusValues;
use http::Method;
use serde_json::{Value, json};
use usher::simulator::{CallEffect, CallOutcome, Fault, FaultAction, Settings};

use super::account_bench::{AccountBench, endless};
use super::control::control;

const CREATE: &str = "CreateAccountAssignment";

#[tokio::test]
async fn an_operation_fails_with_and_without_a_reason_as_scripted() {
    let accounts = AccountBench::demo().await;
    let row = accounts.row(&accounts.anna);
    for reason in [Some("Received a 404 status error.".to_owned()), None] {
        let action = FaultAction::AsyncFailed {
            reason: reason.clone(),
        };
        // Not spent by calls that end with their reply.
        let fault = Fault::new("*", action).times(1);
        accounts.bench.simulator.add_fault(fault);
        assert!(!accounts.shows(&accounts.anna).await);
        let begun = accounts.create(&row).await.expect("it begins");
        let ended = accounts.ended(&begun, false).await;
        assert_eq!(ended.status(), Some(&StatusValues::Failed));
        assert_eq!(ended.failure_reason().map(str::to_owned), reason);
        assert!(!accounts.bench.simulator.world().is_account_assigned(&row));
    }
    let begun = accounts.create(&row).await.expect("it begins");
    let ended = accounts.ended(&begun, false).await;
    assert_eq!(
        ended.status(),
        Some(&StatusValues::Succeeded),
        "both are spent"
    );
}

#[tokio::test]
async fn an_operation_takes_as_long_as_scripted() {
    let accounts = AccountBench::with(endless()).await;
    let action = FaultAction::AsyncDelay { milliseconds: 70 };
    let fault = Fault::new(CREATE, action);
    accounts.bench.simulator.add_fault(fault);
    let row = accounts.row(&accounts.anna);
    let begun = accounts.create(&row).await.expect("it begins");
    accounts.ended(&begun, false).await;
    let told = accounts.call_of(CREATE).asynchronous.expect("an operation");
    let took = told.finished_at_seconds.expect("an end") - told.started_at_seconds;
    assert!((took - 0.07).abs() < 1e-6, "{took}");
}

#[tokio::test]
async fn a_dropped_call_may_have_begun_an_operation() {
    let accounts = AccountBench::demo().await;
    let simulator = &accounts.bench.simulator;
    let row = accounts.row(&accounts.anna);
    let before = Fault::new(CREATE, FaultAction::DropBeforeEffect).times(1);
    simulator.add_fault(before);
    assert_eq!(
        accounts.create(&row).await.err().as_deref(),
        Some("dropped")
    );
    assert_eq!(accounts.call_of(CREATE).asynchronous, None);
    simulator.clear_calls();
    let after = Fault::new(CREATE, FaultAction::DropAfterEffect).times(1);
    simulator.add_fault(after);
    assert_eq!(
        accounts.create(&row).await.err().as_deref(),
        Some("dropped")
    );
    let poll = async {
        while accounts.call_of(CREATE).effect != CallEffect::Applied {
            tokio::task::yield_now().await;
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(10), poll).await;
    ended.expect("the effect comes");
    assert_eq!(accounts.call_of(CREATE).outcome, CallOutcome::Dropped);
    // The status list is the only place that tells the request's id.
    let call = accounts.bench.sso.list_account_assignment_creation_status();
    let call = call.instance_arn(&accounts.bench.instance_arn);
    let page = call.send().await.expect("rows");
    let rows = page.account_assignments_creation_status();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].status(), Some(&StatusValues::Succeeded));
    assert!(simulator.world().is_account_assigned(&row));
}

#[tokio::test]
async fn reads_of_account_assignments_lag_behind_the_end_of_the_operation() {
    let accounts = AccountBench::with(Settings {
        visibility_milliseconds: 3_600_000,
        ..Settings::unlimited()
    })
    .await;
    let row = accounts.row(&accounts.anna);
    let begun = accounts.create(&row).await.expect("it begins");
    accounts.ended(&begun, false).await;
    assert!(accounts.bench.simulator.world().is_account_assigned(&row));
    assert!(!accounts.shows(&accounts.anna).await);
    let action = FaultAction::LateVisibility { milliseconds: 0 };
    let fault = Fault::new("DeleteAccountAssignment", action);
    accounts.bench.simulator.add_fault(fault);
    let bilal = accounts.bench.user("bilal.khan");
    let standing = accounts.row(&bilal);
    (accounts.bench.simulator).edit_world(|world| world.account_assignments.push(standing.clone()));
    assert!(accounts.shows(&bilal).await, "edits are visible at once");
    let begun = accounts.delete(&standing).await.expect("it begins");
    accounts.ended(&begun, true).await;
    assert!(!accounts.shows(&bilal).await, "this one at once");
}

#[tokio::test]
async fn status_lists_lag_behind_as_set() {
    let accounts = AccountBench::demo().await;
    let listed = || async {
        let call = accounts.bench.sso.list_account_assignment_creation_status();
        let call = call.instance_arn(&accounts.bench.instance_arn);
        let page = call.send().await.expect("rows");
        let rows = page.account_assignments_creation_status().iter();
        rows.filter_map(|row| row.status().cloned())
            .collect::<Vec<_>>()
    };
    let begun = accounts.create(&accounts.row(&accounts.anna)).await;
    accounts.ended(&begun.expect("it begins"), false).await;
    assert_eq!(listed().await, [StatusValues::Succeeded]);
    let settings = Settings {
        status_visibility_milliseconds: 3_600_000,
        ..Settings::unlimited()
    };
    let changed = accounts.bench.simulator.set_settings(settings);
    changed.expect("lawful settings");
    assert!(listed().await.is_empty(), "as an hour ago");
}

#[tokio::test]
async fn the_control_endpoint_has_the_account_side() {
    let accounts = AccountBench::with(endless()).await;
    let bench = &accounts.bench;
    let set = accounts.permission_set.clone();
    let change = json!({"permission_set_arn": set, "name": "Builders"});
    let (status, reply) = control(bench, Method::POST, "permission_sets", change).await;
    assert_eq!((status, &reply["name"]), (200, &json!("Builders")));
    let another = json!({"permission_set_arn": "ps", "name": "x", "instance_arn": "y"});
    let (status, _) = control(bench, Method::POST, "permission_sets", another).await;
    assert_eq!(status, 400);
    let begun = accounts
        .create(&accounts.row(&accounts.anna))
        .await
        .expect("it begins");
    let path = "outstanding_assignments";
    let (_, shown) = control(bench, Method::GET, path, Value::Null).await;
    let wanted = json!({
        "request_ids": [begun.request_id()],
        "outstanding_assignments_max_seen": 1,
    });
    assert_eq!(shown, wanted);
    let gone = json!({"permission_set_arn": set});
    let (status, _) = control(bench, Method::DELETE, "permission_sets", gone.clone()).await;
    assert_eq!(status, 200);
    let (status, _) = control(bench, Method::DELETE, "permission_sets", gone).await;
    assert_eq!(status, 404);
    let world = bench.simulator.world();
    assert!(world.permission_set_named("Builders").is_none());
    assert!(
        world
            .account_assignments
            .iter()
            .all(|row| row.permission_set_arn != set)
    );
    let (_, log) = control(bench, Method::GET, "log", Value::Null).await;
    assert_eq!(log["calls"][0]["asynchronous"]["status"], "IN_PROGRESS");
    let fault = json!({"operation": "ListUsers", "action": {"kind": "async_failed"}});
    let (status, _) = control(bench, Method::POST, "faults", fault).await;
    assert_eq!(status, 400);
    let fault = json!({"operation": CREATE, "action": {"kind": "async_delay", "milliseconds": 1}});
    let (status, _) = control(bench, Method::POST, "faults", fault).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn an_operation_whose_permission_set_is_gone_at_its_end_fails() {
    let accounts = AccountBench::with(Settings {
        asynchronous_milliseconds: 300,
        ..Settings::unlimited()
    })
    .await;
    let row = accounts.row(&accounts.anna);
    let begun = accounts.create(&row).await.expect("it begins");
    accounts.bench.simulator.edit_world(|world| {
        world.account_assignments.clear();
        world.permission_sets.clear();
    });
    let ended = accounts.ended(&begun, false).await;
    assert_eq!(ended.status(), Some(&StatusValues::Failed));
    let reason = ended.failure_reason().unwrap_or_default();
    assert!(reason.contains(&accounts.permission_set), "{reason}");
}
