//! What time it is. The one place, beside the domain that gets time as an argument, where the
//! service reads the clock; a demonstration or a test may set it ahead. Never used for timeouts:
//! those run on tokio's monotonic clock.
//!
//! Replicas that share a database take its clock: what one of them believes is over must be over for all. Between
//! two looks at it the machine's monotonic clock goes on, so that a step of the machine's time changes nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use arc_swap::ArcSwapOption;
use jiff::{SignedDuration, Timestamp};

/// A clock that all parts of one service share.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    ahead_microseconds: Arc<AtomicI64>,
    anchor: Arc<ArcSwapOption<Anchor>>,
    /// By how much the system's clock is believed to be off, for tests of that.
    off: SignedDuration,
}

/// What another clock said, and when.
#[derive(Debug)]
struct Anchor {
    time: Timestamp,
    at: Instant,
}

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// The system's clock as on a machine that is off by so much.
    #[must_use]
    pub fn system_off_by(off: SignedDuration) -> Self {
        Self {
            off,
            ..Self::default()
        }
    }

    /// Now, in the precision the store keeps: microseconds.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let ahead = SignedDuration::from_micros(self.ahead_microseconds.load(Ordering::Relaxed));
        let now = match self.anchor.load().as_deref() {
            None => Timestamp::now()
                .checked_add(self.off)
                .unwrap_or(Timestamp::MAX),
            Some(anchor) => later(anchor.time, anchor.at.elapsed()),
        };
        let now = Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now);
        now.checked_add(ahead).unwrap_or(Timestamp::MAX)
    }

    /// Goes by another clock from now on, which said this time at that moment.
    pub fn follow(&self, time: Timestamp, at: Instant) {
        self.anchor.store(Some(Arc::new(Anchor { time, at })));
    }

    /// Sets the clock ahead. Who waits for a time must be woken to see it.
    pub fn advance(&self, by: SignedDuration) {
        let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.ahead_microseconds.fetch_add(by, Ordering::Relaxed);
    }
}

fn later(time: Timestamp, by: std::time::Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_follows_another_goes_on_from_what_that_said() {
        let clock = Clock::system();
        let said = Timestamp::from_second(1_000_000).unwrap();
        let at = Instant::now();
        clock.follow(said, at);
        let now = clock.now();
        let passed = SignedDuration::try_from(at.elapsed()).unwrap();
        assert!(
            now >= said && now <= said.checked_add(passed).unwrap(),
            "{now}"
        );
        clock.advance(SignedDuration::from_hours(1));
        assert!(clock.now() >= said.checked_add(SignedDuration::from_hours(1)).unwrap());
    }
}
