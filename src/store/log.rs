//! The store's side of the decision log: committed events become a chain, which only grows at its end
//! and is only ever shortened from its beginning.
//!
//! Events are committed by the transactions that they tell of, in parallel and unchained. One sequencer
//! at a time chains them afterwards, each batch in a transaction of its own. Two sequencers never fork
//! the chain: whoever has the lease has its epoch, and every write here is conditional on it.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Holder, StoreError};
use crate::domain::GrantId;
use crate::domain::log::{Link, LogRecord};
use crate::domain::log_head::LogHead;

/// The right to lengthen and shorten the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLease {
    /// Who has it.
    pub holder: Holder,
    /// Until when nobody else takes it.
    pub lease_until: Timestamp,
    /// Higher than that of every holder before: the fence.
    pub epoch: u64,
}

/// What one batch came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chained {
    /// How many events were chained.
    pub count: usize,
    /// The end of the chain now.
    pub end: Link,
}

/// The chain as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogState {
    /// What the first record that is kept continues: the newest checkpoint, or the very beginning.
    pub beginning: Link,
    /// The last record; the beginning while there is none.
    pub end: Link,
    /// Whether events wait to be chained.
    pub is_behind: bool,
    /// The newest head.
    pub head: Option<LogHead>,
}

/// Which records to read, always in the order of the chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogRange {
    /// Those after this place.
    pub after: u64,
    /// Those from the first on that has this time or a later one: what is before it is older.
    pub from: Option<Timestamp>,
    /// Those alone whose event names this grant.
    pub grant_id: Option<GrantId>,
}

/// The transactions of the decision log.
#[async_trait]
pub trait LogStore: Send + Sync {
    /// Takes or prolongs the lease. None while another holder has it and its time is not over.
    ///
    /// # Errors
    /// `Unavailable`: nothing was taken; the caller tries again after a pause.
    async fn lease_log(
        &self,
        holder: &Holder,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Option<LogLease>, StoreError>;

    /// Chains at most `limit` of the committed events that are not chained yet, oldest first. An event
    /// whose text cannot be read is chained all the same: the log keeps what was written.
    ///
    /// # Errors
    /// `LeaseLost`: somebody else has the lease; nothing was chained, and the holder stops. A lease that
    /// is over and not taken still counts. `Unavailable`: nothing was chained, or (power loss) the
    /// batch was; either way the next one goes on where the chain ends.
    async fn chain_events(&self, lease: &LogLease, limit: usize) -> Result<Chained, StoreError>;

    /// Keeps a head, and of all heads the newest `kept_max`.
    ///
    /// # Errors
    /// `LeaseLost` as for `chain_events`; `Stale` where the chain has no such place. Nothing was kept.
    async fn keep_log_head(
        &self,
        lease: &LogLease,
        head: &LogHead,
        kept_max: usize,
    ) -> Result<(), StoreError>;

    /// Removes every record up to a checkpoint, and keeps the checkpoint in their place. Answers how
    /// many.
    ///
    /// # Errors
    /// As for `keep_log_head`. Nothing was removed.
    async fn forget_log(&self, lease: &LogLease, checkpoint: &LogHead) -> Result<u64, StoreError>;

    /// Erases the names of these ids, with the addresses of users: those that are remembered, and those in
    /// facts, past and present alike. Answers in how many places some were. Readings go, all of them, and
    /// are not counted: AWS is read again. The log holds ids only, so it does not change.
    async fn erase_names(&self, ids: &[String]) -> Result<u64, StoreError>;

    /// The chain as a whole, of one moment.
    async fn log_state(&self) -> Result<LogState, StoreError>;

    /// Records in a range, at most `limit`.
    async fn log_records(
        &self,
        range: &LogRange,
        limit: usize,
    ) -> Result<Vec<LogRecord>, StoreError>;

    /// The last of the first `limit` records, or an earlier one, up to which everything happened before
    /// a time; none where the first record is younger.
    async fn log_before(&self, before: Timestamp, limit: usize)
    -> Result<Option<Link>, StoreError>;
}
