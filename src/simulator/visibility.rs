//! Reads that lag behind writes (aws-api.md §5.12): remembers the recent writes to assignments that
//! reads do not show yet, and computes what reads show instead. The truth itself is in the store.

use std::collections::{BTreeSet, VecDeque};

/// Hidden writes remembered; beyond it the oldest becomes visible early.
const HIDDEN_WRITES_AT_MOST: usize = 100_000;

struct HiddenWrite<T> {
    assignment: T,
    was_present: bool,
    visible_at_seconds: f64,
}

/// The writes to one kind of assignment that reads do not show yet, oldest first.
pub(super) struct Visibility<T> {
    hidden: VecDeque<HiddenWrite<T>>,
}

impl<T> Default for Visibility<T> {
    fn default() -> Self {
        Visibility {
            hidden: VecDeque::new(),
        }
    }
}

impl<T: Clone + Ord> Visibility<T> {
    /// Hides a write until the given time.
    pub(super) fn hide(&mut self, assignment: T, was_present: bool, until_seconds: f64) {
        if self.hidden.len() >= HIDDEN_WRITES_AT_MOST {
            self.hidden.pop_front();
        }
        let visible_at_seconds = until_seconds;
        self.hidden.push_back(HiddenWrite {
            assignment,
            was_present,
            visible_at_seconds,
        });
    }

    /// Forgets the writes that have become visible.
    pub(super) fn settle(&mut self, now_seconds: f64) {
        self.hidden
            .retain(|write| write.visible_at_seconds > now_seconds);
    }

    /// Whether every read shows the truth.
    pub(super) fn is_clear(&self) -> bool {
        self.hidden.is_empty()
    }

    /// Whether a read shows the assignment, whose true presence is given.
    pub(super) fn shows(&self, assignment: &T, present: bool) -> bool {
        let oldest = self
            .hidden
            .iter()
            .find(|write| write.assignment == *assignment);
        oldest.map_or(present, |write| write.was_present)
    }

    /// Turns the true set of the assignments that `concerns` accepts into what reads show.
    pub(super) fn veil(&self, rows: &mut BTreeSet<T>, concerns: impl Fn(&T) -> bool) {
        for write in self
            .hidden
            .iter()
            .filter(|write| concerns(&write.assignment))
        {
            if self.shows(&write.assignment, false) {
                rows.insert(write.assignment.clone());
            } else {
                rows.remove(&write.assignment);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::world::{Assignment, PrincipalType};
    use super::*;

    fn assignment(principal_id: &str) -> Assignment {
        Assignment {
            application_arn: "application".to_owned(),
            principal_type: PrincipalType::User,
            principal_id: principal_id.to_owned(),
        }
    }

    #[test]
    fn reads_show_the_state_before_the_oldest_hidden_write() {
        let (one, two) = (assignment("1"), assignment("2"));
        let mut visibility = Visibility::default();
        visibility.hide(one.clone(), false, 10.0);
        visibility.hide(one.clone(), true, 20.0);
        visibility.hide(two.clone(), true, 20.0);
        // In truth: one was created and deleted again, two was deleted.
        let shown = |visibility: &Visibility<Assignment>| {
            let mut rows = BTreeSet::new();
            visibility.veil(&mut rows, |_| true);
            (rows.contains(&one), rows.contains(&two))
        };
        assert_eq!(shown(&visibility), (false, true));
        visibility.settle(15.0);
        assert_eq!(shown(&visibility), (true, true));
        assert!(visibility.shows(&one, false));
        visibility.settle(20.0);
        assert!(visibility.is_clear());
        assert_eq!(shown(&visibility), (false, false));
    }
}
