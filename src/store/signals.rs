//! Wake-ups: there is work, and a grant changed. Hints only: nothing is lost when one is missed,
//! because those who wait also look at the clock and read the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Notify, broadcast, mpsc, watch};

use crate::domain::GrantId;

/// Changes that a slow waiter may be behind; one that is further behind reads the store instead.
const CHANGES_MAX: usize = 1024;

/// Wake-ups that may wait to be told to other processes. What is beyond it is not told: they look by themselves.
const OUTWARD_MAX: usize = 4096;

/// What is told to other processes that share the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) enum Tiding {
    /// Something is due.
    Work,
    /// This grant changed.
    Changed(GrantId),
    /// The decision log goes up to this place.
    Chained(u64),
}

/// The wake-ups of one store.
#[derive(Debug, Clone)]
pub struct Signals {
    work: Arc<Notify>,
    changes: broadcast::Sender<GrantId>,
    chained: watch::Sender<u64>,
    commits: Arc<AtomicU64>,
    /// To other processes; none where there is no other.
    outward: Option<mpsc::Sender<Tiding>>,
}

impl Default for Signals {
    fn default() -> Self {
        Self {
            work: Arc::new(Notify::new()),
            changes: broadcast::channel(CHANGES_MAX).0,
            chained: watch::Sender::new(0),
            commits: Arc::default(),
            outward: None,
        }
    }
}

impl Signals {
    /// Wake-ups of a store that other processes share, and what is to be told to them.
    pub(in crate::store) fn shared() -> (Self, mpsc::Receiver<Tiding>) {
        let (sender, outward) = mpsc::channel(OUTWARD_MAX);
        let signals = Self {
            outward: Some(sender),
            ..Self::default()
        };
        (signals, outward)
    }

    /// Wakes whom something concerns that another process told.
    pub(in crate::store) fn hear(&self, tiding: Tiding) {
        match tiding {
            Tiding::Work => self.work.notify_one(),
            Tiding::Changed(id) => drop(self.changes.send(id)),
            Tiding::Chained(position) => self.raise_chained(position),
        }
    }

    fn tell(&self, tiding: Tiding) {
        if let Some(outward) = &self.outward {
            drop(outward.try_send(tiding));
        }
    }

    /// Places only rise: of two processes the one behind may speak later.
    fn raise_chained(&self, position: u64) {
        self.chained.send_if_modified(|known| {
            let is_higher = position > *known;
            *known = position.max(*known);
            is_higher
        });
    }

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
        self.tell(Tiding::Work);
    }

    /// Tells that this grant changed; nobody needs to listen.
    pub fn announce_change(&self, id: &GrantId) {
        drop(self.changes.send(id.clone()));
        self.tell(Tiding::Changed(id.clone()));
    }

    /// Tells that the decision log goes up to this place; nobody needs to listen.
    pub fn announce_chained(&self, position: u64) {
        if position > *self.chained.borrow() {
            self.tell(Tiding::Chained(position));
        }
        self.raise_chained(position);
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
