//! The arithmetic of the budget: GCRA, the generic cell rate algorithm, in whole nanoseconds.
//!
//! Pure functions of (state, cost, now), in the shape of one conditional update of one row, so that
//! a shared store can run the same arithmetic. No clock, no waiting, no floating point.

use std::time::Duration;

const NANOSECONDS_PER_SECOND: u64 = 1_000_000_000;

/// The rate and the burst of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// Nanoseconds between two permits; none: no permit ever.
    interval: Option<u64>,
    /// How far ahead of its time a permit may come, in nanoseconds: `burst - 1` intervals, and half of one
    /// where what was late is made up for.
    tolerance: u64,
    burst: u32,
}

/// What is remembered of a bucket. Times are nanoseconds since any fixed moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    /// When the bucket would be full again if nothing more were taken ("theoretical arrival time").
    full_at: u64,
    /// The clock at the last update: shows when it went back.
    seen_at: u64,
}

/// The answer to a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reservation {
    /// The permits are good from `slot_at` on; `state` replaces the old one.
    Granted { state: State, slot_at: u64 },
    /// The slot would be `later_by` after the latest time that was asked for (none: never).
    /// Nothing was taken.
    Refused { later_by: Option<u64> },
}

impl Limits {
    /// So many thousandths of a permit a second. A rate of 0 never gives a permit; a burst of 0 counts
    /// as 1.
    pub(super) fn of_rate(thousandths_per_second: u64, burst: u32) -> Self {
        // Rounded up, so that the rate is never exceeded.
        let interval = (thousandths_per_second > 0)
            .then(|| (1000 * NANOSECONDS_PER_SECOND).div_ceil(thousandths_per_second));
        Self::of(interval, burst.max(1))
    }

    /// So many hundredths of the rate, without a burst; none of it: no permit ever.
    pub(super) fn part(&self, percent: u64) -> Self {
        let interval = self.interval.filter(|_| percent > 0);
        Self::of(interval.map(|it| it.saturating_mul(100) / percent), 1)
    }

    /// The same, and a permit that went out late is made up for: the next may come up to half an interval
    /// before its time. Timers and busy processors are always late, and would cost the rate otherwise.
    pub(super) fn catching_up(self) -> Self {
        Self {
            tolerance: self.tolerance.saturating_add(self.half_interval()),
            ..self
        }
    }

    /// The time between two permits, and how far before its time one may come; none: no permit ever.
    pub(super) fn as_durations(&self) -> Option<(Duration, Duration)> {
        let interval = Duration::from_nanos(self.interval?);
        Some((interval, Duration::from_nanos(self.tolerance)))
    }

    /// Half of the time between two permits.
    pub(super) fn half_interval(&self) -> u64 {
        self.interval.unwrap_or_default() / 2
    }

    fn of(interval: Option<u64>, burst: u32) -> Self {
        let each = interval.unwrap_or_default();
        Self {
            interval,
            tolerance: each.saturating_mul(u64::from(burst - 1)),
            burst,
        }
    }
}

impl State {
    /// A bucket without any credit: the first permit comes one interval after `now`. So a process
    /// that restarts at once cannot spend a burst twice.
    pub(super) fn empty(limits: &Limits, now: u64) -> Self {
        Self {
            full_at: now
                .saturating_add(limits.tolerance)
                .saturating_add(limits.interval.unwrap_or_default()),
            seen_at: now,
        }
    }

    /// The state as of `now`. When the clock went back, no time has passed: neither is credit
    /// given, nor does anybody wait until the clock has caught up.
    pub(super) fn at(self, now: u64) -> Self {
        Self {
            full_at: self
                .full_at
                .saturating_sub(self.seen_at.saturating_sub(now)),
            seen_at: now,
        }
    }
}

/// Reserves `cost` permits for one moment, at `latest` if not before. Slots never go backwards:
/// who reserves first is served first. More permits than the burst are never given at once.
pub(super) fn reserve(
    state: State,
    limits: &Limits,
    cost: u32,
    now: u64,
    latest: u64,
) -> Reservation {
    let state = state.at(now);
    if cost == 0 {
        return Reservation::Granted {
            state,
            slot_at: now,
        };
    }
    let Some(interval) = limits.interval.filter(|_| cost <= limits.burst) else {
        return Reservation::Refused { later_by: None };
    };
    let slot_at = slot(state, limits, interval, u64::from(cost), now);
    if slot_at > latest {
        return Reservation::Refused {
            later_by: Some(slot_at - latest),
        };
    }
    let full_at = state
        .full_at
        .max(slot_at)
        .saturating_add(interval.saturating_mul(u64::from(cost)));
    Reservation::Granted {
        state: State { full_at, ..state },
        slot_at,
    }
}

/// Whether a permit could be taken now.
pub(super) fn is_due(state: State, limits: &Limits, now: u64) -> bool {
    matches!(
        reserve(state, limits, 1, now, now),
        Reservation::Granted { .. }
    )
}

/// Moves the next slot to `pause` nanoseconds from now, if it would come earlier, and takes all
/// credit away.
pub(super) fn penalize(state: State, limits: &Limits, now: u64, pause: u64) -> State {
    let state = state.at(now);
    let resumed = now.saturating_add(pause).saturating_add(limits.tolerance);
    State {
        full_at: state.full_at.max(resumed),
        ..state
    }
}

/// Takes a permit that was given elsewhere, whether or not it is due here.
pub(super) fn note_taken(state: State, limits: &Limits, now: u64) -> State {
    match reserve(state, limits, 1, now, u64::MAX) {
        Reservation::Granted { state, .. } => state,
        Reservation::Refused { .. } => state,
    }
}

/// How long until the last of `count` further permits, taken one by one; none: never.
pub(super) fn wait_for(state: State, limits: &Limits, count: u64, now: u64) -> Option<u64> {
    let state = state.at(now);
    if count == 0 {
        return Some(0);
    }
    let interval = limits.interval?;
    let begun = State {
        full_at: state.full_at.max(now),
        ..state
    };
    Some(slot(begun, limits, interval, count, now) - now)
}

fn slot(state: State, limits: &Limits, interval: u64, count: u64, now: u64) -> u64 {
    state
        .full_at
        .saturating_add(interval.saturating_mul(count - 1))
        .saturating_sub(limits.tolerance)
        .max(now)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Limits {
        /// So many permits a second.
        pub(crate) fn new(per_second: u32, burst: u32) -> Self {
            Self::of_rate(u64::from(per_second) * 1000, burst)
        }
    }

    const MILLISECOND: u64 = 1_000_000;
    const NEVER_TOO_LATE: u64 = u64::MAX;

    fn take(state: &mut State, limits: &Limits, now: u64) -> u64 {
        match reserve(*state, limits, 1, now, NEVER_TOO_LATE) {
            Reservation::Granted {
                state: next,
                slot_at,
            } => {
                *state = next;
                slot_at
            }
            refused @ Reservation::Refused { .. } => panic!("{refused:?}"),
        }
    }

    #[test]
    fn an_empty_bucket_gives_one_permit_an_interval() {
        let limits = Limits::new(20, 5);
        let mut state = State::empty(&limits, 0);
        let slots: Vec<u64> = (0..4).map(|_| take(&mut state, &limits, 0)).collect();
        assert_eq!(slots, [50, 100, 150, 200].map(|slot| slot * MILLISECOND));
    }

    #[test]
    fn a_rested_bucket_gives_its_burst_at_once_and_no_more() {
        let limits = Limits::new(20, 5);
        let mut state = State::empty(&limits, 0);
        let now = 3_600_000 * MILLISECOND;
        let slots: Vec<u64> = (0..7)
            .map(|_| take(&mut state, &limits, now) - now)
            .collect();
        assert_eq!(
            slots,
            [0, 0, 0, 0, 0, 50, 100].map(|slot| slot * MILLISECOND)
        );
    }

    #[test]
    fn a_slot_past_the_latest_time_is_refused_and_nothing_is_taken() {
        let limits = Limits::new(20, 1);
        let state = State::empty(&limits, 0);
        assert_eq!(
            reserve(state, &limits, 1, 0, 30 * MILLISECOND),
            Reservation::Refused {
                later_by: Some(20 * MILLISECOND)
            }
        );
        assert_eq!(wait_for(state, &limits, 1, 0), Some(50 * MILLISECOND));
    }

    #[test]
    fn rate_zero_and_more_than_the_burst_are_never_given() {
        let nothing = Limits::new(0, 5);
        let state = State::empty(&nothing, 0);
        let never = Reservation::Refused { later_by: None };
        assert_eq!(reserve(state, &nothing, 1, u64::MAX, NEVER_TOO_LATE), never);
        assert_eq!(wait_for(state, &nothing, 1, 0), None);
        let limits = Limits::new(20, 5);
        let state = State::empty(&limits, 0);
        assert_eq!(reserve(state, &limits, 6, 0, NEVER_TOO_LATE), never);
        assert!(matches!(
            reserve(state, &limits, 0, 7, 7),
            Reservation::Granted { slot_at: 7, .. }
        ));
    }

    #[test]
    fn a_penalty_moves_the_next_slot_and_takes_the_credit() {
        let limits = Limits::new(20, 5);
        let now = 3_600_000 * MILLISECOND;
        let state = penalize(State::empty(&limits, 0), &limits, now, 1000 * MILLISECOND);
        let mut state = state;
        let slots: Vec<u64> = (0..3)
            .map(|_| take(&mut state, &limits, now) - now)
            .collect();
        assert_eq!(slots, [1000, 1050, 1100].map(|slot| slot * MILLISECOND));
    }

    #[test]
    fn a_clock_that_goes_back_costs_no_wait_and_gives_no_credit() {
        let limits = Limits::new(20, 5);
        let hour = 3_600_000 * MILLISECOND;
        let mut state = State::empty(&limits, hour);
        assert_eq!(take(&mut state, &limits, hour), hour + 50 * MILLISECOND);
        assert_eq!(take(&mut state, &limits, 0), 100 * MILLISECOND);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Pass(u64),
        JumpBack(u64),
        Take(u32),
        Penalize(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        prop::collection::vec(
            prop_oneof![
                (0_u64..400).prop_map(|time| Step::Pass(time * MILLISECOND)),
                (0_u64..100_000).prop_map(|time| Step::JumpBack(time * MILLISECOND)),
                (1_u32..4).prop_map(Step::Take),
                (1_u32..4).prop_map(Step::Take),
                (0_u64..2_000).prop_map(|time| Step::Penalize(time * MILLISECOND)),
            ],
            1..120,
        )
    }

    proptest! {
        /// In any window w, permits <= rate * w + burst, whatever the clock does; slots are in the
        /// order of the reservations; and `wait_for` foretells them.
        #[test]
        fn permits_stay_within_rate_and_burst(
            rate in 1_u32..200,
            burst in 1_u32..20,
            offset in 0_u64..1_000_000,
            steps in steps(),
        ) {
            let limits = Limits::new(rate, burst);
            let interval = limits.interval.unwrap();
            let mut clock = offset;
            let mut lived = 0_u64;
            let mut state = State::empty(&limits, clock);
            let mut permits: Vec<u64> = Vec::new();
            for step in steps {
                match step {
                    Step::Pass(time) => { clock += time; lived += time; }
                    Step::JumpBack(time) => clock = clock.saturating_sub(time),
                    Step::Penalize(pause) => state = penalize(state, &limits, clock, pause),
                    Step::Take(cost) => {
                        let foretold = wait_for(state, &limits, 1, clock).unwrap();
                        match reserve(state, &limits, cost, clock, NEVER_TOO_LATE) {
                            Reservation::Granted { state: next, slot_at } => {
                                state = next;
                                if cost == 1 { prop_assert_eq!(slot_at - clock, foretold); }
                                for _ in 0..cost { permits.push(lived + (slot_at - clock)); }
                            }
                            Reservation::Refused { .. } => prop_assert!(cost > burst),
                        }
                    }
                }
            }
            prop_assert!(permits.is_sorted());
            for first in 0..permits.len() {
                for last in first..permits.len() {
                    let window = permits[last] - permits[first];
                    let most = window / interval + u64::from(burst);
                    prop_assert!((last - first + 1) as u64 <= most);
                }
            }
        }
    }
}
