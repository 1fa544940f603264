//! Waiting for what a write has set in motion, until shortly before the caller's deadline, or until
//! the service ends: what is recorded goes on after the next start, and the caller is told so.

use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{App, AppError, CallContext};
use crate::domain::GrantId;
use crate::store::Signals;

/// How often a waiter looks by itself, in case a hint was missed.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Listens from before the commit on, so that no change in between is missed.
pub(super) struct Waiter {
    changes: tokio::sync::broadcast::Receiver<GrantId>,
    until: Instant,
    stopping: CancellationToken,
}

impl App {
    /// A waiter for this call: it gives up at the configured cap or shortly before the deadline.
    pub(super) fn waiter(&self, context: &CallContext) -> Waiter {
        let config = &self.parts.config;
        let cap = Instant::now() + seconds(config.wait_max_seconds);
        Waiter::new(
            self.parts.store.signals(),
            cap.min(self.answer_by(context)),
            self.parts.stopping.clone(),
        )
    }

    /// When an answer has to be ready, so that it still arrives before the caller's deadline.
    pub(super) fn answer_by(&self, context: &CallContext) -> Instant {
        context
            .deadline
            .checked_sub(seconds(self.parts.config.wait_margin_seconds))
            .unwrap_or(context.deadline)
    }
}

impl Waiter {
    fn new(signals: &Signals, until: Instant, stopping: CancellationToken) -> Self {
        Self {
            changes: signals.changes(),
            until,
            stopping,
        }
    }

    /// Asks `look` now and after every change of one of these grants, until it answers something
    /// or the time is up. `None` means the time is up, or the service ends.
    ///
    /// # Errors
    /// What `look` fails with.
    pub(super) async fn until_some<T, F>(
        &mut self,
        grants: &[GrantId],
        mut look: impl FnMut() -> F,
    ) -> Result<Option<T>, AppError>
    where
        F: Future<Output = Result<Option<T>, AppError>>,
    {
        loop {
            if let Some(found) = look().await? {
                return Ok(Some(found));
            }
            let stopping = self.stopping.clone();
            tokio::select! {
                () = stopping.cancelled() => return look().await,
                () = self.hint(grants) => {}
            }
            if Instant::now() >= self.until {
                return Ok(None);
            }
        }
    }

    /// Completes when there may be something new to see, or the time is up.
    async fn hint(&mut self, grants: &[GrantId]) {
        let look_again = (Instant::now() + LOOK_EVERY).min(self.until);
        loop {
            match tokio::time::timeout_at(look_again, self.changes.recv()).await {
                Ok(Ok(id)) if !grants.is_empty() && !grants.contains(&id) => {}
                Ok(Err(RecvError::Closed)) => {
                    tokio::time::sleep_until(look_again).await;
                    return;
                }
                Ok(Ok(_) | Err(RecvError::Lagged(_))) | Err(_) => return,
            }
        }
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
