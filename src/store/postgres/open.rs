//! Opening the PostgreSQL store, and closing it. Knows no transaction.

use sqlx::postgres::PgPoolOptions;
use tokio_util::sync::CancellationToken;

use super::schema::{self, unreachable};
use super::tidings::{self, Tidings};
use super::{PostgresOptions, PostgresStore};
use crate::store::sql::HeldRuns;
use crate::store::{Signals, StoreError};

/// For how long a connection that nobody used is taken as good. One that was used a moment ago is; to ask each
/// one would be a question more for each transaction.
const TRUSTED_MILLISECONDS: u128 = 1_000;

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
        let tidings = Tidings::new(pool.clone(), signals.clone(), held_runs.process());
        let telling = tidings::start(tidings, connect, outward, &stop);
        Ok(Self {
            pool,
            signals,
            held_runs,
            attempts_max: options.attempts_max,
            telling: tokio::sync::Mutex::new(telling),
            stop,
        })
    }

    /// Ends both ways: what is carried out still comes to its end, and what waits for a connection hears no.
    pub(super) async fn end_all(&self) {
        let let_go = sqlx::query(
            "UPDATE reading_runs SET held_until = 0 WHERE holder = $1 AND held_until > 0",
        )
        .bind(self.held_runs.process().to_owned())
        .execute(&self.pool);
        // Without it they are let go by their time.
        drop(let_go.await);
        self.stop.cancel();
        for task in self.telling.lock().await.drain(..) {
            if let Err(error) = task.await {
                tracing::error!(error = %error, "what tells other replicas ended badly");
            }
        }
        self.pool.close().await;
    }
}
