//! What reports and lists ask of facts beside a single day: each interval of a period, a stretch of assignments with
//! all that a list shows of it, and which collection was the first that saw everything.

use usher::domain::facts::{Fact, FactKey, FactKind, Gap};
use usher::domain::{PrincipalKind, PrincipalRef};
use usher::store::{FactInterval, GrantScope, Store, StoreError};

use super::common::*;
use super::fact_rows::*;

/// Every interval of a period, in pages.
async fn intervals(
    store: &dyn Store,
    (earlier, later): (
        usher::domain::facts::CollectionId,
        usher::domain::facts::CollectionId,
    ),
    page: usize,
) -> Vec<FactInterval> {
    let mut found: Vec<FactInterval> = Vec::new();
    loop {
        let after = found.last().map(|last| (last.fact.key.clone(), last.from));
        let some = store.fact_intervals(earlier, later, after.as_ref(), page);
        let some = some.await.unwrap();
        assert!(some.len() <= page);
        let is_last = some.len() < page;
        found.extend(some);
        if is_last {
            return found;
        }
    }
}

pub(crate) async fn what_came_and_went_in_a_period_is_told_page_by_page(shelf: Shelf) {
    let store = &*shelf.store;
    let stays = member(1, 1);
    let first = commit(store, 0, &[stays.clone(), member(1, 2)], &[]).await;
    let changed = with_value(member(1, 2), r#"{"by":"SCIM"}"#);
    let passing = assigned(9, 9);
    let second = [stays.clone(), changed.clone(), passing.clone()];
    let second = commit(store, 1, &second, &[]).await;
    let third = commit(store, 2, &[stays.clone(), member(1, 2)], &[]).await;
    let after = commit(store, 3, &[stays], &[]).await;
    let interval = |fact: Fact, from, to| FactInterval { fact, from, to };
    let expected = vec![
        interval(member(1, 2), first, Some(second)),
        interval(changed, second, Some(third)),
        // It ends after the period, and began in it.
        interval(member(1, 2), third, Some(after)),
        interval(passing, second, Some(third)),
    ];
    for page in 1..6 {
        assert_eq!(intervals(store, (first, third), page).await, expected);
    }
    assert_eq!(intervals(store, (second, second), 9).await, []);
    let backwards = store.fact_intervals(third, first, None, 9).await;
    assert!(matches!(backwards, Err(StoreError::Stale)));
}

fn fact(key: FactKey, value: &str) -> Fact {
    let value = value.to_owned();
    Fact { key, value }
}

pub(crate) async fn a_stretch_of_assignments_comes_with_names_and_what_holds_them(shelf: Shelf) {
    let store = &*shelf.store;
    let held = key(1, 1);
    let granted = record(store, grant(1, &held)).await;
    record(store, grant(2, &key(2, 7))).await;
    let (user, other) = (&held.principal, principal(PrincipalKind::Group, 5));
    let named = fact(
        FactKey::user(&user.id),
        r#"{"exists":true,"user_name":"anna"}"#,
    );
    let unnamed = fact(FactKey::user(&principal(PrincipalKind::User, 9).id), "{}");
    let arn = application(1);
    let target_fact = fact(FactKey::application(arn.as_str()), r#"{"name":"Wiki"}"#);
    let of = |principal: &PrincipalRef| fact(FactKey::assignment(&target(1), principal), "{}");
    let mut facts = vec![
        named.clone(),
        unnamed,
        target_fact.clone(),
        of(user),
        of(&other),
    ];
    facts.sort_by(|left, right| left.key.cmp(&right.key));
    let id = commit(store, 0, &facts, &[]).await;
    let listed = store.listed_assignments(id, None, 9).await.unwrap();
    let assigned = listed.assignments.iter().map(|kept| kept.fact.clone());
    let expected: Vec<Fact> = (facts.iter())
        .filter(|fact| fact.key.kind == FactKind::Assignment)
        .cloned()
        .collect();
    assert_eq!(Vec::from_iter(assigned), expected);
    let mut names: Vec<Fact> = listed.named.into_iter().map(|kept| kept.fact).collect();
    names.sort_by(|left, right| left.key.cmp(&right.key));
    assert_eq!(names, [named.clone(), target_fact]);
    let grants: Vec<_> = listed.grants.iter().map(|grant| &grant.id).collect();
    assert_eq!(grants, [&granted.id]);
    let records: Vec<_> = listed.records.iter().map(|record| &record.key).collect();
    assert_eq!(records, [&held]);
    assert_eq!(listed.first_whole, Some(id));
    let rest = store
        .listed_assignments(id, Some(&expected[0].key), 9)
        .await;
    assert_eq!(rest.unwrap().assignments.len(), 1);
    let missing = fact(FactKey::group(&other.id), "{}").key;
    let found = store.facts_of(id, &[named.key.clone(), missing]).await;
    let found: Vec<_> = found.unwrap().into_iter().map(|kept| kept.fact).collect();
    assert_eq!(found, [named]);
}

pub(crate) async fn the_first_collection_that_lacks_nothing_stays_known(shelf: Shelf) {
    let store = &*shelf.store;
    let instance = instance();
    let first = || store.first_whole_collection(&instance);
    assert_eq!(first().await.unwrap(), None);
    commit(store, 0, &[user(1)], &[Gap::all(FactKind::Group)]).await;
    assert_eq!(first().await.unwrap(), None);
    let whole = commit(store, 100, &[user(1)], &[]).await;
    commit(store, 200, &[user(2)], &[]).await;
    assert_eq!(first().await.unwrap(), Some(whole));
    forget(store, at(200)).await;
    assert_eq!(
        first().await.unwrap(),
        Some(whole),
        "although it is forgotten"
    );
}

pub(crate) async fn when_there_was_something_with_a_second_key_is_told(shelf: Shelf) {
    let store = &*shelf.store;
    let first = commit(store, 0, &[assigned(1, 7), assigned(2, 8)], &[]).await;
    let second = commit(store, 1, &[assigned(2, 8)], &[]).await;
    let third = commit(store, 2, &[assigned(2, 7), assigned(2, 8)], &[]).await;
    let spans = |second: String| {
        let instance = instance();
        async move {
            let kind = FactKind::Assignment;
            let spans = store.fact_spans(&instance, kind, &second).await;
            let mut spans = spans.unwrap();
            spans.sort_unstable();
            spans
        }
    };
    let expected = [(first, Some(second)), (third, None)];
    assert_eq!(spans(assigned(1, 7).key.second).await, expected);
    assert_eq!(spans(assigned(1, 8).key.second).await, [(first, None)]);
    assert_eq!(spans(assigned(1, 9).key.second).await, []);
}

pub(crate) async fn grants_that_stood_in_a_period_are_told_by_their_ids(shelf: Shelf) {
    let store = &*shelf.store;
    let instance = instance();
    let mut grants = Vec::new();
    for number in [2, 1, 3] {
        grants.push(record(store, grant(number, &key(1, 1))).await);
    }
    grants.sort_by(|left, right| left.id.cmp(&right.id));
    let ids: Vec<_> = grants.iter().map(|grant| grant.id.clone()).collect();
    let found = store.grants_of_ids(&ids[..2]).await.unwrap();
    assert_eq!(found, grants[..2]);
    assert_eq!(store.grants_of_ids(&[]).await.unwrap(), []);
    // None has begun.
    let (from, until) = (at(0), at(1_000_000));
    let standing = store.grant_ids_standing(&instance, from, until).await;
    assert_eq!(standing.unwrap(), []);
    let by_scope = store.grants_standing(&instance, &GrantScope::All, from, until);
    assert_eq!(by_scope.await.unwrap(), []);
    let claim = claim_one(store, "a", 50).await;
    let changes = activation(&claim, 100);
    let begun: Vec<_> = changes
        .grants
        .iter()
        .map(|grant| grant.id.clone())
        .collect();
    assert_eq!(begun, ids);
    store.commit_step(&claim, changes).await.unwrap();
    for (from, until, is_in) in [(0, 99, false), (0, 100, true), (500, 900, true)] {
        let standing = store.grant_ids_standing(&instance, at(from), at(until));
        let standing = standing.await.unwrap();
        let expected = if is_in { ids.as_slice() } else { &[] };
        assert_eq!(standing, expected, "{from} to {until}");
    }
}
