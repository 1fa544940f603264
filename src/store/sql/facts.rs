//! Facts: which transaction each method of `FactStore` is. The statements are in
//! `facts_write`, `facts_read` and `facts_remove`.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::ways::{Ways, Written};
use super::{facts_compare, facts_lookup, facts_read, facts_remove, facts_write, reads};
use crate::crash_points::StoreCommit;
use crate::domain::facts::{CollectionId, CollectionRecord, Fact, FactKey, FactKind, Gaps};
use crate::domain::{Grant, GrantId, InstanceArn, ServiceEvent};
use crate::store::{
    FactChange, FactInterval, FactRange, FactStore, FinishedCollection, Finishing, Forgotten,
    GrantScope, KeptFact, ListedAssignments, StoreError, Taking,
};

#[async_trait]
impl<W: Ways> FactStore for W {
    async fn begin_collection(
        &self,
        instance: &InstanceArn,
        record: &CollectionRecord,
        gaps: Arc<Gaps>,
    ) -> Result<Option<Taking>, StoreError> {
        let (instance, record) = (instance.clone(), record.clone());
        self.write(StoreCommit::BeginCollection, move |connection| {
            Box::pin(async move {
                let begun = facts_write::begin(connection, &instance, &record).await?;
                Ok(Written::unchanged(begun.map(|id| Taking { id, gaps })))
            })
        })
        .await
    }

    async fn take_facts(&self, taking: &Taking, facts: Vec<Fact>) -> Result<usize, StoreError> {
        let taking = taking.clone();
        self.write(StoreCommit::TakeFacts, move |connection| {
            Box::pin(async move {
                let taken = facts_write::take(connection, &taking, facts).await?;
                Ok(Written::unchanged(taken))
            })
        })
        .await
    }

    async fn finish_collection(
        &self,
        taking: &Taking,
        events: &[ServiceEvent],
    ) -> Result<Finishing, StoreError> {
        let (taking, events) = (taking.clone(), events.to_vec());
        self.write(StoreCommit::FinishCollection, move |connection| {
            Box::pin(async move {
                let finishing = facts_write::finish(connection, &taking, &events).await?;
                Ok(Written::unchanged(finishing))
            })
        })
        .await
    }

    async fn undo_collection(&self, instance: &InstanceArn) -> Result<bool, StoreError> {
        let instance = instance.clone();
        self.write(StoreCommit::UndoCollection, move |connection| {
            Box::pin(async move {
                let is_done = facts_remove::undo(connection, &instance).await?;
                Ok(Written::unchanged(is_done))
            })
        })
        .await
    }

    async fn collection_at(
        &self,
        instance: &InstanceArn,
        at: Timestamp,
    ) -> Result<Option<FinishedCollection>, StoreError> {
        facts_read::collection_at(&mut self.reader().await?.connection(), instance, at).await
    }

    async fn collections(
        &self,
        instance: &InstanceArn,
        from: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<FinishedCollection>, StoreError> {
        facts_read::collections(
            &mut self.reader().await?.connection(),
            instance,
            from,
            until,
            limit,
        )
        .await
    }

    async fn first_whole_collection(
        &self,
        instance: &InstanceArn,
    ) -> Result<Option<CollectionId>, StoreError> {
        facts_read::first_whole(&mut self.reader().await?.connection(), instance).await
    }

    async fn facts(
        &self,
        collection: CollectionId,
        range: &FactRange,
        after: Option<&FactKey>,
        limit: usize,
    ) -> Result<Vec<KeptFact>, StoreError> {
        let mut reader = self.reader().await?;
        // That the collection is there and its facts from one state of the database.
        let mut snapshot = reader.begin().await?;
        facts_read::facts(&mut snapshot.connection(), collection, range, after, limit).await
    }

    async fn facts_of(
        &self,
        collection: CollectionId,
        keys: &[FactKey],
    ) -> Result<Vec<KeptFact>, StoreError> {
        let mut reader = self.reader().await?;
        let mut snapshot = reader.begin().await?;
        facts_lookup::facts_of(&mut snapshot.connection(), collection, keys).await
    }

    async fn listed_assignments(
        &self,
        collection: CollectionId,
        after: Option<&FactKey>,
        limit: usize,
    ) -> Result<ListedAssignments, StoreError> {
        let mut reader = self.reader().await?;
        let mut snapshot = reader.begin().await?;
        facts_lookup::listed_assignments(&mut snapshot.connection(), collection, after, limit).await
    }

    async fn fact_changes(
        &self,
        earlier: CollectionId,
        later: CollectionId,
        kinds: &[FactKind],
        after: Option<&FactKey>,
        limit: usize,
    ) -> Result<Vec<FactChange>, StoreError> {
        let mut reader = self.reader().await?;
        let mut snapshot = reader.begin().await?;
        facts_compare::changes(
            &mut snapshot.connection(),
            (earlier, later),
            kinds,
            after,
            limit,
        )
        .await
    }

    async fn fact_intervals(
        &self,
        earlier: CollectionId,
        later: CollectionId,
        after: Option<&(FactKey, CollectionId)>,
        limit: usize,
    ) -> Result<Vec<FactInterval>, StoreError> {
        let mut reader = self.reader().await?;
        let mut snapshot = reader.begin().await?;
        facts_compare::intervals(&mut snapshot.connection(), (earlier, later), after, limit).await
    }

    async fn fact_spans(
        &self,
        instance: &InstanceArn,
        kind: FactKind,
        second: &str,
    ) -> Result<Vec<(CollectionId, Option<CollectionId>)>, StoreError> {
        facts_compare::spans(
            &mut self.reader().await?.connection(),
            instance,
            kind,
            second,
        )
        .await
    }

    async fn grants_standing(
        &self,
        instance: &InstanceArn,
        scope: &GrantScope,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Grant>, StoreError> {
        reads::grants_standing(
            &mut self.reader().await?.connection(),
            instance,
            scope,
            (from, until),
        )
        .await
    }

    async fn grant_ids_standing(
        &self,
        instance: &InstanceArn,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<GrantId>, StoreError> {
        let mut reader = self.reader().await?;
        facts_lookup::grant_ids_standing(&mut reader.connection(), instance, from, until).await
    }

    async fn grants_of_ids(&self, ids: &[GrantId]) -> Result<Vec<Grant>, StoreError> {
        facts_lookup::grants_of_ids(&mut self.reader().await?.connection(), ids).await
    }

    async fn forget_facts(
        &self,
        instance: &InstanceArn,
        before: Timestamp,
        after: Option<&FactKey>,
    ) -> Result<Forgotten, StoreError> {
        let (instance, after) = (instance.clone(), after.cloned());
        self.write(StoreCommit::ForgetFacts, move |connection| {
            Box::pin(async move {
                let forgotten =
                    facts_remove::forget(connection, &instance, before, after.as_ref()).await?;
                Ok(Written::unchanged(forgotten))
            })
        })
        .await
    }
}
