//! What goes into the store's transactions and comes out of them.

use jiff::Timestamp;

use super::{OfEachKind, WorkKind};
use crate::domain::{
    AssignmentRecord, Brake, CallerName, Event, Freezes, Grant, GrantId, GrantState, InstanceArn,
    PrincipalRef, RequestId, Review, Target, UserId,
};

/// Whose request id it is: an id counts per caller and subject.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestKey {
    /// The authenticated caller.
    pub caller: CallerName,
    /// For whom it acts.
    pub subject: CallerName,
    /// The id.
    pub request_id: RequestId,
}

/// One use of a request id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestUse {
    /// Whose id.
    pub key: RequestKey,
    /// A hash, in hex, of the method and of everything that was asked.
    pub content_hash: String,
    /// When it was used.
    pub at: Timestamp,
}

/// What became of a write with a request id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestOutcome<T> {
    /// It was recorded now.
    Recorded(T),
    /// An equal call had recorded it; this is its present state.
    Repeated(T),
    /// The id was used with other content. Nothing was recorded.
    Reused,
}

/// A grant to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRequest {
    /// The grant in its first state.
    pub grant: Grant,
    /// The request id, if the caller sent one.
    pub request: Option<RequestUse>,
}

/// What was decided about a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantDecision {
    /// The grant as it is to be: one version on.
    pub grant: Grant,
    /// What the reviewer said, if it was one.
    pub review: Option<Review>,
    /// What is written down of it.
    pub events: Vec<Event>,
    /// When.
    pub now: Timestamp,
}

/// How many grants that are not over there are, in every instance, from one state of the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GrantCounts {
    /// In PENDING_APPROVAL.
    pub pending_approval: u64,
    /// In SCHEDULED.
    pub scheduled: u64,
    /// In PROVISIONING.
    pub provisioning: u64,
    /// In ACTIVE.
    pub active: u64,
    /// In REVOKING.
    pub revoking: u64,
    /// What people can agree to: grants in PENDING_APPROVAL, and more time that is asked for.
    pub open_wishes: u64,
    /// When the oldest grant in PENDING_APPROVAL was asked for.
    pub oldest_pending_since: Option<Timestamp>,
    /// Ends that are overdue: grants in REVOKING, or active past their end, since before the time
    /// that was asked with.
    pub overdue_ends: u64,
    /// Since when the oldest of these should be gone.
    pub oldest_overdue_since: Option<Timestamp>,
}

/// What is open in a store, with what stops it; from one state of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenWork {
    /// The grants that have begun and are not over.
    pub grants: Vec<Grant>,
    /// The records of all assignments that something is known of.
    pub records: Vec<AssignmentRecord>,
    /// Grants that wait for people or for their start: nothing of them is in AWS.
    pub waiting_count: u64,
    /// What was frozen on every instance when the store was restored.
    pub frozen_everywhere: Freezes,
    /// The brakes of every instance on which something is stopped.
    pub brakes: Vec<Brake>,
}

/// What became of a revocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RevokeOutcome {
    /// Recorded, or already so: the grants concerned in their present state, and the assignment's
    /// record.
    Ended {
        /// The grants that this call ended, or for one grant, that grant.
        grants: Vec<Grant>,
        /// The assignment's record.
        record: AssignmentRecord,
    },
    /// An equal call had recorded it; the grants it ended in their present state.
    Repeated {
        /// The grants that the earlier call ended.
        grants: Vec<Grant>,
        /// The assignment's record; none when it ended nothing.
        record: Option<AssignmentRecord>,
    },
    /// The request id was used with other content. Nothing was recorded.
    Reused,
    /// There is no such grant.
    NotFound,
}

/// Which grants to list; every field that is set must fit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GrantFilter {
    /// Of this instance.
    pub instance: Option<InstanceArn>,
    /// For this principal.
    pub principal: Option<PrincipalRef>,
    /// On this target.
    pub target: Option<Target>,
    /// In one of these states; empty means all.
    pub states: Vec<GrantState>,
    /// With this ticket.
    pub ticket: Option<String>,
    /// Asked for by this caller.
    pub requested_by: Option<String>,
    /// Asked for, or had, by this one.
    pub of_subject: Option<OfSubject>,
    /// With a wish that people can agree to.
    pub open_wish: bool,
    /// Of which this reviewer has said something.
    pub reviewed_by: Option<String>,
    /// Break-glass that nobody has looked at yet.
    pub review_due: bool,
}

/// Whose grants: asked for under this name, or for this user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfSubject {
    /// The name that records use.
    pub subject: String,
    /// The user, if the subject has one.
    pub user: Option<UserId>,
}

/// The part of an instance to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrantScope {
    /// All of it.
    All,
    /// One target.
    Target(Target),
    /// One principal.
    Principal(PrincipalRef),
    /// One principal on one target.
    Assignment(PrincipalRef, Target),
}

/// Who holds claims: one worker of one process.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Holder(pub String);

/// How much may be claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimLimit {
    /// Assignments that are claimed at most now, of each instance and kind of work.
    pub claims_max: OfEachKind,
    /// Assignments of asynchronous targets that may be claimed or pending at a time, an instance, by
    /// everybody together: AWS's limit of outstanding changes.
    pub outstanding_max: usize,
    /// How many of those only an end, or break-glass, may take.
    pub kept_for_ends: usize,
}

/// A claimed assignment with the grants on it that are not over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Who has it.
    pub holder: Holder,
    /// Whom the work was for when it was read.
    pub kind: WorkKind,
    /// Until when.
    pub lease_until: Timestamp,
    /// The record; its version is the fence.
    pub record: AssignmentRecord,
    /// The grants that are not over, sorted by id.
    pub grants: Vec<Grant>,
}

/// An event with its place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its place; later events have higher numbers.
    pub sequence: i64,
    /// The event.
    pub event: Event,
}

/// What kind of thing a name belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NameKind {
    /// A user.
    User,
    /// A group.
    Group,
    /// An application.
    Application,
    /// An account.
    Account,
    /// A permission set.
    PermissionSet,
}

/// A name beside an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameEntry {
    /// What it belongs to.
    pub kind: NameKind,
    /// The id or ARN.
    pub id: String,
    /// The name.
    pub name: String,
    /// When it was read.
    pub seen_at: Timestamp,
}

impl GrantScope {
    /// Whether an assignment is in the scope.
    #[must_use]
    pub fn holds(&self, principal: &PrincipalRef, target: &Target) -> bool {
        match self {
            Self::All => true,
            Self::Target(wanted) => wanted == target,
            Self::Principal(wanted) => wanted == principal,
            Self::Assignment(wanted, wanted_target) => {
                wanted == principal && wanted_target == target
            }
        }
    }
}

impl Claim {
    /// The claim's grant of this id.
    #[must_use]
    pub fn grant(&self, id: &GrantId) -> Option<&Grant> {
        self.grants.iter().find(|grant| &grant.id == id)
    }
}
