//! When assignments were first seen, as the facts of the store tell: what the first whole collection saw was
//! there before Usher kept account, what came later came beside it.
//!
//! Decides nothing about grants, and claims nothing where no whole collection was made yet.

use std::collections::HashSet;

use super::collection::Collection;
use super::facts;
use crate::domain::facts::{CollectionId, CollectionRecord, FactKey, FactKind};
use crate::domain::report::FirstSeen;
use crate::domain::{InstanceArn, PrincipalRef, Target};
use crate::store::{FactRange, FactStore, FinishedCollection, KeptFact, StoreError};

/// Facts that are read at once: a few hundred kilobytes of memory, and few enough questions to the
/// database that they cost little beside the rows.
const FACTS_PER_PAGE: usize = 2_000;

/// When the assignments of an instance were first seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    first: Option<CollectionId>,
    listed: Listed,
}

/// Which assignments are listed: the fewer, since there may be a million.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Listed {
    /// Those that came later, among all of a collection.
    Later(HashSet<FactKey>),
    /// Those that were there from the first whole collection on; all others came later.
    FromFirst(HashSet<FactKey>),
}

impl Default for Listed {
    fn default() -> Self {
        Self::Later(HashSet::new())
    }
}

impl Seen {
    /// To be told of every fact of a collection, of the instance with this first whole one.
    #[must_use]
    pub fn of_whole(first: Option<CollectionId>) -> Self {
        Self {
            first,
            listed: Listed::default(),
        }
    }

    /// The same of a collection that may be older than the first whole one: then nobody kept account yet.
    #[must_use]
    pub fn of_collection(collection: CollectionId, first: Option<CollectionId>) -> Self {
        Self::of_whole(first.filter(|first| *first <= collection))
    }

    /// Takes a fact of the collection.
    pub fn take(&mut self, kept: &KeptFact) {
        let Some(first) = self.first else { return };
        if kept.fact.key.kind != FactKind::Assignment {
            return;
        }
        match &mut self.listed {
            Listed::Later(keys) if kept.since > first => {
                keys.insert(kept.fact.key.clone());
            }
            Listed::FromFirst(keys) if kept.since <= first => {
                keys.insert(kept.fact.key.clone());
            }
            Listed::Later(_) | Listed::FromFirst(_) => {}
        }
    }

    /// When an assignment that is there was first seen.
    #[must_use]
    pub fn of(&self, target: &Target, principal: &PrincipalRef) -> FirstSeen {
        if self.first.is_none() {
            return FirstSeen::Unknown;
        }
        let key = FactKey::assignment(target, principal);
        let is_later = match &self.listed {
            Listed::Later(keys) => keys.contains(&key),
            Listed::FromFirst(keys) => !keys.contains(&key),
        };
        if is_later {
            FirstSeen::Later
        } else {
            FirstSeen::InFirstCollection
        }
    }
}

/// Of every assignment of a collection that is about to be kept: held against the last one, in one walk through
/// both. What the first whole one sees was there before.
///
/// # Errors
/// As for `FactStore::facts`.
pub(super) async fn beside(
    store: &dyn FactStore,
    collection: &Collection,
    record: &CollectionRecord,
    last: Option<&FinishedCollection>,
) -> Result<Seen, StoreError> {
    let first = store.first_whole_collection(&collection.instance.arn);
    let (Some(first), Some(last)) = (first.await?, last) else {
        // It becomes the first itself, or nobody keeps account yet.
        return Ok(Seen::of_whole(record.is_whole().then_some(CollectionId(0))));
    };
    let mut ours = facts::assignments(collection).peekable();
    let mut later = HashSet::new();
    let range = FactRange::Kinds(vec![FactKind::Assignment]);
    let mut take = |kept: &KeptFact| {
        while let Some(key) = ours.next_if(|key| *key < kept.fact.key) {
            later.insert(key);
        }
        if let Some(key) = ours.next_if_eq(&kept.fact.key)
            && kept.since > first
        {
            later.insert(key);
        }
    };
    every_fact(store, last.id, &range, &mut take).await?;
    later.extend(ours);
    Ok(Seen {
        first: Some(first),
        listed: Listed::Later(later),
    })
}

/// Of the assignments in these ranges, as AWS has them now: one that the last collection did not see came
/// since.
///
/// # Errors
/// As for `FactStore::facts`.
pub async fn among(
    store: &dyn FactStore,
    instance: &InstanceArn,
    last: Option<&FinishedCollection>,
    ranges: impl IntoIterator<Item = FactRange>,
) -> Result<Seen, StoreError> {
    let mut seen = Seen {
        first: store.first_whole_collection(instance).await?,
        listed: Listed::FromFirst(HashSet::new()),
    };
    if let (Some(_), Some(last)) = (seen.first, last) {
        for range in ranges {
            every_fact(store, last.id, &range, &mut |kept| seen.take(kept)).await?;
        }
    }
    Ok(seen)
}

/// Hands over every fact of a collection in a range, in the order of keys.
pub(super) async fn every_fact(
    store: &dyn FactStore,
    collection: CollectionId,
    range: &FactRange,
    take: &mut (dyn FnMut(&KeptFact) + Send),
) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let page = store.facts(collection, range, after.as_ref(), FACTS_PER_PAGE);
        let page = page.await?;
        page.iter().for_each(&mut *take);
        match page.last() {
            Some(last) if page.len() == FACTS_PER_PAGE => after = Some(last.fact.key.clone()),
            _ => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::facts::Fact;
    use crate::domain::grant::tests::grant;
    use crate::domain::{Grant, GrantState};

    fn kept(grant: &Grant, since: u64) -> KeptFact {
        KeptFact {
            fact: Fact {
                key: FactKey::assignment(&grant.target, &grant.principal),
                value: "{}".to_owned(),
            },
            since: CollectionId(since),
        }
    }

    #[test]
    fn what_the_first_whole_collection_saw_was_there_before() {
        let grant = grant(1, GrantState::Active);
        for (since, expected) in [
            (2, FirstSeen::InFirstCollection),
            (3, FirstSeen::InFirstCollection),
            (4, FirstSeen::Later),
        ] {
            let mut whole = Seen::of_whole(Some(CollectionId(3)));
            let mut among = Seen {
                listed: Listed::FromFirst(HashSet::new()),
                ..whole.clone()
            };
            whole.take(&kept(&grant, since));
            among.take(&kept(&grant, since));
            assert_eq!(whole.of(&grant.target, &grant.principal), expected);
            assert_eq!(among.of(&grant.target, &grant.principal), expected);
        }
        let none = Seen::default();
        assert_eq!(none.of(&grant.target, &grant.principal), FirstSeen::Unknown);
    }
}
