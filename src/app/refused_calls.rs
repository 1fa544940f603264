//! Refused calls in the log of events: counted, bounded, and written behind the calls' backs. Noting
//! one never waits and never fails; what finds no place is counted in the next event of its kind.
//!
//! ```text
//!   note -> so many a minute -> bounded queue -> writer, several a transaction
//!             \ too many         \ full             \ the store fails
//!              `------------------`------------------`--> suppressed_count of the next one
//! ```

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::refused_calls_config::RefusedCallsConfig;
use crate::clock::Clock;
use crate::domain::{AccessDenied, ServiceEvent, ServiceFact, Unauthenticated};
use crate::store::Store;

/// What "a minute" is.
const MINUTE: Duration = Duration::from_secs(60);

/// Where refused calls are noted; every clone is the same.
#[derive(Clone)]
pub struct RefusedCalls {
    shared: Arc<Shared>,
    queue: mpsc::Sender<ServiceEvent>,
}

/// Writes down what was noted.
pub struct RefusedCallsWriter {
    shared: Arc<Shared>,
    queue: mpsc::Receiver<ServiceEvent>,
    store: Arc<dyn Store>,
    written_at_once_max: usize,
}

struct Shared {
    clock: Clock,
    denied: Kind,
    unauthenticated: Kind,
}

/// One kind of refused calls.
struct Kind {
    /// How many are written a minute that are alike.
    alike_max: u32,
    /// How many are written a minute.
    all_max: u32,
    minute: Mutex<Minute>,
    /// Left out since the last that was written.
    suppressed: AtomicU64,
}

/// What was admitted since the minute began. Only what is admitted is counted by what it is like, so
/// that this never holds more than `all_max`.
struct Minute {
    began: Instant,
    all: u32,
    alike: HashMap<String, u32>,
}

impl Kind {
    fn new(alike_max: u32, all_max: u32) -> Self {
        Self {
            alike_max,
            all_max,
            minute: Mutex::new(Minute {
                began: Instant::now(),
                all: 0,
                alike: HashMap::new(),
            }),
            suppressed: AtomicU64::new(0),
        }
    }

    /// Whether one more of these may be written.
    fn admits(&self, like: &str, now: Instant) -> bool {
        let mut minute = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(minute.began) >= MINUTE {
            minute.began = now;
            minute.all = 0;
            minute.alike.clear();
        }
        let alike = minute.alike.get(like).copied().unwrap_or_default();
        if minute.all >= self.all_max || alike >= self.alike_max {
            return false;
        }
        minute.all += 1;
        minute.alike.insert(like.to_owned(), alike + 1);
        true
    }
}

impl RefusedCalls {
    /// The place for notes, and what writes them down.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        clock: Clock,
        config: RefusedCallsConfig,
    ) -> (Self, RefusedCallsWriter) {
        let (sender, receiver) = mpsc::channel(config.queued_max);
        let shared = Arc::new(Shared {
            clock,
            denied: Kind::new(
                config.denials_per_caller_per_minute_max,
                config.denials_per_minute_max,
            ),
            unauthenticated: Kind::new(
                config.unauthenticated_per_reason_per_minute_max,
                config.unauthenticated_per_minute_max,
            ),
        });
        let writer = RefusedCallsWriter {
            shared: shared.clone(),
            queue: receiver,
            store,
            written_at_once_max: config.written_at_once_max,
        };
        let calls = Self {
            shared,
            queue: sender,
        };
        (calls, writer)
    }

    /// Notes that policy did not let somebody do or see something.
    pub fn denied(&self, denied: AccessDenied) {
        let like = denied.caller.to_string();
        self.note(
            &self.shared.denied,
            &like,
            ServiceFact::AccessDenied(denied),
        );
    }

    /// Notes that a call proved nobody.
    pub fn unauthenticated(&self, call: Unauthenticated) {
        let issuer = call.issuer.as_deref().unwrap_or_default();
        let like = format!("{} {issuer}", call.reason);
        let what = ServiceFact::Unauthenticated(call);
        self.note(&self.shared.unauthenticated, &like, what);
    }

    fn note(&self, kind: &Kind, like: &str, what: ServiceFact) {
        let at = self.shared.clock.now();
        let is_noted = kind.admits(like, Instant::now())
            && self.queue.try_send(ServiceEvent { at, what }).is_ok();
        if !is_noted {
            kind.suppressed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl RefusedCallsWriter {
    /// Writes what is noted, until stopped and everything noted by then is written.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut events = Vec::new();
        while let Some(count) = stop
            .run_until_cancelled(self.queue.recv_many(&mut events, self.written_at_once_max))
            .await
            && count > 0
        {
            self.write(std::mem::take(&mut events)).await;
        }
        self.queue.close();
        while self
            .queue
            .recv_many(&mut events, self.written_at_once_max)
            .await
            > 0
        {
            self.write(std::mem::take(&mut events)).await;
        }
        self.tell_suppressed();
    }

    async fn write(&self, mut events: Vec<ServiceEvent>) {
        for event in &mut events {
            // Each first one takes what was left out until now.
            if let Some((kind, suppressed_count)) = self.shared.suppressed_of(&mut event.what) {
                *suppressed_count = kind.suppressed.swap(0, Ordering::Relaxed);
            }
        }
        let lost = events.clone();
        let Err(error) = self.store.record_service_events(events).await else {
            return;
        };
        tracing::error!(error = %error, count = lost.len(), "refused calls could not be written down; they are counted in the next event");
        for mut event in lost {
            if let Some((kind, suppressed_count)) = self.shared.suppressed_of(&mut event.what) {
                let lost = suppressed_count.saturating_add(1);
                kind.suppressed.fetch_add(lost, Ordering::Relaxed);
            }
        }
    }

    /// Says what no event will count any more.
    fn tell_suppressed(&self) {
        let denied = self.shared.denied.suppressed.load(Ordering::Relaxed);
        let unauthenticated = &self.shared.unauthenticated.suppressed;
        let unauthenticated = unauthenticated.load(Ordering::Relaxed);
        if denied + unauthenticated > 0 {
            tracing::warn!(
                denied,
                unauthenticated,
                "refused calls that no event counts"
            );
        }
    }
}

impl Shared {
    /// The kind of a refused call, and its place for those left out.
    fn suppressed_of<'a>(&'a self, what: &'a mut ServiceFact) -> Option<(&'a Kind, &'a mut u64)> {
        match what {
            ServiceFact::AccessDenied(denied) => Some((&self.denied, &mut denied.suppressed_count)),
            ServiceFact::Unauthenticated(call) => {
                Some((&self.unauthenticated, &mut call.suppressed_count))
            }
            ServiceFact::PolicyLoaded { .. }
            | ServiceFact::PolicyRefused { .. }
            | ServiceFact::Brake(_)
            | ServiceFact::Finding(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_has_its_bounds_and_the_next_one_is_new() {
        let kind = Kind::new(2, 3);
        let now = Instant::now();
        let admitted = |like: &str, now| kind.admits(like, now);
        assert!(admitted("a", now) && admitted("a", now));
        assert!(!admitted("a", now), "two of the same are enough");
        assert!(admitted("b", now));
        assert!(!admitted("c", now), "and three of all");
        assert!(!admitted("c", now + MINUTE / 2));
        assert!(admitted("c", now + MINUTE) && admitted("a", now + MINUTE));
        assert_eq!(kind.minute.lock().unwrap().alike.len(), 2);
    }
}
