//! The store in PostgreSQL: for several replicas, which share nothing else.
//! ```text
//!   a write -> a connection of the pool -> one transaction, again where it collided -> tidings -> answers
//!   a read  -> a connection of the pool, of one moment where it asks several things
//!   tidings -> NOTIFY, in batches -> every other replica's signals
//! ```
//! Nobody here is the only one: whatever is read to be written is locked, and the database's clock is the
//! one that counts.

mod alone;
mod duties;
mod open;
mod open_work;
mod options;
mod permits;
mod places;
mod schema;
mod tidings;
mod transactions;

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(super) use alone::connect_alone;
pub use options::PostgresOptions;
pub use permits::SharedPermits;
pub use schema::{Migrated, prepare};

use self::places::Places;
use super::Signals;
use super::sql::HeldRuns;

/// The store in a PostgreSQL database.
pub struct PostgresStore {
    signals: Signals,
    held_runs: HeldRuns,
    attempts_max: u32,
    permits: SharedPermits,
    places: Places,
    /// What tells others, and hears of them; awaited by `close`.
    telling: tokio::sync::Mutex<Vec<JoinHandle<()>>>,
    stop: CancellationToken,
}

/// The longest wait for a connection: a call has to answer while its caller still waits.
const WAIT_MAX: Duration = Duration::from_secs(3);
