//! Counts what a collection asks and says how far it is. Counts questions, not attempts: those the
//! port counts.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::plan::Plan;
use crate::domain::Operation;

/// How far a collection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Operations made so far.
    pub operations_done: u64,
    /// Operations expected in all, by what is known now.
    pub operations_planned: u64,
    /// What is being read.
    pub step: &'static str,
}

/// The counter.
#[derive(Debug)]
pub(super) struct Meter {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    done: BTreeMap<Operation, u64>,
    expected: BTreeMap<Operation, u64>,
    step: &'static str,
}

impl Meter {
    /// A counter that expects what the plan says.
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            state: Mutex::new(State {
                done: BTreeMap::new(),
                expected: plan.operations.iter().copied().collect(),
                step: "starting",
            }),
        }
    }

    /// One question was answered, well or badly.
    pub(super) fn made(&self, operation: Operation) {
        *self.lock().done.entry(operation).or_default() += 1;
    }

    /// At least so many questions of this kind will be asked in all.
    pub(super) fn expect(&self, operation: Operation, count: u64) {
        let mut state = self.lock();
        let expected = state.expected.entry(operation).or_default();
        *expected = (*expected).max(count);
    }

    /// A list goes on: another page of it will be asked for. Of lists that are read once for each
    /// application or group, one page each is expected from the start.
    pub(super) fn another_page(&self, operation: Operation) {
        let is_read_for_each = matches!(
            operation,
            Operation::ListApplicationAssignments | Operation::ListGroupMemberships
        );
        let mut state = self.lock();
        let done = state.done.get(&operation).copied().unwrap_or(0);
        let expected = state.expected.entry(operation).or_default();
        if is_read_for_each {
            *expected += 1;
        } else {
            *expected = (*expected).max(done + 1);
        }
    }

    /// Nothing further will be asked.
    pub(super) fn finish(&self) {
        let mut state = self.lock();
        state.expected.clear();
        state.step = "writing the report";
    }

    /// What is being read from now on.
    pub(super) fn step(&self, step: &'static str) {
        self.lock().step = step;
    }

    /// How far it is.
    pub(super) fn progress(&self) -> Progress {
        let state = self.lock();
        let done = |operation| state.done.get(operation).copied().unwrap_or(0);
        let beyond: u64 = (state.expected.iter())
            .map(|(operation, expected)| expected.saturating_sub(done(operation)))
            .sum();
        let operations_done = state.done.values().sum();
        Progress {
            operations_done,
            operations_planned: operations_done + beyond,
            step: state.step,
        }
    }

    /// What was asked, sorted.
    pub(super) fn operations(&self) -> Vec<(Operation, u64)> {
        (self.lock().done.iter())
            .map(|(operation, count)| (*operation, *count))
            .collect()
    }

    /// A panic of another holder leaves nothing half-done here: every change is one number.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planned_grows_with_what_is_learnt_and_never_falls_below_done() {
        let meter = Meter::new(&Plan {
            operations: vec![(Operation::ListUsers, 1)],
            note: String::new(),
        });
        let counts = |meter: &Meter| {
            let progress = meter.progress();
            (progress.operations_done, progress.operations_planned)
        };
        assert_eq!(counts(&meter), (0, 1));
        meter.expect(Operation::ListApplicationAssignments, 3);
        meter.made(Operation::ListUsers);
        meter.made(Operation::ListUsers);
        assert_eq!(counts(&meter), (2, 5));
        meter.another_page(Operation::ListUsers);
        assert_eq!(counts(&meter), (2, 6));
        meter.another_page(Operation::ListApplicationAssignments);
        assert_eq!(counts(&meter), (2, 7));
        meter.finish();
        assert_eq!(counts(&meter), (2, 2));
        assert_eq!(meter.operations(), [(Operation::ListUsers, 2)]);
    }
}
