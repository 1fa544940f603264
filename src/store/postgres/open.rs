//! Opening the PostgreSQL store, and closing it. Knows no transaction.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::postgres::PgPoolOptions;
use tokio_util::sync::CancellationToken;

use super::permits::SharedPermits;
use super::places::Places;
use super::schema::{self, unreachable};
use super::tidings::{self, Tidings};
use super::{PostgresOptions, PostgresStore};
use crate::budget::SharedBudget;
use crate::store::sql::{HeldRuns, answered, closed};
use crate::store::{Signals, StoreError};

/// For how long a connection that nobody used is taken as good. One that was used a moment ago is; to ask each
/// one would be a question more for each transaction.
const TRUSTED_MILLISECONDS: u128 = 1_000;

/// Looks at the database's clock of which the quickest counts: one that had to wait is off by as much.
const CLOCK_LOOKS: u32 = 3;

impl PostgresStore {
    /// Opens the store in a database that `prepare` has prepared.
    ///
    /// Needs a tokio runtime. Leases stay as they are: others may hold them.
    ///
    /// # Errors
    /// `Unusable` with a sentence for the operator: the settings are wrong, or the database does not answer or is not of this
    /// version.
    pub async fn open(options: &PostgresOptions) -> Result<Self, StoreError> {
        options.check().map_err(StoreError::Unusable)?;
        let connect = options.connect().map_err(StoreError::Unusable)?;
        let pool = PgPoolOptions::new()
            .max_connections(options.connections_max)
            .acquire_timeout(options.wait())
            .test_before_acquire(false)
            .before_acquire(|connection, used| {
                Box::pin(async move {
                    if used.idle_for.as_millis() < TRUSTED_MILLISECONDS {
                        return Ok(true);
                    }
                    Ok(sqlx::Connection::ping(connection).await.is_ok())
                })
            })
            .connect_lazy_with(connect.clone());
        let mut connection = pool.acquire().await.map_err(unreachable)?;
        schema::check(&mut connection).await?;
        drop(connection);
        let held_runs = HeldRuns::new();
        let (signals, outward) = Signals::shared();
        let stop = CancellationToken::new();
        let permits = SharedPermits::new(connect.clone());
        let places = Places::new(pool, options.answer_max());
        let tidings = Tidings::new(places.clone(), signals.clone(), held_runs.process());
        let telling = tidings::start(tidings, connect, outward, &stop);
        Ok(Self {
            places,
            signals,
            held_runs,
            attempts_max: options.attempts_max,
            permits,
            telling: tokio::sync::Mutex::new(telling),
            stop,
        })
    }

    /// The budget that all replicas share.
    #[must_use]
    pub fn shared_budget(&self) -> Arc<dyn SharedBudget> {
        Arc::new(self.permits.clone())
    }

    /// What time it is by the database's clock, as of now: what the answer took is shared between both ways.
    ///
    /// # Errors
    /// `Unavailable`, `Raced`: the database does not answer.
    pub async fn read_clock(&self) -> Result<(Timestamp, Instant), StoreError> {
        let mut lent = self.places.lend().await?;
        let mut best: Option<(Duration, Timestamp, Instant)> = None;
        for _ in 0..CLOCK_LOOKS {
            let asked_at = Instant::now();
            let row =
                sqlx::query("SELECT now_microseconds() AS now").fetch_one(&mut *lent.connection);
            let row = answered(self.places.answer_max(), row).await?;
            let (took, now) = (asked_at.elapsed(), row.try_get("now")?);
            let now = Timestamp::from_microsecond(now)
                .map_err(|problem| StoreError::Corrupt(problem.to_string()))?;
            if best.is_none_or(|(best, _, _)| took < best) {
                best = Some((took, now, asked_at + took / 2));
            }
        }
        let (_, now, at) = best.ok_or_else(closed)?;
        Ok((now, at))
    }

    /// Ends both ways: what is carried out still comes to its end, and what waits for a connection hears no.
    pub(super) async fn end_all(&self) {
        let let_go = sqlx::query(
            "UPDATE reading_runs SET held_until = 0 WHERE holder = $1 AND held_until > 0",
        )
        .bind(self.held_runs.process().to_owned())
        .execute(self.places.pool());
        // Without it they are let go by their time.
        drop(let_go.await);
        self.stop.cancel();
        for task in self.telling.lock().await.drain(..) {
            if let Err(error) = task.await {
                tracing::error!(error = %error, "what tells other replicas ended badly");
            }
        }
        self.permits.close().await;
        self.places.pool().close().await;
    }
}
