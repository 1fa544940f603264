//! Facts of one kind with their age, and at most one read of each in flight.
//!
//! A question either finds a fact that is young enough, joins the read that is under way, or leads
//! a new one; that is decided under one lock, so that any number of equal questions make one read,
//! whether the fact is missing or merely too old. What is joined is no older than what would be
//! taken: a read that began longer before the question than `max_age` is awaited, not joined, and
//! all who wait for its end share the next. A read begins a millisecond after it was first asked for,
//! so that questions asked together share it also where they want it new. A failed read is told to all who joined it and
//! kept for nobody. A fact that is forgotten while being read is answered but not kept. Who goes before
//! the one that leads a read leads another: it would wait for the budget behind others otherwise.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use jiff::Timestamp;
use moka::sync::Cache;
use tokio::time::{Instant, timeout_at};

use crate::clock::Clock;
use crate::domain::{ErrorKind, Failure, Operation};
use crate::identity_center::{Call, Class, Dated};

/// So much later must a deadline be than that of the read's leader for its failure to be tried
/// again: questions asked together have nearly equal deadlines, and share a failure as they share
/// an answer.
const ANOTHER_ATTEMPT: Duration = Duration::from_millis(500);

/// How long a read waits for others that ask the same: nothing beside a call to AWS.
const GATHERING: Duration = Duration::from_millis(1);

type Answer<V> = Result<Dated<V>, Failure>;
type Reading<V> = Shared<BoxFuture<'static, Answer<V>>>;

/// Facts of one kind.
pub(super) struct Facts<K, V> {
    inner: Arc<Inner<K, V>>,
}

struct Inner<K, V> {
    clock: Clock,
    kept: Cache<K, Entry<V>>,
    flights: Mutex<Flights<K, V>>,
}

struct Flights<K, V> {
    by_key: HashMap<K, Flight<V>>,
    next_id: u64,
}

#[derive(Clone)]
struct Entry<V> {
    fact: Dated<V>,
    /// When its read began, on the clock that does not jump.
    read_at: Instant,
}

/// A read in flight. It lives as long as somebody waits for it.
struct Flight<V> {
    id: u64,
    deadline: Instant,
    /// What it was begun for: by that it waits for the budget.
    class: Class,
    /// Empty until it begins.
    began_at: Arc<OnceLock<Instant>>,
    reading: WeakShared<BoxFuture<'static, Answer<V>>>,
}

/// What a question finds.
enum Found<V> {
    Fact(Dated<V>),
    Joined(Reading<V>, Instant),
    Led(Reading<V>),
    /// A read from too long before the question: its end is awaited, then asked again.
    TooOld(Reading<V>),
}

impl<K, V> Facts<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Keeps facts up to a total weight of `weight_max`, each for at most `kept`.
    pub(super) fn new(
        clock: Clock,
        weight_max: u64,
        kept: Duration,
        weight: fn(&V) -> usize,
    ) -> Self {
        let kept = Cache::builder()
            .max_capacity(weight_max)
            .time_to_live(kept)
            .weigher(move |_, entry: &Entry<V>| {
                u32::try_from(weight(&entry.fact.value)).unwrap_or(u32::MAX)
            })
            .build();
        Self {
            inner: Arc::new(Inner {
                clock,
                kept,
                flights: Mutex::new(Flights {
                    by_key: HashMap::new(),
                    next_id: 0,
                }),
            }),
        }
    }

    /// The fact, if one at most `max_age` old is kept; at zero, none is.
    pub(super) fn fresh(&self, key: &K, max_age: Duration) -> Option<Dated<V>> {
        self.inner.fresh(key, max_age)
    }

    /// The fact, if one is kept, however old.
    pub(super) fn any(&self, key: &K) -> Option<V> {
        self.inner.kept.get(key).map(|entry| entry.fact.value)
    }

    /// The fact at most `max_age` old, read if need be. `operation` names the failure when the
    /// deadline passes while somebody else's read is awaited.
    pub(super) async fn get<R, F>(
        &self,
        key: &K,
        max_age: Duration,
        call: Call,
        operation: Operation,
        read: R,
    ) -> Answer<V>
    where
        R: Fn() -> F,
        F: Future<Output = Result<V, Failure>> + Send + 'static,
    {
        let asked_at = Instant::now();
        loop {
            let found = self.find(key, (max_age, asked_at), call, &read);
            let (reading, others_deadline) = match found {
                Found::Fact(fact) => return Ok(fact),
                Found::Joined(reading, deadline) => (reading, Some(deadline)),
                Found::Led(reading) => (reading, None),
                Found::TooOld(reading) => {
                    if timeout_at(call.deadline, reading).await.is_err() {
                        return Err(Failure::new(ErrorKind::Timeout, operation));
                    }
                    continue;
                }
            };
            let Ok(answer) = timeout_at(call.deadline, reading).await else {
                return Err(Failure::new(ErrorKind::Timeout, operation));
            };
            match answer {
                // Who led the read had less time than we have: ask ourselves. It ends, because
                // our own time does.
                Err(failure)
                    if others_deadline.is_some_and(|theirs| {
                        more_time_helps(failure.kind, theirs, call.deadline)
                    }) => {}
                answer => return answer,
            }
        }
    }

    /// Keeps a fact that was read on the way to another.
    pub(super) fn keep(&self, key: K, fact: Dated<V>, read_at: Instant) {
        let _lock = self.inner.lock();
        let newer = self.inner.kept.get(&key);
        if newer.is_none_or(|entry| entry.read_at <= read_at) {
            self.inner.kept.insert(key, Entry { fact, read_at });
        }
    }

    /// Forgets a fact and detaches its read in flight, which is from before.
    pub(super) fn forget(&self, key: &K) {
        let mut flights = self.inner.lock();
        flights.by_key.remove(key);
        self.inner.kept.invalidate(key);
    }

    /// Forgets everything, as `forget` does.
    pub(super) fn forget_all(&self) {
        let mut flights = self.inner.lock();
        flights.by_key.clear();
        self.inner.kept.invalidate_all();
    }

    fn find<R, F>(
        &self,
        key: &K,
        (max_age, asked_at): (Duration, Instant),
        call: Call,
        read: &R,
    ) -> Found<V>
    where
        R: Fn() -> F,
        F: Future<Output = Result<V, Failure>> + Send + 'static,
    {
        let mut flights = self.inner.lock();
        if let Some(fact) = self.inner.fresh(key, max_age) {
            return Found::Fact(fact);
        }
        if let Some(flight) = flights.by_key.get(key)
            && flight.class <= call.demand.class
            && let Some(reading) = flight.reading.upgrade()
        {
            let began_at = flight.began_at.get();
            return if began_at.is_none_or(|began_at| asked_at.duration_since(*began_at) <= max_age)
            {
                Found::Joined(reading, flight.deadline)
            } else {
                Found::TooOld(reading)
            };
        }
        let id = flights.next_id;
        flights.next_id += 1;
        let landing = Landing {
            inner: Arc::clone(&self.inner),
            key: key.clone(),
            id,
        };
        let began_at = Arc::default();
        let reading = fly(
            landing,
            self.inner.clock.now(),
            Arc::clone(&began_at),
            read(),
        )
        .boxed()
        .shared();
        if let Some(weak) = reading.downgrade() {
            let flight = Flight {
                id,
                deadline: call.deadline,
                class: call.demand.class,
                began_at,
                reading: weak,
            };
            flights.by_key.insert(key.clone(), flight);
        }
        Found::Led(reading)
    }
}

/// Reads and lands.
async fn fly<K, V>(
    landing: Landing<K, V>,
    observed_at: Timestamp,
    began_at: Arc<OnceLock<Instant>>,
    read: impl Future<Output = Result<V, Failure>> + Send,
) -> Answer<V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    // Whoever asks within this time shares the read. Not a yield: every joiner polls this future.
    tokio::time::sleep(GATHERING).await;
    // From before the read, so that no fact is ever younger than it claims.
    let read_at = *began_at.get_or_init(Instant::now);
    let value = read.await?;
    let fact = Dated { value, observed_at };
    landing.keep(Entry {
        fact: fact.clone(),
        read_at,
    });
    Ok(fact)
}

/// Takes a flight off the list when it ends, however it ends.
struct Landing<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    inner: Arc<Inner<K, V>>,
    key: K,
    id: u64,
}

impl<K, V> Landing<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Keeps the fact unless it was forgotten meanwhile.
    fn keep(&self, entry: Entry<V>) {
        let flights = self.inner.lock();
        if flights
            .by_key
            .get(&self.key)
            .is_some_and(|flight| flight.id == self.id)
        {
            self.inner.kept.insert(self.key.clone(), entry);
        }
    }
}

impl<K, V> Drop for Landing<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn drop(&mut self) {
        let mut flights = self.inner.lock();
        if flights
            .by_key
            .get(&self.key)
            .is_some_and(|flight| flight.id == self.id)
        {
            flights.by_key.remove(&self.key);
        }
    }
}

impl<K, V> Inner<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn lock(&self) -> MutexGuard<'_, Flights<K, V>> {
        // A panic while it is held leaves whole entries behind: the lock is used on.
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fresh(&self, key: &K, max_age: Duration) -> Option<Dated<V>> {
        if max_age.is_zero() {
            return None;
        }
        let entry = self.kept.get(key)?;
        (entry.read_at.elapsed() <= max_age).then_some(entry.fact)
    }
}

/// Whether one with the deadline `ours` may get an answer where the one with `theirs` got none.
fn more_time_helps(kind: ErrorKind, theirs: Instant, ours: Instant) -> bool {
    match kind {
        ErrorKind::BudgetExhausted | ErrorKind::Timeout => theirs < ours,
        // They may have had no time left for another attempt.
        ErrorKind::Throttled
        | ErrorKind::Unavailable
        | ErrorKind::ConnectionLost
        | ErrorKind::NotReached => theirs + ANOTHER_ATTEMPT < ours,
        _ => false,
    }
}

#[cfg(test)]
#[path = "facts_tests.rs"]
mod tests;
