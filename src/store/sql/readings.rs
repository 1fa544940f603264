//! Readings: which transaction each method of `ReadingStore` is. The statements are in
//! `readings_rows`.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};

use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use super::readings_rows::{self, Held};
use super::ways::{Ways, Written};
use crate::crash_points::StoreCommit;
use crate::domain::InstanceArn;
use crate::store::{
    KeptPage, KeptReading, ReadPage, ReadingKey, ReadingRun, ReadingStore, StoreError,
    WantedReadings,
};

/// The runs that this process holds. It alone has a data directory; of a shared database others hold some too.
pub(in crate::store) struct HeldRuns {
    process: String,
    runs: Mutex<HashMap<u64, Weak<()>>>,
}

impl HeldRuns {
    /// Those of a process that begins.
    pub(in crate::store) fn new() -> Self {
        Self {
            process: Uuid::new_v4().to_string(),
            runs: Mutex::default(),
        }
    }

    /// What names this process among those that share a database.
    pub(in crate::store) fn process(&self) -> &str {
        &self.process
    }

    fn held(&self) -> Held {
        Held {
            process: self.process.clone(),
            runs: self.lock().keys().copied().collect(),
        }
    }

    fn hold(&self, run: &ReadingRun) {
        self.lock().insert(run.id(), run.held());
    }

    /// As many as collections are under way: those that were dropped are forgotten here. A panic of another holder
    /// leaves nothing half-done.
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Weak<()>>> {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.retain(|_, held| held.strong_count() > 0);
        runs
    }
}

#[async_trait]
impl<W: Ways> ReadingStore for W {
    async fn begin_readings(
        &self,
        instance: &InstanceArn,
        began_at: Timestamp,
    ) -> Result<ReadingRun, StoreError> {
        let (instance, process) = (instance.clone(), self.held_runs().process.clone());
        let begun = self.write(StoreCommit::BeginReadings, move |connection| {
            Box::pin(async move {
                let id = readings_rows::begin(connection, &instance, began_at, &process).await?;
                Ok(Written::unchanged(id))
            })
        });
        let run = ReadingRun::new(begun.await?);
        self.held_runs().hold(&run);
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
        let (id, held) = (run.id(), self.held_runs().held());
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
        let held = self.held_runs().held();
        let mut reader = self.reader().await?;
        readings_rows::readings(
            &mut reader.connection(),
            instance,
            (wanted, &held),
            after,
            limit,
        )
        .await
    }

    async fn reading(
        &self,
        instance: &InstanceArn,
        key: &ReadingKey,
        began_at: Timestamp,
    ) -> Result<Option<Vec<KeptPage>>, StoreError> {
        readings_rows::reading(
            &mut self.reader().await?.connection(),
            instance,
            key,
            began_at,
        )
        .await
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
