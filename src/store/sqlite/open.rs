//! Opening the store, and the two ways into it: the queue of the one writer and the pool of readers.
//! Knows no transaction.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::SqliteConnection;
#[cfg(test)]
use sqlx::pool::PoolConnection;
use sqlx::sqlite::SqlitePoolOptions;
use tokio::sync::mpsc;

use super::directory::DataDirectory;
use super::writer::{Call, Writer};
use super::{SqliteOptions, SqliteStore, schema};
use crate::crash_points::StoreCommit;
use crate::store::sql::{Connection, HeldRuns, Outcome, Reader, Ways, Written, claims, closed};
use crate::store::{Duty, Holder, Signals, StoreError};

impl SqliteStore {
    /// Whether a running service has this data directory.
    #[must_use]
    pub fn is_in_use(directory: &Path) -> bool {
        DataDirectory::is_in_use(directory)
    }

    /// Opens the store in a data directory, which is made if it is missing (mode 0700, the
    /// database 0600). Every lease is cleared: the lock proves that its holder is dead.
    ///
    /// Needs a tokio runtime. The directory is free again when `close` has returned, or soon after
    /// the store is dropped: what is queued is still written.
    ///
    /// # Errors
    /// `Unusable` with a sentence for the operator when the directory is in use, cannot be written,
    /// or holds a database that is foreign, damaged or of a later version; it is left as it was.
    /// `Unavailable` when the disk fails meanwhile.
    pub async fn open(directory: &Path, options: SqliteOptions) -> Result<Self, StoreError> {
        let options = options.with_room();
        let wait = options.wait();
        let directory = DataDirectory::lock(directory)?;
        let mut connection = schema::open_database(&directory, wait).await?;
        claims::clear_leases(&mut Connection::Sqlite(&mut connection)).await?;
        let connect = schema::connect_options(&directory.database(), wait);
        let readers = SqlitePoolOptions::new()
            .max_connections(options.readers)
            .acquire_timeout(wait)
            .test_before_acquire(false)
            .connect_lazy_with(connect.clone().read_only(true));
        let (sender, queue) = mpsc::channel(options.queued_writes_max);
        let signals = Signals::default();
        let writer = Writer {
            connection: Some(connection),
            connect,
            queue,
            calls_per_commit_max: options.writes_per_commit_max,
            signals: signals.clone(),
            lock: directory.lock,
        };
        Ok(Self {
            readers,
            queue: Mutex::new(Some(sender)),
            writer: tokio::sync::Mutex::new(Some(writer.start())),
            signals,
            held_runs: HeldRuns::new(),
            wait,
        })
    }

    /// Queues a call and waits for its answer. Dropped before it is queued, nothing happens;
    /// dropped later, it happens wholly.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        commit: StoreCommit,
        body: impl for<'c> FnOnce(
            &'c mut SqliteConnection,
        ) -> BoxFuture<'c, Result<Written<T>, StoreError>>
        + Send
        + 'static,
    ) -> Result<T, StoreError> {
        let queue = self
            .queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
            .ok_or_else(closed)?;
        let (call, answer) = Call::queued(commit, Box::new(body));
        queue
            .send_timeout(call, self.wait)
            .await
            .map_err(|error| match error {
                mpsc::error::SendTimeoutError::Timeout(_) => {
                    StoreError::Unavailable("the queue of writes is full".to_owned())
                }
                mpsc::error::SendTimeoutError::Closed(_) => closed(),
            })?;
        drop(queue);
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    #[cfg(test)]
    pub(super) async fn sqlite_reader(&self) -> Result<PoolConnection<sqlx::Sqlite>, StoreError> {
        Ok(self.readers.acquire().await?)
    }
}

impl Ways for SqliteStore {
    async fn write<T, F>(&self, commit: StoreCommit, body: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c, 'd> FnOnce(&'c mut Connection<'d>) -> Outcome<'c, T> + Clone + Send + 'static,
    {
        self.call(commit, move |connection| {
            Box::pin(async move { body(&mut Connection::Sqlite(connection)).await })
        })
        .await
    }

    async fn reader(&self) -> Result<Reader, StoreError> {
        Ok(Reader::Sqlite(self.readers.acquire().await?))
    }

    fn wakes(&self) -> &Signals {
        &self.signals
    }

    fn counted_commits(&self) -> Option<u64> {
        Some(self.signals.commits())
    }

    async fn hold_duty_of(&self, _: Duty, _: &Holder, _: Duration) -> Result<bool, StoreError> {
        Ok(true)
    }

    fn held_runs(&self) -> &HeldRuns {
        &self.held_runs
    }

    /// Ends both ways. What is queued is still written.
    async fn end(&self) {
        // The readers first: the writer's connection has to be the last one, since only that moves
        // the log into the file. A copy of the file is then whole.
        self.readers.close().await;
        // No new calls; the writer ends when it has answered those that are queued.
        drop(
            self.queue
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        if let Some(writer) = self.writer.lock().await.take()
            && let Err(error) = writer.await
        {
            tracing::error!(error = %error, "the store's writer ended badly");
        }
    }
}
