//! The keys of one issuer, kept: read at the start, again and again, and once more when a token
//! names a key that is not there. When they cannot be read the old ones go on for a bounded time.
//! Only one task reads; calls ask it and wait, so that a caller who hangs up stops nothing.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::config::AuthenticationConfig;
use super::fetch::KeySource;
use super::key_set::KeySet;

/// What a call waits longer than a look may take, so that it hears of its end.
const WAIT_MARGIN: Duration = Duration::from_millis(250);

/// Keys that are in force.
#[derive(Clone)]
pub(super) struct HeldKeys {
    pub(super) keys: Arc<KeySet>,
    /// Grows with every set that differs from the one before.
    pub(super) generation: u64,
    confirmed_at: Instant,
}

/// The last look at the source.
#[derive(Clone, Copy)]
struct Look {
    at: Instant,
    succeeded: bool,
}

/// The keys of one issuer.
pub(super) struct KeyCache {
    issuer: String,
    source: KeySource,
    keys_max: usize,
    refresh: Duration,
    gap: Duration,
    stale_max: Duration,
    wait_max: Duration,
    held: ArcSwapOption<HeldKeys>,
    looks: watch::Sender<Option<Look>>,
    wanted: Notify,
}

impl KeyCache {
    pub(super) fn new(issuer: &str, source: KeySource, config: &AuthenticationConfig) -> Self {
        Self {
            issuer: issuer.to_owned(),
            source,
            keys_max: config.keys_max,
            refresh: config.refresh(),
            gap: config.refresh_gap(),
            stale_max: config.stale_max(),
            wait_max: config.fetch_timeout() + WAIT_MARGIN,
            held: ArcSwapOption::empty(),
            looks: watch::Sender::new(None),
            wanted: Notify::new(),
        }
    }

    /// The keys in force; none when there never were any, or when the last good look is too old.
    pub(super) fn current(&self) -> Option<Arc<HeldKeys>> {
        let held = self.held.load_full()?;
        (held.confirmed_at.elapsed() <= self.stale_max).then_some(held)
    }

    /// Whether the keys of that generation are still in force.
    pub(super) fn is_current(&self, generation: u64) -> bool {
        self.held.load().as_ref().is_some_and(|held| {
            held.generation == generation && held.confirmed_at.elapsed() <= self.stale_max
        })
    }

    /// Asks for a look and waits for its end, unless the last one is so young that another would
    /// tell nothing. All who ask at once wait for the same look.
    pub(super) async fn look_again(&self) {
        let mut looks = self.looks.subscribe();
        let last = *looks.borrow_and_update();
        if last.is_some_and(|look| look.at.elapsed() < self.gap) {
            return;
        }
        self.wanted.notify_one();
        // Both ends are the same to who asks: what is there now is what there is.
        drop(tokio::time::timeout(self.wait_max, looks.changed()).await);
    }

    /// Looks at the source now.
    pub(super) async fn look(&self) -> Result<(), String> {
        let read = self.source.fetch().await;
        let outcome = read.and_then(|bytes| KeySet::parse(&bytes, self.keys_max));
        let outcome = outcome.map(|keys| self.hold(keys));
        self.looks.send_replace(Some(Look {
            at: Instant::now(),
            succeeded: outcome.is_ok(),
        }));
        outcome
    }

    fn hold(&self, keys: KeySet) {
        let confirmed_at = Instant::now();
        let before = self.held.load_full();
        let held = match before {
            Some(before) if before.keys.digest == keys.digest => HeldKeys {
                confirmed_at,
                ..(*before).clone()
            },
            before => {
                for problem in &keys.left_out {
                    tracing::warn!(issuer = self.issuer, problem, "a key was left out");
                }
                let generation = before.map_or(1, |before| before.generation + 1);
                tracing::info!(issuer = self.issuer, generation, "keys are in force");
                HeldKeys {
                    keys: Arc::new(keys),
                    generation,
                    confirmed_at,
                }
            }
        };
        self.held.store(Some(Arc::new(held)));
    }

    /// Looks whenever it is time or somebody asks, until stopped.
    pub(super) async fn run(&self, stop: CancellationToken) {
        loop {
            let last = *self.looks.borrow();
            let pause = match last {
                Some(look) if look.succeeded && !self.source.is_file() => self.refresh,
                _ => self.gap,
            };
            let next = last.map_or_else(Instant::now, |look| look.at + pause);
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep_until(next) => {}
                () = self.wanted.notified() => {
                    // Somebody who asked before the last look ended.
                    if last.is_some_and(|look| look.at.elapsed() < self.gap) {
                        continue;
                    }
                }
            }
            let Some(looked) = stop.run_until_cancelled(self.look()).await else {
                return;
            };
            if let Err(problem) = looked {
                let has_keys = self.current().is_some();
                tracing::warn!(
                    issuer = self.issuer,
                    problem,
                    has_keys,
                    "the keys could not be read"
                );
            }
        }
    }

    /// The configured name of the issuer.
    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Whether the source is a file, whose absence is a mistake and not an outage.
    pub(super) fn is_file(&self) -> bool {
        self.source.is_file()
    }
}
