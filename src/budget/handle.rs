//! The handle that waits for permits. One budget a process; its clones share the buckets.
//!
//! ```text
//!   permit -> taken at once: nobody waits, and a permit is due
//!          -> refused at once: it would come too late, with when it would not
//!          -> queued; a task of the bucket hands permits out as they fall due, to whom the queue says
//! ```
//! Who stops waiting leaves the queue: the next one gets the permit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::config::{BudgetConfig, THROTTLE_PAUSE_MILLISECONDS_MAX};
use super::gcra::{self, Reservation, State};
use super::pace::Pace;
use super::queue::{Class, Demand, Queue, Ticket};
use crate::domain::{InvalidValue, QuotaBucket};

/// What `retry_after` and `estimate` say instead of "never".
const NEVER: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest pause that an answer can ask for.
const THROTTLE_PAUSE_MAX: Duration = Duration::from_millis(THROTTLE_PAUSE_MILLISECONDS_MAX);
/// How often a bucket that gives nothing is looked at.
const LOOK_AGAIN_NANOSECONDS: u64 = 1_000_000_000;

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

#[derive(Debug)]
struct Bucket {
    state: State,
    /// What break-glass may take before its time.
    loan: State,
    /// Until when AWS wants nothing, from nobody.
    paused_until: u64,
    queue: Queue,
    /// Where those who wait hear of their permit, by ticket.
    doors: HashMap<u64, oneshot::Sender<()>>,
    /// Whether a task hands permits out.
    is_served: bool,
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
            bucket.doors.remove(&self.ticket.id);
            bucket.queue.remove(&self.ticket);
        }
    }
}

impl Bucket {
    fn new(pace: &Pace, now: u64) -> Self {
        Self {
            state: State::empty(&pace.limits, now),
            loan: State::empty(&pace.loan, now),
            paused_until: now,
            queue: Queue::new(&pace.shares, now),
            doors: HashMap::new(),
            is_served: false,
        }
    }

    /// Takes a permit now, where that is allowed without waiting.
    fn take_at_once(&mut self, pace: &Pace, class: Class, now: u64) -> bool {
        let limits = &pace.limits;
        if self.queue.len() == 0
            && let Reservation::Granted { state, .. } =
                gcra::reserve(self.state, limits, 1, now, now)
        {
            self.state = state;
            return true;
        }
        // Break-glass waits for nobody as long as it has not borrowed much: it takes a slot that is
        // still to come, and the others wait for it.
        if class == Class::BreakGlass
            && self.paused_until <= now
            && let Reservation::Granted { state: loan, .. } =
                gcra::reserve(self.loan, &pace.loan, 1, now, now)
            && let Reservation::Granted { state, .. } =
                gcra::reserve(self.state, limits, 1, now, u64::MAX)
        {
            (self.loan, self.state) = (loan, state);
            return true;
        }
        false
    }

    /// How long until such an operation would get its permit, as things are; none: never.
    fn wait_of(&self, pace: &Pace, demand: Demand, now: u64) -> Option<u64> {
        let by_rank = self.queue.ahead_of(demand).saturating_add(1);
        let by_rank = gcra::wait_for(self.state, &pace.limits, by_rank, now)?;
        if !demand.class.has_floor() {
            return Some(by_rank);
        }
        let count = self.queue.ahead_in_class(demand).saturating_add(1);
        let floor = State::empty(&pace.shares.floor, now);
        let by_floor = gcra::wait_for(floor, &pace.shares.floor, count, now);
        // A floor has no permits that the bucket does not have.
        let first = gcra::wait_for(self.state, &pace.limits, 1, now)?;
        Some(by_rank.min(by_floor.map_or(u64::MAX, |wait| wait.max(first))))
    }

    /// Hands out what is due. Answers when to look again; none when nobody waits.
    fn hand_out(&mut self, pace: &Pace, now: u64) -> Option<u64> {
        loop {
            if self.queue.len() == 0 {
                return None;
            }
            let state = match gcra::reserve(self.state, &pace.limits, 1, now, now) {
                Reservation::Granted { state, .. } => state,
                Reservation::Refused { later_by } => {
                    let later_by = later_by.unwrap_or(LOOK_AGAIN_NANOSECONDS);
                    return Some(now.saturating_add(later_by));
                }
            };
            let Some(ticket) = self.queue.next(&pace.shares, now) else {
                continue;
            };
            // Who waits has its door as long as it is in the queue: both go under one lock.
            if let Some(door) = self.doors.remove(&ticket.id)
                && door.send(()).is_ok()
            {
                self.state = state;
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

    fn with_bucket<T>(
        &self,
        bucket: QuotaBucket,
        pace: &Pace,
        change: impl FnOnce(&mut Bucket, u64) -> T,
    ) -> T {
        let mut buckets = self.lock();
        // Empty at the start of the process, whenever the bucket is first asked for.
        let entry = buckets
            .entry(bucket)
            .or_insert_with(|| Bucket::new(pace, 0));
        change(entry, self.nanoseconds(Instant::now()))
    }

    /// Hands permits of a bucket out until nobody waits for one.
    async fn serve(self: Arc<Self>, bucket: QuotaBucket, pace: Pace) {
        loop {
            let next = self.with_bucket(bucket, &pace, |entry, now| {
                let next = entry.hand_out(&pace, now);
                entry.is_served = next.is_some();
                next
            });
            match next {
                Some(at) => sleep_until(self.instant(at)).await,
                None => return,
            }
        }
    }
}

impl Budget {
    /// A budget whose buckets are empty: the first permit comes one interval after now.
    ///
    /// # Errors
    /// What `BudgetConfig::validate` says.
    pub fn new(config: BudgetConfig) -> Result<Self, InvalidValue> {
        config.validate()?;
        Ok(Self::of(config))
    }

    /// A budget of the same numbers with buckets of its own, empty from now: for another region or
    /// account, which AWS counts apart (aws-api.md §4).
    #[must_use]
    pub fn another(&self) -> Self {
        Self::of(self.inner.config)
    }

    fn of(config: BudgetConfig) -> Self {
        Self {
            inner: Arc::new(Inner {
                config,
                started_at: Instant::now(),
                buckets: Mutex::new(HashMap::new()),
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
        let Some((bucket, pace)) = self.inner.config.paced(bucket) else {
            return Ok(());
        };
        let mut place = match self.ask(bucket, pace, demand, deadline)? {
            Asked::Taken => return Ok(()),
            Asked::Queued(place) => place,
        };
        if let Ok(Ok(())) = timeout_at(deadline, &mut place.door).await {
            return Ok(());
        }
        // What fell due by now is handed out, also where its task is late to do it.
        let wait = self.inner.with_bucket(bucket, &pace, |entry, now| {
            entry.hand_out(&pace, now);
            // It does not wait for itself.
            entry.queue.remove(&place.ticket);
            entry.wait_of(&pace, demand, now)
        });
        match place.door.try_recv() {
            Ok(()) => Ok(()),
            Err(_) => Err(exhausted(wait)),
        }
    }

    fn ask(
        &self,
        bucket: QuotaBucket,
        pace: Pace,
        demand: Demand,
        deadline: Instant,
    ) -> Result<Asked, BudgetExhausted> {
        let latest = self.inner.nanoseconds(deadline);
        let (asked, serves) = self.inner.with_bucket(bucket, &pace, |entry, now| {
            if entry.take_at_once(&pace, demand.class, now) {
                return Ok((None, false));
            }
            match entry.wait_of(&pace, demand, now) {
                Some(wait) if now.saturating_add(wait) <= latest => {}
                Some(wait) => return Err(exhausted(Some(now.saturating_add(wait) - latest))),
                None => return Err(exhausted(None)),
            }
            let ticket = entry.queue.push(demand, now);
            let (door, waits) = oneshot::channel();
            entry.doors.insert(ticket.id, door);
            let serves = !std::mem::replace(&mut entry.is_served, true);
            Ok((Some((ticket, waits)), serves))
        })?;
        if serves {
            tokio::spawn(Arc::clone(&self.inner).serve(bucket, pace));
        }
        Ok(match asked {
            None => Asked::Taken,
            Some((ticket, door)) => Asked::Queued(Place {
                inner: Arc::clone(&self.inner),
                bucket,
                ticket,
                door,
            }),
        })
    }

    /// Says that AWS throttled an operation of this bucket: nothing of it is sent for
    /// `retry_after`, at least for the configured pause and at most for a minute: AWS's quotas are
    /// per second, and a longer wish comes from a proxy between. Returns the pause.
    pub fn penalize(&self, bucket: QuotaBucket, retry_after: Option<Duration>) -> Duration {
        let least = Duration::from_millis(self.inner.config.throttle_pause_milliseconds);
        let pause = retry_after
            .unwrap_or_default()
            .clamp(least, THROTTLE_PAUSE_MAX.max(least));
        if let Some((bucket, pace)) = self.inner.config.paced(bucket) {
            let nanoseconds = u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX);
            self.inner.with_bucket(bucket, &pace, |entry, now| {
                entry.state = gcra::penalize(entry.state, &pace.limits, now, nanoseconds);
                let until = now.saturating_add(nanoseconds);
                entry.paused_until = entry.paused_until.max(until);
            });
        }
        pause
    }

    /// How long until the last of so many further operations of a class could be sent, as things are now
    /// and if nobody else asks. A day stands for "never".
    #[must_use]
    pub fn estimate(&self, operations: &[(QuotaBucket, u64)], class: Class) -> Duration {
        let mut counts: HashMap<QuotaBucket, (Pace, u64)> = HashMap::new();
        for (bucket, count) in operations {
            if let Some((bucket, pace)) = self.inner.config.paced(*bucket) {
                let entry = counts.entry(bucket).or_insert((pace, 0));
                entry.1 = entry.1.saturating_add(*count);
            }
        }
        let waits = counts.into_iter().map(|(bucket, (pace, count))| {
            let wait = self.inner.with_bucket(bucket, &pace, |entry, now| {
                let waiting = entry.queue.ahead_of(Demand::usher(class));
                gcra::wait_for(
                    entry.state,
                    &pace.limits,
                    count.saturating_add(waiting),
                    now,
                )
            });
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
