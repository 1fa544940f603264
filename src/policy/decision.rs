//! What policy answers. Every answer names its policies.

use crate::domain::Path;

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
