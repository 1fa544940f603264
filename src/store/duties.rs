//! Work that one replica does for all: what each would do as well, at the cost of as many operations of AWS. Nothing is
//! wrong where two do it for a while; it only costs more.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Holder, Store};

/// How long a duty is held without a renewal. What it delays at most when its holder dies: a start, or the news of an
/// asynchronous change.
const LEASE: Duration = Duration::from_secs(9);

/// What one does for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// Collections by the schedule.
    Collections,
    /// The watch over those who have access.
    Beneficiaries,
    /// The look at what waits for people or for its start.
    Wishes,
    /// The look at AWS's lists of asynchronous changes.
    StatusLists,
}

impl Duty {
    /// Its word, as the store writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Collections => "COLLECTIONS",
            Self::Beneficiaries => "BENEFICIARIES",
            Self::Wishes => "WISHES",
            Self::StatusLists => "STATUS_LISTS",
        }
    }
}

/// The duties of one process.
#[derive(Clone)]
pub struct Duties {
    store: Arc<dyn Store>,
    holder: Holder,
}

impl Duties {
    /// Those of a process that begins, and holds none.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        let holder = Holder(uuid::Uuid::new_v4().to_string());
        Self { store, holder }
    }

    /// Does this work while the duty is this process's. None where another has it, or took it while the store did not
    /// answer: the work was dropped then.
    pub async fn run<T>(&self, duty: Duty, work: impl Future<Output = T>) -> Option<T> {
        if self.hold(duty).await != Some(true) {
            return None;
        }
        // Beside each other: work that stood still would be given permits that it sends all at once.
        tokio::select! {
            done = work => Some(done),
            () = self.keep_until_lost(duty) => None,
        }
    }

    async fn keep_until_lost(&self, duty: Duty) {
        let mut held_at = Instant::now();
        loop {
            sleep(LEASE / 3).await;
            match self.hold(duty).await {
                Some(true) => held_at = Instant::now(),
                None if held_at.elapsed() < LEASE => {}
                Some(false) | None => return,
            }
        }
    }

    /// Keeps a duty for so long after its work, so that nobody else does it before it is due again.
    pub async fn keep(&self, duty: Duty, until: Duration) {
        let kept = self.store.hold_duty(duty, &self.holder, until).await;
        if let Err(error) = kept {
            tracing::debug!(duty = duty.as_str(), error = %error, "it may be done by another sooner");
        }
    }

    /// Takes or renews a duty; none where the store does not answer.
    async fn hold(&self, duty: Duty) -> Option<bool> {
        match self.store.hold_duty(duty, &self.holder, LEASE).await {
            Ok(is_held) => Some(is_held),
            Err(error) => {
                tracing::debug!(duty = duty.as_str(), error = %error, "whose duty it is is not known");
                None
            }
        }
    }
}
