//! Facts: a collection is seen whole or not at all, only changes are written, nothing is closed that
//! nobody saw gone, and every day is read as it was.

use usher::domain::facts::{Extent, FactKind, Gap};
use usher::store::{
    FACTS_PER_BATCH_MAX, FactRange, Finishing, NameEntry, NameKind, Store, StoreError,
};

use super::common::*;
use super::fact_rows::*;

fn every_kind() -> FactRange {
    FactRange::Kinds(FactKind::ALL.to_vec())
}

pub(crate) async fn a_collection_is_seen_when_it_is_finished_and_not_before(shelf: Shelf) {
    let store = &*shelf.store;
    let first = [member(1, 1), assigned(1, 1), assigned(1, 2)];
    let taking = begin(store, 0, &[]).await;
    assert_eq!(store.take_facts(&taking, first.to_vec()).await.unwrap(), 3);
    assert_eq!(
        store.collection_at(&instance(), at(99)).await.unwrap(),
        None
    );
    let unseen = store.facts(taking.id, &every_kind(), None, 10).await;
    assert!(matches!(unseen, Err(StoreError::Stale)), "{unseen:?}");
    finish(store, &taking).await;
    let found = store.collection_at(&instance(), at(99)).await.unwrap();
    assert_eq!(found.unwrap().id, taking.id);
    assert_eq!(all(store, taking.id).await, first);

    // The next one closes, opens and changes; readers of the first see none of it.
    let next = begin(store, 100, &[]).await;
    let changed = with_value(member(1, 1), r#"{"by":"SCIM"}"#);
    let second = vec![changed, assigned(1, 3)];
    for facts in second.chunks(1) {
        store.take_facts(&next, facts.to_vec()).await.unwrap();
        assert_eq!(all(store, taking.id).await, first);
    }
    let on_target = FactRange::Of(FactKind::Assignment, assigned(1, 1).key.key);
    let of_user = FactRange::With(FactKind::Assignment, assigned(1, 1).key.second);
    assert_eq!(read(store, taking.id, &on_target, 1).await, first[1..]);
    assert_eq!(read(store, taking.id, &of_user, 1).await, first[1..2]);
    finish(store, &next).await;
    assert_eq!(all(store, next.id).await, second);
    assert_eq!(all(store, taking.id).await, first);
    assert_eq!(read(store, next.id, &of_user, 1).await, []);
}

pub(crate) async fn only_changes_are_written(shelf: Shelf) {
    let store = &*shelf.store;
    let facts = [member(1, 1), member(1, 2), assigned(1, 1)];
    let first = commit(store, 0, &facts, &[]).await;
    let changed = with_value(member(1, 2), r#"{"by":"SCIM"}"#);
    let now = [member(1, 1), changed, assigned(1, 1)];
    let second = commit(store, 1, &now, &[]).await;
    let third = commit(store, 2, &now, &[]).await;
    let kept = store.facts(third, &every_kind(), None, 10).await.unwrap();
    let since: Vec<_> = kept.iter().map(|kept| kept.since).collect();
    assert_eq!(since, [first, second, first]);
}

pub(crate) async fn what_a_crash_leaves_of_a_collection_is_undone(mut shelf: Shelf) {
    let many = u32::try_from(3 * FACTS_PER_BATCH_MAX).unwrap();
    let facts: Vec<_> = (0..many).map(|user| member(1, user)).collect();
    let first = commit(&*shelf.store, 0, &facts, &[]).await;
    // Half of them are gone, as many others come, and the process dies in the middle.
    let next: Vec<_> = (0..many).map(|user| member(1, 2 * user)).collect();
    let lost = begin(&*shelf.store, 100, &[]).await;
    for facts in next.chunks(FACTS_PER_BATCH_MAX).take(2) {
        take_all(&*shelf.store, &lost, facts).await;
    }
    shelf.restart().await;
    let store = &*shelf.store;
    assert_eq!(all(store, first).await, facts);
    let mut undone = 0;
    let taking = loop {
        if let Some(taking) = try_begin(store, 200, &[]).await {
            break taking;
        }
        undone += 1;
        let stale = store.take_facts(&lost, next[..1].to_vec()).await;
        assert!(matches!(stale, Err(StoreError::Stale)), "{stale:?}");
    };
    assert!(undone > 2, "a batch at a time: {undone}");
    assert_eq!(all(store, first).await, facts);
    let stale = store.finish_collection(&lost, &[]).await;
    assert!(matches!(stale, Err(StoreError::Stale)), "{stale:?}");
    // Nothing of it is left: the same again is no change.
    take_all(store, &taking, &facts).await;
    finish(store, &taking).await;
    assert_eq!(changes(store, first, taking.id, 7).await, []);
    let kept = store.facts(taking.id, &every_kind(), None, 5_000).await;
    assert!(kept.unwrap().iter().all(|kept| kept.since == first));
}

pub(crate) async fn a_collection_that_is_given_up_leaves_nothing(shelf: Shelf) {
    let store = &*shelf.store;
    let first = commit(store, 0, &[member(1, 1)], &[]).await;
    let given_up = begin(store, 100, &[]).await;
    take_all(store, &given_up, &[member(1, 2), assigned(1, 1)]).await;
    while !store.undo_collection(&instance()).await.unwrap() {}
    assert!(store.undo_collection(&instance()).await.unwrap());
    assert_eq!(all(store, first).await, [member(1, 1)]);
    let next = commit(store, 200, &[member(1, 1)], &[]).await;
    assert_eq!(changes(store, first, next, 10).await, []);
}

pub(crate) async fn facts_that_do_not_come_next_are_refused(shelf: Shelf) {
    let store = &*shelf.store;
    let taking = begin(store, 0, &[]).await;
    let unsorted = vec![member(1, 2), member(1, 1)];
    let twice = vec![member(1, 1), member(1, 1)];
    for facts in [unsorted, twice] {
        let refused = store.take_facts(&taking, facts).await;
        assert!(matches!(refused, Err(StoreError::Stale)), "{refused:?}");
    }
    assert_eq!(store.take_facts(&taking, Vec::new()).await.unwrap(), 0);
    take_all(store, &taking, &[member(1, 2)]).await;
    for facts in [vec![member(1, 1)], vec![member(1, 2)]] {
        let refused = store.take_facts(&taking, facts).await;
        assert!(matches!(refused, Err(StoreError::Stale)), "{refused:?}");
    }
    finish(store, &taking).await;
    let late = store.take_facts(&taking, vec![member(1, 3)]).await;
    assert!(matches!(late, Err(StoreError::Stale)), "{late:?}");
    assert_eq!(all(store, taking.id).await, [member(1, 2)]);
    // Another instance has facts of its own.
    let other = usher::domain::InstanceArn::parse("arn:aws:sso:::instance/ssoins-0000000000000002");
    let found = store.collection_at(&other.unwrap(), at(99)).await.unwrap();
    assert_eq!(found, None);
}

pub(crate) async fn much_that_is_gone_is_closed_a_batch_at_a_time(shelf: Shelf) {
    let store = &*shelf.store;
    let many = u32::try_from(3 * FACTS_PER_BATCH_MAX).unwrap();
    let facts: Vec<_> = (0..many).map(|user| member(1, user)).collect();
    let first = commit(store, 0, &facts, &[]).await;
    // All of them are gone before the one that comes.
    let taking = begin(store, 100, &[]).await;
    let late = vec![assigned(1, 1)];
    assert_eq!(store.take_facts(&taking, late.clone()).await.unwrap(), 0);
    take_all(store, &taking, &late).await;
    finish(store, &taking).await;
    assert_eq!(all(store, taking.id).await, late);
    // And behind the one that comes.
    let back = commit(store, 200, &facts, &[]).await;
    assert_eq!(all(store, back).await, facts);
    let taking = begin(store, 300, &[]).await;
    take_all(store, &taking, &[member(0, 1)]).await;
    let goes_on = store.finish_collection(&taking, &[]).await.unwrap();
    assert_eq!(goes_on, Finishing::GoesOn);
    assert_eq!(all(store, back).await, facts);
    finish(store, &taking).await;
    assert_eq!(all(store, taking.id).await, [member(0, 1)]);
    assert_eq!(all(store, first).await, facts);
}

pub(crate) async fn nothing_is_closed_within_a_gap(shelf: Shelf) {
    let store = &*shelf.store;
    let named = with_value(group(1), r#"{"status":"ENABLED","display_name":"one"}"#);
    let before = [
        named.clone(),
        member(1, 1),
        member(2, 1),
        assigned(1, 1),
        assigned(2, 1),
    ];
    commit(store, 0, &before, &[]).await;
    let gaps = [
        Gap::all(FactKind::Group),
        Gap::key(FactKind::Membership, &member(1, 1).key.key),
        Gap::assignments(Extent::Key(assigned(1, 1).key.key)),
    ];
    let nameless = with_value(group(1), r#"{"status":"ENABLED"}"#);
    let second = commit(store, 1, &[nameless.clone(), member(1, 2)], &gaps).await;
    let kept = [named, member(1, 1), member(1, 2), assigned(1, 1)];
    assert_eq!(all(store, second).await, kept);
    let record = store.collection_at(&instance(), at(99)).await.unwrap();
    let record = record.unwrap().record;
    assert!(!record.is_whole());
    assert_eq!(record.unread, gaps);
    // Seen again, what is gone is closed, and what is unknown is unknown.
    let third = commit(store, 2, &[nameless.clone(), member(1, 2)], &[]).await;
    assert_eq!(all(store, third).await, [nameless, member(1, 2)]);
}

pub(crate) async fn a_time_leads_to_the_last_collection_that_had_ended(mut shelf: Shelf) {
    let first = commit(&*shelf.store, 0, &[member(1, 1)], &[]).await;
    let second = commit(&*shelf.store, 100, &[member(1, 2)], &[]).await;
    shelf.restart().await;
    let store = &*shelf.store;
    for (second_of_day, found) in [
        (0, None),
        (ENDS_AFTER - 1, None),
        (ENDS_AFTER, Some(first)),
        (99 + ENDS_AFTER, Some(first)),
        (100 + ENDS_AFTER, Some(second)),
        (9_999, Some(second)),
    ] {
        let at = at(second_of_day);
        let collection = store.collection_at(&instance(), at).await.unwrap();
        assert_eq!(collection.map(|it| it.id), found, "{second_of_day}");
    }
    let told = store.collection_at(&instance(), at(99)).await.unwrap();
    assert_eq!(told.unwrap().record, collection_record(0, &[]));
    for (from, until, limit, found) in [
        (0, 9_999, 9, vec![first, second]),
        (0, 9_999, 1, vec![first]),
        (ENDS_AFTER + 1, 9_999, 9, vec![second]),
        (0, 100 + ENDS_AFTER, 9, vec![first]),
    ] {
        let instance = instance();
        let listed = store.collections(&instance, at(from), at(until), limit);
        let ids: Vec<_> = listed.await.unwrap().into_iter().map(|it| it.id).collect();
        assert_eq!(ids, found);
    }
}

pub(crate) async fn what_differs_between_two_days_is_told_page_by_page(shelf: Shelf) {
    let store = &*shelf.store;
    let first = [member(1, 1), member(1, 2), assigned(1, 1)];
    let earlier = commit(store, 0, &first, &[]).await;
    // Came and went in between, and changed to and fro: neither is a difference.
    let changed = with_value(member(1, 1), r#"{"by":"SCIM"}"#);
    commit(store, 1, &[changed, member(1, 2), assigned(9, 9)], &[]).await;
    let changed = with_value(member(1, 2), r#"{"by":"SCIM"}"#);
    let second = [member(1, 1), changed.clone(), assigned(1, 2)];
    let later = commit(store, 2, &second, &[]).await;
    let expected = vec![
        (changed.key, Some("{}".to_owned()), Some(changed.value)),
        (assigned(1, 1).key, Some("{}".to_owned()), None),
        (assigned(1, 2).key, None, Some("{}".to_owned())),
    ];
    for page in 1..5 {
        assert_eq!(changes(store, earlier, later, page).await, expected);
    }
    assert_eq!(changes(store, later, later, 5).await, []);
    let memberships = [FactKind::Membership];
    let some = store.fact_changes(earlier, later, &memberships, None, 9);
    assert_eq!(some.await.unwrap().len(), 1);
    let backwards = store.fact_changes(later, earlier, &memberships, None, 9);
    assert!(matches!(backwards.await, Err(StoreError::Stale)));
}

pub(crate) async fn facts_are_found_by_either_key_page_by_page(shelf: Shelf) {
    let store = &*shelf.store;
    let mut facts: Vec<_> = (0..4_u32)
        .flat_map(|left| (0..5).map(move |right| (left, right)))
        .flat_map(|(left, right)| [member(left, right), assigned(left, right)])
        .collect();
    facts.push(group(1));
    facts.sort_by(|left, right| left.key.cmp(&right.key));
    let id = commit(store, 0, &facts, &[]).await;
    for page in [1, 2, 3, 100] {
        for kind in [FactKind::Membership, FactKind::Assignment] {
            let of_kind = facts.iter().filter(|fact| fact.key.kind == kind);
            let of_kind: Vec<_> = of_kind.cloned().collect();
            for fact in &of_kind {
                let of = FactRange::Of(kind, fact.key.key.clone());
                let expected = of_kind.iter().filter(|it| it.key.key == fact.key.key);
                let expected: Vec<_> = expected.cloned().collect();
                assert_eq!(read(store, id, &of, page).await, expected);
                let with = FactRange::With(kind, fact.key.second.clone());
                let expected = of_kind.iter().filter(|it| it.key.second == fact.key.second);
                let expected: Vec<_> = expected.cloned().collect();
                assert_eq!(read(store, id, &with, page).await, expected);
            }
            let kinds = FactRange::Kinds(vec![kind]);
            assert_eq!(read(store, id, &kinds, page).await, of_kind);
        }
        assert_eq!(read(store, id, &every_kind(), page).await, facts);
    }
    let one = FactRange::Of(FactKind::Group, group(1).key.key);
    assert_eq!(read(store, id, &one, 9).await, [group(1)]);
    let none = FactRange::Of(FactKind::Group, group(2).key.key);
    assert_eq!(read(store, id, &none, 9).await, []);
}

pub(crate) async fn what_is_forgotten_is_what_no_kept_collection_needs(shelf: Shelf) {
    let store = &*shelf.store;
    let days = [
        vec![member(1, 1), member(1, 2)],
        vec![member(1, 2), member(1, 3)],
        vec![member(1, 2), member(1, 4)],
    ];
    let mut ids = Vec::new();
    for (day, facts) in (0..).zip(&days) {
        ids.push(commit(store, 100 * day, facts, &[]).await);
    }
    assert_eq!(forget(store, at(0)).await, 0);
    assert_eq!(all(store, ids[0]).await, days[0]);
    // The second day had ended after this time.
    assert_eq!(forget(store, at(100)).await, 1);
    let gone = store.facts(ids[0], &every_kind(), None, 9).await;
    assert!(matches!(gone, Err(StoreError::Stale)), "{gone:?}");
    for day in [1, 2] {
        assert_eq!(all(store, ids[day]).await, days[day]);
    }
    // The last one stays, however old it is, and what is written beside it too.
    let taking = begin(store, 300, &[]).await;
    take_all(store, &taking, &[member(1, 2), member(1, 5)]).await;
    assert_eq!(forget(store, at(99_999)).await, 1);
    assert_eq!(all(store, ids[2]).await, days[2]);
    finish(store, &taking).await;
    assert_eq!(all(store, taking.id).await, [member(1, 2), member(1, 5)]);
    assert_eq!(all(store, ids[2]).await, days[2]);
}

pub(crate) async fn erased_names_are_in_no_fact_of_any_day(shelf: Shelf) {
    let store = &*shelf.store;
    let named = |name: &str| {
        let value = format!(r#"{{"exists":true,"status":"ENABLED","user_name":"{name}"}}"#);
        with_value(user(1), &value)
    };
    let other = with_value(user(2), r#"{"exists":true,"user_name":"bea"}"#);
    let first = commit(store, 0, &[named("ann"), other.clone()], &[]).await;
    let second = commit(store, 1, &[named("anna"), other.clone()], &[]).await;
    let id = user(1).key.key;
    let entry = NameEntry {
        kind: NameKind::User,
        id: id.clone(),
        name: "anna".to_owned(),
        seen_at: at(0),
    };
    store.remember_names(&[entry]).await.unwrap();
    let ids = [id];
    assert_eq!(store.erase_names(&ids).await.unwrap(), 3);
    assert_eq!(store.name(NameKind::User, &ids[0]).await.unwrap(), None);
    let erased = with_value(user(1), r#"{"exists":true,"status":"ENABLED"}"#);
    for day in [first, second] {
        assert_eq!(all(store, day).await, [erased.clone(), other.clone()]);
    }
    assert_eq!(store.erase_names(&ids).await.unwrap(), 0);
    // What AWS still has is read again, and that is a change.
    let third = commit(store, 2, &[named("anna"), other], &[]).await;
    assert_eq!(changes(store, second, third, 9).await.len(), 1);
}

pub(crate) async fn batches_of_facts_void_no_answer(shelf: Shelf) {
    let store: &dyn Store = &*shelf.store;
    let taking = begin(store, 0, &[]).await;
    let before = store.commits();
    take_all(store, &taking, &[member(1, 1)]).await;
    assert_eq!(store.commits(), before);
    finish(store, &taking).await;
    assert_ne!(store.commits(), before);
}
