//! A finding as a fact: about what it is makes its key, since when and how much of it its value.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Fact, FactKey, FactKind, from_text, principal_of_second, second_of_principal, target_of_key,
    to_text,
};
use crate::domain::report::Finding;
use crate::domain::{GrantId, InvalidValue, PrincipalRef, Target};

/// Between the parts of what a finding is about: neither ids nor ARNs hold it.
const SEPARATOR: char = '|';

/// A finding about something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Which.
    pub finding: Finding,
    /// About this target.
    pub target: Option<Target>,
    /// About this user or group.
    pub principal: Option<PrincipalRef>,
    /// About this grant.
    pub grant_id: Option<GrantId>,
    /// Since when; none where nobody knows.
    pub since: Option<Timestamp>,
    /// How much of it, in words without names.
    pub detail: String,
}

/// What is kept of a finding beside what it is about.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct FindingValue {
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
}

impl Found {
    /// About nothing yet.
    #[must_use]
    pub fn new(finding: Finding) -> Self {
        Self {
            finding,
            target: None,
            principal: None,
            grant_id: None,
            since: None,
            detail: String::new(),
        }
    }

    /// What makes it the same finding in another collection.
    #[must_use]
    pub fn key(&self) -> FactKey {
        let target = self.target.as_ref().map(Target::key).unwrap_or_default();
        let principal = self.principal.as_ref().map(second_of_principal);
        let principal = principal.unwrap_or_default();
        let grant = self.grant_id.as_ref().map_or("", GrantId::as_str);
        FactKey {
            kind: FactKind::Finding,
            key: self.finding.as_str().to_owned(),
            second: format!("{target}{SEPARATOR}{principal}{SEPARATOR}{grant}"),
        }
    }

    /// The fact of it.
    ///
    /// # Errors
    /// It cannot be written down; no finding is such.
    pub fn fact(&self) -> Result<Fact, InvalidValue> {
        let value = FindingValue {
            since: self.since,
            detail: self.detail.clone(),
        };
        Ok(Fact {
            key: self.key(),
            value: to_text(&value)?,
        })
    }

    /// Reads what `fact` wrote.
    ///
    /// # Errors
    /// It is no finding that this version knows.
    pub fn read(fact: &Fact) -> Result<Self, InvalidValue> {
        let unknown = || InvalidValue("is no finding that this version knows".to_owned());
        let finding = Finding::from_word(&fact.key.key).ok_or_else(unknown)?;
        let mut parts = fact.key.second.split(SEPARATOR);
        let mut part = || parts.next().filter(|part| !part.is_empty());
        let (target, principal, grant) = (part(), part(), part());
        let value: FindingValue = from_text(&fact.value)?;
        Ok(Self {
            finding,
            target: target.map(target_of_key).transpose()?,
            principal: principal.map(principal_of_second).transpose()?,
            grant_id: grant.map(GrantId::parse).transpose()?,
            since: value.since,
            detail: value.detail,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::GrantState;
    use crate::domain::grant::tests::{at, grant};

    #[test]
    fn a_finding_comes_back_from_its_fact() {
        let grant = grant(1, GrantState::Active);
        let whole = Found {
            target: Some(grant.target),
            principal: Some(grant.principal),
            grant_id: Some(grant.id),
            since: Some(at(5)),
            detail: "12 people then, 40 now".to_owned(),
            ..Found::new(Finding::GroupGrew)
        };
        for found in [whole.clone(), Found::new(Finding::MassChange)] {
            assert_eq!(Found::read(&found.fact().unwrap()), Ok(found));
        }
        let later = Found {
            since: None,
            detail: String::new(),
            ..whole.clone()
        };
        assert_eq!(later.key(), whole.key());
    }
}
