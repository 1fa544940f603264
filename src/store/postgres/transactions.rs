//! How a transaction is carried out in PostgreSQL: on its own task, to its end, and again where it collided.
//!
//! ```text
//!   BEGIN  body  COMMIT      a collision, or a connection lost before COMMIT was sent: all of it again
//!                  ^ lost here: nobody can know; the caller hears `Unavailable`
//! ```
//! Read committed: a body locks what it reads to write.

use std::time::Duration;

use sqlx::Connection as _;

use super::PostgresStore;
use crate::crash_points::{self, CrashPoint, StoreCommit};
use crate::store::sql::{Connection, HeldRuns, Outcome, Reader, Ways, Written, closed};
use crate::store::{Signals, StoreError};

/// The first pause after a collision; the next ones are longer, up to sixteen times.
const PAUSE_MICROSECONDS: u64 = 2_000;

impl Ways for PostgresStore {
    async fn write<T, F>(&self, commit: StoreCommit, body: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c, 'd> FnOnce(&'c mut Connection<'d>) -> Outcome<'c, T> + Clone + Send + 'static,
    {
        let (pool, signals, attempts_max) =
            (self.pool.clone(), self.signals.clone(), self.attempts_max);
        // A task of its own: what is begun comes to its end, and whoever waits is woken, also when nobody
        // listens any more.
        let carried_out = tokio::spawn(async move {
            let mut attempt = 1;
            loop {
                match try_once(&pool, commit, body.clone()).await {
                    Ok(written) => {
                        if commit.is_seen() {
                            signals.count_commit();
                        }
                        return Ok(written.announce(&signals));
                    }
                    Err(StoreError::Raced(_)) if attempt < attempts_max => {
                        pause(attempt).await;
                        attempt += 1;
                    }
                    Err(StoreError::Raced(problem)) => {
                        return Err(StoreError::Unavailable(problem));
                    }
                    Err(error) => return Err(error),
                }
            }
        });
        carried_out.await.unwrap_or_else(|_| Err(closed()))
    }

    async fn reader(&self) -> Result<Reader, StoreError> {
        Ok(Reader::Postgres(self.pool.acquire().await?))
    }

    fn wakes(&self) -> &Signals {
        &self.signals
    }

    fn counted_commits(&self) -> Option<u64> {
        None
    }

    fn held_runs(&self) -> &HeldRuns {
        &self.held_runs
    }

    async fn end(&self) {
        self.end_all().await;
    }
}

async fn try_once<T, F>(
    pool: &sqlx::PgPool,
    commit: StoreCommit,
    body: F,
) -> Result<Written<T>, StoreError>
where
    F: for<'c, 'd> FnOnce(&'c mut Connection<'d>) -> Outcome<'c, T>,
{
    let mut connection = pool.acquire().await?;
    let mut transaction = connection.begin().await?;
    let written = body(&mut Connection::Postgres(&mut transaction)).await?;
    crash_points::reach(CrashPoint::BeforeCommit(commit));
    transaction.commit().await.map_err(|error| match error {
        // The server's own word that nothing of it counts.
        sqlx::Error::Database(_) => StoreError::from(error),
        _ => StoreError::Unavailable(format!("the connection was lost in a commit: {error}")),
    })?;
    crash_points::reach(CrashPoint::AfterCommit(commit));
    Ok(written)
}

/// Longer each time, and of no two at once the same.
async fn pause(attempt: u32) {
    let longest = PAUSE_MICROSECONDS << attempt.min(4);
    let pause = fastrand::u64(longest / 2..=longest);
    tokio::time::sleep(Duration::from_micros(pause)).await;
}
