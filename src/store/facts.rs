//! The store's side of the audit's facts: collections with what each saw, kept as intervals, so that
//! only what changed is written.
//!
//! ```text
//!   begin_collection -> take_facts, take_facts, … -> finish_collection    each call one short transaction
//! ```
//! A reader names a finished collection and sees the facts that were so in it, whatever is written
//! beside. One that is not finished is seen by nobody; what is left of it when nobody goes on is undone.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{GrantScope, StoreError};
use crate::domain::facts::{CollectionId, CollectionRecord, Fact, FactKey, FactKind, Gaps};
use crate::domain::{AssignmentRecord, Grant, GrantId, InstanceArn, ServiceEvent};

/// The most facts of one `take_facts`, and the most that one transaction of a collection compares them with.
/// Grants wait for the same writer: where every key is new, 500 held it for 25 ms, which is all that a
/// decision may take; fewer than this would be more commits than facts are worth.
pub const FACTS_PER_BATCH_MAX: usize = 200;

/// The right to write one collection.
#[derive(Debug, Clone)]
pub struct Taking {
    /// Which.
    pub id: CollectionId,
    /// What it did not see.
    pub gaps: Arc<Gaps>,
}

/// What became of `finish_collection`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finishing {
    /// More may be gone than one transaction closes: call again.
    GoesOn,
    /// Readers see it.
    Finished,
}

/// A finished collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedCollection {
    /// Its number.
    pub id: CollectionId,
    /// What is known of it as a whole.
    pub record: CollectionRecord,
}

/// Which facts of a collection to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FactRange {
    /// Those of these kinds.
    Kinds(Vec<FactKind>),
    /// Those of a kind with this first key: the assignments on a target, the members of a group.
    Of(FactKind, String),
    /// Those of a kind with this second key: the assignments of a principal, the groups of a user.
    With(FactKind, String),
}

/// A fact as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptFact {
    /// The fact.
    pub fact: Fact,
    /// The collection that first saw it so: since then it has been the same in each.
    pub since: CollectionId,
}

/// A stretch of the assignments of a collection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListedAssignments {
    /// The assignments, sorted by key.
    pub assignments: Vec<KeptFact>,
    /// The facts of who and what they name, in no order.
    pub named: Vec<KeptFact>,
    /// The grants on them that are not over.
    pub grants: Vec<Grant>,
    /// Those that have ended since the collection began.
    pub ended: Vec<Grant>,
    /// What Usher knows of them.
    pub records: Vec<AssignmentRecord>,
    /// The first collection of the instance that lacked nothing.
    pub first_whole: Option<CollectionId>,
}

/// What differs between two collections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactChange {
    /// Of what.
    pub key: FactKey,
    /// The value in the one; none where it was not there.
    pub before: Option<String>,
    /// The value in the other; none where it was gone.
    pub after: Option<String>,
}

/// A fact with the collections between which it was so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactInterval {
    /// The fact.
    pub fact: Fact,
    /// The first collection that saw it so.
    pub from: CollectionId,
    /// The first one that did not any more; none while it is so.
    pub to: Option<CollectionId>,
}

/// How far forgetting has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forgotten {
    /// How many intervals went.
    pub intervals: u64,
    /// After which key to go on; none when all of it is done.
    pub next: Option<FactKey>,
}

/// The transactions of facts; each as atomic and durable as those of `Store`.
#[async_trait]
pub trait FactStore: Send + Sync + 'static {
    /// Begins a collection of an instance. None while another one is there that was not finished: a part
    /// of it was undone, and the caller calls again. Whoever was writing that one hears `Stale`: of two
    /// that collect at once the later begins.
    ///
    /// # Errors
    /// `Stale`: one that began later is finished already. `Unavailable`: nothing was begun, or (power loss)
    /// the next begin undoes it.
    async fn begin_collection(
        &self,
        instance: &InstanceArn,
        record: &CollectionRecord,
        gaps: Arc<Gaps>,
    ) -> Result<Option<Taking>, StoreError>;

    /// Takes the next facts, sorted by key, after all that were taken before. What the collections
    /// before had between them is gone, but for what the collection did not see. Answers how many of
    /// them it took: the caller calls again with the others. It may be none, where much is gone before
    /// the first of them; a repeated call always ends.
    ///
    /// # Errors
    /// `Stale`: the collection was given up, finished or forgotten, or the facts are not those that
    /// come next; nothing was taken. `Corrupt`: a value is none. `Unavailable`: the caller cannot know
    /// and begins anew.
    async fn take_facts(&self, taking: &Taking, facts: Vec<Fact>) -> Result<usize, StoreError>;

    /// No further facts come: what is gone behind the last one is closed, and when all of it is, readers
    /// see the collection, and these events are in the log.
    ///
    /// # Errors
    /// As for `take_facts`; `Stale` also when it is finished already.
    async fn finish_collection(
        &self,
        taking: &Taking,
        events: &[ServiceEvent],
    ) -> Result<Finishing, StoreError>;

    /// Undoes a part of an instance's unfinished collection. Answers whether none is left.
    ///
    /// # Errors
    /// `Unavailable`: a repeat goes on.
    async fn undo_collection(&self, instance: &InstanceArn) -> Result<bool, StoreError>;

    /// The last finished collection of an instance that had ended at `at`.
    async fn collection_at(
        &self,
        instance: &InstanceArn,
        at: Timestamp,
    ) -> Result<Option<FinishedCollection>, StoreError>;

    /// The finished collections of an instance that ended from `from` on and before `until`, oldest
    /// first; at most `limit`.
    async fn collections(
        &self,
        instance: &InstanceArn,
        from: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<FinishedCollection>, StoreError>;

    /// The first finished collection of an instance that lacked nothing, also where it was forgotten since.
    async fn first_whole_collection(
        &self,
        instance: &InstanceArn,
    ) -> Result<Option<CollectionId>, StoreError>;

    /// Facts as of a collection in a range, sorted by key, after the given one; at most `limit`. By
    /// index: a page costs what is on it, and the past of the keys that it passes.
    ///
    /// # Errors
    /// `Stale`: there is no such finished collection, or it was forgotten.
    async fn facts(
        &self,
        collection: CollectionId,
        range: &FactRange,
        after: Option<&FactKey>,
        limit: usize,
    ) -> Result<Vec<KeptFact>, StoreError>;

    /// Those of these facts that there were in a collection, in no order.
    ///
    /// # Errors
    /// As for `facts`.
    async fn facts_of(
        &self,
        collection: CollectionId,
        keys: &[FactKey],
    ) -> Result<Vec<KeptFact>, StoreError>;

    /// The next assignments of a collection, after the given one, with all that a list shows of them, of one moment;
    /// at most `limit`.
    ///
    /// # Errors
    /// As for `facts`.
    async fn listed_assignments(
        &self,
        collection: CollectionId,
        after: Option<&FactKey>,
        limit: usize,
    ) -> Result<ListedAssignments, StoreError>;

    /// What differs between an earlier collection of an instance and a later one, of these kinds, sorted
    /// by key, after the given one; at most `limit`. Together the pages read every key of the kinds once.
    ///
    /// # Errors
    /// `Stale` as for `facts`, and where they are not of one instance or not in this order.
    async fn fact_changes(
        &self,
        earlier: CollectionId,
        later: CollectionId,
        kinds: &[FactKind],
        after: Option<&FactKey>,
        limit: usize,
    ) -> Result<Vec<FactChange>, StoreError>;

    /// The facts that began or ended after an earlier collection of an instance, up to a later one, sorted by key
    /// and beginning, after the given place; at most `limit`.
    ///
    /// # Errors
    /// As for `fact_changes`.
    async fn fact_intervals(
        &self,
        earlier: CollectionId,
        later: CollectionId,
        after: Option<&(FactKey, CollectionId)>,
        limit: usize,
    ) -> Result<Vec<FactInterval>, StoreError>;

    /// Between which collections there were facts of a kind with this second key: from one on, and up to before
    /// another one, if it ended. In no order.
    async fn fact_spans(
        &self,
        instance: &InstanceArn,
        kind: FactKind,
        second: &str,
    ) -> Result<Vec<(CollectionId, Option<CollectionId>)>, StoreError>;

    /// The grants in a scope that stood at some time between `from` and `until`, whatever became of them
    /// since; sorted by assignment and id.
    async fn grants_standing(
        &self,
        instance: &InstanceArn,
        scope: &GrantScope,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Grant>, StoreError>;

    /// The ids of those grants of a whole instance, sorted: they may be many, and are looked at page by page.
    async fn grant_ids_standing(
        &self,
        instance: &InstanceArn,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<GrantId>, StoreError>;

    /// The grants with these ids that there are, in their order.
    async fn grants_of_ids(&self, ids: &[GrantId]) -> Result<Vec<Grant>, StoreError>;

    /// Forgets the collections of an instance that ended before `before`, with all that only they saw,
    /// among the next `FACTS_PER_BATCH_MAX` intervals, but for further ones of the last key. The last finished one always stays, with every fact of
    /// it and of those that are kept.
    ///
    /// # Errors
    /// `Unavailable`: a repeat does no harm.
    async fn forget_facts(
        &self,
        instance: &InstanceArn,
        before: Timestamp,
        after: Option<&FactKey>,
    ) -> Result<Forgotten, StoreError>;
}
