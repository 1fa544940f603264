//! The rate in force: a little under what is configured, less after AWS throttled, and regained in quiet
//! times (additive increase, multiplicative decrease: others may share the quota, and tell us only so).
//!
//! Pure functions of (state, rules, now), closed in time: nothing has to tick while nobody asks. Nothing
//! here goes above the ceiling, and nothing goes below the least.

const NANOSECONDS_PER_SECOND: u64 = 1_000_000_000;

/// How a rate falls and comes back. Rates are thousandths of an operation per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RateRules {
    /// The most.
    pub(super) ceiling: u64,
    /// What throttles leave in any case.
    pub(super) least: u64,
    /// What a throttle leaves of it, in hundredths.
    pub(super) keeps_percent: u64,
    /// How long there must be no throttle before it comes back, in nanoseconds.
    pub(super) recovers_after: u64,
    /// How much comes back in a second.
    pub(super) recovers_per_second: u64,
}

/// What is remembered of a rate. Times are nanoseconds since any fixed moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    /// Thousandths of an operation per second at the last throttle.
    base: u64,
    throttled_at: Option<u64>,
    /// When a throttle last lowered it.
    lowered_at: Option<u64>,
    /// The clock at the last update: shows when it went back.
    seen_at: u64,
}

impl Rate {
    /// The ceiling.
    pub(super) fn full(rules: &RateRules, now: u64) -> Self {
        Self {
            base: rules.ceiling,
            throttled_at: None,
            lowered_at: None,
            seen_at: now,
        }
    }

    /// The state as of `now`. When the clock went back, no time has passed.
    pub(super) fn at(self, now: u64) -> Self {
        let back = self.seen_at.saturating_sub(now);
        let earlier = |time: Option<u64>| time.map(|time| time.saturating_sub(back));
        Self {
            throttled_at: earlier(self.throttled_at),
            lowered_at: earlier(self.lowered_at),
            seen_at: now,
            ..self
        }
    }

    /// Thousandths of an operation per second that may be sent now.
    pub(super) fn in_force(&self, rules: &RateRules, now: u64) -> u64 {
        let Some(throttled_at) = self.throttled_at else {
            return rules.ceiling;
        };
        let quiet = now
            .saturating_sub(throttled_at)
            .saturating_sub(rules.recovers_after);
        let regained = u128::from(quiet) * u128::from(rules.recovers_per_second)
            / u128::from(NANOSECONDS_PER_SECOND);
        let regained = u64::try_from(regained).unwrap_or(u64::MAX);
        self.base.saturating_add(regained).min(rules.ceiling)
    }

    /// AWS throttled: the rate falls, at most once a second, since operations that were under way
    /// together are throttled together.
    pub(super) fn throttled(self, rules: &RateRules, now: u64) -> Self {
        let state = self.at(now);
        let mut base = state.in_force(rules, now);
        let mut lowered_at = state.lowered_at;
        let rests = lowered_at.is_some_and(|at| now.saturating_sub(at) < NANOSECONDS_PER_SECOND);
        if !rests {
            base = (base * rules.keeps_percent / 100).max(rules.least);
            lowered_at = Some(now);
        }
        Self {
            base,
            throttled_at: Some(now),
            lowered_at,
            ..state
        }
    }

    /// When AWS last throttled.
    pub(super) fn throttled_at(&self) -> Option<u64> {
        self.throttled_at
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = NANOSECONDS_PER_SECOND;
    const RULES: RateRules = RateRules {
        ceiling: 19_800,
        least: 5_000,
        keeps_percent: 85,
        recovers_after: 2 * SECOND,
        recovers_per_second: 250,
    };

    #[test]
    fn a_throttle_takes_a_part_and_quiet_seconds_give_it_back() {
        let rate = Rate::full(&RULES, 0);
        assert_eq!(rate.in_force(&RULES, 0), 19_800);
        let rate = rate.throttled(&RULES, 10 * SECOND);
        assert_eq!(rate.in_force(&RULES, 10 * SECOND), 16_830);
        assert_eq!(rate.in_force(&RULES, 12 * SECOND), 16_830);
        assert_eq!(rate.in_force(&RULES, 16 * SECOND), 17_830);
        assert_eq!(rate.in_force(&RULES, 3_600 * SECOND), 19_800);
    }

    #[test]
    fn throttles_of_one_second_count_once_and_start_the_quiet_time_again() {
        let mut rate = Rate::full(&RULES, 0);
        for tenth in 0..10 {
            rate = rate.throttled(&RULES, SECOND + tenth * SECOND / 10);
        }
        assert_eq!(rate.in_force(&RULES, 2 * SECOND), 16_830);
        assert_eq!(rate.in_force(&RULES, 3 * SECOND), 16_830);
        let rate = rate.throttled(&RULES, 2 * SECOND);
        assert_eq!(rate.in_force(&RULES, 2 * SECOND), 14_305);
    }

    #[test]
    fn whatever_is_throttled_a_least_is_left_and_the_full_rate_is_back_within_a_minute_or_so() {
        let mut rate = Rate::full(&RULES, 0);
        for second in 0..600 {
            rate = rate.throttled(&RULES, second * SECOND);
        }
        let end = 599 * SECOND;
        assert_eq!(rate.in_force(&RULES, end), RULES.least);
        assert!(rate.in_force(&RULES, end + 60 * SECOND) < RULES.ceiling);
        assert_eq!(rate.in_force(&RULES, end + 62 * SECOND), RULES.ceiling);
    }

    #[test]
    fn a_clock_that_jumps_gives_nothing_and_takes_no_more_than_the_time_that_was_left() {
        let hour = 3_600 * SECOND;
        let rate = Rate::full(&RULES, 2 * hour).throttled(&RULES, 2 * hour);
        let back = rate.at(hour);
        assert_eq!(back.in_force(&RULES, hour), 16_830);
        assert_eq!(back.in_force(&RULES, hour + 6 * SECOND), 17_830);
        let lower = back.throttled(&RULES, hour + 2 * SECOND);
        assert!(lower.in_force(&RULES, hour + 2 * SECOND) < 16_830);
    }

    proptest! {
        #[test]
        fn a_rate_stays_between_its_least_and_its_ceiling(steps in prop::collection::vec((0..5_000_u64, any::<bool>()), 1..200)) {
            let mut rate = Rate::full(&RULES, 0);
            let mut now = 0;
            for (milliseconds, throttled) in steps {
                now += milliseconds * 1_000_000;
                if throttled {
                    let before = rate.in_force(&RULES, now);
                    rate = rate.throttled(&RULES, now);
                    prop_assert!(rate.in_force(&RULES, now) <= before);
                }
                let in_force = rate.in_force(&RULES, now);
                prop_assert!((RULES.least..=RULES.ceiling).contains(&in_force));
            }
        }
    }
}
