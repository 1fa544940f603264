//! `usher backup` and `usher restore` as processes of their own, against a simulated AWS: what a backup holds,
//! that a restored store does nothing before it is unfrozen, and that its plan tells the truth.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a panic is how a test says no"
)]

#[path = "../common/mod.rs"]
mod common;
mod dumped;
mod plans;
#[allow(dead_code, reason = "other tests use more of it")]
#[path = "../common/postgresql.rs"]
mod postgresql;
mod refused;
mod restored;
mod support;
mod under_load;
mod unknown_instance;
