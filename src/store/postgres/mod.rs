//! The store in PostgreSQL: for several replicas, which share nothing else.
//! ```text
//!   a write -> a connection of the pool -> one transaction, again where it collided -> tidings -> answers
//!   a read  -> a connection of the pool, of one moment where it asks several things
//!   tidings -> NOTIFY, in batches -> every other replica's signals
//! ```
//! Nobody here is the only one: whatever is read to be written is locked, and the database's clock is the
//! one that counts.

mod open;
mod options;
mod schema;
mod tidings;
mod transactions;

use std::time::Duration;

use sqlx::postgres::PgPool;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use options::PostgresOptions;
pub use schema::{Migrated, prepare};

use super::Signals;
use super::sql::HeldRuns;

/// The store in a PostgreSQL database.
pub struct PostgresStore {
    pool: PgPool,
    signals: Signals,
    held_runs: HeldRuns,
    attempts_max: u32,
    /// What tells others, and hears of them; awaited by `close`.
    telling: tokio::sync::Mutex<Vec<JoinHandle<()>>>,
    stop: CancellationToken,
}

/// The longest wait for a connection: a call has to answer while its caller still waits.
const WAIT_MAX: Duration = Duration::from_secs(3);
