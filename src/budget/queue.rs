//! Who gets the next permit of a bucket: classes by their rank, the callers of a class in turn, and
//! floors for those whom others would keep waiting for ever.
//!
//! Pure: times are nanoseconds since any fixed moment and come as arguments. Nothing here waits, and
//! nothing here gives a permit that the rate does not have.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::gcra::{Limits, State, is_due};

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
            caller: CallerKey(0),
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

/// Who waits: a hash of the name, since only turns are counted by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallerKey(u64);

impl CallerKey {
    /// The key of a caller. Two names with one key would only take their turns together.
    fn of(name: &str) -> Self {
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        Self(hasher.finish())
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

    pub(super) fn len(&self) -> usize {
        self.lanes.iter().map(|lane| lane.len).sum()
    }

    /// How many permits come before one that such an operation would get, as things are: those of
    /// higher classes, and of its own class those whose turn is before it.
    pub(super) fn ahead_of(&self, demand: Demand) -> u64 {
        let higher = Class::ALL.iter().filter(|class| **class < demand.class);
        let higher: usize = higher.map(|class| self.lanes[*class as usize].len).sum();
        let own = self.lanes[demand.class as usize].ahead_of(demand.caller);
        (higher + own) as u64
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

    fn next_class(&self, shares: &Shares, now: u64) -> Option<Class> {
        let waits = |class: Class| self.lanes[class as usize].len > 0;
        if waits(Class::BreakGlass) {
            return Some(Class::BreakGlass);
        }
        // Half a slot early, or a permit that comes a moment late would cost the floor a whole slot.
        let soon = now.saturating_add(shares.slack);
        let is_owed = |class: &Class| {
            waits(*class) && is_due(self.floors[*class as usize], &shares.floor, soon)
        };
        if let Some(class) = Class::WITH_FLOOR.into_iter().find(is_owed) {
            return Some(class);
        }
        let oldest = self.lanes[Class::Expiry as usize].oldest();
        let leads = |since: u64| now.saturating_sub(since) >= shares.expiry_leads_after;
        if oldest.is_some_and(leads) {
            return Some(Class::Expiry);
        }
        Class::ALL.into_iter().find(|class| waits(*class))
    }

    fn lane(&mut self, class: Class) -> &mut Lane {
        &mut self.lanes[class as usize]
    }
}

/// The operations of one class, their callers in turn.
#[derive(Debug, Default)]
struct Lane {
    /// What each caller waits for, oldest first. An empty entry keeps its turn until it comes.
    waiting: HashMap<CallerKey, BTreeMap<u64, Ticket>>,
    turns: VecDeque<CallerKey>,
    len: usize,
}

impl Lane {
    fn push(&mut self, ticket: Ticket) {
        let caller = ticket.demand.caller;
        let waiting = self.waiting.entry(caller).or_insert_with(|| {
            self.turns.push_back(caller);
            BTreeMap::new()
        });
        waiting.insert(ticket.id, ticket);
        self.len += 1;
    }

    fn remove(&mut self, ticket: &Ticket) {
        let waiting = self.waiting.get_mut(&ticket.demand.caller);
        if waiting.is_some_and(|waiting| waiting.remove(&ticket.id).is_some()) {
            self.len -= 1;
        }
    }

    /// The oldest of whose turn it is.
    fn pop(&mut self) -> Option<Ticket> {
        while let Some(caller) = self.turns.pop_front() {
            let first = self.waiting.get_mut(&caller).and_then(BTreeMap::pop_first);
            match first {
                Some((_, ticket)) => {
                    self.turns.push_back(caller);
                    self.len -= 1;
                    return Some(ticket);
                }
                None => {
                    self.waiting.remove(&caller);
                }
            }
        }
        None
    }

    fn oldest(&self) -> Option<u64> {
        let firsts = self.waiting.values().filter_map(|it| it.first_key_value());
        firsts.map(|(_, ticket)| ticket.since).min()
    }

    /// How many are served before one more of this caller: of every caller as many as of this one,
    /// at most, and its own.
    fn ahead_of(&self, caller: CallerKey) -> usize {
        let own = self.waiting.get(&caller).map_or(0, BTreeMap::len);
        let others = self.waiting.iter().filter(|(key, _)| **key != caller);
        let others: usize = others.map(|(_, it)| it.len().min(own + 1)).sum();
        own + others
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
