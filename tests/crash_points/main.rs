//! kill -9 at every named crash point, with faults of every kind, judged by the independent history
//! checker; random kills are in tests/kill_nine. And the two histories that timeouts and late reads
//! make dangerous.
//!
//! `USHER_CRASH_SEEDS` says how many histories a point gets, `USHER_CRASH_POINT` takes the points
//! whose names hold a text, `USHER_CRASH_FIRST_SEED` repeats a history, `USHER_CRASH_AT_ONCE` runs more
//! or fewer at once. `USHER_TIMEOUTS` and `USHER_LATE_VISIBILITY_SECONDS` give the other two their length.

#![expect(clippy::expect_used, reason = "a panic is how a test says no")]

mod brake;
#[path = "../common/mod.rs"]
mod common;
mod dangerous;
mod every_point;
mod run;
mod world;
