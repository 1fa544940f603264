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
use super::places::Places;
use crate::crash_points::{self, CrashPoint, StoreCommit};
use crate::store::sql::{Connection, HeldRuns, Outcome, Reader, Ways, Written, answered, closed};
use crate::store::{Duty, Holder, Signals, StoreError};

/// The first pause after a collision; the next ones are longer, up to sixteen times.
const PAUSE_MICROSECONDS: u64 = 2_000;

impl Ways for PostgresStore {
    async fn write<T, F>(&self, commit: StoreCommit, body: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c, 'd> FnOnce(&'c mut Connection<'d>) -> Outcome<'c, T> + Clone + Send + 'static,
    {
        let (places, signals) = (self.places.clone(), self.signals.clone());
        let attempts_max = self.attempts_max;
        // A task of its own: what is begun comes to its end, and whoever waits is woken, also when nobody
        // listens any more.
        let carried_out = tokio::spawn(async move {
            let mut attempt = 1;
            loop {
                match try_once(&places, commit, body.clone()).await {
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
        Ok(Reader::Postgres(self.places.lend().await?))
    }

    fn wakes(&self) -> &Signals {
        &self.signals
    }

    fn counted_commits(&self) -> Option<u64> {
        None
    }

    async fn hold_duty_of(
        &self,
        duty: Duty,
        holder: &Holder,
        lease: Duration,
    ) -> Result<bool, StoreError> {
        self.hold(duty, holder, lease).await
    }

    fn held_runs(&self) -> &HeldRuns {
        &self.held_runs
    }

    async fn end(&self) {
        self.end_all().await;
    }
}

async fn try_once<T, F>(
    places: &Places,
    commit: StoreCommit,
    body: F,
) -> Result<Written<T>, StoreError>
where
    F: for<'c, 'd> FnOnce(&'c mut Connection<'d>) -> Outcome<'c, T>,
{
    let (mut lent, answer_max) = (places.lend().await?, places.answer_max());
    let mut transaction = answered(answer_max, lent.connection.begin()).await?;
    let written = body(&mut Connection::Postgres(&mut transaction, answer_max)).await?;
    crash_points::reach(CrashPoint::BeforeCommit(commit));
    let committed = answered(answer_max, transaction.commit()).await;
    committed.map_err(|error| match error {
        // The server's own word that nothing of it counts: a collision, or a constraint.
        sqlx::Error::Database(ref inner)
            if inner.code().is_some_and(|code| {
                ["40001", "40P01"].contains(&&*code) || code.starts_with("23")
            }) =>
        {
            StoreError::from(error)
        }
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
