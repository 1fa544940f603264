//! What is due: ends before the rest, of the served instances only, and how much there is.

use usher::domain::{AssignmentKey, InstanceArn, Transition};
use usher::store::{ClaimLimit, OfEachKind, Store, WorkKind};

use super::common::*;

fn elsewhere() -> AssignmentKey {
    AssignmentKey {
        instance_arn: InstanceArn::parse("arn:aws:sso:::instance/ssoins-fedcba0987654321").unwrap(),
        ..key(1, 1)
    }
}

/// The keys with work of a kind, in the order in which they are claimed one by one.
async fn order(store: &dyn Store, kind: WorkKind, second: i64) -> Vec<AssignmentKey> {
    let mut places = OfEachKind::all(1);
    for other in WorkKind::ALL {
        if other != kind {
            places.take(other);
        }
    }
    let only = ClaimLimit {
        claims_max: places,
        ..limit(1)
    };
    let mut keys = Vec::new();
    loop {
        let claims = store
            .claim_due(
                &holder("a"),
                &[instance()],
                at(second),
                at(second + 60),
                only,
            )
            .await
            .unwrap();
        let Some(claim) = claims.into_iter().next() else {
            return keys;
        };
        keys.push(claim.record.key.clone());
        let released = store.commit_and_release(&claim, rest(&claim, None)).await;
        released.unwrap();
    }
}

pub(crate) async fn ends_come_before_provisioning(shelf: Shelf) {
    let store = &*shelf.store;
    // Active until 3601, and due then.
    record(store, grant(1, &key(1, 1))).await;
    let claim = claim_one(store, "a", 1).await;
    store
        .commit_and_release(&claim, activation(&claim, 1))
        .await
        .unwrap();
    // Due before every end.
    for number in 2..=4 {
        record(store, grant(number, &key(u64::from(number), 1))).await;
    }
    // On the target of an end, and due before it.
    record(store, grant(7, &key(8, 2))).await;
    record(store, grant(8, &key(8, 1))).await;
    store
        .revoke_grant(&grant_id(8), None, &end_request(3500))
        .await
        .unwrap();
    store
        .remove_assignment(&key(9, 1), None, &end_request(3400))
        .await
        .unwrap();
    let claims = store
        .claim_due(&holder("b"), &[instance()], at(3601), at(3602), limit(3))
        .await
        .unwrap();
    let keys: Vec<_> = claims.into_iter().map(|claim| claim.record.key).collect();
    let asked_ends_first = [key(9, 1), key(8, 1), key(2, 1)];
    assert_eq!(keys[..3], asked_ends_first);
    assert_eq!(
        keys[3..],
        [key(1, 1)],
        "an end whose time has come is of the rest"
    );
    // Those leases are over: the same order again, then the others.
    let asked = order(store, WorkKind::Asked, 3700).await;
    assert_eq!(asked[..3], asked_ends_first);
    assert_eq!(asked[3..], [key(3, 1), key(4, 1), key(8, 2)]);
    assert_eq!(order(store, WorkKind::Rest, 3700).await, [key(1, 1)]);
}

pub(crate) async fn what_is_over_is_no_end_any_more(shelf: Shelf) {
    let store = &*shelf.store;
    record(store, grant(9, &key(2, 1))).await;
    store
        .remove_assignment(&key(1, 1), None, &end_request(10))
        .await
        .unwrap();
    let claims = store
        .claim_due(&holder("a"), &[instance()], at(10), at(70), limit(1))
        .await
        .unwrap();
    assert_eq!(claims[0].record.key, key(1, 1));
    // Removed: what is due on it later is work like any other.
    let mut changes = rest(&claims[0], Some(at(11)));
    changes.record.removal = None;
    store.commit_and_release(&claims[0], changes).await.unwrap();
    assert_eq!(order(store, WorkKind::Asked, 20).await, [key(2, 1)]);
    assert_eq!(order(store, WorkKind::Rest, 20).await, [key(1, 1)]);
}

pub(crate) async fn another_instances_work_is_left_alone(shelf: Shelf) {
    let store = &*shelf.store;
    record(store, grant(1, &elsewhere())).await;
    let served = [instance()];
    for instances in [&served[..], &[]] {
        let claims = store
            .claim_due(&holder("a"), instances, at(10), at(70), limit(10))
            .await;
        assert_eq!(claims.unwrap(), []);
        assert_eq!(
            store
                .next_due_at(instances, at(10), limit(1))
                .await
                .unwrap(),
            None
        );
        assert_eq!(store.count_open_elsewhere(instances).await.unwrap(), 1);
    }
    let both = [instance(), elsewhere().instance_arn];
    assert_eq!(store.count_open_elsewhere(&both).await.unwrap(), 0);
    record(store, grant(2, &key(1, 1))).await;
    let due = store.next_due_at(&both, at(10), limit(1)).await.unwrap();
    assert_eq!(due, Some(at(1)));
    let claims = store
        .claim_due(&holder("a"), &both, at(10), at(70), limit(10))
        .await;
    assert_eq!(claims.unwrap().len(), 2, "two instances, two targets");
}

pub(crate) async fn each_instance_has_its_own_share_of_claims(shelf: Shelf) {
    let store = &*shelf.store;
    // Many ends of one instance, all older than the other's work.
    for number in 1..=4 {
        record(store, grant(number, &key(number.into(), 1))).await;
        let end = end_request(5);
        store
            .revoke_grant(&grant_id(number.into()), None, &end)
            .await
            .unwrap();
    }
    record(store, grant(9, &elsewhere())).await;
    let both = [instance(), elsewhere().instance_arn];
    let claims = store
        .claim_due(&holder("a"), &both, at(10), at(70), limit(2))
        .await
        .unwrap();
    let keys: Vec<_> = claims.into_iter().map(|claim| claim.record.key).collect();
    assert_eq!(keys, [key(1, 1), key(2, 1), elsewhere()]);
}

pub(crate) async fn a_second_look_comes_as_early_as_an_end(shelf: Shelf) {
    let store = &*shelf.store;
    record(store, grant(2, &key(2, 1))).await;
    store
        .revoke_grant(&grant_id(2), None, &end_request(3))
        .await
        .unwrap();
    let claim = claim_one(store, "a", 4).await;
    let mut changes = rest(&claim, Some(at(20)));
    changes.record.recheck_at = Some(at(20));
    for grant in &claim.grants {
        changes
            .grants
            .push(grant.apply(Transition::Finish, at(5)).unwrap());
    }
    store.commit_and_release(&claim, changes).await.unwrap();
    // Due long before, and no end.
    record(store, grant(1, &key(1, 1))).await;
    let claim = claim_one(store, "a", 6).await;
    let mut changes = activation(&claim, 6);
    changes.record.next_attempt_at = Some(at(10));
    store.commit_and_release(&claim, changes).await.unwrap();
    let order = order(store, WorkKind::Rest, 30).await;
    assert_eq!(order, [key(2, 1), key(1, 1)]);
}

pub(crate) async fn due_work_is_counted(shelf: Shelf) {
    let store = &*shelf.store;
    let due = async |second| {
        store
            .count_due(&instance(), &WorkKind::ALL, at(second))
            .await
            .unwrap()
    };
    assert_eq!(due(100).await, 0);
    record(store, grant(10, &key(1, 1))).await;
    record(store, grant(20, &key(1, 2))).await;
    record(store, grant(30, &key(2, 1))).await;
    record(store, grant(1, &elsewhere())).await;
    for (second, expected) in [(9, 0), (10, 1), (20, 2), (30, 3)] {
        assert_eq!(due(second).await, expected, "at {second}");
    }
    let claim = claim_one(store, "a", 10).await;
    assert_eq!(due(30).await, 3, "a claimed one still costs");
    store
        .commit_and_release(&claim, rest(&claim, None))
        .await
        .unwrap();
    assert_eq!(due(30).await, 2);
}

pub(crate) async fn each_kind_of_work_is_claimed_and_counted_by_itself(shelf: Shelf) {
    let store = &*shelf.store;
    // Thirty that rest, and come due as second looks at the hundredth second, before all else.
    for number in 1..=30 {
        record(store, grant(number, &key(number.into(), 1))).await;
        let claim = claim_one(store, "a", 50).await;
        assert_eq!(claim.kind, WorkKind::Asked);
        let mut changes = activation(&claim, 50);
        changes.record.next_attempt_at = Some(at(90));
        store.commit_and_release(&claim, changes).await.unwrap();
    }
    record(store, grant(95, &key(41, 1))).await;
    let mut urgent = grant(96, &key(42, 1));
    urgent.break_glass = true;
    record(store, urgent).await;
    let (seventh, end) = (grant_id(7), end_request(97));
    let revoked = store.revoke_grant(&seventh, None, &end);
    revoked.await.unwrap();

    let count = async |kind| {
        let (served, kinds) = (instance(), [kind]);
        let due = store.count_due(&served, &kinds, at(100));
        due.await.unwrap()
    };
    assert_eq!(count(WorkKind::BreakGlass).await, 1);
    assert_eq!(count(WorkKind::Asked).await, 2);
    assert_eq!(count(WorkKind::Rest).await, 29);

    // One place of each kind: thirty that are due keep neither a grant nor an end from being begun.
    let served = [instance()];
    let first = holder("b");
    let claims = store.claim_due(&first, &served, at(100), at(160), limit(1));
    let claims = claims.await.unwrap();
    let begun: Vec<_> = claims
        .iter()
        .map(|claim| (claim.kind, claim.record.key.clone()))
        .collect();
    assert_eq!(
        begun,
        [
            (WorkKind::BreakGlass, key(42, 1)),
            (WorkKind::Asked, key(7, 1)),
            (WorkKind::Rest, key(1, 1)),
        ]
    );

    // Where only some kinds have places, the others are neither claimed nor waited for.
    let mut places = OfEachKind::all(1);
    places.take(WorkKind::Rest);
    let some = ClaimLimit {
        claims_max: places,
        ..limit(1)
    };
    let second = holder("c");
    let claims = store.claim_due(&second, &served, at(100), at(160), some);
    let claims = claims.await.unwrap();
    let keys: Vec<_> = claims.into_iter().map(|claim| claim.record.key).collect();
    assert_eq!(keys, [key(41, 1)]);
    let due = store.next_due_at(&served, at(100), some).await;
    assert_eq!(due.unwrap(), Some(at(160)), "the first lease that is over");
    let due = store.next_due_at(&served, at(100), limit(1)).await;
    assert_eq!(due.unwrap(), Some(at(90)));
}
