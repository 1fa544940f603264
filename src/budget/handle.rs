//! The handle that waits for permits. One budget a process; its clones share the buckets.
//!
//! ```text
//!   permit -> taken at once: nobody waits, and a permit is due
//!          -> refused at once: it would come too late, with when it would not
//!          -> queued; a task of the bucket hands permits out as they fall due, to whom the queue says
//! ```
//! Who stops waiting leaves the queue: the next one gets the permit.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::bucket::Bucket;
use super::config::{BudgetConfig, THROTTLE_PAUSE_MILLISECONDS_MAX};
use super::queue::{Class, Demand, Ticket};
use super::report::{BucketUse, use_of};
use super::shared::{Asking, SharedBudget, shared_name};
use crate::domain::{InvalidValue, QuotaBucket};

/// What `retry_after` and `estimate` say instead of "never".
const NEVER: Duration = Duration::from_secs(24 * 60 * 60);
/// How late a permit may reach whom it is for. A busy machine wakes tasks late; a process that was stopped
/// wakes up with permits of long ago, which are lost.
const LATE_MAX: Duration = Duration::from_millis(250);
/// The longest pause that an answer can ask for.
const THROTTLE_PAUSE_MAX: Duration = Duration::from_millis(THROTTLE_PAUSE_MILLISECONDS_MAX);

/// The name of the budget of the region and account that a service is at home in.
const HOME: &str = "home";

/// How many budgets this process has made: they are told apart by it.
static BUDGETS: AtomicU64 = AtomicU64::new(0);

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
    number: u64,
    config: BudgetConfig,
    started_at: Instant,
    buckets: Mutex<HashMap<QuotaBucket, Bucket>>,
    /// Where replicas share it, with the region and account that it is of; none: this process has it alone.
    shared: Option<(Arc<dyn SharedBudget>, String)>,
}

/// An answer to who asks for a permit.
enum Asked {
    Taken,
    Queued(Place),
}

/// A place in the queue; given up when it is dropped.
struct Place {
    inner: Arc<Inner>,
    bucket: QuotaBucket,
    ticket: Ticket,
    door: oneshot::Receiver<()>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(bucket) = self.inner.lock().get_mut(&self.bucket) {
            bucket.remove(&self.ticket);
        }
    }
}

/// The task that hands permits of a bucket out. However it ends, the next who waits may start another.
pub(super) struct Serving {
    inner: Arc<Inner>,
    bucket: QuotaBucket,
    /// Nobody waits any more, and another task may serve by now.
    has_ended: bool,
}

impl Drop for Serving {
    fn drop(&mut self) {
        if !self.has_ended
            && let Some(bucket) = self.inner.lock().get_mut(&self.bucket)
        {
            bucket.is_served = false;
        }
    }
}

impl Serving {
    /// What to ask for next where the bucket is shared; none where nobody waits: the serving has ended then.
    pub(super) fn asking(&mut self) -> Option<Asking> {
        let (_, scope) = self.inner.shared.as_ref()?;
        let name = shared_name(scope, self.bucket);
        let asking = self.inner.with(self.bucket, |entry, now| {
            let asking = entry.asking(&name, now);
            entry.is_served = asking.is_some();
            asking
        });
        self.has_ended = asking.is_none();
        asking
    }

    /// How far before its time a permit may be taken now, since break-glass waits; none where it may not.
    pub(super) fn borrow(&self) -> Option<Duration> {
        self.inner
            .with(self.bucket, |entry, now| entry.borrow_shared(now))
    }

    /// Gives a permit to whom it is for.
    pub(super) fn give(&self) {
        self.inner.with(self.bucket, |entry, now| entry.give(now));
    }

    /// The next permit is so far away.
    pub(super) fn put_off(&self, wait: Duration) {
        let wait = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        self.inner
            .with(self.bucket, |entry, now| entry.put_off(wait, now));
    }

    async fn run(self) {
        match self.inner.shared.clone() {
            Some((shared, _)) => self.run_shared(shared.as_ref()).await,
            None => self.run_alone().await,
        }
    }

    /// Until nobody waits.
    async fn run_alone(mut self) {
        while !self.has_ended {
            let next = self.inner.with(self.bucket, |entry, now| {
                let next = entry.hand_out(now);
                entry.is_served = next.is_some();
                next
            });
            match next {
                Some(at) => sleep_until(self.inner.instant(at)).await,
                None => self.has_ended = true,
            }
        }
    }
}

impl Inner {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<QuotaBucket, Bucket>> {
        // A panic in these few lines leaves whole states behind: the lock is used on.
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn nanoseconds(&self, at: Instant) -> u64 {
        let since_start = at.saturating_duration_since(self.started_at);
        u64::try_from(since_start.as_nanos()).unwrap_or(u64::MAX)
    }

    fn instant(&self, nanoseconds: u64) -> Instant {
        let since_start = Duration::from_nanos(nanoseconds);
        self.started_at
            .checked_add(since_start)
            .unwrap_or_else(|| Instant::now() + NEVER)
    }

    /// Changes a bucket that counts; it is made when it is first asked for.
    fn with<T>(&self, bucket: QuotaBucket, change: impl FnOnce(&mut Bucket, u64) -> T) -> T {
        let mut buckets = self.lock();
        let entry = buckets.entry(bucket).or_insert_with(|| {
            let per_second = self.config.counted(bucket).map_or(0, |(_, rate)| rate);
            // Empty at the start of the process, whenever it is first asked for.
            Bucket::new(self.config, per_second, 0)
        });
        let now = self.nanoseconds(Instant::now());
        entry.see(now);
        change(entry, now)
    }
}

impl Budget {
    /// A budget whose buckets are empty: the first permit comes one interval after now.
    ///
    /// # Errors
    /// What `BudgetConfig::validate` says.
    pub fn new(config: BudgetConfig) -> Result<Self, InvalidValue> {
        config.validate()?;
        Ok(Self::of(config, None))
    }

    /// A budget that replicas share, for the region and account that they are at home in.
    ///
    /// # Errors
    /// What `BudgetConfig::validate` says.
    pub fn shared(
        config: BudgetConfig,
        shared: Arc<dyn SharedBudget>,
    ) -> Result<Self, InvalidValue> {
        config.validate()?;
        Ok(Self::of(config, Some((shared, HOME.to_owned()))))
    }

    /// A budget of the same numbers with buckets of its own, empty from now: for another region or
    /// account, which AWS counts apart (aws-api.md §4). All replicas give it the same name.
    #[must_use]
    pub fn another(&self, name: &str) -> Self {
        let shared = self.inner.shared.as_ref();
        let shared = shared.map(|(shared, _)| (Arc::clone(shared), name.to_owned()));
        Self::of(self.inner.config, shared)
    }

    fn of(config: BudgetConfig, shared: Option<(Arc<dyn SharedBudget>, String)>) -> Self {
        Self {
            inner: Arc::new(Inner {
                number: BUDGETS.fetch_add(1, Ordering::Relaxed),
                config,
                started_at: Instant::now(),
                buckets: Mutex::new(HashMap::new()),
                shared,
            }),
        }
    }

    /// Waits for the right to send one operation now. Whose turn it is says the queue: by class, and in
    /// a class by caller.
    ///
    /// Needs a tokio runtime.
    ///
    /// # Errors
    /// `BudgetExhausted`: at once, when by what waits now the permit would come after `deadline`; or at
    /// the deadline, when others went before. Nothing is taken.
    ///
    /// # Cancellation
    /// A caller that stops waiting leaves the queue, and the next one gets its permit.
    pub async fn permit(
        &self,
        bucket: QuotaBucket,
        demand: Demand,
        deadline: Instant,
    ) -> Result<(), BudgetExhausted> {
        let Some((bucket, _)) = self.inner.config.counted(bucket) else {
            return Ok(());
        };
        let mut place = match self.ask(bucket, demand, deadline)? {
            Asked::Taken => return Ok(()),
            Asked::Queued(place) => place,
        };
        let waited = timeout_at(deadline, &mut place.door).await;
        let is_in_time = || Instant::now() <= deadline + LATE_MAX;
        if matches!(waited, Ok(Ok(()))) && is_in_time() {
            return Ok(());
        }
        let wait = self.inner.with(bucket, |entry, now| {
            // What fell due by now is handed out, also where its task is late to do it.
            // Where the bucket is shared nothing falls due here.
            if self.inner.shared.is_none() {
                entry.hand_out(now);
            }
            // It does not wait for itself.
            entry.remove(&place.ticket);
            entry.wait_of(demand, 1, now)
        });
        match place.door.try_recv() {
            Ok(()) if is_in_time() => Ok(()),
            _ => Err(exhausted(wait)),
        }
    }

    fn ask(
        &self,
        bucket: QuotaBucket,
        demand: Demand,
        deadline: Instant,
    ) -> Result<Asked, BudgetExhausted> {
        let latest = self.inner.nanoseconds(deadline);
        let asked = self.inner.with(bucket, |entry, now| {
            if self.inner.shared.is_none() && entry.take_at_once(demand.class, now) {
                return Ok(None);
            }
            match entry.wait_of(demand, 1, now) {
                Some(wait) if now.saturating_add(wait) <= latest => {}
                Some(wait) => return Err(exhausted(Some(now.saturating_add(wait) - latest))),
                None => return Err(exhausted(None)),
            }
            Ok(Some(entry.push(demand, now)))
        })?;
        let Some((ticket, door, serves)) = asked else {
            return Ok(Asked::Taken);
        };
        if serves {
            let inner = Arc::clone(&self.inner);
            let serving = Serving {
                inner,
                bucket,
                has_ended: false,
            };
            tokio::spawn(serving.run());
        }
        Ok(Asked::Queued(Place {
            inner: Arc::clone(&self.inner),
            bucket,
            ticket,
            door,
        }))
    }

    /// Says that AWS throttled an operation of this bucket: nothing of it is sent for
    /// `retry_after`, at least for the configured pause and at most for a minute: AWS's quotas are
    /// per second, and a longer wish comes from a proxy between. Returns the pause.
    pub fn penalize(&self, bucket: QuotaBucket, retry_after: Option<Duration>) -> Duration {
        let least = Duration::from_millis(self.inner.config.throttle_pause_milliseconds);
        let pause = retry_after
            .unwrap_or_default()
            .clamp(least, THROTTLE_PAUSE_MAX.max(least));
        if let Some((bucket, _)) = self.inner.config.counted(bucket) {
            let nanoseconds = u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX);
            (self.inner).with(bucket, |entry, now| entry.throttled(now, nanoseconds));
            self.tell_others(bucket, pause);
        }
        pause
    }

    /// Where the bucket is shared, nobody else sends either. Who cannot be told hears of it from AWS.
    fn tell_others(&self, bucket: QuotaBucket, pause: Duration) {
        let Some((shared, scope)) = self.inner.shared.clone() else {
            return;
        };
        tokio::spawn(async move {
            let name = shared_name(&scope, bucket);
            if let Err(error) = shared.pause(&name, pause).await {
                tracing::debug!(bucket = name, error = %error, "other replicas were not told of a throttle");
            }
        });
    }

    /// Takes the right to repeat an operation of this bucket that failed. Repetitions are a part of what is
    /// sent, so that an outage costs at most so much more; without one, the failure is told as it is.
    #[must_use]
    pub fn may_retry(&self, bucket: QuotaBucket) -> bool {
        let counted = self.inner.config.counted(bucket);
        counted.is_none_or(|(bucket, _)| (self.inner).with(bucket, |entry, _| entry.retries.take()))
    }

    /// How the buckets are used that were asked for since the start, in their order.
    #[must_use]
    pub fn uses(&self) -> Vec<BucketUse> {
        let now = self.inner.nanoseconds(Instant::now());
        let mut buckets = self.inner.lock();
        let mut uses: Vec<_> = buckets
            .iter_mut()
            .map(|(bucket, entry)| use_of(self.inner.number, *bucket, entry, now))
            .collect();
        drop(buckets);
        uses.sort_by_key(|it| it.bucket);
        uses
    }

    /// How long until the last of so many further operations of a class could be sent, as things are now
    /// and if nobody else asks. A day stands for "never".
    #[must_use]
    pub fn estimate(&self, operations: &[(QuotaBucket, u64)], class: Class) -> Duration {
        let mut counts: HashMap<QuotaBucket, u64> = HashMap::new();
        for (bucket, count) in operations {
            if let Some((bucket, _)) = self.inner.config.counted(*bucket) {
                let entry = counts.entry(bucket).or_insert(0);
                *entry = entry.saturating_add(*count);
            }
        }
        let demand = Demand::usher(class);
        let waits = counts.into_iter().map(|(bucket, count)| {
            let wait = (self.inner).with(bucket, |entry, now| entry.wait_of(demand, count, now));
            wait.map_or(NEVER, Duration::from_nanos)
        });
        waits.max().unwrap_or_default()
    }
}

fn exhausted(later_by: Option<u64>) -> BudgetExhausted {
    BudgetExhausted {
        retry_after: later_by.map_or(NEVER, Duration::from_nanos),
    }
}

#[cfg(test)]
#[path = "handle_tests.rs"]
mod tests;
