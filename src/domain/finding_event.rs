//! Findings that came or went, as the log tells them: by ids only.

use serde_json::{Map, Value};

use super::ids::{GrantId, InstanceArn, PrincipalRef};
use super::report::Finding;
use super::service_event::put;
use super::target::Target;

/// Whether a finding came or went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingChange {
    /// A collection found it, and the one before did not.
    New,
    /// A collection that lacked nothing did not find it any more.
    Gone,
}

impl FindingChange {
    /// The word of its events.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::New => "finding_new",
            Self::Gone => "finding_gone",
        }
    }
}

/// A finding that came or went; of one kind, several where there are very many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingEvent {
    /// Whether it came or went.
    pub change: FindingChange,
    /// The finding.
    pub finding: Finding,
    /// The instance.
    pub instance_arn: InstanceArn,
    /// About this user or group.
    pub principal: Option<PrincipalRef>,
    /// About this target.
    pub target: Option<Target>,
    /// About this grant.
    pub grant_id: Option<GrantId>,
    /// How many; more than one is about nobody by name.
    pub count: u64,
}

impl FindingEvent {
    /// So many findings of a kind, about nothing by name.
    #[must_use]
    pub fn about(
        instance: &InstanceArn,
        change: FindingChange,
        finding: Finding,
        count: u64,
    ) -> Self {
        Self {
            change,
            finding,
            instance_arn: instance.clone(),
            principal: None,
            target: None,
            grant_id: None,
            count,
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        self.change.kind()
    }

    pub(super) fn write(&self, body: &mut Map<String, Value>) {
        put(body, "instance_arn", self.instance_arn.as_str());
        put(body, "finding", self.finding.as_str());
        put(body, "count", self.count);
        if let Some(principal) = &self.principal {
            put(body, "principal_type", principal.kind.as_str());
            put(body, "principal_id", principal.id.as_str());
        }
        if let Some(target) = &self.target {
            put(body, "target_kind", target.kind());
            put(body, "target", target.key().as_ref());
        }
        if let Some(id) = &self.grant_id {
            put(body, "grant_id", id.as_str());
        }
    }
}
