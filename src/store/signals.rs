//! Wake-ups: there is work, and a grant changed. Hints only: nothing is lost when one is missed,
//! because those who wait also look at the clock and read the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Notify, broadcast, watch};

use crate::domain::GrantId;

/// Changes that a slow waiter may be behind; one that is further behind reads the store instead.
const CHANGES_MAX: usize = 1024;

/// The wake-ups of one store.
#[derive(Debug, Clone)]
pub struct Signals {
    work: Arc<Notify>,
    changes: broadcast::Sender<GrantId>,
    chained: watch::Sender<u64>,
    commits: Arc<AtomicU64>,
}

impl Default for Signals {
    fn default() -> Self {
        Self {
            work: Arc::new(Notify::new()),
            changes: broadcast::channel(CHANGES_MAX).0,
            chained: watch::Sender::new(0),
            commits: Arc::default(),
        }
    }
}

impl Signals {
    /// Tells that something may have been committed, before anybody is answered that it was.
    pub fn count_commit(&self) {
        self.commits.fetch_add(1, Ordering::SeqCst);
    }

    /// How often something may have been committed by this process. Where nobody else writes, what was read
    /// after this number was seen is as it was read for as long as the number stays.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::SeqCst)
    }

    /// Tells the reconciler that something is due.
    pub fn announce_work(&self) {
        self.work.notify_one();
    }

    /// Tells that this grant changed; nobody needs to listen.
    pub fn announce_change(&self, id: &GrantId) {
        drop(self.changes.send(id.clone()));
    }

    /// Tells that the decision log goes up to this place; nobody needs to listen.
    pub fn announce_chained(&self, position: u64) {
        self.chained.send_replace(position);
    }

    /// Listens to how far the decision log goes. Another process may chain too: who listens also
    /// looks at the clock.
    #[must_use]
    pub fn chained(&self) -> watch::Receiver<u64> {
        self.chained.subscribe()
    }

    /// Waits until work was announced since the last wait.
    pub async fn work(&self) {
        self.work.notified().await;
    }

    /// Listens to changes from now on. A lagging listener hears `Lagged` and reads the store.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<GrantId> {
        self.changes.subscribe()
    }
}
