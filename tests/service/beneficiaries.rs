//! Who is disabled or deleted loses access; that too many go at once waits for an operator.

use usher::grpc::pb::{FreezeScope, GrantEventType, GrantState, MassChange, MassChangeState};
use usher::simulator::{PrincipalType, World};

use super::common::brake::set_enabled;
use super::common::store_rows::bodies;
use super::common::targets::{add_user, empty_world};
use super::common::{Begin, TestService, Triple, revoke_of, short_times, until};

/// Users with access, half of whom go.
const USERS: usize = 10;

/// A service that looks at everybody all the time.
async fn watching(world: World) -> TestService {
    let mut config = short_times();
    config.beneficiaries.look_seconds = 0.1;
    config.beneficiaries.describes_per_second_max = 1000.0;
    TestService::start_with(Begin {
        world,
        config,
        ..Begin::default()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_user_loses_access_and_nobody_else_does() {
    let service = watching(World::demo()).await;
    let leaving = service.user_on("bilal.khan", "Amazon Redshift");
    let staying = service.user_on("anna.berg", "Amazon Redshift");
    let grant = service.assign(leaving.assign()).await;
    let other = service.assign(staying.assign()).await;
    set_enabled(
        &service.simulator,
        std::slice::from_ref(&leaving.principal_id),
        false,
    );
    let over = service.until_state(&grant.id, GrantState::Revoked).await;
    assert_eq!(over.revoked_by, "usher");
    assert_eq!(over.revoke_reason, "BENEFICIARY_DISABLED");
    let mut events = over.timeline.iter().map(|event| event.r#type());
    assert!(events.any(|it| it == GrantEventType::BeneficiaryDisabled));
    assert!(!service.is_assigned(&leaving));
    assert_eq!(service.grant(&other.id).await.state(), GrantState::Active);
    assert!(service.is_assigned(&staying));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_group_loses_access() {
    let service = watching(World::demo()).await;
    let triple = service.group_on("contractors", "Amazon Redshift");
    let grant = service.assign(triple.assign()).await;
    service.simulator.edit_world(|world| {
        let gone = &triple.principal_id;
        world.groups.retain(|group| group.group_id != *gone);
        world.memberships.retain(|row| row.group_id != *gone);
    });
    let over = service.until_state(&grant.id, GrantState::Revoked).await;
    assert_eq!(over.revoke_reason, "BENEFICIARY_DELETED");
    assert!(!service.is_assigned(&triple));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aws_that_does_not_answer_is_nobodys_end() {
    use usher::simulator::{Fault, FaultAction};
    let service = watching(World::demo()).await;
    let triple = service.user_on("bilal.khan", "Amazon Redshift");
    let grant = service.assign(triple.assign()).await;
    service
        .simulator
        .add_fault(Fault::new("DescribeUser", FaultAction::AccessDenied));
    set_enabled(
        &service.simulator,
        std::slice::from_ref(&triple.principal_id),
        false,
    );
    let asked = service.calls("DescribeUser").len();
    service.until_called("DescribeUser", asked + 3).await;
    assert_eq!(service.grant(&grant.id).await.state(), GrantState::Active);
    service.simulator.clear_faults();
    service.until_state(&grant.id, GrantState::Revoked).await;
}

/// Users with an endless grant each, and the ids of these.
async fn with_access() -> (TestService, Vec<Triple>, Vec<String>) {
    let mut world = empty_world();
    let application_arn = world.applications[0].application_arn.clone();
    let triples: Vec<Triple> = (0..USERS)
        .map(|number| Triple {
            kind: PrincipalType::User,
            principal_id: add_user(&mut world, number),
            application_arn: application_arn.clone(),
        })
        .collect();
    let service = watching(world).await;
    let mut ids = Vec::new();
    for triple in &triples {
        ids.push(service.assign(triple.assign()).await.id);
    }
    (service, triples, ids)
}

/// The mass change that is held.
async fn held(service: &TestService) -> MassChange {
    until("a mass change to be held", || async {
        // Asking for what is frozen already shows the brake and changes nothing.
        let brake = service.freeze(FreezeScope::Grants).await;
        let mut changes = brake.mass_changes.into_iter();
        let held = changes.find(|change| change.state() == MassChangeState::Held);
        held.ok_or_else(|| "none is".to_owned())
    })
    .await
}

fn half(triples: &[Triple]) -> Vec<String> {
    let half = triples.iter().take(USERS / 2);
    half.map(|triple| triple.principal_id.clone()).collect()
}

/// Events of mass changes, in order.
async fn told(service: &TestService) -> Vec<String> {
    let events = bodies(&service.data.path().join("usher.sqlite3")).await;
    let kinds = events.iter().filter_map(|event| event["kind"].as_str());
    let kinds = kinds.filter(|kind| kind.starts_with("mass_change"));
    kinds.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn half_of_the_users_disabled_at_once_keep_access_until_it_is_confirmed() {
    let (mut service, triples, ids) = with_access().await;
    let gone = half(&triples);
    set_enabled(&service.simulator, &gone, false);
    let change = held(&service).await;
    assert_eq!(change.gone_count, 5);
    assert_eq!(change.watched_count, 10);
    assert_eq!(change.gone_ids, gone);
    // A restart in the middle keeps it held, under its id.
    service.restart().await;
    assert_eq!(held(&service).await.id, change.id);
    let asked = service.calls("DescribeUser").len();
    service
        .until_called("DescribeUser", asked + 3 * USERS)
        .await;
    for id in &ids {
        assert_eq!(service.grant(id).await.state(), GrantState::Active);
    }
    let confirmed = service.confirm_mass_change(&change.id).await;
    assert_eq!(confirmed.state(), MassChangeState::Confirmed);
    assert_eq!(confirmed.confirmed_by, "tester");
    for (place, id) in ids.iter().enumerate() {
        if place < USERS / 2 {
            let over = service.until_state(id, GrantState::Revoked).await;
            assert_eq!(over.revoke_reason, "BENEFICIARY_DISABLED");
        } else {
            assert_eq!(service.grant(id).await.state(), GrantState::Active);
        }
    }
    until("it to be carried out", || async {
        let told = told(&service).await;
        match told.last().map(String::as_str) {
            Some("mass_change_carried_out") => Ok(()),
            _ => Err(format!("{told:?}")),
        }
    })
    .await;
    // A repeat is answered with what became of it.
    let again = service.confirm_mass_change(&change.id).await;
    assert_eq!(again.state(), MassChangeState::CarriedOut);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mass_change_dissolves_when_the_identity_store_looks_right_again() {
    let (service, triples, ids) = with_access().await;
    let gone = half(&triples);
    set_enabled(&service.simulator, &gone, false);
    let change = held(&service).await;
    // Somebody's own Revoke is not held.
    service.revoke(revoke_of(&ids[USERS - 1])).await;
    set_enabled(&service.simulator, &gone[1..], true);
    // One is within the limit: it ends, and the others stay.
    service.until_state(&ids[0], GrantState::Revoked).await;
    for id in &ids[1..USERS - 1] {
        assert_eq!(service.grant(id).await.state(), GrantState::Active);
    }
    let told = told(&service).await;
    assert_eq!(told, ["mass_change_held", "mass_change_dissolved"]);
    let answered = service.confirm_mass_change(&change.id).await;
    assert_eq!(answered.state(), MassChangeState::Dissolved);
}
