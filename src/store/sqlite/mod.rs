//! The store in one SQLite file: the default, for one process.
//! ```text
//!   a write -> bounded queue -> the writer task, several calls a commit -> answers
//!   a read  -> one of a few read-only connections, beside the writer (WAL)
//! ```
//! What has been answered is on the disk (synchronous=FULL). The data directory is locked: no other
//! process is there, so that opening may clear every lease, whose holder is dead.

mod backup;
mod beside;
mod directory;
mod held;
mod log_copy;
mod open;
mod options;
#[cfg(test)]
mod plan_tests;
mod schema;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::Mutex;
use std::time::Duration;

use sqlx::sqlite::SqlitePool;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use backup::CopyFacts;
pub(super) use held::HeldDatabase;
pub use log_copy::{LogCopy, Looked};
pub use options::SqliteOptions;

use self::writer::Queued;
use super::Signals;
use super::sql::HeldRuns;

/// The store in one SQLite file.
pub struct SqliteStore {
    readers: SqlitePool,
    /// Into the writer's queue; none once the store is closed.
    queue: Mutex<Option<mpsc::Sender<Box<dyn Queued>>>>,
    /// The writer, awaited by `close`.
    writer: tokio::sync::Mutex<Option<JoinHandle<()>>>,
    signals: Signals,
    held_runs: HeldRuns,
    wait: Duration,
}
