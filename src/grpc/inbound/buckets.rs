//! Many buckets, one for each caller or address: so many at most, whoever asks. A bucket that is full
//! again is forgotten. Nothing here waits; the lock is held for a look-up, and once a second for a
//! look at all of them.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::bucket::{Bucket, Rate};

/// The shortest time between two looks for full buckets, in nanoseconds: a second. Looking at the
/// most that the configuration takes costs some milliseconds.
const SWEEP_INTERVAL: u64 = 1_000_000_000;

/// The buckets of everybody.
pub(super) struct Buckets<K> {
    buckets_max: usize,
    state: Mutex<State<K>>,
}

struct State<K> {
    own: HashMap<K, Bucket>,
    /// The one bucket of all who find no place for their own.
    shared: Bucket,
    swept_at: u64,
}

/// From which bucket was taken; it is given back to the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// From one's own.
    Own,
    /// From the one that those share who have none.
    Shared,
}

impl<K: Eq + Hash + Clone> Buckets<K> {
    /// At most so many buckets, and one more that the others share.
    pub(super) fn new(buckets_max: usize) -> Self {
        Self {
            buckets_max,
            state: Mutex::new(State {
                own: HashMap::new(),
                shared: Bucket::FULL,
                swept_at: 0,
            }),
        }
    }

    /// Takes from the bucket of `key`.
    ///
    /// # Errors
    /// The nanoseconds until so much is there; nothing was taken.
    pub(super) fn take(&self, key: &K, rate: &Rate, cost: u32, now: u64) -> Result<Taken, u64> {
        let mut state = self.lock();
        if now.saturating_sub(state.swept_at) >= SWEEP_INTERVAL {
            state.swept_at = now;
            state.own.retain(|_, bucket| !bucket.is_full(now));
        }
        if let Some(bucket) = state.own.get_mut(key) {
            *bucket = bucket.take(rate, cost, now)?;
            return Ok(Taken::Own);
        }
        if state.own.len() < self.buckets_max {
            let bucket = Bucket::FULL.take(rate, cost, now)?;
            state.own.insert(key.clone(), bucket);
            return Ok(Taken::Own);
        }
        state.shared = state.shared.take(rate, cost, now)?;
        Ok(Taken::Shared)
    }

    /// Gives back what was taken and not used.
    pub(super) fn give_back(&self, key: &K, rate: &Rate, cost: u32, taken: Taken) {
        let mut state = self.lock();
        let bucket = match taken {
            // One that is gone was full.
            Taken::Own => state.own.get_mut(key),
            Taken::Shared => Some(&mut state.shared),
        };
        if let Some(bucket) = bucket {
            *bucket = bucket.give_back(rate, cost);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn count(buckets: &Buckets<u32>) -> usize {
        buckets.lock().own.len()
    }

    #[test]
    fn each_has_its_own_and_idle_ones_are_forgotten() {
        let (buckets, rate) = (Buckets::new(10), Rate::new(1, 2));
        for key in [1, 1, 2, 2] {
            assert_eq!(buckets.take(&key, &rate, 1, SECOND), Ok(Taken::Own));
        }
        assert_eq!(buckets.take(&1, &rate, 1, SECOND), Err(SECOND));
        assert_eq!(count(&buckets), 2);
        // Two seconds later both are full again: only the one that takes now is remembered.
        assert_eq!(buckets.take(&3, &rate, 1, 3 * SECOND), Ok(Taken::Own));
        assert_eq!(count(&buckets), 1);
    }

    #[test]
    fn who_finds_no_place_shares_one_bucket_and_none_passes_free() {
        let (buckets, rate) = (Buckets::new(100), Rate::new(1, 10));
        let mut passed = 0;
        for key in 0..100_000_u32 {
            if buckets.take(&key, &rate, 1, SECOND) == Ok(Taken::Shared) {
                passed += 1;
            }
        }
        assert_eq!((count(&buckets), passed), (100, 10));
        // Those who have a place keep it.
        assert_eq!(buckets.take(&5, &rate, 1, SECOND), Ok(Taken::Own));
    }

    #[test]
    fn what_is_given_back_goes_to_the_bucket_it_came_from() {
        let (buckets, rate) = (Buckets::new(1), Rate::new(1, 1));
        assert_eq!(buckets.take(&1, &rate, 1, SECOND), Ok(Taken::Own));
        assert_eq!(buckets.take(&2, &rate, 1, SECOND), Ok(Taken::Shared));
        assert!(buckets.take(&3, &rate, 1, SECOND).is_err());
        buckets.give_back(&2, &rate, 1, Taken::Shared);
        assert!(buckets.take(&1, &rate, 1, SECOND).is_err());
        assert_eq!(buckets.take(&3, &rate, 1, SECOND), Ok(Taken::Shared));
        buckets.give_back(&1, &rate, 1, Taken::Own);
        assert_eq!(buckets.take(&1, &rate, 1, SECOND), Ok(Taken::Own));
    }
}
