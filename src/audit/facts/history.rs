//! A collection into the store in small steps, and back out of it page by page.
//!
//! Between two steps every other write of the store has its turn.

use std::sync::Arc;

use jiff::Timestamp;

use super::super::collection::{Collection, Missing};
use super::read::CollectionReader;
use super::write::{facts, gaps, record};
use crate::domain::facts::{Fact, FactKind};
use crate::domain::{Instance, InvalidValue};
use crate::store::{
    FACTS_PER_BATCH_MAX, FactRange, FactStore, FinishedCollection, Finishing, StoreError, Taking,
};

/// Facts that are read at once: a few hundred kilobytes of memory, and few enough questions to the
/// database that they cost little beside the rows.
const FACTS_PER_PAGE: usize = 2_000;

/// Makes a collection of a whole instance the newest state of it, with what is missing `beside` it. Readers see it when this has answered,
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
    beside: Option<Missing>,
    began_at: Timestamp,
    ended_at: Timestamp,
) -> Result<FinishedCollection, StoreError> {
    let record = record(collection, beside, began_at, ended_at);
    let gaps = Arc::new(gaps(collection, &record));
    let instance = &collection.instance.arn;
    let taking = loop {
        let begun = store.begin_collection(instance, &record, Arc::clone(&gaps));
        if let Some(taking) = begun.await? {
            break taking;
        }
    };
    let mut batch = Vec::with_capacity(FACTS_PER_BATCH_MAX);
    for fact in facts(collection) {
        batch.push(fact.map_err(unreadable)?);
        if batch.len() == FACTS_PER_BATCH_MAX {
            take(store, &taking, &mut batch).await?;
        }
    }
    take(store, &taking, &mut batch).await?;
    while store.finish_collection(&taking).await? == Finishing::GoesOn {}
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

/// A finished collection of an instance, as it was.
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
) -> Result<Collection, StoreError> {
    let mut reader = CollectionReader::new(instance, finished.record);
    let range = FactRange::Kinds(FactKind::ALL.to_vec());
    let mut after = None;
    loop {
        let page = store.facts(finished.id, &range, after.as_ref(), FACTS_PER_PAGE);
        let page = page.await?;
        for kept in &page {
            reader.take(&kept.fact).map_err(unreadable)?;
        }
        match page.last() {
            Some(last) if page.len() == FACTS_PER_PAGE => after = Some(last.fact.key.clone()),
            _ => return Ok(reader.finish()),
        }
    }
}

fn unreadable(problem: InvalidValue) -> StoreError {
    StoreError::Corrupt(problem.to_string())
}
