//! The outbound budget: the right to make operations on AWS, counted per quota bucket.
//!
//! Every attempt takes one permit at the HTTP connector, retries included, so that Usher as a whole
//! stays within AWS's quotas whatever its parts do. Nothing here knows what an operation does, and
//! nothing here may hand out a permit to make up for one that was lost.
//!
//! Reading order: `gcra` and `rate` are the arithmetic, `pace` what is configured, `queue` and `lane` say whose turn
//! it is, `bucket` puts them together, `handle` waits. `report` tells people.

mod bucket;
mod callers;
mod config;
mod gcra;
mod handle;
mod lane;
mod loans;
mod pace;
mod queue;
mod rate;
mod report;
mod retries;
mod shared;
mod uses;

pub use callers::CallerKey;
pub use config::{BudgetConfig, IdentityStoreQuota};
pub use handle::{Budget, BudgetExhausted};
pub use queue::{Class, Demand};
pub use report::{BucketUse, CallerUse, ClassUse};
pub use shared::{Answer, Asking, SharedBudget, Unreachable};
pub use uses::{Served, WAIT_BOUNDS};
