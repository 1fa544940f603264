//! A counter and a histogram: atomics, so that counting never waits for a scrape nor for others who
//! count. Values begin at zero with the process.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A number that only rises.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How many by now.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How long something took, counted in fixed buckets.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [Duration],
    /// One for each bound, and one for what took longer; each counts only its own.
    buckets: Box<[AtomicU64]>,
    /// Nanoseconds: enough for 584 years together.
    sum_nanoseconds: AtomicU64,
}

impl Histogram {
    /// An empty one. The bounds rise; what took exactly as long as a bound counts below it.
    #[must_use]
    pub fn new(bounds: &'static [Duration]) -> Self {
        Self {
            bounds,
            buckets: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum_nanoseconds: AtomicU64::new(0),
        }
    }

    /// One more that took so long.
    pub fn observe(&self, took: Duration) {
        let bucket = self.bounds.partition_point(|bound| *bound < took);
        if let Some(count) = self.buckets.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.sum_nanoseconds
            .fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// Each bound with how many took at most so long, and last, without a bound, all of them.
    #[must_use]
    pub fn counts(&self) -> Vec<(Option<Duration>, u64)> {
        let bounds = self.bounds.iter().copied().map(Some).chain([None]);
        let mut count = 0;
        bounds
            .zip(&self.buckets)
            .map(|(bound, bucket)| {
                count += bucket.load(Ordering::Relaxed);
                (bound, count)
            })
            .collect()
    }

    /// How long all of them took together. Read beside `counts`, it may be a few calls ahead or
    /// behind.
    #[must_use]
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum_nanoseconds.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_as_long_as_a_bound_counts_below_it() {
        const BOUNDS: [Duration; 2] = [Duration::from_millis(10), Duration::from_secs(1)];
        let histogram = Histogram::new(&BOUNDS);
        for milliseconds in [0, 10, 11, 1000, 1001] {
            histogram.observe(Duration::from_millis(milliseconds));
        }
        let counts = histogram.counts();
        assert_eq!(
            counts,
            [(Some(BOUNDS[0]), 2), (Some(BOUNDS[1]), 4), (None, 5)]
        );
        assert_eq!(histogram.sum(), Duration::from_millis(2022));
    }
}
