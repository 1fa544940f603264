//! The decision log: keeps the chain of committed events growing, signs how far it came, removes what
//! is older than it is to be kept, and looks at a log that lies somewhere.
//!
//! ```text
//!   transactions commit events -> the keeper chains them, a batch a transaction -> readers see them
//!                                     \ signs a head each minute that it grew -> heads file
//!                                      \ removes the old from the beginning, behind a checkpoint
//! ```
//! Events are written by the transactions that they tell of, never here. What the chain is, and whether
//! it is whole, `domain::log` and `domain::log_verify` say.
//! Reading order: `config`, `keeper`, `heads_file`, `look`, `continuation`.

mod config;
mod continuation;
mod heads_file;
mod keeper;
mod look;

pub use config::LogConfig;
pub use continuation::{Continuation, LostGrant, NoContinuation, continuation, restored_from};
pub use keeper::{LogKeeper, LogKeeperError, signer};
pub use look::{
    CheckedBy, Known, LookError, Looked, Place, database_end, database_key, export, read_heads,
    verify,
};

/// The name under which the store keeps the seed of the key of heads.
const KEY_SECRET: &str = "log_head_key";
