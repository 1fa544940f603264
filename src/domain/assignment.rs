//! What Usher remembers of one assignment: whether it is its own, what it last did to it, and when
//! it looks again. AWS is the truth about whether the assignment is there; this is not.

use jiff::Timestamp;

use super::aws::FailedAttempt;
use super::ids::{InstanceArn, PrincipalRef};
use super::plan::Write;
use super::target::{AssignmentRequestId, Target};
use super::text::{CallerName, Justification};

/// The triple that names an assignment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AssignmentKey {
    /// The instance.
    pub instance_arn: InstanceArn,
    /// Who has it.
    pub principal: PrincipalRef,
    /// What it is of.
    pub target: Target,
}

/// Whose the assignment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Usher has not touched it, or is done with it: the next grant reads before it writes.
    Unknown,
    /// It was there before Usher's first Create: it outlives every grant.
    Yes,
    /// Usher has recorded a Create of it: what is there is Usher's to remove.
    No,
}

impl Standing {
    /// The word of the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Yes => "YES",
            Self::No => "NO",
        }
    }

    /// Reads the store's word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Unknown, Self::Yes, Self::No]
            .into_iter()
            .find(|standing| standing.as_str() == word)
    }
}

/// That somebody asked for this assignment to be removed, whoever made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// Who.
    pub by: CallerName,
    /// Why.
    pub reason: Justification,
    /// When.
    pub at: Timestamp,
}

/// An asynchronous change of Usher's own that may be under way in AWS. While there is one, no other
/// change of the assignment starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingChange {
    /// What it does.
    pub write: Write,
    /// AWS's id of it; none until AWS's answer is recorded, which a crash or a lost answer prevents.
    pub request_id: Option<AssignmentRequestId>,
    /// When its intent was recorded.
    pub since: Timestamp,
    /// Whether something of Usher's own may have been there before it: a Create that AWS reports as
    /// FAILED then leaves that behind, else nothing.
    pub own_before: bool,
}

/// What Usher remembers of one assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignmentRecord {
    /// Which assignment.
    pub key: AssignmentKey,
    /// Whose it is.
    pub standing: Standing,
    /// When a standing assignment was last read to be there.
    pub standing_seen_at: Option<Timestamp>,
    /// When Usher last recorded that it is about to create it.
    pub last_create_at: Option<Timestamp>,
    /// Whether AWS acknowledged that Create.
    pub create_acknowledged: bool,
    /// Whether the assignment was read to be there since that Create.
    pub create_seen: bool,
    /// When Usher last recorded that it is about to delete it.
    pub last_delete_at: Option<Timestamp>,
    /// An explicit removal that is not done yet.
    pub removal: Option<Removal>,
    /// When an explicit removal or the last grant's end was last confirmed by a read.
    pub removed_at: Option<Timestamp>,
    /// The same, also where it was found there again since; none where Usher made it anew, or took it over.
    pub gone_at: Option<Timestamp>,
    /// When Usher looks once more whether a late effect of its own has appeared.
    pub recheck_at: Option<Timestamp>,
    /// An asynchronous change that may be under way.
    pub pending: Option<PendingChange>,
    /// When the reconciler is to work on it; none when nothing is to be done.
    pub next_attempt_at: Option<Timestamp>,
    /// Failures in a row.
    pub failed_attempts: u32,
    /// Changes in a row that AWS took and then reported as FAILED.
    pub failed_operations: u32,
    /// Since when AWS has refused, by this row's failures; outages begin it anew.
    pub refusing_since: Option<Timestamp>,
    /// The last failure of this row.
    pub last_failure: Option<FailedAttempt>,
    /// Counts every change of the record and of the grants on it: the fence of its lease.
    pub version: u64,
}

impl AssignmentRecord {
    /// A record of an assignment that Usher has not touched.
    #[must_use]
    pub fn new(key: AssignmentKey) -> Self {
        Self {
            key,
            standing: Standing::Unknown,
            standing_seen_at: None,
            last_create_at: None,
            create_acknowledged: false,
            create_seen: false,
            last_delete_at: None,
            removal: None,
            removed_at: None,
            gone_at: None,
            recheck_at: None,
            pending: None,
            next_attempt_at: None,
            failed_attempts: 0,
            failed_operations: 0,
            refusing_since: None,
            last_failure: None,
            version: 0,
        }
    }
}
