//! The decision log goes on where it was: a copied chain verifies, and the next event continues it.

use usher::domain::log::LogRecord;
use usher::domain::log_head::HeadKind;
use usher::domain::log_verify::Verifier;
use usher::store::{LogRange, LogStore as _, PostgresStore, Store, StoreError, copy_to_postgres};

use crate::common::*;
use crate::fill::{filled, lease, open, sign};
use crate::postgresql::Database;

async fn records(store: &dyn Store) -> Vec<LogRecord> {
    let records = store.log_records(&LogRange::default(), 999).await;
    records.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copied_log_goes_on_where_it_was() {
    let (directory, database) = (filled().await, Database::new().await);
    let before = open(directory.path()).await;
    let held = lease(&before, "sequencer", 0).await;
    let kept = records(&before).await;
    before.close().await;
    let copied = copy_to_postgres(directory.path(), &database.options);
    let copied = copied.await.unwrap();
    let store = PostgresStore::open(&database.options).await.unwrap();
    assert_eq!(records(&store).await, kept);
    // Whoever had the right to lengthen it has it no more: somebody else gets it at once, and a later epoch.
    let lost = store.chain_events(&held, 9).await;
    assert!(matches!(lost, Err(StoreError::LeaseLost)), "{lost:?}");
    let next = lease(&store, "replica", 1).await;
    assert!(next.epoch > held.epoch, "{} {}", next.epoch, held.epoch);
    record(&store, grant(30, &key(30, 30))).await;
    while store.chain_events(&next, 4).await.unwrap().count > 0 {}
    let state = store.log_state().await.unwrap();
    assert!(!state.is_behind);
    let all = records(&store).await;
    assert_eq!(all[..kept.len()], kept);
    assert!(all.len() > kept.len() + 1, "what waited, and the new one");
    let begin = state.beginning;
    let anchors = [copied.log_end, state.end];
    let mut verifier = Verifier::new(begin.position, Some(begin.hash), &anchors);
    for record in &all {
        verifier.take(record);
    }
    assert_eq!(verifier.finish().unwrap().end, state.end);
    let last = all.last().unwrap();
    assert!(last.body.contains(grant_id(30).as_str()), "{}", last.body);
    // Retention works on what was copied.
    let checkpoint = sign(HeadKind::Checkpoint, kept.last().unwrap().link());
    let forgotten = store.forget_log(&next, &checkpoint).await.unwrap();
    assert_eq!(forgotten, u64::try_from(kept.len()).unwrap());
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_store_is_copied_too() {
    let (directory, database) = (tempfile::tempdir().unwrap(), Database::new().await);
    open(directory.path()).await.close().await;
    let copied = copy_to_postgres(directory.path(), &database.options);
    let copied = copied.await.unwrap();
    assert_eq!(copied.log_end, usher::domain::log::Link::BEGINNING);
    let store = PostgresStore::open(&database.options).await.unwrap();
    record(&store, grant(1, &key(1, 1))).await;
    let held = lease(&store, "replica", 1).await;
    assert_eq!(store.chain_events(&held, 9).await.unwrap().end.position, 1);
    store.close().await;
}
