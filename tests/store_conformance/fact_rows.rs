//! Facts to try, and short ways to commit and read them.

use std::sync::Arc;

use jiff::Timestamp;
use usher::domain::Operation;
use usher::domain::facts::{CollectionId, CollectionRecord, Fact, FactKey, FactKind, Gap, Gaps};
use usher::store::{FactRange, Finishing, Store, Taking};

use super::common::*;

/// So many seconds after its beginning every collection here ends.
pub(crate) const ENDS_AFTER: i64 = 50;

/// What differs: of what, before, after.
pub(crate) type Change = (FactKey, Option<String>, Option<String>);

fn fact(kind: FactKind, key: String, second: String) -> Fact {
    Fact {
        key: FactKey { kind, key, second },
        value: "{}".to_owned(),
    }
}

pub(crate) fn with_value(fact: Fact, value: &str) -> Fact {
    Fact {
        value: value.to_owned(),
        ..fact
    }
}

pub(crate) fn user(number: u32) -> Fact {
    fact(FactKind::User, format!("user-{number:08}"), String::new())
}

pub(crate) fn group(number: u32) -> Fact {
    fact(FactKind::Group, format!("group-{number:08}"), String::new())
}

pub(crate) fn member(group: u32, user: u32) -> Fact {
    let (group, user) = (format!("group-{group:08}"), format!("user-{user:08}"));
    fact(FactKind::Membership, group, user)
}

pub(crate) fn assigned(application_number: u32, user: u32) -> Fact {
    let arn = application(application_number.into());
    let user = format!("USER/user-{user:08}");
    fact(FactKind::Assignment, arn.to_string(), user)
}

/// A collection that began at this second.
pub(crate) fn collection_record(second: i64, unread: &[Gap]) -> CollectionRecord {
    CollectionRecord {
        began_at: at(second),
        ended_at: at(second + ENDS_AFTER),
        observed: Some((at(second), at(second + 1))),
        missing: Vec::new(),
        unread: unread.to_vec(),
        operations: vec![(Operation::ListUsers, 3)],
        counts: vec![("users".to_owned(), 7)],
    }
}

pub(crate) async fn try_begin(store: &dyn Store, second: i64, gaps: &[Gap]) -> Option<Taking> {
    let (instance, record) = (instance(), collection_record(second, gaps));
    let gaps = Arc::new(Gaps::new(gaps, []));
    let begun = store.begin_collection(&instance, &record, gaps);
    begun.await.unwrap()
}

pub(crate) async fn begin(store: &dyn Store, second: i64, gaps: &[Gap]) -> Taking {
    loop {
        if let Some(taking) = try_begin(store, second, gaps).await {
            return taking;
        }
    }
}

pub(crate) async fn take_all(store: &dyn Store, taking: &Taking, facts: &[Fact]) {
    let mut left = facts;
    while !left.is_empty() {
        let taken = store.take_facts(taking, left.to_vec()).await.unwrap();
        left = &left[taken..];
    }
}

pub(crate) async fn finish(store: &dyn Store, taking: &Taking) {
    while store.finish_collection(taking, &[]).await.unwrap() == Finishing::GoesOn {}
}

/// A whole collection that began at this second.
pub(crate) async fn commit(
    store: &dyn Store,
    second: i64,
    facts: &[Fact],
    gaps: &[Gap],
) -> CollectionId {
    let taking = begin(store, second, gaps).await;
    take_all(store, &taking, facts).await;
    finish(store, &taking).await;
    taking.id
}

/// The facts of a range, read in pages of so many.
pub(crate) async fn read(
    store: &dyn Store,
    id: CollectionId,
    range: &FactRange,
    page: usize,
) -> Vec<Fact> {
    let mut found: Vec<Fact> = Vec::new();
    loop {
        let after = found.last().map(|fact| fact.key.clone());
        let some = store.facts(id, range, after.as_ref(), page).await.unwrap();
        assert!(some.len() <= page);
        let is_last = some.len() < page;
        found.extend(some.into_iter().map(|kept| kept.fact));
        if is_last {
            return found;
        }
    }
}

pub(crate) async fn all(store: &dyn Store, id: CollectionId) -> Vec<Fact> {
    read(store, id, &FactRange::Kinds(FactKind::ALL.to_vec()), 700).await
}

/// What differs, read in pages of so many.
pub(crate) async fn changes(
    store: &dyn Store,
    earlier: CollectionId,
    later: CollectionId,
    page: usize,
) -> Vec<Change> {
    let mut found: Vec<Change> = Vec::new();
    loop {
        let after = found.last().map(|(key, ..)| key.clone());
        let some = store.fact_changes(earlier, later, &FactKind::ALL, after.as_ref(), page);
        let some = some.await.unwrap();
        assert!(some.len() <= page);
        let is_last = some.len() < page;
        found.extend(some.into_iter().map(|it| (it.key, it.before, it.after)));
        if is_last {
            return found;
        }
    }
}

/// Forgets all that is older. Answers how many intervals went.
pub(crate) async fn forget(store: &dyn Store, before: Timestamp) -> u64 {
    let (mut count, mut after) = (0, None);
    loop {
        let instance = instance();
        let step = store.forget_facts(&instance, before, after.as_ref());
        let step = step.await.unwrap();
        count += step.intervals;
        after = step.next;
        if after.is_none() {
            return count;
        }
    }
}
