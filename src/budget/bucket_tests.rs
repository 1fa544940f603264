//! A bucket against a simulated quota of AWS, in virtual time: minutes that take no time. What it promises
//! of rates, throttles, waits and shares is measured here as benches/budget.rs measures it over HTTP.

use super::*;

const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MILLISECOND;

/// AWS's quota: a token bucket, as the simulator has it, that begins full.
struct Aws {
    per_second: f64,
    burst: f64,
    tokens: f64,
    seen_at: u64,
}

impl Aws {
    fn takes(&mut self, now: u64) -> bool {
        let passed = now.saturating_sub(self.seen_at) as f64 / SECOND as f64;
        self.tokens = (self.tokens + passed * self.per_second).min(self.burst);
        self.seen_at = self.seen_at.max(now);
        let takes = self.tokens >= 1.0;
        self.tokens -= f64::from(u8::from(takes));
        takes
    }
}

struct Served {
    at: u64,
    ticket: Ticket,
}

/// A bucket, AWS behind it, and the way between: each operation takes up to so long to arrive.
struct World {
    bucket: Bucket,
    aws: Aws,
    jitter: u64,
    /// How late the process is to hand out what is due, at most.
    lateness: u64,
    random: fastrand::Rng,
    now: u64,
    /// What is on its way: when it arrives.
    on_the_way: std::collections::BTreeSet<u64>,
    served: Vec<Served>,
    arrived: u64,
    throttled: u64,
}

fn config() -> BudgetConfig {
    BudgetConfig::default()
}

impl World {
    fn new(config: BudgetConfig, aws_burst: f64) -> Self {
        Self {
            bucket: Bucket::new(config, 20, 0),
            aws: Aws {
                per_second: 20.0,
                burst: aws_burst,
                tokens: aws_burst,
                seen_at: 0,
            },
            jitter: 0,
            lateness: 0,
            random: fastrand::Rng::with_seed(7),
            now: 0,
            on_the_way: std::collections::BTreeSet::new(),
            served: Vec::new(),
            arrived: 0,
            throttled: 0,
        }
    }

    fn ask(&mut self, class: Class, caller: &str) -> Ticket {
        let now = self.now;
        self.bucket.push(Demand::of(class, caller), now).0
    }

    /// Takes at once what may be had at once, as the handle does; else asks.
    fn want(&mut self, class: Class, caller: &str) {
        if self.bucket.take_at_once(class, self.now) {
            let demand = Demand::of(class, caller);
            let (id, since) = (0, self.now);
            self.send(Ticket { id, demand, since });
        } else {
            self.ask(class, caller);
        }
    }

    fn send(&mut self, ticket: Ticket) {
        self.served.push(Served {
            at: self.now,
            ticket,
        });
        let mut arrival = self.now + self.random.u64(0..=self.jitter);
        while !self.on_the_way.insert(arrival) {
            arrival += 1;
        }
    }

    fn arrive_until(&mut self, until: u64) {
        while let Some(first) = self.on_the_way.first().copied()
            && first <= until
        {
            self.on_the_way.remove(&first);
            self.arrived += 1;
            if !self.aws.takes(first) {
                self.throttled += 1;
                self.bucket.throttled(first, SECOND);
            }
        }
    }

    /// Everything that falls due until then.
    fn run_until(&mut self, until: u64) {
        while self.now < until {
            self.bucket.see(self.now);
            self.arrive_until(self.now);
            match self.bucket.next(self.now) {
                Next::Permit(ticket) => self.send(ticket),
                Next::At(time) => {
                    let late = self.random.u64(0..=self.lateness);
                    let arrival = self.on_the_way.first().copied().unwrap_or(until);
                    self.now = (time + late).min(arrival.max(self.now + 1)).min(until);
                }
                Next::Nobody => {
                    let arrival = self.on_the_way.first().copied().unwrap_or(until);
                    self.now = arrival.max(self.now + 1).min(until);
                }
            }
        }
        self.arrive_until(until);
    }

    fn saturate(&mut self, operations: usize) {
        for number in 0..operations {
            self.ask(Class::Audit, if number % 2 == 0 { "one" } else { "two" });
        }
    }

    fn sent_between(&self, from: u64, to: u64) -> usize {
        let all = self.served.iter();
        all.filter(|it| (from..to).contains(&it.at)).count()
    }

    /// The waits of a class in milliseconds, shortest first.
    fn waits_of(&self, class: Class) -> Vec<u64> {
        let of = self
            .served
            .iter()
            .filter(|it| it.ticket.demand.class == class);
        let mut waits: Vec<u64> = of
            .map(|it| (it.at - it.ticket.since) / MILLISECOND)
            .collect();
        waits.sort_unstable();
        waits
    }
}

fn p99(waits: &[u64]) -> u64 {
    waits[(waits.len() - 1) * 99 / 100]
}

#[test]
fn a_saturating_audit_uses_the_rate_without_a_throttle_whatever_burst_aws_has() {
    for aws_burst in [20.0, 5.0, 3.0, 2.0] {
        let mut world = World::new(config(), aws_burst);
        world.jitter = 20 * MILLISECOND;
        world.lateness = 10 * MILLISECOND;
        world.saturate(3_000);
        for step in 1..=600 {
            world.want(Class::Grant, "portal");
            world.run_until(step * 200 * MILLISECOND);
        }
        let used = world.sent_between(0, 120 * SECOND);
        assert!(used >= 2_400 * 98 / 100, "{used} at burst {aws_burst}");
        assert!(used <= 2_402, "{used} at burst {aws_burst}");
        assert_eq!(world.throttled, 0, "at burst {aws_burst}");
        assert!(p99(&world.waits_of(Class::Grant)) <= 150);
    }
}

#[test]
fn work_that_comes_in_bursts_is_not_throttled_either() {
    for aws_burst in [20.0, 5.0, 3.0, 2.0] {
        let mut world = World::new(config(), aws_burst);
        world.jitter = 5 * MILLISECOND;
        for step in 1..=400 {
            for _ in 0..3 {
                world.want(Class::Grant, "portal");
            }
            world.run_until(step * 500 * MILLISECOND);
        }
        assert_eq!(world.arrived, 1_200);
        assert_eq!(world.throttled, 0, "at burst {aws_burst}");
    }
}

#[test]
fn aws_that_falls_to_eight_a_second_and_comes_back_throttles_little_and_is_used_in_full_again() {
    for aws_burst in [20.0, 3.0] {
        let mut world = World::new(config(), aws_burst);
        world.jitter = 20 * MILLISECOND;
        world.saturate(5_000);
        world.run_until(60 * SECOND);
        world.aws.per_second = 8.0;
        world.run_until(120 * SECOND);
        world.aws.per_second = 20.0;
        world.run_until(240 * SECOND);
        let percent = world.throttled as f64 * 100.0 / world.arrived as f64;
        assert!(percent <= 1.0, "{percent} % at burst {aws_burst}");
        assert!(world.throttled > 0);
        let slow = world.sent_between(60 * SECOND, 120 * SECOND);
        assert!(
            slow >= 60 * 8 * 80 / 100,
            "{slow} of 480 at burst {aws_burst}"
        );
        let again = world.sent_between(180 * SECOND, 240 * SECOND);
        assert!(again >= 60 * 20 * 98 / 100, "{again} at burst {aws_burst}");
    }
}

#[test]
fn aws_that_takes_nothing_for_a_while_is_asked_seldom_and_then_used_in_full_again() {
    let mut world = World::new(config(), 3.0);
    world.saturate(6_000);
    world.run_until(10 * SECOND);
    world.aws.per_second = 0.0;
    world.run_until(70 * SECOND);
    let asked = world.sent_between(15 * SECOND, 70 * SECOND);
    assert!((40..=70).contains(&asked), "about once a second: {asked}");
    world.aws.per_second = 20.0;
    world.run_until(200 * SECOND);
    let again = world.sent_between(140 * SECOND, 200 * SECOND);
    assert!(again >= 60 * 20 * 98 / 100, "{again}");
}

#[test]
fn more_interactive_work_than_there_is_rate_leaves_reports_a_tenth_and_is_told_its_true_wait() {
    let mut world = World::new(config(), 3.0);
    world.saturate(1_000);
    let mut told = Vec::new();
    for step in 1..=1_800_u64 {
        let demand = Demand::of(Class::Grant, "portal");
        let wait = world.bucket.wait_of(demand, 1, world.now).unwrap();
        // Who would wait longer than five seconds is refused.
        if wait <= 5 * SECOND {
            let ticket = world.ask(Class::Grant, "portal");
            told.push((ticket, wait));
        }
        world.run_until(step * SECOND / 30);
    }
    let audits = world.waits_of(Class::Audit).len();
    assert!(audits >= 114, "{audits} in a minute");
    for (ticket, wait) in told {
        let served = world.served.iter().find(|it| it.ticket == ticket);
        let Some(served) = served else { continue };
        let came = served.at - ticket.since;
        assert!(came.abs_diff(wait) <= 160 * MILLISECOND, "{came} {wait}");
    }
}

#[test]
fn break_glass_borrows_and_is_there_within_a_tenth_of_a_second() {
    let mut world = World::new(config(), 20.0);
    world.saturate(7_000);
    world.run_until(20 * SECOND);
    for step in 1..=20 {
        for _ in 0..3 {
            world.want(Class::BreakGlass, "on-call");
        }
        world.run_until(20 * SECOND + step * 15 * SECOND);
    }
    let waits = world.waits_of(Class::BreakGlass);
    assert_eq!(waits.len(), 60);
    assert!(p99(&waits) <= 100, "{waits:?}");
    assert_eq!(world.throttled, 0);
}

#[test]
fn a_clock_that_jumps_an_hour_either_way_stops_nobody_and_gives_no_flood() {
    let hour = 3_600 * SECOND;
    let mut world = World::new(config(), 3.0);
    world.now = 2 * hour;
    world.bucket = Bucket::new(config(), 20, world.now);
    world.aws.seen_at = world.now;
    world.saturate(5_000);
    let second = world.now + SECOND;
    world.run_until(second);
    world.bucket.throttled(world.now, SECOND);
    for jumped_to in [hour, 5 * hour] {
        world.now = jumped_to;
        // AWS's clock has not jumped.
        world.aws.seen_at = jumped_to;
        world.run_until(jumped_to + 100 * SECOND);
        let last = world.sent_between(jumped_to + 80 * SECOND, jumped_to + 100 * SECOND);
        assert!(last >= 20 * 20 * 98 / 100, "{last}");
        let most = world.sent_between(jumped_to, jumped_to + SECOND);
        assert!(most <= 22, "{most}");
    }
    assert_eq!(world.throttled, 0);
}

#[test]
fn a_rate_of_nothing_keeps_everybody_and_forgets_nobody() {
    let mut world = World::new(config(), 20.0);
    world.bucket = Bucket::new(config(), 0, 0);
    world.saturate(10_000);
    world.run_until(60 * SECOND);
    assert_eq!(world.served.len(), 0);
    assert_eq!(
        world
            .bucket
            .wait_of(Demand::usher(Class::Grant), 1, world.now),
        None
    );
    assert_eq!(world.bucket.next(world.now), Next::At(61 * SECOND));
    // The rate is back: all come to their turn, and nothing is left behind.
    world.bucket.rules = config().rate_rules(1000);
    world.bucket.rate = Rate::full(&world.bucket.rules, world.now);
    world.aws.per_second = 1000.0;
    world.run_until(72 * SECOND);
    assert_eq!(world.served.len(), 10_000);
    assert_eq!(world.bucket.queue.len(), 0);
    assert_eq!(world.bucket.next(world.now), Next::Nobody);
}
