//! What people are asked to agree to: a grant that has not begun, or more time for one that has.

use jiff::{SignedDuration, Timestamp};

use crate::domain::{Grant, GrantState, Justification, Path, Requester, Review, Ticket};

/// A wish that is open to agreement, or was and is about to be carried out.
#[derive(Debug, Clone, Copy)]
pub(in crate::app) struct Wish<'a> {
    /// The grant.
    pub(in crate::app) grant: &'a Grant,
    /// Which wish on it.
    pub(in crate::app) round: u32,
    /// Who asks.
    pub(in crate::app) requester: &'a Requester,
    /// The ways to pay for it, as they were when it was asked for.
    pub(in crate::app) paths: &'a [Path],
    /// How long the access lasts with it, from its start; none means no end.
    pub(in crate::app) duration: Option<SignedDuration>,
    /// Why.
    pub(in crate::app) justification: &'a Justification,
    /// The ticket.
    pub(in crate::app) ticket: &'a Ticket,
    /// When it is too late to agree.
    pub(in crate::app) lapses_at: Option<Timestamp>,
}

impl<'a> Wish<'a> {
    /// The wish of a grant that is not carried out yet, if there is one.
    pub(in crate::app) fn of(grant: &'a Grant) -> Option<Self> {
        match (grant.state, &grant.extension) {
            (GrantState::PendingApproval | GrantState::Scheduled, _) => Some(Self::first_of(grant)),
            (GrantState::Active, Some(extension)) => Some(Self {
                grant,
                round: extension.round,
                requester: &extension.requester,
                paths: &extension.paths,
                duration: grant
                    .started_at
                    .map(|start| extension.end_at.duration_since(start)),
                justification: &extension.justification,
                ticket: &extension.ticket,
                lapses_at: Some(extension.lapses_at),
            }),
            _ => None,
        }
    }

    /// The wish for the grant itself, whatever became of it.
    pub(in crate::app) fn first_of(grant: &'a Grant) -> Self {
        Self {
            grant,
            round: 0,
            requester: &grant.requester,
            paths: &grant.paths,
            duration: grant.duration,
            justification: &grant.justification,
            ticket: &grant.ticket,
            lapses_at: grant.lapses_at,
        }
    }

    /// The same wish with these ways to pay for it.
    pub(in crate::app) fn with_paths(self, paths: &'a [Path]) -> Self {
        Self { paths, ..self }
    }

    /// What an agreement names.
    pub(in crate::app) fn digest(&self) -> String {
        match &self.grant.extension {
            Some(extension) if self.round > 0 => extension.digest.clone(),
            _ => self.grant.digest(),
        }
    }

    /// Whether a review is about this wish.
    pub(in crate::app) fn is_of(&self, review: &Review) -> bool {
        review.round == self.round && review.digest == self.digest()
    }
}
