//! One bucket: its state, its rate in force, who waits for it, and what was handed out. It is changed under
//! one lock and never waits; times are nanoseconds since the start of the budget.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::oneshot;

use super::config::BudgetConfig;
use super::gcra::{self, Reservation, State};
use super::loans::Loans;
use super::pace::Pace;
use super::queue::{Class, Demand, Queue, Ticket};
use super::rate::{Rate, RateRules};
use super::retries::Retries;
use super::shared::Asking;
use super::uses::Uses;

/// How often a bucket that gives nothing is looked at.
const LOOK_AGAIN_NANOSECONDS: u64 = 1_000_000_000;

/// What is asked for at a rate of nothing: one permit in a day.
const NO_RATE: (Duration, Duration) = (Duration::from_secs(24 * 60 * 60), Duration::ZERO);

/// What there is to hand out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// A permit, for this ticket.
    Permit(Ticket),
    /// Nothing before then.
    At(u64),
    /// Nobody waits.
    Nobody,
}

/// One bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    config: BudgetConfig,
    pub(super) configured_per_second: u32,
    rules: RateRules,
    rate: Rate,
    state: State,
    /// What break-glass may take before its time.
    loans: Loans,
    /// Until when AWS wants nothing, from nobody.
    paused_until: u64,
    seen_at: u64,
    pub(super) queue: Queue,
    pub(super) retries: Retries,
    pub(super) uses: Uses,
    /// Where those who wait hear of their permit, by ticket.
    pub(super) doors: HashMap<u64, oneshot::Sender<()>>,
    /// Whether a task hands permits out.
    pub(super) is_served: bool,
}

impl Bucket {
    /// An empty one, as of then.
    pub(super) fn new(config: BudgetConfig, per_second: u32, now: u64) -> Self {
        let rules = config.rate_rules(per_second);
        let pace = config.pace(rules.ceiling);
        Self {
            config,
            configured_per_second: per_second,
            rules,
            rate: Rate::full(&rules, now),
            state: State::empty(&pace.limits, now),
            loans: Loans::all_taken(&pace.loans, now),
            paused_until: now,
            seen_at: now,
            queue: Queue::new(&pace.shares, now),
            retries: Retries::full(config.retries_saved_max, config.retries_percent),
            uses: Uses::default(),
            doors: HashMap::new(),
            is_served: false,
        }
    }

    /// Takes note of the time, before anything else. When the clock went back, no time has passed: nobody
    /// waits until it has caught up, and nobody is given more for it.
    pub(super) fn see(&mut self, now: u64) {
        if now < self.seen_at {
            self.rate = self.rate.at(now);
            self.state = self.state.at(now);
            self.loans.clock_went_back(self.seen_at - now);
            self.queue.clock_went_back(now);
            self.paused_until = self.paused_until.saturating_sub(self.seen_at - now);
        }
        self.seen_at = now;
    }

    /// The pace at the rate in force.
    pub(super) fn pace(&self, now: u64) -> Pace {
        self.config.pace(self.in_force(now))
    }

    /// Thousandths of an operation per second that may be sent now.
    pub(super) fn in_force(&self, now: u64) -> u64 {
        self.rate.in_force(&self.rules, now)
    }

    /// How long ago AWS last throttled.
    pub(super) fn throttled_before(&self, now: u64) -> Option<Duration> {
        let at = self.rate.throttled_at()?;
        Some(Duration::from_nanos(now.saturating_sub(at)))
    }

    /// How long AWS still wants nothing.
    pub(super) fn paused_for(&self, now: u64) -> Duration {
        Duration::from_nanos(self.paused_until.saturating_sub(now))
    }

    /// Takes a permit now, where that is allowed without waiting.
    pub(super) fn take_at_once(&mut self, class: Class, now: u64) -> bool {
        let pace = self.pace(now);
        let taken = self.take_due(&pace, now) || self.borrow(&pace, class, now);
        if taken {
            self.gave(class, Duration::ZERO, now);
        }
        taken
    }

    /// Counts a permit that was waited for so long.
    fn gave(&mut self, class: Class, waited: Duration, now: u64) {
        self.uses.count(class, waited, now);
        self.retries.earn();
    }

    /// Takes what is due, where nobody waits for it.
    fn take_due(&mut self, pace: &Pace, now: u64) -> bool {
        if self.queue.len() == 0
            && let Reservation::Granted { state, .. } =
                gcra::reserve(self.state, &pace.limits, 1, now, now)
        {
            self.state = state;
            return true;
        }
        false
    }

    /// Break-glass waits for nobody as long as it has not borrowed much: it takes a slot that is still to
    /// come, and the others wait for it.
    fn borrow(&mut self, pace: &Pace, class: Class, now: u64) -> bool {
        if class == Class::BreakGlass
            && self.paused_until <= now
            && let Reservation::Granted { state, .. } =
                gcra::reserve(self.state, &pace.limits, 1, now, u64::MAX)
            && self.loans.take(&pace.loans, now)
        {
            self.state = state;
            return true;
        }
        false
    }

    /// How long until the last of so many operations would get its permit, as things are; none: never.
    pub(super) fn wait_of(&self, demand: Demand, count: u64, now: u64) -> Option<u64> {
        let pace = self.pace(now);
        let permits = self.queue.permits_until(demand, count, &pace.shares, now);
        let by_rank = gcra::wait_for(self.state, &pace.limits, permits, now)?;
        if !demand.class.has_floor() || count == 0 {
            return Some(by_rank);
        }
        let count = self.queue.ahead_in_class(demand).saturating_add(count);
        let floor = State::empty(&pace.shares.floor, now);
        let by_floor = gcra::wait_for(floor, &pace.shares.floor, count, now);
        // A floor has no permits that the bucket does not have.
        let first = gcra::wait_for(self.state, &pace.limits, 1, now)?;
        Some(by_rank.min(by_floor.map_or(u64::MAX, |wait| wait.max(first))))
    }

    /// Puts an operation in. Answers its ticket, where it hears of its permit, and whether a task has to be
    /// started that hands permits out.
    pub(super) fn push(
        &mut self,
        demand: Demand,
        now: u64,
    ) -> (Ticket, oneshot::Receiver<()>, bool) {
        let ticket = self.queue.push(demand, now);
        let (door, waits) = oneshot::channel();
        self.doors.insert(ticket.id, door);
        let is_served = std::mem::replace(&mut self.is_served, true);
        (ticket, waits, !is_served)
    }

    /// Takes an operation out that is not wanted any more.
    pub(super) fn remove(&mut self, ticket: &Ticket) {
        self.doors.remove(&ticket.id);
        self.queue.remove(ticket);
    }

    /// What to ask for where the bucket is shared, in its name there; none where nobody waits.
    pub(super) fn asking(&mut self, name: &str, now: u64) -> Option<Asking> {
        let pace = self.pace(now);
        let (class, is_owed) = self.queue.next_of(&pace.shares, now)?;
        // At a rate of nothing the bucket is looked at again, and gives nothing.
        let (interval, _) = pace.limits.as_durations().unwrap_or(NO_RATE);
        // The same for all, also for those that have not heard of a throttle: what one takes early counts for all.
        let full = self.config.pace(self.rules.ceiling).limits;
        let (_, tolerance) = full.as_durations().unwrap_or(NO_RATE);
        let sixteenths = match class {
            Class::Read | Class::Audit if !is_owed => 4,
            Class::Expiry if !is_owed => 2,
            _ => 0,
        };
        Some(Asking {
            bucket: name.to_owned(),
            interval,
            tolerance,
            ahead: Duration::ZERO,
            lets_others_first: interval * sixteenths / 16,
        })
    }

    /// How far before its time break-glass may take a permit now where the bucket is shared. The bound is of all replicas
    /// together: nobody takes one that lies further ahead.
    pub(super) fn borrow_shared(&mut self, now: u64) -> Option<Duration> {
        let pace = self.pace(now);
        let (class, _) = self.queue.next_of(&pace.shares, now)?;
        let (interval, _) = pace.limits.as_durations()?;
        let may = class == Class::BreakGlass
            && self.paused_until <= now
            && self.loans.take(&pace.loans, now);
        let most = u32::try_from(pace.loans.most).unwrap_or(u32::MAX);
        may.then(|| interval.saturating_mul(most))
    }

    /// Gives a permit that was taken where the bucket is shared to whom it is for; to nobody, where nobody waits any
    /// more.
    pub(super) fn give(&mut self, now: u64) {
        let pace = self.pace(now);
        self.state = gcra::note_taken(self.state, &pace.limits, now);
        if let Some(ticket) = self.queue.next(&pace.shares, now) {
            let waited = Duration::from_nanos(now.saturating_sub(ticket.since));
            self.gave(ticket.demand.class, waited, now);
            self.doors.remove(&ticket.id).map(|door| door.send(()));
        }
    }

    /// Takes note that the next permit is due so much later where the bucket is shared.
    pub(super) fn put_off(&mut self, wait: u64, now: u64) {
        let pace = self.pace(now);
        self.state = gcra::penalize(self.state, &pace.limits, now, wait);
    }

    /// Hands out what is due. Answers when to look again; none when nobody waits.
    pub(super) fn hand_out(&mut self, now: u64) -> Option<u64> {
        loop {
            match self.next(now) {
                // Who waits has its door as long as it is in the queue: both go under one lock.
                Next::Permit(ticket) => {
                    self.doors.remove(&ticket.id).map(|door| door.send(()));
                }
                Next::At(time) => return Some(time),
                Next::Nobody => return None,
            }
        }
    }

    /// Takes a permit that is due for whom it is.
    pub(super) fn next(&mut self, now: u64) -> Next {
        if self.queue.len() == 0 {
            return Next::Nobody;
        }
        let pace = self.pace(now);
        let state = match gcra::reserve(self.state, &pace.limits, 1, now, now) {
            Reservation::Granted { state, .. } => state,
            Reservation::Refused { later_by } => {
                let later_by = later_by.unwrap_or(LOOK_AGAIN_NANOSECONDS);
                return Next::At(now.saturating_add(later_by));
            }
        };
        match self.queue.next(&pace.shares, now) {
            Some(ticket) => {
                self.state = state;
                let waited = Duration::from_nanos(now.saturating_sub(ticket.since));
                self.gave(ticket.demand.class, waited, now);
                Next::Permit(ticket)
            }
            None => Next::Nobody,
        }
    }

    /// AWS throttled: the rate falls, and nothing is sent for so long.
    pub(super) fn throttled(&mut self, now: u64, pause: u64) {
        self.rate = self.rate.throttled(&self.rules, now);
        let pace = self.pace(now);
        self.state = gcra::penalize(self.state, &pace.limits, now, pause);
        self.paused_until = self.paused_until.max(now.saturating_add(pause));
        self.uses.throttles += 1;
    }
}

#[cfg(test)]
#[path = "bucket_tests.rs"]
mod tests;
