//! The operations of one class, their callers in turn. Pure; nothing here knows of classes or of time.
//!
//! Callers stand in two lines. Those who have not had a turn since they came go first, once: who asks now
//! and then waits for one slot, whatever others have queued. Who asks on takes turns with the others.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasherDefault;

use super::callers::{CallerKey, KeyHasher};
use super::queue::Ticket;

/// The operations of one class.
#[derive(Debug, Default)]
pub(super) struct Lane {
    callers: HashMap<CallerKey, Caller, BuildHasherDefault<KeyHasher>>,
    newcomers: Line,
    turns: Line,
    len: usize,
}

/// What one caller waits for. It keeps its place until its turn comes, also when nothing is left.
#[derive(Debug)]
struct Caller {
    /// Oldest first.
    tickets: VecDeque<Ticket>,
    is_newcomer: bool,
    number: u64,
}

/// Callers one behind the other. Nobody leaves it but at its head, so that a number finds its place.
#[derive(Debug, Default)]
struct Line {
    places: VecDeque<Place>,
    /// The number of the first.
    first: u64,
}

/// A place in a line: with how much waits beside it, since that is asked of all of them for each who comes.
#[derive(Debug, Clone, Copy)]
struct Place {
    caller: CallerKey,
    waiting: usize,
}

impl Line {
    fn push(&mut self, place: Place) -> u64 {
        self.places.push_back(place);
        self.first + self.places.len() as u64 - 1
    }

    fn pop(&mut self) -> Option<CallerKey> {
        let place = self.places.pop_front()?;
        self.first += 1;
        Some(place.caller)
    }

    fn index(&self, number: u64) -> usize {
        usize::try_from(number.saturating_sub(self.first)).unwrap_or(usize::MAX)
    }

    fn set(&mut self, number: u64, waiting: usize) {
        let index = self.index(number);
        if let Some(place) = self.places.get_mut(index) {
            place.waiting = waiting;
        }
    }

    /// What those at these places are served in so many turns.
    fn served(&self, places: std::ops::Range<usize>, turns: usize) -> usize {
        if turns == 0 {
            return 0;
        }
        let places = self.places.range(places);
        places.map(|place| place.waiting.min(turns)).sum()
    }
}

impl Lane {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn push(&mut self, ticket: Ticket) {
        let key = ticket.demand.caller;
        let caller = self.callers.entry(key).or_insert_with(|| {
            let place = Place {
                caller: key,
                waiting: 0,
            };
            Caller {
                tickets: VecDeque::new(),
                is_newcomer: true,
                number: self.newcomers.push(place),
            }
        });
        caller.tickets.push_back(ticket);
        self.note_waiting(key);
        self.len += 1;
    }

    /// Takes an operation out, if it is there.
    pub(super) fn remove(&mut self, ticket: &Ticket) {
        let key = ticket.demand.caller;
        let Some(caller) = self.callers.get_mut(&key) else {
            return;
        };
        // Numbers of tickets rise.
        let found = caller.tickets.binary_search_by_key(&ticket.id, |it| it.id);
        let Ok(index) = found else {
            return;
        };
        caller.tickets.remove(index);
        self.note_waiting(key);
        self.len -= 1;
    }

    /// Writes beside a caller's place how much it waits for.
    fn note_waiting(&mut self, key: CallerKey) {
        let Some(caller) = self.callers.get(&key) else {
            return;
        };
        let line = if caller.is_newcomer {
            &mut self.newcomers
        } else {
            &mut self.turns
        };
        line.set(caller.number, caller.tickets.len());
    }

    /// The oldest of whose turn it is.
    pub(super) fn pop(&mut self) -> Option<Ticket> {
        loop {
            let key = self.newcomers.pop().or_else(|| self.turns.pop())?;
            let caller = self.callers.get_mut(&key)?;
            match caller.tickets.pop_front() {
                Some(ticket) => {
                    let waiting = caller.tickets.len();
                    caller.is_newcomer = false;
                    caller.number = self.turns.push(Place {
                        caller: key,
                        waiting,
                    });
                    self.len -= 1;
                    return Some(ticket);
                }
                None => {
                    self.callers.remove(&key);
                }
            }
        }
    }

    /// Since when the oldest waits.
    pub(super) fn oldest(&self) -> Option<u64> {
        let callers = self.callers.values();
        let firsts = callers.filter_map(|caller| caller.tickets.front());
        firsts.map(|ticket| ticket.since).min()
    }

    /// How many are served before one more of this caller: its own, and of every other as many as it has
    /// turns until then. Those before it have one more than those behind it.
    pub(super) fn ahead_of(&self, key: CallerKey) -> usize {
        let caller = self.callers.get(&key);
        let own = caller.map_or(0, |caller| caller.tickets.len());
        let (newcomers, turns) = (self.newcomers.places.len(), self.turns.places.len());
        // One that is not here yet comes as the last newcomer.
        let (before, place) = match caller {
            None => (newcomers, None),
            Some(caller) if caller.is_newcomer => {
                let index = self.newcomers.index(caller.number);
                (index, Some(index))
            }
            Some(caller) => {
                let index = self.turns.index(caller.number);
                (newcomers + index, Some(newcomers + index))
            }
        };
        let behind = place.map_or(before, |place| place + 1);
        let before = self.newcomers.served(0..before.min(newcomers), own + 1)
            + self
                .turns
                .served(0..before.saturating_sub(newcomers), own + 1);
        let behind = self.newcomers.served(behind.min(newcomers)..newcomers, own)
            + self
                .turns
                .served(behind.saturating_sub(newcomers)..turns, own);
        own + before + behind
    }

    /// Who waits, with how many operations each; in no order.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (CallerKey, usize)> {
        let lines = self.newcomers.places.iter().chain(&self.turns.places);
        let waiting = lines.filter(|place| place.waiting > 0);
        waiting.map(|place| (place.caller, place.waiting))
    }
}
