//! The brake: what is frozen is not sent, waits and is told, over restarts and kill -9, and goes on
//! after Unfreeze.

use std::time::Duration;

use jiff::SignedDuration;
use tokio::task::JoinSet;
use tonic::Code;
use tonic_types::StatusExt;
use usher::grpc::pb::{
    ConfirmMassChangeRequest, FreezeRequest, FreezeScope, GrantEventType, GrantState, WaitingKind,
};
use usher::simulator::{
    Fault, FaultAction, PrincipalType, Settings, Simulator, SimulatorOptions, World,
};

use super::common::brake::{freeze, unfreeze};
use super::common::child::Place;
use super::common::store_rows::bodies;
use super::common::targets::{add_user, empty_world};
use super::common::{
    Begin, TestService, Triple, connect, in_time, reason, revoke_of, short_times, until, within,
};

const HOUR: Duration = Duration::from_secs(3600);
/// A deadline for calls that cannot have their outcome.
const SHORTLY: Duration = Duration::from_millis(1500);
/// Assigns that are under way when somebody freezes.
const UNDER_WAY: usize = 20;

const CREATE: &str = "CreateApplicationAssignment";
const DELETE: &str = "DeleteApplicationAssignment";

/// A world with many users, and each of them on an application by turns.
fn many() -> (World, Vec<Triple>) {
    let mut world = empty_world();
    let applications: Vec<String> = world
        .applications
        .iter()
        .map(|application| application.application_arn.clone())
        .collect();
    let triples = (0..UNDER_WAY).map(|number| Triple {
        kind: PrincipalType::User,
        principal_id: add_user(&mut world, number),
        application_arn: applications[number % applications.len()].clone(),
    });
    let triples = triples.collect();
    (world, triples)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_create_is_sent_after_a_freeze_was_answered() {
    let (world, triples) = many();
    let service = TestService::start_with(Begin {
        world,
        settings: Settings {
            latency_milliseconds: 40,
            ..Settings::unlimited()
        },
        ..Begin::default()
    })
    .await;
    let mut calls = JoinSet::new();
    for triple in &triples {
        let (mut client, request) = (service.access(), triple.assign());
        calls.spawn(async move { client.assign(within(request, SHORTLY)).await });
    }
    until("every grant to be recorded and some to be made", || async {
        let recorded = service.all_grants().await.len();
        let sent = service.calls(CREATE).len();
        match (recorded, sent) {
            (UNDER_WAY, 1..) => Ok(()),
            _ => Err(format!("{recorded} recorded, {sent} sent")),
        }
    })
    .await;
    let brake = service.freeze(FreezeScope::Grants).await;
    assert_eq!(brake.under_way_count, 0, "{brake:?}");
    let sent = service.calls(CREATE).len();
    assert!(
        sent < UNDER_WAY,
        "all were made before anybody could freeze"
    );
    while let Some(call) = calls.join_next().await {
        call.expect("no panic").expect("OK once it is recorded");
    }
    // All that is left waits, and says for what.
    let waiting = until("all that is left to wait", || async {
        let grants = service.all_grants().await;
        let left: Vec<_> = grants
            .into_iter()
            .filter(|grant| grant.state() == GrantState::Provisioning)
            .collect();
        let brake = service.freeze(FreezeScope::Grants).await;
        match usize::try_from(brake.grants_waiting_count) {
            Ok(waiting) if waiting == left.len() => Ok(left),
            _ => Err(format!("{brake:?}, {} left", left.len())),
        }
    })
    .await;
    assert_eq!(service.calls(CREATE).len(), sent);
    for grant in &waiting {
        let waits_for = grant.waiting_for.clone().expect("it waits");
        assert_eq!(waits_for.kind(), WaitingKind::Freeze);
        assert!(
            waits_for.description.contains("a test of the brake"),
            "{waits_for:?}"
        );
    }
    // An operator who wants it tried again does not get past the freeze either.
    let retried = service.retry_now(&waiting[0].id).await;
    assert_eq!(retried.state(), GrantState::Provisioning);
    let brake = service.unfreeze(FreezeScope::All).await;
    assert!(brake.grants.is_none(), "{brake:?}");
    for grant in &waiting {
        service.until_state(&grant.id, GrantState::Active).await;
    }
    assert_eq!(service.calls(CREATE).len(), UNDER_WAY);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_access_is_refused_while_grants_are_frozen() {
    let service = TestService::start().await;
    let triple = service.user_on("bilal.khan", "Amazon Redshift");
    service.freeze(FreezeScope::Grants).await;
    let status = service.try_assign(triple.assign()).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    assert_eq!(reason(&status), "FROZEN");
    let told = format!("{status:?}");
    for word in ["GRANTS", "tester", "a test of the brake"] {
        assert!(told.contains(word), "{word}: {told}");
    }
    assert!(service.all_grants().await.is_empty(), "nothing is recorded");
    service.unfreeze(FreezeScope::Grants).await;
    let grant = service.assign(triple.assign()).await;
    assert_eq!(grant.state(), GrantState::Active);
    // Ends were never stopped, and a freeze of what is frozen is the same one.
    let first = service.freeze(FreezeScope::Grants).await;
    let again = service.freeze(FreezeScope::Grants).await;
    assert_eq!(first.grants, again.grants);
    service.revoke(revoke_of(&grant.id)).await;
    assert!(!service.is_assigned(&triple));
    let events = bodies(&service.data.path().join("usher.sqlite3")).await;
    let kinds = events.iter().filter_map(|event| event["kind"].as_str());
    let of_brake: Vec<&str> = kinds.filter(|kind| kind.contains("frozen")).collect();
    assert_eq!(of_brake, ["frozen", "unfrozen", "frozen"]);
    let text = format!("{events:?}");
    assert!(
        !text.contains("a test of the brake"),
        "events hold ids only"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ends_wait_for_unfreeze_and_then_go() {
    let service = TestService::start().await;
    let timed = service.user_on("bilal.khan", "Amazon Redshift");
    let revoked = service.user_on("anna.berg", "Amazon Redshift");
    let timed_grant = service.assign(timed.assign_for(HOUR)).await;
    let revoked_grant = service.assign(revoked.assign()).await;
    service.freeze(FreezeScope::Revocations).await;
    let answer = service.revoke_within(revoke_of(&revoked_grant.id), SHORTLY);
    let answer = answer.await;
    assert_eq!(answer.grants[0].state(), GrantState::Revoking);
    service.clock.advance(SignedDuration::from_secs(3600));
    let overdue = service.until_state(&timed_grant.id, GrantState::Revoking);
    let waits_for = overdue.await.waiting_for.expect("it waits");
    assert_eq!(waits_for.kind(), WaitingKind::Freeze);
    until("both to be parked", || async {
        let brake = service.freeze(FreezeScope::Revocations).await;
        match brake.revocations_waiting_count {
            2 => Ok(()),
            _ => Err(format!("{brake:?}")),
        }
    })
    .await;
    assert!(service.is_assigned(&timed) && service.is_assigned(&revoked));
    assert_eq!(service.calls(DELETE).len(), 0);
    // Access that nobody had yet is not held back: only ends are.
    let other = service.user_on("carla.mendes", "Amazon Redshift");
    service.assign(other.assign()).await;
    service.unfreeze(FreezeScope::Revocations).await;
    let ended = service.until_state(&timed_grant.id, GrantState::Expired);
    ended.await;
    let ended = service.until_state(&revoked_grant.id, GrantState::Revoked);
    ended.await;
    assert!(!service.is_assigned(&timed) && !service.is_assigned(&revoked));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_freeze_outlives_kill_9_and_keeps_what_waits() {
    let world = World::demo();
    let options = SimulatorOptions {
        settings: Settings::unlimited(),
        ..SimulatorOptions::default()
    };
    let simulator = Simulator::start(world, options).await.expect("a simulator");
    let place = Place::new(simulator.endpoint_url());
    let mut server = place.serve().await;
    let channel = connect(server.address, &place.data(), "tester").await;
    let mut access =
        usher::grpc::pb::access_service_client::AccessServiceClient::new(channel.clone());
    let world = simulator.world();
    let triple = Triple {
        kind: PrincipalType::User,
        principal_id: world
            .user_named("bilal.khan")
            .expect("a user")
            .user_id
            .clone(),
        application_arn: world
            .application_named("Amazon Redshift")
            .expect("an application")
            .application_arn
            .clone(),
    };
    let given = access.assign(in_time(triple.assign())).await;
    let grant_id = given.expect("a grant").into_inner().grant.expect("it").id;
    let operations =
        |channel| usher::grpc::pb::operations_service_client::OperationsServiceClient::new(channel);
    freeze(operations(channel.clone()), FreezeScope::All).await;
    let revoked = access.revoke(within(revoke_of(&grant_id), SHORTLY)).await;
    revoked.expect("it is recorded");
    server.kill();
    let server = place.serve().await;
    let channel = connect(server.address, &place.data(), "tester").await;
    let mut access =
        usher::grpc::pb::access_service_client::AccessServiceClient::new(channel.clone());
    let refused = access.assign(in_time(triple.assign())).await.unwrap_err();
    assert_eq!(reason(&refused), "FROZEN");
    let brake = freeze(operations(channel.clone()), FreezeScope::All).await;
    assert_eq!(brake.revocations.expect("frozen").frozen_by, "tester");
    let deletes = || {
        let calls = simulator.calls().into_iter();
        calls.filter(|call| call.operation == DELETE).count()
    };
    assert_eq!(deletes(), 0);
    let (code, told) = check_brake(&place);
    assert!(told.contains("REVOCATIONS are frozen"), "{code:?} {told}");
    unfreeze(operations(channel), FreezeScope::Revocations).await;
    until("the end", || async {
        match deletes() {
            0 => Err("nothing was deleted".to_owned()),
            _ => Ok(()),
        }
    })
    .await;
}

/// What `usher check` says while the service runs.
fn check_brake(place: &Place) -> (Option<i32>, String) {
    let data = place.data();
    let arguments = ["check", "--data-dir", data.to_str().expect("UTF-8")];
    let done = place.usher(&arguments).output().expect("the usher binary");
    let told = String::from_utf8_lossy(&done.stdout).into_owned();
    (done.status.code(), told)
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_now_ends_the_pause_of_a_grant_that_waits() {
    let mut config = short_times();
    // A pause that nobody waits for.
    config.reconciler.backoff_first_seconds = 50.0;
    config.reconciler.backoff_max_seconds = 50.0;
    let service = TestService::start_with(Begin {
        config,
        ..Begin::default()
    })
    .await;
    let triple = service.user_on("bilal.khan", "Amazon Redshift");
    service
        .simulator
        .add_fault(Fault::new(CREATE, FaultAction::AccessDenied));
    let grant = service.assign_within(triple.assign(), SHORTLY).await;
    assert_eq!(grant.state(), GrantState::Provisioning);
    assert_eq!(service.calls(CREATE).len(), 1);
    service.simulator.clear_faults();
    service.retry_now(&grant.id).await;
    let active = service.until_state(&grant.id, GrantState::Active).await;
    let events = active.timeline.iter().map(|event| event.r#type());
    let retried = events.filter(|it| *it == GrantEventType::RetryRequested);
    assert_eq!(retried.count(), 1);
    assert_eq!(service.calls(CREATE).len(), 2);
    // A grant that waits for nothing is answered as it is.
    let answered = service.retry_now(&grant.id).await;
    assert_eq!(answered.state(), GrantState::Active);
    assert_eq!(answered.timeline.len(), active.timeline.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_fields_of_the_brake_are_named_together() {
    let service = TestService::start().await;
    let request = FreezeRequest {
        instance: "no such\nname".to_owned(),
        reason: "x".repeat(2001),
        ..FreezeRequest::default()
    };
    let status = service.operations().freeze(in_time(request)).await;
    let status = status.unwrap_err();
    assert_eq!(reason(&status), "FIELD_INVALID");
    let told = format!("{:?}", status.get_details_bad_request());
    for field in ["instance", "scope", "reason"] {
        assert!(told.contains(&format!("\"{field}\"")), "{field}: {told}");
    }
    let request = ConfirmMassChangeRequest {
        mass_change_id: "mass_change_1".to_owned(),
        ..ConfirmMassChangeRequest::default()
    };
    let status = service
        .operations()
        .confirm_mass_change(in_time(request))
        .await;
    assert_eq!(reason(&status.unwrap_err()), "FIELD_INVALID");
}
