//! What policy answers. Every answer names its policies.

use jiff::SignedDuration;

/// The answer to every action but `Request`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether it is permitted.
    pub is_allowed: bool,
    /// The permits that allowed it, or the forbids that stopped it; none on a plain denial. Sorted.
    pub policies: Vec<String>,
    /// Permits that fit but for one of their own limits (`BreakGlass` only).
    pub near_misses: Vec<NearMiss>,
    /// Policies that could not be evaluated, for which reason nothing is permitted. Sorted.
    pub errors: Vec<String>,
    /// The version of the set that decided.
    pub policy_version: String,
}

/// The answer to `Request`: the ways to pay for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestDecision {
    /// Every permit that fits, cheapest first, then by id; none when a forbid applies or a policy
    /// could not be evaluated.
    pub paths: Vec<Path>,
    /// Permits that fit but for one of their own limits.
    pub near_misses: Vec<NearMiss>,
    /// The forbids that apply. Sorted.
    pub forbidden_by: Vec<String>,
    /// Policies that could not be evaluated, for which reason there are no paths. Sorted.
    pub errors: Vec<String>,
    /// The version of the set that decided.
    pub policy_version: String,
}

/// One way to pay for access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// The permit's id.
    pub policy: String,
    /// Who must agree, in order; none when nobody must.
    pub steps: Vec<ApprovalStep>,
    /// The longest duration; none when the policy says that there is none.
    pub duration_max: Option<SignedDuration>,
}

impl Path {
    /// How many approvals it takes.
    #[must_use]
    pub fn approval_count(&self) -> u32 {
        self.steps
            .iter()
            .fold(0, |sum, step| sum.saturating_add(step.count))
    }
}

/// So many of these must agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalStep {
    /// How many.
    pub count: u32,
    /// Members of which groups, or which services. Empty: whoever may `Approve`.
    pub approvers: Vec<Approvers>,
}

/// Who may approve a step.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Approvers {
    /// The members of a group, by name or id.
    Group(String),
    /// A service.
    Service(String),
}

/// A permit that would be a path, were it not for a limit of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NearMiss {
    /// The permit's id.
    pub policy: String,
    /// Which limit: the annotation's key.
    pub limit: String,
    /// What was asked for.
    pub asked: String,
    /// What the policy allows.
    pub allowed: String,
}
