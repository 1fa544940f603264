//! The settings of the SQLite store, each with the reason for its default.

use std::time::Duration;

/// The settings of the SQLite store.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SqliteOptions {
    /// Writes that may wait for the writer. Beyond it calls wait up to `wait_milliseconds` and are
    /// then refused. 256: four times the calls one caller may have open, and at one commit a
    /// millisecond for 64 writes still answered within a few milliseconds.
    pub queued_writes_max: usize,
    /// Writes that one commit may carry. 64: the cost of the commit (one fsync) is then small
    /// beside the writes, and a single slow disk does not hold back hundreds of answers.
    pub writes_per_commit_max: usize,
    /// Connections for reading. 4: reads are short and mostly from memory; more connections than
    /// processors only cost memory.
    pub readers: u32,
    /// How long a call waits for a reader, for room in the queue, or for a lock that a tool such as
    /// the sqlite3 shell holds. At most 3000: a call has to answer while its caller still waits.
    pub wait_milliseconds: u64,
}

/// The longest `wait_milliseconds` that is used, whatever is set.
const WAIT_MILLISECONDS_MAX: u64 = 3000;

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            queued_writes_max: 256,
            writes_per_commit_max: 64,
            readers: 4,
            wait_milliseconds: WAIT_MILLISECONDS_MAX,
        }
    }
}

impl SqliteOptions {
    /// How long to wait for anything, within its bound.
    pub(super) fn wait(&self) -> Duration {
        Duration::from_millis(self.wait_milliseconds.min(WAIT_MILLISECONDS_MAX))
    }

    /// The same settings with every number at least 1: a queue or a pool of none would never move.
    pub(super) fn with_room(mut self) -> Self {
        self.queued_writes_max = self.queued_writes_max.max(1);
        self.writes_per_commit_max = self.writes_per_commit_max.max(1);
        self.readers = self.readers.max(1);
        self
    }
}
