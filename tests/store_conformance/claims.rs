//! Claims: exclusive, fenced, in order; steps written whole or not at all.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use tokio::task::JoinSet;
use usher::domain::{EventKind, GrantState, Standing};
use usher::store::StoreError;

use super::common::*;

pub(crate) async fn due_work_is_claimed_once_and_oldest_first(shelf: Shelf) {
    for (number, application) in [(30, 1), (10, 2), (20, 3), (99, 4)] {
        record(&*shelf.store, grant(number, &key(application, 1))).await;
    }
    let claim = |most| {
        shelf
            .store
            .claim_due(&HOLDER, &*SERVED, at(50), at(110), limit(most))
    };
    let first = claim(2).await.unwrap();
    let keys: Vec<_> = first.iter().map(|claim| claim.record.key.clone()).collect();
    assert_eq!(keys, [key(2, 1), key(3, 1)]);
    assert_eq!(first[0].grants[0].id, grant_id(10));
    assert_eq!(first[0].lease_until, at(110));
    let second = claim(10).await.unwrap();
    let keys: Vec<_> = second
        .iter()
        .map(|claim| claim.record.key.clone())
        .collect();
    assert_eq!(keys, [key(1, 1)], "the fourth is not due yet");
    assert_eq!(claim(10).await.unwrap(), []);
}

static SERVED: std::sync::LazyLock<[usher::domain::InstanceArn; 1]> =
    std::sync::LazyLock::new(|| [instance()]);
static HOLDER: std::sync::LazyLock<usher::store::Holder> = std::sync::LazyLock::new(|| holder("a"));

pub(crate) async fn one_target_is_claimed_once_at_a_time(shelf: Shelf) {
    for user in 1..=3_u32 {
        record(&*shelf.store, grant(user, &key(1, user.into()))).await;
    }
    let first = claim_one(&*shelf.store, "a", 10).await;
    assert_eq!(first.record.key, key(1, 1));
    let none = shelf
        .store
        .claim_due(&holder("b"), &[instance()], at(10), at(70), limit(10))
        .await;
    assert_eq!(none.unwrap(), []);
    shelf
        .store
        .commit_and_release(&first, rest(&first, None))
        .await
        .unwrap();
    let second = claim_one(&*shelf.store, "b", 10).await;
    assert_eq!(second.record.key, key(1, 2));
}

pub(crate) async fn racing_holders_never_share_a_claim_or_a_target(shelf: Shelf) {
    const TARGETS: u32 = 5;
    const USERS: u32 = 6;
    let mut number: u32 = 0;
    for application in 1..=TARGETS {
        for user in 1..=USERS {
            number += 1;
            record(
                &*shelf.store,
                grant(number, &key(application.into(), user.into())),
            )
            .await;
        }
    }
    let held = Arc::new(Mutex::new(BTreeSet::new()));
    let done = Arc::new(Mutex::new(BTreeSet::new()));
    let mut workers = JoinSet::new();
    for worker in 0..8 {
        let (store, held, done) = (shelf.store.clone(), held.clone(), done.clone());
        workers.spawn(async move {
            let name = holder(&format!("worker {worker}"));
            while done.lock().unwrap().len() < number as usize {
                let claims = store
                    .claim_due(&name, &[instance()], at(99), at(159), limit(3))
                    .await
                    .unwrap();
                for claim in &claims {
                    let target = claim.record.key.target.clone();
                    assert!(held.lock().unwrap().insert(target), "two on one target");
                }
                for claim in claims {
                    let claim = store
                        .commit_step(&claim, activation(&claim, 99))
                        .await
                        .unwrap();
                    // Given back before the release: from the release on another may have it.
                    held.lock().unwrap().remove(&claim.record.key.target);
                    let key = claim.record.key.clone();
                    store
                        .commit_and_release(&claim, rest(&claim, None))
                        .await
                        .unwrap();
                    assert!(done.lock().unwrap().insert(key), "claimed twice");
                }
                tokio::task::yield_now().await;
            }
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker.unwrap();
    }
}

pub(crate) async fn a_lease_that_is_over_goes_to_another(shelf: Shelf) {
    record(&*shelf.store, grant(1, &key(1, 1))).await;
    let lost = claim_one(&*shelf.store, "a", 10).await;
    let none = shelf
        .store
        .claim_due(&holder("b"), &[instance()], at(69), at(129), limit(1))
        .await;
    assert_eq!(none.unwrap(), [], "the lease lasts until 70");
    // Over, but nobody else has it: its holder may go on.
    let renewed = shelf.store.renew_claim(&lost, at(80)).await.unwrap();
    assert_eq!(renewed.lease_until, at(80));
    let taken = claim_one(&*shelf.store, "b", 80).await;
    assert_eq!(taken.record.key, lost.record.key);
    let outcome = shelf.store.renew_claim(&renewed, at(140)).await;
    assert!(matches!(outcome, Err(StoreError::LeaseLost)), "{outcome:?}");
    let outcome = shelf
        .store
        .commit_step(&renewed, activation(&renewed, 81))
        .await;
    assert!(matches!(outcome, Err(StoreError::LeaseLost)), "{outcome:?}");
    let outcome = shelf
        .store
        .commit_and_release(&renewed, activation(&renewed, 81))
        .await;
    assert!(matches!(outcome, Err(StoreError::LeaseLost)), "{outcome:?}");
    let untouched = shelf.store.grant(&grant_id(1)).await.unwrap().unwrap();
    assert_eq!(untouched.state, GrantState::Provisioning);
    shelf.store.renew_claim(&taken, at(150)).await.unwrap();
}

pub(crate) async fn a_step_is_written_with_its_grants_and_events(shelf: Shelf) {
    record(&*shelf.store, grant(1, &key(1, 1))).await;
    record(&*shelf.store, grant(2, &key(1, 1))).await;
    let claim = claim_one(&*shelf.store, "a", 10).await;
    let mut heard = shelf.store.signals().changes();
    let mut changes = activation(&claim, 11);
    changes.record.standing = Standing::No;
    let next = shelf.store.commit_step(&claim, changes).await.unwrap();
    assert_eq!(next.record.standing, Standing::No);
    assert!(next.record.version > claim.record.version);
    assert_eq!(next.holder, claim.holder);
    assert!(
        next.grants
            .iter()
            .all(|grant| grant.state == GrantState::Active)
    );
    assert_eq!(heard.try_recv().unwrap(), grant_id(1));
    assert_eq!(heard.try_recv().unwrap(), grant_id(2));
    for number in [1, 2] {
        let stored = shelf.store.grant(&grant_id(number)).await.unwrap().unwrap();
        assert_eq!(Some(&stored), next.grant(&stored.id));
        assert_eq!(stored.end_at, Some(at(3611)));
        let events = shelf.store.grant_events(&stored.id, 10).await.unwrap();
        let kinds: Vec<_> = events.iter().map(|stored| stored.event.kind).collect();
        assert_eq!(kinds, [EventKind::Requested, EventKind::Activated]);
    }
}

pub(crate) async fn a_callers_write_makes_the_holder_stale(shelf: Shelf) {
    record(&*shelf.store, grant(1, &key(1, 1))).await;
    let claim = claim_one(&*shelf.store, "a", 10).await;
    shelf
        .store
        .revoke_grant(&grant_id(1), None, &end_request(11))
        .await
        .unwrap();
    let outcome = shelf
        .store
        .commit_step(&claim, activation(&claim, 12))
        .await;
    assert!(matches!(outcome, Err(StoreError::Stale)), "{outcome:?}");
    let renewed = shelf.store.renew_claim(&claim, at(90)).await.unwrap();
    assert_eq!(renewed.grants[0].state, GrantState::Revoking);
    record(&*shelf.store, grant(2, &key(1, 1))).await;
    let outcome = shelf
        .store
        .commit_and_release(&renewed, rest(&renewed, None))
        .await;
    assert!(matches!(outcome, Err(StoreError::Stale)), "{outcome:?}");
    let events = shelf.store.grant_events(&grant_id(1), 10).await.unwrap();
    assert_eq!(events.len(), 2, "a stale step leaves no event");
    let renewed = shelf.store.renew_claim(&renewed, at(90)).await.unwrap();
    assert_eq!(renewed.grants.len(), 2);
    shelf
        .store
        .remove_assignment(&key(1, 1), None, &end_request(13))
        .await
        .unwrap();
    let outcome = shelf
        .store
        .commit_step(&renewed, rest(&renewed, None))
        .await;
    assert!(matches!(outcome, Err(StoreError::Stale)), "{outcome:?}");
}

pub(crate) async fn renewing_keeps_the_version_until_a_caller_writes(shelf: Shelf) {
    record(&*shelf.store, grant(1, &key(1, 1))).await;
    let claim = claim_one(&*shelf.store, "a", 10).await;
    let renewed = shelf.store.renew_claim(&claim, at(90)).await.unwrap();
    assert_eq!(renewed.record, claim.record);
    assert_eq!(renewed.lease_until, at(90));
    // The first reading is still good for a step: nothing of it has changed.
    let stepped = shelf
        .store
        .commit_step(&claim, rest(&claim, Some(at(20))))
        .await
        .unwrap();
    record(&*shelf.store, grant(2, &key(1, 1))).await;
    let renewed = shelf.store.renew_claim(&stepped, at(99)).await.unwrap();
    assert_ne!(renewed.record.version, stepped.record.version);
    assert_eq!(renewed.grants.len(), 2);
    // Another name is another holder, also of the very same reading.
    let stranger = usher::store::Claim {
        holder: holder("b"),
        ..renewed.clone()
    };
    let outcome = shelf.store.renew_claim(&stranger, at(120)).await;
    assert!(matches!(outcome, Err(StoreError::LeaseLost)), "{outcome:?}");
    let outcome = shelf
        .store
        .commit_and_release(&stranger, rest(&stranger, None))
        .await;
    assert!(matches!(outcome, Err(StoreError::LeaseLost)), "{outcome:?}");
    shelf
        .store
        .commit_and_release(&renewed, rest(&renewed, None))
        .await
        .unwrap();
}

pub(crate) async fn an_older_reading_of_ones_own_claim_is_stale(shelf: Shelf) {
    record(&*shelf.store, grant(1, &key(1, 1))).await;
    let first = claim_one(&*shelf.store, "a", 10).await;
    let second = shelf
        .store
        .commit_step(&first, rest(&first, Some(at(20))))
        .await
        .unwrap();
    let outcome = shelf.store.commit_step(&first, rest(&first, None)).await;
    assert!(matches!(outcome, Err(StoreError::Stale)), "{outcome:?}");
    shelf
        .store
        .commit_step(&second, rest(&second, None))
        .await
        .unwrap();
}

pub(crate) async fn a_released_assignment_is_due_when_its_record_says(shelf: Shelf) {
    record(&*shelf.store, grant(1, &key(1, 1))).await;
    let claim = claim_one(&*shelf.store, "a", 10).await;
    shelf
        .store
        .commit_and_release(&claim, activation(&claim, 11))
        .await
        .unwrap();
    let due = shelf
        .store
        .next_due_at(&[instance()], at(12), limit(1))
        .await
        .unwrap();
    assert_eq!(due, Some(at(3611)));
    let none = shelf
        .store
        .claim_due(&holder("a"), &[instance()], at(3610), at(3700), limit(1))
        .await;
    assert_eq!(none.unwrap(), []);
    let again = claim_one(&*shelf.store, "b", 3611).await;
    assert_eq!(again.grants[0].state, GrantState::Active);
    // Released by one, unknown to the other.
    let outcome = shelf.store.renew_claim(&claim, at(9999)).await;
    assert!(matches!(outcome, Err(StoreError::LeaseLost)), "{outcome:?}");
}

pub(crate) async fn the_next_due_time_waits_for_claimed_targets(shelf: Shelf) {
    assert_eq!(
        shelf
            .store
            .next_due_at(&[instance()], at(0), limit(1))
            .await
            .unwrap(),
        None
    );
    record(&*shelf.store, grant(1, &key(1, 1))).await;
    record(&*shelf.store, grant(2, &key(1, 2))).await;
    let claim = claim_one(&*shelf.store, "a", 10).await;
    // Both are due, and neither can be claimed before the lease on their target is over.
    let due = shelf
        .store
        .next_due_at(&[instance()], at(11), limit(1))
        .await
        .unwrap();
    assert_eq!(due, Some(at(70)));
    record(&*shelf.store, grant(30, &key(2, 1))).await;
    let due = shelf
        .store
        .next_due_at(&[instance()], at(11), limit(1))
        .await
        .unwrap();
    assert_eq!(due, Some(at(30)));
    shelf
        .store
        .commit_and_release(&claim, rest(&claim, None))
        .await
        .unwrap();
    let due = shelf
        .store
        .next_due_at(&[instance()], at(11), limit(1))
        .await
        .unwrap();
    assert_eq!(due, Some(at(2)));
}

pub(crate) async fn a_restart_clears_leases(mut shelf: Shelf) {
    record(&*shelf.store, grant(1, &key(1, 1))).await;
    let lost = claim_one(&*shelf.store, "a", 10).await;
    shelf.restart().await;
    let outcome = shelf.store.renew_claim(&lost, at(90)).await;
    assert!(matches!(outcome, Err(StoreError::LeaseLost)), "{outcome:?}");
    // At the same instant, long before the old lease is over.
    let claim = claim_one(&*shelf.store, "b", 10).await;
    assert!(claim.record.version > lost.record.version);
}
