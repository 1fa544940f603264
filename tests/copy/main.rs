//! `usher copy`: a store that was filled in SQLite answers the same in PostgreSQL, or nothing was copied. And what
//! comes before it: `usher migrate`, and the roles.
#![expect(
    clippy::unwrap_used,
    reason = "tests: a panic is how a test says no, in their helpers too"
)]

mod columns;
mod command;
#[allow(dead_code, reason = "the tests of stores use more of it")]
#[path = "../store_conformance/common.rs"]
mod common;
#[allow(dead_code, reason = "the tests of stores use more of it")]
#[path = "../store_conformance/fact_rows.rs"]
mod fact_rows;
mod fill;
mod killed;
mod log;
mod migrate;
#[allow(dead_code, reason = "the tests of replicas use more of it")]
#[path = "../common/postgresql.rs"]
mod postgresql;
mod refusals;
mod roles;
mod same;
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the tests of services use more of it"
)]
#[path = "../common/store_rows.rs"]
mod store_rows;
