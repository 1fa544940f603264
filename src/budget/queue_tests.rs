//! The queue in virtual time: who is served when, over minutes that take no time.

use super::*;
use crate::budget::gcra::{self, Limits, Reservation, State};

const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MILLISECOND;
const EXPIRY_LEADS_AFTER: u64 = 5 * SECOND;

/// A bucket of 20 a second, and a burst of 5, with what waits for it.
struct Bench {
    limits: Limits,
    shares: Shares,
    state: State,
    queue: Queue,
    now: u64,
    /// What was served, and when.
    served: Vec<(u64, Ticket)>,
}

fn demand(class: Class, caller: &str) -> Demand {
    Demand::of(class, caller)
}

impl Bench {
    fn new() -> Self {
        let limits = Limits::new(20, 5);
        let shares = Shares {
            floor: limits.part(10),
            floor_percent: 10,
            slack: limits.half_interval(),
            expiry_leads_after: EXPIRY_LEADS_AFTER,
        };
        Self {
            limits,
            shares,
            state: State::empty(&limits, 0),
            queue: Queue::new(&shares, 0),
            now: 0,
            served: Vec::new(),
        }
    }

    fn ask(&mut self, class: Class, caller: &str) -> Ticket {
        self.queue.push(demand(class, caller), self.now)
    }

    /// Serves whatever falls due until then.
    fn run_until(&mut self, until: u64) {
        while self.queue.len() > 0 {
            match gcra::reserve(self.state, &self.limits, 1, self.now, until) {
                Reservation::Refused { .. } => break,
                Reservation::Granted { state, slot_at } => {
                    self.state = state;
                    self.now = slot_at;
                }
            }
            let ticket = self.queue.next(&self.shares, self.now).unwrap();
            self.served.push((self.now, ticket));
        }
        self.now = until;
    }

    /// How many permits there are up to one that this caller would ask for now.
    fn permits_until(&self, class: Class, caller: &str) -> u64 {
        let demand = demand(class, caller);
        (self.queue).permits_until(demand, 1, &self.shares, self.now)
    }

    fn served_of(&self, class: Class) -> usize {
        let all = self.served.iter();
        all.filter(|(_, ticket)| ticket.demand.class == class)
            .count()
    }

    /// The longest wait of what was served of a class, in milliseconds.
    fn longest_wait_of(&self, class: Class) -> u64 {
        let of_class = self.served.iter().filter(|it| it.1.demand.class == class);
        let waits = of_class.map(|(at, ticket)| at - ticket.since);
        waits.max().unwrap_or_default() / MILLISECOND
    }
}

#[test]
fn a_saturating_audit_uses_the_rate_and_keeps_no_grant_waiting() {
    let mut bench = Bench::new();
    for _ in 0..5_000 {
        bench.ask(Class::Audit, "auditor");
    }
    for step in 1..=600 {
        bench.ask(Class::Grant, "portal");
        bench.run_until(step * 200 * MILLISECOND);
    }
    let used = bench.served.len();
    assert!(used >= 20 * 120 * 98 / 100, "{used} of {}", 20 * 120);
    assert!(used <= 20 * 120 + 5, "{used} of {}", 20 * 120);
    assert_eq!(bench.served_of(Class::Grant), 600);
    assert!(bench.longest_wait_of(Class::Grant) <= 100);
}

#[test]
fn audits_reads_and_expiries_keep_a_tenth_each_whatever_is_asked_for() {
    let mut bench = Bench::new();
    for _ in 0..1_000 {
        bench.ask(Class::Audit, "auditor");
    }
    // 30 a second where 20 are served, an end and a question each second.
    for step in 1..=1_800 {
        bench.ask(Class::Grant, "portal");
        if step % 30 == 15 {
            bench.ask(Class::Read, "reader");
        }
        if step % 30 == 0 {
            bench.ask(Class::Expiry, "usher");
        }
        bench.run_until(step * SECOND / 30);
    }
    assert!(bench.served_of(Class::Audit) >= 114, "1.9 a second");
    assert!(bench.served_of(Class::Expiry) >= 58);
    assert!(bench.longest_wait_of(Class::Expiry) <= 1_100);
    assert!(bench.served_of(Class::Read) >= 58);
    assert!(bench.longest_wait_of(Class::Read) <= 1_100);
}

#[test]
fn callers_of_one_class_are_served_in_turn_whatever_their_backlog() {
    let mut bench = Bench::new();
    let names: Vec<String> = (1..=10).map(|number| format!("auditor-{number}")).collect();
    for (place, name) in names.iter().enumerate() {
        for _ in 0..40 * (1 + place * 10) {
            bench.ask(Class::Audit, name);
        }
    }
    // While all have work: the smallest has 40.
    bench.run_until(20 * SECOND);
    let share = |name: &String| {
        let key = CallerKey::of(name);
        let of = bench.served.iter().filter(|it| it.1.demand.caller == key);
        of.count() as f64
    };
    let shares: Vec<f64> = names.iter().map(share).collect();
    let (sum, squares) = shares.iter().fold((0.0, 0.0), |(sum, squares), share| {
        (sum + share, squares + share * share)
    });
    let jain = sum * sum / (10.0 * squares);
    assert!(jain >= 0.98, "{jain}: {shares:?}");
}

#[test]
fn a_thousand_operations_of_one_caller_cost_another_one_slot() {
    let mut bench = Bench::new();
    for _ in 0..1_000 {
        bench.ask(Class::Read, "crowd");
    }
    bench.run_until(SECOND);
    for step in 0..20 {
        bench.ask(Class::Read, "other");
        bench.run_until(SECOND + (step + 1) * 500 * MILLISECOND);
    }
    let key = CallerKey::of("other");
    let of_other = bench.served.iter().filter(|it| it.1.demand.caller == key);
    let waits: Vec<u64> = of_other.map(|(at, ticket)| at - ticket.since).collect();
    assert_eq!(waits.len(), 20);
    assert!(waits.iter().all(|wait| *wait <= 50 * MILLISECOND));
}

#[test]
fn classes_come_by_rank_and_an_old_expiry_before_grants() {
    let mut bench = Bench::new();
    // Their floors are paid for the next half second.
    for until in [600, 700] {
        for class in Class::WITH_FLOOR {
            bench.ask(class, "somebody");
        }
        bench.run_until(until * MILLISECOND);
    }
    bench.served.clear();
    let asked = [Class::Audit, Class::Read, Class::Expiry, Class::Grant];
    for class in asked.into_iter().chain([Class::BreakGlass]) {
        bench.ask(class, "somebody");
    }
    bench.run_until(SECOND);
    let order: Vec<Class> = bench.served.iter().map(|it| it.1.demand.class).collect();
    assert_eq!(order, Class::ALL);
    // Grants without end: an expiry leads once it is old, not only by its tenth.
    bench.served.clear();
    for _ in 0..40 {
        bench.ask(Class::Expiry, "usher");
    }
    let begun = bench.now;
    for step in 1..=300 {
        bench.ask(Class::Grant, "portal");
        bench.run_until(begun + step * SECOND / 20);
    }
    assert_eq!(bench.served_of(Class::Expiry), 40);
    assert!(
        bench.longest_wait_of(Class::Expiry) <= (EXPIRY_LEADS_AFTER + 2 * SECOND) / MILLISECOND
    );
}

#[test]
fn a_place_that_is_given_up_goes_to_the_next() {
    let mut bench = Bench::new();
    let given_up: Vec<Ticket> = (0..100).map(|_| bench.ask(Class::Grant, "one")).collect();
    let wanted = bench.ask(Class::Grant, "one");
    for ticket in &given_up {
        bench.queue.remove(ticket);
        bench.queue.remove(ticket);
    }
    assert_eq!(bench.queue.len(), 1);
    assert_eq!(bench.permits_until(Class::Grant, "two"), 2);
    bench.run_until(SECOND);
    assert_eq!(bench.served, [(50 * MILLISECOND, wanted)]);
    assert_eq!(bench.queue.next(&bench.shares, SECOND), None);
}

#[test]
fn what_is_foretold_is_what_comes_where_nobody_else_asks() {
    let mut bench = Bench::new();
    for number in 0..30 {
        bench.ask(Class::Read, &format!("reader-{}", number % 3));
    }
    let permits = bench.permits_until(Class::Read, "reader-0");
    let foretold = gcra::wait_for(bench.state, &bench.limits, permits, 0).unwrap();
    let mine = bench.ask(Class::Read, "reader-0");
    bench.run_until(10 * SECOND);
    let came = bench.served.iter().find(|it| it.1 == mine).unwrap().0;
    assert_eq!(came, foretold);
}

#[test]
fn whose_turn_is_near_is_told_so() {
    for caller in ["nobody", "reader-0", "reader-29", "reader-30", "reader-99"] {
        let mut bench = Bench::new();
        for number in 0..300 {
            bench.ask(Class::Read, &format!("reader-{}", number % 100));
        }
        // Thirty have had their first turn.
        bench.run_until(1_500 * MILLISECOND);
        assert_eq!(bench.served.len(), 30);
        let told = bench.permits_until(Class::Read, caller);
        let mine = bench.ask(Class::Read, caller);
        let mut queue = std::iter::from_fn(|| bench.queue.next(&bench.shares, bench.now));
        let came = queue.position(|ticket| ticket == mine).unwrap() + 1;
        assert_eq!(told, came as u64, "{caller}");
    }
}
