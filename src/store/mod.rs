//! The store: the truth about grants, requests, standing marks and events.
//!
//! One trait with one method per transaction. Every method is atomic: it happens wholly or not at
//! all, also when its caller's future is dropped in the middle. What has been answered with `Ok`
//! survives kill -9 and power loss. Races are decided by constraints and conditional updates.
//! The store never calls AWS and decides nothing that `domain` can decide.

mod brake;
mod copy;
mod duties;
mod error;
mod facts;
mod log;
mod postgres;
mod readings;
mod signals;
mod sql;
mod sqlite;
mod types;
mod work;

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

pub use brake::{BrakeStore, GoneBeneficiary, Intent, MassChangeFound};
pub use copy::{CopiedStore, copy_to_postgres};
pub use duties::{Duties, Duty};
pub use error::StoreError;
pub use facts::{
    FACTS_PER_BATCH_MAX, FactChange, FactInterval, FactRange, FactStore, FinishedCollection,
    Finishing, Forgotten, KeptFact, ListedAssignments, Taking,
};
pub use log::{Chained, LogLease, LogRange, LogState, LogStore};
pub use postgres::{
    Migrated, PostgresOptions, PostgresStore, SharedPermits, prepare as prepare_postgres,
};
pub use readings::{
    KeptPage, KeptReading, READING_PAGES_PER_BATCH_MAX, ReadBy, ReadPage, ReadingKey, ReadingRun,
    ReadingStore, WantedReadings,
};
pub use signals::Signals;
pub use sqlite::{CopyFacts, LogCopy, Looked, SqliteOptions, SqliteStore};
pub use types::{
    Claim, ClaimLimit, GrantCounts, GrantDecision, GrantFilter, GrantRequest, GrantScope, Holder,
    NameEntry, NameKind, OfSubject, OpenWork, RequestKey, RequestOutcome, RequestUse,
    RevokeOutcome, StoredEvent,
};
pub use work::{OfEachKind, WorkKind};

use crate::domain::intent::EndRequest;
use crate::domain::plan::Changes;
use crate::domain::{
    AssignmentKey, AssignmentRecord, Grant, GrantId, InstanceArn, PendingChange, PolicyLoad,
    PolicyRefusal, Review, ServiceEvent,
};

/// The transactions of the store; those of the brake are `BrakeStore`, those of facts `FactStore`
/// and `ReadingStore`.
#[async_trait]
pub trait Store: LogStore + BrakeStore + FactStore + ReadingStore + Send + Sync + 'static {
    /// Records a grant with its event, and makes its assignment due.
    ///
    /// The request key, when there is one, is taken by a unique constraint in the same
    /// transaction: of any number of equal calls exactly one records, the others get its grant.
    ///
    /// # Errors
    /// `Unavailable`: nothing was recorded, or (power loss while committing) the caller cannot
    /// know; a repeat with the same request id finds out. `Stale`, for a grant that takes an assignment
    /// over alone: it is held or going by now (`domain::intent::held_as`), another such grant waits, or new
    /// access is frozen; nothing was recorded.
    async fn record_grant(
        &self,
        request: GrantRequest,
    ) -> Result<RequestOutcome<Grant>, StoreError>;

    /// Records what was decided about a grant, with what the reviewer said, in one transaction: the
    /// decision is of the version before its own, so that of any number of decisions made from the
    /// same reading one is recorded and the others are `Stale`. A reviewer's second word on the same
    /// wish is `Stale` too, but for one that takes the place of the first (`Review::replaces`). Nothing is in AWS by this; a grant that opens is made due.
    ///
    /// # Errors
    /// `Stale`: the grant has changed since, what it takes over is held or going by now, or more time or
    /// adoption is frozen; nothing was written, the request id is still free, and
    /// the caller reads and decides again. `Unavailable` as for `record_grant`.
    async fn decide_grant(
        &self,
        decision: GrantDecision,
        request: Option<&RequestUse>,
    ) -> Result<RequestOutcome<Grant>, StoreError>;

    /// What reviewers said of these grants, by grant and time.
    async fn reviews(&self, ids: &[GrantId]) -> Result<Vec<(GrantId, Review)>, StoreError>;

    /// Grants of the instance in this scope that wait for people or for their start, sorted by id.
    async fn waiting_grants(
        &self,
        instance: &InstanceArn,
        scope: &GrantScope,
    ) -> Result<Vec<Grant>, StoreError>;

    /// Grants of the instance that Usher is to look at by itself at `now`, longest waiting first.
    async fn grants_to_look_at(
        &self,
        instance: &InstanceArn,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Grant>, StoreError>;

    /// What an earlier write with this key did, with its grants in their present state.
    async fn find_request(
        &self,
        request: &RequestUse,
    ) -> Result<Option<RequestOutcome<Vec<Grant>>>, StoreError>;

    /// What an earlier revocation with this key did: `Repeated` with the record of its assignment,
    /// or `Reused`; none when the key is free.
    async fn find_revocation(
        &self,
        request: &RequestUse,
    ) -> Result<Option<RevokeOutcome>, StoreError>;

    /// Remembers the key of a removal that found nothing to remove, so that a repeat removes
    /// nothing either. `Ended` without grants, or what an equal call did.
    ///
    /// # Errors
    /// `Unavailable` as for `record_grant`.
    async fn remember_removal(
        &self,
        key: &AssignmentKey,
        request: &RequestUse,
    ) -> Result<RevokeOutcome, StoreError>;

    /// Ends one grant by `domain::intent::revoke_grant`; a grant that is over or ending is answered
    /// as it is.
    ///
    /// # Errors
    /// `Unavailable` as for `record_grant`.
    async fn revoke_grant(
        &self,
        id: &GrantId,
        request: Option<&RequestUse>,
        end: &EndRequest,
    ) -> Result<RevokeOutcome, StoreError>;

    /// Removes an assignment with all grants on it by `domain::intent::remove_assignment`.
    ///
    /// # Errors
    /// `Unavailable` as for `record_grant`.
    async fn remove_assignment(
        &self,
        key: &AssignmentKey,
        request: Option<&RequestUse>,
        end: &EndRequest,
    ) -> Result<RevokeOutcome, StoreError>;

    /// One grant; none when there is no such id.
    async fn grant(&self, id: &GrantId) -> Result<Option<Grant>, StoreError>;

    /// Grants that fit, newest first, after the given one; at most `limit`.
    async fn grants(
        &self,
        filter: &GrantFilter,
        after: Option<&GrantId>,
        limit: usize,
    ) -> Result<Vec<Grant>, StoreError>;

    /// Every grant in the scope that is not over, sorted by assignment and id.
    async fn open_grants(
        &self,
        instance: &InstanceArn,
        scope: &GrantScope,
    ) -> Result<Vec<Grant>, StoreError>;

    /// Every assignment record in the scope, sorted by assignment.
    async fn assignment_records(
        &self,
        instance: &InstanceArn,
        scope: &GrantScope,
    ) -> Result<Vec<AssignmentRecord>, StoreError>;

    /// The events of one grant, oldest first, with those of its assignment that name no grant
    /// left out; at most `limit`, the newest kept.
    async fn grant_events(
        &self,
        id: &GrantId,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError>;

    /// Claims due assignments of these instances for the holder until `lease_until`: each once, and
    /// of one target never two at a time (writes to one application go one at a time). Break-glass
    /// first, then what somebody waits for, then the rest; in each kind those with an end to act on
    /// first (a removal, a grant in REVOKING or past its end), then the others, each oldest due first.
    ///
    /// An assignment of an asynchronous target takes one of its instance's slots with the claim,
    /// while there is one. It keeps it while a change is pending and gives it back when the change
    /// ends or, without one, with the claim: never are more than `outstanding_max` taken, and the
    /// last `kept_for_ends` of them by ends alone. One with a pending change has its slot already.
    ///
    /// A row that cannot be read is logged, put off for five minutes and left out; it does not stop
    /// the others.
    ///
    /// # Errors
    /// `Unavailable`: nothing was claimed; the caller tries again after a pause.
    async fn claim_due(
        &self,
        holder: &Holder,
        instances: &[InstanceArn],
        now: Timestamp,
        lease_until: Timestamp,
        limit: ClaimLimit,
    ) -> Result<Vec<Claim>, StoreError>;

    /// Reads a claimed assignment again with its open grants and prolongs the lease. The record's
    /// version stays: where it differs from the claim's, a caller's write came between.
    ///
    /// # Errors
    /// `LeaseLost`: the lease was over and somebody else has taken it, or it was let go; the holder
    /// stops without a further step. A lease that is over and not taken is simply prolonged.
    async fn renew_claim(&self, claim: &Claim, lease_until: Timestamp)
    -> Result<Claim, StoreError>;

    /// Writes a step's changes down and keeps the lease. Answers the claim as it is now. A pending
    /// change needs the slot that came with the claim, which a change that ended gives back.
    ///
    /// # Errors
    /// `Unavailable`: a change was to become pending without a slot; nothing was written. `Stale`: a caller's write came between; nothing was written, the holder renews and plans
    /// again. `LeaseLost`: as for `renew_claim`.
    async fn commit_step(&self, claim: &Claim, changes: Changes) -> Result<Claim, StoreError>;

    /// Like `commit_step`, and lets the lease go.
    ///
    /// # Errors
    /// As for `commit_step`.
    async fn commit_and_release(&self, claim: &Claim, changes: Changes) -> Result<(), StoreError>;

    /// When `claim_due` may next have something of these instances: when the first assignment of a
    /// kind that may be claimed is due whose target nobody has claimed until after `now` and which needs no slot that is taken,
    /// or, if that is earlier, when the first claim's lease is over. May lie in the past; none when nothing is due ever and nothing is
    /// claimed.
    async fn next_due_at(
        &self,
        instances: &[InstanceArn],
        now: Timestamp,
        limit: ClaimLimit,
    ) -> Result<Option<Timestamp>, StoreError>;

    /// The asynchronous changes of the instance that may be under way, sorted by assignment.
    async fn pending_requests(
        &self,
        instance: &InstanceArn,
    ) -> Result<Vec<(AssignmentKey, PendingChange)>, StoreError>;

    /// Makes these assignments due at `now` if a change is pending on them and they are due later,
    /// and wakes the reconciler. One whose change could not be asked about keeps its pause. Whoever holds a claim on one may put it off again.
    ///
    /// # Errors
    /// `Unavailable`: nothing was made due; whoever asked sees the same again and repeats it.
    async fn make_due(&self, keys: &[AssignmentKey], now: Timestamp) -> Result<(), StoreError>;

    /// How many assignments of the instance are due at `now` with work of these kinds, claimed or not;
    /// by index. A caller tells by it how long a new one would wait.
    async fn count_due(
        &self,
        instance: &InstanceArn,
        kinds: &[WorkKind],
        now: Timestamp,
    ) -> Result<u64, StoreError>;

    /// How many grants that are not over belong to instances other than these: nobody works on
    /// them. Asked at the start and when other instances are served; it reads every open grant's index
    /// entry.
    async fn count_open_elsewhere(&self, instances: &[InstanceArn]) -> Result<u64, StoreError>;

    /// How many grants are in each state that is not over, and what waits for too long: ends are
    /// overdue when they should have come before `overdue_since`. It reads index entries alone, none
    /// of a grant that is over, so that it may be asked every few seconds.
    async fn count_grants(&self, overdue_since: Timestamp) -> Result<GrantCounts, StoreError>;

    /// A secret of 32 random bytes under this name, made at the first call and the same for ever.
    async fn secret(&self, name: &str) -> Result<Vec<u8>, StoreError>;

    /// Remembers names beside ids. Names are not part of events and may be erased.
    async fn remember_names(&self, names: &[NameEntry]) -> Result<(), StoreError>;

    /// The remembered name of an id; none when there is none.
    async fn name(&self, kind: NameKind, id: &str) -> Result<Option<String>, StoreError>;

    /// Forgets request keys that were used before `before`. Answers how many.
    async fn forget_requests(&self, before: Timestamp) -> Result<u64, StoreError>;

    /// Records that a policy set is about to be in force: its texts once for ever, the load each
    /// time, and an event where the texts are not those of the load before.
    ///
    /// # Errors
    /// `Unavailable`: nothing was recorded, and the set must not come into force.
    async fn record_policy_load(&self, load: PolicyLoad) -> Result<(), StoreError>;

    /// Records with an event that policies did not load: once for the same texts, until a set is
    /// loaded. Answers whether it was the first time.
    async fn record_policy_refusal(&self, refusal: PolicyRefusal) -> Result<bool, StoreError>;

    /// The last set that was loaded; none before the first.
    async fn last_policy_load(&self) -> Result<Option<PolicyLoad>, StoreError>;

    /// Writes events that are about no assignment, all or none, in their order.
    async fn record_service_events(&self, events: Vec<ServiceEvent>) -> Result<(), StoreError>;

    /// Takes or prolongs what one process does for all, by the store's own clock. Answers whether it is the holder's
    /// now; where nobody else can be there it always is.
    ///
    /// # Errors
    /// `Unavailable`, `Raced`: nobody knows; the holder has it until the time of its last lease.
    async fn hold_duty(
        &self,
        duty: Duty,
        holder: &Holder,
        lease: Duration,
    ) -> Result<bool, StoreError>;

    /// What wakes the reconciler and those who wait for a grant.
    fn signals(&self) -> &Signals;

    /// A number that stays for as long as nothing was committed by anybody that a reader may see: what was
    /// read since it was seen may be answered again. An unfinished collection of facts is seen by nobody. None where others write beside, of whose commits nobody hears in time.
    fn commits(&self) -> Option<u64>;

    /// Waits for running transactions and closes. Later calls answer `Unavailable`.
    async fn close(&self);
}
