//! Connections of the pool, lent one at a time. While the database is away nobody waits long for one: whoever asks
//! hears so at once, and asks again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::postgres::PgPool;

use crate::store::StoreError;
use crate::store::sql::Lent;

/// How long a connection is waited for while the database is away: long enough to open one.
const WAIT_AWAY: Duration = Duration::from_millis(250);

/// Where connections come from.
#[derive(Debug, Clone)]
pub(super) struct Places {
    pool: PgPool,
    /// How long the server may take over one statement, by the clock of this side.
    answer_max: Duration,
    /// Whether the last who asked got none.
    is_away: Arc<AtomicBool>,
}

impl Places {
    /// Those of a pool.
    pub(super) fn new(pool: PgPool, answer_max: Duration) -> Self {
        Self {
            pool,
            answer_max,
            is_away: Arc::default(),
        }
    }

    /// The pool itself, for what may wait.
    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// How long the server may take over one statement.
    pub(super) fn answer_max(&self) -> Duration {
        self.answer_max
    }

    /// A connection.
    ///
    /// # Errors
    /// `Unavailable`: there is none in time.
    pub(super) async fn lend(&self) -> Result<Lent, StoreError> {
        let acquired = if self.is_away.load(Ordering::Relaxed) {
            let acquired = tokio::time::timeout(WAIT_AWAY, self.pool.acquire()).await;
            acquired.unwrap_or(Err(sqlx::Error::PoolTimedOut))
        } else {
            self.pool.acquire().await
        };
        // Where every connection is lent the database is busy, not away.
        let is_full = self.pool.size() >= self.pool.options().get_max_connections();
        let is_away = acquired.is_err() && !is_full;
        self.is_away.store(is_away, Ordering::Relaxed);
        Ok(Lent {
            connection: acquired?,
            answer_max: self.answer_max,
        })
    }
}
