//! The AWS side against the simulator over HTTP: the adapter with its budget, and the directory
//! with the real store on top. One binary, because linking the SDK takes longer than the tests.

#![expect(
    clippy::unwrap_used,
    reason = "a panic is how a test, and what only tests call, says no"
)]

mod account_faults;
mod accounts;
mod accounts_directory;
mod ambient;
mod answers;
mod budget;
mod company;
mod directory;
mod discovery;
mod faults;
mod lookups;
mod organization;
mod roles;
mod support;
