//! How a bucket is used, told to people: what is in force, what was handed out, who waits. Nothing is
//! decided by it.

use std::time::Duration;

use super::bucket::Bucket;
use super::queue::{Class, Demand};
use super::uses::Served;
use crate::domain::QuotaBucket;

/// Callers that are named at most, those who wait for the most operations: a screen of them.
const CALLERS_MAX: usize = 20;

/// How one bucket is used.
#[derive(Debug, Clone, PartialEq)]
pub struct BucketUse {
    /// Whose bucket: a number that each budget of a process has of its own.
    pub budget: u64,
    /// Which.
    pub bucket: QuotaBucket,
    /// Operations a second as configured.
    pub configured_per_second: u32,
    /// Operations a second that may be sent now: less than configured after AWS throttled.
    pub in_force_per_second: f64,
    /// Operations a second that were sent in the last ten seconds.
    pub used_per_second: f64,
    /// How long AWS still wants nothing.
    pub paused_for: Duration,
    /// Throttles of AWS since the start.
    pub throttles: u64,
    /// How long ago the last was.
    pub throttled_before: Option<Duration>,
    /// Repetitions that the retry budget refused since the start.
    pub retries_refused: u64,
    /// Every class, by rank.
    pub classes: Vec<ClassUse>,
    /// Who waits, with the most operations first; not all of many.
    pub callers: Vec<CallerUse>,
}

/// How one class uses a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassUse {
    /// Which.
    pub class: Class,
    /// Operations that wait.
    pub waiting: usize,
    /// How long the oldest of them has waited.
    pub longest_wait: Duration,
    /// How long one more operation, of somebody else, would wait; none: for ever.
    pub next_wait: Option<Duration>,
    /// What it was given since the start.
    pub served: Served,
}

/// What one caller waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerUse {
    /// Its name; empty where it is not known any more.
    pub caller: String,
    /// In which class.
    pub class: Class,
    /// Operations that wait.
    pub waiting: usize,
}

/// The use of a bucket as of then.
pub(super) fn use_of(budget: u64, bucket: QuotaBucket, entry: &mut Bucket, now: u64) -> BucketUse {
    let classes = Class::ALL.into_iter().map(|class| {
        let (waiting, oldest) = entry.queue.waiting_of(class);
        let waited = oldest.map_or(0, |since| now.saturating_sub(since));
        let next_wait = entry.wait_of(Demand::usher(class), 1, now);
        ClassUse {
            class,
            waiting,
            longest_wait: Duration::from_nanos(waited),
            next_wait: next_wait.map(Duration::from_nanos),
            served: entry.uses.served(class),
        }
    });
    let classes = classes.collect();
    let waiting = Class::ALL.into_iter().flat_map(|class| {
        let callers = entry.queue.callers_of(class);
        callers.map(move |(caller, waiting)| (caller, class, waiting))
    });
    let mut waiting: Vec<_> = waiting.collect();
    waiting.sort_by_key(|(caller, class, waiting)| (std::cmp::Reverse(*waiting), *class, *caller));
    let callers = waiting.into_iter().take(CALLERS_MAX);
    let callers = callers.map(|(caller, class, waiting)| CallerUse {
        caller: caller.name(),
        class,
        waiting,
    });
    let in_force = u32::try_from(entry.in_force(now)).map_or(f64::MAX, f64::from);
    BucketUse {
        budget,
        bucket,
        configured_per_second: entry.configured_per_second,
        in_force_per_second: in_force / 1000.0,
        used_per_second: entry.uses.per_second(now),
        paused_for: entry.paused_for(now),
        throttles: entry.uses.throttles,
        throttled_before: entry.throttled_before(now),
        retries_refused: entry.retries.refused(),
        classes,
        callers: callers.collect(),
    }
}
