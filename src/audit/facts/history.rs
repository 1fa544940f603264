//! A collection into the store in small steps, and back out of it page by page.
//!
//! Between two steps every other write of the store has its turn.

use std::sync::Arc;

use super::super::collection::Collection;
use super::super::seen::{Seen, every_fact};
use super::read::CollectionReader;
use super::write::{facts, gaps};
use crate::domain::facts::{CollectionRecord, Fact, FactKind, Found};
use crate::domain::{Instance, InvalidValue, ServiceEvent};
use crate::store::{
    FACTS_PER_BATCH_MAX, FactRange, FactStore, FinishedCollection, Finishing, KeptFact, StoreError,
    Taking,
};

/// What was found in a collection.
#[derive(Debug, Clone, Copy, Default)]
pub struct Findings<'a> {
    /// All of it, sorted by key.
    pub found: &'a [Found],
    /// What of it is new and what is gone.
    pub events: &'a [ServiceEvent],
}

/// Makes a collection of a whole instance the newest state of it, with what is kept of it as a whole. Readers see it when this has answered,
/// and nothing of it before.
///
/// # Errors
/// As for the methods of `FactStore`; `Corrupt` also for a fact that cannot be written down.
///
/// # Cancellation
/// May be dropped at any point: what was written is seen by nobody, and the next collection of the instance
/// undoes it.
pub async fn commit(
    store: &dyn FactStore,
    collection: &Collection,
    found: Findings<'_>,
    record: CollectionRecord,
) -> Result<FinishedCollection, StoreError> {
    let gaps = Arc::new(gaps(collection, &record));
    let instance = &collection.instance.arn;
    let taking = loop {
        let begun = store.begin_collection(instance, &record, Arc::clone(&gaps));
        if let Some(taking) = begun.await? {
            break taking;
        }
    };
    let mut batch = Vec::with_capacity(FACTS_PER_BATCH_MAX);
    for fact in facts(collection, found.found) {
        batch.push(fact.map_err(unreadable)?);
        if batch.len() == FACTS_PER_BATCH_MAX {
            take(store, &taking, &mut batch).await?;
        }
    }
    take(store, &taking, &mut batch).await?;
    while store.finish_collection(&taking, found.events).await? == Finishing::GoesOn {}
    let id = taking.id;
    Ok(FinishedCollection { id, record })
}

/// Has all of these facts taken.
async fn take(
    store: &dyn FactStore,
    taking: &Taking,
    batch: &mut Vec<Fact>,
) -> Result<(), StoreError> {
    while !batch.is_empty() {
        let taken = store.take_facts(taking, batch.clone()).await?;
        batch.drain(..taken);
    }
    Ok(())
}

/// A finished collection of an instance, as it was, and when its assignments were first seen.
///
/// # Errors
/// As for `FactStore::facts`; `Corrupt` where a fact is none that this version can read.
///
/// # Cancellation
/// May be dropped at any point: it only reads.
pub async fn load(
    store: &dyn FactStore,
    instance: Instance,
    finished: FinishedCollection,
) -> Result<(Collection, Seen), StoreError> {
    let first = store.first_whole_collection(&instance.arn).await?;
    let mut seen = Seen::of_collection(finished.id, first);
    let mut reader = CollectionReader::new(instance, finished.record);
    let mut problem = None;
    let range = FactRange::Kinds(FactKind::ALL.to_vec());
    let mut take = |kept: &KeptFact| {
        seen.take(kept);
        if let Err(error) = reader.take(&kept.fact) {
            problem.get_or_insert(error);
        }
    };
    every_fact(store, finished.id, &range, &mut take).await?;
    match problem {
        Some(problem) => Err(unreadable(problem)),
        None => Ok((reader.finish(), seen)),
    }
}

fn unreadable(problem: InvalidValue) -> StoreError {
    StoreError::Corrupt(problem.to_string())
}
