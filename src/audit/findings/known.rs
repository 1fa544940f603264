//! Findings that are known already: since when each is there, and what is new and what is gone.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::Since;
use crate::domain::facts::{FactKey, FactKind, Found};
use crate::domain::report::Finding;
use crate::domain::{FindingChange, FindingEvent, InstanceArn, ServiceEvent, ServiceFact};
use crate::store::{FactRange, FactStore, FinishedCollection, StoreError};

use super::super::seen::every_fact;

/// New and gone findings of one collection that are told one by one; of more, those of a kind are told
/// together, so that a first collection does not fill the log.
const TOLD_ONE_BY_ONE_MAX: usize = 200;

/// The findings of an earlier collection.
#[derive(Debug, Default)]
pub(in crate::audit) struct Known {
    found: Vec<Found>,
    since: Since,
}

impl Known {
    /// Those of a finished collection.
    ///
    /// # Errors
    /// As for `FactStore::facts`; one that this version does not know is left out.
    pub(in crate::audit) async fn read(
        store: &dyn FactStore,
        collection: &FinishedCollection,
    ) -> Result<Self, StoreError> {
        let mut found = Vec::new();
        let range = FactRange::Kinds(vec![FactKind::Finding]);
        let mut take = |kept: &crate::store::KeptFact| found.extend(Found::read(&kept.fact).ok());
        every_fact(store, collection.id, &range, &mut take).await?;
        Ok(Self::of(found))
    }

    /// These findings.
    pub(in crate::audit) fn of(found: Vec<Found>) -> Self {
        let since = found.iter().map(|it| (it.key(), it.since)).collect();
        Self { found, since }
    }

    /// Those about people in several stores.
    pub(in crate::audit) fn of_people(&self) -> impl Iterator<Item = &Found> {
        let found = self.found.iter();
        found.filter(|it| it.finding == Finding::DuplicateUser)
    }

    /// The findings themselves, sorted by key.
    pub(in crate::audit) fn into_found(self) -> Vec<Found> {
        self.found
    }

    /// Says of each since when it is there: as long as it was known, else from now on.
    pub(in crate::audit) fn date(&self, found: &mut [Found], now: Timestamp) {
        for finding in found {
            let known = self.since.get(&finding.key()).copied().flatten();
            finding.since = finding.since.or(known).or(Some(now));
        }
    }
}

/// What is new, and where everything was seen, what is gone.
pub(in crate::audit) fn events(
    instance: &InstanceArn,
    before: &Known,
    found: &[Found],
    saw_everything: bool,
    at: Timestamp,
) -> Vec<ServiceEvent> {
    let now: HashMap<FactKey, &Found> = found.iter().map(|it| (it.key(), it)).collect();
    let new = (found.iter()).filter(|it| !before.since.contains_key(&it.key()));
    let gone = (before.found.iter()).filter(|it| saw_everything && !now.contains_key(&it.key()));
    let changes: Vec<(FindingChange, &Found)> = (new.map(|it| (FindingChange::New, it)))
        .chain(gone.map(|it| (FindingChange::Gone, it)))
        .collect();
    let facts = if changes.len() <= TOLD_ONE_BY_ONE_MAX {
        (changes.into_iter())
            .map(|(change, found)| one(instance, change, found))
            .collect()
    } else {
        together(instance, &changes)
    };
    let event = |fact| ServiceEvent {
        at,
        what: ServiceFact::Finding(fact),
    };
    facts.into_iter().map(event).collect()
}

fn one(instance: &InstanceArn, change: FindingChange, found: &Found) -> FindingEvent {
    FindingEvent {
        principal: found.principal.clone(),
        target: found.target.clone(),
        grant_id: found.grant_id.clone(),
        ..FindingEvent::about(instance, change, found.finding, 1)
    }
}

fn together(instance: &InstanceArn, changes: &[(FindingChange, &Found)]) -> Vec<FindingEvent> {
    let mut counts: BTreeMap<(FindingChange, Finding), u64> = BTreeMap::new();
    for (change, found) in changes {
        *counts.entry((*change, found.finding)).or_default() += 1;
    }
    (counts.into_iter())
        .map(|((change, finding), count)| FindingEvent::about(instance, change, finding, count))
        .collect()
}
