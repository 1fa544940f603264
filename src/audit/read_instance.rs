//! What a report reads of one instance: AWS or the facts that are kept, and what the store says of why
//! assignments stand, before and after. What shows the state of the whole instance is kept in the store beside
//! the writing of its rows. A failure of the store is named as missing, never passed over.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::collect::Collector;
use super::collection::{Assignee, Collection, Missing};
use super::facts::{self, Findings};
use super::findings::{self, Known, Matters};
use super::holdings::Holdings;
use super::kept::from_store;
use super::meter::Meter;
use super::question::Question;
use super::readings::{self, Readings};
use super::run::{Read, Reader, STORE_IS_AWAY};
use super::seen::{self, Seen};
use super::since_last::{self, SinceLast};
use super::store_facts::StoreFacts;
use crate::domain::MassChangeState;
use crate::domain::facts::{CollectionRecord, FactKind, Found, second_of_principal};
use crate::domain::report::{Format, View};
use crate::store::{
    FactRange, FinishedCollection, GrantFilter, GrantScope, ReadingRun, Store, StoreError,
};

/// Break-glass grants without a review that findings are made of: so many unreviewed ones are a finding by
/// themselves, and further ones are told when these are reviewed.
const UNREVIEWED_MAX: usize = 1_000;

/// What was read of AWS, or of a collection that is kept.
struct Collected {
    collection: Collection,
    seen: Seen,
    /// Findings that were there before; where a collection is kept, those of it.
    known: Known,
    /// With what the collection is to be kept, if it is.
    record: Option<CollectionRecord>,
    /// Of which time it is the state.
    at: Timestamp,
    /// What changed since the collection before, where a page tells it.
    since_last: Option<SinceLast>,
    /// What was read is kept page by page until this ends.
    run: Option<ReadingRun>,
}

impl Collected {
    /// Something that the store did not tell.
    fn lacks(&mut self, scope: &str) {
        let missing = Missing::of(&self.collection.instance.arn, scope, STORE_IS_AWAY);
        self.collection.missing.push(missing);
    }
}

impl Reader<'_> {
    /// Reads an instance, hands it over to be written, and keeps what shows its whole state; that it could not
    /// be kept is no lack of the report.
    pub(super) async fn read_instance(
        &self,
        question: Question<'_>,
        meter: &Meter,
        place: Option<OwnedSemaphorePermit>,
        sender: oneshot::Sender<Read>,
    ) {
        let explains = question.view.tells_access();
        let store = self.store.filter(|_| explains);
        let before = read_store(question, store).await;
        let mut collected = match (question.kept, self.store) {
            (Some(kept), Some(store)) => self.take_kept(question, store, kept).await,
            _ => self.collect(question, meter).await,
        };
        let after = read_store(question, store).await;
        let (holdings, grants) = match (store, before, after) {
            (None, ..) => (Holdings::without_store(), Vec::new()),
            (Some(_), Some(before), Some(after)) => {
                let looked_from = collected.collection.observed_from;
                let facts = StoreFacts::joined(before, after)
                    .looked_at(looked_from.unwrap_or(collected.at));
                let open = facts
                    .grants
                    .iter()
                    .filter(|it| !facts.ended.contains(&it.id));
                let grants = open.cloned().collect();
                (Holdings::new(facts, collected.at), grants)
            }
            (Some(_), ..) => {
                collected.lacks("grants and standing marks of the store");
                collected.record = None;
                (Holdings::unreadable(), Vec::new())
            }
        };
        let holdings = holdings
            .with_external(self.request.external.clone())
            .with_seen(std::mem::take(&mut collected.seen));
        let found = self.find(question, &mut collected, &holdings, grants).await;
        let (collection, place) = (Arc::new(collected.collection), Arc::new(place));
        let read = Read {
            collection: Arc::clone(&collection),
            holdings,
            found: found.clone(),
            since_last: collected.since_last.take(),
            _place: Arc::clone(&place),
        };
        // Nobody waits for it any more: the run is over.
        let _ = sender.send(read);
        if let (Some(record), Some(store)) = (collected.record, self.store) {
            keep(store, &collection, &collected.known, found, record).await;
        }
        if let Some(store) = self.store {
            self.end(store, collected.run).await;
        }
    }

    /// Takes what the store keeps in the place of AWS.
    async fn take_kept(
        &self,
        question: Question<'_>,
        store: &dyn Store,
        kept: &FinishedCollection,
    ) -> Collected {
        let (collection, seen) = from_store(question, store, kept).await;
        let mut since_last = None;
        if self.tells_changes(question) {
            let read = since_last::of_kept(store, &collection, kept).await;
            since_last = read.unwrap_or_else(|error| {
                tracing::warn!(%error, "a page lacks what changed");
                None
            });
        }
        Collected {
            collection,
            seen,
            known: Known::default(),
            record: None,
            at: kept.record.ended_at,
            since_last,
            run: None,
        }
    }

    /// Everything of an instance was read. A report is finished when it is told, what nobody waits for now.
    async fn end(&self, store: &dyn Store, run: Option<ReadingRun>) {
        match (run, self.runs) {
            (Some(run), Some(runs)) => runs.hold(run),
            (Some(run), None) => readings::finish(store, &run).await,
            (None, _) => {}
        }
    }

    /// Reads AWS. What is read of the whole instance is kept page by page, and what is kept already is not read again.
    async fn read_aws(
        &self,
        question: Question<'_>,
        meter: &Meter,
        began_at: Timestamp,
    ) -> (Collection, Option<ReadingRun>) {
        let (port, accounts) = (self.port, self.accounts);
        let collector = Collector::new(port, question, accounts, self.clock, self.config, meter);
        let Some(store) = self.store.filter(|_| question.is_of_everything()) else {
            return (collector.collect().await, None);
        };
        let instance = &question.instance.arn;
        let run = readings::begin(store, instance, began_at).await;
        let (before, pages) = Readings::new(store, instance, question.reuse);
        let collector = collector.with_readings(before);
        let collection = match &run {
            Some(run) => {
                let keeping = readings::keep(store, run, pages);
                tokio::join!(collector.collect(), keeping).0
            }
            None => {
                drop(pages);
                collector.collect().await
            }
        };
        (collection, run)
    }

    /// Whether the answer is a page about everything, which says what changed.
    fn tells_changes(&self, question: Question<'_>) -> bool {
        self.request.format == Format::Html
            && question.view.is_about_access()
            && question.scope.is_whole()
    }

    /// Reads AWS, and what the store knew before of what is to be kept.
    async fn collect(&self, question: Question<'_>, meter: &Meter) -> Collected {
        let began_at = self.clock.now();
        let (collection, run) = self.read_aws(question, meter, began_at).await;
        let at = self.clock.now();
        let mut collected = Collected {
            collection,
            seen: Seen::default(),
            known: Known::default(),
            record: None,
            at,
            since_last: None,
            run,
        };
        let Some(store) = self.store.filter(|_| question.view.tells_access()) else {
            return collected;
        };
        let known = async {
            let arn = &question.instance.arn;
            let last = store.collection_at(arn, at).await?;
            if !question.is_of_everything() || collected.collection.observed_from.is_none() {
                let ranges = ranges(question, &collected.collection);
                collected.seen = seen::among(store, arn, last.as_ref(), ranges).await?;
                return Ok(());
            }
            // What the organization did not tell is missing here too: a report names it once for all.
            let accounts = self.accounts.read_already();
            let beside = accounts.and_then(|list| list.missing.clone());
            let beside = beside.filter(|_| question.covers_accounts());
            let record = facts::record(&collected.collection, beside, began_at, at);
            let (collection, last) = (&collected.collection, last.as_ref());
            collected.seen = seen::beside(store, collection, &record, last).await?;
            if let Some(last) = last {
                collected.known = Known::read(store, last).await?;
                if self.tells_changes(question) {
                    let since = since_last::of_new(store, collection, last);
                    collected.since_last = Some(since.await?);
                }
            }
            collected.record = Some(record);
            Ok::<_, StoreError>(())
        };
        if let Err(error) = known.await {
            tracing::warn!(%error, instance.arn = %question.instance.arn, "a collection is not kept");
            collected.lacks("since when assignments and findings have been there");
        }
        collected
    }

    /// What somebody should look at, for a report of it or to be kept.
    async fn find(
        &self,
        question: Question<'_>,
        collected: &mut Collected,
        holdings: &Holdings,
        grants: Vec<crate::domain::Grant>,
    ) -> Vec<Found> {
        if question.view != View::Findings && collected.record.is_none() {
            return Vec::new();
        }
        if let (Some(kept), Some(store)) = (question.kept, self.store) {
            let read = Known::read(store, kept).await;
            return read.map(Known::into_found).unwrap_or_else(|error| {
                tracing::warn!(%error, "a report lacks the findings that are kept");
                collected.lacks("the findings that are kept of this instance");
                Vec::new()
            });
        }
        let mut matters = Matters {
            grants,
            ..Matters::default()
        };
        let at = collected.at;
        if let Some(store) = self.store
            && let Err(error) = self
                .read_matters(store, question, collected, &mut matters)
                .await
        {
            tracing::warn!(%error, "a report lacks what waits for a review");
            collected.lacks("break-glass without a review, mass changes, and people elsewhere");
            collected.record = None;
        }
        let mut found = findings::find(&collected.collection, holdings, &matters, at);
        if self.store.is_some() {
            // Of users that were not listed, those who are not named were not looked at.
            if collected.collection.counts.users.is_none() {
                findings::keep_people(&mut found, &collected.known);
            }
            collected.known.date(&mut found, at);
        }
        found
    }

    async fn read_matters(
        &self,
        store: &dyn Store,
        question: Question<'_>,
        collected: &Collected,
        matters: &mut Matters,
    ) -> Result<(), StoreError> {
        let instance = &question.instance.arn;
        let filter = GrantFilter {
            instance: Some(instance.clone()),
            review_due: true,
            ..GrantFilter::default()
        };
        matters.unreviewed = store.grants(&filter, None, UNREVIEWED_MAX).await?;
        let changes = store.brake(instance).await?.mass_changes.into_iter();
        let held = changes.filter(|change| change.state == MassChangeState::Held);
        matters.mass_changes = held.collect();
        if question.is_of_everything() {
            let served = &self.request.peers.served;
            let (collection, at) = (&collected.collection, collected.at);
            matters.elsewhere = findings::elsewhere(store, collection, served, at).await?;
        }
        Ok(())
    }
}

/// Keeps a collection with what was found in it.
async fn keep(
    store: &dyn Store,
    collection: &Collection,
    known: &Known,
    found: Vec<Found>,
    record: CollectionRecord,
) {
    let (arn, at) = (&collection.instance.arn, record.ended_at);
    let events = findings::events(arn, known, &found, record.is_whole(), at);
    let findings = Findings {
        found: &found,
        events: &events,
    };
    if let Err(error) = facts::commit(store, collection, findings, record).await {
        tracing::warn!(%error, instance.arn = %arn, "a collection was not kept");
    }
}

/// What the store says now, or where kept facts answer, of the grants of their time; none without a store,
/// or when it does not answer.
async fn read_store(question: Question<'_>, store: Option<&dyn Store>) -> Option<StoreFacts> {
    let store = store?;
    let (instance, scope) = (&question.instance.arn, question.scope.for_grants());
    match StoreFacts::read(store, instance, &scope, question.kept).await {
        Ok(facts) => Some(facts),
        Err(error) => {
            tracing::warn!(%error, "a report lacks grants and standing marks");
            None
        }
    }
}

/// The facts about the assignments that a report of a part of an instance read.
fn ranges(question: Question<'_>, collection: &Collection) -> Vec<FactRange> {
    if question.scope.is_whole() {
        return vec![FactRange::Kinds(vec![FactKind::Assignment])];
    }
    if let GrantScope::Target(target) = question.scope.for_grants() {
        return vec![FactRange::Of(
            FactKind::Assignment,
            target.key().into_owned(),
        )];
    }
    let of_applications = collection.applications.iter().map(|facts| &facts.assignees);
    let of_accounts = collection
        .account_access
        .iter()
        .map(|facts| &facts.assignees);
    let assignees: BTreeSet<Assignee> = of_applications
        .chain(of_accounts)
        .flatten()
        .copied()
        .collect();
    let principals = assignees
        .into_iter()
        .filter_map(|it| collection.principal(it));
    let seconds = principals.map(|principal| second_of_principal(&principal));
    seconds
        .map(|second| FactRange::With(FactKind::Assignment, second))
        .collect()
}
