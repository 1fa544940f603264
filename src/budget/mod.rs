//! The outbound budget: the right to make operations on AWS, counted per quota bucket.
//!
//! Every attempt takes one permit at the HTTP connector, retries included, so that Usher as a whole
//! stays within AWS's quotas whatever its parts do. `gcra` is the arithmetic, `pace` what is
//! configured, `queue` says whose turn it is, `handle` waits. Nothing here knows what an operation does, and nothing here may hand out a permit to
//! make up for one that was lost.

mod config;
mod gcra;
mod handle;
mod pace;
mod queue;

pub use config::{BudgetConfig, IdentityStoreQuota};
pub use handle::{Budget, BudgetExhausted};
pub use queue::{Class, Demand};
