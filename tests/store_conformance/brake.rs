//! The brake: freezes meet intents in one transaction, and what is held ends nobody.

use jiff::Timestamp;
use usher::domain::plan::{Changes, Write};
use usher::domain::{
    EventKind, Frozen, Gone, GrantState, InstanceArn, Justification, MassChange, MassChangeId,
    MassChangeState, Order, PrincipalKind, PrincipalRef,
};
use usher::store::{Claim, GoneBeneficiary, Intent, MassChangeFound, Store};

use crate::common::{
    Shelf, activation, at, caller, claim_one, grant, grant_id, instance, key, limit, principal,
    record,
};

fn order(second: i64) -> Order {
    Order {
        caller: caller("portal"),
        subject: caller("alice"),
        reason: Justification::parse("an incident").unwrap(),
        now: at(second),
    }
}

/// What a claim may write, due again at this time.
fn resting(claim: &Claim, due_at: Option<Timestamp>) -> Changes {
    let mut record = claim.record.clone();
    record.next_attempt_at = due_at;
    Changes {
        record,
        grants: Vec::new(),
        events: Vec::new(),
    }
}

async fn intend(store: &dyn Store, claim: &Claim, write: Write) -> Intent {
    let changes = resting(claim, claim.record.next_attempt_at);
    let parked = resting(claim, Some(at(9000)));
    let intent = store.commit_intent(claim, write, changes, parked).await;
    intent.unwrap()
}

pub(crate) async fn an_intent_that_is_frozen_is_parked_until_unfreeze(mut shelf: Shelf) {
    let store = shelf.store.clone();
    record(&*store, grant(1, &key(1, 1))).await;
    let frozen = store
        .freeze(&instance(), &[Frozen::Grants], &order(2))
        .await;
    let freeze = frozen.unwrap().freezes.grants.unwrap();
    assert_eq!((freeze.by, freeze.since), (caller("alice"), at(2)));
    let claim = claim_one(&*store, "a", 3).await;
    // What is not frozen goes on.
    let Intent::Recorded(claim) = intend(&*store, &claim, Write::Delete).await else {
        panic!("revocations are not frozen");
    };
    assert_eq!(intend(&*store, &claim, Write::Create).await, Intent::Frozen);
    let stopped = store.renew_claim(&claim, at(90)).await;
    assert!(stopped.is_err(), "the claim was let go");
    // It is not due, over a restart too.
    shelf.restart().await;
    let store = shelf.store.clone();
    let due = store.next_due_at(&[instance()], at(10), limit(1)).await;
    assert_eq!(due.unwrap(), Some(at(9000)));
    let brake = store.brake(&instance()).await.unwrap();
    assert_eq!((brake.grants_waiting, brake.revocations_waiting), (1, 0));
    let brake = store.unfreeze(&instance(), &Frozen::ALL, &order(20)).await;
    let brake = brake.unwrap();
    assert!(brake.freezes.grants.is_none() && brake.grants_waiting == 0);
    let claim = claim_one(&*store, "b", 20).await;
    let intent = intend(&*store, &claim, Write::Create).await;
    assert!(matches!(intent, Intent::Recorded(_)));
}

pub(crate) async fn a_restored_store_is_frozen_until_each_instance_is_let_go(mut shelf: Shelf) {
    let store = shelf.store.clone();
    record(&*store, grant(1, &key(1, 1))).await;
    let unknown = InstanceArn::parse("arn:aws:sso:::instance/ssoins-fffffffffffffff0").unwrap();
    store.mark_restored(at(2)).await.unwrap();
    shelf.restart().await;
    let store = shelf.store.clone();
    let frozen = async |instance: &InstanceArn| {
        let freezes = store.freezes(instance).await.unwrap();
        let by = |freeze: Option<usher::domain::Freeze>| freeze.map(|it| it.by);
        (by(freezes.grants), by(freezes.revocations))
    };
    let (restored, alice) = (Some(caller("usher restore")), Some(caller("alice")));
    for instance in [&instance(), &unknown] {
        assert_eq!(frozen(instance).await, (restored.clone(), restored.clone()));
    }
    // A Freeze of what is frozen changes nothing, and no intent passes.
    let again = store.freeze(&instance(), &Frozen::ALL, &order(3)).await;
    assert_eq!(again.unwrap().freezes.grants.unwrap().since, at(2));
    let claim = claim_one(&*store, "a", 4).await;
    assert_eq!(intend(&*store, &claim, Write::Create).await, Intent::Frozen);
    // One thing on one instance is let go, and nothing else.
    let grants = [Frozen::Grants];
    let brake = store.unfreeze(&instance(), &grants, &order(20)).await;
    assert_eq!(brake.unwrap().grants_waiting, 0);
    assert_eq!(frozen(&instance()).await, (None, restored.clone()));
    assert_eq!(frozen(&unknown).await, (restored.clone(), restored.clone()));
    let claim = claim_one(&*store, "b", 20).await;
    let intent = intend(&*store, &claim, Write::Delete).await;
    assert_eq!(intent, Intent::Frozen);
    let claim = claim_one(&*store, "c", 9001).await;
    let intent = intend(&*store, &claim, Write::Create).await;
    assert!(matches!(intent, Intent::Recorded(_)));
    // It can be frozen by somebody again, and another restore freezes everything.
    let brake = store.freeze(&instance(), &grants, &order(30)).await;
    brake.unwrap();
    assert_eq!(frozen(&instance()).await, (alice, restored.clone()));
    store.mark_restored(at(40)).await.unwrap();
    assert_eq!(frozen(&instance()).await, (restored.clone(), restored));
    let brake = store.unfreeze(&instance(), &Frozen::ALL, &order(50)).await;
    assert_eq!(brake.unwrap().freezes, usher::domain::Freezes::default());
}

pub(crate) async fn what_may_be_on_its_way_is_counted_until_it_is_answered(shelf: Shelf) {
    let store = shelf.store.clone();
    record(&*store, grant(1, &key(1, 1))).await;
    let claim = claim_one(&*store, "a", 3).await;
    let under_way = async |what: &[Frozen], second| {
        let count = store.count_under_way(&instance(), what, at(second)).await;
        count.unwrap()
    };
    assert_eq!(
        under_way(&Frozen::ALL, 3).await,
        0,
        "a claim alone sends nothing"
    );
    let Intent::Recorded(claim) = intend(&*store, &claim, Write::Create).await else {
        panic!("nothing is frozen");
    };
    assert_eq!(under_way(&Frozen::ALL, 4).await, 1);
    assert_eq!(under_way(&[Frozen::Revocations], 4).await, 0);
    // A caller's write answers nothing.
    store.retry_now(&grant_id(1), &order(5)).await.unwrap();
    assert_eq!(under_way(&[Frozen::Grants], 5).await, 1);
    // After the lease nothing is sent any more.
    assert_eq!(under_way(&[Frozen::Grants], 63).await, 0);
    let claim = store.renew_claim(&claim, at(70)).await.unwrap();
    let answered = store.commit_step(&claim, resting(&claim, None)).await;
    answered.unwrap();
    assert_eq!(under_way(&Frozen::ALL, 6).await, 0);
}

pub(crate) async fn freezing_what_is_frozen_changes_nothing(shelf: Shelf) {
    let store = shelf.store.clone();
    let first = store
        .freeze(&instance(), &[Frozen::Grants], &order(2))
        .await;
    let again = store.freeze(&instance(), &Frozen::ALL, &order(9)).await;
    let (first, again) = (first.unwrap().freezes, again.unwrap().freezes);
    assert_eq!(first.grants, again.grants);
    assert_eq!(again.revocations.unwrap().since, at(9));
    store
        .unfreeze(&instance(), &Frozen::ALL, &order(10))
        .await
        .unwrap();
    store
        .unfreeze(&instance(), &Frozen::ALL, &order(11))
        .await
        .unwrap();
    let events = shelf.bodies().await;
    let told: Vec<String> = events
        .iter()
        .map(|event| format!("{} {}", event["kind"], event["scope"]).replace('"', ""))
        .collect();
    let expected = [
        "frozen GRANTS",
        "frozen REVOCATIONS",
        "unfrozen GRANTS",
        "unfrozen REVOCATIONS",
    ];
    assert_eq!(told, expected);
}

pub(crate) async fn a_retry_makes_a_waiting_grant_due(shelf: Shelf) {
    let store = shelf.store.clone();
    assert_eq!(
        store.retry_now(&grant_id(1), &order(1)).await.unwrap(),
        None
    );
    record(&*store, grant(1, &key(1, 1))).await;
    let claim = claim_one(&*store, "a", 3).await;
    let mut changes = resting(&claim, Some(at(500)));
    changes.record.failed_attempts = 7;
    store.commit_and_release(&claim, changes).await.unwrap();
    let answered = store.retry_now(&grant_id(1), &order(50)).await.unwrap();
    assert_eq!(answered.unwrap().state, GrantState::Provisioning);
    let claim = claim_one(&*store, "b", 50).await;
    assert_eq!(claim.record.failed_attempts, 0);
    let events = store.grant_events(&grant_id(1), 10).await.unwrap();
    assert_eq!(events.last().unwrap().event.kind, EventKind::RetryRequested);
}

/// Gives users 1 to `count` an active grant each, and user 1 a second one.
async fn with_access(store: &dyn Store, count: u64) -> Vec<PrincipalRef> {
    let mut users = Vec::new();
    for user in (1..=count).chain([1]) {
        let number = u32::try_from(users.len()).unwrap() + 1;
        // Each on an application of its own, so that one claim is the only one.
        record(store, grant(number, &key(number.into(), user))).await;
        let claim = claim_one(store, "a", 100).await;
        let changes = activation(&claim, 100);
        store.commit_and_release(&claim, changes).await.unwrap();
        users.push(principal(PrincipalKind::User, user));
    }
    users.pop();
    users
}

fn gone(principal: &PrincipalRef, confirmed_by: Option<&MassChangeId>) -> GoneBeneficiary {
    GoneBeneficiary {
        instance_arn: instance(),
        principal: principal.clone(),
        gone: Gone::Disabled,
        confirmed_by: confirmed_by.cloned(),
        now: at(200),
    }
}

fn found(number: u128, gone: &[PrincipalRef]) -> MassChangeFound {
    MassChangeFound {
        id: MassChangeId::from_uuid(uuid::Uuid::from_u128(number)),
        instance_arn: instance(),
        gone: gone.to_vec(),
        watched_count: 3,
        now: at(200),
    }
}

async fn confirm(store: &dyn Store, id: &MassChangeId) -> Option<MassChange> {
    let confirmed = store
        .confirm_mass_change(&instance(), id, &order(300))
        .await;
    confirmed.unwrap()
}

pub(crate) async fn a_beneficiarys_active_grants_end_and_no_others(shelf: Shelf) {
    let store = shelf.store.clone();
    let users = with_access(&*store, 2).await;
    assert_eq!(
        store.active_beneficiaries(&instance()).await.unwrap(),
        users
    );
    let ended = store.end_for_beneficiary(&gone(&users[0], None)).await;
    let ended = ended.unwrap();
    assert_eq!(ended.len(), 2, "both grants of the first user");
    for grant in &ended {
        let stored = store.grant(&grant.id).await.unwrap().unwrap();
        assert_eq!(stored.state, GrantState::Revoking);
        let ending = stored.ending.unwrap();
        assert_eq!(ending.reason.as_str(), "BENEFICIARY_DISABLED");
        assert_eq!(ending.by, Some(caller("usher")));
        let events = store.grant_events(&grant.id, 10).await.unwrap();
        let last = &events.last().unwrap().event;
        assert_eq!(last.kind, EventKind::BeneficiaryDisabled);
    }
    let left = store.active_beneficiaries(&instance()).await.unwrap();
    assert_eq!(left, users[1..]);
    let again = store.end_for_beneficiary(&gone(&users[0], None)).await;
    assert!(again.unwrap().is_empty());
}

pub(crate) async fn what_is_held_ends_nobody_until_it_is_confirmed(mut shelf: Shelf) {
    let store = shelf.store.clone();
    let users = with_access(&*store, 3).await;
    let (change, is_new) = store
        .hold_mass_change(&found(7, &users[..1]))
        .await
        .unwrap();
    assert!(is_new && change.state == MassChangeState::Held);
    // It grows while it is held, under its id.
    let (grown, is_new) = store
        .hold_mass_change(&found(8, &users[..2]))
        .await
        .unwrap();
    assert!(!is_new && grown.id == change.id);
    assert_eq!(grown.gone, users[..2]);
    shelf.restart().await;
    let store = shelf.store.clone();
    let brake = store.brake(&instance()).await.unwrap();
    assert_eq!(brake.mass_changes, [grown]);
    let none = |ended: Result<Vec<_>, _>| assert!(ended.unwrap().is_empty());
    none(store.end_for_beneficiary(&gone(&users[2], None)).await);
    none(
        store
            .end_for_beneficiary(&gone(&users[0], Some(&change.id)))
            .await,
    );
    let confirmed = confirm(&*store, &change.id).await.unwrap();
    assert_eq!(confirmed.state, MassChangeState::Confirmed);
    assert_eq!(confirmed.confirmed_by, Some(caller("alice")));
    // Whom it does not name it does not let go.
    none(
        store
            .end_for_beneficiary(&gone(&users[2], Some(&change.id)))
            .await,
    );
    let ended = store
        .end_for_beneficiary(&gone(&users[0], Some(&change.id)))
        .await;
    assert_eq!(ended.unwrap().len(), 2);
    let (from, to) = (MassChangeState::Confirmed, MassChangeState::CarriedOut);
    store
        .close_mass_change(&change.id, from, to, at(400))
        .await
        .unwrap();
    none(
        store
            .end_for_beneficiary(&gone(&users[1], Some(&change.id)))
            .await,
    );
    let brake = store.brake(&instance()).await.unwrap();
    assert!(brake.mass_changes.is_empty());
    let again = confirm(&*store, &change.id).await.unwrap();
    assert_eq!(again.state, MassChangeState::CarriedOut);
    assert_eq!(confirm(&*store, &found(9, &[]).id).await, None);
}

pub(crate) async fn every_state_of_a_mass_change_is_an_event(shelf: Shelf) {
    let store = shelf.store.clone();
    let users = with_access(&*store, 3).await;
    let (change, _) = store
        .hold_mass_change(&found(7, &users[..1]))
        .await
        .unwrap();
    confirm(&*store, &change.id).await.unwrap();
    let (from, to) = (MassChangeState::Confirmed, MassChangeState::CarriedOut);
    let closed = store.close_mass_change(&change.id, from, to, at(400)).await;
    closed.unwrap();
    // One in another state stays there, and is no event.
    let closed = store.close_mass_change(&change.id, from, to, at(401)).await;
    closed.unwrap();
    // The next one is another.
    let (next, is_new) = store
        .hold_mass_change(&found(8, &users[1..]))
        .await
        .unwrap();
    assert!(is_new && next.id != change.id);
    let (from, to) = (MassChangeState::Held, MassChangeState::Dissolved);
    store
        .close_mass_change(&next.id, from, to, at(600))
        .await
        .unwrap();
    let events = shelf.bodies().await;
    let kinds = events.iter().filter_map(|event| event["kind"].as_str());
    let kinds: Vec<&str> = kinds.filter(|kind| kind.starts_with("mass_")).collect();
    let expected = [
        "mass_change_held",
        "mass_change_confirmed",
        "mass_change_carried_out",
        "mass_change_held",
        "mass_change_dissolved",
    ];
    assert_eq!(kinds, expected);
}
