//! Waiting for what a write has set in motion, until shortly before the caller's deadline, or until
//! the service ends: what is recorded goes on after the next start, and the caller is told so.

use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{App, CallContext};
use crate::domain::GrantId;
use crate::store::Signals;

/// How often a waiter looks by itself, in case a hint was missed.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How soon a waiter looks again where no hint will come; it doubles up to `LOOK_EVERY`.
const LOOK_FIRST: Duration = Duration::from_millis(50);

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

    /// When it gives up.
    pub(super) fn until(&self) -> Instant {
        self.until
    }

    /// Asks `look` now and after every change of one of these grants, until it answers something
    /// or the time is up. `None` means the time is up, or the service ends. Without grants no
    /// change is a hint, and `look` is asked by the clock alone.
    pub(super) async fn until_some<T, F>(
        &mut self,
        grants: &[GrantId],
        mut look: impl FnMut() -> F,
    ) -> Option<T>
    where
        F: Future<Output = Option<T>>,
    {
        let mut pause = if grants.is_empty() {
            LOOK_FIRST
        } else {
            LOOK_EVERY
        };
        loop {
            if let Some(found) = look().await {
                return Some(found);
            }
            let look_again = self.until.min(Instant::now() + pause);
            pause = LOOK_EVERY.min(pause * 2);
            let stopping = self.stopping.clone();
            tokio::select! {
                () = stopping.cancelled() => return look().await,
                () = self.hint_of(grants, look_again) => {}
            }
            if Instant::now() >= self.until {
                return None;
            }
        }
    }

    /// Waits for a change of one of these grants, or that some may have been missed.
    async fn hint_of(&mut self, grants: &[GrantId], until: Instant) {
        if grants.is_empty() {
            return tokio::time::sleep_until(until).await;
        }
        loop {
            match tokio::time::timeout_at(until, self.changes.recv()).await {
                Ok(Ok(id)) if !grants.contains(&id) => {}
                Ok(Err(RecvError::Closed)) => return tokio::time::sleep_until(until).await,
                Ok(Ok(_) | Err(RecvError::Lagged(_))) | Err(_) => return,
            }
        }
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
