//! The kinds of work on assignments, by whom they are for. Nothing here says who is served first: that is
//! the budget's.

use crate::domain::{EndingKind, Grant, GrantState};

/// Whom work on an assignment is for: each kind is claimed by itself, so that none keeps another from
/// being begun. In what order they are served says the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkKind {
    /// A grant of an emergency that is being made.
    BreakGlass,
    /// Somebody waits: a grant that is being made, or an end that somebody asked for.
    Asked,
    /// Ends whose time has come, and second looks.
    Rest,
}

impl WorkKind {
    /// All of them, by rank.
    pub const ALL: [Self; 3] = [Self::BreakGlass, Self::Asked, Self::Rest];

    /// This kind, and those that are served before it.
    #[must_use]
    pub fn and_before(self) -> &'static [Self] {
        match self {
            Self::BreakGlass => &[Self::BreakGlass],
            Self::Asked => &[Self::BreakGlass, Self::Asked],
            Self::Rest => &Self::ALL,
        }
    }

    /// As the store writes it: its rank.
    #[must_use]
    pub fn number(self) -> i64 {
        match self {
            Self::BreakGlass => 0,
            Self::Asked => 1,
            Self::Rest => 2,
        }
    }

    /// The kind of an assignment that has just these grants, or a removal besides.
    #[must_use]
    pub fn of(grants: &[Grant], is_removed: bool) -> Self {
        let mut making = grants
            .iter()
            .filter(|grant| grant.state == GrantState::Provisioning);
        if making.clone().any(|grant| grant.break_glass) {
            return Self::BreakGlass;
        }
        let ending = |grant: &Grant| {
            let ending = grant.ending.as_ref().map(|ending| ending.kind);
            grant.state == GrantState::Revoking && ending == Some(EndingKind::Revoked)
        };
        if is_removed || making.next().is_some() || grants.iter().any(ending) {
            Self::Asked
        } else {
            Self::Rest
        }
    }
}

/// So many of each kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OfEachKind([usize; WorkKind::ALL.len()]);

impl OfEachKind {
    /// The same number of each.
    #[must_use]
    pub fn all(count: usize) -> Self {
        Self([count; WorkKind::ALL.len()])
    }

    /// How many of a kind.
    #[must_use]
    pub fn of(&self, kind: WorkKind) -> usize {
        self.0[kind as usize]
    }

    /// One less of a kind, if there is one.
    pub fn take(&mut self, kind: WorkKind) {
        let count = &mut self.0[kind as usize];
        *count = count.saturating_sub(1);
    }

    /// Whether there is none of any.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0.iter().all(|count| *count == 0)
    }
}
