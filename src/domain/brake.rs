//! The brake: what operators have stopped, and what stopped by itself because too many people would
//! lose access at once. Pure; the store keeps it, and holds to it.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::assignment::AssignmentRecord;
use super::grant::{Grant, GrantState};
use super::ids::{InstanceArn, InvalidValue, PrincipalRef};
use super::plan::{Changes, Write};
use super::text::{CallerName, Justification};

/// How long what waits for an Unfreeze rests before it is looked at all the same. Unfreeze makes it
/// due at once; this only covers for what nobody foresaw, so it may cost next to nothing.
const FROZEN_PAUSE: SignedDuration = SignedDuration::from_mins(10);

/// What a freeze stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Frozen {
    /// New access: no Create is sent.
    Grants,
    /// Ends of access: no Delete is sent.
    Revocations,
}

impl Frozen {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Grants, Self::Revocations];

    /// The word of the store, of events and of errors.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Grants => "GRANTS",
            Self::Revocations => "REVOCATIONS",
        }
    }

    /// The writes that it stops.
    #[must_use]
    pub fn write(self) -> Write {
        match self {
            Self::Grants => Write::Create,
            Self::Revocations => Write::Delete,
        }
    }

    /// What stops these writes.
    #[must_use]
    pub fn of(write: Write) -> Self {
        match write {
            Write::Create => Self::Grants,
            Write::Delete => Self::Revocations,
        }
    }
}

/// That something is frozen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freeze {
    /// Who froze it.
    pub by: CallerName,
    /// Why.
    pub reason: Justification,
    /// Since when.
    pub since: Timestamp,
}

/// What is frozen on one instance.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Freezes {
    /// New access.
    pub grants: Option<Freeze>,
    /// Ends of access.
    pub revocations: Option<Freeze>,
}

impl Freezes {
    /// What keeps a write from being sent.
    #[must_use]
    pub fn stopping(&self, write: Write) -> Option<&Freeze> {
        match write {
            Write::Create => self.grants.as_ref(),
            Write::Delete => self.revocations.as_ref(),
        }
    }
}

/// The brake of one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brake {
    /// The instance.
    pub instance_arn: InstanceArn,
    /// What is frozen.
    pub freezes: Freezes,
    /// Assignments that would be made if grants were not frozen.
    pub grants_waiting: u64,
    /// Assignments that would be removed if revocations were not frozen.
    pub revocations_waiting: u64,
    /// Mass changes that are held, or confirmed and not carried out yet; oldest first.
    pub mass_changes: Vec<MassChange>,
}

/// Who orders something, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The authenticated caller.
    pub caller: CallerName,
    /// For whom.
    pub subject: CallerName,
    /// The reason given.
    pub reason: Justification,
    /// When.
    pub now: Timestamp,
}

/// The id of a mass change: `mass_change_` and a UUID of version 7.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MassChangeId(String);

impl MassChangeId {
    /// Makes the id of a new mass change from a UUID of version 7.
    #[must_use]
    pub fn from_uuid(id: uuid::Uuid) -> Self {
        Self(format!("mass_change_{}", id.simple()))
    }

    /// Parses `mass_change_` and 32 lower-case hex digits.
    ///
    /// # Errors
    /// `InvalidValue` with what it must be.
    pub fn parse(value: &str) -> Result<Self, InvalidValue> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let fits = value
            .strip_prefix("mass_change_")
            .is_some_and(|id| id.len() == 32 && id.bytes().all(is_digit));
        if fits {
            Ok(Self(value.to_owned()))
        } else {
            Err(InvalidValue(
                "is not the id of a mass change: `mass_change_` and 32 hex digits, as `usher check` \
                 and the answer of Freeze tell it"
                    .to_owned(),
            ))
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MassChangeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Where a mass change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MassChangeState {
    /// Nothing of it ends until somebody confirms it.
    Held,
    /// Somebody has confirmed it: those that it names end at the next look.
    Confirmed,
    /// Those that it names were looked at after the confirmation.
    CarriedOut,
    /// The identity store looks right again.
    Dissolved,
}

impl MassChangeState {
    /// Every state.
    pub const ALL: [Self; 4] = [
        Self::Held,
        Self::Confirmed,
        Self::CarriedOut,
        Self::Dissolved,
    ];

    /// The word of the store and of events.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "HELD",
            Self::Confirmed => "CONFIRMED",
            Self::CarriedOut => "CARRIED_OUT",
            Self::Dissolved => "DISSOLVED",
        }
    }

    /// Reads the store's word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// That more beneficiaries than the limit were disabled or deleted at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MassChange {
    /// Its id.
    pub id: MassChangeId,
    /// The instance.
    pub instance_arn: InstanceArn,
    /// Where it is.
    pub state: MassChangeState,
    /// When it was found first.
    pub found_at: Timestamp,
    /// Who is disabled or deleted, sorted; of what is held, as the last look found it.
    pub gone: Vec<PrincipalRef>,
    /// How many beneficiaries that look saw.
    pub watched_count: u64,
    /// Who confirmed it.
    pub confirmed_by: Option<CallerName>,
}

/// When so many at once are a mass change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MassChangeLimit {
    /// The largest share of the beneficiaries that may go at once.
    pub share_max: f64,
    /// Fewer than so many are never a mass change.
    pub principals_min: u64,
}

impl MassChangeLimit {
    /// Whether so many of those that were seen are too many.
    #[must_use]
    pub fn is_exceeded(&self, gone: u64, seen: u64) -> bool {
        // Exact up to 2^53 principals.
        #[expect(clippy::cast_precision_loss, reason = "more principals than AWS has")]
        let share = gone as f64 / seen.max(1) as f64;
        gone > 0 && gone >= self.principals_min && share > self.share_max
    }
}

/// Why a beneficiary can no longer have access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Gone {
    /// The user is disabled.
    Disabled,
    /// The user or group is not in the identity store any more.
    Deleted,
}

impl Gone {
    /// The reason that the grants carry which end by it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "BENEFICIARY_DISABLED",
            Self::Deleted => "BENEFICIARY_DELETED",
        }
    }
}

/// What is written in the place of an intent that the brake stops: the assignment rests as it is,
/// until an Unfreeze or an end of a grant.
#[must_use]
pub fn wait_for_unfreeze(record: &AssignmentRecord, grants: &[Grant], now: Timestamp) -> Changes {
    let ends = grants
        .iter()
        .filter(|grant| grant.state == GrantState::Active)
        .filter_map(|grant| grant.end_at);
    let mut record = record.clone();
    record.next_attempt_at = ends.chain(now.checked_add(FROZEN_PAUSE).ok()).min();
    Changes {
        record,
        grants: Vec::new(),
        events: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::grant::tests::{at, grant};

    #[test]
    fn a_mass_change_is_a_large_share_of_many() {
        let limit = MassChangeLimit {
            share_max: 0.2,
            principals_min: 5,
        };
        assert!(!limit.is_exceeded(4, 4), "too few to be a mass change");
        assert!(limit.is_exceeded(5, 5));
        assert!(!limit.is_exceeded(5, 25), "exactly the share");
        assert!(limit.is_exceeded(5, 24));
        assert!(!limit.is_exceeded(0, 0));
        assert!(!limit.is_exceeded(200, 1000));
        assert!(limit.is_exceeded(201, 1000));
    }

    #[test]
    fn what_is_frozen_still_wakes_for_the_end_of_a_grant() {
        let active = grant(1, GrantState::Active);
        let record = AssignmentRecord::new(active.assignment_key());
        let soon = at(3601 - 60);
        let parked = wait_for_unfreeze(&record, std::slice::from_ref(&active), soon);
        assert_eq!(parked.record.next_attempt_at, active.end_at);
        let waiting = grant(2, GrantState::Revoking);
        let parked = wait_for_unfreeze(&record, &[waiting], at(0));
        assert_eq!(parked.record.next_attempt_at, Some(at(600)));
    }

    #[test]
    fn ids_read_what_they_wrote() {
        let id = MassChangeId::from_uuid(uuid::Uuid::from_u128(7));
        assert_eq!(MassChangeId::parse(id.as_str()), Ok(id));
        assert!(MassChangeId::parse("mass_change_7").is_err());
        for state in MassChangeState::ALL {
            assert_eq!(MassChangeState::from_word(state.as_str()), Some(state));
        }
    }
}
