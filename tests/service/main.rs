//! The core promise under load, haste and faults: what was answered is kept, what AWS does wrong
//! never shows as success, and nothing stands past its end. Each module is one behaviour, tried on
//! a whole service over gRPC against the simulated AWS.

#![expect(clippy::expect_used, reason = "a panic is how a test says no")]

mod account_access;
mod accounts;
mod beneficiaries;
mod brake;
mod budget;
mod changes;
#[path = "../common/mod.rs"]
mod common;
mod deadlines;
mod directory;
mod explain;
mod faults;
mod findings;
mod history;
mod implied_instance;
mod instances;
mod left_account;
mod list_all;
mod metrics;
mod metrics_port;
mod operations;
mod readings;
mod refusals;
mod repeats;
mod shutdown;
mod standing;
mod story;
mod visibility;
