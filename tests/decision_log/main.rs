//! The decision log of a whole service: who reads and watches it misses nothing, sees nothing twice and
//! nothing that is not for its eyes; and who has the database afterwards finds what was done to it.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a panic is how a test says no"
)]

#[path = "../common/mod.rs"]
mod common;
mod crash;
mod kept;
mod read;
mod support;
mod tampered;
mod watch;
mod watch_ends;
