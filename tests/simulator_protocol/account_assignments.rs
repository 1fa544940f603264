//! Account assignments through the SDK: operations that begin, are told of and end; the lists that
//! show what came of them; quotas and switches.

use aws_sdk_ssoadmin::types::{
    ListAccountAssignmentsFilter, OperationStatusFilter, PrincipalType, StatusValues,
};
use usher::simulator::{
    AccountAssignment, AccountRepeatDelete, AccountUnknownPrincipal, AsynchronousStatus,
    CallEffect, Group, Settings, Switches,
};

use super::account_bench::{AccountBench, SANDBOX, endless};
use super::{NOBODY, code};

fn set(accounts: &AccountBench, change: impl FnOnce(&mut Switches)) {
    let mut switches = accounts.bench.simulator.switches();
    change(&mut switches);
    accounts.bench.simulator.set_switches(switches);
}

fn refused<T>(reply: Result<T, String>) -> String {
    reply.err().unwrap_or_else(|| "accepted".to_owned())
}

#[tokio::test]
async fn an_account_assignment_is_created_and_deleted_in_its_time() {
    let accounts = AccountBench::demo().await;
    let simulator = &accounts.bench.simulator;
    let row = accounts.row(&accounts.anna);
    let begun = accounts.create(&row).await.expect("it begins");
    assert_eq!(begun.status(), Some(&StatusValues::InProgress));
    assert_eq!(begun.target_id(), Some(SANDBOX));
    assert_eq!(begun.principal_id(), Some(accounts.anna.as_str()));
    assert!(begun.created_date().is_some() && begun.failure_reason().is_none());
    let ended = accounts.ended(&begun, false).await;
    assert_eq!(ended.status(), Some(&StatusValues::Succeeded));
    assert_eq!(
        ended.permission_set_arn(),
        Some(row.permission_set_arn.as_str())
    );
    assert!(accounts.shows(&accounts.anna).await);
    assert!(simulator.world().is_account_assigned(&row));
    let as_deletion = accounts.describe(&begun, true).await;
    assert_eq!(refused(as_deletion), "ResourceNotFoundException");

    let begun = accounts.delete(&row).await.expect("it begins");
    let ended = accounts.ended(&begun, true).await;
    assert_eq!(ended.status(), Some(&StatusValues::Succeeded));
    assert!(!accounts.shows(&accounts.anna).await);
    assert!(!simulator.world().is_account_assigned(&row));
    for operation in ["CreateAccountAssignment", "DeleteAccountAssignment"] {
        let call = accounts.call_of(operation);
        let told = call.asynchronous.expect("an operation");
        assert_eq!(call.effect, CallEffect::Applied);
        assert_eq!(call.effect_time_seconds, told.finished_at_seconds);
        assert_eq!(told.status, AsynchronousStatus::Succeeded);
        let took = told.finished_at_seconds.expect("an end") - told.started_at_seconds;
        assert!((took - 0.02).abs() < 1e-6, "{took}");
    }
    assert_eq!(simulator.outstanding_assignments_max_seen(), 1);
}

#[tokio::test]
async fn the_truth_changes_when_an_operation_ends_and_not_before() {
    let accounts = AccountBench::with(endless()).await;
    let row = accounts.row(&accounts.anna);
    let begun = accounts.create(&row).await.expect("it begins");
    let told = accounts.describe(&begun, false).await.expect("a status");
    assert_eq!(told.status(), Some(&StatusValues::InProgress));
    assert!(!accounts.shows(&accounts.anna).await);
    assert!(!accounts.bench.simulator.world().is_account_assigned(&row));
    let call = accounts.call_of("CreateAccountAssignment");
    assert_eq!(call.effect, CallEffect::Later);
    let told = call.asynchronous.expect("an operation");
    assert_eq!(told.status, AsynchronousStatus::InProgress);
    assert_eq!(Some(told.request_id.as_str()), begun.request_id());
    assert_eq!(told.finished_at_seconds, None);
}

#[tokio::test]
async fn a_repeated_create_leaves_one_assignment() {
    let accounts = AccountBench::demo().await;
    let row = accounts.row(&accounts.anna);
    for _ in 0..2 {
        let begun = accounts.create(&row).await.expect("it begins");
        let ended = accounts.ended(&begun, false).await;
        assert_eq!(ended.status(), Some(&StatusValues::Succeeded));
    }
    let shown = accounts.listed().await;
    assert_eq!(shown.iter().filter(|id| **id == accounts.anna).count(), 1);
    let calls = accounts.bench.simulator.calls();
    let applied = |call: &&usher::simulator::CallRecord| call.effect == CallEffect::Applied;
    assert_eq!(calls.iter().filter(applied).count(), 1);
}

#[tokio::test]
async fn deleting_what_is_absent_answers_as_switched() {
    let accounts = AccountBench::demo().await;
    let row = accounts.row(&accounts.anna);
    let refusal = refused(accounts.delete(&row).await);
    assert_eq!(refusal, "ResourceNotFoundException");
    set(&accounts, |switches| {
        switches.account_repeat_delete = AccountRepeatDelete::Succeeded;
    });
    let begun = accounts.delete(&row).await.expect("it begins");
    let ended = accounts.ended(&begun, true).await;
    assert_eq!(ended.status(), Some(&StatusValues::Succeeded));
    set(&accounts, |switches| {
        switches.account_repeat_delete = AccountRepeatDelete::Failed;
    });
    let begun = accounts.delete(&row).await.expect("it begins");
    let ended = accounts.ended(&begun, true).await;
    assert_eq!(ended.status(), Some(&StatusValues::Failed));
    assert!(
        ended
            .failure_reason()
            .is_some_and(|reason| reason.contains("is not found"))
    );
}

#[tokio::test]
async fn a_second_operation_on_the_same_assignment_answers_as_switched() {
    let accounts = AccountBench::with(endless()).await;
    let row = accounts.row(&accounts.anna);
    accounts.create(&row).await.expect("it begins");
    assert_eq!(refused(accounts.create(&row).await), "ConflictException");
    assert_eq!(refused(accounts.delete(&row).await), "ConflictException");
    let bilal = accounts.row(&accounts.bench.user("bilal.khan"));
    assert!(accounts.create(&bilal).await.is_ok(), "another assignment");
    set(&accounts, |switches| {
        switches.account_overlap_conflicts = false
    });
    assert!(accounts.create(&row).await.is_ok());
    assert_eq!(
        accounts.bench.simulator.outstanding_assignments_max_seen(),
        3
    );
}

#[tokio::test]
async fn assigning_an_account_to_nobody_answers_as_switched() {
    let accounts = AccountBench::demo().await;
    let refusal = refused(accounts.create(&accounts.row(NOBODY)).await);
    assert_eq!(refusal, "ResourceNotFoundException");
    set(&accounts, |switches| {
        switches.account_unknown_principal = AccountUnknownPrincipal::Failed;
    });
    let begun = accounts
        .create(&accounts.row(NOBODY))
        .await
        .expect("it begins");
    let ended = accounts.ended(&begun, false).await;
    assert_eq!(ended.status(), Some(&StatusValues::Failed));
    assert!(
        ended
            .failure_reason()
            .is_some_and(|reason| reason.contains(NOBODY))
    );
    assert!(!accounts.shows(NOBODY).await);
}

#[tokio::test]
async fn operations_in_progress_are_limited_and_counted() {
    let accounts = AccountBench::with(Settings {
        outstanding_assignments_max: Some(2),
        ..endless()
    })
    .await;
    for name in ["anna.berg", "bilal.khan"] {
        let row = accounts.row(&accounts.bench.user(name));
        accounts.create(&row).await.expect("it begins");
    }
    // Deletions count too.
    let engineering = AccountAssignment {
        principal_type: usher::simulator::PrincipalType::Group,
        ..accounts.row(&accounts.bench.group("engineering"))
    };
    assert_eq!(
        refused(accounts.delete(&engineering).await),
        "ThrottlingException"
    );
    let call = accounts.call_of("DeleteAccountAssignment");
    assert!(call.throttled && call.effect == CallEffect::None);
    assert_eq!(
        accounts.bench.simulator.outstanding_assignments_max_seen(),
        2
    );
    let settings = Settings {
        outstanding_assignments_max: None,
        ..endless()
    };
    let changed = accounts.bench.simulator.set_settings(settings);
    changed.expect("lawful settings");
    assert!(accounts.delete(&engineering).await.is_ok());
}

#[tokio::test]
async fn a_hundred_groups_have_one_permission_set_in_one_account() {
    let accounts = AccountBench::with(endless()).await;
    let bench = &accounts.bench;
    let store = bench.store_id.clone();
    let group = |at: usize| AccountAssignment {
        principal_type: usher::simulator::PrincipalType::Group,
        ..accounts.row(&format!("00000000-0000-4000-8000-{at:012}"))
    };
    bench.simulator.edit_world(|world| {
        world.groups.extend((0..101).map(|at| Group {
            identity_store_id: store.clone(),
            group_id: group(at).principal_id,
            display_name: format!("crowd {at}"),
            ..Group::default()
        }));
        // The demo has one group there already.
        world.account_assignments.extend((0..98).map(group));
    });
    assert!(accounts.create(&group(98)).await.is_ok());
    let over = refused(accounts.create(&group(99)).await);
    assert_eq!(over, "ServiceQuotaExceededException", "one is in progress");
    assert!(
        accounts.create(&group(0)).await.is_ok(),
        "it stands already"
    );
    assert!(accounts.create(&accounts.row(&accounts.anna)).await.is_ok());
}

#[tokio::test]
async fn status_lists_show_each_operation_in_its_list() {
    let accounts = AccountBench::with(endless()).await;
    let bench = &accounts.bench;
    let engineering = AccountAssignment {
        principal_type: usher::simulator::PrincipalType::Group,
        ..accounts.row(&bench.group("engineering"))
    };
    let created = accounts.create(&accounts.row(&accounts.anna)).await;
    let deleted = accounts.delete(&engineering).await;
    let created = created.expect("it begins");
    let deleted = deleted.expect("it begins");
    let of_status = |status| OperationStatusFilter::builder().status(status).build();
    let list = || bench.sso.list_account_assignment_creation_status();
    let list = || list().instance_arn(&bench.instance_arn);
    let page = list().filter(of_status(StatusValues::InProgress));
    let page = page.send().await.expect("rows");
    let rows = page.account_assignments_creation_status();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].request_id(), created.request_id());
    assert_eq!(rows[0].status(), Some(&StatusValues::InProgress));
    assert!(rows[0].created_date().is_some());
    let page = list().filter(of_status(StatusValues::Failed)).send().await;
    assert!(
        page.expect("rows")
            .account_assignments_creation_status()
            .is_empty()
    );
    let page = bench.sso.list_account_assignment_deletion_status();
    let page = page
        .instance_arn(&bench.instance_arn)
        .send()
        .await
        .expect("rows");
    let rows = page.account_assignments_deletion_status();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].request_id(), deleted.request_id());
    let wrong = list()
        .filter(of_status(StatusValues::from("DONE")))
        .send()
        .await;
    assert_eq!(refused(wrong.map_err(code)), "ValidationException");
}

#[tokio::test]
async fn assignments_of_a_principal_come_over_all_accounts_and_groups_as_switched() {
    let accounts = AccountBench::demo().await;
    let bench = &accounts.bench;
    let list = || {
        let call = bench.sso.list_account_assignments_for_principal();
        (call
            .instance_arn(&bench.instance_arn)
            .principal_id(&accounts.anna))
        .principal_type(PrincipalType::User)
    };
    let places = |reply: &[aws_sdk_ssoadmin::types::AccountAssignmentForPrincipal]| {
        let rows = reply.iter();
        rows.map(|row| row.account_id().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    let all = list().send().await.expect("rows");
    assert_eq!(places(all.account_assignments()), ["111122223333", SANDBOX]);
    let filter = ListAccountAssignmentsFilter::builder().account_id(SANDBOX);
    let one = list().filter(filter.build()).send().await.expect("rows");
    assert_eq!(places(one.account_assignments()), [SANDBOX]);
    let row = &one.account_assignments()[0];
    assert_eq!(row.principal_type(), Some(&PrincipalType::Group));
    set(&accounts, |switches| {
        switches.account_group_rows_for_user = false
    });
    let own = list().send().await.expect("rows");
    assert_eq!(places(own.account_assignments()), ["111122223333"]);
    // Only the account whose instance it is may ask.
    bench
        .simulator
        .edit_world(|world| world.caller.account_id = SANDBOX.to_owned());
    let refusal = refused(list().send().await.map_err(code));
    assert_eq!(refusal, "AccessDeniedException");
}

#[tokio::test]
async fn deleting_a_principal_leaves_its_account_assignments() {
    let accounts = AccountBench::demo().await;
    let bench = &accounts.bench;
    let engineering = bench.group("engineering");
    let call = bench
        .store
        .delete_group()
        .identity_store_id(&bench.store_id);
    call.group_id(&engineering).send().await.expect("deleted");
    assert!(accounts.shows(&engineering).await);
    let orphan = AccountAssignment {
        principal_type: usher::simulator::PrincipalType::Group,
        ..accounts.row(&engineering)
    };
    let begun = accounts.delete(&orphan).await.expect("it begins");
    let ended = accounts.ended(&begun, true).await;
    assert_eq!(ended.status(), Some(&StatusValues::Succeeded));
    assert!(!accounts.shows(&engineering).await);
}
