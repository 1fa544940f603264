//! The decision log: which transaction each method of `LogStore` is. The statements are in
//! `log_chain` and `log_reads`.

use async_trait::async_trait;
use jiff::Timestamp;

use super::ways::{Ways, Written};
use super::{facts_remove, log_chain, log_reads, readings_rows};
use crate::crash_points::StoreCommit;
use crate::domain::log::{Link, LogRecord};
use crate::domain::log_head::LogHead;
use crate::store::{Chained, Holder, LogLease, LogRange, LogState, LogStore, StoreError};

#[async_trait]
impl<W: Ways> LogStore for W {
    async fn lease_log(
        &self,
        holder: &Holder,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Option<LogLease>, StoreError> {
        let holder = holder.clone();
        self.write(StoreCommit::LeaseLog, move |connection| {
            Box::pin(async move {
                let lease = log_chain::lease(connection, &holder, now, lease_until).await?;
                Ok(Written::unchanged(lease))
            })
        })
        .await
    }

    async fn chain_events(&self, lease: &LogLease, limit: usize) -> Result<Chained, StoreError> {
        let lease = lease.clone();
        self.write(StoreCommit::ChainEvents, move |connection| {
            Box::pin(async move {
                let chained = log_chain::chain_events(connection, &lease, limit).await?;
                Ok(Written::unchanged(chained))
            })
        })
        .await
    }

    async fn keep_log_head(
        &self,
        lease: &LogLease,
        head: &LogHead,
        kept_max: usize,
    ) -> Result<(), StoreError> {
        let (lease, head) = (lease.clone(), head.clone());
        self.write(StoreCommit::KeepLogHead, move |connection| {
            Box::pin(async move {
                log_chain::keep_head(connection, &lease, &head, kept_max).await?;
                Ok(Written::unchanged(()))
            })
        })
        .await
    }

    async fn forget_log(&self, lease: &LogLease, checkpoint: &LogHead) -> Result<u64, StoreError> {
        let (lease, checkpoint) = (lease.clone(), checkpoint.clone());
        self.write(StoreCommit::ForgetLog, move |connection| {
            Box::pin(async move {
                let forgotten = log_chain::forget(connection, &lease, &checkpoint).await?;
                Ok(Written::unchanged(forgotten))
            })
        })
        .await
    }

    async fn erase_names(&self, ids: &[String]) -> Result<u64, StoreError> {
        let ids = ids.to_vec();
        self.write(StoreCommit::EraseNames, move |connection| {
            Box::pin(async move {
                let erased = log_chain::erase_names(connection, &ids).await?;
                let of_facts = facts_remove::erase_names(connection, &ids).await?;
                if !ids.is_empty() {
                    readings_rows::erase_names(connection).await?;
                }
                Ok(Written::unchanged(erased + of_facts))
            })
        })
        .await
    }

    async fn log_state(&self) -> Result<LogState, StoreError> {
        let mut reader = self.reader().await?;
        // Beginning, end and head from one state of the database.
        let mut snapshot = reader.begin().await?;
        log_reads::state(&mut snapshot.connection()).await
    }

    async fn log_records(
        &self,
        range: &LogRange,
        limit: usize,
    ) -> Result<Vec<LogRecord>, StoreError> {
        log_reads::records(&mut self.reader().await?.connection(), range, limit).await
    }

    async fn log_before(
        &self,
        before: Timestamp,
        limit: usize,
    ) -> Result<Option<Link>, StoreError> {
        log_reads::before(&mut self.reader().await?.connection(), before, limit).await
    }
}
