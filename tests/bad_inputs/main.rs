//! The surface against wrong inputs, over real connections: each gets the promised code and
//! details, nothing is written, nothing of AWS or of the store leaks, and the server goes on.
//! One file an idea; `check` is the one way in which refusals are checked.

#![expect(clippy::unwrap_used, reason = "a panic is how a test says no")]

mod accepted;
mod accounts;
mod arns;
mod bench;
mod bounds;
mod check;
mod connections;
mod credentials;
mod fields;
mod framing;
mod limits;
mod names;
mod pages;
mod policies;
mod reasons;
mod reviewers;
mod roles;
#[allow(dead_code, reason = "the other tests of tokens use more of it")]
#[path = "../authentication/signer.rs"]
mod signer;
mod watches;
mod wire;
