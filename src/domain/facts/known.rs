//! What every reader wants of the fact of a user, a group or a target: its name and its status.

use super::{Fact, FactKind};
use crate::domain::PrincipalStatus;

/// The name and the status of something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownFact {
    /// Its name; empty where it is not known.
    pub name: String,
    /// Of users and groups.
    pub status: PrincipalStatus,
}

/// The members of other values that hold a name.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Named {
    name: String,
}

impl KnownFact {
    /// Reads them; what this version cannot read is not known.
    #[must_use]
    pub fn read(fact: &Fact) -> Self {
        Self::try_read(fact).unwrap_or(Self {
            name: String::new(),
            status: PrincipalStatus::Unknown,
        })
    }

    fn try_read(fact: &Fact) -> Option<Self> {
        match fact.key.kind {
            FactKind::User => {
                let (user, _) = fact.user().ok()?;
                Some(Self {
                    name: user.user_name,
                    status: user.status,
                })
            }
            FactKind::Group => {
                let (group, status) = fact.group().ok()?;
                Some(Self {
                    name: group.display_name,
                    status,
                })
            }
            _ => {
                let named: Named = serde_json::from_str(&fact.value).ok()?;
                Some(Self {
                    name: named.name,
                    status: PrincipalStatus::Unknown,
                })
            }
        }
    }
}
