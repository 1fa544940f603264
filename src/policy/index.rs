//! Which policies a question has to look at, and what they say.
//!
//! Policies lie on shelves by action, by what the principal must be or be in, and by what the
//! resource must be or be in. A policy whose scope names something that the subject or the resource
//! is not in cannot fit and cannot fail, since Cedar looks at the scope first; so its shelf is
//! skipped. Cedar decides about everything on the shelves that are left, put together into one set,
//! which is kept: who asks again has the same groups. `index_tests.rs` proves the answers equal to
//! those of the whole set.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use cedar_policy::{
    AuthorizationError, Authorizer, EntityUid, Policy, PolicyId, PolicySet as CedarSet,
    PrincipalConstraint, ResourceConstraint,
};

use super::facts::Facts;
use super::question::Action;
use super::vocabulary::place;

/// What the satisfied policies of a set say. If a forbid fits, not every permit that fits need be
/// there: nothing is permitted then.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Ids of policies that fit, permits and forbids.
    pub(super) satisfied: BTreeSet<PolicyId>,
    /// Ids of policies that could not be evaluated.
    pub(super) errors: BTreeSet<PolicyId>,
}

/// How many sets put together from shelves are kept: one for each combination of groups and targets
/// that asks often. Each holds references only.
const MERGED_MAX: u64 = 1_000;

/// The number of a shelf: policies with the same constraints. None stands for a scope that names no
/// entity.
type ByResource = HashMap<Option<EntityUid>, usize>;
type ByPrincipal = HashMap<Option<EntityUid>, ByResource>;

/// The shelves.
pub(super) struct Index {
    by_action: [ByPrincipal; Action::ALL.len()],
    shelves: Vec<CedarSet>,
    /// By the numbers of the shelves, in order.
    merged: moka::sync::Cache<Vec<usize>, Option<Arc<CedarSet>>>,
}

impl Default for Index {
    fn default() -> Self {
        Self {
            by_action: Default::default(),
            shelves: Vec::new(),
            merged: moka::sync::Cache::new(MERGED_MAX),
        }
    }
}

impl Index {
    /// Puts a policy on the shelves of its actions; none when its id is there already.
    pub(super) fn add(&mut self, policy: &Policy, actions: &[Action]) -> Option<()> {
        let principal = match policy.principal_constraint() {
            PrincipalConstraint::Any | PrincipalConstraint::Is(_) => None,
            PrincipalConstraint::In(id)
            | PrincipalConstraint::Eq(id)
            | PrincipalConstraint::IsIn(_, id) => Some(id),
        };
        let resource = match policy.resource_constraint() {
            ResourceConstraint::Any | ResourceConstraint::Is(_) => None,
            ResourceConstraint::In(id)
            | ResourceConstraint::Eq(id)
            | ResourceConstraint::IsIn(_, id) => Some(id),
        };
        for action in actions {
            let next = self.shelves.len();
            let number = *self.by_action[place(*action)]
                .entry(principal.clone())
                .or_default()
                .entry(resource.clone())
                .or_insert(next);
            if number == next {
                self.shelves.push(CedarSet::new());
            }
            self.shelves.get_mut(number)?.add(policy.clone()).ok()?;
        }
        Some(())
    }

    /// What fits.
    pub(super) fn ask(&self, action: Action, facts: &Facts) -> Found {
        let by_principal = &self.by_action[place(action)];
        let subject_in = facts.subject_in.iter().cloned().map(Some);
        let resource_in: Vec<Option<EntityUid>> = facts
            .resource_in
            .iter()
            .cloned()
            .map(Some)
            .chain([None])
            .collect();
        let mut numbers: Vec<usize> = Vec::new();
        for principal in subject_in.chain([None]) {
            if let Some(by_resource) = by_principal.get(&principal) {
                numbers.extend(resource_in.iter().filter_map(|it| by_resource.get(it)));
            }
        }
        numbers.sort_unstable();
        let merge = || self.merge(&numbers);
        let merged = self.merged.get_with_by_ref(numbers.as_slice(), merge);
        let (authorizer, mut found) = (Authorizer::new(), Found::default());
        match merged {
            Some(set) => found.add(&authorizer, &set, facts),
            None => {
                for shelf in self.of(&numbers) {
                    found.add(&authorizer, shelf, facts);
                }
            }
        }
        found
    }

    /// The policies of some shelves as one set; none where they cannot be one.
    fn merge(&self, numbers: &[usize]) -> Option<Arc<CedarSet>> {
        let mut merged = CedarSet::new();
        for policy in self.of(numbers).flat_map(CedarSet::policies) {
            merged.add(policy.clone()).ok()?;
        }
        Some(Arc::new(merged))
    }

    fn of(&self, numbers: &[usize]) -> impl Iterator<Item = &CedarSet> {
        numbers
            .iter()
            .filter_map(|number| self.shelves.get(*number))
    }
}

impl Found {
    /// Asks one Cedar set.
    pub(super) fn add(&mut self, authorizer: &Authorizer, set: &CedarSet, facts: &Facts) {
        let response = authorizer.is_authorized(&facts.request, set, &facts.entities);
        let diagnostics = response.diagnostics();
        self.satisfied.extend(diagnostics.reason().cloned());
        let errors = diagnostics.errors().map(|error| match error {
            AuthorizationError::PolicyEvaluationError(error) => error.policy_id().clone(),
        });
        self.errors.extend(errors);
    }
}
