//! The arithmetic of inbound rates: a bucket that fills evenly, in whole nanoseconds. Pure functions
//! of (state, cost, now): no clock, no waiting, no floating point.
//!
//! The budget has an arithmetic of its own (`budget/gcra.rs`), which the layers keep from here: there the
//! rate changes, a bucket begins empty, and a permit has a slot. Here nobody waits; who comes too early is
//! told when to come back.

const NANOSECONDS_PER_SECOND: u64 = 1_000_000_000;

/// How fast a bucket fills, and how much it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    /// Nanoseconds in which one unit comes.
    interval: u64,
    /// Nanoseconds in which an empty bucket becomes full.
    fill_time: u64,
}

/// What is remembered of a bucket. A full one needs no memory: it is `Bucket::FULL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bucket {
    /// When it is full if nothing more is taken, in nanoseconds since any fixed moment.
    full_at: u64,
}

impl Rate {
    /// So many units a second, and at most so many at once; both are at least 1. The time of one
    /// unit is rounded up, so that the rate is never exceeded.
    pub(super) fn new(per_second: u32, burst: u32) -> Self {
        let interval = NANOSECONDS_PER_SECOND.div_ceil(u64::from(per_second.max(1)));
        Self {
            interval,
            fill_time: interval.saturating_mul(u64::from(burst.max(1))),
        }
    }

    fn time_of(&self, cost: u32) -> u64 {
        self.interval.saturating_mul(u64::from(cost))
    }
}

impl Bucket {
    /// A bucket from which nothing is missing.
    pub(super) const FULL: Self = Self { full_at: 0 };

    /// The bucket after `cost` units were taken.
    ///
    /// # Errors
    /// The nanoseconds until they are there, if nobody else takes any; nothing was taken. A cost
    /// above the burst is never there: the configuration has no such burst.
    pub(super) fn take(self, rate: &Rate, cost: u32, now: u64) -> Result<Self, u64> {
        let full_at = self.full_at.max(now).saturating_add(rate.time_of(cost));
        let latest = now.saturating_add(rate.fill_time);
        if full_at > latest {
            return Err(full_at - latest);
        }
        Ok(Self { full_at })
    }

    /// The bucket with `cost` units back that were taken and not used. It never holds more than full.
    pub(super) fn give_back(self, rate: &Rate, cost: u32) -> Self {
        Self {
            full_at: self.full_at.saturating_sub(rate.time_of(cost)),
        }
    }

    /// Whether nothing is missing, so that it may be forgotten.
    pub(super) fn is_full(self, now: u64) -> bool {
        self.full_at <= now
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Over any time, no more comes out than the burst and what the rate gives.
        #[test]
        fn no_more_comes_out_than_burst_and_rate(
            per_second in 1_u32..2000,
            burst in 1_u32..500,
            asked in prop::collection::vec((1_u32..60, 0_u64..300_000_000), 1..200),
        ) {
            let rate = Rate::new(per_second, burst);
            let (mut bucket, mut now, mut taken) = (Bucket::FULL, 7_u64, 0_u64);
            for (cost, pause) in asked {
                now += pause;
                if let Ok(after) = bucket.take(&rate, cost, now) {
                    bucket = after;
                    taken += u64::from(cost);
                }
                let given = (now - 7) / rate.interval;
                prop_assert!(taken <= u64::from(burst) + given);
            }
        }

        /// The wait that is told is the whole wait, and not a nanosecond more.
        #[test]
        fn the_told_wait_is_exact(
            per_second in 1_u32..2000,
            burst in 1_u32..500,
            missing in 0_u32..500,
            cost in 1_u32..500,
            now in 0_u64..u64::MAX / 4,
        ) {
            let (missing, cost) = (missing.min(burst), cost.min(burst));
            let rate = Rate::new(per_second, burst);
            let bucket = Bucket::FULL.take(&rate, missing, now).unwrap();
            if let Err(wait) = bucket.take(&rate, cost, now) {
                prop_assert!(wait > 0);
                prop_assert!(bucket.take(&rate, cost, now + wait - 1).is_err());
                prop_assert!(bucket.take(&rate, cost, now + wait).is_ok());
            }
        }

        /// What is given back is as if it had never been taken.
        #[test]
        fn what_is_given_back_was_never_taken(
            per_second in 1_u32..2000,
            missing in 0_u32..400,
            cost in 1_u32..100,
            now in 1_u64..u64::MAX / 4,
        ) {
            let rate = Rate::new(per_second, 500);
            let before = Bucket::FULL.take(&rate, missing, now).unwrap();
            let after = before.take(&rate, cost, now).unwrap().give_back(&rate, cost);
            prop_assert_eq!(after.take(&rate, 400, now), before.take(&rate, 400, now));
        }
    }

    #[test]
    fn a_bucket_that_nobody_takes_from_is_full_again() {
        let rate = Rate::new(10, 5);
        let second = NANOSECONDS_PER_SECOND;
        let empty = Bucket::FULL.take(&rate, 5, second).unwrap();
        assert!(!empty.is_full(second + second / 2 - 1));
        assert!(empty.is_full(second + second / 2));
        assert_eq!(empty.take(&rate, 1, second), Err(second / 10));
    }

    #[test]
    fn a_clock_that_stands_or_goes_back_gives_nothing() {
        let rate = Rate::new(10, 1);
        let taken = Bucket::FULL.take(&rate, 1, 1000).unwrap();
        assert!(taken.take(&rate, 1, 1000).is_err());
        assert!(taken.take(&rate, 1, 0).is_err());
    }
}
