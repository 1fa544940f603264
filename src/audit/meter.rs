//! Counts what a collection asks and says how far it is. Counts questions, not attempts: those the
//! port counts. Each instance has a meter of its own; what is said is the sum.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::plan::PlanPart;
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

/// What a meter says when nothing further is read.
const FINISHED: &str = "writing the report";

/// How far several counters are together; the step is that of the first that is not through.
pub(super) fn sum(meters: &[&Meter]) -> Progress {
    let mut sum = Progress {
        operations_done: 0,
        operations_planned: 0,
        step: FINISHED,
    };
    for progress in meters.iter().map(|meter| meter.progress()) {
        sum.operations_done += progress.operations_done;
        sum.operations_planned += progress.operations_planned;
        if sum.step == FINISHED {
            sum.step = progress.step;
        }
    }
    sum
}

/// What several counters counted, sorted.
pub(super) fn operations(meters: &[&Meter]) -> Vec<(Operation, u64)> {
    let mut sum: BTreeMap<Operation, u64> = BTreeMap::new();
    for (operation, count) in meters.iter().flat_map(|meter| meter.operations()) {
        *sum.entry(operation).or_default() += count;
    }
    sum.into_iter().collect()
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
    /// What of it is not asked for: it was read before.
    spared: BTreeMap<Operation, u64>,
    step: &'static str,
}

impl Meter {
    /// A counter that expects what the plan says.
    pub(super) fn new(plan: &PlanPart) -> Self {
        Self {
            state: Mutex::new(State {
                done: BTreeMap::new(),
                expected: plan.operations.iter().copied().collect(),
                spared: plan.spared.iter().copied().collect(),
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
            Operation::ListApplicationAssignments
                | Operation::ListGroupMemberships
                | Operation::ListAccountsForProvisionedPermissionSet
                | Operation::ListAccountAssignments
                | Operation::ListAccountAssignmentsForPrincipal
        );
        let mut state = self.lock();
        let done = state.done.get(&operation).copied().unwrap_or(0);
        let spared = state.spared.get(&operation).copied().unwrap_or(0);
        let expected = state.expected.entry(operation).or_default();
        if is_read_for_each {
            *expected += 1;
        } else {
            *expected = (*expected).max(done + spared + 1);
        }
    }

    /// Nothing further will be asked.
    pub(super) fn finish(&self) {
        let mut state = self.lock();
        state.expected.clear();
        state.step = FINISHED;
    }

    /// What is being read from now on.
    pub(super) fn step(&self, step: &'static str) {
        self.lock().step = step;
    }

    /// How far it is.
    pub(super) fn progress(&self) -> Progress {
        let state = self.lock();
        let count = |counts: &BTreeMap<Operation, u64>, operation| {
            counts.get(operation).copied().unwrap_or(0)
        };
        let through = |operation| count(&state.done, operation) + count(&state.spared, operation);
        let beyond: u64 = (state.expected.iter())
            .map(|(operation, expected)| expected.saturating_sub(through(operation)))
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
        let meter = Meter::new(&PlanPart {
            operations: vec![(Operation::ListUsers, 1)],
            ..PlanPart::default()
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

    #[test]
    fn what_was_read_before_is_not_planned() {
        let meter = Meter::new(&PlanPart {
            operations: vec![(Operation::ListUsers, 5)],
            spared: vec![(Operation::ListGroupMemberships, 2)],
            ..PlanPart::default()
        });
        meter.expect(Operation::ListGroupMemberships, 3);
        meter.made(Operation::ListGroupMemberships);
        let progress = meter.progress();
        let counts = (progress.operations_done, progress.operations_planned);
        assert_eq!(counts, (1, 6));
    }
}
