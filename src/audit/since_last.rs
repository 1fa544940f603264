//! What changed since the collection before: how many assignments and memberships came and went, and the first
//! of the assignments by name. For the page alone, which says it at a glance.

use jiff::Timestamp;

use super::collection::Collection;
use super::facts;
use super::seen::every_fact;
use crate::domain::facts::{FactKey, FactKind, KnownFact};
use crate::store::{FactRange, FactStore, FinishedCollection, KeptFact, StoreError};

/// Assignments that are told by name; CHANGES has them all.
const SHOWN_MAX: usize = 20;
/// Changes that are read at once.
const CHANGES_PER_PAGE: usize = 1_000;
const KINDS: [FactKind; 2] = [FactKind::Membership, FactKind::Assignment];

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinceLast {
    /// When the collection before had ended; the earliest, of several instances.
    pub last_at: Timestamp,
    /// Assignments.
    pub assignments: CameAndWent,
    /// People in groups.
    pub memberships: CameAndWent,
    /// The first of the assignments.
    pub shown: Vec<ShownChange>,
}

/// How many came and went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CameAndWent {
    /// Came.
    pub came: u64,
    /// Went.
    pub went: u64,
}

/// An assignment that came or went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownChange {
    /// Whether it came.
    pub has_come: bool,
    /// Who, by name, else by id.
    pub principal: String,
    /// To what.
    pub target: String,
}

/// What differs, on its way.
struct Walk {
    since: SinceLast,
    shown: Vec<(FactKey, bool)>,
}

impl Walk {
    fn since(last: &FinishedCollection) -> Self {
        Self {
            since: SinceLast {
                last_at: last.record.ended_at,
                assignments: CameAndWent::default(),
                memberships: CameAndWent::default(),
                shown: Vec::new(),
            },
            shown: Vec::new(),
        }
    }

    fn add(&mut self, key: FactKey, has_come: bool) {
        let counts = match key.kind {
            FactKind::Membership => &mut self.since.memberships,
            _ => &mut self.since.assignments,
        };
        if has_come {
            counts.came += 1;
        } else {
            counts.went += 1;
        }
        if key.kind == FactKind::Assignment && self.shown.len() < SHOWN_MAX {
            self.shown.push((key, has_come));
        }
    }

    /// With names, as the collection before has them; those of what came since are looked up by `name`.
    async fn named(
        self,
        store: &dyn FactStore,
        last: &FinishedCollection,
        name: impl Fn(&FactKey) -> Option<String>,
    ) -> Result<SinceLast, StoreError> {
        let mut since = self.since;
        for (key, has_come) in self.shown {
            let mut names = Vec::new();
            for key in key.named_by_assignment() {
                let known = match name(&key) {
                    Some(name) => Some(name),
                    None => {
                        let found = store.facts_of(last.id, std::slice::from_ref(&key)).await?;
                        found.first().map(|kept| KnownFact::read(&kept.fact).name)
                    }
                };
                let known = known.filter(|name| !name.is_empty());
                names.push(known.unwrap_or(key.key));
            }
            let mut names = names.into_iter();
            since.shown.push(ShownChange {
                has_come,
                principal: names.next().unwrap_or_default(),
                target: Vec::from_iter(names).join(", "),
            });
        }
        Ok(since)
    }
}

/// Between the last collection and one that was just read.
///
/// # Errors
/// As for `FactStore::facts`.
pub(super) async fn of_new(
    store: &dyn FactStore,
    collection: &Collection,
    last: &FinishedCollection,
) -> Result<SinceLast, StoreError> {
    let mut walk = Walk::since(last);
    let kinds = facts::facts(collection, &[]).filter_map(Result::ok);
    let mut ours = kinds
        .map(|fact| fact.key)
        .filter(|key| KINDS.contains(&key.kind))
        .peekable();
    let gaps = facts::gaps_of(collection);
    let mut take = |kept: &KeptFact| {
        let key = &kept.fact.key;
        while let Some(new) = ours.next_if(|ours| ours < key) {
            walk.add(new, true);
        }
        // What nobody could see now did not go.
        if ours.next_if_eq(key).is_none() && !gaps.keep(&kept.fact) {
            walk.add(key.clone(), false);
        }
    };
    let range = FactRange::Kinds(KINDS.to_vec());
    every_fact(store, last.id, &range, &mut take).await?;
    for new in ours {
        walk.add(new, true);
    }
    walk.named(store, last, |key| collection.name_by_key(key))
        .await
}

/// Between a collection that is kept and the one before it; none where it is the first.
///
/// # Errors
/// As for `FactStore::fact_changes`.
pub(super) async fn of_kept(
    store: &dyn FactStore,
    collection: &Collection,
    kept: &FinishedCollection,
) -> Result<Option<SinceLast>, StoreError> {
    let arn = &collection.instance.arn;
    let before = kept.record.began_at;
    let Some(last) = store.collection_at(arn, before).await? else {
        return Ok(None);
    };
    if last.id >= kept.id {
        return Ok(None);
    }
    let mut walk = Walk::since(&last);
    let mut after: Option<FactKey> = None;
    loop {
        let page = store.fact_changes(last.id, kept.id, &KINDS, after.as_ref(), CHANGES_PER_PAGE);
        let page = page.await?;
        let is_last = page.len() < CHANGES_PER_PAGE;
        after = page.last().map(|change| change.key.clone());
        for change in page {
            match (change.before, change.after) {
                (None, Some(_)) => walk.add(change.key, true),
                (Some(_), None) => walk.add(change.key, false),
                _ => {}
            }
        }
        if is_last {
            break;
        }
    }
    let named = walk.named(store, &last, |key| collection.name_by_key(key));
    named.await.map(Some)
}

impl SinceLast {
    /// Adds what changed in another instance.
    pub(super) fn join(&mut self, other: Self) {
        self.last_at = self.last_at.min(other.last_at);
        for (mine, theirs) in [
            (&mut self.assignments, other.assignments),
            (&mut self.memberships, other.memberships),
        ] {
            mine.came += theirs.came;
            mine.went += theirs.went;
        }
        let room = SHOWN_MAX.saturating_sub(self.shown.len());
        self.shown.extend(other.shown.into_iter().take(room));
    }
}
