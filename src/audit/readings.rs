//! Readings: lists and answers of AWS that a collection of a whole instance has read to their end, kept as
//! they come, and used again by the next one as far as its asker allows.
//!
//! Who may use which is said beforehand (`Reuse`), so that the plan counts what is not asked again. A reading
//! that is used is as old as it is: `as_of` and the summary say so. Failures are never kept, nor what
//! settles an orphan candidate. Assignments on a target that Usher itself has changed since are read again:
//! a report would take what is gone for something that nobody granted.

mod rows;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;

pub(super) use rows::Kept;

use super::collect::lock;
use super::store_facts::VISIBLE_WITHIN;
use crate::domain::facts::{from_text, to_text};
use crate::domain::{GrantState, InstanceArn, InvalidValue, Operation, Target};
use crate::store::{
    GrantScope, KeptPage, READING_PAGES_PER_BATCH_MAX, ReadPage, ReadingKey, ReadingRun, Store,
    StoreError, WantedReadings,
};

/// How long pages wait for others to be written with them: at AWS's rate some four of each quota, which a crash
/// costs again; shorter would be a commit for each.
const GATHERED_TIME: Duration = Duration::from_millis(200);
/// Readings whose names are read from the store at once.
const READINGS_PER_PAGE: usize = 2_000;

/// The readings of one instance that a collection may use in the place of AWS.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reuse {
    /// When each began, and how many operations it took. As many as an instance has targets, assigned groups
    /// and a few lists.
    readings: HashMap<ReadingKey, (Timestamp, u64)>,
}

/// What a collection reads with: the readings before it, and where its own are kept.
pub(super) struct Readings<'a> {
    store: &'a dyn Store,
    instance: &'a InstanceArn,
    reuse: &'a Reuse,
    pages: mpsc::Sender<ReadPage>,
}

/// A reading that is being made.
pub(super) struct Reading<'a> {
    readings: &'a Readings<'a>,
    key: ReadingKey,
    /// How many pages it has, and when the first one was read.
    progress: Mutex<(u32, Option<Timestamp>)>,
}

impl Reuse {
    /// The readings of an instance that are wanted and that nothing speaks against at `now`.
    ///
    /// # Errors
    /// As for the methods of `Store`.
    ///
    /// # Cancellation
    /// May be dropped at any point: it only reads.
    pub async fn find(
        store: &dyn Store,
        instance: &InstanceArn,
        wanted: WantedReadings,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let mut readings = HashMap::new();
        let mut after = None;
        loop {
            let page = store.readings(instance, wanted, after.as_ref(), READINGS_PER_PAGE);
            let page = page.await?;
            let is_last = page.len() < READINGS_PER_PAGE;
            after = page.last().map(|last| last.key.clone());
            let page = page.into_iter();
            readings.extend(page.map(|it| (it.key, (it.began_at, it.pages))));
            if is_last {
                break;
            }
        }
        let Some(oldest) = readings.values().map(|(began_at, _)| *began_at).min() else {
            return Ok(Self::default());
        };
        let changed = changed_targets(store, instance, oldest, now).await?;
        readings.retain(|key, (began_at, _)| {
            let is_of_assignments = matches!(
                key.operation,
                Operation::ListApplicationAssignments | Operation::ListAccountAssignments
            );
            let changed_at = changed.get(&key.about).filter(|_| is_of_assignments);
            changed_at.is_none_or(|changed_at| *changed_at < *began_at)
        });
        Ok(Self { readings })
    }

    /// The operations that they spare.
    pub(super) fn operations(&self) -> BTreeMap<Operation, u64> {
        let mut operations: BTreeMap<Operation, u64> = BTreeMap::new();
        for (key, (_, pages)) in &self.readings {
            *operations.entry(key.operation).or_default() += pages;
        }
        operations
    }

    fn began_at(&self, key: &ReadingKey) -> Option<Timestamp> {
        self.readings.get(key).map(|(began_at, _)| *began_at)
    }
}

/// The targets on which Usher has changed something since, by their keys, and until when a reading may not
/// show it.
async fn changed_targets(
    store: &dyn Store,
    instance: &InstanceArn,
    since: Timestamp,
    now: Timestamp,
) -> Result<HashMap<String, Timestamp>, StoreError> {
    let since = since.checked_sub(VISIBLE_WITHIN).unwrap_or(since);
    let grants = store.grants_standing(instance, &GrantScope::All, since, now);
    let mut changed: HashMap<String, Timestamp> = HashMap::new();
    let mut note = |target: &Target, last: Timestamp| {
        let shown_at = last.checked_add(VISIBLE_WITHIN).unwrap_or(last);
        let known = changed.entry(target.key().into_owned());
        let known = known.or_insert(shown_at);
        *known = shown_at.max(*known);
    };
    for grant in grants.await? {
        let is_settled = grant.state == GrantState::Active || grant.ended_at.is_some();
        let under_way = (!is_settled).then_some(now);
        let changes = [grant.started_at, grant.ended_at, under_way];
        if let Some(last) = changes.into_iter().flatten().max() {
            note(&grant.target, last);
        }
    }
    // What Usher takes away or makes where no grant stands.
    for record in store.assignment_records(instance, &GrantScope::All).await? {
        let changes = [record.last_create_at, record.last_delete_at, record.gone_at];
        let last = changes.into_iter().flatten().max();
        if let Some(last) = last.filter(|at| *at >= since) {
            note(&record.key.target, last);
        }
    }
    Ok(changed)
}

impl<'a> Readings<'a> {
    /// The readings of a collection, and where the pages come out that `keep` keeps.
    pub(super) fn new(
        store: &'a dyn Store,
        instance: &'a InstanceArn,
        reuse: &'a Reuse,
    ) -> (Self, mpsc::Receiver<ReadPage>) {
        let (pages, kept) = mpsc::channel(READING_PAGES_PER_BATCH_MAX);
        let readings = Self {
            store,
            instance,
            reuse,
            pages,
        };
        (readings, kept)
    }

    /// Whose they are.
    pub(super) fn instance(&self) -> &InstanceArn {
        self.instance
    }

    /// What was read before and may be used, page by page with when each was read; none where AWS is to be
    /// asked.
    pub(super) async fn read_before<T: Kept>(
        &self,
        operation: Operation,
        about: &str,
    ) -> Option<Vec<(Vec<T>, Timestamp)>> {
        let key = key(operation, about);
        let began_at = self.reuse.began_at(&key)?;
        let pages = match self.store.reading(self.instance, &key, began_at).await {
            Ok(pages) => pages?,
            Err(error) => {
                tracing::warn!(%error, operation = operation.name(), "what was read before is read again");
                return None;
            }
        };
        let pages: Result<Vec<_>, InvalidValue> =
            pages.iter().map(|page| page_read(page, about)).collect();
        if let Err(error) = &pages {
            tracing::warn!(%error, operation = operation.name(), "what was read before is read again");
        }
        pages.ok()
    }

    /// Begins a reading.
    pub(super) fn begin(&'a self, operation: Operation, about: &str) -> Reading<'a> {
        Reading {
            readings: self,
            key: key(operation, about),
            progress: Mutex::default(),
        }
    }
}

impl Reading<'_> {
    /// A page was read. Waits where the store is behind.
    pub(super) async fn take<T: Kept>(&self, items: &[T], read_at: Timestamp, is_last: bool) {
        let rows: Vec<T::Row> = items.iter().map(Kept::row).collect();
        // Of what cannot be written down the page is missing, so that it is no reading.
        let content = to_text(&rows).ok();
        let (number, began_at) = {
            let mut progress = lock(&self.progress);
            let (number, began_at) = *progress;
            let began_at = began_at.unwrap_or(read_at);
            *progress = (number.saturating_add(1), Some(began_at));
            (number, began_at)
        };
        if let Some(content) = content {
            let page = ReadPage {
                key: self.key.clone(),
                number,
                began_at,
                read_at,
                is_last,
                content,
            };
            // Nobody receives any more where the store cannot keep them.
            let _ = self.readings.pages.send(page).await;
        }
    }
}

fn key(operation: Operation, about: &str) -> ReadingKey {
    let about = about.to_owned();
    ReadingKey { operation, about }
}

fn page_read<T: Kept>(page: &KeptPage, about: &str) -> Result<(Vec<T>, Timestamp), InvalidValue> {
    let rows: Vec<T::Row> = from_text(&page.content)?;
    let items = rows.into_iter().map(|row| T::of(row, about));
    Ok((items.collect::<Result<_, _>>()?, page.read_at))
}

/// Keeps the pages of a run until no more come, several in one transaction. After a failure none: what is
/// not kept is read again.
///
/// # Cancellation
/// May be dropped at any point: of what waits for others nothing is kept then.
pub(super) async fn keep(store: &dyn Store, run: &ReadingRun, mut pages: mpsc::Receiver<ReadPage>) {
    let mut batch = Vec::with_capacity(READING_PAGES_PER_BATCH_MAX);
    while pages
        .recv_many(&mut batch, READING_PAGES_PER_BATCH_MAX)
        .await
        > 0
    {
        let others = async {
            while batch.len() < READING_PAGES_PER_BATCH_MAX {
                match pages.recv().await {
                    Some(page) => batch.push(page),
                    None => break,
                }
            }
        };
        // Either there are enough, or it has been long enough.
        let _ = tokio::time::timeout(GATHERED_TIME, others).await;
        if let Err(error) = store.keep_readings(run, std::mem::take(&mut batch)).await {
            tracing::warn!(%error, "what a collection reads is not kept for the next one");
            return;
        }
    }
}

/// The runs of a report, held until it is through.
pub(super) struct Runs {
    held: Mutex<Vec<ReadingRun>>,
}

impl Runs {
    pub(super) fn new() -> Self {
        let held = Mutex::default();
        Self { held }
    }

    /// Holds one. Dropped before they are finished, they were interrupted.
    pub(super) fn hold(&self, run: ReadingRun) {
        lock(&self.held).push(run);
    }

    /// Everything was read and told.
    pub(super) async fn finish(self, store: &dyn Store) {
        let runs = (self.held.into_inner()).unwrap_or_else(PoisonError::into_inner);
        for run in runs {
            finish(store, &run).await;
        }
    }
}

/// Begins a run; without one nothing is kept.
pub(super) async fn begin(
    store: &dyn Store,
    instance: &InstanceArn,
    now: Timestamp,
) -> Option<ReadingRun> {
    match store.begin_readings(instance, now).await {
        Ok(run) => Some(run),
        Err(error) => {
            tracing::warn!(%error, "what a collection reads is not kept for the next one");
            None
        }
    }
}

/// Ends a run whose readings nobody has to go on with.
pub(super) async fn finish(store: &dyn Store, run: &ReadingRun) {
    if let Err(error) = store.finish_readings(run).await {
        tracing::warn!(%error, "the next collection takes this one for interrupted");
    }
}

#[cfg(test)]
#[path = "readings_tests.rs"]
mod tests;
