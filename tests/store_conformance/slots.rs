//! Asynchronous changes: how many there may be at a time, which are pending, and who is woken.

use std::collections::BTreeSet;

use tokio::task::JoinSet;
use usher::domain::plan::{Changes, Write};
use usher::domain::{
    AccountAccess, AccountId, AssignmentKey, AssignmentRequestId, ErrorKind, FailedAttempt,
    Failure, InstanceArn, Operation, PendingChange, PermissionSetArn, PrincipalKind, Target,
};
use usher::store::{Claim, ClaimLimit, Store, StoreError};

use super::common::*;

/// A user's access to an account.
pub(crate) fn account_key(account: u64, user: u64) -> AssignmentKey {
    let set = "arn:aws:sso:::permissionSet/ssoins-1234567890abcdef/ps-1234567890abcdef";
    AssignmentKey {
        instance_arn: instance(),
        principal: principal(PrincipalKind::User, user),
        target: Target::AccountAccess(AccountAccess {
            account: AccountId::parse(&format!("{account:012}")).unwrap(),
            permission_set: PermissionSetArn::parse(set).unwrap(),
        }),
    }
}

fn elsewhere(key: AssignmentKey) -> AssignmentKey {
    AssignmentKey {
        instance_arn: InstanceArn::parse("arn:aws:sso:::instance/ssoins-fedcba0987654321").unwrap(),
        ..key
    }
}

pub(crate) fn request_id(number: u64) -> AssignmentRequestId {
    AssignmentRequestId::parse(&format!("00000000-0000-4000-8000-{number:012}")).unwrap()
}

/// A step after which a change is pending.
pub(crate) fn pending(claim: &Claim, id: Option<AssignmentRequestId>, due: i64) -> Changes {
    let mut changes = rest(claim, Some(at(due)));
    changes.record.pending = Some(PendingChange {
        write: Write::Create,
        request_id: id,
        since: at(10),
        own_before: false,
    });
    changes
}

/// A step after which nothing is pending.
fn settled(claim: &Claim, due: Option<i64>) -> Changes {
    let mut changes = rest(claim, due.map(at));
    changes.record.pending = None;
    changes
}

/// One grant on each of so many accounts, all due.
async fn record_accounts(store: &dyn Store, accounts: u32) {
    for account in 1..=accounts {
        record(store, grant(account, &account_key(account.into(), 1))).await;
    }
}

async fn claims(store: &dyn Store, name: &str, second: i64, most: usize) -> Vec<Claim> {
    store
        .claim_due(
            &holder(name),
            &[instance()],
            at(second),
            at(second + 60),
            limit(most),
        )
        .await
        .unwrap()
}

fn keys(claims: &[Claim]) -> Vec<AssignmentKey> {
    claims
        .iter()
        .map(|claim| claim.record.key.clone())
        .collect()
}

pub(crate) async fn no_more_than_the_limit_is_claimed_or_pending(shelf: Shelf) {
    let store = &*shelf.store;
    record_accounts(store, 6).await;
    record(store, grant(20, &key(1, 1))).await;
    record(store, grant(21, &elsewhere(account_key(1, 1)))).await;
    let first = claims(store, "a", 30, 2).await;
    assert_eq!(keys(&first), [account_key(1, 1), account_key(2, 1)]);
    // The third slot; applications need none.
    let mut more = keys(&claims(store, "b", 30, 10).await);
    more.extend(keys(&claims(store, "b", 30, 10).await));
    assert_eq!(more, [account_key(3, 1), key(1, 1)]);
    // A pending change keeps the slot after its claim.
    for claim in &first {
        store
            .commit_and_release(claim, pending(claim, None, 500))
            .await
            .unwrap();
    }
    assert_eq!(claims(store, "c", 31, 10).await, []);
    // Each instance has slots of its own.
    let other = [elsewhere(account_key(1, 1)).instance_arn];
    let claimed = store
        .claim_due(&holder("d"), &other, at(30), at(90), limit(10))
        .await;
    assert_eq!(claimed.unwrap().len(), 1);
}

pub(crate) async fn a_slot_is_given_back_with_the_claim_or_the_change(shelf: Shelf) {
    let store = &*shelf.store;
    record_accounts(store, 7).await;
    let first = claims(store, "a", 30, 10).await;
    assert_eq!(first.len(), SLOTS);
    // With the claim, where nothing is pending.
    store
        .commit_and_release(&first[0], rest(&first[0], None))
        .await
        .unwrap();
    assert_eq!(keys(&claims(store, "b", 30, 10).await), [account_key(4, 1)]);
    // With the change, although the claim goes on.
    let claim = store
        .commit_step(&first[1], pending(&first[1], Some(request_id(1)), 40))
        .await
        .unwrap();
    assert_eq!(claims(store, "b", 30, 10).await, []);
    let claim = store
        .commit_step(&claim, settled(&claim, Some(40)))
        .await
        .unwrap();
    assert_eq!(keys(&claims(store, "b", 30, 10).await), [account_key(5, 1)]);
    // From then on nothing may become pending under this claim.
    let refused = store.commit_step(&claim, pending(&claim, None, 40)).await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    // With the lease of a holder that died.
    let after = keys(&claims(store, "c", 200, 10).await);
    assert_eq!(after.len(), SLOTS, "{after:?}");
}

pub(crate) async fn a_restart_keeps_the_slots_of_pending_changes_alone(mut shelf: Shelf) {
    record_accounts(&*shelf.store, 6).await;
    let first = claims(&*shelf.store, "a", 30, 10).await;
    let change = pending(&first[0], None, 500);
    shelf.store.commit_step(&first[0], change).await.unwrap();
    shelf.restart().await;
    let store = &*shelf.store;
    // Two slots are free again, and the pending one, when it is due, needs none.
    assert_eq!(
        keys(&claims(store, "b", 31, 10).await),
        [account_key(2, 1), account_key(3, 1)]
    );
    assert_eq!(claims(store, "b", 31, 10).await, []);
    assert_eq!(keys(&claims(store, "c", 500, 1).await).len(), 1);
}

pub(crate) async fn a_pending_change_is_claimed_although_every_slot_is_taken(shelf: Shelf) {
    let store = &*shelf.store;
    record_accounts(store, 5).await;
    for claim in claims(store, "a", 30, 10).await {
        let change = pending(&claim, Some(request_id(1)), 40);
        store.commit_and_release(&claim, change).await.unwrap();
    }
    // What waits for a slot is no reason to look again; what is pending is.
    let due = store.next_due_at(&[instance()], at(31), limit(1)).await;
    assert_eq!(due.unwrap(), Some(at(40)));
    let again = claims(store, "b", 40, 2).await;
    assert_eq!(keys(&again), [account_key(1, 1), account_key(2, 1)]);
    for claim in &again {
        store
            .commit_and_release(claim, settled(claim, None))
            .await
            .unwrap();
    }
    let due = store.next_due_at(&[instance()], at(41), limit(1)).await;
    assert_eq!(due.unwrap(), Some(at(4)), "a slot is free");
    let next = keys(&claims(store, "c", 41, 10).await);
    let mut expected = [account_key(3, 1), account_key(4, 1), account_key(5, 1)];
    expected.sort();
    assert_eq!(
        next.iter().collect::<BTreeSet<_>>(),
        expected.iter().collect()
    );
}

pub(crate) async fn ends_take_the_slots_first(shelf: Shelf) {
    let store = &*shelf.store;
    record_accounts(store, 5).await;
    store
        .revoke_grant(&grant_id(5), None, &end_request(20))
        .await
        .unwrap();
    let first = keys(&claims(store, "a", 30, 10).await);
    assert_eq!(
        first,
        [account_key(5, 1), account_key(1, 1), account_key(2, 1)]
    );
}

pub(crate) async fn the_last_slots_are_kept_for_ends(shelf: Shelf) {
    let store = &*shelf.store;
    record_accounts(store, 5).await;
    let kept = ClaimLimit {
        kept_for_ends: 1,
        ..limit(10)
    };
    let claim = async |name, second| {
        let (holder, instances) = (holder(name), [instance()]);
        let claims = store.claim_due(&holder, &instances, at(second), at(90), kept);
        claims.await.unwrap()
    };
    let first = claim("a", 10).await;
    assert_eq!(keys(&first), [account_key(1, 1), account_key(2, 1)]);
    let due = store.next_due_at(&[instance()], at(10), kept).await;
    assert_eq!(due.unwrap(), Some(at(90)), "the last slot is not for these");

    let end = end_request(20);
    store.revoke_grant(&grant_id(5), None, &end).await.unwrap();
    let due = store.next_due_at(&[instance()], at(20), kept).await;
    assert_eq!(due.unwrap(), Some(at(20)), "an end may have it");
    let second = claim("b", 20).await;
    assert_eq!(keys(&second), [account_key(5, 1)]);
    assert_eq!(claim("c", 21).await, []);
}

pub(crate) async fn break_glass_takes_the_slot_that_is_kept_for_ends(shelf: Shelf) {
    let store = &*shelf.store;
    record_accounts(store, 5).await;
    let kept = ClaimLimit {
        kept_for_ends: 1,
        ..limit(10)
    };
    let served = [instance()];
    let claim = async |name| {
        let holder = holder(name);
        let claims = store.claim_due(&holder, &served, at(10), at(90), kept);
        claims.await.unwrap()
    };
    assert_eq!(claim("a").await.len(), 2);
    assert_eq!(claim("b").await, []);
    let mut urgent = grant(9, &account_key(9, 1));
    urgent.break_glass = true;
    record(store, urgent).await;
    let due = store.next_due_at(&served, at(10), kept).await;
    assert_eq!(due.unwrap(), Some(at(9)), "what is due is what is claimed");
    assert_eq!(keys(&claim("c").await), [account_key(9, 1)]);
    let due = store.next_due_at(&served, at(10), kept).await;
    assert_eq!(
        due.unwrap(),
        Some(at(90)),
        "nothing is due that nobody may claim"
    );
}

pub(crate) async fn one_account_may_have_several_changes_under_way(shelf: Shelf) {
    let store = &*shelf.store;
    for user in 1..=2_u32 {
        record(store, grant(user, &account_key(1, user.into()))).await;
    }
    let first = claim_one(store, "a", 10).await;
    store
        .commit_and_release(&first, pending(&first, Some(request_id(1)), 40))
        .await
        .unwrap();
    let second = claim_one(store, "a", 10).await;
    assert_eq!(second.record.key, account_key(1, 2));
}

pub(crate) async fn what_is_pending_is_read_and_made_due(shelf: Shelf) {
    let store = &*shelf.store;
    record_accounts(store, 3).await;
    let first = claims(store, "a", 30, 10).await;
    let ids = [Some(request_id(1)), None];
    for (claim, id) in first.iter().zip(ids) {
        let change = pending(claim, id, 500);
        store.commit_and_release(claim, change).await.unwrap();
    }
    let expected: Vec<_> = first[..2]
        .iter()
        .zip([Some(request_id(1)), None])
        .map(|(claim, request_id)| {
            let change = PendingChange {
                write: Write::Create,
                request_id,
                since: at(10),
                own_before: false,
            };
            (claim.record.key.clone(), change)
        })
        .collect();
    let read = store.pending_requests(&instance()).await.unwrap();
    assert_eq!(read, expected);
    let other = elsewhere(account_key(1, 1)).instance_arn;
    assert_eq!(store.pending_requests(&other).await.unwrap(), []);
    store
        .commit_and_release(&first[2], rest(&first[2], Some(at(600))))
        .await
        .unwrap();
    // The last one has no pending change: it stays where it is.
    store.signals().work().await;
    let made = [account_key(1, 1), account_key(3, 1)];
    store.make_due(&made, at(31)).await.unwrap();
    store.signals().work().await;
    assert_eq!(keys(&claims(store, "b", 31, 10).await), [account_key(1, 1)]);
}

pub(crate) async fn a_change_that_could_not_be_asked_about_keeps_its_pause(shelf: Shelf) {
    let store = &*shelf.store;
    record_accounts(store, 2).await;
    // The change is pending since 10: the first failed before it, the second was asked about.
    for (claim, failed_at) in claims(store, "a", 30, 10).await.iter().zip([5, 20]) {
        let mut change = pending(claim, Some(request_id(1)), 500);
        change.record.failed_attempts = 1;
        change.record.last_failure = Some(FailedAttempt {
            failure: Failure::new(
                ErrorKind::Throttled,
                Operation::DescribeAccountAssignmentCreationStatus,
            ),
            at: at(failed_at),
        });
        store.commit_and_release(claim, change).await.unwrap();
    }
    let both = [account_key(1, 1), account_key(2, 1)];
    store.make_due(&both, at(31)).await.unwrap();
    assert_eq!(keys(&claims(store, "b", 31, 10).await), [account_key(1, 1)]);
}

pub(crate) async fn a_pending_change_and_its_failures_come_back(shelf: Shelf) {
    let store = &*shelf.store;
    record_accounts(store, 1).await;
    let claim = claim_one(store, "a", 10).await;
    for id in [None, Some(request_id(7))] {
        let claim = store.renew_claim(&claim, at(90)).await.unwrap();
        let mut changes = pending(&claim, id, 40);
        changes.record.failed_operations = 2;
        let mut expected = changes.record.clone();
        let next = store.commit_step(&claim, changes).await.unwrap();
        expected.version = next.record.version;
        assert_eq!(next.record, expected);
    }
    // A caller's write leaves it as it is.
    record(store, grant(5, &account_key(1, 1))).await;
    let read = store.pending_requests(&instance()).await.unwrap();
    assert_eq!(read[0].1.request_id, Some(request_id(7)));
}

pub(crate) async fn racing_holders_never_exceed_the_limit(shelf: Shelf) {
    const ACCOUNTS: u32 = 24;
    record_accounts(&*shelf.store, ACCOUNTS).await;
    let mut workers = JoinSet::new();
    for worker in 0..6 {
        let store = shelf.store.clone();
        workers.spawn(async move {
            let mut done = 0;
            for _ in 0..2000 {
                let claimed = claims(&*store, &format!("worker {worker}"), 99, 2).await;
                for claim in claimed {
                    let claim = store
                        .commit_step(&claim, pending(&claim, None, 99))
                        .await
                        .unwrap();
                    let under_way = store.pending_requests(&instance()).await.unwrap();
                    assert!(under_way.len() <= SLOTS, "{}", under_way.len());
                    let change = settled(&claim, None);
                    store.commit_and_release(&claim, change).await.unwrap();
                    done += 1;
                }
                let due = store.next_due_at(&[instance()], at(99), limit(1)).await;
                if due.unwrap().is_none() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            done
        });
    }
    let mut done = 0;
    while let Some(worker) = workers.join_next().await {
        done += worker.unwrap();
    }
    assert_eq!(done, ACCOUNTS);
}
