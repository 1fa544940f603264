//! The store of a service, as it is configured, with what replicas share beside it: the budget and the clock.
//! Nothing here knows what is stored.

use std::sync::Arc;
use std::time::Duration;

use super::service::{ServiceOptions, StartError};
use crate::budget::SharedBudget;
use crate::clock::Clock;
use crate::store::{PostgresStore, SqliteStore, Store, StoreError};

/// How often the database's clock is looked at: two quartz clocks drift apart by less than a millisecond
/// meanwhile.
const CLOCK_EVERY: Duration = Duration::from_secs(5);

/// An opened store.
pub(super) struct OpenedStore {
    /// The store.
    pub(super) store: Arc<dyn Store>,
    shared: Option<Arc<PostgresStore>>,
}

impl OpenedStore {
    /// A SQLite file in the data directory, unless PostgreSQL is asked for. The clock goes by the database's then,
    /// before anything reads it.
    pub(super) async fn open(options: &ServiceOptions) -> Result<Self, StartError> {
        let opened = Self::try_open(options).await;
        opened.map_err(|error| StartError(error.to_string()))
    }

    async fn try_open(options: &ServiceOptions) -> Result<Self, StoreError> {
        let Some(postgres) = &options.config.postgres else {
            let store = SqliteStore::open(&options.data_directory, options.config.store.clone());
            return Ok(Self {
                store: Arc::new(store.await?),
                shared: None,
            });
        };
        let store = Arc::new(PostgresStore::open(postgres).await?);
        let (now, at) = store.read_clock().await?;
        options.clock.follow(now, at);
        Ok(Self {
            store: store.clone(),
            shared: Some(store),
        })
    }

    /// The budget that replicas share; none where the service is alone.
    pub(super) fn shared_budget(&self) -> Option<Arc<dyn SharedBudget>> {
        self.shared.as_ref().map(|store| store.shared_budget())
    }

    /// Keeps the clock by the database's, for as long as it is awaited. While that does not answer the clock goes on
    /// by itself.
    pub(super) fn keep_clock(&self, clock: Clock) -> impl Future<Output = ()> + Send + use<> {
        let shared = self.shared.clone();
        async move {
            let Some(store) = shared else {
                return std::future::pending().await;
            };
            loop {
                tokio::time::sleep(CLOCK_EVERY).await;
                match store.read_clock().await {
                    Ok((now, at)) => clock.follow(now, at),
                    Err(error) => {
                        tracing::debug!(error = %error, "the database's clock cannot be read");
                    }
                }
            }
        }
    }
}
