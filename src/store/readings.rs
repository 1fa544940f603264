//! The store's side of what a collection of the audit reads of AWS: each page as it comes, so that a
//! collection that was interrupted goes on with it, and one that may tell older facts asks only for the rest.
//!
//! ```text
//!   begin_readings -> keep_readings, keep_readings, … -> finish_readings      each call one short transaction
//! ```
//! A reading is one whole list, or one answer, of AWS about one thing. Of each the newest is kept, and one
//! of which a page is not there is none. A run that is not finished was interrupted once nobody holds its
//! `ReadingRun` any more: its holder was dropped, or its process has ended.

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use jiff::Timestamp;

use super::StoreError;
use crate::domain::{InstanceArn, Operation};

/// The most pages of one `keep_readings` and one `forget_readings`. A page has at most 100 rows, some 20 KB:
/// together two megabytes, which the one writer has on the disk within the time that a decision may take.
pub const READING_PAGES_PER_BATCH_MAX: usize = 100;

/// What was asked of AWS.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReadingKey {
    /// The operation.
    pub operation: Operation,
    /// The ARN or id that it was asked about; empty for what is asked of the instance as a whole.
    pub about: String,
}

/// A page that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadPage {
    /// Of which reading.
    pub key: ReadingKey,
    /// Its place in the reading, from 0.
    pub number: u32,
    /// When the first page of the reading was read.
    pub began_at: Timestamp,
    /// When this one was read.
    pub read_at: Timestamp,
    /// Whether the reading ends with it.
    pub is_last: bool,
    /// What it says.
    pub content: String,
}

/// A reading that is there, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptReading {
    /// Of what.
    pub key: ReadingKey,
    /// When its first page was read.
    pub began_at: Timestamp,
    /// How many pages it has: as many operations it took.
    pub pages: u64,
}

/// A page that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptPage {
    /// When it was read.
    pub read_at: Timestamp,
    /// What it says.
    pub content: String,
}

/// Which readings somebody can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WantedReadings {
    /// Those whose first page was read then or later.
    pub since: Timestamp,
    /// By whom.
    pub by: ReadBy,
}

/// Who made a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadBy {
    /// Whoever it was.
    Anybody,
    /// A run that was interrupted, and that none that was finished has taken the place of.
    Interrupted,
}

/// The right to keep the readings of one run. Who drops it without finishing gives the run up: it was
/// interrupted.
#[derive(Debug)]
pub struct ReadingRun {
    id: u64,
    held: Arc<()>,
}

impl ReadingRun {
    /// A run with this number, for implementations of the store.
    #[must_use]
    pub fn new(id: u64) -> Self {
        let held = Arc::default();
        Self { id, held }
    }

    /// Its number: higher than that of every run before.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// What is there as long as somebody holds the run.
    #[must_use]
    pub fn held(&self) -> Weak<()> {
        Arc::downgrade(&self.held)
    }
}

/// The transactions of readings; each as atomic and durable as those of `Store`. What is lost of them costs
/// operations, nothing else: a caller whose call fails goes on without.
#[async_trait]
pub trait ReadingStore: Send + Sync + 'static {
    /// Begins a run that reads an instance.
    ///
    /// # Errors
    /// `Unavailable`: nothing was begun, or (power loss) a run that has no readings.
    async fn begin_readings(
        &self,
        instance: &InstanceArn,
        began_at: Timestamp,
    ) -> Result<ReadingRun, StoreError>;

    /// Keeps pages that a run has read, at most `READING_PAGES_PER_BATCH_MAX`. Each takes the place of an
    /// older one; a page of a younger reading stays.
    ///
    /// # Errors
    /// `Stale`: the run was finished or forgotten; nothing was kept. `Unavailable`: nothing, or all of it.
    async fn keep_readings(&self, run: &ReadingRun, pages: Vec<ReadPage>)
    -> Result<(), StoreError>;

    /// A run has all that it wanted, and so has nobody use for those of the instance any more that were
    /// interrupted before it began. What they read stays, for whoever may be told facts of its age.
    ///
    /// # Errors
    /// `Unavailable`: a repeat does no harm.
    async fn finish_readings(&self, run: &ReadingRun) -> Result<(), StoreError>;

    /// The whole readings of an instance that are wanted, sorted by the operation's name and what it was
    /// about, after the given one; at most `limit`.
    async fn readings(
        &self,
        instance: &InstanceArn,
        wanted: WantedReadings,
        after: Option<&ReadingKey>,
        limit: usize,
    ) -> Result<Vec<KeptReading>, StoreError>;

    /// Every page of a reading, in order; none where it is not there, whole, any more. The largest has
    /// everybody of an identity store: some 40 MB.
    async fn reading(
        &self,
        instance: &InstanceArn,
        key: &ReadingKey,
        began_at: Timestamp,
    ) -> Result<Option<Vec<KeptPage>>, StoreError>;

    /// Forgets readings that began before `before`, and runs. Answers whether none is left.
    ///
    /// # Errors
    /// `Unavailable`: a repeat does no harm.
    async fn forget_readings(&self, before: Timestamp) -> Result<bool, StoreError>;
}
