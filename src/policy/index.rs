//! Which policies a question has to look at, and what they say.
//!
//! Policies lie on shelves by action, by what the principal must be or be in, and by what the
//! resource must be or be in. A policy whose scope names something that the subject or the resource
//! is not in cannot fit and cannot fail, since Cedar looks at the scope first; so its shelf is
//! skipped. Cedar decides about everything on the shelves that are left. `index_tests.rs` proves the
//! answers equal to those of the whole set.

use std::collections::{BTreeSet, HashMap};

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

/// Policies with the same constraints; none stands for a scope that names no entity.
type ByResource = HashMap<Option<EntityUid>, CedarSet>;
type ByPrincipal = HashMap<Option<EntityUid>, ByResource>;

/// The shelves.
#[derive(Default)]
pub(super) struct Index {
    by_action: [ByPrincipal; Action::ALL.len()],
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
            let shelf = self.by_action[place(*action)]
                .entry(principal.clone())
                .or_default()
                .entry(resource.clone())
                .or_default();
            shelf.add(policy.clone()).ok()?;
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
        let authorizer = Authorizer::new();
        let mut found = Found::default();
        for principal in subject_in.chain([None]) {
            let Some(by_resource) = by_principal.get(&principal) else {
                continue;
            };
            for shelf in resource_in.iter().filter_map(|it| by_resource.get(it)) {
                found.add(&authorizer, shelf, facts);
            }
        }
        found
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
