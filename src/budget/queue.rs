//! Who gets the next permit of a bucket: classes by their rank, the callers of a class in turn, and
//! floors for those whom others would keep waiting for ever.
//!
//! Pure: times are nanoseconds since any fixed moment and come as arguments. Nothing here waits, and
//! nothing here gives a permit that the rate does not have.

use super::callers::CallerKey;
use super::gcra::{Limits, State, is_due};
use super::lane::Lane;

/// What an operation on AWS is for. The order is the rank: who comes first is served first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Access that is taken at once in an emergency.
    BreakGlass,
    /// What somebody waits for: a grant, or its end by somebody.
    Grant,
    /// An end whose time has come.
    Expiry,
    /// A question.
    Read,
    /// A report, and what Usher looks after by itself.
    Audit,
}

impl Class {
    /// Every class, by rank.
    pub const ALL: [Self; 5] = [
        Self::BreakGlass,
        Self::Grant,
        Self::Expiry,
        Self::Read,
        Self::Audit,
    ];
    /// Those that others could keep waiting for ever.
    pub(super) const WITH_FLOOR: [Self; 3] = [Self::Expiry, Self::Read, Self::Audit];

    /// Its word, for labels and people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BreakGlass => "break_glass",
            Self::Grant => "grant",
            Self::Expiry => "expiry",
            Self::Read => "read",
            Self::Audit => "audit",
        }
    }

    pub(super) fn has_floor(self) -> bool {
        Self::WITH_FLOOR.contains(&self)
    }
}

/// For what, and for whom, an operation is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// What for.
    pub class: Class,
    /// For whom: callers of one class take turns.
    pub caller: CallerKey,
}

impl Demand {
    /// Of something that Usher does by itself.
    #[must_use]
    pub const fn usher(class: Class) -> Self {
        Self {
            class,
            caller: CallerKey::USHER,
        }
    }

    /// Of somebody's.
    #[must_use]
    pub fn of(class: Class, caller: &str) -> Self {
        Self {
            class,
            caller: CallerKey::of(caller),
        }
    }
}

/// One operation that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket {
    /// Its number: later ones are greater.
    pub(super) id: u64,
    /// For what and for whom.
    pub(super) demand: Demand,
    /// Since when it waits.
    pub(super) since: u64,
}

/// How the classes share a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shares {
    /// What is kept for each class with a floor.
    pub(super) floor: Limits,
    /// The same in percent of the rate.
    pub(super) floor_percent: u64,
    /// How early a floor is paid.
    pub(super) slack: u64,
    /// An expiry that has waited so long goes before grants.
    pub(super) expiry_leads_after: u64,
}

/// The operations that wait for one bucket.
#[derive(Debug)]
pub(super) struct Queue {
    lanes: [Lane; Class::ALL.len()],
    /// Of each class; those without one are never looked at.
    floors: [State; Class::ALL.len()],
    last_id: u64,
}

impl Queue {
    pub(super) fn new(shares: &Shares, now: u64) -> Self {
        Self {
            lanes: Default::default(),
            floors: [State::empty(&shares.floor, now); Class::ALL.len()],
            last_id: 0,
        }
    }

    /// Puts an operation in. Answers its ticket.
    pub(super) fn push(&mut self, demand: Demand, now: u64) -> Ticket {
        self.last_id += 1;
        let ticket = Ticket {
            id: self.last_id,
            demand,
            since: now,
        };
        self.lane(demand.class).push(ticket);
        ticket
    }

    /// Takes an operation out that is not wanted any more; its place goes to the next.
    pub(super) fn remove(&mut self, ticket: &Ticket) {
        self.lane(ticket.demand.class).remove(ticket);
    }

    /// The clock went back: no time has passed.
    pub(super) fn clock_went_back(&mut self, now: u64) {
        self.floors = self.floors.map(|floor| floor.at(now));
    }

    pub(super) fn len(&self) -> usize {
        self.lanes.iter().map(|lane| lane.len()).sum()
    }

    /// How many permits there are up to the last that so many operations of the demand's would get, as
    /// things are: those of higher classes, of its own class those whose turn is before it, and what is
    /// kept meanwhile for the classes below.
    pub(super) fn permits_until(
        &self,
        demand: Demand,
        count: u64,
        shares: &Shares,
        now: u64,
    ) -> u64 {
        let goes_before = |class: Class| {
            class < demand.class
                || class == Class::Expiry
                    && demand.class == Class::Grant
                    && self.expiry_leads(shares, now)
        };
        let higher = Class::ALL.into_iter().filter(|class| goes_before(*class));
        let higher: usize = higher.map(|class| self.lanes[class as usize].len()).sum();
        let own = self.lanes[demand.class as usize].ahead_of(demand.caller);
        let wanted = ((higher + own) as u64).saturating_add(count);
        if demand.class == Class::BreakGlass {
            return wanted;
        }
        let below = Class::WITH_FLOOR.into_iter();
        let below = below.filter(|class| *class > demand.class && !goes_before(*class));
        let below: Vec<Class> = below.filter(|class| self.waits(*class)).collect();
        let owed = below
            .iter()
            .filter(|class| self.is_owed(**class, shares, now));
        let kept = below.len() as u64 * shares.floor_percent;
        let beside = wanted.saturating_mul(kept) / 100_u64.saturating_sub(kept).max(1);
        wanted
            .saturating_add(owed.count() as u64)
            .saturating_add(beside)
    }

    /// How many of its own class come before such an operation.
    pub(super) fn ahead_in_class(&self, demand: Demand) -> u64 {
        self.lanes[demand.class as usize].ahead_of(demand.caller) as u64
    }

    /// Takes out whom the permit of now is for.
    pub(super) fn next(&mut self, shares: &Shares, now: u64) -> Option<Ticket> {
        let class = self.next_class(shares, now)?;
        let ticket = self.lane(class).pop()?;
        // Whatever it was served for counts: a floor is a least, not an extra.
        self.floors[class as usize] = State::empty(&shares.floor, now);
        Some(ticket)
    }

    /// Of what class the next permit is for, and whether that class has had less than its floor.
    pub(super) fn next_of(&self, shares: &Shares, now: u64) -> Option<(Class, bool)> {
        let class = self.next_class(shares, now)?;
        let is_owed = class.has_floor() && self.is_owed(class, shares, now);
        Some((class, is_owed))
    }

    fn next_class(&self, shares: &Shares, now: u64) -> Option<Class> {
        if self.waits(Class::BreakGlass) {
            return Some(Class::BreakGlass);
        }
        let is_owed = |class: &Class| self.waits(*class) && self.is_owed(*class, shares, now);
        if let Some(class) = Class::WITH_FLOOR.into_iter().find(is_owed) {
            return Some(class);
        }
        if self.expiry_leads(shares, now) {
            return Some(Class::Expiry);
        }
        Class::ALL.into_iter().find(|class| self.waits(*class))
    }

    fn waits(&self, class: Class) -> bool {
        self.lanes[class as usize].len() > 0
    }

    /// Whether a class has had less than its floor.
    fn is_owed(&self, class: Class, shares: &Shares, now: u64) -> bool {
        // Half a slot early, or a permit that comes a moment late would cost the floor a whole slot.
        let soon = now.saturating_add(shares.slack);
        is_due(self.floors[class as usize], &shares.floor, soon)
    }

    /// Whether an end has waited so long that it goes before grants.
    fn expiry_leads(&self, shares: &Shares, now: u64) -> bool {
        let oldest = self.lanes[Class::Expiry as usize].oldest();
        oldest.is_some_and(|since| now.saturating_sub(since) >= shares.expiry_leads_after)
    }

    /// How many operations of a class wait, and since when the oldest.
    pub(super) fn waiting_of(&self, class: Class) -> (usize, Option<u64>) {
        let lane = &self.lanes[class as usize];
        (lane.len(), lane.oldest())
    }

    /// Who waits in a class, with how many operations each; in no order.
    pub(super) fn callers_of(&self, class: Class) -> impl Iterator<Item = (CallerKey, usize)> {
        self.lanes[class as usize].waiting()
    }

    fn lane(&mut self, class: Class) -> &mut Lane {
        &mut self.lanes[class as usize]
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
