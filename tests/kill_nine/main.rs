//! `usher serve` as a process of its own: killed at random moments a hundred times, started again
//! on the same data directory, and judged afterwards by what its clients were told, by its own
//! grants and by the simulated AWS. And what the command refuses, and how it ends.
//!
//! `USHER_KILL_SEED` repeats a history of kills; `USHER_KILL_ROUNDS` makes it shorter or longer.

#![expect(clippy::expect_used, reason = "a panic is how a test says no")]

mod command_line;
#[path = "../common/mod.rs"]
mod common;
mod judge;
mod redeploys;
mod rounds;
