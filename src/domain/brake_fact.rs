//! What happens to the brake, as events: ids and counts only, like every event.

use serde_json::{Map, Value};

use super::brake::{Frozen, MassChange, MassChangeState};
use super::ids::InstanceArn;
use super::log::Link;
use super::service_event::put;
use super::text::CallerName;

/// What happened to the brake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrakeFact {
    /// Somebody stopped something.
    Frozen(FreezeFact),
    /// Somebody let it go on.
    Unfrozen(FreezeFact),
    /// The store was restored from a backup whose log ended here: everything is frozen.
    Restored(Link),
    /// A mass change came into this state.
    MassChange {
        /// The mass change, in its new state.
        change: MassChange,
        /// Who did it; none where Usher found it so.
        by: Option<(CallerName, CallerName)>,
    },
}

/// Who stopped what, or let it go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreezeFact {
    /// The authenticated caller.
    pub caller: CallerName,
    /// For whom.
    pub subject: CallerName,
    /// Where.
    pub instance_arn: InstanceArn,
    /// What.
    pub what: Frozen,
}

impl BrakeFact {
    /// The word of the canonical form.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Frozen(_) => "frozen",
            Self::Unfrozen(_) => "unfrozen",
            Self::Restored(_) => "restored",
            Self::MassChange { change, .. } => match change.state {
                MassChangeState::Held => "mass_change_held",
                MassChangeState::Confirmed => "mass_change_confirmed",
                MassChangeState::CarriedOut => "mass_change_carried_out",
                MassChangeState::Dissolved => "mass_change_dissolved",
            },
        }
    }

    pub(super) fn actor(&self) -> &'static str {
        match self {
            Self::Frozen(_) | Self::Unfrozen(_) | Self::MassChange { by: Some(_), .. } => "caller",
            Self::Restored(_) | Self::MassChange { by: None, .. } => "usher",
        }
    }

    pub(super) fn write(&self, body: &mut Map<String, Value>) {
        match self {
            Self::Frozen(fact) | Self::Unfrozen(fact) => {
                put(body, "caller", fact.caller.as_str());
                put(body, "subject", fact.subject.as_str());
                put(body, "instance_arn", fact.instance_arn.as_str());
                put(body, "scope", fact.what.as_str());
            }
            Self::Restored(end) => {
                put(body, "backup_position", end.position);
                put(body, "backup_hash", end.hash.to_string());
            }
            Self::MassChange { change, by } => {
                if let Some((caller, subject)) = by {
                    put(body, "caller", caller.as_str());
                    put(body, "subject", subject.as_str());
                }
                put(body, "instance_arn", change.instance_arn.as_str());
                put(body, "mass_change_id", change.id.as_str());
                put(body, "gone_count", change.gone.len());
                put(body, "watched_count", change.watched_count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::grant::GrantState;
    use crate::domain::grant::tests::{at, grant};
    use crate::domain::{MassChangeId, ServiceEvent, ServiceFact};

    #[test]
    fn a_mass_change_is_told_by_ids_and_counts() {
        let grant = grant(1, GrantState::Active);
        let fact = BrakeFact::MassChange {
            change: MassChange {
                id: MassChangeId::from_uuid(uuid::Uuid::from_u128(7)),
                instance_arn: grant.instance_arn.clone(),
                state: MassChangeState::Held,
                found_at: at(0),
                gone: vec![grant.principal],
                watched_count: 4,
                confirmed_by: None,
            },
            by: None,
        };
        let event = ServiceEvent {
            at: at(0),
            what: ServiceFact::Brake(fact),
        };
        let expected = format!(
            "{{\"actor\":\"usher\",\"at_microseconds\":\"1800000000000000\",\"gone_count\":1,\
             \"instance_arn\":\"{}\",\"kind\":\"mass_change_held\",\
             \"mass_change_id\":\"mass_change_00000000000000000000000000000007\",\
             \"watched_count\":4}}",
            grant.instance_arn
        );
        assert_eq!(event.to_canonical_json().unwrap(), expected);
    }
}
