//! The grant: what was asked for, by whom, at which price, and what became of it.
//!
//! What may follow in its life is in `life`: nothing else changes a grant.

mod digest;
mod life;
#[cfg(test)]
pub(crate) mod tests;

use jiff::{SignedDuration, Timestamp};

pub use life::{Transition, TransitionError};

use super::approval::Path;
use super::assignment::Standing;
use super::aws::FailedAttempt;
use super::ids::{GrantId, PrincipalRef, UserId};
use super::target::Target;
use super::text::{CallerName, Justification, Ticket};
use super::{AssignmentKey, InstanceArn};

/// Where a grant is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GrantState {
    /// Recorded; somebody must agree.
    PendingApproval,
    /// Over before it began: somebody objected, or it could not begin at its time.
    Denied,
    /// Over before it began: taken back.
    Cancelled,
    /// Over before it began: nobody agreed in time, or nobody could.
    Lapsed,
    /// Agreed to, and waits for its start.
    Scheduled,
    /// Recorded; the reconciler is making the assignment.
    Provisioning,
    /// The assignment stands and this grant holds it.
    Active,
    /// The access is being taken away.
    Revoking,
    /// Over, because somebody ended it.
    Revoked,
    /// Over, because its time was up.
    Expired,
    /// Over, because AWS refused; the absence of the assignment was read, or nothing of Usher's was
    /// ever sent.
    Failed,
}

impl GrantState {
    /// Every state.
    pub const ALL: [Self; 11] = [
        Self::PendingApproval,
        Self::Denied,
        Self::Cancelled,
        Self::Lapsed,
        Self::Scheduled,
        Self::Provisioning,
        Self::Active,
        Self::Revoking,
        Self::Revoked,
        Self::Expired,
        Self::Failed,
    ];

    /// The word of the store and of logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PendingApproval => "PENDING_APPROVAL",
            Self::Denied => "DENIED",
            Self::Cancelled => "CANCELLED",
            Self::Lapsed => "LAPSED",
            Self::Scheduled => "SCHEDULED",
            Self::Provisioning => "PROVISIONING",
            Self::Active => "ACTIVE",
            Self::Revoking => "REVOKING",
            Self::Revoked => "REVOKED",
            Self::Expired => "EXPIRED",
            Self::Failed => "FAILED",
        }
    }

    /// Reads the store's word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether the grant holds its assignment: it wants it to be there.
    #[must_use]
    pub fn is_live(self) -> bool {
        matches!(self, Self::Provisioning | Self::Active)
    }

    /// Whether it waits for people or for its start: nothing of it is in AWS.
    #[must_use]
    pub fn is_waiting(self) -> bool {
        matches!(self, Self::PendingApproval | Self::Scheduled)
    }

    /// Whether nothing can follow.
    #[must_use]
    pub fn is_over(self) -> bool {
        !self.is_waiting() && !self.is_live() && self != Self::Revoking
    }
}

/// How a grant ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndingKind {
    /// Somebody objected, or it could not begin.
    Denied,
    /// Somebody took it back.
    Cancelled,
    /// Nobody agreed in time, or nobody could.
    Lapsed,
    /// Somebody ended it.
    Revoked,
    /// Its time was up.
    Expired,
}

impl EndingKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Denied,
        Self::Cancelled,
        Self::Lapsed,
        Self::Revoked,
        Self::Expired,
    ];

    /// The word of the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "DENIED",
            Self::Cancelled => "CANCELLED",
            Self::Lapsed => "LAPSED",
            Self::Revoked => "REVOKED",
            Self::Expired => "EXPIRED",
        }
    }

    /// Reads the store's word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// That a grant is to end, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// How.
    pub kind: EndingKind,
    /// Who asked; none when it was Usher itself.
    pub by: Option<CallerName>,
    /// The reason given; empty when its time was up.
    pub reason: Justification,
    /// When the end was due or asked for.
    pub at: Timestamp,
}

/// Who asks for access, and how that was known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requester {
    /// The authenticated caller.
    pub caller: CallerName,
    /// The person for whom the caller asked.
    pub subject: CallerName,
    /// The service through which the subject asked; none when it asked by itself.
    pub service: Option<String>,
    /// Whether the subject's own token proved it, and not the service's word alone.
    pub subject_proven: bool,
    /// What policies know a subject by whom no user of the identity store fits.
    pub known_as: Option<String>,
}

impl Requester {
    /// One that asks by itself and for itself.
    #[must_use]
    pub fn itself(name: CallerName) -> Self {
        Self {
            caller: name.clone(),
            subject: name,
            service: None,
            subject_proven: true,
            known_as: None,
        }
    }
}

/// A wish for more time while a grant is active. The old end stands until it is agreed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// Which wish it is, from 1.
    pub round: u32,
    /// Who asks.
    pub requester: Requester,
    /// The end that is asked for.
    pub end_at: Timestamp,
    /// Why.
    pub justification: Justification,
    /// The ticket.
    pub ticket: Ticket,
    /// The ways to pay for it.
    pub paths: Vec<Path>,
    /// What an agreement names.
    pub digest: String,
    /// When it is too late to agree.
    pub lapses_at: Timestamp,
}

/// That a grant took over an assignment that was there without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adoption {
    /// Whose it was before: what a release restores. Unknown until it is taken over.
    pub standing_before: Standing,
    /// Who answers for it from now on; none where nobody was named.
    pub owner: Option<UserId>,
}

/// Usher's record that a principal shall have a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Its id.
    pub id: GrantId,
    /// The instance.
    pub instance_arn: InstanceArn,
    /// Who gets the access.
    pub principal: PrincipalRef,
    /// What it gives access to.
    pub target: Target,
    /// Where it is in its life.
    pub state: GrantState,
    /// How many people the principal was when asked for.
    pub people_count: u64,
    /// Who asked.
    pub requester: Requester,
    /// Why.
    pub justification: Justification,
    /// The ticket.
    pub ticket: Ticket,
    /// The ways to pay for it, as policy had them when it was asked for.
    pub paths: Vec<Path>,
    /// Ids of the policies that allowed it; none until it opens.
    pub policies: Vec<String>,
    /// Version of the policy set that decided last.
    pub policy_version: String,
    /// Taken at once and looked at afterwards.
    pub break_glass: bool,
    /// Break-glass that nobody has looked at yet.
    pub review_due: bool,
    /// It takes over an assignment that is there.
    pub adoption: Option<Adoption>,
    /// The start that was asked for; none for as soon as possible.
    pub start_asked_at: Option<Timestamp>,
    /// How long it lasts from `started_at`; none means no end.
    pub duration: Option<SignedDuration>,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// When it is too late to agree to it; none for what nobody must agree to.
    pub lapses_at: Option<Timestamp>,
    /// When Usher looks at it again by itself: what waits for people or for its start, and what
    /// has a wish for more time. None when there is nothing to look for.
    pub look_at: Option<Timestamp>,
    /// When it became active.
    pub started_at: Option<Timestamp>,
    /// When it is due to end; set with `started_at` if it has a duration.
    pub end_at: Option<Timestamp>,
    /// When it was over.
    pub ended_at: Option<Timestamp>,
    /// That and why it is to end.
    pub ending: Option<Ending>,
    /// Why it failed, once it did.
    pub failure: Option<FailedAttempt>,
    /// A wish for more time that is not decided.
    pub extension: Option<Extension>,
    /// How many such wishes there were.
    pub extension_count: u32,
    /// Counts the changes of this grant, from 1; a review is one.
    pub version: u64,
}

impl Grant {
    /// A grant that is being recorded and costs nothing; whoever asks for more says so in its fields.
    #[must_use]
    pub fn new(
        id: GrantId,
        key: AssignmentKey,
        requester: Requester,
        created_at: Timestamp,
    ) -> Self {
        Self {
            id,
            instance_arn: key.instance_arn,
            principal: key.principal,
            target: key.target,
            state: GrantState::Provisioning,
            people_count: 1,
            requester,
            justification: Justification::default(),
            ticket: Ticket::default(),
            paths: Vec::new(),
            policies: Vec::new(),
            policy_version: String::new(),
            break_glass: false,
            review_due: false,
            adoption: None,
            start_asked_at: None,
            duration: None,
            created_at,
            lapses_at: None,
            look_at: None,
            started_at: None,
            end_at: None,
            ended_at: None,
            ending: None,
            failure: None,
            extension: None,
            extension_count: 0,
            version: 1,
        }
    }

    /// The assignment that this grant holds, held or is to hold.
    #[must_use]
    pub fn assignment_key(&self) -> AssignmentKey {
        AssignmentKey {
            instance_arn: self.instance_arn.clone(),
            principal: self.principal.clone(),
            target: self.target.clone(),
        }
    }

    /// Whether the grant is active and its time is up.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.state == GrantState::Active && self.end_at.is_some_and(|end_at| end_at <= now)
    }
}
