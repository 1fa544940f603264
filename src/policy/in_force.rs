//! The policy set in force, which may be replaced while calls run. A call takes it once and decides
//! by it to its end.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::PolicySet;

/// A handle on the set in force; every clone sees the same.
#[derive(Debug, Clone)]
pub struct PolicyInForce(Arc<ArcSwap<PolicySet>>);

impl PolicyInForce {
    /// Puts a first set in force.
    #[must_use]
    pub fn new(set: PolicySet) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(set)))
    }

    /// The set in force now.
    #[must_use]
    pub fn current(&self) -> Arc<PolicySet> {
        self.0.load_full()
    }

    /// Puts another set in force, for calls that begin from now on.
    pub fn replace(&self, set: PolicySet) {
        self.0.store(Arc::new(set));
    }
}
