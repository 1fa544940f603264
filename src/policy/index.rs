//! Which policies a question has to look at, and what they say.
//!
//! Policies lie on shelves by action, by what the principal must be or be in, by what the resource
//! must be or be in, and by the text that they compare first. A policy whose scope names something
//! that the subject or the resource is not in cannot fit and cannot fail, since Cedar looks at the
//! scope first, and then at that text; so its shelf is skipped. Cedar decides about everything on the shelves that are left, put together into one set,
//! which is kept: who asks again has the same groups. `index_tests.rs` proves the answers equal to
//! those of the whole set.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use cedar_policy::{
    AuthorizationError, Authorizer, EntityTypeName, EntityUid, Policy, PolicyId,
    PolicySet as CedarSet,
};

use super::compared::{TextAttribute, first_comparison};
use super::facts::Facts;
use super::question::Action;
use super::scope::Scope;
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

/// How many policies the sets that are put together from shelves hold together: one set for each
/// combination of groups and targets that asks often. Cedar copies a policy's text into each, a
/// kilobyte or so.
const MERGED_POLICIES_MAX: u64 = 100_000;

/// Something for each scope that policies write.
struct ByScope<T> {
    anything: T,
    is: HashMap<EntityTypeName, T>,
    within: HashMap<EntityUid, T>,
}

type ByResource = ByScope<Shelves>;
type ByPrincipal = ByScope<ByResource>;

/// The numbers of the shelves of one scope.
#[derive(Default)]
struct Shelves {
    /// Of those that compare no text first.
    plain: Option<usize>,
    by_text: HashMap<TextAttribute, HashMap<String, usize>>,
}

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
            merged: moka::sync::Cache::builder()
                .weigher(|_, set: &Option<Arc<CedarSet>>| {
                    let policies = set.as_ref().map_or(0, |set| set.policies().count());
                    u32::try_from(policies).unwrap_or(u32::MAX).max(1)
                })
                .max_capacity(MERGED_POLICIES_MAX)
                .build(),
        }
    }
}

impl Index {
    /// Puts a policy on the shelves of its actions; none when its id is there already.
    pub(super) fn add(&mut self, policy: &Policy, actions: &[Action]) -> Option<()> {
        let (principal, resource) = (Scope::of_principal(policy), Scope::of_resource(policy));
        let compared = first_comparison(policy);
        for action in actions {
            let next = self.shelves.len();
            let shelves = self.by_action[place(*action)].of(&principal).of(&resource);
            let number = shelves.number(compared.as_ref(), next);
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
        let mut numbers: Vec<usize> = Vec::new();
        for by_resource in by_principal.fitting(&facts.subject, &facts.subject_in) {
            for shelves in by_resource.fitting(&facts.resource, &facts.resource_in) {
                shelves.collect(facts, &mut numbers);
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
        let policies = self.of(numbers).flat_map(CedarSet::policies).cloned();
        CedarSet::from_policies(policies).ok().map(Arc::new)
    }

    fn of(&self, numbers: &[usize]) -> impl Iterator<Item = &CedarSet> {
        numbers
            .iter()
            .filter_map(|number| self.shelves.get(*number))
    }
}

impl<T: Default> Default for ByScope<T> {
    fn default() -> Self {
        Self {
            anything: T::default(),
            is: HashMap::new(),
            within: HashMap::new(),
        }
    }
}

impl<T: Default> ByScope<T> {
    fn of(&mut self, scope: &Scope) -> &mut T {
        match scope {
            Scope::Anything => &mut self.anything,
            Scope::Is(kind) => self.is.entry(kind.clone()).or_default(),
            Scope::Eq(id) | Scope::In(id) | Scope::IsIn(_, id) => {
                self.within.entry(id.clone()).or_default()
            }
        }
    }

    /// What lies under the scopes that fit an entity.
    fn fitting(&self, entity: &EntityUid, is_in: &HashSet<EntityUid>) -> impl Iterator<Item = &T> {
        let within = is_in.iter().filter_map(|id| self.within.get(id));
        let is = self.is.get(entity.type_name());
        within.chain(is).chain([&self.anything])
    }
}

impl Shelves {
    /// The number of the shelf for a policy; the next one where there is none yet.
    fn number(&mut self, compared: Option<&(TextAttribute, String)>, next: usize) -> usize {
        match compared {
            None => *self.plain.get_or_insert(next),
            Some((attribute, value)) => *self
                .by_text
                .entry(attribute.clone())
                .or_default()
                .entry(value.clone())
                .or_insert(next),
        }
    }

    /// Adds the shelves whose text is the question's, and all where the question has none: Cedar
    /// tells then what that means.
    fn collect(&self, facts: &Facts, numbers: &mut Vec<usize>) {
        numbers.extend(self.plain);
        for (attribute, by_value) in &self.by_text {
            match facts.text(attribute) {
                Some(text) => numbers.extend(by_value.get(&text)),
                None => numbers.extend(by_value.values()),
            }
        }
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
