//! The limits put together: in which order they count, and that a refusal takes nothing.

use super::*;

fn limits(change: impl FnOnce(&mut LimitsConfig)) -> Inbound {
    let mut limits = LimitsConfig::default();
    change(&mut limits);
    assert_eq!(limits.check(), Ok(()));
    Inbound::new(&limits, RefusedInbound::default())
}

fn caller(name: &str) -> CallerName {
    CallerName::parse(name).unwrap()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

const SECOND: u64 = 1_000_000_000;
const NOW: u64 = 3600 * SECOND;
const LIST: &str = "/usher.v1.GrantService/ListGrants";
const REVOKE: &str = "/usher.v1.AccessService/Revoke";

#[test]
fn a_caller_that_spent_its_burst_waits_exactly_as_long_as_it_is_told() {
    let inbound = limits(|limits| {
        (
            limits.rates.caller_cost_per_second,
            limits.rates.caller_burst,
        ) = (10, 100);
    });
    let (alice, list) = (caller("alice"), Method::of(LIST));
    for _ in 0..50 {
        inbound.admit_at(NOW, &alice, list, true).unwrap();
    }
    let wait = SECOND / 5;
    let refused = inbound.admit_at(NOW, &alice, list, true).unwrap_err();
    assert_eq!(refused, Refusal::CallerRate { wait });
    assert!(inbound.admit_at(NOW, &caller("bob"), list, true).is_ok());
    let later = |by| inbound.admit_at(NOW + by, &alice, list, true).is_ok();
    assert_eq!(
        [later(wait - 1), later(wait), later(wait)],
        [false, true, false]
    );
}

#[test]
fn a_call_without_a_slot_has_its_cost_back_and_one_beyond_its_rate_takes_no_slot() {
    let inbound = limits(|limits| {
        (
            limits.rates.caller_cost_per_second,
            limits.rates.caller_burst,
        ) = (1, 100);
        (
            limits.slots.calls_max,
            limits.slots.calls_kept_for_decisions,
        ) = (4, 1);
    });
    let (alice, bob) = (caller("alice"), caller("bob"));
    let (list, revoke) = (Method::of(LIST), Method::of(REVOKE));
    let held: Vec<_> = (0..3)
        .map(|_| inbound.admit_at(NOW, &bob, list, true))
        .collect();
    assert!(held.iter().all(Result::is_ok));
    // A hundred times as much as it may spend, and nothing is spent.
    for _ in 0..5000 {
        let refused = inbound.admit_at(NOW, &alice, list, true).unwrap_err();
        assert_eq!(refused, Refusal::ServerBusy { class: list.class });
    }
    for _ in 0..20 {
        assert!(inbound.admit_at(NOW, &alice, revoke, true).is_ok());
    }
    for _ in 0..100 {
        let refused = inbound.admit_at(NOW, &alice, revoke, true).unwrap_err();
        assert!(matches!(refused, Refusal::CallerRate { .. }), "{refused:?}");
    }
    // The last slot is still free, and so are the caller's places.
    assert!(inbound.admit_at(NOW, &bob, revoke, true).is_ok());
}

#[test]
fn what_the_handlers_do_not_serve_needs_no_slot() {
    let inbound = limits(|limits| {
        (
            limits.slots.calls_max,
            limits.slots.calls_kept_for_decisions,
        ) = (2, 1);
        (limits.slots.lists_percent, limits.slots.reports_percent) = (50, 50);
    });
    let reflection = Method::of("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
    let _held = inbound
        .admit(&caller("bob"), Method::of(LIST), true)
        .unwrap();
    assert!(
        inbound
            .admit_at(NOW, &caller("alice"), reflection, true)
            .is_err()
    );
    assert!(
        inbound
            .admit_at(NOW, &caller("alice"), reflection, false)
            .is_ok()
    );
}

#[test]
fn a_group_of_callers_has_limits_of_its_own_for_each_of_them() {
    let inbound = limits(|limits| {
        limits.callers = toml::from_str::<LimitsConfig>(
            "[[callers]]\ncallers = [\"service:ci-*\"]\ncost_per_second = 1\nburst = 100\ncalls_max = 1",
        )
        .unwrap()
        .callers;
    });
    let (one, other) = (caller("service:ci-1"), caller("service:ci-2"));
    let list = Method::of(LIST);
    let held = inbound.admit_at(NOW, &one, list, true).unwrap();
    let refused = inbound.admit_at(NOW, &one, list, true).unwrap_err();
    assert_eq!(refused, Refusal::CallerConcurrency);
    drop(held);
    for _ in 0..49 {
        inbound.admit_at(NOW, &one, list, true).unwrap();
    }
    assert!(inbound.admit_at(NOW, &one, list, true).is_err());
    assert!(inbound.admit_at(NOW, &other, list, true).is_ok());
    for _ in 0..500 {
        inbound
            .admit(&caller("service:portal"), list, true)
            .unwrap();
    }
}

#[test]
fn only_what_proves_nobody_counts_against_an_address() {
    let inbound = limits(|limits| {
        (
            limits.rates.address_failures_per_second,
            limits.rates.address_burst,
        ) = (1, 3);
    });
    let home = address("192.0.2.1");
    let attempt = |from| inbound.attempt_at(NOW, from, || false);
    let later = |by| inbound.attempt_at(NOW + by, home, || false);
    for _ in 0..1000 {
        attempt(home).unwrap().forgive();
    }
    for _ in 0..3 {
        // Whoever does not wait for the answer has tried all the same.
        attempt(home).unwrap();
    }
    let refused = attempt(home).err();
    assert_eq!(
        refused,
        Some(Refusal::AddressRate {
            wait: 1_000_000_000
        })
    );
    assert!(attempt(address("192.0.2.2")).is_ok());
    // What costs no signature check goes on, and neither takes nor gives anything.
    inbound.attempt_at(NOW, home, || true).unwrap().forgive();
    assert!(attempt(home).is_err());
    assert!(later(SECOND - 1).is_err() && later(SECOND).is_ok());
}

#[test]
fn an_address_is_a_host_or_an_ipv6_network() {
    for (text, expected) in [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
    ] {
        assert_eq!(network_of(address(text)), address(expected));
    }
}
