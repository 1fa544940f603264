//! What break-glass takes before its time: so many permits in any such time, and none more. Pure; times are
//! nanoseconds since any fixed moment.

use std::collections::VecDeque;

/// The loans of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Loans {
    /// When each was taken that counts still, oldest first; never more than may be taken.
    taken_at: VecDeque<u64>,
}

/// How many may be taken, and in what time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LoanRules {
    pub(super) most: usize,
    pub(super) period: u64,
}

impl Loans {
    /// None is there yet: a process that restarts at once cannot take them twice.
    pub(super) fn all_taken(rules: &LoanRules, now: u64) -> Self {
        Self {
            taken_at: std::iter::repeat_n(now, rules.most).collect(),
        }
    }

    /// Takes one, if there is one.
    pub(super) fn take(&mut self, rules: &LoanRules, now: u64) -> bool {
        let is_over = |at: &u64| now.saturating_sub(*at) >= rules.period;
        while self.taken_at.front().is_some_and(is_over) {
            self.taken_at.pop_front();
        }
        let is_there = self.taken_at.len() < rules.most;
        if is_there {
            self.taken_at.push_back(now);
        }
        is_there
    }

    /// The clock went back by so much: no time has passed.
    pub(super) fn clock_went_back(&mut self, by: u64) {
        for at in &mut self.taken_at {
            *at = at.saturating_sub(by);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_any_such_time_there_are_so_many_loans_and_no_more() {
        let rules = LoanRules {
            most: 5,
            period: 10_000,
        };
        let mut loans = Loans::all_taken(&rules, 0);
        assert!(!loans.take(&rules, 9_999));
        let mut taken: Vec<u64> = Vec::new();
        for now in (10_000..110_000).step_by(700) {
            if loans.take(&rules, now) {
                taken.push(now);
            }
        }
        assert!(taken.len() > 45, "{}", taken.len());
        for window in taken.windows(6) {
            assert!(window[5] - window[0] >= rules.period, "{window:?}");
        }
        // All at once, and after that time all at once again.
        let mut loans = Loans::all_taken(&rules, 0);
        let at_once = |loans: &mut Loans, now| (0..9).filter(|_| loans.take(&rules, now)).count();
        assert_eq!(at_once(&mut loans, 50_000), 5);
        assert_eq!(at_once(&mut loans, 59_999), 0);
        assert_eq!(at_once(&mut loans, 60_000), 5);
        loans.clock_went_back(30_000);
        assert_eq!(at_once(&mut loans, 39_999), 0);
        assert_eq!(at_once(&mut loans, 40_000), 5);
    }
}
