//! What time it is. The one place, beside the domain that gets time as an argument, where the
//! service reads the clock; a demonstration or a test may set it ahead. Never used for timeouts:
//! those run on tokio's monotonic clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};

/// A clock that all parts of one service share.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    ahead_microseconds: Arc<AtomicI64>,
}

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// Now, in the precision the store keeps: microseconds.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let ahead = SignedDuration::from_micros(self.ahead_microseconds.load(Ordering::Relaxed));
        let now = Timestamp::now();
        let now = Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now);
        now.checked_add(ahead).unwrap_or(Timestamp::MAX)
    }

    /// Sets the clock ahead. Who waits for a time must be woken to see it.
    pub fn advance(&self, by: SignedDuration) {
        let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.ahead_microseconds.fetch_add(by, Ordering::Relaxed);
    }
}
