//! Several replicas of `usher serve` on one PostgreSQL database, each a process of its own: killed, stopped and
//! replaced while their clients call, and the database restarted, stopped and failed over under them. Judged by what
//! clients were told, by the store and by the simulated AWS. Each test prints its figure.
//!
//! `USHER_KILL_SEED` repeats a history of kills as far as processes can; `USHER_RACES` makes the races more or fewer.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a panic is how a test says no"
)]

mod callers;
mod clocks;
mod cluster;
#[path = "../common/mod.rs"]
mod common;
mod dispatch;
mod failover;
mod fleet;
mod forwarder;
mod freezing;
mod health;
mod history;
#[path = "../kill_nine/judge.rs"]
mod judge;
mod kills;
mod lanes;
mod outages;
mod people;
mod postgres_process;
mod races;
mod resumption;
mod retries;
mod rolling;
#[allow(dead_code, reason = "the tests of authentication use more of it")]
#[path = "../authentication/signer.rs"]
mod signer;
mod stopped;
mod verdict;
mod watching;
#[allow(dead_code, reason = "the other tests of the wire use more of it")]
#[path = "../bad_inputs/wire.rs"]
mod wire;
mod work;
mod worlds;
