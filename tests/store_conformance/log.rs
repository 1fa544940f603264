//! The decision log: committed events become one chain, in their order, by one holder at a time; it is
//! shortened from its beginning alone, and whoever reads sees what is chained.

use jiff::Timestamp;
use usher::domain::log::{Link, LogRecord};
use usher::domain::log_event::LogEvent;
use usher::domain::log_head::{HeadKind, LogHead, LogSigner};
use usher::domain::log_verify::Verifier;
use usher::domain::{ServiceEvent, ServiceFact};
use usher::store::{LogLease, LogRange, LogState, NameEntry, NameKind, Store, StoreError};

use super::common::*;

/// A service event of a second.
fn event(second: i64) -> ServiceEvent {
    ServiceEvent {
        at: at(second),
        what: ServiceFact::PolicyRefused {
            content_hash: format!("hash {second}"),
            problem_count: 1,
        },
    }
}

async fn write(store: &dyn Store, seconds: impl IntoIterator<Item = i64>) {
    let events = seconds.into_iter().map(event).collect();
    store.record_service_events(events).await.unwrap();
}

async fn lease(store: &dyn Store, name: &str, second: i64) -> Option<LogLease> {
    let holder = holder(name);
    let leased = store.lease_log(&holder, at(second), at(second + 10));
    leased.await.unwrap()
}

async fn chain_all(store: &dyn Store, lease: &LogLease) -> Link {
    loop {
        let chained = store.chain_events(lease, 100).await.unwrap();
        if chained.count < 100 {
            return chained.end;
        }
    }
}

async fn all(store: &dyn Store) -> Vec<LogRecord> {
    let range = LogRange::default();
    store.log_records(&range, 10_000).await.unwrap()
}

fn seconds(records: &[LogRecord]) -> Vec<i64> {
    let times = records
        .iter()
        .map(|record| LogEvent::read(&record.body).unwrap().at);
    times
        .map(|time| time.as_second() - at(0).as_second())
        .collect()
}

/// Asserts that the whole chain is one, and answers its records.
async fn whole(store: &dyn Store, state: &LogState) -> Vec<LogRecord> {
    let records = all(store).await;
    let begin = state.beginning;
    let mut verifier = Verifier::new(begin.position, Some(begin.hash), &[state.end]);
    for record in &records {
        verifier.take(record);
    }
    assert_eq!(verifier.finish().unwrap().end, state.end);
    records
}

fn sign(kind: HeadKind, link: Link) -> LogHead {
    let signer = LogSigner::from_seed(&[3; 32]).unwrap();
    signer.sign(kind, link, at(0)).unwrap()
}

pub(crate) async fn events_are_chained_in_their_order_and_nothing_else_is_read(mut shelf: Shelf) {
    let store = shelf.store.clone();
    record(&*store, grant(1, &key(1, 1))).await;
    write(&*store, 2..4).await;
    let state = store.log_state().await.unwrap();
    assert_eq!(state.end, Link::BEGINNING);
    assert!(state.is_behind && state.head.is_none());
    assert_eq!(all(&*store).await, []);
    let held = lease(&*store, "a", 0).await.unwrap();
    // A batch at a time, over a restart.
    let chained = store.chain_events(&held, 2).await.unwrap();
    assert_eq!((chained.count, chained.end.position), (2, 2));
    drop(store);
    shelf.restart().await;
    let store = shelf.store.clone();
    assert!(store.log_state().await.unwrap().is_behind);
    let held = lease(&*store, "b", 1000).await.unwrap();
    assert_eq!(store.chain_events(&held, 2).await.unwrap().count, 1);
    assert_eq!(store.chain_events(&held, 2).await.unwrap().count, 0);
    let state = store.log_state().await.unwrap();
    assert!(!state.is_behind);
    let records = whole(&*store, &state).await;
    assert_eq!(seconds(&records), [1, 2, 3]);
    let kinds = records
        .iter()
        .map(|it| LogEvent::read(&it.body).unwrap().kind);
    assert_eq!(
        kinds.collect::<Vec<_>>(),
        ["grant_requested", "policy_refused", "policy_refused"]
    );
    // A grant's timeline does not wait for it.
    record(&*store, grant(9, &key(1, 2))).await;
    let events = store.grant_events(&grant_id(9), 10).await.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(all(&*store).await.len(), 3);
}

pub(crate) async fn one_holder_at_a_time_lengthens_the_log(shelf: Shelf) {
    let store = &*shelf.store;
    write(store, 0..3).await;
    let first = lease(store, "a", 0).await.unwrap();
    assert_eq!(lease(store, "b", 5).await, None);
    // Its own is prolonged, under the same epoch.
    let prolonged = lease(store, "a", 5).await.unwrap();
    assert_eq!(
        (prolonged.epoch, prolonged.lease_until),
        (first.epoch, at(15))
    );
    assert_eq!(lease(store, "b", 14).await, None);
    // One that is over and not taken still counts.
    store.chain_events(&prolonged, 1).await.unwrap();
    let second = lease(store, "b", 15).await.unwrap();
    assert!(second.epoch > prolonged.epoch);
    let head = sign(HeadKind::Head, store.log_state().await.unwrap().end);
    let refused = [
        store.chain_events(&prolonged, 1).await.map(drop),
        store.keep_log_head(&prolonged, &head, 10).await,
        store.forget_log(&prolonged, &head).await.map(drop),
    ];
    for refused in refused {
        assert!(matches!(refused, Err(StoreError::LeaseLost)), "{refused:?}");
    }
    // Taken back, it has an epoch of its own: what it kept from before counts no more.
    let third = lease(store, "a", 30).await.unwrap();
    assert!(third.epoch > second.epoch);
    let stale = store.chain_events(&prolonged, 1).await;
    assert!(matches!(stale, Err(StoreError::LeaseLost)), "{stale:?}");
    chain_all(store, &third).await;
    let state = store.log_state().await.unwrap();
    assert_eq!(whole(store, &state).await.len(), 3);
}

pub(crate) async fn racing_sequencers_never_fork_the_log(shelf: Shelf) {
    const EVENTS: i64 = 300;
    let mut racers = Vec::new();
    for name in ["a", "b", "c"] {
        let store = shelf.store.clone();
        racers.push(tokio::spawn(async move {
            for round in 0.. {
                // Every lease is over at once: each takes it from the others.
                let leased = store.lease_log(&holder(name), at(round), at(round)).await;
                if let Some(lease) = leased.unwrap() {
                    match store.chain_events(&lease, 7).await {
                        Ok(_) | Err(StoreError::LeaseLost) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
                if store.log_state().await.unwrap().end.position == EVENTS as u64 {
                    return;
                }
            }
        }));
    }
    for second in 0..EVENTS {
        write(&*shelf.store, [second]).await;
    }
    for racer in racers {
        racer.await.unwrap();
    }
    let state = shelf.store.log_state().await.unwrap();
    let records = whole(&*shelf.store, &state).await;
    assert_eq!(seconds(&records), (0..EVENTS).collect::<Vec<_>>());
}

pub(crate) async fn the_newest_heads_are_kept(mut shelf: Shelf) {
    let store = shelf.store.clone();
    write(&*store, 0..5).await;
    let held = lease(&*store, "a", 0).await.unwrap();
    chain_all(&*store, &held).await;
    let records = all(&*store).await;
    let heads: Vec<LogHead> = records
        .iter()
        .map(|record| sign(HeadKind::Head, record.link()))
        .collect();
    for head in &heads[..4] {
        store.keep_log_head(&held, head, 3).await.unwrap();
        let state = store.log_state().await.unwrap();
        assert_eq!(state.head.as_ref(), Some(head));
    }
    // The same place twice is one head, and a place to which the log has not come is none.
    store.keep_log_head(&held, &heads[3], 3).await.unwrap();
    let mut beyond = heads[4].clone();
    beyond.link.position = 6;
    let stale = store.keep_log_head(&held, &beyond, 3).await;
    assert!(matches!(stale, Err(StoreError::Stale)), "{stale:?}");
    drop(store);
    shelf.restart().await;
    let state = shelf.store.log_state().await.unwrap();
    assert_eq!(state.head.as_ref(), Some(&heads[3]));
}

pub(crate) async fn old_events_go_from_the_beginning_behind_a_checkpoint(shelf: Shelf) {
    let store = &*shelf.store;
    // The clock was set back for the fourth.
    write(store, [1, 2, 5, 3, 6]).await;
    let held = lease(store, "a", 0).await.unwrap();
    chain_all(store, &held).await;
    let records = all(store).await;
    let before = |second, limit| async move {
        let link = store.log_before(at(second), limit).await.unwrap();
        link.map(|link| link.position)
    };
    assert_eq!(before(1, 10).await, None);
    assert_eq!(before(3, 10).await, Some(2));
    assert_eq!(
        before(5, 10).await,
        Some(2),
        "the fourth waits for the third"
    );
    assert_eq!(before(6, 10).await, Some(4));
    assert_eq!(before(6, 1).await, Some(1));
    let mut foreign = records[1].link();
    foreign.hash = records[0].hash;
    let refused = store
        .forget_log(&held, &sign(HeadKind::Checkpoint, foreign))
        .await;
    assert!(matches!(refused, Err(StoreError::Stale)), "{refused:?}");
    let old_head = sign(HeadKind::Head, records[0].link());
    store.keep_log_head(&held, &old_head, 10).await.unwrap();
    let checkpoint = sign(HeadKind::Checkpoint, records[1].link());
    assert_eq!(store.forget_log(&held, &checkpoint).await.unwrap(), 2);
    let state = store.log_state().await.unwrap();
    assert_eq!(state.beginning, records[1].link());
    assert_eq!(state.head, None, "a head of what is gone proves nothing");
    assert_eq!(whole(store, &state).await, records[2..]);
    // All of it, and then more.
    let last = sign(HeadKind::Checkpoint, records[4].link());
    assert_eq!(store.forget_log(&held, &last).await.unwrap(), 3);
    write(store, [7]).await;
    chain_all(store, &held).await;
    let state = store.log_state().await.unwrap();
    assert_eq!((state.beginning.position, state.end.position), (5, 6));
    assert_eq!(seconds(&whole(store, &state).await), [7]);
}

pub(crate) async fn a_time_and_a_grant_lead_to_their_records(shelf: Shelf) {
    let store = &*shelf.store;
    record(store, grant(1, &key(1, 1))).await;
    write(store, [4, 2]).await;
    record(store, grant(5, &key(1, 2))).await;
    let held = lease(store, "a", 0).await.unwrap();
    chain_all(store, &held).await;
    let found = |after: u64, from: Option<Timestamp>, grant: Option<u128>| async move {
        let range = LogRange {
            after,
            from,
            grant_id: grant.map(grant_id),
        };
        let records = store.log_records(&range, 10).await.unwrap();
        records.iter().map(|it| it.position).collect::<Vec<_>>()
    };
    assert_eq!(found(0, None, None).await, [1, 2, 3, 4]);
    assert_eq!(found(2, None, None).await, [3, 4]);
    // The third is older, and stands behind the second.
    assert_eq!(found(0, Some(at(3)), None).await, [2, 3, 4]);
    assert_eq!(found(3, Some(at(3)), None).await, [4]);
    assert_eq!(found(0, Some(at(9)), None).await, [] as [u64; 0]);
    assert_eq!(found(0, None, Some(5)).await, [4]);
    assert_eq!(found(0, Some(at(0)), Some(1)).await, [1]);
    let limited = store.log_records(&LogRange::default(), 2).await.unwrap();
    assert_eq!(limited.len(), 2);
}

pub(crate) async fn erased_names_leave_the_log_as_it_is(shelf: Shelf) {
    let store = &*shelf.store;
    let granted = record(store, grant(1, &key(1, 1))).await;
    let held = lease(store, "a", 0).await.unwrap();
    chain_all(store, &held).await;
    let before = all(store).await;
    let id = granted.principal.id.as_str().to_owned();
    let name = |kind, id: &str, name: &str| NameEntry {
        kind,
        id: id.to_owned(),
        name: name.to_owned(),
        seen_at: at(0),
    };
    let names = [
        name(NameKind::User, &id, "alice"),
        name(NameKind::Group, &id, "alices"),
        name(NameKind::User, "another", "bob"),
    ];
    store.remember_names(&names).await.unwrap();
    let many: Vec<String> = (0..2000).map(|number| number.to_string()).collect();
    assert_eq!(store.erase_names(&many).await.unwrap(), 0);
    assert_eq!(
        store.erase_names(std::slice::from_ref(&id)).await.unwrap(),
        2
    );
    assert_eq!(store.name(NameKind::User, &id).await.unwrap(), None);
    let other = store.name(NameKind::User, "another").await.unwrap();
    assert_eq!(other.as_deref(), Some("bob"));
    let state = store.log_state().await.unwrap();
    assert_eq!(whole(store, &state).await, before);
    assert!(!before.iter().any(|record| record.body.contains("alices")));
}
