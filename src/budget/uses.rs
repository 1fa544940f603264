//! What was handed out of a bucket, counted: for people and dashboards. Nothing is decided by it.

use std::time::Duration;

use super::queue::Class;

const NANOSECONDS_PER_SECOND: u64 = 1_000_000_000;
/// Over so many seconds the use is averaged.
const WINDOW_SECONDS: usize = 10;

/// The upper bounds by which waits are counted.
pub const WAIT_BOUNDS: [Duration; 8] = [
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
];

/// What one class was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Served {
    /// Permits.
    pub permits: u64,
    /// What all of them waited together.
    pub waited: Duration,
    /// Those that waited no longer than each of `WAIT_BOUNDS` and longer than the one before it.
    pub by_wait: [u64; WAIT_BOUNDS.len()],
}

/// The counts of a bucket.
#[derive(Debug, Default)]
pub(super) struct Uses {
    /// Permits in each of the last seconds, by the second's remainder.
    seconds: [u64; WINDOW_SECONDS],
    last_second: u64,
    served: [Served; Class::ALL.len()],
    pub(super) throttles: u64,
}

impl Uses {
    /// Counts a permit that was waited for so long.
    pub(super) fn count(&mut self, class: Class, waited: Duration, now: u64) {
        self.turn(now);
        *self.second(self.last_second) += 1;
        let served = &mut self.served[class as usize];
        served.permits += 1;
        served.waited += waited;
        let bound = WAIT_BOUNDS.iter().position(|bound| waited <= *bound);
        if let Some(bound) = bound {
            served.by_wait[bound] += 1;
        }
    }

    /// Permits a second, over the last whole seconds.
    pub(super) fn per_second(&mut self, now: u64) -> f64 {
        self.turn(now);
        let this_second = *self.second(self.last_second);
        let whole = self.seconds.iter().sum::<u64>() - this_second;
        // The window holds the second that is not over yet.
        let seconds = (WINDOW_SECONDS as u64 - 1).min(self.last_second).max(1);
        u32::try_from(whole).map_or(f64::MAX, f64::from) / seconds as f64
    }

    pub(super) fn served(&self, class: Class) -> Served {
        self.served[class as usize]
    }

    fn second(&mut self, second: u64) -> &mut u64 {
        let places = WINDOW_SECONDS as u64;
        &mut self.seconds[usize::try_from(second % places).unwrap_or_default()]
    }

    /// Forgets the seconds that are over.
    fn turn(&mut self, now: u64) {
        let second = now / NANOSECONDS_PER_SECOND;
        let passed = second.saturating_sub(self.last_second);
        if second < self.last_second || passed >= WINDOW_SECONDS as u64 {
            self.seconds = [0; WINDOW_SECONDS];
        } else {
            for later in 1..=passed {
                *self.second(self.last_second + later) = 0;
            }
        }
        self.last_second = second;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = NANOSECONDS_PER_SECOND;

    #[test]
    fn the_use_is_that_of_the_last_whole_seconds() {
        let mut uses = Uses::default();
        for permit in 0..400 {
            let now = 100 * SECOND + permit * SECOND / 20;
            uses.count(Class::Audit, Duration::ZERO, now);
        }
        assert!((uses.per_second(120 * SECOND) - 20.0).abs() < 0.001);
        assert!((uses.per_second(124 * SECOND) - 20.0 * 5.0 / 9.0).abs() < 0.001);
        assert!(uses.per_second(140 * SECOND) < 0.001);
        // A clock that goes back forgets, and counts on.
        uses.count(Class::Audit, Duration::ZERO, 50 * SECOND);
        assert!(uses.per_second(51 * SECOND) > 0.1);
    }

    #[test]
    fn waits_are_counted_by_their_length() {
        let mut uses = Uses::default();
        for milliseconds in [0, 10, 11, 60_000] {
            uses.count(Class::Grant, Duration::from_millis(milliseconds), SECOND);
        }
        let served = uses.served(Class::Grant);
        assert_eq!(served.permits, 4);
        assert_eq!(served.by_wait[..2], [2, 1]);
        assert_eq!(served.by_wait.iter().sum::<u64>(), 3);
        assert_eq!(served.waited, Duration::from_millis(60_021));
        assert_eq!(uses.served(Class::Read), Served::default());
    }
}
