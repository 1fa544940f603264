//! Readings: one is there when all of its pages are, the newest counts, and what was read by a run that
//! nobody goes on with is found until another one is through.

use usher::domain::{InstanceArn, Operation};
use usher::store::{
    READING_PAGES_PER_BATCH_MAX, ReadBy, ReadPage, ReadingKey, ReadingRun, Store, StoreError,
    WantedReadings,
};

use super::common::*;

fn key(about: &str) -> ReadingKey {
    ReadingKey {
        operation: Operation::ListGroupMemberships,
        about: about.to_owned(),
    }
}

fn users() -> ReadingKey {
    ReadingKey {
        operation: Operation::ListUsers,
        about: String::new(),
    }
}

/// A page of a reading that began at a second; the last one where it says so.
fn page(key: &ReadingKey, number: u32, began: i64, is_last: bool) -> ReadPage {
    ReadPage {
        key: key.clone(),
        number,
        began_at: at(began),
        read_at: at(began + i64::from(number)),
        is_last,
        content: format!("[\"{} {number} {began}\"]", key.about),
    }
}

async fn begin(store: &dyn Store, second: i64) -> ReadingRun {
    let begun = store.begin_readings(&instance(), at(second)).await;
    begun.unwrap()
}

async fn keep(store: &dyn Store, run: &ReadingRun, pages: &[ReadPage]) {
    store.keep_readings(run, pages.to_vec()).await.unwrap();
}

/// What is there by these, made at this second or later: about what, when, how many pages.
async fn found(store: &dyn Store, by: ReadBy, second: i64) -> Vec<(String, i64, u64)> {
    let wanted = WantedReadings {
        since: at(second),
        by,
    };
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = store.readings(&instance(), wanted, after.as_ref(), 2).await;
        let page = page.unwrap();
        after = page.last().map(|last| last.key.clone());
        if page.is_empty() {
            return found;
        }
        found.extend(page.into_iter().map(|reading| {
            let second = reading.began_at.duration_since(at(0)).as_secs();
            (reading.key.about, second, reading.pages)
        }));
    }
}

async fn anybodys(store: &dyn Store) -> Vec<(String, i64, u64)> {
    found(store, ReadBy::Anybody, 0).await
}

async fn interrupted(store: &dyn Store) -> Vec<(String, i64, u64)> {
    found(store, ReadBy::Interrupted, 0).await
}

fn reading(about: &str, began: i64, pages: u64) -> (String, i64, u64) {
    (about.to_owned(), began, pages)
}

pub(crate) async fn a_reading_is_there_when_all_of_its_pages_are(mut shelf: Shelf) {
    let store = &*shelf.store;
    let run = begin(store, 0).await;
    let pages = [
        page(&users(), 0, 1, false),
        page(&users(), 1, 1, false),
        page(&users(), 2, 1, true),
    ];
    for kept in [&pages[..1], &pages[2..]] {
        keep(store, &run, kept).await;
        assert_eq!(anybodys(store).await, []);
        let cut = store.reading(&instance(), &users(), at(1)).await.unwrap();
        assert_eq!(cut, None);
    }
    keep(store, &run, &pages[1..2]).await;
    keep(store, &run, &[page(&key("a"), 0, 5, true)]).await;
    drop(run);
    shelf.restart().await;
    let store = &*shelf.store;
    let both = [reading("a", 5, 1), reading("", 1, 3)];
    assert_eq!(anybodys(store).await, both);
    assert_eq!(found(store, ReadBy::Anybody, 5).await, both[..1]);
    let read = store.reading(&instance(), &users(), at(1)).await.unwrap();
    let read: Vec<_> = (read.unwrap().into_iter())
        .map(|page| (page.read_at, page.content))
        .collect();
    let wanted: Vec<_> = (pages.iter())
        .map(|page| (page.read_at, page.content.clone()))
        .collect();
    assert_eq!(read, wanted);
    // Another instance has readings of its own.
    let other = InstanceArn::parse("arn:aws:sso:::instance/ssoins-0000000000000002").unwrap();
    let wanted = WantedReadings {
        since: at(0),
        by: ReadBy::Anybody,
    };
    let of_other = store.readings(&other, wanted, None, 9).await.unwrap();
    assert_eq!(of_other, []);
}

pub(crate) async fn the_newest_reading_counts(shelf: Shelf) {
    let store = &*shelf.store;
    let (first, second) = (begin(store, 0).await, begin(store, 1).await);
    keep(
        store,
        &first,
        &[page(&users(), 0, 1, false), page(&users(), 1, 1, true)],
    )
    .await;
    // One that began later and is not there yet: neither counts.
    keep(store, &second, &[page(&users(), 0, 3, false)]).await;
    assert_eq!(anybodys(store).await, []);
    keep(
        store,
        &second,
        &[page(&users(), 1, 3, false), page(&users(), 2, 3, true)],
    )
    .await;
    assert_eq!(anybodys(store).await, [reading("", 3, 3)]);
    // One that began earlier comes late, and is longer.
    let late: Vec<_> = (0..4)
        .map(|number| page(&users(), number, 2, number == 3))
        .collect();
    keep(store, &first, &late).await;
    assert_eq!(anybodys(store).await, [reading("", 3, 3)]);
    let old = store.reading(&instance(), &users(), at(2)).await.unwrap();
    assert_eq!(old, None);
    // A shorter one leaves nothing of the longer one behind it.
    keep(store, &first, &[page(&users(), 0, 9, true)]).await;
    assert_eq!(anybodys(store).await, [reading("", 9, 1)]);
    let read = store.reading(&instance(), &users(), at(9)).await.unwrap();
    assert_eq!(read.unwrap().len(), 1);
}

pub(crate) async fn what_an_interrupted_run_read_is_found_until_another_is_finished(
    mut shelf: Shelf,
) {
    let store = &*shelf.store;
    let run = begin(store, 0).await;
    keep(store, &run, &[page(&key("a"), 0, 1, true)]).await;
    // Somebody holds it.
    assert_eq!(interrupted(store).await, []);
    assert_eq!(anybodys(store).await, [reading("a", 1, 1)]);
    drop(run);
    assert_eq!(interrupted(store).await, [reading("a", 1, 1)]);
    assert_eq!(found(store, ReadBy::Interrupted, 2).await, []);
    // Whoever goes on with it and is interrupted as well has more.
    let run = begin(store, 2).await;
    keep(store, &run, &[page(&key("b"), 0, 3, true)]).await;
    assert_eq!(interrupted(store).await, [reading("a", 1, 1)]);
    // The process ends, whoever holds it.
    shelf.restart().await;
    let store = &*shelf.store;
    let both = [reading("a", 1, 1), reading("b", 3, 1)];
    assert_eq!(interrupted(store).await, both);
    drop(run);
    // One that is through leaves nobody anything to go on with, but for those who are under way.
    let (beside, last) = (begin(store, 4).await, begin(store, 5).await);
    keep(store, &beside, &[page(&key("c"), 0, 6, true)]).await;
    store.finish_readings(&last).await.unwrap();
    store.finish_readings(&last).await.unwrap();
    drop(last);
    assert_eq!(interrupted(store).await, []);
    drop(beside);
    assert_eq!(interrupted(store).await, [reading("c", 6, 1)]);
    assert_eq!(anybodys(store).await.len(), 3);
}

pub(crate) async fn a_finished_run_keeps_nothing_more(shelf: Shelf) {
    let store = &*shelf.store;
    let run = begin(store, 0).await;
    store.finish_readings(&run).await.unwrap();
    let late = store.keep_readings(&run, vec![page(&users(), 0, 1, true)]);
    assert!(matches!(late.await, Err(StoreError::Stale)));
    assert_eq!(anybodys(store).await, []);
}

pub(crate) async fn old_readings_are_forgotten_a_batch_at_a_time(shelf: Shelf) {
    let store: &dyn Store = &*shelf.store;
    let commits = store.commits();
    let run = begin(store, 0).await;
    let many = 2 * READING_PAGES_PER_BATCH_MAX + 1;
    let pages: Vec<_> = (0..many)
        .map(|number| page(&key(&format!("{number:04}")), 0, 1, true))
        .collect();
    for pages in pages.chunks(READING_PAGES_PER_BATCH_MAX) {
        keep(store, &run, pages).await;
    }
    keep(store, &run, &[page(&users(), 0, 50, true)]).await;
    assert!(store.forget_readings(at(0)).await.unwrap());
    let mut steps = 1;
    while !store.forget_readings(at(50)).await.unwrap() {
        steps += 1;
    }
    assert_eq!(steps, 3);
    assert_eq!(anybodys(store).await, [reading("", 50, 1)]);
    // A run that is forgotten keeps nothing more.
    let late = store.keep_readings(&run, vec![page(&key("a"), 0, 60, true)]);
    assert!(matches!(late.await, Err(StoreError::Stale)));
    // None of this voids what anybody has been answered.
    assert_eq!(store.commits(), commits);
}

pub(crate) async fn erased_names_are_in_no_reading(shelf: Shelf) {
    let store = &*shelf.store;
    let run = begin(store, 0).await;
    keep(
        store,
        &run,
        &[page(&users(), 0, 1, true), page(&key("a"), 0, 1, true)],
    )
    .await;
    assert_eq!(store.erase_names(&[]).await.unwrap(), 0);
    assert_eq!(anybodys(store).await.len(), 2);
    let ids = ["somebody".to_owned()];
    assert_eq!(store.erase_names(&ids).await.unwrap(), 0);
    assert_eq!(anybodys(store).await, []);
    let gone = store.reading(&instance(), &users(), at(1)).await.unwrap();
    assert_eq!(gone, None);
}
