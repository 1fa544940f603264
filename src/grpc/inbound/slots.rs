//! The handler slots of the whole server: how many calls are handled at once, and which of them are
//! refused first when there is little room. Nobody waits for a slot: a queue would hide that the
//! server is full, and answer callers who have gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::config::SlotsConfig;

/// How much a call is worth when the server is nearly full, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::grpc) enum Class {
    /// Reports: nobody waits at a screen for one, and it can be asked for again.
    Reports,
    /// Pages and streams: dear for what they tell, and mostly asked for again by themselves.
    Lists,
    /// Requests for access, and looks at one grant, without which nobody can decide about it.
    Requests,
    /// What takes access away, decides about it or stops it.
    Decisions,
}

impl Class {
    /// Every class, in the order of the enum.
    pub(super) const ALL: [Self; 4] = [Self::Reports, Self::Lists, Self::Requests, Self::Decisions];

    /// The word for logs and metrics.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Reports => "reports",
            Self::Lists => "lists",
            Self::Requests => "requests",
            Self::Decisions => "decisions",
        }
    }

    /// When a refused call may as well come again. Nobody knows when an open call ends; most take
    /// milliseconds, and what is worth less comes back later, so that the rest finds room.
    pub(super) const fn pause(self) -> Duration {
        Duration::from_millis(match self {
            Self::Reports => 5000,
            Self::Lists => 1000,
            Self::Requests => 500,
            Self::Decisions => 100,
        })
    }
}

/// The slots; every clone is the same.
#[derive(Debug, Clone)]
pub(super) struct Slots {
    taken: Arc<AtomicUsize>,
    /// Each class gets a slot while fewer than so many are taken.
    below: [usize; Class::ALL.len()],
}

/// A slot, taken until dropped.
#[derive(Debug)]
pub(super) struct Slot(Arc<AtomicUsize>);

impl Slots {
    pub(super) fn new(config: &SlotsConfig) -> Self {
        Self {
            taken: Arc::default(),
            below: config.thresholds(),
        }
    }

    /// Takes a slot; none where there are too few for this class.
    pub(super) fn take(&self, class: Class) -> Option<Slot> {
        let below = self.below[class as usize];
        let more = |taken| (taken < below).then_some(taken + 1);
        let order = Ordering::Relaxed;
        // The count alone is shared, no other memory: no order is needed.
        let taken = self.taken.fetch_update(order, order, more);
        taken.is_ok().then(|| Slot(self.taken.clone()))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots() -> Slots {
        Slots::new(&SlotsConfig {
            calls_max: 8,
            calls_kept_for_decisions: 1,
            lists_percent: 75,
            reports_percent: 50,
        })
    }

    #[test]
    fn what_is_worth_less_is_refused_first_and_decisions_last() {
        let slots = slots();
        let mut held = Vec::new();
        for (class, until) in Class::ALL.into_iter().zip([4, 6, 7, 8]) {
            held.extend(std::iter::from_fn(|| slots.take(class)));
            assert_eq!(held.len(), until, "{class:?}");
        }
        assert!(
            Class::ALL
                .into_iter()
                .all(|class| slots.take(class).is_none())
        );
        drop(held);
        assert!(slots.take(Class::Reports).is_some());
    }

    #[test]
    fn a_slot_is_free_again_when_its_call_ends() {
        let slots = slots();
        for _ in 0..1000 {
            assert!(slots.take(Class::Decisions).is_some());
        }
        assert_eq!(slots.taken.load(Ordering::Relaxed), 0);
    }
}
