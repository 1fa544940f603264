//! Readings in SQLite: which transaction each method of `ReadingStore` is. The statements are in
//! `readings_rows`.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};

use async_trait::async_trait;
use jiff::Timestamp;

use super::writer::Written;
use super::{SqliteStore, readings_rows};
use crate::crash_points::StoreCommit;
use crate::domain::InstanceArn;
use crate::store::{
    KeptPage, KeptReading, ReadPage, ReadingKey, ReadingRun, ReadingStore, StoreError,
    WantedReadings,
};

/// The runs that somebody holds. One process has the directory: whoever is not here is nowhere.
#[derive(Default)]
pub(super) struct HeldRuns(Mutex<HashMap<u64, Weak<()>>>);

impl HeldRuns {
    /// Their numbers.
    fn ids(&self) -> Vec<u64> {
        self.lock().keys().copied().collect()
    }

    fn hold(&self, run: &ReadingRun) {
        self.lock().insert(run.id(), run.held());
    }

    /// As many as collections are under way: those that were dropped are forgotten here. A panic of another holder
    /// leaves nothing half-done.
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Weak<()>>> {
        let mut runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        runs.retain(|_, held| held.strong_count() > 0);
        runs
    }
}

#[async_trait]
impl ReadingStore for SqliteStore {
    async fn begin_readings(
        &self,
        instance: &InstanceArn,
        began_at: Timestamp,
    ) -> Result<ReadingRun, StoreError> {
        let instance = instance.clone();
        let begun = self.write(StoreCommit::BeginReadings, move |connection| {
            Box::pin(async move {
                let id = readings_rows::begin(connection, &instance, began_at).await?;
                Ok(Written::unchanged(id))
            })
        });
        let run = ReadingRun::new(begun.await?);
        self.held_runs.hold(&run);
        Ok(run)
    }

    async fn keep_readings(
        &self,
        run: &ReadingRun,
        pages: Vec<ReadPage>,
    ) -> Result<(), StoreError> {
        let id = run.id();
        self.write(StoreCommit::KeepReadings, move |connection| {
            Box::pin(async move {
                readings_rows::keep(connection, id, pages).await?;
                Ok(Written::unchanged(()))
            })
        })
        .await
    }

    async fn finish_readings(&self, run: &ReadingRun) -> Result<(), StoreError> {
        let (id, held) = (run.id(), self.held_runs.ids());
        self.write(StoreCommit::FinishReadings, move |connection| {
            Box::pin(async move {
                readings_rows::finish(connection, id, &held).await?;
                Ok(Written::unchanged(()))
            })
        })
        .await
    }

    async fn readings(
        &self,
        instance: &InstanceArn,
        wanted: WantedReadings,
        after: Option<&ReadingKey>,
        limit: usize,
    ) -> Result<Vec<KeptReading>, StoreError> {
        let held = self.held_runs.ids();
        let mut connection = self.reader().await?;
        readings_rows::readings(&mut connection, instance, (wanted, &held), after, limit).await
    }

    async fn reading(
        &self,
        instance: &InstanceArn,
        key: &ReadingKey,
        began_at: Timestamp,
    ) -> Result<Option<Vec<KeptPage>>, StoreError> {
        readings_rows::reading(&mut *self.reader().await?, instance, key, began_at).await
    }

    async fn forget_readings(&self, before: Timestamp) -> Result<bool, StoreError> {
        self.write(StoreCommit::ForgetReadings, move |connection| {
            Box::pin(async move {
                let is_done = readings_rows::forget(connection, before).await?;
                Ok(Written::unchanged(is_done))
            })
        })
        .await
    }
}
