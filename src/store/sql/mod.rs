//! What both stores do inside their transactions: every statement, and what is made of its rows. The two
//! databases differ in how a transaction comes about (`ways`) and in a few words (`connection::Sql`).
//!
//! Where others write at the same time, what is read to be written is locked first: the record of an
//! assignment stands for all that is on it, the brake of an instance for what is frozen there. Who holds
//! both took the brake first.

mod approvals;
pub(super) mod brake;
mod callers;
pub(super) mod claims;
mod connection;
pub(super) mod counts;
pub(super) mod due;
mod event_rows;
mod events;
mod facts;
pub(super) mod facts_compare;
pub(super) mod facts_lookup;
pub(super) mod facts_read;
mod facts_remove;
pub(super) mod facts_write;
mod failure;
pub(super) mod freezes;
mod grant_rows;
mod locks;
mod log;
pub(super) mod log_chain;
pub(super) mod log_reads;
pub(super) mod mass_changes;
pub(super) mod open_work;
pub(super) mod policies;
mod readings;
pub(super) mod readings_rows;
pub(super) mod reads;
pub(super) mod rows;
pub(super) mod slots;
mod store;
pub(super) mod tables;
mod values;
mod ways;

#[cfg(test)]
pub(super) use connection::Sql;
pub(super) use connection::{Connection, answered, query};
pub(super) use failure::closed;
pub(super) use readings::HeldRuns;
pub(super) use ways::{Lent, Outcome, Reader, Ways, Written};
