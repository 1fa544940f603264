//! The handle that waits for permits. One budget a process; its clones share the buckets.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::config::{BudgetConfig, IdentityStoreQuota, THROTTLE_PAUSE_MILLISECONDS_MAX};
use super::gcra::{self, Limits, Reservation, State};
use crate::domain::{InvalidValue, QuotaBucket};

/// What `retry_after` and `estimate` say instead of "never".
const NEVER: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest pause that an answer can ask for.
const THROTTLE_PAUSE_MAX: Duration = Duration::from_millis(THROTTLE_PAUSE_MILLISECONDS_MAX);

/// The budget cannot give a permit in time. Nothing was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the budget of AWS operations is spent for the next {retry_after:?}")]
pub struct BudgetExhausted {
    /// After this time the same request, with as much time to wait, gets its permit if nobody
    /// asks in between.
    pub retry_after: Duration,
}

/// The right to make operations on AWS, shared by everything in this process.
#[derive(Debug, Clone)]
pub struct Budget {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: BudgetConfig,
    started_at: Instant,
    buckets: Mutex<HashMap<QuotaBucket, Bucket>>,
}

/// Two states of one bucket: slots are promised by the first in the order of asking; the second
/// counts permits when they are really handed out, so that a process that was stopped for a while
/// does not send everything that fell due meanwhile at once.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    promised: State,
    released: State,
}

impl Budget {
    /// A budget whose buckets are empty: the first permit comes one interval after now.
    ///
    /// # Errors
    /// What `BudgetConfig::validate` says.
    pub fn new(config: BudgetConfig) -> Result<Self, InvalidValue> {
        config.validate()?;
        Ok(Self {
            inner: Arc::new(Inner {
                config,
                started_at: Instant::now(),
                buckets: Mutex::new(HashMap::new()),
            }),
        })
    }

    /// A budget of the same numbers with buckets of its own, empty from now: for another region or
    /// account, which AWS counts apart (aws-api.md §4).
    #[must_use]
    pub fn another(&self) -> Self {
        Self {
            inner: Arc::new(Inner {
                config: self.inner.config,
                started_at: Instant::now(),
                buckets: Mutex::new(HashMap::new()),
            }),
        }
    }

    /// Waits for the right to send one operation now. First come, first served.
    ///
    /// # Errors
    /// `BudgetExhausted`, at once, when the permit would come after `deadline`; nothing is taken.
    ///
    /// # Cancellation
    /// A caller that stops waiting loses its slot and nobody gets it: the rate stays below the
    /// quota, never above.
    pub async fn permit(
        &self,
        bucket: QuotaBucket,
        deadline: Instant,
    ) -> Result<(), BudgetExhausted> {
        let Some((bucket, limits)) = self.limited(bucket) else {
            return Ok(());
        };
        let latest = self.nanoseconds(deadline);
        let slot_at = self.with_bucket(bucket, &limits, |entry, now| {
            match gcra::reserve(entry.promised, &limits, 1, now, latest) {
                Reservation::Granted { state, slot_at } => {
                    entry.promised = state;
                    Ok(slot_at)
                }
                Reservation::Refused { later_by } => Err(exhausted(later_by)),
            }
        })?;
        let mut due_at = slot_at;
        loop {
            sleep_until(self.instant(due_at)).await;
            let released = self.with_bucket(bucket, &limits, |entry, now| {
                match gcra::reserve(entry.released, &limits, 1, now, now) {
                    Reservation::Granted { state, .. } => {
                        entry.released = state;
                        Ok(())
                    }
                    Reservation::Refused { later_by } => {
                        Err(now.saturating_add(later_by.unwrap_or(u64::MAX)))
                    }
                }
            });
            match released {
                Ok(()) => return Ok(()),
                Err(next) if next > latest => return Err(exhausted(Some(next - latest))),
                Err(next) => due_at = next,
            }
        }
    }

    /// Says that AWS throttled an operation of this bucket: nothing of it is sent for
    /// `retry_after`, at least for the configured pause and at most for a minute: AWS's quotas are
    /// per second, and a longer wish comes from a proxy between. Returns the pause.
    pub fn penalize(&self, bucket: QuotaBucket, retry_after: Option<Duration>) -> Duration {
        let least = Duration::from_millis(self.inner.config.throttle_pause_milliseconds);
        let pause = retry_after
            .unwrap_or_default()
            .clamp(least, THROTTLE_PAUSE_MAX.max(least));
        if let Some((bucket, limits)) = self.limited(bucket) {
            let nanoseconds = u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX);
            self.with_bucket(bucket, &limits, |entry, now| {
                entry.promised = gcra::penalize(entry.promised, &limits, now, nanoseconds);
                entry.released = gcra::penalize(entry.released, &limits, now, nanoseconds);
            });
        }
        pause
    }

    /// How long until the last of so many further operations could be sent, as things are now and
    /// if nobody else asks. A day stands for "never".
    #[must_use]
    pub fn estimate(&self, operations: &[(QuotaBucket, u64)]) -> Duration {
        let mut counts: HashMap<QuotaBucket, (Limits, u64)> = HashMap::new();
        for (bucket, count) in operations {
            if let Some((bucket, limits)) = self.limited(*bucket) {
                let entry = counts.entry(bucket).or_insert((limits, 0));
                entry.1 = entry.1.saturating_add(*count);
            }
        }
        counts
            .into_iter()
            .map(|(bucket, (limits, count))| {
                self.with_bucket(bucket, &limits, |entry, now| {
                    gcra::wait_for(entry.promised, &limits, count, now)
                })
                .map_or(NEVER, Duration::from_nanos)
            })
            .max()
            .unwrap_or_default()
    }

    /// The bucket that counts, with its limits; none where Usher cannot reach the quota.
    fn limited(&self, bucket: QuotaBucket) -> Option<(QuotaBucket, Limits)> {
        let config = &self.inner.config;
        let identity_store = Limits::new(config.identity_store_per_second, config.burst);
        match bucket {
            QuotaBucket::Sts => None,
            QuotaBucket::Organizations => Some((
                bucket,
                Limits::new(config.organizations_per_second, config.burst),
            )),
            QuotaBucket::SsoAdmin => Some((
                bucket,
                Limits::new(config.sso_admin_per_second, config.burst),
            )),
            QuotaBucket::IdentityStoreCollective => Some((bucket, identity_store)),
            QuotaBucket::IdentityStore(_) => Some((
                match config.identity_store_quota {
                    IdentityStoreQuota::PerOperation => bucket,
                    IdentityStoreQuota::Collective => QuotaBucket::IdentityStoreCollective,
                },
                identity_store,
            )),
        }
    }

    fn with_bucket<T>(
        &self,
        bucket: QuotaBucket,
        limits: &Limits,
        change: impl FnOnce(&mut Bucket, u64) -> T,
    ) -> T {
        // A panic in these few lines leaves whole states behind: the lock is used on.
        let mut buckets = self
            .inner
            .buckets
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Empty at the start of the process, whenever the bucket is first asked for.
        let empty = State::empty(limits, 0);
        let entry = buckets.entry(bucket).or_insert(Bucket {
            promised: empty,
            released: empty,
        });
        change(entry, self.nanoseconds(Instant::now()))
    }

    fn nanoseconds(&self, at: Instant) -> u64 {
        let since_start = at.saturating_duration_since(self.inner.started_at);
        u64::try_from(since_start.as_nanos()).unwrap_or(u64::MAX)
    }

    fn instant(&self, nanoseconds: u64) -> Instant {
        let since_start = Duration::from_nanos(nanoseconds);
        self.inner
            .started_at
            .checked_add(since_start)
            .unwrap_or_else(|| Instant::now() + NEVER)
    }
}

fn exhausted(later_by: Option<u64>) -> BudgetExhausted {
    BudgetExhausted {
        retry_after: later_by.map_or(NEVER, Duration::from_nanos),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Operation;

    const MILLISECOND: Duration = Duration::from_millis(1);
    const USERS: QuotaBucket = QuotaBucket::IdentityStore(Operation::ListUsers);
    const GROUPS: QuotaBucket = QuotaBucket::IdentityStore(Operation::ListGroups);

    fn budget(change: impl FnOnce(&mut BudgetConfig)) -> Budget {
        let mut config = BudgetConfig::default();
        change(&mut config);
        Budget::new(config).unwrap()
    }

    fn far() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[tokio::test]
    async fn the_rate_holds_from_the_first_permit_on() {
        let budget = budget(|config| config.sso_admin_per_second = 200);
        let start = Instant::now();
        for _ in 0..20 {
            budget.permit(QuotaBucket::SsoAdmin, far()).await.unwrap();
        }
        assert!(start.elapsed() >= 100 * MILLISECOND);
    }

    #[tokio::test]
    async fn a_late_slot_is_refused_at_once_with_a_true_retry_after() {
        let budget = budget(|config| {
            config.burst = 1;
            config.sso_admin_per_second = 1;
        });
        let start = Instant::now();
        let deadline = start + 20 * MILLISECOND;
        let refusal = budget
            .permit(QuotaBucket::SsoAdmin, deadline)
            .await
            .unwrap_err();
        assert!(start.elapsed() < 500 * MILLISECOND);
        // The slot is one second after the budget's start, which was a moment before `start`.
        assert!(refusal.retry_after <= 980 * MILLISECOND);
        assert!(refusal.retry_after >= 500 * MILLISECOND);
        let deadline = Instant::now() + refusal.retry_after + 20 * MILLISECOND;
        budget
            .permit(QuotaBucket::SsoAdmin, deadline)
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn a_cancelled_wait_gives_its_slot_to_nobody() {
        let budget = budget(|config| config.burst = 1);
        let start = Instant::now();
        let gone = tokio::time::timeout(MILLISECOND, budget.permit(USERS, far())).await;
        assert!(gone.is_err());
        budget.permit(USERS, far()).await.unwrap();
        assert!(start.elapsed() >= 99 * MILLISECOND);
    }

    #[tokio::test]
    async fn a_process_that_was_stopped_does_not_catch_up_in_one_go() {
        let budget = budget(|config| config.sso_admin_per_second = 200);
        let waiting: Vec<_> = (0..60)
            .map(|_| {
                let budget = budget.clone();
                tokio::spawn(async move {
                    budget.permit(QuotaBucket::SsoAdmin, far()).await.unwrap();
                    Instant::now()
                })
            })
            .collect();
        tokio::task::yield_now().await;
        // The runtime of this test has one thread: this stops everything, as SIGSTOP would.
        std::thread::sleep(200 * MILLISECOND);
        let resumed = Instant::now();
        let mut times = Vec::new();
        for task in waiting {
            times.push(task.await.unwrap());
        }
        times.retain(|time| *time >= resumed);
        times.sort();
        assert!(times.len() > 30);
        for (count, time) in times.iter().enumerate() {
            let window = (*time - resumed).as_millis() / 5;
            assert!(
                (count as u128) < window + 5,
                "{count} in {window} intervals"
            );
        }
    }

    #[tokio::test]
    async fn a_penalty_holds_those_back_who_wait_already() {
        let budget = budget(|config| config.throttle_pause_milliseconds = 100);
        let start = Instant::now();
        let waiting = {
            let budget = budget.clone();
            tokio::spawn(async move {
                budget.permit(QuotaBucket::SsoAdmin, far()).await.unwrap();
                start.elapsed()
            })
        };
        tokio::task::yield_now().await;
        let pause = budget.penalize(QuotaBucket::SsoAdmin, Some(300 * MILLISECOND));
        assert_eq!(pause, 300 * MILLISECOND);
        assert!(waiting.await.unwrap() >= 300 * MILLISECOND);
        assert_eq!(
            budget.penalize(QuotaBucket::SsoAdmin, None),
            100 * MILLISECOND
        );
        // A proxy that asks for a day gets a minute.
        assert_eq!(
            budget.penalize(QuotaBucket::SsoAdmin, Some(NEVER)),
            Duration::from_secs(60)
        );
    }

    #[tokio::test]
    async fn identity_store_operations_count_apart_or_together() {
        let slow = |config: &mut BudgetConfig| {
            config.burst = 1;
            config.identity_store_per_second = 1;
        };
        let seconds = |estimate: Duration| estimate.as_secs_f64().ceil();
        let apart = budget(slow);
        assert!((seconds(apart.estimate(&[(USERS, 1), (GROUPS, 1)])) - 1.0).abs() < 0.1);
        let together = budget(|config| {
            slow(config);
            config.identity_store_quota = IdentityStoreQuota::Collective;
        });
        assert!((seconds(together.estimate(&[(USERS, 1), (GROUPS, 1)])) - 2.0).abs() < 0.1);
        assert!((seconds(together.estimate(&[(USERS, 21)])) - 21.0).abs() < 0.1);
        assert_eq!(
            together.estimate(&[(QuotaBucket::Sts, 1000)]),
            Duration::ZERO
        );
    }
}
